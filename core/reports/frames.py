"""Tables for charts and grids. The one place here that meets pandas, which ships no complete types."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from pandas.api.types import is_datetime64_any_dtype  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

Frame = pd.DataFrame
"""A table."""
OTHERS = "All others"
"""What those are called together that have no row, bar or line of their own."""
AT_ONCE = 500
"""Rows of a file that are held while it is written."""
T = TypeVar("T")

_BEFORE = "[\\s\\x00-\\x20\u200b-\u200f\u2060\ufeff']*"
_SIGNS = "=+@\\-\uff1d\uff0b\uff20\uff0d\ufe66\ufe62\ufe6b\ufe63\u2212"
_RUN = re.compile(f"{_BEFORE}[{_SIGNS}]|[' ]*[\\t\\r\\n]")
"""What begins a formula, behind blanks, apostrophes and what nobody sees: a sign of any width, a tab, a line break."""
_PARTED = re.compile(r"[,;\"\r\n\t]")
_TIMES = frozenset({"at", "started_at", "ended_at"})
_FLOATS = frozenset(
    {
        "error_rate", "validity", "p50", "p95", "p99", "p95_before", "duration_ms", "ttft_ms",
        "usd", "spend_usd", "budget_usd", "used", "cost_usd", "wasted_usd", "cost_per_valid_usd", "useful_usd",
        "discarded_usd", "discarded_share", "estimated_usd", "hit_rate", "cache_saved_usd", "answer_rate",
        "answers_saved_usd", "useful", "discarded",
    }
)  # fmt: skip
_WHOLE_OR_MISSING = frozenset({"version", "cost_nano_usd", "spend_nano_usd"})


def frame(columns: Sequence[str], rows: Iterable[Sequence[Any]], floats: Collection[str] = ()) -> Frame:
    """Return *rows* as a table whose columns have their types even where it is empty; an unknown figure is missing.

    *floats* are such columns beside those that always are.
    """
    table: Any = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    types = {name: "float64" for name in columns if name in _FLOATS or name in floats}
    types |= {name: "Int64" for name in columns if name in _WHOLE_OR_MISSING}
    table = table.astype(types)
    for name in _TIMES.intersection(columns):
        table[name] = pd.to_datetime(table[name], utc=True)  # pyright: ignore[reportUnknownMemberType]
    return table


def records(table: Frame) -> list[dict[str, Any]]:
    """Return the rows of a table as they go into a document: what is missing is ``None``."""
    as_objects: Any = table
    whole: Any = as_objects.astype(object).where(as_objects.notna(), None)
    rows: list[dict[str, Any]] = whole.to_dict("records")
    for row in rows:
        row.update({name: row[name].to_pydatetime() for name in _TIMES & row.keys()})
    return rows


def csv(table: Frame, *, has_head: bool = True) -> bytes:
    """Return a table as CSV, times in UTC; no cell of it is a formula to a spreadsheet (:func:`csv_cell`).

    It is UTF-8 and says so by the mark that spreadsheets look for. What goes on behind another one has no head.
    """
    lines: list[Iterable[str]] = [map(csv_cell, table.columns)] if has_head else []
    lines.extend(zip(*(_written(table[name]) for name in table.columns), strict=True))
    text = "".join(f"{','.join(line)}\n" for line in lines)
    return (f"\N{BOM}{text}" if has_head else text).encode("utf-8", "replace")


def csv_cell(value: Any) -> str:
    """Return what stands for *value* in a CSV: nothing for what is missing, a number or another value as it is.

    A text that a spreadsheet might run, by what it begins with behind blanks and apostrophes, gets an apostrophe. What
    any spreadsheet might take for the end of a cell stands in quotes, since half of them part cells by semicolons.
    """
    if not isinstance(value, str):
        return "" if value is None or value is pd.NA or value != value else str(value)  # noqa: PLR0124 what is no number
    text = f"'{value}" if value != "-" and _RUN.match(value) else value
    return '"' + text.replace('"', '""') + '"' if _PARTED.search(text) else text


def _written(column: Any) -> Iterable[str]:
    if is_datetime64_any_dtype(column):
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return map(csv_cell, column.tolist())


def batches(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield rows by the hundred, at least once."""
    rest = iter(rows)
    some = list(islice(rest, AT_ONCE))
    yield some
    while len(some) == AT_ONCE and (some := list(islice(rest, AT_ONCE))):
        yield some


def csv_pieces(tables: Iterable[Frame]) -> Iterator[bytes]:
    """Yield tables that follow each other as the one CSV that they are."""
    for number, table in enumerate(tables):
        yield csv(table, has_head=not number)

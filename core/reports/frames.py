"""Tables for charts and grids. The one place here that meets pandas, which ships no complete types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

Frame = pd.DataFrame
"""A table."""
AT_ONCE = 500
"""Rows of a file that are held while it is written."""
T = TypeVar("T")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TIMES = frozenset({"at", "started_at"})
_FLOATS = frozenset(
    {
        "error_rate", "validity", "p50", "p95", "p99", "p95_before", "duration_ms", "ttft_ms",
        "usd", "spend_usd", "budget_usd", "used", "cost_usd", "wasted_usd", "cost_per_valid_usd", "useful_usd",
        "discarded_usd", "discarded_share", "estimated_usd", "hit_rate", "cache_saved_usd", "answer_rate",
        "answers_saved_usd", "useful", "discarded",
    }
)  # fmt: skip
_WHOLE_OR_MISSING = frozenset({"version", "cost_nano_usd", "spend_nano_usd"})


def frame(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Frame:
    """Return *rows* as a table whose columns have their types even where it is empty; an unknown figure is missing."""
    table: Any = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    types = {name: "float64" for name in columns if name in _FLOATS}
    types |= {name: "Int64" for name in columns if name in _WHOLE_OR_MISSING}
    table = table.astype(types)
    for name in _TIMES.intersection(columns):
        table[name] = pd.to_datetime(table[name], utc=True)  # pyright: ignore[reportUnknownMemberType]
    return table


def csv(table: Frame, *, has_head: bool = True) -> bytes:
    """Return a table as CSV, times in UTC; a text that a spreadsheet would run as a formula gets an apostrophe.

    What goes on behind another one has no head.
    """
    safe: Any = table.copy()
    for name in safe.columns:
        if not is_numeric_dtype(safe[name]) and not is_datetime64_any_dtype(safe[name]):
            safe[name] = [f"'{text}" if isinstance(text, str) and text[:1] in _FORMULA else text for text in safe[name]]
    return safe.to_csv(index=False, header=has_head, date_format="%Y-%m-%dT%H:%M:%S.%fZ").encode()


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

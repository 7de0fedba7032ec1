"""The columns that a list of calls can have: how each is drawn, what it sorts by and what a table holds of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.reports.calls import CallOrder
from core.schemas import version_name
from pages.kit import outcomes
from pages.kit.frames import Frame, pd

_C = st.column_config
_REASK = outcomes.KINDS["re-ask"]
_UNTOLD = set(outcomes.OUTCOMES) - {"valid_after_reask"}
"""Outcomes that do not say it themselves."""
_BADGES = [*outcomes.OUTCOMES.values(), _REASK, outcomes.ASKED_AGAIN]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column."""

    label: str
    sort: str
    """What the list is sorted by when its head is clicked."""
    of: Callable[[Frame], Any]
    """Takes its cells from a page of calls."""
    draw: Callable[[str, str], Any]
    """Makes its looks of its head and a time zone."""
    is_usual: bool = True
    is_text: bool = False
    """Whether it is sorted from A on at first, and not from the most."""


def words(outcome: str, reask_of: object, superseded: object) -> list[str]:
    """Return how a call ended, and what it is of those that one client made for one object."""
    said = [outcomes.word(outcome)]
    if isinstance(reask_of, str) and outcome in _UNTOLD:
        said.append(_REASK.word)
    return [*said, outcomes.ASKED_AGAIN.word] if superseded else said


def _outcomes(calls: Frame) -> list[list[str]]:
    return [words(*row) for row in zip(calls["outcome"], calls["reask_of"], calls["superseded"], strict=True)]


def _schemas(calls: Frame) -> list[str | None]:
    return [
        version_name(name, None if pd.isna(version) else int(version)) or None
        for name, version in zip(calls["schema"], calls["version"], strict=True)
    ]


def _text(width: int, help: str | None = None) -> Callable[[str, str], Any]:  # noqa: A002 Streamlit's word
    return lambda label, _: _C.TextColumn(label, width=width, help=help)


def _number(width: int, format: str, help: str | None = None) -> Callable[[str, str], Any]:  # noqa: A002 as above
    return lambda label, _: _C.NumberColumn(label, format=format, width=width, help=help)


COLUMNS: Mapping[str, ListColumn] = {
    "started_at": ListColumn(
        "Began", "started", lambda calls: calls["started_at"],
        lambda label, zone: _C.DatetimeColumn(
            label, format="MMM D, HH:mm:ss", timezone=zone, width=118, pinned=True
        ),
    ),
    "outcome": ListColumn(
        "Outcome", "outcome", _outcomes,
        lambda label, _: _C.MultiselectColumn(
            label, options=[one.word for one in _BADGES], color=[one.colour for one in _BADGES], width=130
        ),
        is_text=True,
    ),
    "tenant": ListColumn("Tenant", "tenant", lambda calls: calls["tenant"], _text(130), is_text=True),
    "schema": ListColumn("Schema", "schema", _schemas, _text(134), is_text=True),
    "model": ListColumn(
        "Model", "model", lambda calls: calls["model"], _text(186, "Who answered, or was asked last"), is_text=True
    ),
    "attempts": ListColumn("Attempts", "attempts", lambda calls: calls["attempts"], _number(64, "%d")),
    "seconds": ListColumn(
        "Duration", "latency", lambda calls: calls["duration_ms"] / 1000,
        _number(70, "%.2f s", "From the door to the record"),
    ),
    "tokens": ListColumn(
        "Tokens", "tokens", lambda calls: calls["input_tokens"] + calls["output_tokens"], _number(62, "localized")
    ),
    "cost": ListColumn(
        "Cost", "cost", lambda calls: calls["cost_usd"], _number(78, "$%.5f", "As far as known. A dash: unpriced")
    ),
    "error": ListColumn("Error code", "error", lambda calls: calls["error_code"], _text(108), is_text=True),
    "request": ListColumn(
        "Request id", "request", lambda calls: calls["request_id"], _text(140), is_usual=False, is_text=True
    ),
    "route": ListColumn("Route", "route", lambda calls: calls["route"], _text(110), is_usual=False, is_text=True),
    "ttft": ListColumn(
        "First token", "ttft", lambda calls: calls["ttft_ms"] / 1000,
        _number(88, "%.2f s", "Known of streams only"), is_usual=False,
    ),
    "input": ListColumn(
        "Input", "input_tokens", lambda calls: calls["input_tokens"], _number(72, "localized", "Tokens"),
        is_usual=False,
    ),
    "output": ListColumn(
        "Output", "output_tokens", lambda calls: calls["output_tokens"], _number(72, "localized", "Tokens"),
        is_usual=False,
    ),
    "wasted": ListColumn(
        "Wasted", "wasted", lambda calls: calls["wasted_usd"],
        _number(82, "$%.5f", "The part of the cost that bought no valid object"), is_usual=False,
    ),
}  # fmt: skip
"""Every column by its name, in the order in which they stand."""
USUAL = tuple(name for name, one in COLUMNS.items() if one.is_usual)


def chosen_in(text: str | None) -> tuple[str, ...]:
    """Return the columns that an address names; the usual ones where it names none that there are."""
    named = tuple(name for name in COLUMNS if name in (text or "").split(","))
    return named or USUAL


def table_of(calls: Frame, names: Sequence[str]) -> Frame:
    """Return a page of calls as it is drawn."""
    return pd.DataFrame({name: COLUMNS[name].of(calls) for name in names})


def looks(names: Sequence[str], zone: str, order: CallOrder | None) -> dict[str, Any]:
    """Return how the columns are drawn: the one that the list is sorted by has an arrow."""
    arrows = {order.by: " ↓" if order.is_descending else " ↑"} if order else {}
    return {name: one.draw(one.label + arrows.get(one.sort, ""), zone) for name in names for one in (COLUMNS[name],)}


def sorted_by(name: str, now: CallOrder) -> CallOrder:
    """Return the order after a click on the head of a column: the other way round, where it is that already."""
    column = COLUMNS[name]
    if now.by == column.sort:
        return CallOrder(column.sort, not now.is_descending)
    return CallOrder(column.sort, not column.is_text)

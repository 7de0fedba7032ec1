"""What a recorded call answered, and beside it what came when the same was asked again: each field that is another."""

from __future__ import annotations

import json
from collections.abc import Mapping

import streamlit as st

from core.reports import Call
from pages.kit import formats, layout
from pages.kit.field_table import NBSP
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.playground import answer
from pages.playground.compared_fields import LEFT_OUT, ComparedField, compared_fields
from pages.playground.comparison import figures, unchanged
from pages.playground.runs import Run

THEN, NOW = "Recorded call", "This run"
CHANGED = f":orange[:material/change_circle:{NBSP}changed]"


def draw(visit: Visit, call: Call, last: Run) -> None:
    """Draw the card; *last* is the run that came since *call* was opened."""
    then = json.loads(call.value) if call.value else answer.last_said(visit, last.body, call)
    now = last.value if last.is_valid else answer.last_said(visit, last.body, last.call)
    with layout.card("Beside the recorded answer", key="beside", stretch=False):
        _figures(call, last)
        if then is None:
            reason = "has no answer: none came" if call.payload_expires_at else "keeps no answer (any more)"
            st.caption(f"The recorded call {reason}. So only its figures stand here.")
            return
        if now is None:
            st.caption("Nothing of an object came this time, so there is nothing to compare field by field.")
            return
        found = compared_fields([then, now])
        changed = sum(not one.is_same for one in found)
        values = formats.plural(len(found), "value")
        if changed:
            st.markdown(f":orange[:material/change_circle:] **{changed} of {values}** changed.")
        else:
            st.markdown(f":green[:material/check_circle: Nothing changed: {unchanged(len(found))}.]")
        wrong = _problems(call)
        table(
            pd.DataFrame(
                {
                    "Field": [plain(one.path) for one in found],
                    THEN: [plain(one.values[0]) for one in found],
                    NOW: [_now(one) for one in found],
                    "Change": [_change(one, wrong) for one in found],
                }
            ).set_index("Field"),
            alt="Each value of the recorded answer and of this one, and whether it changed",
        )


def _figures(call: Call, last: Run) -> None:
    then, now = figures(call), figures(last.call)
    shown = pd.DataFrame({THEN: then, NOW: {name: now.get(name, formats.UNKNOWN) for name in then}})
    table(shown, alt="Outcome, latency, attempts, tokens and cost of both")


def _now(one: ComparedField) -> str:
    return plain(one.values[1]) if one.is_same else f"**{plain(one.values[1])}**"


def _change(one: ComparedField, wrong: Mapping[str, str]) -> str:
    """Return in a word and a sign how a value changed, and what was wrong with the recorded one."""
    before, after = one.values
    if one.is_same:
        word = f":gray[:material/check:{NBSP}same]"
    elif before == LEFT_OUT:
        word = f":blue[:material/add_circle:{NBSP}new]"
    elif after == LEFT_OUT:
        word = f":red[:material/do_not_disturb_on:{NBSP}gone]"
    else:
        word = CHANGED
    return f"{word} · was wrong: {plain(wrong[one.path])}" if one.path in wrong else word


def _problems(call: Call) -> Mapping[str, str]:
    """Return what was wrong with the answer of a call that ended without a valid one, by path."""
    last = () if call.value or not call.attempts else call.attempts[-1].field_errors
    return {one.path: one.message for one in last}

"""What is recorded at the moment: the list drawn anew every few seconds, by one question at a time."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import streamlit as st

from core.errors import ProctorError
from core.reports import CallFilter
from core.reports.calls import TAIL_SIZE
from pages.calls import cards, columns
from pages.calls.rows import open_row, remember
from pages.kit import formats, zones
from pages.kit.frames import Frame, grid
from pages.kit.page import Visit, show_error

SWITCH = "tail"
EVERY = timedelta(seconds=3)
_RESTS = 4
"""So many times as long as a question took one waits before the next."""


def draw(visit: Visit, wanted: CallFilter, names: tuple[str, ...], zone: str) -> None:
    """Draw it, and go on doing so."""
    st.fragment(_follow, run_every=EVERY)(visit, wanted, names, zone)


def _follow(visit: Visit, wanted: CallFilter, names: tuple[str, ...], zone: str) -> None:
    clock, kept = visit.runtime.clock, st.session_state.get("_tail")
    began = clock.monotonic()
    if kept is None or kept[0] != wanted or began >= kept[1]:
        try:
            found: Frame = visit.runtime.reports.tail(visit.principal, wanted)
        except ProctorError as error:
            show_error(error, "The calls cannot be followed.")
            return
        rests = began + _RESTS * (clock.monotonic() - began)
        kept = st.session_state["_tail"] = (wanted, rests, found, clock.now())
    _, _, calls, at = kept
    if not len(calls):
        st.caption(f"Nothing was recorded of late. As of {formats.moment(at, zone, seconds=True)}; it goes on looking.")
        return
    remember(calls)
    one_tenant = wanted.tenant_id is not None
    with st.container(key="calls_grid"):
        grid(
            columns.table_of(calls, names),
            most_rows=TAIL_SIZE // 2,
            key="calls_tail",
            on_pick=partial(open_row, "calls_tail"),
            alt="Calls as they are recorded, the latest first",
            has_cards=False,
            columns=columns.looks(names, zone, None),
        )
    cards.draw(calls, zone, one_tenant=one_tenant)
    st.caption(
        f"The {formats.count(len(calls))} that were recorded last, in that order: a call that takes long comes when it "
        f"ends · times in {zones.name(zone)} · as of {formats.moment(at, zone, seconds=True)}"
    )

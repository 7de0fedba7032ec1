"""What is recorded at the moment: the list drawn anew every few seconds, by one question at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import streamlit as st

from core.clock import EPOCH
from core.errors import ProctorError
from core.reports import CallFilter, Window
from core.reports.calls import TAIL_SIZE
from pages.calls import cards, columns
from pages.calls.rows import open_row, remember
from pages.kit import formats, zones
from pages.kit.frames import Frame, grid
from pages.kit.page import Visit, show_error
from pages.kit.shared import shared

SWITCH = "tail"
EVERY = timedelta(seconds=3)
_GOOD_SECONDS = 2.4
"""For so long what was found is shown to all: each tab finds it old when it looks again."""


def draw(visit: Visit, wanted: CallFilter, names: tuple[str, ...], zone: str) -> None:
    """Draw it, and go on doing so."""
    st.fragment(_follow, run_every=EVERY)(visit, wanted, names, zone)


def _newest(visit: Visit, wanted: CallFilter) -> tuple[Frame, datetime]:
    """Return what was recorded last of what is *wanted*, and as of when: asked once for all who follow the same."""
    reports, clock = visit.runtime.reports, visit.runtime.clock
    return shared(
        visit,
        "calls as they are recorded",
        Window.of(wanted.starts_at, wanted.ends_at),
        replace(wanted, starts_at=EPOCH, ends_at=EPOCH),  # whatever time is chosen, what is recorded now is followed
        lambda: (reports.tail(visit.principal, wanted), clock.now()),
        good_for=_GOOD_SECONDS,
    )


def _follow(visit: Visit, wanted: CallFilter, names: tuple[str, ...], zone: str) -> None:
    try:
        calls, at = _newest(visit, wanted)
    except ProctorError as error:
        show_error(error, "The calls cannot be followed.")
        return
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

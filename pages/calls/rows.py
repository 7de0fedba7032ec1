"""Rows of a list of calls: a click opens the call, a click on a head sorts all that pass the filter."""

from __future__ import annotations

import streamlit as st

from core.reports import CallPage
from core.reports.calls import PAGE_SIZE, CallOrder
from pages.calls import columns, paging
from pages.kit import address, links
from pages.kit.frames import Frame, grid, picked, picked_head

LEADS = {"tenant": links.of_tenant, "schema": links.of_schema, "model": links.of_model}
_IDS = "calls_on_page"


def remember(calls: Frame) -> None:
    """Keep which call stands in which row."""
    st.session_state[_IDS] = calls["id"].tolist()


def open_row(key: str) -> None:
    """Open the call whose row was clicked."""
    ids: list[str] = st.session_state[_IDS]
    row = picked(key, LEADS)
    if row is not None and row < len(ids):
        address.enter("call", ids[row])


def draw(page: CallPage, names: tuple[str, ...], zone: str, order: CallOrder) -> None:
    """Draw one page of calls."""
    remember(page.calls)
    key = f"calls_table_{order}"  # another order is another table, in which no head is clicked yet

    def clicked() -> None:
        if head := picked_head(key):
            paging.sort(columns.sorted_by(head, order))
        else:
            open_row(key)

    grid(
        columns.table_of(page.calls, names),
        most_rows=PAGE_SIZE,
        key=key,
        on_pick=clicked,
        leads={name: lead for name, lead in LEADS.items() if name in names},
        alt=f"Calls, sorted by {order.by}",
        columns=columns.looks(names, zone, order),
        sorts=True,
        has_cards=False,  # its own have two lines
    )

"""Which page of the list is shown: a place in its order, which the address holds, as of the moment it was begun."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from core.clock import EPOCH
from core.reports import CallPage
from core.reports.calls import MOST_COUNTED_CALLS, NEWEST, CallCursor, CallOrder
from pages.kit import formats
from pages.kit.page import Visit

AFTER, BEFORE, AS_OF, SORT = "after", "before", "asof", "sort"


def first_page() -> None:
    """Go back to the first page, as the list is another one now."""
    for name in (AFTER, BEFORE, AS_OF):
        st.query_params.pop(name, None)


def order() -> CallOrder:
    """Return in what order the address has the list."""
    return CallOrder.of(st.query_params.get(SORT, str(NEWEST)))


def sort(chosen: CallOrder) -> None:
    """Sort the list otherwise."""
    first_page()
    if chosen == NEWEST:
        st.query_params.pop(SORT, None)
    else:
        st.query_params[SORT] = str(chosen)


def as_of(visit: Visit) -> datetime:
    """Return up to when the list goes: who turns its pages goes on with the one that he began."""
    begun = st.query_params.get(AS_OF, "")
    is_one = begun.isdecimal() and len(begun) < 12
    return min(EPOCH + timedelta(seconds=int(begun)), visit.now) if is_one else visit.now


def cursor(chosen: CallOrder) -> CallCursor | None:
    """Return where the page begins, or ends; ``None`` for the first.

    Raises:
        Invalid: the address names no place of this list.

    """
    if after := st.query_params.get(AFTER):
        return CallCursor.of(after, chosen)
    if before := st.query_params.get(BEFORE):
        return CallCursor.of(before, chosen, is_before=True)
    return None


def draw(visit: Visit, page: CallPage) -> None:
    """Draw where one is, and the ways on and back."""
    if page.before is None and page.after is None:
        return
    begun = int((as_of(visit) - EPOCH).total_seconds()) + (0 if AS_OF in st.query_params else 1)
    if page.before is not None:
        st.button("First", icon=":material/first_page:", key="first", on_click=first_page)
    _turn("Previous", ":material/chevron_left:", BEFORE, page.before, begun)
    st.caption(_where(page), width="content")
    _turn("Next", ":material/chevron_right:", AFTER, page.after, begun)


def _turn(label: str, icon: str, way: str, to: CallCursor | None, begun: int) -> None:
    if to is not None:
        st.button(label, icon=icon, key=way, on_click=_go, args=(way, str(to), begun))


def _go(way: str, to: str, begun: int) -> None:
    first_page()
    st.query_params.update({way: to, AS_OF: str(begun)})


def _where(page: CallPage) -> str:
    if page.skipped >= MOST_COUNTED_CALLS:
        return f"beyond {formats.count(page.skipped)}"
    last = page.skipped + len(page.calls)
    return f"{formats.count(page.skipped + 1)}\N{EN DASH}{formats.count(last)} of {many(page.total)}"


def many(total: int) -> str:
    """Return how many calls there are, as far as they were counted."""
    return formats.count(total) + (" or more" if total >= MOST_COUNTED_CALLS else "")

"""The list of calls: a search, an order and a place in it, all of them in the address, and the table of one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import streamlit as st

from core.call_search import CallSearch
from core.errors import Invalid
from core.reports import MOST_EXPORTED, CallFilter, CallPage
from core.reports.calls import MOST_SORTED, SORTS, CallOrder, CallSummary
from core.reports.incidents import LONGEST
from core.reports.ranges import Range
from core.saved_views import SavedView
from core.tenants import Tenant
from pages.calls import cards, columns, files, paging, rows, searching, tail, views
from pages.kit import address, formats, incidents, kept, layout, ranges, zones
from pages.kit.choices import tenant_choice
from pages.kit.exports import export
from pages.kit.markup import plain
from pages.kit.page import Visit, show_error

ORDERS = {
    "-started": "Newest first", "started": "Oldest first", "-latency": "Slowest first", "latency": "Fastest first",
    "-ttft": "Latest first token", "-cost": "Dearest first", "cost": "Cheapest first", "-tokens": "Most tokens first",
    "-attempts": "Most attempts first", "-wasted": "Most wasted first",
}  # fmt: skip
"""Orders that are offered in words; a click on the head of a column has the others."""
_SORTS = [f"{sign}{by}" for by in SORTS for sign in ("", "-")]
TAKES = {
    "call": address.ANY,
    "tenant": address.TENANT,
    **ranges.TAKES,
    searching.Q: address.ANY,
    paging.SORT: address.one_of(_SORTS, "what a list of calls is sorted by, such as `-cost`"),
    paging.AFTER: address.ANY,
    paging.BEFORE: address.ANY,
    paging.AS_OF: address.Parameter("a time in seconds since 1970", lambda _, one: one.isdecimal() and len(one) < 12),
    views.COLUMNS: address.ANY,
    views.VIEW: address.ANY,
    tail.SWITCH: address.SWITCH,
    **dict.fromkeys(searching.OLD_FILTERS, address.ANY),
    "outcome": address.one_of(
        {*searching.OUTCOMES, *searching.OUTCOMES.values()}, "an outcome, such as `Valid`, or `Any error`"
    ),
    "version": address.NUMBER,
    "page": address.NUMBER,
}
"""What may stand in the address; what is any text narrows the list down, to nothing where it does not occur."""


@dataclass(frozen=True, slots=True)
class _AskedList:
    """What the address and the controls ask for."""

    wanted: CallFilter
    search: CallSearch
    order: CallOrder
    names: tuple[str, ...]
    """The columns that were chosen."""
    views: Sequence[SavedView]
    """What whoever looks has kept."""
    zone: str
    ends_now: bool
    """Whether what begins from now on belongs to it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table, in which the one tenant that was chosen need not stand in each row."""
        return tuple(name for name in self.names if name != "tenant" or self.wanted.tenant_id is None)

    @property
    def is_narrowed(self) -> bool:
        """Whether any filter but time and tenant is set."""
        return self.search.term is not None


def draw(visit: Visit) -> None:
    """Draw the filtered list."""
    searching.take_over()
    with visit.controls:
        tenant = tenant_choice(visit, on_change=paging.first_page)
        zone = zones.shown(tenant.timezone if tenant else "UTC")
        chosen = ranges.choice(visit, zone, on_change=paging.first_page)
    with st.container(key="search", gap="xsmall"):
        text = searching.box(visit)
        search = searching.read(text)
        if search is None:
            return
        row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="filters")
    asked = _asked(visit, tenant, chosen, zone, search)
    kept.note(visit, chosen.window(paging.as_of(visit), zone), asked.wanted.tenant_id)
    with row:
        follows = st.session_state.get(tail.SWITCH, st.query_params.get(tail.SWITCH) == "true")
        summary = None if follows else visit.runtime.reports.summary(visit.principal, asked.wanted)
        if summary is not None:
            searching.facets(visit, search, summary, one_tenant=tenant is not None)
        _chips(asked)
        _choices(visit, asked, follows=summary is None)
    if summary is None:
        tail.draw(visit, asked.wanted, asked.columns, asked.zone)
    elif not summary.calls:
        _nothing(narrowed=asked.is_narrowed)
    else:
        _page(visit, asked, summary)


def _asked(visit: Visit, tenant: Tenant | None, chosen: Range, zone: str, search: CallSearch) -> _AskedList:
    window, saved = chosen.window(paging.as_of(visit), zone), views.kept(visit)
    return _AskedList(
        wanted=CallFilter(
            starts_at=window.starts_at, ends_at=window.ends_at, tenant_id=tenant.id if tenant else None, q=search.text
        ),
        search=search,
        order=paging.order(),
        names=columns.chosen_in(views.column_text(saved)),
        views=saved,
        zone=zone,
        ends_now=chosen.ends_now,
    )


def clear() -> None:
    """Take every filter back but time and tenant."""
    searching.edit("")


def _chips(asked: _AskedList) -> None:
    searching.chips(asked.search)
    if asked.is_narrowed:
        st.button("Clear", icon=":material/filter_alt_off:", type="tertiary", key="clear", on_click=clear)


def _choices(visit: Visit, asked: _AskedList, *, follows: bool) -> None:
    """Draw in what form the list is shown; who *follows* it has it in the order of the records."""
    if not follows:
        _order(asked)
    views.columns_choice(asked.names)
    views.draw(visit, asked.views, asked.search.text, asked.order, asked.names)
    st.toggle("Live", key=tail.SWITCH, bind="query-params", help="Follow what is recorded, as it is recorded.")


def _order(asked: _AskedList) -> None:
    order = str(asked.order)
    options = [*ORDERS, *([] if order in ORDERS else [order])]
    st.session_state["order"] = order
    st.selectbox(
        "Sorted",
        options,
        key="order",
        format_func=lambda one: ORDERS.get(one, f"By {one.removeprefix('-')}, {'down' if one[0] == '-' else 'up'}"),
        label_visibility="collapsed",
        width=152,
        on_change=lambda: paging.sort(CallOrder.of(st.session_state["order"])),
    )


def _page(visit: Visit, asked: _AskedList, summary: CallSummary) -> None:
    reports = visit.runtime.reports
    try:
        cursor = paging.cursor(asked.order)
    except Invalid as error:
        show_error(error, "This page of the list is not there.")
        st.button("First page", key="first_page", on_click=paging.first_page)
        return
    known = {"total": summary.calls} if asked.order.is_in_time else {}  # sorted otherwise, it is of fewer calls
    page = reports.calls(visit.principal, asked.wanted, asked.order, cursor, **known)
    if not len(page.calls):
        with layout.empty(
            "Nothing more", "The calls of this page are not there any more.", icon=":material/last_page:"
        ):
            st.button("First page", key="first_page", on_click=paging.first_page)
        return
    _newer(visit, asked)
    with st.container(key="calls_grid"):
        rows.draw(page, asked.columns, asked.zone, asked.order)
    cards.draw(page.calls, asked.zone, one_tenant=asked.wanted.tenant_id is not None)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(_below(asked, summary, page), width="content")
        with st.container(horizontal=True, gap="small", width="content", vertical_alignment="center"):
            paging.draw(visit, page)
            _incident(visit, asked)
            _exports(visit, asked)


def _newer(visit: Visit, asked: _AskedList) -> None:
    """Say how many calls have begun since the list was; they lead to its first page."""
    if paging.AS_OF not in st.query_params or not asked.ends_now:
        return
    since = replace(asked.wanted, starts_at=asked.wanted.ends_at, ends_at=visit.now + timedelta(seconds=1))
    if newer := visit.runtime.reports.count(visit.principal, since):
        st.button(
            f"{paging.many(newer)} newer", icon=":material/arrow_upward:", type="tertiary", key="newer",
            on_click=paging.first_page,
        )  # fmt: skip


def _below(asked: _AskedList, summary: CallSummary, page: CallPage) -> str:
    since = f"sorted among the newest {formats.count(MOST_SORTED)}, since {formats.moment(page.since, asked.zone)}"
    many = f"{paging.many(summary.calls)} calls" if not summary.is_all else formats.plural(summary.calls, "call")
    told = (
        many,
        spent(summary),
        searching.of_how_many(summary),
        since if page.since else "",
        f"times in {zones.name(asked.zone)}",
        f"as of {formats.moment(page.as_of, asked.zone, seconds=True)}",
        "click a row to see its attempts, a name to open its page, a head to sort all of them",
    )
    return " · ".join(one for one in told if one)


def spent(summary: CallSummary) -> str:
    """Return what calls cost, with what that figure does not hold."""
    beside = [
        f"{count:,} {what}"
        for count, what in ((summary.unpriced, "unpriced"), (summary.estimated, "estimated"))
        if count
    ]
    return plain(formats.dollars(summary.spend_nano_usd)) + (f" ({', '.join(beside)})" if beside else "")


def _incident(visit: Visit, asked: _AskedList) -> None:
    """Lead to what happened in that time, where that is short enough to be one incident."""
    begins, ends = asked.wanted.starts_at, min(asked.wanted.ends_at, visit.now)
    if timedelta() < ends - begins <= LONGEST:
        whose = next(
            (one.name for one in visit.runtime.tenants.list(visit.principal) if one.id == asked.wanted.tenant_id), None
        )
        place = incidents.of_time(begins, ends, whose)
        label, icon = "What happened then", ":material/emergency_home:"
        st.page_link("incident/page.py", label=label, icon=icon, query_params=dict(place.parameters))


def _exports(visit: Visit, asked: _AskedList) -> None:
    told = f"All that passes, in this order, times in UTC, no prompts and answers; at most {MOST_EXPORTED:,} rows."
    name = f"calls-{visit.now:%Y%m%d-%H%M}"
    listed = files.CallList(asked.wanted, str(asked.order), asked.names)
    export("Export CSV", files.LIST, listed, name=f"{name}.csv", help=f"The columns of this list. {told}")
    whole = replace(listed, columns=())
    export("Every column", files.LIST, whole, name=f"{name}-all.csv", help=f"All that is known. {told}", is_quiet=True)


def _nothing(*, narrowed: bool) -> None:
    sentence = (
        "No call passes these filters." if narrowed else "Nothing was called in this time. Choose a longer range."
    )
    with layout.empty("No calls", sentence, icon=":material/search_off:"):
        if narrowed:
            st.button("Clear the filters", key="clear_all", on_click=clear)
        else:
            st.page_link("playground/page.py", label="Open the playground", icon=":material/data_object:")

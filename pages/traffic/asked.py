"""What the address of *Traffic* says: which calls over which time, told apart by what, and what was picked out of them.

Who drags over a chart sees that stretch, and beside it what is different there: the address keeps the range that it was
cut out of (``around``). Who clicks a cell or a row keeps the range, and picks out those calls (``here``, a search, and
``at``, a stretch of time).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import streamlit as st

from core.call_search import FieldMatch, Negation, Term, every, exactly, printed, read_search, with_term
from core.errors import Invalid
from core.reports import CallFilter, Window
from core.reports.calls import term_of
from core.reports.query import DIMENSIONS
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.kit import address, ranges
from pages.kit.page import Visit

Q, BY, MEASURE, AROUND, HERE, AT = "q", "by", "measure", "around", "here", "at"
MEASURES = (
    "calls", "error_rate", "got_object", "errors", "blocked", "p50", "p95", "p99", "ttft_p50", "ttft_p95", "queue",
    "queued_share", "tokens", "spend", "discarded", "cost_per_valid", "reasks", "fallbacks",
)  # fmt: skip
"""What groups can be compared by."""
_RANGE = address.Parameter(
    "a range such as `24h`, or two times with a slash between", lambda _, said: Range.read(said) is not None
)
_SPAN = address.Parameter(
    "two times with a slash between", lambda _, said: (Range.read(said) or Range()).span is not None
)
TAKES = {
    "tenant": address.TENANT,
    **ranges.TAKES,
    "live": address.SWITCH,
    "log": address.SWITCH,
    Q: address.ANY,
    BY: address.one_of(DIMENSIONS),
    MEASURE: address.one_of(MEASURES),
    AROUND: _RANGE,
    HERE: address.Parameter("a search such as `model:openai/gpt-4o`", lambda _, said: _is_read(said)),
    AT: _SPAN,
}
"""What its address may hold."""
_STEPS = tuple(timedelta(minutes=many) for many in (1, 5, 15, 30, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60))
_MOST_STEPS = 50
"""How many bars or cells stand side by side at most."""
_HOURS = timedelta(hours=6)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedCalls:
    """Calls that were picked out, and those among which."""

    within: Window
    selected: CallFilter
    among: CallFilter
    terms: str
    """A search for them among the others; empty where a stretch of time was picked."""
    chosen: Range
    """When they began."""
    around: str = ""
    """The range that they were cut out of, as an address has it; empty for what is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """Which calls."""

    tenant: Tenant | None
    chosen: Range
    window: Window
    q: str

    @property
    def zone(self) -> str:
        """In which times are told."""
        return self.window.zone

    @property
    def tenant_id(self) -> str | None:
        """Of which tenant alone."""
        return self.tenant.id if self.tenant else None

    @property
    def here(self) -> dict[str, str]:
        """Time, tenant and search, as they stand in the addresses of other pages."""
        whose = {"tenant": self.tenant.name} if self.tenant else {}
        return ranges.parameters(self.chosen, self.zone) | whose | ({Q: self.q} if self.q else {})

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What calls can be told apart by."""
        return tuple(one for one in DIMENSIONS if one != "tenant" or self.tenant is None)

    def steps(self, most: int = _MOST_STEPS) -> timedelta:
        """Return how wide a bar is: the narrowest of which there are no more than *most*."""
        length = self.window.ends_at - self.window.starts_at
        return next((one for one in _STEPS if length <= one * most), _WEEK)

    def coarser(self, step: timedelta) -> timedelta:
        """Return the next wider step."""
        return next((one for one in _STEPS if one > step), _WEEK)

    def calls(self, q: str, window: Window) -> CallFilter:
        """Return the filter for the calls of a window that pass a search."""
        return CallFilter(starts_at=window.starts_at, ends_at=window.ends_at, tenant_id=self.tenant_id, q=q)

    def picked(self, visit: Visit) -> PickedCalls | None:
        """Return what was picked; ``None`` where nothing was."""
        here, at, around = (st.query_params.get(name, "") for name in (HERE, AT, AROUND))
        if here or at:
            chosen = Range.read(at) or self.chosen
            terms, among = narrowed(self.q, read_search(here).term), self.calls(self.q, self.window)
            window = chosen.window(visit.now, self.zone) if at else self.window
            selected, within = self.calls(terms, window), self.window
            passed = self._passed(chosen) if at else None
            if passed is not None:
                within = passed.window(visit.now, self.zone)
                among = self.calls(self.q, within)
            return PickedCalls(
                within=within,
                selected=selected,
                among=among,
                terms=here,
                chosen=chosen,
                around=str(passed) if passed else "",
            )
        outer = Range.read(around)
        if outer is None or self.chosen.span is None:
            return None
        within = outer.window(visit.now, self.zone)
        return PickedCalls(
            within=within,
            selected=self.calls(self.q, self.window),
            among=self.calls(self.q, within),
            terms="",
            chosen=self.chosen,
            around=around,
        )

    def _passed(self, at: Range) -> Range | None:
        """Return what a stretch is held against that does not lie within what is shown: as much, as it was then.

        A range that ends now has moved on since the stretch was picked, for whoever opens the link of yesterday.
        """
        if at.span is None or (self.window.starts_at <= at.span[0] and at.span[1] <= self.window.ends_at):
            return None
        length = max(self.window.ends_at - self.window.starts_at, at.span[1] - at.span[0])
        ends_at = max(at.span[1], min(self.window.ends_at, at.span[0] + length))
        return Range.between(ends_at - length, ends_at)


def narrowed(q: str, term: Term | None) -> str:
    """Return a search with one more term."""
    return q if term is None else with_term(q, term)


def term_for(dimension: str, value: str | None, name: str = "", *, is_not: bool = False) -> Term:
    """Return the term of a search for the calls that have a value of a dimension."""
    if dimension == "version":
        schema, _, number = (value or "").rpartition("@")
        version = term_of("version", int(number)) if number.isdecimal() else FieldMatch("version", ())
        found = every(FieldMatch("schema", exactly(schema)), version)
    else:
        found = FieldMatch(dimension, exactly((name if dimension == "tenant" else value) or ""))
    assert found is not None  # noqa: S101 there is one in either case
    return Negation(found) if is_not else found


def pick(term: Term | None, at: Range | None = None) -> None:
    """Let the address say that calls were picked out of those that are shown; those that are picked no longer are."""
    told = {HERE: printed(term), AT: str(at) if at else ""}
    if {name: st.query_params.get(name, "") for name in told} == told:
        unpick()
        return
    st.query_params.pop(AROUND, None)
    for name, value in told.items():
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)


def cut_out(chosen: Range, of: Range) -> bool:
    """Show a stretch of what is shown, and keep what it was cut out of; return whether it was not shown before."""
    if chosen == of:
        return False
    unpick()
    st.query_params[AROUND] = str(of)
    ranges.zoom(chosen)
    return True


def unpick() -> None:
    """Let the address say that nothing is picked."""
    for name in (AROUND, HERE, AT):
        st.query_params.pop(name, None)


def _is_read(text: str) -> bool:
    try:
        return read_search(text).term is not None
    except Invalid:
        return False

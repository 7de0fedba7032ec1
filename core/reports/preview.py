"""What a budget would have done: the calls of the last days, held against a limit.

The database is asked once for what was spent, by quarters of an hour; every limit, period and mode that a person tries
after that is arithmetic on the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.budgets import Scope
from core.budgets.periods import Period, Span, period_around
from core.clock import from_micros, micros
from core.errors import Invalid
from core.reports.reading import Reading
from core.reports.spend import bounds
from core.reports.spend_queries import history
from core.reports.windows import QUARTER, Window

PREVIEW_DAYS = 30
_LONGEST_PERIOD = timedelta(days=31)
_LOOKED_AT = timedelta(days=400)
"""No further back is what a fixed span had spent looked for: an answer has a bound, whatever the span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedPeriod:
    """One period of the budget; its calls are those that began in it and in the days that were looked at."""

    starts_at: datetime
    ends_at: datetime
    calls: int
    blocked: int
    spent_nano_usd: int
    """What the calls of the period did cost until now, those before the days that were looked at included."""
    kept_nano_usd: int
    """The part of it that would not have been spent."""
    first_at: datetime | None
    """When the first call would have been blocked, to the quarter of an hour; ``None`` if none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a limit would have blocked."""

    limit_nano_usd: int
    since: datetime
    """From here on calls are counted."""
    as_of: datetime
    calls: int
    """Calls that asked a provider and that the budget would have covered."""
    blocked: int
    kept_nano_usd: int
    """What would not have been spent."""
    unpriced: int
    """Calls without a known cost among them: such a call moves no budget, so none of them is counted as blocked by it
    unless the limit was reached."""
    periods: Sequence[PreviewedPeriod]
    """The oldest first."""

    @property
    def blocked_share(self) -> float | None:
        """Blocked calls among all; ``None`` where there was none."""
        return self.blocked / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class _Group:
    """The calls of one quarter of an hour that cost about the same: as many digits."""

    starts_at: datetime
    first_at: datetime
    is_counted: bool
    """Whether they lie in the days that are looked at, and not before."""
    calls: int
    spent: int
    cheapest: int
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendHistory:
    """What the calls that a budget would cover did cost: few figures a day, however many calls there were."""

    timezone: str
    begins_at: datetime
    """Nothing older is known."""
    since: datetime
    as_of: datetime
    groups: Sequence[_Group]

    @property
    def spent_nano_usd(self) -> int:
        """What calls have cost since ``since``, as far as that is known."""
        return sum(one.spent for one in self.groups if one.is_counted)

    @property
    def calls(self) -> int:
        """How many there were since ``since``."""
        return sum(one.calls for one in self.groups if one.is_counted)

    def against(self, limit_nano_usd: int, period: str = Period.MONTH, span: Span | None = None) -> Preview:
        """Return what a hard limit of that much per *period* would have blocked since ``since``.

        A call is blocked if what it cost would not have fitted into what was left of its period; what a blocked call
        cost is not spent. Each period begins as it truly did: with what its calls before the days in question cost.
        Exact but for the one quarter of an hour in which a limit is reached: there, of calls that cost about the same,
        as many pass as their mean cost lets. The real corridor holds a little more than a call turns out to cost, so
        close to the limit it blocks a little earlier.

        Raises:
            Invalid: a fixed span without its ends, or an unknown period.

        """
        if period not in set(Period):
            raise Invalid(f"A budget has no period {period!r}. There are: {', '.join(Period)}.")
        if period == Period.SPAN and span is None:
            raise Invalid("A fixed span needs its first moment and its last.")
        played = _Replay(limit_nano_usd, lambda at: _span(at, period, span, self.timezone))
        for group in self.groups:
            played.play(group)
        return played.preview(self.since, self.as_of)


def spend_histories(  # noqa: PLR0917 what a budget is made of
    reading: Reading,
    now: datetime,
    scope: str = "tenant",
    scope_name: str = "",
    span: Span | None = None,
    days: int = PREVIEW_DAYS,
) -> Mapping[str, SpendHistory]:
    """Return, by tenant, what the calls of the last *days* cost, and those before in the same period, or in *span*.

    *reading* sees the tenants in question, and no other.

    Raises:
        Invalid: an unknown scope.

    """
    if scope not in list(Scope):
        raise Invalid(f"A budget has no scope {scope!r}. There are: {', '.join(Scope)}.")
    since = now - timedelta(days=days)
    begins = min(since - _LONGEST_PERIOD, max(span[0], now - _LOOKED_AT)) if span else since - _LONGEST_PERIOD
    bound = bounds(Window.of(begins, now))
    about = {"since": micros(since), "scope_name": Scope(scope).named(scope_name) if scope != Scope.TENANT else ""}
    groups: dict[str, list[_Group]] = {tenant_id: [] for tenant_id in reading.tenants}
    for row in reading.rows(history(Scope(scope)), bound | about):
        groups[row.tenant_id].append(
            _Group(
                starts_at=from_micros(row.quarter * (QUARTER // timedelta(microseconds=1))),
                first_at=from_micros(row.first_at),
                is_counted=row.digits >= 0,
                calls=row.calls,
                spent=row.spent,
                cheapest=row.cheapest,
                unpriced=row.unpriced,
            )
        )
    return {
        tenant_id: SpendHistory(
            timezone=reading.tenants[tenant_id].timezone, begins_at=begins, since=since, as_of=now, groups=several
        )
        for tenant_id, several in groups.items()
    }


def _span(at: datetime, period: str, span: Span | None, timezone: str) -> Span | None:
    """Return the period around *at*; ``None`` outside of a fixed span."""
    if period != Period.SPAN:
        return period_around(Period(period), timezone, at)
    return span if span is not None and span[0] <= at < span[1] else None


@dataclass(slots=True)
class _Sums:
    calls: int = 0
    blocked: int = 0
    spent: int = 0
    kept: int = 0
    first_at: datetime | None = None


class _Replay:
    """Plays the quarters of an hour, in order; in each, the cheap calls first."""

    def __init__(self, limit: int, span_around: Callable[[datetime], Span | None]) -> None:
        self._limit = limit
        self._span_around = span_around
        self._span: Span | None = None
        self._periods: dict[Span, _Sums] = {}
        self._unpriced = 0

    def play(self, group: _Group) -> None:
        """Play calls that cost about the same."""
        if self._span is None or not self._span[0] <= group.first_at < self._span[1]:
            self._span = self._span_around(group.first_at)
        if self._span is None:
            return
        sums = self._periods.setdefault(self._span, _Sums())
        left = self._limit - (sums.spent - sums.kept)
        sums.spent += group.spent
        if not group.is_counted:
            return
        sums.calls += group.calls
        self._unpriced += group.unpriced
        passing = _passing(group, left)
        if passing < group.calls:
            sums.blocked += group.calls - passing
            # What they cost on average, rounded so that those that pass fit.
            sums.kept += group.spent - min(left, group.spent * passing // group.calls) if passing else group.spent
            sums.first_at = sums.first_at or group.first_at

    def preview(self, since: datetime, as_of: datetime) -> Preview:
        """Return what came of it."""
        return Preview(
            limit_nano_usd=self._limit,
            since=since,
            as_of=as_of,
            calls=sum(sums.calls for sums in self._periods.values()),
            blocked=sum(sums.blocked for sums in self._periods.values()),
            kept_nano_usd=sum(sums.kept for sums in self._periods.values()),
            unpriced=self._unpriced,
            periods=[
                PreviewedPeriod(
                    starts_at=span[0],
                    ends_at=span[1],
                    calls=sums.calls,
                    blocked=sums.blocked,
                    spent_nano_usd=sums.spent,
                    kept_nano_usd=sums.kept,
                    first_at=sums.first_at,
                )
                for span, sums in self._periods.items()
                if sums.calls
            ],
        )


def _passing(group: _Group, left: int) -> int:
    """Return how many calls of *group* fit into *left*. Whoever cost nothing would still have held something."""
    if left <= 0 or group.cheapest > left:
        return 0
    if group.spent <= left:
        return group.calls
    return min(group.calls - 1, max(1, left * group.calls // group.spent))

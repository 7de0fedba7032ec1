"""What a budget would have done: the calls of the last days, played again against a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.budgets.periods import Period, Span, period_around
from core.clock import from_micros
from core.errors import Invalid, NotFound
from core.reports.reading import Reading
from core.reports.spend import bounds
from core.reports.spend_queries import REPLAY, REPLAY_OF_MODEL, SCOPES
from core.reports.windows import Window
from core.tables import Tenant

PREVIEW_DAYS = 30


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
    """When the first call would have been blocked; ``None`` if none."""


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


def preview(  # noqa: PLR0917 what a budget is made of
    reading: Reading,
    tenant_id: str,
    limit_nano_usd: int,
    now: datetime,
    period: str = Period.MONTH,
    span: Span | None = None,
    scope: str = "tenant",
    scope_name: str = "",
    days: int = PREVIEW_DAYS,
) -> Preview:
    """Replay the calls of the last *days* in order of their start against a hard limit per period.

    A call is blocked if what it cost would not have fitted into what was left of its period; what a blocked call cost
    is not spent. Each period begins as it truly did: with what its calls before the days in question cost. The real
    corridor holds a little more than a call turns out to cost, so close to the limit it blocks a little earlier.

    Raises:
        NotFound: there is no such tenant.
        Invalid: a fixed span without its ends, or an unknown period or scope.

    """
    tenant = reading.session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound(f"There is no tenant {tenant_id!r}.")
    if scope not in (*SCOPES, "model"):
        raise Invalid(f"A budget has no scope {scope!r}. There are: tenant, model, schema, route.")
    if period not in set(Period):
        raise Invalid(f"A budget has no period {period!r}. There are: {', '.join(Period)}.")
    if period == Period.SPAN and span is None:
        raise Invalid("A fixed span needs its first moment and its last.")
    since = now - timedelta(days=days)
    played = _Replay(limit_nano_usd, since, lambda at: _span(at, period, span, tenant.timezone))
    first = _span(since, period, span, tenant.timezone)
    begins = first[0] if first else since
    condition, bound = bounds(Window.of(begins, now), tenant_id)
    if scope != "tenant":
        bound["scope_name"] = scope_name
    sql = REPLAY_OF_MODEL if scope == "model" else REPLAY.replace("{scope}", SCOPES[scope])
    for started_at, spent, unpriced in reading.rows(sql.replace("{tenant}", condition), bound):
        played.call(from_micros(started_at), spent, unpriced=bool(unpriced))
    return played.told(now)


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
    """Plays calls, in order."""

    def __init__(self, limit: int, since: datetime, span_around: Callable[[datetime], Span | None]) -> None:
        self._limit = limit
        self._since = since
        self._span_around = span_around
        self._span: Span | None = None
        self._periods: dict[Span, _Sums] = {}
        self._unpriced = 0

    def call(self, at: datetime, cost: int, *, unpriced: bool) -> None:
        """Play one call."""
        if self._span is None or not self._span[0] <= at < self._span[1]:
            self._span = self._span_around(at)
        if self._span is None:
            return
        sums = self._periods.setdefault(self._span, _Sums())
        sums.spent += cost
        if at < self._since:
            return
        sums.calls += 1
        self._unpriced += unpriced
        if sums.spent - sums.kept + (0 if cost else 1) > self._limit:  # whoever costs nothing would hold something
            sums.blocked += 1
            sums.kept += cost
            sums.first_at = sums.first_at or at

    def told(self, now: datetime) -> Preview:
        """Return what came of it."""
        return Preview(
            limit_nano_usd=self._limit,
            since=self._since,
            as_of=now,
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

"""What a tenant spent on each of its past days, and how much of each came after a certain time of day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.budgets import Scope
from core.budgets.periods import Period, period_around
from core.clock import EPOCH, micros
from core.reports.reading import Reading
from core.reports.spend import bounds
from core.reports.spend_queries import quarters as quarters_sql
from core.reports.sums import SumQuestion, sums
from core.reports.windows import QUARTER, Window

LOOK_BACK_DAYS = 56
"""Eight of each weekday: what is older says little of what comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A tenant's whole past days, without a gap, and today as far as it has come; money in nano-dollars."""

    dates: Sequence[date]
    """From the first whole day with the tenant's calls in reach on, to yesterday."""
    spent: Sequence[int]
    """Per date."""
    later: Sequence[int]
    """Per date, what was spent after the time of day that it is now."""
    today: date
    spent_today: int
    first: tuple[date, int] | None = None
    """The day of the first call and what was spent on it: it is seldom a whole one, so it says nothing of others."""

    def before(self, day: date) -> Days:
        """Return the same as it stood on the first moment of *day*."""
        count = sum(1 for one in self.dates if one < day)
        spent = self.spent[:count]
        return Days(dates=self.dates[:count], spent=spent, later=spent, today=day, spent_today=0)

    def between(self, first: date, end: date) -> int:
        """Return what was spent from *first* on and before *end*, today included."""
        past = sum(spent for day, spent in zip(self.dates, self.spent, strict=True) if first <= day < end)
        begun = self.first[1] if self.first is not None and first <= self.first[0] < end else 0
        return begun + past + (self.spent_today if first <= self.today < end else 0)


def daily(
    reading: Reading,
    now: datetime,
    scope: str = "tenant",
    scope_name: str = "",
) -> dict[str, Days]:
    """Return the days of each tenant that *reading* sees, by its id; a tenant without calls in reach is left out.

    With a *scope* only what such a budget pays for is counted.
    """
    starts_at = now - timedelta(days=LOOK_BACK_DAYS + 2)  # whole days in any zone
    window = Window.of(starts_at, now)
    quarters: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    if Scope(scope) is Scope.TENANT:
        first = (window.origin - EPOCH) // QUARTER
        asked = SumQuestion(
            window=window, by=("tenant_id", "cell"), step=QUARTER // timedelta(microseconds=1), names=("spent",)
        )
        rows = [(tenant, first + cell, spent) for tenant, cell, spent in sums(reading, asked, micros(now))]
    else:
        bound = bounds(window) | {"scope_name": Scope(scope).named(scope_name)}
        rows = reading.rows(quarters_sql(Scope(scope)), bound)
    for tenant, quarter, spent in rows:
        quarters[tenant].append((quarter, spent))
    known = reading.tenants
    zones = {tenant: known[tenant].timezone if tenant in known else "UTC" for tenant in quarters}
    return {tenant: _days(rows, zones[tenant], now) for tenant, rows in quarters.items()}


def _days(quarters: Sequence[tuple[int, int]], timezone: str, now: datetime) -> Days:
    zone = ZoneInfo(timezone)
    local_now = now.astimezone(zone)
    today, time_of_day = local_now.date(), local_now.time()
    whole: defaultdict[date, int] = defaultdict(int)
    later: defaultdict[date, int] = defaultdict(int)
    for quarter, spent in quarters:
        local = (EPOCH + quarter * QUARTER).astimezone(zone)
        whole[local.date()] += spent
        if local.time() > time_of_day:
            later[local.date()] += spent
    reach = today - timedelta(days=LOOK_BACK_DAYS)
    born = min(whole)
    first = max(reach, born + timedelta(days=1))
    dates = [first + timedelta(days=count) for count in range((today - first).days)]
    return Days(
        dates=dates,
        spent=[whole[day] for day in dates],
        later=[later[day] for day in dates],
        today=today,
        spent_today=whole[today],
        first=(born, whole[born]) if reach <= born < today else None,
    )


def month_of(day: date) -> tuple[date, date]:
    """Return the first day of the month that *day* lies in, and the first after it."""
    first, end = period_around(Period.MONTH, "UTC", datetime.combine(day, time(12), EPOCH.tzinfo))
    return first.date(), end.date()


def dates_until(first: date, end: date) -> list[date]:
    """Return every date from *first* on and before *end*."""
    return [first + timedelta(days=count) for count in range((end - first).days)]

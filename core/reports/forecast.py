"""What a tenant will have spent at the end of its month, and when its budget is used up: as likely as its past says.

The method is a bootstrap that knows weekdays. Each past day is divided by how busy its weekday usually is, which gives
its level. A possible future is made by drawing for every coming day one of the past levels, recent ones more often, and
multiplying it by the busyness of its own weekday; of today only what used to come after this time of day. Five hundred
futures give a middle and the interval that holds four in five of them. Three things keep that honest: before each
future the past itself is drawn anew, as it is but one that could have been; each future's level wanders from day to
day, as real ones do; and after a lasting change of the level, such as a move to a cheaper model, the days before it no
longer count. Chance is seeded by the tenant and the day: the same question has the same answer.

How good that is, is measured: from every past morning the same method, knowing only the days before it, forecasts what
was then spent (:func:`backtest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean, median
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np

from core.clock import EPOCH, ManualClock
from core.reports.budget_lines import BudgetLine
from core.reports.daily import Days, dates_until, month_of
from core.reports.frames import Frame, frame

LEAST_DAYS = 5
"""Whole days of history under which nothing is said."""
INTERVAL = 0.8
"""The share of possible futures that the interval holds."""
FUTURES = 500
WEEK, MONTH = HORIZONS = ("week", "month")
"""How far a forecast is tried: seven days, and to the month's end."""
COURSE = ("at", "spent", "low", "middle", "high")
WEEK_DAYS = 7
_HALF_LIFE_DAYS = 10.0
"""A day this old is drawn half as often as yesterday."""
_WANDER = 0.25
"""By about this share a future's level moves in a day. On demo worlds the interval then holds a week four times in
five; with less it was too narrow, as levels do change."""
_RETURN = 0.9
"""What is left of that a day later; with all of it, a month ahead anything would be possible."""
_BREAK = 3.0
"""The level has changed for good where three days in a row lie beyond the week before by this factor."""
_BREAK_DAYS = 3
_PRIOR = 0.5
"""Days of ordinary busyness that every weekday is believed to have had beside those that were seen."""
_QUIETEST = 0.05
"""The least busyness of a weekday, so that a day off does not turn one odd call into a storm."""
_FURTHEST_DAYS = 366
MOST_TESTED = 12
"""Tenants whose past says how good the method is: those that spent most."""

_Matrix = Any
"""numpy's arrays; their types say less than their shapes, which the docstrings tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One tenant's month as it will probably end; money in nano-dollars."""

    tenant_id: str
    tenant: str
    timezone: str
    as_of: datetime
    month: str
    """``2026-11``, in the tenant's time zone."""
    days: int
    """Whole past days that it rests on."""
    spent: int
    """Spent in the month so far."""
    expected: int | None
    """The middle of the possible month-ends; ``None`` where the past is too short to say."""
    low: int | None
    """With ``high``, the interval that holds 80 % of the possible month-ends."""
    high: int | None
    budget: BudgetLine | None
    exhausts_chance: float | None
    """The share of possible futures in which the budget is used up before its period ends; ``None`` where unknown."""
    exhausts_on: date | None
    """The day on which that happens in the middle one of all futures; ``None`` where it does not."""
    exhausts_from: date | None
    """With ``exhausts_until``: of the futures in which it happens, 80 % have the day between these two."""
    exhausts_until: date | None
    course: Frame
    """Per day of the month: ``at spent low middle high``, cumulated dollars: what was spent until its end, then what
    will have been. Empty in a list of many."""

    @property
    def is_known(self) -> bool:
        """Whether the past is long enough to say anything."""
        return self.expected is not None

    @property
    def is_exhausted(self) -> bool:
        """Whether the budget is used up already."""
        return self.budget is not None and self.budget.spent_nano_usd >= self.budget.limit_nano_usd


@dataclass(frozen=True, slots=True)
class Mornings:
    """How the method did on the past mornings of one tenant."""

    tenant_id: str
    errors: Sequence[float]
    """The absolute error of each forecast, as a share of what was spent."""
    held: int
    """How many intervals held what was spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """How the method did when it was asked on past mornings for what is known by now."""

    horizon: str
    """``week``: seven days ahead; ``month``: to the end of that month or, of the one under way, to last night."""
    forecasts: int
    """How many were compared with what was spent."""
    tenants: int
    mean_error: float | None
    """The mean of the absolute errors, as shares of what was spent (MAPE); ``None`` without forecasts."""
    median_error: float | None
    """Half of the forecasts were nearer than that."""
    coverage: float | None
    """The share of forecasts whose interval held what was spent; 80 % would be right."""


def forecast(  # noqa: PLR0917 one tenant, as it stands
    tenant_id: str, tenant: str, timezone: str, days: Days | None, budget: BudgetLine | None, now: datetime
) -> Forecast:
    """Return how the month of a tenant will probably end; *days* is ``None`` where it never called."""
    today = now.astimezone(ZoneInfo(timezone)).date()
    known = days or Days(dates=(), spent=(), later=(), today=today, spent_today=0)
    first, end = month_of(today)
    spent = known.between(first, end)
    coming = dates_until(today, _furthest(end, budget, timezone))
    futures = None
    if len(known.dates) >= LEAST_DAYS:
        futures = np.cumsum(_futures(known, coming, _seed(tenant_id, today)), axis=1)
    ends = None if futures is None else _quantiles(spent + futures[:, (end - today).days - 1])
    return Forecast(
        tenant_id=tenant_id,
        tenant=tenant,
        timezone=timezone,
        as_of=now,
        month=f"{first:%Y-%m}",
        days=len(known.dates),
        spent=spent,
        low=ends and ends[0],
        expected=ends and ends[1],
        high=ends and ends[2],
        budget=budget,
        **_exhaustion(budget, coming, futures, timezone),
        course=_course(known, first, end, spent, futures),
    )


def backtest(histories: Mapping[str, Days], horizon: str) -> Backtest:
    """Ask the method on every past morning of every tenant for what came next, as far as *horizon*.

    *histories* are the days by tenant id. A stretch in which nothing was spent is no measure and left out.
    """
    return summed_up(horizon, [mornings(tenant_id, days, horizon) for tenant_id, days in histories.items()])


def mornings(tenant_id: str, days: Days, horizon: str) -> Mornings:
    """Ask the method on every past morning of one tenant for what came next, as far as *horizon*."""
    errors: list[float] = []
    held = 0
    for morning in days.dates[LEAST_DAYS:]:
        end = morning + timedelta(days=WEEK_DAYS) if horizon == WEEK else min(month_of(morning)[1], days.today)
        actual = days.between(morning, end)
        if end > days.today or not actual:
            continue
        futures = _futures(days.before(morning), dates_until(morning, end), _seed(tenant_id, morning))
        low, middle, high = _quantiles(futures.sum(axis=1))
        errors.append(abs(middle - actual) / actual)
        held += low <= actual <= high
    return Mornings(tenant_id, errors, held)


def summed_up(horizon: str, tested: Sequence[Mornings]) -> Backtest:
    """Return what the mornings of some tenants say together."""
    errors = [error for one in tested for error in one.errors]
    return Backtest(
        horizon=horizon,
        forecasts=len(errors),
        tenants=sum(1 for one in tested if one.errors),
        mean_error=fmean(errors) if errors else None,
        median_error=median(errors) if errors else None,
        coverage=sum(one.held for one in tested) / len(errors) if errors else None,
    )


def busyness(dates: Sequence[date], spent: Sequence[int]) -> list[float]:
    """Return per weekday, from Monday on, how much of an average day it spends; 1 where less than a week was seen.

    Each day is compared with the seven around it, so that growth and changes of the level are no busyness.
    """
    if len(dates) < WEEK_DAYS:
        return [1.0] * 7
    shares: list[list[float]] = [[] for _ in range(7)]
    for place, (day, amount) in enumerate(zip(dates, spent, strict=True)):
        first = max(0, min(place - 3, len(spent) - WEEK_DAYS))
        around = fmean(spent[first : first + WEEK_DAYS])
        shares[day.weekday()].append(amount / around if around else 1.0)
    return [max(_QUIETEST, (median(seen) * len(seen) + _PRIOR) / (len(seen) + _PRIOR)) for seen in shares]


def level_since(levels: Sequence[float]) -> int:
    """Return the place of the first day since the level last changed for good; 0 if it never did."""
    found = 0
    for place in range(len(levels) - _BREAK_DAYS, _BREAK_DAYS - 1, -1):
        first = levels[place : place + _BREAK_DAYS]
        after, before = median(levels[place : place + WEEK_DAYS]), median(levels[max(0, place - WEEK_DAYS) : place])
        if min(*first, after) > _BREAK * before or max(*first, after) * _BREAK < before:
            found = place  # the days before it may have changed already
        elif found:
            break
    return found


def _futures(days: Days, coming: Sequence[date], seed: int) -> _Matrix:
    """Return possible spending, futures by coming days; the first of these is the rest of *days*' today."""
    weekdays = np.array(busyness(days.dates, days.spent))
    past = weekdays[[day.weekday() for day in days.dates]]
    levels, rests = np.array(days.spent) / past, np.array(days.later) / past
    since = level_since(levels.tolist())
    levels, rests = levels[since:], rests[since:]
    count = len(levels)
    weights = 0.5 ** (np.arange(count)[::-1] / _HALF_LIFE_DAYS)
    dice = np.random.default_rng(seed)
    pasts = dice.choice(count, size=(FUTURES, count), p=weights / weights.sum())
    drawn = np.take_along_axis(pasts, dice.integers(0, count, size=(FUTURES, len(coming))), axis=1)
    made = levels[drawn]
    made[:, 0] = rests[drawn[:, 0]]
    wandered = dice.normal(0, _WANDER, size=made.shape)
    for day in range(1, len(coming)):
        wandered[:, day] += _RETURN * wandered[:, day - 1]
    return made * np.exp(wandered) * weekdays[[day.weekday() for day in coming]]


def _quantiles(figures: _Matrix) -> tuple[int, int, int]:
    """Return the ends of the interval and the middle, in this order: low, middle, high."""
    tail = (1 - INTERVAL) / 2
    low, middle, high = np.quantile(figures, (tail, 0.5, 1 - tail))
    return round(float(low)), round(float(middle)), round(float(high))


def _exhaustion(
    budget: BudgetLine | None, coming: Sequence[date], futures: _Matrix | None, timezone: str
) -> dict[str, Any]:
    """Return the fields of a forecast that tell when the budget is used up."""
    unknown: dict[str, Any] = dict.fromkeys(("exhausts_chance", "exhausts_on", "exhausts_from", "exhausts_until"))
    if budget is None:
        return unknown
    if budget.spent_nano_usd >= budget.limit_nano_usd:
        return unknown | {"exhausts_chance": 1.0, "exhausts_on": coming[0]}
    if futures is None:
        return unknown
    ends = (budget.ends_at.astimezone(ZoneInfo(timezone)) - timedelta(microseconds=1)).date()
    within = sum(1 for day in coming if day <= ends)
    over = futures[:, :within] >= budget.limit_nano_usd - budget.spent_nano_usd
    happens = over.any(axis=1)
    chance = float(happens.mean())
    if not chance:
        return unknown | {"exhausts_chance": 0.0}
    places = np.where(happens, over.argmax(axis=1), within)
    middle = int(np.quantile(places, 0.5, method="inverted_cdf"))
    tail = (1 - INTERVAL) / 2
    first, last = np.quantile(places[happens], (tail, 1 - tail), method="inverted_cdf")
    return {
        "exhausts_chance": chance,
        "exhausts_on": coming[middle] if middle < within else None,
        "exhausts_from": coming[int(first)],
        "exhausts_until": coming[int(last)],
    }


def _course(days: Days, first: date, end: date, spent: int, futures: _Matrix | None) -> Frame:
    rows: list[tuple[Any, ...]] = []
    sofar = 0
    for day in dates_until(first, days.today):
        sofar += days.between(day, day + timedelta(days=1))
        rows.append((_noon(day), sofar / 1e9, None, None, None))
    for place, day in enumerate(dates_until(days.today, end)):
        known = spent / 1e9 if place == 0 else None
        if futures is None:
            rows.append((_noon(day), known, None, None, None))
        else:
            rows.append((_noon(day), known, *(value / 1e9 for value in _quantiles(spent + futures[:, place]))))
    return frame(COURSE, rows)


def _noon(day: date) -> datetime:
    """Return a time that stands for *day*: axes of charts know no dates."""
    return EPOCH + timedelta(days=(day - EPOCH.date()).days, hours=12)


def _furthest(month_end: date, budget: BudgetLine | None, timezone: str) -> date:
    """Return the first day that need not be looked at: after the month and the budget's period, within a year."""
    if budget is None:
        return month_end
    ends = budget.ends_at.astimezone(ZoneInfo(timezone)).date() + timedelta(days=1)
    return max(month_end, min(ends, month_end + timedelta(days=_FURTHEST_DAYS)))


def _seed(tenant_id: str, day: date) -> int:
    """Return what chance begins with for a tenant on a day, by the clock's own seeded chance."""
    return int(ManualClock(EPOCH, crc32(f"{tenant_id}/{day}".encode())).chance() * 2**53)

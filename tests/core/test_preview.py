"""What a budget would have blocked: claims on calls made by hand, and all of it against playing every call again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.budgets import Period
from core.budgets.periods import period_around
from core.clock import ManualClock
from core.errors import Invalid, NotFound
from core.principals import LOCAL_OPERATOR
from core.reports import Reports, SpendHistory
from core.reports.preview import _Group
from core.store import Store
from core.tables import Outcome
from tests import builders
from tests.core.test_spend import ELSEWHERE, call

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def reports(store: Store) -> Reports:
    """The read side, with Acme in Kathmandu."""
    builders.save(store, builders.tenant("Acme", NOW - 90 * DAY, "Asia/Kathmandu"))
    return Reports(store, ManualClock(NOW))


@pytest.fixture
def sqlite_reports(sqlite_store: Store) -> Reports:
    """The same on SQLite, for what does not depend on the database."""
    builders.save(sqlite_store, builders.tenant("Acme", NOW - 90 * DAY, "Asia/Kathmandu"))
    return Reports(sqlite_store, ManualClock(NOW))


@pytest.fixture
def calls(reports: Reports, store: Store) -> Reports:
    """One call of 100 every six hours for forty days."""
    made = [call(Outcome.VALID_FIRST_TRY, {}, at=NOW - timedelta(hours=6 * n + 1)) for n in range(160)]
    builders.save(store, *(row for rows in made for row in rows))
    return reports


def test_a_day(calls: Reports) -> None:
    """Of four calls a day, a limit for two lets two through and says when the third came."""
    found = calls.spend_history(LOCAL_OPERATOR, "acme").against(200, "day")
    whole = [period for period in found.periods if period.calls == 4]
    assert len(whole) >= 29
    assert {(period.blocked, period.kept_nano_usd, period.spent_nano_usd) for period in whole} == {(2, 200, 400)}
    assert all(period.starts_at < (period.first_at or NOW) < period.ends_at for period in whole)
    assert found.calls == 120
    assert found.blocked == sum(period.blocked for period in found.periods)


def test_a_month_begins_as_it_did(calls: Reports) -> None:
    """What the month had spent before the days that are looked at counts against the limit."""
    history = calls.spend_history(LOCAL_OPERATOR, "acme")
    free, tight = history.against(10**9), history.against(1000)
    assert (free.blocked, free.kept_nano_usd, free.blocked_share) == (0, 0, 0.0)
    october, november = tight.periods
    assert october.spent_nano_usd > 100 * october.calls
    assert november.blocked == november.calls - 10
    assert math.isclose(tight.kept_nano_usd, 100 * tight.blocked)


def test_nothing_may_be_spent(calls: Reports) -> None:
    """A limit of 0 blocks every call, also one that turned out to cost nothing."""
    assert calls.spend_history(LOCAL_OPERATOR, "acme").against(0).blocked_share == 1


def test_a_dear_call_blocks_no_cheap_one(reports: Reports, store: Store) -> None:
    """What a blocked call would have cost is not spent, so that a cheaper one after it still fits."""
    costs = (60, 900, 30)
    made = [
        call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": cost}, at=NOW - timedelta(minutes=9 - n))
        for n, cost in enumerate(costs)
    ]
    builders.save(store, *(row for rows in made for row in rows))
    found = reports.spend_history(LOCAL_OPERATOR, "acme").against(100)
    assert (found.calls, found.blocked, found.kept_nano_usd) == (3, 1, 900)


def test_scopes(reports: Reports, store: Store) -> None:
    """A budget of a model, a schema or a route counts what it covers."""
    fell = call(Outcome.VALID_AFTER_FALLBACK, {"outcome": "invalid"}, ELSEWHERE, at=NOW - DAY)
    other = call(Outcome.VALID_FIRST_TRY, {}, at=NOW - DAY, schema_name="ticket", route="cheap")
    builders.save(store, *fell, *other)

    def blocked(scope: str, name: str) -> tuple[int, int, int]:
        found = reports.spend_history(LOCAL_OPERATOR, "acme", scope, name).against(50)
        return found.calls, found.blocked, found.kept_nano_usd

    assert blocked("model", "anthropic/claude-haiku-4-5") == (1, 1, 100)
    assert blocked("schema", "ticket") == (1, 1, 100)
    assert blocked("route", "default") == (1, 1, 200)
    assert blocked("tenant", "") == (2, 2, 300)


def test_a_span(calls: Reports) -> None:
    """A fixed span is one period; calls outside it are not covered."""
    span = (NOW - 2 * DAY, NOW - DAY)
    found = calls.spend_history(LOCAL_OPERATOR, "acme", span=span).against(100, "span", span)
    assert (found.calls, found.blocked, len(found.periods)) == (4, 3, 1)


def test_unpriced_calls(reports: Reports, store: Store) -> None:
    """A call without a price moves no budget, and is counted."""
    builders.save(store, *call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": None}, at=NOW - DAY))
    found = reports.spend_history(LOCAL_OPERATOR, "acme").against(100)
    assert (found.calls, found.blocked, found.unpriced) == (1, 0, 1)


@given(
    st.lists(st.tuples(st.integers(0, 40 * 96), st.integers(1, 9), st.sampled_from([0, 1, 7, 40, 95, 1000]))),
    st.integers(0, 3000),
    st.sampled_from(["day", "week", "month", "span"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_what_a_replay_of_each_call_finds(
    sqlite_reports: Reports, stretches: list[tuple[int, int, int]], limit: int, period: str
) -> None:
    """Where calls of a quarter of an hour cost alike, the figures are those of playing every call again."""
    reports, store = sqlite_reports, sqlite_reports._store
    costs = {quarter: (count, cost) for quarter, count, cost in stretches}
    begins = NOW - 40 * DAY
    times = [
        (begins + quarter * timedelta(minutes=15) + n * timedelta(seconds=9), cost)
        for quarter, (count, cost) in sorted(costs.items())
        for n in range(count)
        if begins + quarter * timedelta(minutes=15) < NOW - timedelta(minutes=15)
    ]
    with store.transaction() as cursor:
        for name in ("field_error", "attempt", "generation"):
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 our own names
    made = (call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": cost}, at=at) for at, cost in times)
    builders.save(store, *(row for rows in made for row in rows))
    span = (NOW - 20 * DAY, NOW - 3 * DAY) if period == "span" else None
    found = reports.spend_history(LOCAL_OPERATOR, "acme", span=span).against(limit, period, span)

    blocked = kept = counted = 0
    spent: dict[Any, int] = {}
    for at, cost in times:
        around = span or period_around(Period(period), "Asia/Kathmandu", at)
        if not around[0] <= at < around[1]:
            continue
        is_counted = at >= found.since
        counted += is_counted
        if is_counted and spent.get(around, 0) + (cost or 1) > limit:
            blocked, kept = blocked + 1, kept + cost
        else:
            spent[around] = spent.get(around, 0) + cost
    assert (found.calls, found.blocked, found.kept_nano_usd) == (counted, blocked, kept)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5000)), min_size=1, max_size=40),
    st.integers(0, 9000),
)
def test_what_passes_fits(groups: list[tuple[int, int]], limit: int) -> None:
    """Whatever calls cost, no period keeps more than its limit, and nothing is kept that was not spent."""
    history = SpendHistory(
        timezone="UTC",
        begins_at=NOW - 2 * DAY,
        since=NOW - 2 * DAY,
        as_of=NOW,
        groups=[_Group(NOW - DAY, NOW - DAY, True, calls, spent, spent // calls, 0) for calls, spent in groups],
    )
    found = history.against(limit)
    assert 0 <= found.blocked <= found.calls == sum(calls for calls, _ in groups)
    assert 0 <= found.kept_nano_usd <= sum(spent for _, spent in groups)
    assert sum(spent for _, spent in groups) - found.kept_nano_usd <= limit


def test_however_many_calls_the_answer_is_short(calls: Reports, store: Store) -> None:
    """Three times the calls in the same hours are as many rows: a day has few, and one question is enough."""
    before = len(calls.spend_history(LOCAL_OPERATOR, "acme").groups)
    made = [
        call(Outcome.VALID_FIRST_TRY, {}, at=NOW - timedelta(hours=6 * (n // 2) + 1, seconds=n % 2))
        for n in range(160 * 2)
    ]
    builders.save(store, *(row for rows in made for row in rows))
    assert before <= len(calls.spend_history(LOCAL_OPERATOR, "acme").groups) <= 2 * before


def test_what_cannot_be_asked(reports: Reports) -> None:
    """Nobody, no period, no scope, a span without its ends: each is refused with a sentence."""
    with pytest.raises(NotFound):
        reports.spend_history(LOCAL_OPERATOR, "nobody")
    with pytest.raises(Invalid):
        reports.spend_history(LOCAL_OPERATOR, "acme", "planet")
    for period in ("year", "span"):
        with pytest.raises(Invalid):
            reports.spend_history(LOCAL_OPERATOR, "acme").against(1, period)

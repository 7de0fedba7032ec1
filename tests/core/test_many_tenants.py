"""What a page of all tenants takes and shows, where there are many."""

from __future__ import annotations

from datetime import timedelta

from core.clock import ManualClock
from core.outlooks import Outlooks
from core.principals import LOCAL_OPERATOR
from core.reports import MOST_HEATED, MOST_TESTED, Reports, Window
from core.store import Store
from core.tables import Outcome
from tests import builders
from tests.conftest import START

TENANTS = 30
DAY = timedelta(days=1)


def test_the_biggest_and_the_worst_stand_for_all(sqlite_store: Store) -> None:
    """The forecast is tried on those that spend most, and the map of errors has those that had most, by the rows."""
    calls = [
        builders.generation(
            START - day * DAY - timedelta(hours=1),
            f"tenant {number}",
            Outcome.TIMEOUT if day <= number % 25 else Outcome.VALID_FIRST_TRY,
            cost_nano_usd=1000 * (1 + number),
        )
        for number in range(TENANTS)
        for day in range(1, 25)
    ]
    builders.save(
        sqlite_store,
        [builders.tenant(f"Tenant {number}", START - 30 * DAY) for number in range(TENANTS)],
        calls,
        [builders.attempt(one, id=f"{one.id}-1", cost_nano_usd=one.cost_nano_usd) for one in calls],
    )
    Outlooks(sqlite_store, ManualClock(START)).make()
    reports = Reports(sqlite_store, ManualClock(START))
    week, _ = reports.backtests(LOCAL_OPERATOR)
    assert week.tenants == MOST_TESTED
    smallest, _ = reports.backtests(LOCAL_OPERATOR, "tenant 0")
    assert smallest.tenants == 1, "of one that was asked for it is tried on that one"

    overview = reports.overview(LOCAL_OPERATOR, Window.last(30 * DAY, START))
    worst = sorted(range(TENANTS), key=lambda number: (-(number % 25), f"tenant {number}"))[:MOST_HEATED]
    assert set(overview.heat["tenant"]) == {f"Tenant {number}" for number in worst}
    assert len(overview.tenants) == TENANTS

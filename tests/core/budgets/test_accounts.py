"""Accounts: one per budget and period, opened with what was spent before, so that no edit ever resets usage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import BudgetExceeded
from core.principals import LOCAL_OPERATOR
from core.store import Store
from core.tables import Account, LedgerEntry, LedgerKind
from tests.conftest import START
from tests.tills import MODEL, OTHER, Till, span

# ── From period to period ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("period", "last"),
    [("day", "2026-03-04T18:14:59"), ("week", "2026-03-08T18:14:59"), ("month", "2026-03-31T18:14:59")],
)
def test_a_new_period_has_a_new_account(period: str, last: str, store: Store, clock: ManualClock) -> None:
    """At the tenant's own midnight the budget starts anew; what was held before is settled where it was held."""
    till = Till(store, clock, timezone="Asia/Kathmandu")
    till.set(1000, period=period)
    walk = till.begin()
    call = walk.cover(1000)
    till.move_to(datetime.fromisoformat(last).replace(tzinfo=UTC))
    with pytest.raises(BudgetExceeded):
        till.begin().cover(1)

    till.advance(1)
    assert till.account() == (0, 0)
    till.spend(10)
    walk.end(call, 900)
    walk.end(walk.cover(80), 80)
    walk.close()

    assert till.accounts() == [(980, 0), (10, 0)]
    assert till.is_sound()


def test_an_account_that_nobody_has_opened_is_opened_once(store: Store, clock: ManualClock) -> None:
    """Processes that all need the new month's account at the same moment open one, and all their money is in it."""
    till = Till(store, clock, 10_000)
    processes = [till, *(till.beside(name) for name in ("two", "three", "four"))]
    till.move_to(datetime(2026, 4, 1, tzinfo=UTC))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: processes[number % 4].spend(100), range(24)))

    assert len(till.rows(Account)) == 2
    assert till.account() == (2400, 0)
    assert till.is_sound()


def test_a_generation_belongs_to_the_period_in_which_it_began(till: Till) -> None:
    """A walk that goes on past midnight is paid to its end from the month in which it began."""
    till.move_to(datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC))
    walk = till.begin()
    walk.end(walk.cover(10), 10)
    till.advance(2)
    walk.end(walk.cover(20), 20)
    walk.close()

    assert till.accounts() == [(30, 0)]
    assert till.account() == (0, 0)


def test_a_fixed_span_governs_within_its_ends(till: Till) -> None:
    """Before a span and after it the budget neither pays nor refuses; within it, it does."""
    till.set(1000, version=1, **span(START + timedelta(days=1), days=2))
    assert (till.state().is_current, till.account()) == (False, (0, 0))
    till.spend(5000)
    till.move_to(START + timedelta(days=1))
    assert till.state().is_current
    with pytest.raises(BudgetExceeded, match="of the budget of"):
        till.begin().cover(1001)
    till.spend(1000)
    assert till.account() == (1000, 0)

    till.move_to(START + timedelta(days=3))
    assert not till.state().is_current
    till.spend(5000)
    assert till.is_sound()


# ── An edit never resets usage ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("edit", "spent"),
    [
        ({"limit": 5000}, 1110),
        ({"limit": 5000, "period": "week"}, 110),
        ({"limit": 5000, "period": "day"}, 10),
        ({"limit": 5000, "mode": "degrade"}, 1110),
        ({"limit": 5000, "thresholds": [50]}, 1110),
        ({"limit": 5000, **span(START - timedelta(hours=30), 9)}, 110),
        ({"limit": 5000, "scope": "model", "scope_name": OTHER}, 1005),
        ({"limit": 5000, "scope": "schema", "scope_name": "invoice"}, 1110),
        ({"limit": 5000, "scope": "route", "scope_name": "slow"}, 100),
        ({"limit": 5000, "scope": "model", "scope_name": "compatible/nothing"}, 0),
    ],
)
def test_a_budget_begins_with_what_its_period_has_spent(edit: dict[str, Any], spent: int, store: Store) -> None:
    """Whatever is edited or added in the middle of a period, its figure is what the calls it covers have cost."""
    till = Till(store, ManualClock(START - timedelta(days=3)), 5000)  # on Sunday, the first
    till.spend(1000, OTHER)
    till.advance(86400 * 1.9)
    till.spend(100, route="slow")
    till.advance(86400 * 1.1)
    walk = till.begin()
    for model, cost in ((MODEL, 5), (OTHER, 5)):
        walk.end(walk.cover(10, model), cost)
    walk.close()
    till.spend(0)

    limit = edit["limit"]
    terms = {name: value for name, value in edit.items() if name != "limit"}
    till.set(limit, **terms)
    where = (edit.get("scope", "tenant"), edit.get("scope_name", ""))

    assert till.account(*where) == (spent, 0)
    with pytest.raises(BudgetExceeded):
        till.begin(route="slow").cover(limit - spent + 1, OTHER if where[0] == "model" else MODEL)
    assert till.is_sound()


def test_what_was_carried_says_so(till: Till) -> None:
    """A budget that begins with what was spent has one ledger entry for it, of no attempt, and verify agrees."""
    till.spend(300)
    till.set(500, scope="model", scope_name=MODEL)

    [entry] = [entry for entry in till.rows(LedgerEntry) if entry.kind == LedgerKind.CARRIED.value]
    assert (entry.nano_usd, entry.attempt_id, entry.generation_id) == (300, None, "")
    with pytest.raises(BudgetExceeded) as refused:
        till.begin().cover(201)
    assert refused.value.facts["spent_nano_usd"] == 300
    assert till.is_sound()


@pytest.mark.parametrize(
    "zones", [("UTC", "Asia/Kathmandu"), ("Asia/Kathmandu", "UTC"), ("Pacific/Apia", "Pacific/Niue")]
)
@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_a_new_time_zone_does_not_start_the_budget_anew(
    period: str, zones: tuple[str, str], store: Store, clock: ManualClock
) -> None:
    """What was spent in this period stays spent when the tenant's clock is set otherwise in the middle of it."""
    till = Till(store, clock, timezone=zones[0])
    till.set(1000, period=period)
    till.spend(800)
    till.move_clock(zones[1])

    assert till.account() == (800, 0)
    with pytest.raises(BudgetExceeded):
        till.begin().cover(201)
    till.spend(200)
    assert till.account() == (1000, 0)
    till.move_to(datetime(2026, 4, 7, tzinfo=UTC))
    assert till.account() == (0, 0)
    till.spend(1000)
    assert till.is_sound()


def test_a_walk_that_is_out_while_the_terms_change_is_paid_where_it_began(till: Till) -> None:
    """A generation keeps the budgets it began with; what it charged before a new budget is made is carried there."""
    walk = till.begin()
    walk.end(walk.cover(100), 100)
    till.set(1000, period="day")
    walk.end(walk.cover(50), 50)
    walk.close()

    assert sum(spent for spent, _ in till.accounts()) == 150
    till.budgets.catch_up_lately()
    assert till.account() == (150, 0), "and housekeeping finds what was not yet recorded then"
    till.budgets.catch_up_lately()
    assert till.account() == (150, 0)
    assert till.is_sound()


# ── Governing again ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_budget_that_had_another_period_for_a_while_catches_up(till: Till) -> None:
    """Month, day and month again: the month's account has what was spent while it did not govern."""
    till.spend(300)
    till.set(1000, period="day")
    till.spend(200)
    till.set(1000, period="month")

    assert till.account() == (500, 0)
    till.set(1000, period="day")
    assert till.account() == (500, 0)
    till.spend(500)
    with pytest.raises(BudgetExceeded):
        till.begin().cover(1)
    assert till.is_sound()


def test_a_time_zone_that_is_left_and_taken_again_catches_up(till: Till) -> None:
    """Kathmandu and back in the middle of a month: what was spent in between is spent."""
    till.spend(300)
    till.move_clock("Asia/Kathmandu")
    till.spend(200)
    till.move_clock("UTC")

    assert till.account() == (500, 0)
    till.spend(500)
    with pytest.raises(BudgetExceeded):
        till.begin().cover(1)
    till.move_clock("Asia/Kathmandu")
    assert till.account() == (1000, 0)
    assert till.is_sound()


def test_a_budget_that_was_removed_and_is_set_anew_catches_up(till: Till) -> None:
    """While it is removed nothing is refused or charged; set anew, it counts all that the period has spent."""
    till.spend(300)
    till.budgets.remove(LOCAL_OPERATOR, till.tenant, till.state().budget_id)
    till.spend(5000)
    till.set(6000)

    assert till.account() == (5300, 0)
    assert len(till.accounts()) == 1
    till.set(5500)
    till.set(6000)
    assert till.account() == (5300, 0)
    assert till.is_sound()


def test_an_account_that_is_gone_is_opened_again(till: Till) -> None:
    """Where an account vanished, as with a demo world that was made anew, the next generation opens another."""
    till.spend(100)
    with till.store.transaction() as cursor:
        for table in ("ledger_entry", "attempt", "generation", "account"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 names written above

    till.spend(200)

    assert till.account() == (200, 0)
    assert till.is_sound()

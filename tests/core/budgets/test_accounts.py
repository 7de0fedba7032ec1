"""Accounts: one per budget and period, opened with what was spent before, so that no edit ever resets usage."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import BudgetExceeded
from core.principals import LOCAL_OPERATOR
from core.store import FOR_CHANGE, Store
from core.tables import Account, Budget, LedgerEntry, LedgerKind, Opening
from tests.conftest import START
from tests.tills import DEAD, MODEL, OTHER, Till, span

# ── From period to period ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("period", "last"),
    [("day", "2026-03-04T18:14:59"), ("week", "2026-03-08T18:14:59"), ("month", "2026-03-31T18:14:59")],
)
def test_a_new_period_has_a_new_account(period: str, last: str, store: Store, clock: ManualClock) -> None:
    """At the tenant's own midnight the budget resets; what was held before is settled where it was held."""
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


def test_a_decision_does_not_keep_an_account_from_being_moved_twice(store: Store, clock: ManualClock) -> None:
    """PostgreSQL asks for the budget of an account that one transaction moves again, and a decision has locked it."""
    if store.is_sqlite:
        pytest.skip("there is one writer at a time")
    till = Till(store, clock, 1000)
    till.spend(10)
    [account], move = till.rows(Account), store.prepare("UPDATE account SET spent_nano_usd = 10 WHERE id = :id")
    with store.writing() as decision:
        decision.get_one(Budget, account.budget_id, with_for_update=FOR_CHANGE)
        with store.transaction() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 2000")
            cursor.execute(move, {"id": account.id})
            cursor.execute(move, {"id": account.id})


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


def test_an_opening_balance_says_so(till: Till) -> None:
    """A budget that begins with what was spent has one ledger entry for it, of no attempt, and verify agrees."""
    till.spend(300)
    till.set(500, scope="model", scope_name=MODEL)

    [entry] = [entry for entry in till.rows(LedgerEntry) if entry.kind == LedgerKind.OPENING_BALANCE.value]
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
    """A generation keeps the budgets it began with; what it charged before is in the opening balance of a new one."""
    walk = till.begin()
    walk.end(walk.cover(100), 100)
    till.set(1000, period="day")
    walk.end(walk.cover(50), 50)
    walk.close()

    assert sum(spent for spent, _ in till.accounts()) == 150
    till.budgets.catch_up_lately()
    assert till.account() == (150, 0), "and the chore finds what was not yet recorded then"
    till.budgets.catch_up_lately()
    assert till.account() == (150, 0)
    assert till.is_sound()


def test_who_was_out_is_counted_when_it_has_ended_and_once(till: Till) -> None:
    """What is out at an edit is counted in the new account when it ends, by whichever process looks, and only once."""
    walks = [till.begin() for _ in range(3)]
    calls = [walk.cover(100) for walk in walks]
    till.set(1000, period="day")
    beside = till.beside("two")
    for walk, call, cost, before in zip(walks, calls, (10, 20, 30), (0, 10, 30), strict=True):
        assert till.account() == (before, 0)
        walk.end(call, cost)
        walk.close()
        for process in (till, beside, till):
            process.budgets.catch_up_lately()

    assert till.account() == (60, 0)
    assert till.is_sound()


def test_who_read_the_old_terms_before_and_calls_after_an_edit_is_counted(till: Till) -> None:
    """A generation that knew the old terms and went out only after the edit is in the new account as well."""
    walk = till.begin()
    till.set(1000, period="day")
    till.advance(1)
    walk.end(walk.cover(70), 70)
    walk.close()
    till.spend(5)

    till.budgets.catch_up_lately()
    assert till.account() == (75, 0)
    till.advance(16 * 60)
    till.budgets.catch_up_lately()
    till.budgets.catch_up_lately()
    assert till.account() == (75, 0)
    assert till.rows(Opening) == [], "nobody can be late any more"
    assert till.is_sound()


def test_who_waits_longer_than_two_minutes_is_counted_in_the_end(till: Till) -> None:
    """Whoever waits at a limit for minutes with the old terms is found by the last look."""
    walk = till.begin()
    till.advance(300)
    till.set(1000, period="day")
    till.advance(300)
    walk.end(walk.cover(70), 70)
    walk.close()
    till.budgets.catch_up_lately()
    till.advance(11 * 60)
    till.budgets.catch_up_lately()

    assert till.account() == (70, 0)
    assert till.rows(Opening) == []


def test_a_call_that_was_lost_and_comes_back_costs_what_it_cost(till: Till) -> None:
    """An account that was opened meanwhile counts the estimate of a lost call, then what it really cost."""
    till.recovery.heartbeat()
    walk = till.begin()
    call = walk.cover(100, estimate=80)
    till.set(1000, period="day")
    till.advance(DEAD)
    other = till.beside("two")
    other.recovery.heartbeat()
    assert other.recovery.run() == 1
    other.budgets.catch_up_lately()
    assert other.account() == (80, 0)
    other.set(1000, period="week")
    other.budgets.catch_up_lately()
    assert other.account() == (80, 0)

    walk.end(call, 30)
    walk.close()
    other.budgets.catch_up_lately()
    assert other.account() == (30, 0)
    other.set(1000, period="day")
    other.budgets.catch_up_lately()
    assert other.account() == (30, 0)
    assert other.is_sound()


def test_an_opening_that_moved_is_summed_anew(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others add between the look and the decision is not counted twice."""
    till.spend(300)
    till.set(1000, period="day")
    till.spend(200)
    beside, look, times = till.beside("two"), till.budgets.accounts.openings.look, []

    def late(*what: Any) -> Any:
        found = look(*what)
        if not times:
            times.append(beside.set(1000, period="month"))
            beside.set(1000, period="day")
        return found

    monkeypatch.setattr(till.budgets.accounts.openings, "look", late)
    till.set(2000, period="month")

    assert till.account() == (500, 0)
    assert till.is_sound()


def test_no_decision_reads_a_period_under_the_lock(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit sums before its transaction, a period that begins anew sums nothing, and a name moves no money."""
    till.spend(300)
    openings, locked = till.budgets.accounts.openings, []
    look, writing = openings.look, till.store.writing

    @contextmanager
    def watched() -> Generator[Any]:
        locked.append(True)
        try:
            with writing() as session:
                yield session
        finally:
            locked.pop()

    looks: list[bool] = []
    monkeypatch.setattr(till.store, "writing", watched)
    monkeypatch.setattr(openings, "look", lambda *what: looks.append(bool(locked)) or look(*what))
    till.set(1000, period="day")
    till.move_clock("Asia/Kathmandu")
    assert looks == [False, False]
    till.set(2000)
    now = till.tenants.find(LOCAL_OPERATOR, till.tenant.id)
    till.tenants.edit(LOCAL_OPERATOR, now.id, now.version, name=f"{now.name} again")
    assert looks == [False, False]


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


def test_who_is_out_and_partly_paid_is_not_summed(till: Till) -> None:
    """A call that is out when its budget governs again paid for its first attempt; it pays what it costs."""
    out = till.begin()
    out.end(out.cover(100), 40)
    second = out.cover(100)  # the first is charged with it
    till.set(1000, period="day")
    till.spend(200)
    till.set(1000, period="month")

    assert till.account() == (240, 100)
    out.end(second, 50)
    out.close()
    till.budgets.catch_up_lately()
    assert till.account() == (290, 0)
    till.set(1000, period="day")
    till.set(1000, period="month")
    assert till.account() == (290, 0)
    assert till.is_sound()


def test_what_is_priced_of_a_call_is_summed(till: Till) -> None:
    """Of a call with an attempt that has no price, the others' cost is in an account that is opened late."""
    walk = till.begin()
    walk.end(walk.cover(100), 40)
    walk.end(walk.cover(100), None)
    walk.close()
    till.spend(5)
    till.set(1000, period="day")

    assert till.account() == (45, 0)
    assert till.is_sound()


def test_what_a_model_is_called_since_moves_no_money(till: Till) -> None:
    """A model's budget that governs again keeps what it paid for calls that would be of another model now."""
    till.set(1000, scope="model", scope_name=MODEL)
    till.spend(300)
    with till.store.transaction() as cursor:
        cursor.execute("UPDATE attempt SET family = 'openai/otherwise'")
    till.spend(20)
    till.set(1000, scope="model", scope_name=MODEL, period="day")
    assert till.account("model", MODEL) == (20, 0)
    till.set(1000, scope="model", scope_name=MODEL, period="month")
    assert till.account("model", MODEL) == (320, 0)
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

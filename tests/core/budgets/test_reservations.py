"""Reservations: never too much, in every budget or in none, by whatever door a generation ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.clock import ManualClock
from core.errors import BudgetExceeded, BudgetHeld
from core.principals import LOCAL_OPERATOR
from core.store import Store
from core.tables import AttemptRow, GenerationRow, LedgerEntry, Reservation
from tests.tills import LASTS, Till, Walk

# ── Never too much ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_at_once_no_more_hold_than_the_budget_covers(till: Till) -> None:
    """A hundred callers in sixteen threads cannot hold more than the budget has, and not less either."""
    terms = till.terms()

    def hold(_: int) -> bool:
        try:
            till.begin(terms=terms).cover(90)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        granted = sum(pool.map(hold, range(100)))

    assert (granted, till.account()) == (11, (0, 990))
    assert till.is_sound()


def test_a_crowd_of_generations_never_overspends(till: Till) -> None:
    """Reserving, topping up, charging and settling from many threads never brings spent and held above the limit."""
    terms, worst, stopped = till.terms(), [0], threading.Event()
    look = till.store.prepare("SELECT MAX(spent_nano_usd + held_nano_usd) FROM account")

    def watch() -> None:
        while not stopped.is_set():
            worst[0] = max(worst[0], till.store.read_one(look, {})[0])

    def generate(number: int) -> int:
        walk, paid = till.begin(terms=terms), 0
        try:
            for _ in range(2):
                call = walk.cover(60)
                walk.end(call, 20 + number % 30)
                paid += 20 + number % 30
        except BudgetExceeded:
            pass
        walk.close()
        return paid

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with ThreadPoolExecutor(12) as pool:
            paid = sum(pool.map(generate, range(48)))
        while more := generate(48):  # what was held for others when somebody was refused has gone back by now
            paid += more
    finally:
        stopped.set()
        watching.join()

    assert worst[0] <= 1000
    assert till.account() == (paid, 0)
    assert paid > 1000 - 60, "what nobody holds can be spent"
    assert till.is_sound()


def test_a_budget_of_nothing_covers_nothing(store: Store, clock: ManualClock) -> None:
    """A limit of zero refuses whatever costs anything."""
    till = Till(store, clock, 0)

    with pytest.raises(BudgetExceeded):
        till.begin().cover(1)
    assert till.state().used_share is None


def test_a_refused_top_up_keeps_what_is_held(till: Till) -> None:
    """When a further attempt is not covered, what came before stays held until the end settles it."""
    walk = till.begin()
    walk.end(walk.cover(600), 500)

    with pytest.raises(BudgetExceeded):
        walk.cover(501)

    assert till.account() == (0, 600)
    walk.close()
    assert till.account() == (500, 0)
    assert till.is_sound()


def test_each_further_call_tops_up(till: Till) -> None:
    """Before each call the hold becomes what that call may cost, and what came before is charged on the way."""
    walk = till.begin()
    walk.end(walk.cover(100), 80)
    assert till.account() == (0, 100)
    second = walk.cover(400)
    assert till.account() == (80, 400)
    walk.end(second, 10)
    walk.end(walk.cover(50), 50)
    walk.close()

    assert till.account() == (140, 0)
    assert till.is_sound()


def test_a_lower_limit_holds_for_those_who_read_it(till: Till) -> None:
    """A generation that reads a lower limit is bound by it, whatever was held under the higher one."""
    before = till.begin()
    before.cover(900)
    till.set(500)

    with pytest.raises(BudgetExceeded):
        till.begin().cover(1)


# ── By any door ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("calls", "spent"),
    [
        ([], 0),
        ([(100, 100)], 100),
        ([(100, 30)], 30),
        ([(100, 30), (200, 150)], 180),
        ([(100, None)], 0),
        ([(100, 140)], 140),
        ([(100, 0)], 0),
        ([(0, 5)], 5),
        ([(None, None)], 0),
        ([(None, None), (100, 30)], 30),
    ],
)
def test_settling_spends_what_was_charged_and_returns_the_rest(
    calls: list[tuple[int | None, int | None]], spent: int, till: Till
) -> None:
    """Whichever way a generation ends, its charges are spent, nothing is held, and its reservation is gone."""
    walk = till.begin()
    for worst, cost in calls:
        walk.end(walk.cover(worst), cost)
    walk.close()

    assert till.account() == (spent, 0)
    assert till.rows(Reservation) == []
    assert sum(entry.nano_usd for entry in till.rows(LedgerEntry)) == spent
    assert till.is_sound()


def test_a_call_that_was_never_paid_for_costs_nothing(till: Till) -> None:
    """A provider that could not be reached is held for, and charged nothing."""
    walk = till.begin()
    walk.end(walk.cover(500), None, free=True)
    walk.close()

    assert till.account() == (0, 0)
    assert till.is_sound()


def test_settling_twice_moves_nothing(till: Till) -> None:
    """The second end of a generation finds nothing to settle."""
    walk = till.begin()
    walk.end(walk.cover(100), 60)
    walk.close()
    with till.store.transaction() as cursor:
        handle, reservations = walk.record._reservation, till.budgets.reservations
        reservations.complete(cursor, handle, reservations.settle(cursor, handle))

    assert till.account() == (60, 0)
    assert till.is_sound()


def test_an_attempt_is_charged_once(till: Till) -> None:
    """An attempt that is said to have ended twice is charged once, by its id."""
    walk = till.begin()
    call = walk.cover(100)
    walk.end(call, 60)
    till.budgets.reservations.charge(walk.record._reservation, call.id, 60, estimated=False)
    walk.close()

    assert till.account() == (60, 0)
    assert len(till.rows(LedgerEntry)) == 1


def test_unknown_usage_is_charged_and_marked(till: Till) -> None:
    """A call whose usage the wire never told is charged its estimate; ledger, attempt and generation say so."""
    walk = till.begin()
    walk.end(walk.cover(100), 70, estimated=True)
    walk.close()

    marks = [[row.estimated for row in till.rows(table)] for table in (LedgerEntry, AttemptRow, GenerationRow)]
    assert marks == [[True]] * 3
    assert till.account() == (70, 0)


# ── What people are told ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_refusal_says_how_much_and_when(till: Till) -> None:
    """What is left, what was wanted and when it resets are told, to people and to programs."""
    till.spend(650)
    till.begin().cover(300)

    with pytest.raises(BudgetExceeded) as refused:
        till.begin().cover(351)

    assert not isinstance(refused.value, BudgetHeld)
    assert str(refused.value) == (
        f"The next attempt could cost $0.000000, and $0.000000 of this month's budget of {till.tenant.name}, "
        "$0.000001, is left. It resets at 2026-04-01 00:00 UTC; an operator can raise it, or ask for fewer tokens."
    )
    assert refused.value.facts == {
        "scope": "tenant",
        "scope_name": "",
        "limit_nano_usd": 1000,
        "spent_nano_usd": 650,
        "held_nano_usd": 300,
        "resets_at": "2026-04-01T00:00:00+00:00",
    }
    till.begin().cover(50)


def test_a_refusal_tells_held_from_spent(till: Till) -> None:
    """Where the call would fit but for what is held, that is said, with by how many calls and when to come back."""
    till.spend(400)
    walks = [till.begin() for _ in range(3)]
    calls = [walk.cover(200) for walk in walks]

    for wanted in (1, 600):
        with pytest.raises(BudgetHeld) as refused:
            till.begin().cover(wanted)
        assert "is spent and $0.000001 is held by 3 calls that are out" in str(refused.value)
        assert refused.value.code == "budget_held"
        told = refused.value.facts
        assert (told["spent_nano_usd"], told["held_nano_usd"], told["held_by"]) == (400, 600, 3)
        assert 1 <= told["retry_after_seconds"] <= 30
    with pytest.raises(BudgetExceeded) as refused:
        till.begin().cover(601)
    assert "retry_after_seconds" not in refused.value.facts

    for walk, call in zip(walks, calls, strict=True):
        walk.end(call, 0)
        walk.close()
    till.begin().cover(600)


def test_thresholds_are_told_once_each(till: Till) -> None:
    """Each threshold and the limit itself make one change event, however many charges pass by at once."""
    terms = till.terms()

    def spend(_: int) -> None:
        till.spend(10, terms=terms)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(spend, range(78)))
    assert till.threshold_events() == []
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(spend, range(22)))

    assert sorted(till.threshold_events()) == [80, 95, 100]
    assert till.account() == (1000, 0)
    told = till.metrics.thresholds
    assert [told.labels(till.tenant.name, "tenant", percent)._value.get() for percent in ("80", "95", "100")] == [1] * 3


def test_one_charge_may_pass_several_thresholds(till: Till) -> None:
    """A large charge tells of every threshold that it passes, its own ones where the budget has them."""
    till.set(1000, thresholds=[10, 50])
    till.spend(990)

    assert sorted(till.threshold_events()) == [10, 50]


# ── Raises ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_raise_holds_between_its_start_and_its_end(till: Till) -> None:
    """More money is there from the raise's start on, and gone at its end; what was spent stays spent."""
    now, budget = till.clock.now(), till.state()
    till.budgets.raise_limit(
        LOCAL_OPERATOR,
        till.tenant,
        budget.budget_id,
        500,
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        reason="Launch week",
    )

    def is_covered(nano_usd: int) -> bool:
        walk: Walk = till.begin()
        try:
            walk.end(walk.cover(nano_usd), None, free=True)
        except BudgetExceeded:
            return False
        finally:
            walk.close()
        return True

    assert (till.state().limit_nano_usd, is_covered(1001)) == (1000, False)
    till.advance(3600)
    assert (till.state().limit_nano_usd, is_covered(1500), is_covered(1501)) == (1500, True, False)
    till.spend(1400)
    till.advance(3600)
    assert (till.state().limit_nano_usd, till.account(), is_covered(1)) == (1000, (1400, 0), False)
    assert till.is_sound()


def test_a_reservation_lives_longer_than_its_call(till: Till) -> None:
    """What a call holds lapses only after the call's own time limit and a little more."""
    till.begin().cover(100)
    till.advance(LASTS + 29)

    assert till.recovery.run() == 0
    till.advance(2)
    assert till.recovery.run() == 1

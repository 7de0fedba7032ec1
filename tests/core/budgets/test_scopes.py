"""Scopes: in every budget that covers a call or in none; soft, degrading, and none at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.clock import ManualClock
from core.errors import BudgetExceeded, Unbudgeted
from core.store import Store
from core.tables import AttemptRow, LedgerEntry, Reservation
from tests.tills import MODEL, OTHER, Till

# ── All budgets or none ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scope", "name"), [("tenant", ""), ("model", MODEL), ("schema", "invoice"), ("route", "default")]
)
def test_one_budget_that_does_not_cover_refuses_and_holds_nothing_anywhere(scope: str, name: str, till: Till) -> None:
    """Where one of four budgets is too small, none of them is touched, whichever it is."""
    for other in (("model", MODEL), ("schema", "invoice"), ("route", "default")):
        till.set(1000, scope=other[0], scope_name=other[1])
    till.set(99, scope=scope, scope_name=name)

    with pytest.raises(BudgetExceeded) as refused:
        till.begin().cover(100)

    assert (refused.value.facts["scope"], refused.value.facts["scope_name"]) == (scope, name)
    assert till.accounts() == [(0, 0)] * 4
    assert till.rows(Reservation) == []
    walk = till.begin()
    walk.end(walk.cover(99), 50)
    assert till.accounts() == [(0, 99)] * 4
    walk.close()
    assert till.accounts() == [(50, 0)] * 4
    assert till.is_sound()


def test_budgets_pay_for_what_they_name(till: Till) -> None:
    """The budget of a model, schema or route pays for that and nothing else; the tenant's pays for everything."""
    till.set(1000, scope="model", scope_name=OTHER)
    till.set(1000, scope="schema", scope_name="invoice")
    till.set(1000, scope="route", scope_name="slow")

    till.spend(1)
    till.spend(10, OTHER)
    till.spend(100, route="slow")
    till.spend(200, schema="person")

    assert till.account() == (311, 0)
    assert till.account("model", OTHER) == (10, 0)
    assert till.account("schema", "invoice") == (111, 0)
    assert till.account("route", "slow") == (100, 0)
    assert till.is_sound()


def test_a_walk_that_falls_back_pays_each_model_from_its_own_budget(till: Till) -> None:
    """When the next model is asked, the first one's budget gets back what it held, and the second's holds."""
    till.set(100, scope="model", scope_name=MODEL)
    till.set(70, scope="model", scope_name=OTHER)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    assert (till.account("model", MODEL), till.account("model", OTHER)) == ((0, 100), (0, 0))

    with pytest.raises(BudgetExceeded, match=f"for the model {OTHER}"):
        walk.cover(71, OTHER)
    assert (till.account("model", MODEL), till.account("model", OTHER)) == ((0, 100), (0, 0))
    second = walk.cover(70, OTHER)
    assert (till.account(), till.account("model", MODEL)) == ((30, 70), (30, 0))
    assert till.account("model", OTHER) == (0, 70)
    walk.end(second, 60)
    walk.close()

    assert (till.account(), till.account("model", MODEL)) == ((90, 0), (30, 0))
    assert till.account("model", OTHER) == (60, 0)
    assert till.is_sound()


def test_two_calls_at_once_are_both_held_for(till: Till) -> None:
    """A hedged walk holds for both of its calls; whichever ends first is charged, and the other stays held."""
    till.set(500, scope="model", scope_name=OTHER)
    walk = till.begin()
    first = walk.cover(600)
    with pytest.raises(BudgetExceeded):
        walk.cover(401, OTHER)
    assert till.account() == (0, 600)
    second = walk.cover(400, OTHER)
    assert (till.account(), till.account("model", OTHER)) == ((0, 1000), (0, 400))
    [reservation] = till.rows(Reservation)
    assert {attempt["id"] for attempt in reservation.attempts} == {first.id, second.id}

    walk.end(second, 300)
    walk.end(first, 100, estimated=True)
    walk.close()

    assert (till.account(), till.account("model", OTHER)) == ((400, 0), (300, 0))
    marked = {entry.attempt_id: entry.estimated for entry in till.rows(LedgerEntry)}
    assert marked == {first.id: True, second.id: False}
    assert till.is_sound()


def test_crossing_scopes_do_not_lock_each_other(store: Store, clock: ManualClock) -> None:
    """Walks that move the same accounts from many threads, whatever they began with, wait for each other in order."""
    till = Till(store, clock, 10**12)
    names = [("model", MODEL), ("model", OTHER), ("schema", "invoice"), ("route", "default"), ("route", "slow")]
    for scope, name in names:
        till.set(10**12, scope=scope, scope_name=name)
    terms = till.terms()

    def generate(number: int) -> None:
        walk = till.begin(terms=terms, route="slow" if number % 3 else "default")
        models = (MODEL, OTHER) if number % 2 else (OTHER, MODEL)
        for model in models:
            walk.end(walk.cover(100, model), 7)
        walk.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(generate, range(60)))

    assert till.account() == (60 * 14, 0)
    assert till.account("model", MODEL) == till.account("model", OTHER) == (60 * 7, 0)
    assert till.is_sound()


# ── Modes and policies ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_soft_budget_never_refuses(till: Till) -> None:
    """A soft budget tells and counts, and lets everything through; a hard one beside it still stops."""
    till.set(10, scope="model", scope_name=MODEL, mode="soft")
    till.spend(400)
    till.spend(400)

    assert till.account("model", MODEL) == (800, 0)
    with pytest.raises(BudgetExceeded) as refused:
        till.begin().cover(201)
    assert refused.value.facts["scope"] == "tenant"
    assert till.threshold_events().count(100) == 1


def test_a_degrading_budget_is_hard_at_its_limit(till: Till) -> None:
    """Degrading asks cheaper before the limit, and stops at it."""
    till.set(1000, mode="degrade")
    assert till.begin().record.degraded_by() is None
    till.spend(800)

    tight = till.begin().record.degraded_by()
    assert tight == f"80% of this month's budget of {till.tenant.name} is used, and it degrades from 80 % on."
    with pytest.raises(BudgetExceeded):
        till.begin().cover(201)


def test_without_a_budget_nothing_is_charged(store: Store, clock: ManualClock) -> None:
    """A generation that no budget covers is recorded, and leaves no trace in ledger or accounts."""
    till = Till(store, clock)
    till.spend(10**15)

    assert (till.accounts(), till.rows(LedgerEntry), till.rows(Reservation)) == ([], [], [])
    assert [attempt.charges for attempt in till.rows(AttemptRow)] == [0]
    assert till.is_sound()


def test_where_a_budget_must_pay_one_that_does_not_cover_the_model_is_no_budget(
    store: Store, clock: ManualClock
) -> None:
    """A tenant that may not call without a budget is refused a model that none of its budgets pays for."""
    till = Till(store, clock)
    till.set(1000, scope="model", scope_name=MODEL)
    walk = till.begin(must_be_covered=True)
    walk.end(walk.cover(10), 10)

    with pytest.raises(Unbudgeted, match=f"No budget pays for calls to {OTHER}"):
        walk.cover(10, OTHER)
    walk.close()

    assert till.account("model", MODEL) == (10, 0)
    with pytest.raises(Unbudgeted):
        Till(store, clock).begin(must_be_covered=True).cover(1)
    assert till.is_sound()

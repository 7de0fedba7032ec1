"""A workload: as many calls as asked, that add up, and never by mistake beside somebody's own."""

from __future__ import annotations

import pytest

from core.budgets import Budgets
from core.clock import ManualClock
from core.errors import Conflict, Invalid
from core.principals import LOCAL_OPERATOR
from core.store import Store
from core.tables import Account, AttemptRow, FieldError, GenerationRow, LedgerEntry, Outcome, Payload
from core.tenants import Tenants
from core.workload import DAYS, Workload
from tests.tills import Till


def test_a_workload_adds_up(store: Store, clock: ManualClock) -> None:
    """So many calls, of every kind, over ninety days; verify agrees, whole and short, and further calls go on."""
    written = Workload(store, clock, tenants=4).fill(1500)

    till = Till(store, clock)
    generations = till.rows(GenerationRow)
    assert written["generation"] == len(generations) == 1500
    for name, table in {
        "attempt": AttemptRow,
        "field_error": FieldError,
        "ledger_entry": LedgerEntry,
        "payload": Payload,
    }.items():
        assert written[name] == len(till.rows(table)) > 100
    assert {Outcome.VALID_FIRST_TRY, Outcome.VALID_AFTER_REASK, Outcome.BLOCKED_RATE, Outcome.TIMEOUT} <= {
        one.outcome for one in generations
    }
    assert (clock.now() - generations[0].started_at).days == DAYS
    assert generations[-1].started_at < clock.now()
    assert any(one.cost_nano_usd is None for one in generations)
    assert sum(one.spent_nano_usd for one in till.rows(Account)) > sum(one.cost_nano_usd or 0 for one in generations)
    assert till.is_sound()
    assert Budgets(store, clock, owner="test").verify(LOCAL_OPERATOR, whole=False).attempts < 10


def test_the_same_workload_comes_of_the_same_seed(store: Store, clock: ManualClock) -> None:
    """Two fills make the same calls; the second has tenants of its own beside the first."""
    workloads = [Workload(store, clock, tenants=2) for _ in range(2)]
    first = workloads[0].fill(50)
    clock.advance(1)

    assert Workload(store, clock, tenants=2).fill(50) == first
    assert len(Tenants(store, clock).list(LOCAL_OPERATOR)) == 4
    assert Till(store, clock).is_sound()


def test_no_workload_comes_beside_somebodys_own(store: Store, clock: ManualClock) -> None:
    """Where tenants are, it is refused with their name, unless it is wanted; and nothing is written."""
    tenants = Tenants(store, clock)
    tenants.create(LOCAL_OPERATOR, "Acme")

    with pytest.raises(Conflict, match="such as Acme"):
        Workload(store, clock).fill(10)
    assert len(tenants.list(LOCAL_OPERATOR)) == 1
    with pytest.raises(Invalid, match="from 1 to"):
        Workload(store, clock).fill(0)
    assert Workload(store, clock, tenants=1).fill(10, beside_own=True)["generation"] == 10

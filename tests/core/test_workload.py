"""A workload: as many calls as asked, that add up, and never by mistake beside somebody's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from core.budgets import Budgets
from core.clock import ManualClock
from core.errors import Conflict, Invalid
from core.principals import LOCAL_OPERATOR
from core.rollups import mismatches
from core.store import Store
from core.tables import (
    Account,
    AttemptRow,
    FieldError,
    FindingRow,
    GenerationRow,
    LedgerEntry,
    Outcome,
    Payload,
    RollupDelta,
)
from core.tenants import Tenants
from core.workload import DAYS, Workload
from tests.conftest import START
from tests.tills import Till

TABLES = {
    "attempt": AttemptRow,
    "field_error": FieldError,
    "finding": FindingRow,
    "ledger_entry": LedgerEntry,
    "payload": Payload,
}


def test_a_workload_adds_up(store: Store, clock: ManualClock) -> None:
    """So many calls, of every kind, over ninety days; verify agrees, whole and short, and further calls go on."""
    written = Workload(store, clock, tenants=4).fill(1500)

    till = Till(store, clock)
    generations, attempts = till.rows(GenerationRow), till.rows(AttemptRow)
    assert written["generation"] == len(generations) == 1500
    for name, table in TABLES.items():
        assert written[name] == len(till.rows(table)) > 30
    assert set(Outcome) - {one.outcome for one in generations} <= {Outcome.INTERNAL_ERROR}
    assert timedelta(days=DAYS - 1) < clock.now() - generations[0].started_at <= timedelta(days=DAYS)
    assert generations[-1].started_at < clock.now()
    assert any(one.cost_nano_usd is None for one in generations)
    assert sum(one.spent_nano_usd for one in till.rows(Account)) > sum(one.cost_nano_usd or 0 for one in generations)
    assert till.is_sound()
    assert till.rows(RollupDelta) == [], "the rollups have taken in all of it"
    with store.snapshot() as connection:
        assert mismatches(store, connection, START.replace(hour=0) - timedelta(days=20)) == []
    assert Budgets(store, clock, owner="test").verify(LOCAL_OPERATOR, whole=False).attempts < 10

    by_id = {one.id: one for one in generations}
    again = [(by_id[one.reask_of], one) for one in generations if one.reask_of]
    cached = [(by_id[one.answered_from], one) for one in generations if one.answered_from]
    assert len(again) > 3 < len(cached)
    assert {before.outcome for before, _ in again} == {Outcome.INVALID}
    assert all(Outcome(before.outcome).is_valid for before, _ in cached)
    assert all(
        before.ended_at <= after.started_at and before.schema_name == after.schema_name for before, after in again
    )
    assert all(before.tenant_id == after.tenant_id for before, after in [*again, *cached])
    assert len({one.key_id for one in generations}) == 4 * 3
    assert {one.schema_version for one in generations} == {None, 1, 2, 3}
    assert all((one.ttft_ms or 0) < one.duration_ms for one in generations)
    assert any(one.ttft_ms for one in generations if one.streamed)
    assert len({one.error_code for one in attempts}) > 8
    days = Counter(one.started_at.weekday() for one in generations)
    assert days[6] < days[2] * 0.7


class _Cut(Exception):
    """A fill ends here."""


def test_a_fill_goes_on_where_it_was_cut_and_is_added_to(store: Store, clock: ManualClock) -> None:
    """One that was cut off makes the same calls as one that was not; more of them come beside; all of it adds up."""

    def cut(count: int) -> None:
        if count == 1000:
            raise _Cut

    with pytest.raises(_Cut):
        Workload(store, clock, tenants=2).fill(1100, tell=cut)
    clock.advance(3600)
    with pytest.raises(Conflict, match="up to 1,100 calls was begun and stands at 1,000"):
        Workload(store, clock).fill(1050)
    counts = [Workload(store, clock).fill(count) for count in (1100, 1100, 1200)]

    assert [one.get("generation", 0) for one in counts] == [100, 0, 100]
    assert len(Tenants(store, clock).list(LOCAL_OPERATOR)) == 2
    till = Till(store, clock)
    assert till.is_sound()
    assert clock.now() - max(one.started_at for one in till.rows(GenerationRow)) < timedelta(days=2)


def test_the_same_workload_comes_of_the_same_seed(tmp_path: Path, clock: ManualClock) -> None:
    """Two databases are filled with the same calls, though one was cut off; two fills of one at once are not."""
    found: list[list[tuple[object, ...]]] = []
    for name, stops in {"whole": (1100,), "in parts": (1000, 1100)}.items():
        store = Store(f"sqlite:///{tmp_path / name}.db")
        store.migrate()
        for stop in stops:
            with suppress(_Cut):
                Workload(store, clock, tenants=2).fill(1100, tell=_stopping_at(stop))
        rows = Till(store, clock).rows(GenerationRow)
        found.append([(one.id, one.outcome, one.started_at, one.cost_nano_usd, one.model) for one in rows])
        store.close()
    assert found[0] == found[1]

    store = Store(f"sqlite:///{tmp_path / 'whole.db'}")

    def meanwhile(count: int) -> None:
        if count == 2100:
            Workload(store, clock).fill(2200, beside_own=True)

    with pytest.raises(Conflict, match="Another fill"):
        Workload(store, clock).fill(2200, beside_own=True, tell=meanwhile)
    assert Till(store, clock).is_sound()
    store.close()


def _stopping_at(stop: int) -> Callable[[int], None]:
    def tell(count: int) -> None:
        if count == stop:
            raise _Cut

    return tell


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

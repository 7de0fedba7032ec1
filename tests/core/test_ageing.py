"""Calls age out, and every figure stays: what is told is what was told, or that it is known no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlmodel import col

from core import ageing, journal
from core.ageing import Ageing
from core.clock import EPOCH, ManualClock
from core.errors import Invalid
from core.payload_terms import LEAST_CALL_DAYS
from core.principals import EVERYWHERE, LOCAL_OPERATOR, SYSTEM, TenantScope
from core.reports.keeping import keeping, unkept
from core.reports.query import Query, QueryAnswer, answered
from core.reports.reading import reading
from core.reports.statement import Statement, statement
from core.reports.windows import Window
from core.repricing import Repricings, RepricingScope
from core.rollups import Folding, RollupProofs
from core.store import Store
from core.tables import (
    AgedOut,
    AgedQuarter,
    AttemptRow,
    FieldError,
    FindingRow,
    GenerationRow,
    LedgerEntry,
    Payload,
    Rollup,
    RollupDelta,
    RollupProof,
    RollupSlot,
    RollupState,
    Tenant,
)
from tests import builders
from tests.core.test_query import drawn
from tests.core.test_rollups import DAY, World
from tests.examples import few
from tests.tills import Till, span

NOW = DAY + timedelta(days=LEAST_CALL_DAYS + 2)
RECORDED = (AttemptRow, FieldError, FindingRow, Payload)
SUMMED = (RollupDelta, Rollup, RollupSlot, RollupProof, AgedQuarter)
TIERS = ({"tier": "priority"}, {"tier": "flex", "geo": "eu"}, None)


def aged(store: Store, clock: ManualClock) -> int:
    """Let everything go that may; return how many calls went."""
    room, gone = Ageing(store, clock, RollupProofs(store, clock)), 0
    while some := room.run():
        gone += some
    return gone


def told(store: Store, query: Query, scope: TenantScope) -> QueryAnswer | str:
    """Return the answer to *query*, or why there is none."""
    try:
        with reading(store, scope) as one:
            return answered(one, query, NOW)
    except Invalid as refused:
        return str(refused)


def figures(found: QueryAnswer | str) -> Any:
    """Return all that an answer says."""
    if isinstance(found, str):
        return found
    return found.groups, found.others, found.others_count, found.total, found.times


def bill(store: Store, tenant_id: str = "acme") -> Statement:
    """Return the month's statement, without what ageing is to change of it."""
    with reading(store, TenantScope(frozenset({tenant_id}))) as one:
        return dataclasses.replace(statement(one, tenant_id, f"{DAY:%Y-%m}", NOW), calls_from=None)


def left(store: Store, tenant_id: str) -> list[str]:
    """Return the calls that are there of a tenant."""
    with store.reading() as session:
        return sorted(session.scalars(select(col(GenerationRow.id)).where(col(GenerationRow.tenant_id) == tenant_id)))


def orphans(store: Store) -> int:
    """Return how many rows there are of calls that are gone."""
    ids = select(col(GenerationRow.id))
    with store.reading() as session:
        return sum(
            session.scalar(select(func.count()).select_from(table).where(col(table.generation_id).not_in(ids))) or 0
            for table in RECORDED
        )


class Aging(World):
    """A world of two tenants, of whom one keeps calls for as short as may be said, and the other perhaps."""

    def __init__(self, store: Store, chance: Random) -> None:
        super().__init__(store, chance)
        with store.writing() as session:
            session.execute(update(RollupState).values(built_from=EPOCH))
            for table in (*RECORDED, GenerationRow, *SUMMED, AgedOut, Tenant):
                session.execute(table.__table__.delete())
        days = self.one_of([None, LEAST_CALL_DAYS, LEAST_CALL_DAYS + 1])
        builders.save(
            store,
            builders.tenant("Acme", DAY, call_days=LEAST_CALL_DAYS),
            builders.tenant("Globex", DAY, self.one_of(["UTC", "Asia/Kathmandu"]), call_days=days),
        )

    def write(self, row: GenerationRow) -> None:
        """Record a call, with a text and how it was served; what it asks again for is its tenant's and began before."""
        with self.store.reading() as session:
            earlier = session.get(GenerationRow, row.reask_of or "")
        if earlier is None or earlier.tenant_id != row.tenant_id or earlier.started_at > row.started_at:
            row.reask_of = None
        super().write(row)
        with self.store.transaction() as cursor:
            text = builders.payload(row, 0, [], None, NOW)
            self.journal.payloads(cursor, [{name: getattr(text, name) for name in type(text).model_fields}])
        mine = col(AttemptRow.generation_id) == row.id
        with self.store.writing() as session:
            session.execute(update(AttemptRow).where(mine).values(billing=self.one_of(TIERS)))


@settings(max_examples=few(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_figures_stay_whatever_goes(store: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step, broken off anywhere: any question is answered as before, by whole quarters, or refused."""
    monkeypatch.setattr(ageing, "_AT_ONCE", 3)
    monkeypatch.setattr(ageing, "_STEPS_OF_ROUND", 1)
    world, clock = Aging(store, Random(seed)), ManualClock(NOW)  # noqa: S311 no secret
    for _ in range(20):
        world.record()
    if world.one_of((True, False)):
        world.fold()
    asked = [(drawn(world.chance), world.one_of((EVERYWHERE, TenantScope(frozenset({"acme"}))))) for _ in range(6)]
    asked.append((Query(window=Window.of(DAY, NOW), measures=["calls", "p95"], by=["tenant"]), EVERYWHERE))
    before = [{one.window: figures(told(store, one, scope)) for one in _cuts(query)} for query, scope in asked]
    bills = [bill(store, tenant) for tenant in ("acme", "globex")]
    kept = left(store, "globex")
    room = Ageing(store, clock, RollupProofs(store, clock))

    for _ in range(60):
        with suppress(KeyboardInterrupt), monkeypatch.context() as patched:
            if world.chance.random() < 0.3:
                patched.setattr(journal, "age_out", _cut)
            room.run()
        for (query, scope), known in zip(asked, before, strict=True):
            found = told(store, query, scope)
            if isinstance(found, str):
                assert found == known[query.window] or "are not kept any more" in found
            else:
                assert found.calls_from is not None or found.query == query
                assert figures(found) == known[found.query.window]
        if not left(store, "acme"):
            break
    assert [bill(store, tenant) for tenant in ("acme", "globex")] == bills
    assert left(store, "acme") == []
    assert orphans(store) == 0
    if world.one_of((True, False)):
        world.fold()
    assert RollupProofs(store, clock).verify(SYSTEM).ok
    with store.reading() as session:
        if session.get_one(Tenant, "globex").call_days is None:
            assert left(store, "globex") == kept


def _cut(*_: object) -> None:
    raise KeyboardInterrupt


def _cuts(query: Query) -> list[Query]:
    """Return a question about its window, and about what that reaches out to on one side or both."""
    window, quarter = query.window, timedelta(minutes=15)
    since = EPOCH + (window.starts_at - EPOCH) // quarter * quarter
    until = EPOCH - (EPOCH - window.ends_at) // quarter * quarter
    cut = [window, dataclasses.replace(window, starts_at=since)]
    return [dataclasses.replace(query, window=one) for one in (*cut, dataclasses.replace(cut[1], ends_at=until))]


def test_what_is_recorded_late_counts_and_goes(store: Store, clock: ManualClock) -> None:
    """A call of before what has aged out is in every figure, and its row goes with the next round."""
    clock.move_to(NOW)
    world = Aging(store, Random(1))  # noqa: S311 no secret
    world.record()
    query = Query(window=Window.of(DAY, NOW), measures=["calls"])
    aged(store, clock)
    late = builders.generation(DAY + timedelta(minutes=7), tenant_id="acme")
    world.write(late)
    counted = figures(told(store, query, EVERYWHERE))

    assert counted[3].whole.figures.calls == 2
    assert aged(store, clock) == 1
    assert left(store, "acme") == []
    assert figures(told(store, query, EVERYWHERE)) == counted
    assert RollupProofs(store, clock).verify(SYSTEM).ok


def test_the_books_stay_proven(store: Store) -> None:
    """Attempts that are gone are no difference, in a short run or a whole one; the ledger stays, and so does a bill."""
    clock = ManualClock(DAY)
    till = Till(store, clock, 1000)
    for cost in (300, 200):
        till.spend(cost)
        clock.advance(40 * 86_400)
    assert till.is_sound()
    edit(till, call_days=LEAST_CALL_DAYS)
    before = bill(store, till.tenant.id)
    Folding(store).run()
    clock.move_to(DAY + timedelta(days=LEAST_CALL_DAYS + 1))

    assert aged(store, clock) == 1
    assert till.is_sound()
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok
    assert bill(store, till.tenant.id) == before
    assert before.charged_nano_usd == 300
    assert before.difference_nano_usd == 0
    scope = RepricingScope(provider="openai", model="*", starts_at=DAY, ends_at=clock.now())
    assert Repricings(store, clock).preview(LOCAL_OPERATOR, scope).gone == 1
    with reading(store, EVERYWHERE) as one:
        [found] = keeping(one, clock.now()).tenants
        assert f"of {till.tenant.name} that began before 2026-10-25" in unkept(one, DAY, clock.now())
    assert (found.days, found.raw_from, found.due) == (LEAST_CALL_DAYS, DAY + timedelta(days=1), 0)
    assert len(till.rows(LedgerEntry)) == 2
    with store.transaction() as cursor:
        cursor.execute("DELETE FROM attempt")  # of a call that is still to be there
    assert not till.budgets.verify(LOCAL_OPERATOR).ok


def edit(till: Till, **changes: Any) -> None:
    """Change the till's tenant."""
    now = till.tenants.find(LOCAL_OPERATOR, till.tenant.id)
    till.tenants.edit(LOCAL_OPERATOR, now.id, now.version, **changes)


def _past_is_summed(till: Till) -> None:
    with till.store.writing() as session:
        session.execute(update(RollupState).values(built_from=NOW))


def _sums_differ(till: Till) -> None:
    Folding(till.store).run()
    with till.store.writing() as session:
        session.execute(update(Rollup).values(calls=7))


def _is_kept_longer(till: Till) -> None:
    edit(till, call_days=LEAST_CALL_DAYS + 30)


def _is_kept_for_ever(till: Till) -> None:
    edit(till, call_days=None)


def _a_span_is_open(till: Till) -> None:
    till.set(9000, scope="schema", scope_name="invoice", **span(DAY, 365))


@pytest.mark.parametrize("keeps", [_past_is_summed, _sums_differ, _is_kept_longer, _is_kept_for_ever, _a_span_is_open])
def test_what_holds_calls_back(sqlite_store: Store, keeps: Callable[[Till], None]) -> None:
    """Sums that are not made, or differ; who keeps them for longer by now; a budget that began with them."""
    clock = ManualClock(DAY)
    till = Till(sqlite_store, clock, 1000)
    till.spend(300)
    edit(till, call_days=LEAST_CALL_DAYS)
    clock.move_to(NOW)
    keeps(till)

    assert aged(sqlite_store, clock) == 0
    assert till.rows(AgedOut) == []
    assert len(till.rows(GenerationRow)) == 1
    if keeps is _sums_differ:
        [proof] = till.rows(RollupProof)
        assert proof.differing > 0


def test_tenants_have_their_turn(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more tenants than a round looks at, and with fewer steps than there is to do, each has a part of every one."""
    monkeypatch.setattr(ageing, "_AT_ONCE", 1)
    monkeypatch.setattr(ageing, "_STEPS_OF_ROUND", 6)
    names = [f"T{number}" for number in range(3)]
    builders.save(sqlite_store, *(builders.tenant(one, DAY, call_days=LEAST_CALL_DAYS) for one in names))
    for name in names:
        for minute in range(4):
            builders.save(sqlite_store, builders.generation(DAY + timedelta(minutes=minute), name.lower(), attempts=0))
    Ageing(sqlite_store, clock := ManualClock(NOW), RollupProofs(sqlite_store, clock)).run()

    assert [len(left(sqlite_store, one.lower())) for one in names] == [3, 3, 3]
    assert aged(sqlite_store, clock) == 9


@pytest.mark.parametrize("days", [0, LEAST_CALL_DAYS - 1, 3651, 90.0, "90", True])
def test_days_that_cannot_be(sqlite_store: Store, clock: ManualClock, days: Any) -> None:
    """Fewer than what looks back at calls needs, or what is no number of days, is refused in a sentence."""
    till = Till(sqlite_store, clock)
    with pytest.raises(Invalid, match="Calls are kept for 62 to 3650 days, or for ever"):
        edit(till, call_days=days)

"""Rollups say of every day what its calls say, whatever came, went and was corrected, and whenever it was folded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update
from sqlmodel import col

from core import journal
from core.clock import EPOCH, ManualClock, micros
from core.journal import JournalWriter, NewPrice
from core.principals import EVERYWHERE, SYSTEM, TenantScope
from core.reports import Window
from core.reports.proven import proven as reports_proven
from core.reports.reading import reading
from core.reports.sums import By, SumQuestion, slots, sums
from core.rollups import Building, Folding, RollupProofs, layers, mismatches
from core.rollups.facets import ALL, DISCARDED, KEY, MODEL, SCHEMA, Facet
from core.rollups.facts import is_plain
from core.rollups.slots import error_of, percentile, slot
from core.rollups.stride import Stride
from core.store import Store
from core.tables import (
    AttemptKind,
    AttemptRow,
    GenerationRow,
    Outcome,
    Rollup,
    RollupDelta,
    RollupSlot,
    RollupState,
    Row,
)
from tests import builders
from tests.examples import few

_T = TypeVar("_T")
DAY = datetime(2026, 10, 24, tzinfo=UTC)
DAYS = (DAY, DAY + timedelta(days=1))
CALLED = [one for one in Outcome if not one.is_blocked and one is not Outcome.CACHE_HIT]
REASKED = (Outcome.INVALID, Outcome.UNCHECKED)


@pytest.fixture(autouse=True)
def _tenants(store: Store) -> None:
    """Whose calls they are: those of others nobody would look for."""
    with store.writing() as session:
        session.add_all(builders.tenant(name, DAY) for name in ("acme", "globex"))


def proven(store: Store) -> None:
    """Assert that rollups and deltas are what the calls add up to, in every sum and every slot."""
    with store.snapshot() as connection:
        assert [one for day in DAYS for one in mismatches(store, connection, day)] == []


def stored(row: Row) -> dict[str, Any]:
    """Return a row as the journal takes it."""
    return {name: getattr(row, name) for name in type(row).model_fields}


class World:
    """What may happen to calls, each step through the journal."""

    def __init__(self, store: Store, chance: Random) -> None:
        self.store = store
        self.chance = chance
        self.journal = JournalWriter(store)

    def one_of(self, several: Iterable[_T]) -> _T:
        """Return one of some."""
        return self.chance.choice([*several])

    def ids(self, *conditions: Any) -> list[str]:
        """Return up to three of the calls that there are, the newest first."""
        newest = select(col(GenerationRow.id)).where(*conditions).order_by(col(GenerationRow.id).desc()).limit(3)
        with self.store.reading() as session:
            return list(session.scalars(newest))

    def record(self) -> None:
        """A call ends, as a caller's own re-ask of an earlier one perhaps."""
        at = DAY + timedelta(seconds=self.chance.randrange(2 * 86_400))
        outcome = self.one_of(Outcome)
        open_calls = self.ids(col(GenerationRow.outcome).in_(REASKED))
        row = builders.generation(
            at,
            tenant_id=self.one_of(["acme", "globex"]),
            outcome=outcome,
            reask_of=self.one_of([None, *open_calls]),
            duration_ms=self.one_of([0.0, 0.0004, 100.0, 2_000.0, 10_800_000.0]),
            ttft_ms=self.one_of([None, 12.5]),
            queue_us=self.one_of([None, 0, 999, 1_000, 2_500_000]),
            schema_version=self.one_of([None, 1, 2]),
            key_id=self.one_of([None, "k1"]),
            error_code=self.one_of([None, "upstream"]),
            saved_nano_usd=7 if outcome is Outcome.CACHE_HIT else 0,
            estimated=self.one_of((True, False)),
        )
        self.write(row)

    def write(self, row: GenerationRow) -> None:
        """Record a call with attempts of its own."""
        attempts = [
            builders.attempt(
                row,
                n,
                self.one_of(CALLED),
                id=builders.new_id(row.started_at),
                model=self.one_of(["gpt-4o-mini", "gpt-4o"]),
                kind=self.one_of(AttemptKind),
                cost_nano_usd=self.one_of([None, 114_000]),
                input_tokens=self.one_of([None, 400]),
                estimated=self.one_of((True, False)),
            )
            for n in range(1, self.chance.randint(1, 3) + 1)
            if row.attempts
        ]
        row.attempts = len(attempts)
        costs = [one.cost_nano_usd for one in attempts if one.input_tokens is not None]
        row.cost_nano_usd = None if None in costs else sum(one for one in costs if one is not None)
        if is_plain(stored(row)):
            attempts[0].outcome, attempts[0].cost_nano_usd = row.outcome, row.cost_nano_usd
        with self.store.transaction() as cursor:
            self.journal.attempts(cursor, [stored(one) for one in attempts])
            may_be_wrong = [] if is_plain(stored(row)) else attempts
            wrong = [
                builders.field_error(one, "$.lines[2].amount") for one in may_be_wrong if self.one_of((True, False))
            ]
            self.journal.field_errors(cursor, [stored(one) for one in wrong])
            self.journal.generation(cursor, stored(row), is_late=self.one_of((True, False)))

    def recover(self) -> None:
        """A call is given up for lost, and lives on."""
        for call_id in self.ids(col(GenerationRow.attempts) > 0)[:1]:
            with self.store.reading() as session:
                row = session.get_one(GenerationRow, call_id)
            with self.store.writing() as session:  # as if it had been written so
                deltas = self.journal._deltas
                with deltas.corrected(self.store.cursor(session), [call_id]):
                    lost = {"error_code": journal.LOST}
                    session.execute(update(GenerationRow).where(col(GenerationRow.id) == call_id).values(lost))
                    session.execute(update(AttemptRow).where(col(AttemptRow.generation_id) == call_id).values(lost))
            with self.store.reading() as session:
                numbers = list(session.scalars(select(AttemptRow.id).where(AttemptRow.generation_id == call_id)))
            with self.store.transaction() as cursor:
                self.journal.retract_generation(cursor, call_id)
                self.journal.retract_attempts(cursor, numbers)
            self.write(GenerationRow(**stored(row) | {"outcome": Outcome.VALID_AFTER_REASK}))

    def reprice(self) -> None:
        """An operator gives attempts another price."""
        some = self.ids(col(GenerationRow.attempts) > 0)
        with self.store.reading() as session:
            found = session.execute(select(AttemptRow.id).where(col(AttemptRow.generation_id).in_(some))).scalars()
            prices = [
                NewPrice(attempt_id=one, cost_nano_usd=99_000, price={}, cache_saved_nano_usd=5, charges=1)
                for one in found
            ]
        with self.store.transaction() as cursor:
            self.journal.reprice(cursor, prices, some)

    def remove(self) -> None:
        """What happened in some calls is removed."""
        some = self.ids()[: self.chance.randint(0, 2)]
        with self.store.writing() as session:
            journal.remove(self.store, session, some)

    def fold(self) -> None:
        """The chore runs."""
        Folding(self.store).run()


STEPS = (World.record, World.record, World.record, World.recover, World.reprice, World.remove, World.fold)


@settings(max_examples=few(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_rollups_are_what_the_calls_say(store: Store, seed: int) -> None:
    """After any steps, folded or not, each width has the sums and slots of the calls, for each tenant and for all."""
    world = World(store, Random(seed))  # noqa: S311 no secret
    for step in world.chance.choices(STEPS, k=world.chance.randint(5, 25)):
        step(world)
    proven(store)
    Folding(store).run()
    proven(store)
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(RollupDelta)) == 0


FACETED: tuple[tuple[Facet, tuple[By, ...]], ...] = (
    (ALL, ("cell",)),
    (ALL, ("tenant_id",)),
    (SCHEMA, ("value", "detail")),
    (MODEL, ("cell", "value", "detail")),
    (KEY, ("value",)),
    (DISCARDED, ("tenant_id", "value", "detail")),
)


@settings(max_examples=few(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_window_is_read_from_rollups_as_from_calls(store: Store, seed: int) -> None:
    """Whatever its ends, cells and scope, folded or not: pieces of rollups with their edges are what the calls say."""
    world = World(store, Random(seed))  # noqa: S311 no secret
    for _ in range(20):
        world.record()
    if world.one_of((True, False)):
        world.fold()
    built = world.chance.choice([DAY - timedelta(days=1), DAY + timedelta(hours=20, minutes=7)])
    questions: list[tuple[TenantScope, SumQuestion, int]] = []
    for facet, by in FACETED:
        ends = sorted(DAY + timedelta(seconds=world.chance.randrange(2 * 86_400)) for _ in range(2))
        window = Window.of(*ends, world.one_of(("UTC", "Europe/Berlin", "Asia/Kathmandu")))
        step = world.one_of((7, 15, 60, 180, 1440)) * 60_000_000
        scope = world.one_of((EVERYWHERE, TenantScope(frozenset({"acme", "nobody"}))))
        some = sorted(DAY + timedelta(seconds=world.chance.randrange(2 * 86_400)) for _ in range(4))
        spans = world.one_of([(), ((some[0], some[1]), (some[2], some[3]))])
        question = SumQuestion(window=window, facet=facet, by=by, step=step, spans=spans)
        questions.append((scope, question, world.one_of((micros(ends[1]), micros(DAY + timedelta(days=9))))))

    def answers(built_from: datetime) -> list[Any]:
        with store.writing() as session:
            session.execute(update(RollupState).values(built_from=built_from))
        found: list[Any] = []
        for scope, question, now in questions:
            with reading(store, scope) as one:
                found.append(sorted(sums(one, question, now)))
                if question.facet.slot_widths:
                    found.append(sorted(slots(one, question, now)))
        return found

    from_rollups, from_calls = answers(built), answers(DAY + timedelta(days=9))
    with store.writing() as session:
        session.execute(update(RollupState).values(built_from=EPOCH))
    assert from_rollups == from_calls
    assert any(from_calls)


def test_what_is_removed_leaves_no_row_of_zeros(store: Store) -> None:
    """Of a tenant whose calls all went there is no row left in any width, folded before or not."""
    rows = [builders.generation(DAY + timedelta(minutes=9 * one)) for one in range(30)]
    builders.save(store, rows, [builders.attempt(one) for one in rows])
    Folding(store).run()
    with store.writing() as session:
        journal.remove(store, session, [one.id for one in rows])
    Folding(store).run()
    with store.reading() as session:
        for table in (Rollup, RollupSlot, RollupDelta):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_rollups_of_the_past_are_built_in_steps_that_may_be_broken_off(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded before there were rollups is taken in, some at a time, and corrected meanwhile as all is."""
    monkeypatch.setattr("core.rollups.building.AT_ONCE", 7)
    for bound in ("_FIRST", "_FEWEST", "_MOST"):
        monkeypatch.setattr(f"core.rollups.stride.{bound}", 7)
    monkeypatch.setattr("core.rollups.building._STEPS_OF_ROUND", 2)
    rows = [builders.generation(DAY + timedelta(minutes=9 * one)) for one in range(60)]
    with store.writing() as session:  # as releases without rollups did
        session.execute(update(RollupState).values(built_from=DAY + timedelta(days=1)))
    builders.save(store, rows, [builders.attempt(one) for one in rows])
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(RollupDelta)) == 0
    building = Building(store, ManualClock(DAY + timedelta(days=3)))
    prices = [
        NewPrice(attempt_id=f"{one.id[:-2]}01", cost_nano_usd=9, price={}, cache_saved_nano_usd=0, charges=1)
        for one in rows
    ]
    for step in range(60):
        with store.transaction() as cursor:
            JournalWriter(store).reprice(cursor, prices[step : step + 1], [rows[step].id])
        building.run()
    proven(store)


def test_a_day_that_differs_is_found_told_and_put_right(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that are off, missing or too many are told by day, mended in steps among folding and calls, and proven."""
    monkeypatch.setattr("core.rollups.mending._FOUND_AT_ONCE", 40)
    monkeypatch.setattr("core.rollups.proof._AT_ONCE", 3)  # so that a day is looked at in pieces
    world = World(store, Random(7))  # noqa: S311 no secret
    for _ in range(25):
        world.record()
    world.fold()
    proofs = RollupProofs(store, ManualClock(DAY + timedelta(days=30)))
    found = proofs.verify(SYSTEM)
    assert (found.ok, found.days) == (True, 2)
    with store.writing() as session:  # by hand
        session.execute(update(Rollup).where(col(Rollup.facet) == "all").values(spent=Rollup.spent + 5))
        session.execute(delete(Rollup).where(col(Rollup.facet) == "route"))
        session.execute(delete(RollupSlot).where(col(RollupSlot.minutes) == 15))
        session.add(
            RollupSlot(facet="all", minutes=60, kind="ttft", tenant_id="", at=DAY, value="", detail="", slot=1, n=9)
        )
    found = proofs.verify(SYSTEM)
    assert [one.day for one in found.differing] == [*DAYS]
    assert "On 2026-10-24: by all, 15 minutes from" in found.sentence.replace("is so on 2 days, the first", "On")
    assert proofs.mend() == 0, "nobody has asked for it"
    assert proofs.rebuild(SYSTEM) == 2
    mends, scanning = Random(3), store.scanning  # noqa: S311 no secret

    def meanwhile() -> Any:
        if mends.random() < 0.2:
            (world.record if mends.random() < 0.5 else world.fold)()
        return scanning()

    monkeypatch.setattr(store, "scanning", meanwhile)
    assert proofs.mend() == 2
    proven(store)
    assert proofs.verify(SYSTEM, whole=False).ok
    with reading(store, EVERYWHERE) as one:
        told = reports_proven(one)
    assert told is not None
    assert (told.days, told.differs) == (2, 0)


def test_what_changes_while_rollups_are_built_or_folded_is_neither_missed_nor_told_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old call that is re-priced while it is built is built again; deltas that another folds meanwhile are its."""
    rows = [builders.generation(DAY + timedelta(minutes=9 * one)) for one in range(20)]
    with store.writing() as session:
        session.execute(update(RollupState).values(built_from=DAY + timedelta(days=1)))
    builders.save(store, rows, [builders.attempt(one) for one in rows])
    meanwhile: list[Callable[[], object]] = []

    def interrupted(of: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            found = None if of is go_back else of(*given)
            while meanwhile:
                meanwhile.pop()()
            return go_back(*given) if of is go_back else found

        return run

    go_back, one = Building._go_back, rows[3]
    monkeypatch.setattr("core.rollups.layers.fill", interrupted(layers.fill))
    if not store.is_sqlite:
        monkeypatch.setattr(Building, "_go_back", interrupted(go_back))

    def reprice(cost: int = 9) -> None:
        price = NewPrice(attempt_id=f"{one.id[:-2]}01", cost_nano_usd=cost, price={}, cache_saved_nano_usd=0, charges=1)
        with store.transaction() as cursor:
            JournalWriter(store).reprice(cursor, [price], [one.id])

    meanwhile.append(reprice)
    assert Building(store, ManualClock(DAY + timedelta(days=3))).run() == 1
    proven(store)
    reprice(8)
    meanwhile.append(Folding(store).run)
    Folding(store).run()
    proven(store)


def test_a_slot_is_as_wide_as_is_said() -> None:
    """100 ms and 2 s lie where they should, and what a slot stands for is off by no more than the stated share."""
    assert [slot(one, 16) for one in (100, 2_000, 0, 0.0004)] == [265, 334, 0, 0]
    assert round(percentile([(265, 7), (334, 2)], 50, 16) or 0, 2) == 98.9
    assert round(percentile([(265, 7), (334, 2)], 95, 16) or 0, 1) == 1965.2
    assert round(error_of(16), 4) == 0.0219


@given(st.floats(0.001, 1e9), st.integers(1, 100))
def test_a_percentile_is_within_its_error(milliseconds: float, count: int) -> None:
    """Whatever the duration: of both widths, which agree by halving."""
    for per_octave in (16, 32):
        told = percentile([(slot(milliseconds, per_octave), count)], 95, per_octave)
        assert told is not None
        assert abs(math.log(told / milliseconds)) <= math.log(1 + error_of(per_octave)) + 1e-9
    assert slot(milliseconds, 32) // 2 == slot(milliseconds, 16)


def test_a_stride_grows_by_what_was_taken() -> None:
    """And not by what was wanted: else it would be at its longest after a quiet night, and hold writers by day."""
    stride = Stride()
    for _ in range(9):
        stride.made(10, 900)
        stride.made(0, 0)
    assert stride.size == 10 * 10_000 // 900
    stride.made(100, 100)
    assert stride.size == 2 * (10 * 10_000 // 900)
    stride.made(1_000, 10_000_000)
    assert stride.size == 100
    more = Stride(is_sqlite=False)
    for _ in range(9):
        more.made(1_000, 10_000)
    assert more.size == 3_000
    more.failed()
    assert more.size == 750, "what the database breaks off is tried again in smaller pieces"

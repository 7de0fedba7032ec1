"""The demo world: its incidents are there to be found, it adds up, and it goes away without a trace."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import structlog
from pydantic import ValidationError
from sqlalchemy import func
from sqlmodel import col, select

from core.budgets import Budgets
from core.clock import EPOCH, ManualClock
from core.demo import Demo
from core.demo._chance import DemoClock, Dice
from core.demo._history import GRACE
from core.demo._seed import seed
from core.demo._texts import Texts
from core.errors import Conflict, Unavailable
from core.field_problems import field_errors
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Frame, Reports, Window
from core.response_models import response_model
from core.rollups import Folding
from core.routes import Routes
from core.schemas import SAMPLES, Schemas
from core.settings import Settings
from core.store import Store
from core.tables import (
    METADATA,
    AttemptRow,
    AuditEntry,
    ChangeEvent,
    GenerationRow,
    LedgerEntry,
    Outcome,
    Payload,
    Reservation,
    SchemaVersion,
    Tenant,
)
from core.tenants import Tenants
from tests import builders
from tests.builders import person
from tests.tills import Till

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SEED = seed()
SETTINGS = Settings(demo=True)
FEW = 0.01
"""Hardly more than the incidents."""
PATIENCE_SECONDS = 60.0


def demo_in(store: Store, now: datetime | ManualClock = NOW, scale: float = FEW, **settings: Any) -> Demo:
    """Return a demo world that ends *now*."""
    clock = now if isinstance(now, ManualClock) else ManualClock(now)
    return Demo(SETTINGS.model_copy(update=settings), store, clock, scale=scale)


@dataclass(frozen=True)
class World:
    """A demo world to look at."""

    store: Store
    reports: Reports
    calls: list[dict[str, Any]]
    """Every call, as an export shows it."""

    def tenant_id(self, name: str) -> str:
        """Return the id of the tenant of that name."""
        return Tenants(self.store, ManualClock(NOW)).find(LOCAL_OPERATOR, name).id

    def between(self, starts_at: datetime, ends_at: datetime, **same: Any) -> list[dict[str, Any]]:
        """Return the calls that began in that time and have these values."""
        return [
            call
            for call in self.calls
            if starts_at <= call["started_at"] < ends_at and all(call[name] == value for name, value in same.items())
        ]

    def changes(self, kind: str) -> list[ChangeEvent]:
        """Return the change events of that kind, the oldest first."""
        with self.store.reading() as session:
            found = select(ChangeEvent).where(ChangeEvent.kind == kind).order_by(col(ChangeEvent.at))
            return list(session.exec(found))


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a tenth of the usual traffic, for tests that only look."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("demo") / "proctor.db")
    store = Store(f"sqlite:///{path}")
    demo_in(store, scale=0.1).make(LOCAL_OPERATOR)
    reports = Reports(store, ManualClock(NOW))
    every = CallFilter(starts_at=NOW - timedelta(days=40), ends_at=NOW)
    yield World(store, reports, [row for one in reports.calls_frames(LOCAL_OPERATOR, every) for row in rows(one)])
    store.close()


@dataclass(frozen=True)
class Made:
    """A world of hardly more than the incidents, to be copied by whoever changes it."""

    path: Path
    logged: list[Any]
    """What was logged while it was made."""

    def copied(self, folder: Path) -> Store:
        """Return a copy of it in *folder*. Whoever goes on with it needs a clock of another seed: its ids are taken."""
        return Store(f"sqlite:///{shutil.copy(self.path, folder / 'made.db')}")


@pytest.fixture(scope="module")
def made(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Such a world, made once."""
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("made") / "proctor.db"))
    store = Store(f"sqlite:///{path}")
    with structlog.testing.capture_logs() as lines:
        demo_in(store).make(LOCAL_OPERATOR)
    store.close()
    return Made(path, lines)


def rows(frame: Frame) -> list[dict[str, Any]]:
    """Return a report's frame as one dictionary per row."""
    return frame.to_dict("records")


def is_true(ask: Any) -> bool:
    """Wait until *ask* says so; return whether it did in time."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if ask():
            return True
        time.sleep(0.01)
    return False


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, but what counts decisions."""
    with store.snapshot() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in METADATA.sorted_tables
            if table.name != "revision"
        }


# ── It adds up ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_ledger_explains_every_account(world: World) -> None:
    """Every account of the demo world is what its ledger sums to, every charge is its attempt's, nothing is held."""
    found = Budgets(world.store, ManualClock(NOW), owner="test").verify(LOCAL_OPERATOR)
    assert (found.ok, found.held_nano_usd) == (True, 0)
    assert found.accounts >= len(SEED.tenants)
    with world.store.reading() as session:
        assert session.exec(select(Reservation)).all() == []


def test_nothing_lies_in_the_future(world: World) -> None:
    """No call, charge, change or entry is dated after now, and the history goes back thirty days."""
    with world.store.reading() as session:
        for at in (GenerationRow.ended_at, AttemptRow.ended_at, LedgerEntry.at, ChangeEvent.at, AuditEntry.at):
            assert session.exec(select(func.max(at))).one() <= NOW
        first = session.exec(select(func.min(GenerationRow.started_at))).one()
    assert timedelta(days=28) < NOW - first < timedelta(days=31)


def test_every_call_is_priced(world: World) -> None:
    """The models of the demo world are real ones, whose prices are known."""
    totals = world.reports.overview(LOCAL_OPERATOR, Window.last(timedelta(days=30), NOW)).totals
    assert totals.unpriced_calls == 0
    assert totals.spend is not None
    assert totals.spend > 0


def test_tenants_work_by_day_where_they_are(world: World) -> None:
    """Most calls of an office come between 7 and 19 o'clock of its own time zone."""
    for name in ("Muster Versicherung", "Namuna Travels"):
        zone = ZoneInfo(SEED.tenant(name).timezone)
        hours = [call["started_at"].astimezone(zone).hour for call in world.calls if call["tenant"] == name]
        assert sum(7 <= hour < 19 for hour in hours) / len(hours) > 0.8


def test_a_sweep_leaves_its_reservations_alone() -> None:
    """What the demo holds in the past expires in the future, so that nobody's recovery takes it for a wreck."""
    assert timedelta(days=SEED.days) < GRACE


def test_calls_can_be_read(world: World) -> None:
    """A call that was asked again shows its prompt, the invalid answer, what was wrong, the correction, the object."""
    repaired = next(call for call in world.calls if call["outcome"] == Outcome.VALID_AFTER_REASK)
    call = world.reports.call(LOCAL_OPERATOR, repaired["id"])
    assert [message["role"] for message in call.asked] == ["system", "user"]
    assert orjson.loads(call.value or "")
    first, second = call.attempts[:2]
    assert first.answered
    assert first.field_errors
    assert first.field_errors[0].path.rpartition(".")[2].partition("[")[0] in str(second.asked)


# ── Its incidents ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_outage_is_answered_by_the_fallback(world: World) -> None:
    """While OpenAI is down its breakers open, Anthropic answers, and who has no fallback fails until it has one."""
    began = SEED.outage.before(NOW)
    ended = began + timedelta(minutes=SEED.outage.minutes)
    during = world.between(began, ended)
    assert Outcome.VALID_FIRST_TRY not in {
        call["outcome"] for call in during if str(call["model"]).startswith("openai/")
    }
    assert len(world.between(began, ended, outcome=Outcome.VALID_AFTER_FALLBACK)) > 20

    flags = [change for change in world.changes("flag") if change.subject == "fallback.enabled"]
    assert [change.after for change in flags] == [{"is_on": False}, {"is_on": True}]
    name, on_at = SEED.fallback_off.tenant, flags[1].at
    without, with_ = world.between(began, on_at, tenant=name), world.between(on_at, ended, tenant=name)
    assert {call["outcome"] for call in without} <= {Outcome.PROVIDER_ERROR, Outcome.TIMEOUT, Outcome.CANCELLED}
    assert len(without) > 20
    assert len(with_) > 5
    assert all(call["model"].startswith("anthropic/") for call in with_)
    assert sum(Outcome(call["outcome"]).is_valid for call in with_) > len(with_) * 0.8

    breakers = [change for change in world.changes("breaker") if change.at >= began]
    for subject in {change.subject for change in breakers}:
        states = [change.after["state"] for change in breakers if change.subject == subject]
        assert (states[0], states[-1]) == ("open", "closed")
        assert set(states[:-1]) == {"open"}, "a probe that fails opens it anew, for longer"
    assert {"openai/gpt-4o-mini", "openai/gpt-4o"} == {change.subject for change in breakers}


def test_a_stricter_version_fails_on_one_field(world: World) -> None:
    """While version 2 is in production, one field fails and is asked again; the rollback ends it."""
    promoted = SEED.promotion.before(NOW)
    back = promoted + timedelta(hours=SEED.promotion.hours)
    own = world.between(NOW - timedelta(days=40), NOW, schema=SEED.promotion.schema_name)
    inside = [call for call in own if call["version"] == 2]
    assert {promoted <= call["started_at"] < back for call in inside} == {True}
    assert all(call["version"] == 2 for call in own if promoted <= call["started_at"] < back)

    window = Window.last(timedelta(days=30), NOW)
    failing = [
        row
        for row in rows(world.reports.overview(LOCAL_OPERATOR, window).fields)
        if row["path"] == "$.gross_weight.unit"
    ]
    assert [(row["schema"], row["version"], row["type"]) for row in failing] == [("shipment_notice", 2, "enum")]

    def asked_again(calls: list[dict[str, Any]]) -> float:
        return sum(call["attempts"] > 1 for call in calls) / len(calls)

    outside = [call for call in own if call["version"] == 1]
    assert asked_again(inside) > 3 * asked_again(outside)
    assert sum(call["wasted_usd"] for call in inside) > 0
    summaries = [change.summary for change in world.changes("schema") if change.subject == "shipment_notice"]
    assert [word in summary for word, summary in zip(("added", "added", "now", "now"), summaries, strict=True)] == [
        True
    ] * 4


def test_a_tenant_is_near_its_budget(world: World) -> None:
    """The tight tenant is a trouble now, its last calls were blocked, and the cut that caused it is a change event."""
    name = SEED.tight.tenant
    troubles = [trouble for trouble in world.reports.troubles(LOCAL_OPERATOR) if trouble.kind == "budget"]
    assert [(trouble.tenant, trouble.share >= 0.9) for trouble in troubles] == [(name, True)]
    blocked = [call for call in world.calls if call["outcome"] == Outcome.BLOCKED_BUDGET]
    assert {call["tenant"] for call in blocked} == {name}
    assert len(blocked) > 5
    budget = [change for change in world.changes("budget") if change.subject == name]
    cut = [change for change in budget if change.before][-1]
    assert [change.after["percent"] for change in budget if "percent" in change.after]
    assert all(cut.at < call["started_at"] for call in blocked)
    assert cut.after["limit_nano_usd"] < cut.before["limit_nano_usd"]


def test_a_flag_stops_streams_for_a_while(world: World) -> None:
    """Streams of one tenant are blocked between the two flips of a flag, and at no other time."""
    flip = SEED.flips[0]
    off_at = flip.before(NOW)
    flips = [change for change in world.changes("flag") if change.subject == flip.flag]
    assert [(change.at, change.after["is_on"]) for change in flips] == [
        (off_at, False),
        (off_at + timedelta(minutes=flip.minutes), True),
    ]
    blocked = [call for call in world.calls if call["outcome"] == Outcome.BLOCKED_FLAG]
    assert len(blocked) > 5
    assert {(call["tenant"], call["streamed"]) for call in blocked} == {(flip.tenant, True)}
    assert all(off_at <= call["started_at"] < off_at + timedelta(minutes=flip.minutes) for call in blocked)


def test_a_route_becomes_cheaper(world: World) -> None:
    """After a route's edit another model answers first, and a valid object costs less than a fifth."""
    at = SEED.cheaper.before(NOW)
    own = [
        call
        for call in world.calls
        if call["route"] == SEED.cheaper.route and call["outcome"] == Outcome.VALID_FIRST_TRY
    ]
    before = [call for call in own if call["started_at"] < at]
    after = [call for call in own if call["started_at"] >= at]
    assert {call["model"] for call in before} == {"openai/gpt-4o"}
    assert {call["model"] for call in after} == {"openai/gpt-4o-mini"}
    assert median(call["cost_usd"] for call in after) < median(call["cost_usd"] for call in before) / 5


def test_a_model_is_slow_for_an_afternoon(world: World) -> None:
    """On one afternoon a model takes several times as long as on all others."""
    at, slow = SEED.slowness.before(NOW), SEED.slowness
    usual = [call for call in world.calls if call["model"] == slow.model and call["attempts"] == 1]
    during = [call for call in usual if at <= call["started_at"] < at + timedelta(minutes=slow.minutes)]
    assert len(during) >= 3
    assert median(call["duration_ms"] for call in during) > 2.5 * median(call["duration_ms"] for call in usual)


# ── What it is made of ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("schema", ["support_ticket", "invoice", "contract_terms", "meeting_notes", "shipment_notice"])
def test_answers_are_right_and_slips_break_one_field(schema: str) -> None:
    """Every invented answer satisfies its schema, in all its versions; every slip breaks just the field it names."""
    sample = SAMPLES / f"{schema}.json"
    bodies = [orjson.loads(sample.read_bytes())["schema"]] if sample.exists() else SEED.shipment_notice.versions()
    texts = Texts(SEED, Dice(DemoClock(NOW, schema)))
    for body in bodies:
        model = response_model(body, schema)
        for _ in range(100):
            model.model_validate(texts.make(schema, NOW)[1])
        for slip in SEED.slips:
            for instead in slip.instead if slip.schema_name == schema else ():
                answer = texts.make(schema, NOW)[1]
                slip.break_(answer, instead)
                with pytest.raises(ValidationError) as caught:
                    model.model_validate(answer)
                paths = [problem.path for problem in field_errors(caught.value)]
                assert paths == [f"$.{'.'.join(slip.path)}".replace(".0", "[0]")]


def test_the_same_seed_makes_the_same_world(sqlite_store: Store, made: Made, tmp_path: Path) -> None:
    """Two worlds that end at the same time hold the same calls at the same cost; only their keys differ."""
    worlds: list[list[tuple[Any, ...]]] = []
    demo_in(sqlite_store).make(LOCAL_OPERATOR)
    for store in (sqlite_store, made.copied(tmp_path)):
        row = AttemptRow
        columns = (row.id, row.outcome, row.started_at, row.duration_ms, row.cost_nano_usd)
        with store.snapshot() as connection:
            worlds.append([tuple(row) for row in connection.execute(select(*columns).order_by(AttemptRow.id))])
        store.close()
    assert worlds[0] == worlds[1]
    assert len(worlds[0]) > 200


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 2, 28, 18, 20, tzinfo=UTC),  # five minutes into March in Kathmandu
        datetime(2026, 11, 1, 12, 0, tzinfo=UTC),  # on the day on which clocks are set back in New York
        datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
    ],
)
def test_it_can_be_made_at_any_time(sqlite_store: Store, now: datetime) -> None:
    """At a month's turn, a change of clocks, a new year: the world is whole, adds up and does not reach beyond now."""
    demo_in(sqlite_store, now).make(LOCAL_OPERATOR)
    assert Budgets(sqlite_store, ManualClock(now), owner="test").verify(LOCAL_OPERATOR).ok
    with sqlite_store.reading() as session:
        assert session.exec(select(func.max(GenerationRow.ended_at))).one() <= now
        assert session.exec(select(func.count()).select_from(Tenant)).one() == len(SEED.tenants)


def test_the_past_is_not_logged(made: Made) -> None:
    """Making the world writes no log line: the log is about the present."""
    assert made.logged == []


def test_keys_in_messages_are_not_kept(world: World) -> None:
    """A key that a caller quotes by accident is redacted before it is kept."""
    with world.store.reading() as session:
        asked = [str(payload.asked) for payload in session.exec(select(Payload).where(Payload.n == 0))]
    assert any("[redacted: an AWS access key]" in text for text in asked)
    assert not any("AKIA" in text for text in asked)


# ── Its life ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_first_start_makes_it_once(store: Store) -> None:
    """A first start makes the world in the background and says how far it is; a second start makes nothing more."""
    demo = demo_in(store)
    assert (demo.status.phase, demo.exists()) == ("none", False)
    demo.start_in_background()
    demo.start_in_background()
    assert demo.status.phase == "making"
    fractions = [demo.status.fraction]
    assert is_true(lambda: fractions.append(demo.status.fraction) or demo.status.phase != "making")
    assert (demo.status.phase, demo.status.fraction, demo.exists()) == ("ready", None, True)
    seen = [fraction for fraction in fractions if fraction is not None]
    assert seen == sorted(seen)
    assert seen[-1] > 0.5
    before = everything(store)
    for again in (demo, demo_in(store)):
        again.start_in_background()
        again.make(LOCAL_OPERATOR)
        again.stop()
    assert everything(store) == before


def test_only_a_first_start_makes_it(sqlite_store: Store, made: Made, tmp_path: Path) -> None:
    """Where there is a tenant already, where the setting says no, or where it was removed, a start makes nothing."""
    refusing = demo_in(sqlite_store, demo=False)
    refusing.start_in_background()
    assert refusing.status.phase == "none"
    store = made.copied(tmp_path)
    demo = demo_in(store, ManualClock(NOW, seed=1))
    demo.remove(LOCAL_OPERATOR)
    demo.start_in_background()
    assert (demo.status.phase, demo.exists()) == ("none", False)
    store.close()
    builders.save(sqlite_store, builders.tenant("Real", NOW))
    other = demo_in(sqlite_store)
    other.start_in_background()
    assert (other.status.phase, other.exists()) == ("none", False)


def test_removal_leaves_what_was_there(store: Store) -> None:
    """What is left after the removal is, row by row, what was there before, and one entry that says it happened."""
    real = builders.tenant("Real", NOW)
    call = builders.generation(NOW - timedelta(hours=1), tenant_id=real.id)
    builders.save(store, real, *builders.budget(real, 10**10, 0, NOW), call, builders.attempt(call))
    Schemas(store, ManualClock(NOW)).load_samples(person("proctor"))
    Folding(store).run()
    before = everything(store)
    demo = demo_in(store)
    demo.make(LOCAL_OPERATOR)
    Folding(store).run()
    assert len(everything(store)["generation"]) > 200
    counts = demo.remove(LOCAL_OPERATOR)
    Folding(store).run()
    after = everything(store)
    assert (counts["tenant"], counts["generation"] > 200, counts["field_error"] > 0) == (len(SEED.tenants), True, True)
    for table in ("audit_entry", "change_event"):
        new = [row for row in after[table] if row not in before[table]]
        assert len(new) == 1
        after[table].remove(new[0])
    assert [row[1] - was[1] for row, was in zip(after.pop("audit_head"), before.pop("audit_head"), strict=True)] == [1]
    assert [[row[:2] for row in one.pop("rollup_state")] for one in (after, before)] == 2 * [[(1, EPOCH)]]
    assert after == before
    assert Budgets(store, ManualClock(NOW), owner="test").verify(LOCAL_OPERATOR).ok
    assert set(demo.remove(LOCAL_OPERATOR).values()) == {0}


def test_a_call_that_is_out_when_it_is_removed_leaves_nothing_unexplained(store: Store) -> None:
    """A demo generation that has one attempt written and one out goes with its world, and the books still balance."""
    clock = ManualClock(NOW)
    row = Tenants(store, clock).create(LOCAL_OPERATOR, "Demo Inc", is_demo=True)
    till = Till(store, clock, 1000, tenant=row)
    walk = till.begin()
    walk.end(walk.cover(10), 10)
    out = walk.cover(10)
    demo_in(store).remove(LOCAL_OPERATOR)
    assert Budgets(store, clock, owner="test").verify(LOCAL_OPERATOR).ok

    walk.end(out, 10)
    with suppress(Unavailable):  # nobody is left to record it for
        walk.close()
    assert Budgets(store, clock, owner="test").verify(LOCAL_OPERATOR).ok


def test_what_operators_made_of_it_stays(made: Made, tmp_path: Path) -> None:
    """A demo route that an operator edited and a demo schema to which one was added outlive the removal, unmarked."""
    store, clock = made.copied(tmp_path), ManualClock(NOW, seed=1)
    demo, routes, schemas = demo_in(store, clock), Routes(store, clock, SETTINGS), Schemas(store, clock)
    routes.set(LOCAL_OPERATOR, "demo-triage", [{"model": "openai/gpt-4o"}])
    schemas.add(person("me"), "shipment_notice", {"type": "object", "properties": {"mine": {"type": "string"}}})
    demo.remove(LOCAL_OPERATOR)
    assert [view.terms.name for view in routes.list(LOCAL_OPERATOR) if not view.is_from_environment] == ["demo-triage"]
    summary = next(one for one in schemas.list(LOCAL_OPERATOR) if one.name == "shipment_notice")
    assert (summary.is_demo, summary.labels["production"], schemas.find(LOCAL_OPERATOR, "shipment_notice").version) == (
        False,
        3,
        3,
    )
    store.close()


def test_half_a_world_is_made_anew(store: Store) -> None:
    """A world whose making was stopped adds up as far as it is; the next start clears it and makes it whole."""
    demo = demo_in(store, scale=0.05)
    demo.start_in_background()
    assert is_true(lambda: (demo.status.fraction or 0) > 0.02)
    demo.stop()
    half = everything(store)
    assert (demo.exists(), demo.status.phase) == (True, "making")
    assert len(half["generation"]) > 0
    assert Budgets(store, ManualClock(NOW, seed=1), owner="test").verify(LOCAL_OPERATOR).ok

    following = demo_in(store)
    following.start_in_background()
    assert is_true(lambda: following.status.phase == "ready")
    with store.reading() as session:
        assert session.exec(select(func.count()).select_from(Tenant)).one() == len(SEED.tenants)
        assert session.exec(select(AuditEntry.action).where(col(AuditEntry.action).startswith("demo"))).all() == [
            "demo.make"
        ]
    assert Budgets(store, ManualClock(NOW), owner="test").verify(LOCAL_OPERATOR).ok


def test_of_two_processes_one_makes_it(store: Store, database_url: str) -> None:
    """Two processes that start at once end with one world; the one that waited finds it ready."""
    other = Store(database_url)
    demos = [demo_in(store), demo_in(other)]
    ready = threading.Barrier(2)

    def start(demo: Demo) -> None:
        ready.wait()
        demo.start_in_background()

    threads = [threading.Thread(target=start, args=(demo,)) for demo in demos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_true(lambda: all(demo.status.phase == "ready" for demo in demos))
    for demo in demos:
        demo.stop()
    with store.reading() as session:
        assert len(session.exec(select(Tenant.id)).all()) == len(SEED.tenants)
        assert len(session.exec(select(AuditEntry.id).where(AuditEntry.action == "demo.make")).all()) == 1
    other.close()


def test_names_that_are_taken_are_left_alone(sqlite_store: Store) -> None:
    """Where an operator's thing bears a name that the world needs, nothing is made and the sentence names it."""
    builders.save(sqlite_store, builders.tenant("Namuna travels", NOW))
    before = everything(sqlite_store)
    with pytest.raises(Conflict, match="Namuna travels"):
        demo_in(sqlite_store).make(LOCAL_OPERATOR)
    assert everything(sqlite_store) == before
    with sqlite_store.reading() as session:
        assert session.exec(select(SchemaVersion)).all() == []

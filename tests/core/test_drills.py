"""Fire drills as operators start, see and stop them; and that each ends, everywhere, though nobody ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from core.cli import main
from core.clock import ManualClock
from core.drills import DEMO, Drills, concerning
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.faults import Fault
from core.principals import LOCAL_OPERATOR, Principal
from core.store import Store
from core.tables import AuditEntry, ChangeEvent, FireDrill, Tenant
from core.tenants import Tenants
from tests import builders
from tests.builders import decisions
from tests.conftest import START
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

KEY = Principal.of_key("key", "acme", "prk_abc")


@pytest.fixture
def drills(store: Store, clock: ManualClock) -> Drills:
    """The drills of an empty database."""
    return Drills(store, clock)


@pytest.fixture
def acme(store: Store, clock: ManualClock) -> Tenant:
    """A tenant."""
    return Tenants(store, clock).create(LOCAL_OPERATOR, "Acme")


def begin(drills: Drills, tenant: Tenant | None, fault: Fault = Fault.SERVER_ERROR, **more: Any) -> Any:
    """Begin a drill of a quarter of an hour."""
    given: dict[str, Any] = {"share": 0.2, "minutes": 15, "reason": "Does fallback hold?"}
    return drills.start(LOCAL_OPERATOR, tenant, fault, **given | more)


def rows(store: Store, table: Any) -> list[Any]:
    """Return a table, the oldest row first."""
    with store.reading() as session:
        return list(session.exec(select(table).order_by(col(table.id))).all())


def revision(store: Store) -> int:
    """Return how many decisions there were."""
    with store.snapshot() as connection:
        return decisions(connection)


# ── Start, see, stop ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_drill_is_written_down_as_it_was_begun(drills: Drills, acme: Tenant, store: Store) -> None:
    """Whoever looks sees whose calls meet what, why, by whom and until when; it is audited; policies are read anew."""
    before = revision(store)

    view = begin(drills, acme, target="openai/gpt-4o-mini")

    assert drills.list(LOCAL_OPERATOR) == [view]
    assert drills.running(LOCAL_OPERATOR) == [view]
    assert (view.whose, view.target, view.actor) == ("Acme", "openai/gpt-4o-mini", "local operator")
    assert (view.starts_at, view.ends_at, view.ended_at) == (START, START + timedelta(minutes=15), None)
    assert view.sentence == "20% of the calls of Acme to openai/gpt-4o-mini fail as if the provider had broken down."
    assert revision(store) == before + 1
    [entry] = [one for one in rows(store, AuditEntry) if one.action == "drill.start"]
    assert (entry.actor, entry.tenant_id) == ("local operator", acme.id)
    assert entry.before is None
    assert entry.after["reason"] == "Does fallback hold?"
    [event] = [one for one in rows(store, ChangeEvent) if one.kind == "drill"]
    assert (event.at, event.tenant_id) == (START, acme.id)
    assert event.summary == f"A fire drill began: {view.sentence}"


def test_slowness_says_how_long(drills: Drills, acme: Tenant) -> None:
    """The sentence of a slow drill has its seconds; other faults have none."""
    slow = begin(drills, acme, Fault.SLOW, share=1, seconds=2.5)

    assert slow.sentence == "All of the calls of Acme wait 2.5 s before they go out."
    assert slow.seconds == 2.5
    assert begin(drills, acme, Fault.INVALID, seconds=2.5).seconds == 0


def test_a_drill_can_be_stopped_once(drills: Drills, acme: Tenant, store: Store, clock: ManualClock) -> None:
    """Stopping ends it at once and is audited with before and after; a second time says that it is over."""
    view = begin(drills, acme)
    clock.advance(60)

    stopped = drills.stop(LOCAL_OPERATOR, view.id)

    assert stopped.ended_at == START + timedelta(seconds=60)
    assert drills.running(LOCAL_OPERATOR) == []
    [entry] = [one for one in rows(store, AuditEntry) if one.action == "drill.stop"]
    assert entry.before["ended_at"] is None
    assert entry.after["ended_at"] == "2026-03-04T12:01:00+00:00"
    with pytest.raises(Conflict, match="over already, since 2026-03-04 12:01 UTC"):
        drills.stop(LOCAL_OPERATOR, view.id)
    with pytest.raises(NotFound, match="no fire drill 'other'"):
        drills.stop(LOCAL_OPERATOR, "other")
    assert len(rows(store, AuditEntry)) == 3, "the tenant, the start, the stop"


def test_a_drill_that_ran_out_cannot_be_stopped(drills: Drills, acme: Tenant, clock: ManualClock) -> None:
    """Its end stays the one that was planned, also where nobody has written it down yet."""
    view = begin(drills, acme)
    clock.advance(15 * 60)

    assert not view.is_running(clock.now())
    with pytest.raises(Conflict, match="since 2026-03-04 12:15 UTC"):
        drills.stop(LOCAL_OPERATOR, view.id)


def test_the_end_is_written_down_once(drills: Drills, acme: Tenant, store: Store, clock: ManualClock) -> None:
    """Housekeeping tells a drill's end at the time at which it ended, whoever finds it, and however many do."""
    view, longer = begin(drills, acme), begin(drills, acme, minutes=60)
    other = Drills(store, clock)
    assert drills.end_expired() == 0
    clock.advance(15 * 60 + 20)

    assert (drills.end_expired(), other.end_expired(), drills.end_expired()) == (1, 0, 0)

    assert {one.id: one.ended_at for one in drills.list(LOCAL_OPERATOR)} == {view.id: view.ends_at, longer.id: None}
    [event] = [one for one in rows(store, ChangeEvent) if one.summary.startswith("A fire drill ended by itself")]
    assert (event.at, event.kind) == (view.ends_at, "drill")
    [entry] = [one for one in rows(store, AuditEntry) if one.action == "drill.end"]
    assert (entry.actor, entry.at) == ("proctor", view.ends_at)


def test_those_that_run_come_first(drills: Drills, acme: Tenant, clock: ManualClock) -> None:
    """The list shows what runs, then what is over, the newest first; of old ones only the last."""
    long = begin(drills, acme, minutes=1440)
    for _ in range(52):
        clock.advance(120)
        begin(drills, acme, minutes=1)
    clock.advance(120)

    listed = drills.list(LOCAL_OPERATOR)

    assert listed[0] == long
    assert len(listed) == 51
    assert [one.starts_at for one in listed[1:]] == sorted((one.starts_at for one in listed[1:]), reverse=True)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"share": 0}, "above 0 and is at most 1"),
        ({"share": 1.01}, "above 0 and is at most 1"),
        ({"share": float("nan")}, "above 0 and is at most 1"),
        ({"minutes": 0}, "at most 1440 minutes"),
        ({"minutes": 1441}, "at most 1440 minutes"),
        ({"minutes": float("inf")}, "at most 1440 minutes"),
        ({"reason": " "}, "needs a reason"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"target": "oprnai"}, "neither a provider"),
        ({"fault": Fault.SLOW, "seconds": 0}, "at most 300 seconds"),
        ({"fault": Fault.SLOW, "seconds": 301}, "at most 300 seconds"),
    ],
)
def test_a_drill_that_makes_no_sense_is_refused(
    given: dict[str, Any], sentence: str, drills: Drills, acme: Tenant, store: Store
) -> None:
    """There is no drill without an end, a reason, a share, or a target that exists; nothing is written then."""
    known = len(rows(store, AuditEntry))

    with pytest.raises(Invalid, match=sentence):
        begin(drills, acme, **given)

    assert rows(store, FireDrill) == []
    assert len(rows(store, AuditEntry)) == known


@pytest.mark.parametrize(
    ("target", "told"),
    [("", ""), ("openai", "openai"), ("openai/o3", "openai/o3"), ("gpt-4o-mini", "openai/gpt-4o-mini")],
)
def test_a_target_is_a_provider_or_a_model(target: str, told: str, drills: Drills, acme: Tenant) -> None:
    """A bare model is taken for its family's provider, as everywhere."""
    assert begin(drills, acme, target=target).target == told


def test_only_operators_run_drills(drills: Drills, acme: Tenant) -> None:
    """A program of a tenant may neither begin nor stop one."""
    view = begin(drills, acme)
    with pytest.raises(Forbidden, match=r"drills\.write"):
        drills.start(KEY, acme, Fault.SLOW, share=1, minutes=1, reason="Mine.")
    with pytest.raises(Forbidden, match=r"drills\.write"):
        drills.stop(KEY, view.id)


def test_a_tenant_that_is_gone_has_no_drill(drills: Drills, store: Store) -> None:
    """A form that stood open while the tenant was removed is told so."""
    with pytest.raises(NotFound, match="Gone is no longer there"):
        begin(drills, builders.tenant("Gone", START))
    assert rows(store, FireDrill) == []


def test_a_drill_of_the_demo_tenants_concerns_them_alone(
    drills: Drills, acme: Tenant, store: Store, clock: ManualClock
) -> None:
    """Without a tenant a drill is for the demo world; who is real never meets it."""
    demo = builders.tenant("Ejemplo", START, is_demo=True)
    builders.save(store, demo)
    view = begin(drills, None)
    own = begin(drills, acme)

    with store.reading() as session:
        assert [one.id for one in concerning(session, demo)] == [view.id]
        assert [one.id for one in concerning(session, acme)] == [own.id]
    assert view.whose == DEMO
    clock.advance(3600)
    drills.end_expired()
    with store.reading() as session:
        assert concerning(session, demo) == ()


# ── Everywhere at once ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def on(wire: WireServer, sqlite_url: str) -> Iterator[Rig]:
    """A Proctor."""
    with rig(wire, sqlite_url) as running:
        yield running


def proctor(url: str, *arguments: str) -> Any:
    """Run the command line as a process of its own; return its document."""
    code = "import sys; from core.cli import main; sys.exit(main())"
    environment = {**os.environ, "DATABASE_URL": url, "LOCAL_MODEL": "off"}
    command = [sys.executable, "-c", code, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_another_process_starts_and_stops(on: Rig, sqlite_url: str, wire: WireServer) -> None:
    """The next call of a process that has run for long meets what the command line begins; so it is with the stop."""
    tenant, route = on.tenant(), on.route(OPENAI, ANTHROPIC)
    assert on.ask(tenant, route=route).generation.outcome == "valid_first_try"

    given = ("--fault", "server_error", "--share", "1", "--minutes", "5", "--reason", "A test.", "--only", "openai")
    drill = proctor(sqlite_url, "drill", "start", tenant.name, *given, "--yes")
    known = len(wire.ledger.calls())
    during = on.ask(tenant, route=route)

    assert during.generation.value == A_PERSON
    assert [attempt.drill_id for attempt in during.generation.attempts] == [drill["id"], drill["id"], None]
    assert len(wire.ledger.calls()) == known + 1

    assert proctor(sqlite_url, "drill", "stop", drill["id"])["ended_at"]
    after = on.ask(tenant, route=route)
    assert [attempt.drill_id for attempt in after.generation.attempts] == [None]
    assert on.is_settled()


def test_a_policy_that_was_kept_meets_the_end_by_the_clock(
    wire: WireServer, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nobody to write anything down, a process that has read the drill still stops striking at its end."""
    with rig(wire, sqlite_url) as on:
        tenant, route = on.tenant(), on.route(OPENAI)
        on.runtime.drills.start(LOCAL_OPERATOR, tenant, Fault.RATE_LIMIT, share=1, minutes=5, reason="A test.")
        assert on.ask(tenant, route=route).generation.outcome == "provider_error"
        before = on.runtime.policies.snapshot(tenant.id).revision
        real = on.clock.now
        monkeypatch.setattr(on.clock, "now", lambda: real() + timedelta(minutes=5))

        heard = on.ask(tenant, route=route)

        assert heard.error is None
        assert on.runtime.policies.snapshot(tenant.id).revision == before, "no operator decided anything"


# ── The command line ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``proctor`` here; return exit code, standard output and standard error."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("LOCAL_MODEL", "off")

    def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran


GIVEN = ("--fault", "invalid", "--share", "0.25", "--minutes", "30", "--reason", "A test.")


def test_a_real_tenant_needs_a_word_more(run: Any) -> None:
    """Without --yes, and with nobody to ask, nothing begins; what is said names tenant, share and end."""
    run("tenant", "create", "Acme")

    code, out, err = run("drill", "start", "Acme", *GIVEN)

    assert (code, out) == (2, "")
    assert "25% of the calls of Acme get an answer that no schema accepts." in err
    assert "These calls are real, until 20" in err
    assert "--yes" in err
    assert json.loads(run("drill", "list", "--json")[1]) == {"drills": []}

    assert run("drill", "start", "Acme", *GIVEN, "--yes")[0] == 0
    [listed] = json.loads(run("drill", "list", "--json")[1])["drills"]
    assert (listed["whose"], listed["share"], listed["running"]) == ("Acme", 0.25, True)


def test_the_demo_tenants_need_none(run: Any) -> None:
    """A drill of the demo world begins at once, is listed, and can be stopped by its id."""
    code, out, err = run("drill", "start", "--demo", *GIVEN, "--only", "anthropic")
    assert (code, out.partition(" It ends")[0]) == (
        0,
        "A fire drill began: 25% of the calls of the demo tenants to anthropic get an answer that no schema accepts.",
    )
    drill_id = err.strip().rpartition(" ")[2]

    assert "runs until" in run("drill", "list")[1]
    assert run("drill", "stop", drill_id)[:2] == (0, "The fire drill is stopped: calls go out again as always.\n")
    assert "over since" in run("drill", "list")[1]
    code, _, err = run("drill", "stop", drill_id, "--json")
    assert (code, json.loads(err)["code"]) == (1, "conflict")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (GIVEN, "Name a tenant, or say --demo"),
        (("Acme", "--demo", *GIVEN), "Name a tenant, or say --demo"),
        (("--demo", *GIVEN[:2], "--share", "0", *GIVEN[4:]), "is not in the range"),
        (("--demo", *GIVEN[:4], "--minutes", "1441", *GIVEN[6:]), "is not in the range"),
        (("--demo", *GIVEN[:6]), "Missing option '--reason'"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], sentence: str, run: Any) -> None:
    """What is missing or cannot be is said in one sentence, and nothing begins."""
    code, _, err = run("drill", "start", *arguments)

    assert code == 2
    assert sentence in err
    assert "no fire drill yet" in run("drill", "list")[1]

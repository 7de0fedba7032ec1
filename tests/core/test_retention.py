"""Of which calls prompts and answers are kept, for how long, and that a shorter time reaches what is there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from core.clock import EPOCH, ManualClock
from core.errors import Invalid
from core.journal import JournalWriter
from core.payload_terms import PayloadTerms, payload_days, payload_percent
from core.principals import LOCAL_OPERATOR
from core.reports import Reports
from core.retention import STILL_OUT, Retention
from core.routes import Routes
from core.settings import Settings
from core.store import AT_ONCE, Store
from core.tables import GenerationRow, Payload, Route, Tenant
from core.tenants import Tenants
from tests import builders
from tests.conftest import START
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url) as made:
        yield made


# ── What may be said ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", ["3", "3d", "0d", "-1d", "1 month", "", None, "P3D", -1, 3651, 2.5, True])
def test_days_are_a_number_of_days(value: Any) -> None:
    """What is no whole number of days is refused, and never read as none or as for ever."""
    with pytest.raises(Invalid, match="0 to 3650 days"):
        payload_days(value)


@pytest.mark.parametrize("value", ["10", "10 %", 0.1, -1, 101, None, True])
def test_a_share_is_a_number_of_percent(value: Any) -> None:
    """So is what is no whole number of percent."""
    with pytest.raises(Invalid, match="0 to 100 %"):
        payload_percent(value)


@given(
    own=st.tuples(st.integers(0, 3650), st.integers(0, 100)),
    other=st.tuples(st.none() | st.integers(0, 3650), st.none() | st.integers(0, 100)),
    generation_id=st.text("0123456789abcdef", min_size=32, max_size=32),
)
def test_a_route_only_takes_away(own: Any, other: Any, generation_id: str) -> None:
    """What a route says never lets anything be kept that the tenant alone would not keep."""
    terms = PayloadTerms(*own)
    narrowed = terms.narrowed(*other)

    assert narrowed.days <= terms.days
    assert terms.draws(generation_id) or not narrowed.draws(generation_id)
    assert PayloadTerms(1, 100).draws(generation_id)
    assert not PayloadTerms(1, 0).draws(generation_id)


def test_a_share_is_about_that_share() -> None:
    """Of many calls about so many of a hundred are drawn, by ids as they are made."""
    clock = ManualClock(START)
    ids = [clock.new_id() for _ in range(5000)]

    for percent in (1, 10, 50, 99):
        drawn = sum(PayloadTerms(30, percent).draws(one) for one in ids)
        assert drawn / len(ids) == pytest.approx(percent / 100, abs=0.03)


# ── What is kept ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scenario", "more", "kept"),
    [
        ("ok", {}, []),
        ("invalid-once", {}, []),
        ("ok", {"stream": True}, []),
        ("invalid-twice", {"route": (OPENAI, 1)}, [0, 1, 2]),
        ("failed", {"route": (OPENAI, 1)}, [0]),
    ],
)
def test_of_failures_alone(scenario: str, more: dict[str, Any], kept: list[int], proctor: Rig) -> None:
    """Nothing is kept of a valid answer and of what led to it, and all of what ended without one."""
    tenant = proctor.tenant()
    proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, payload_percent=0)
    if "route" in more:
        model, reasks = more["route"]
        more = {"route": proctor.route(model, max_reasks=reasks, max_retries=0)}

    heard = proctor.ask(tenant, scenario, **more)

    assert heard.generation.outcome.is_successful is not bool(kept)
    assert [one.n for one in proctor.written(heard.generation.id).payloads] == kept


def test_nothing_is_written_before_it_is_known(proctor: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a valid call leaves no text, no statement on its way writes one: a process that dies leaves none."""
    tenant = proctor.tenant()
    proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, payload_percent=0)
    written: list[Any] = []
    payloads = JournalWriter.payloads
    monkeypatch.setattr(
        JournalWriter,
        "payloads",
        lambda self, cursor, rows, of: (written.extend(rows), payloads(self, cursor, rows, of)),
    )

    assert proctor.ask(tenant, "invalid-twice", model=OPENAI).generation.outcome.is_successful
    assert written == []


@pytest.mark.parametrize(
    ("limits", "kept", "days"),
    [({"payload_days": 3}, True, 3), ({"payload_days": 0}, False, 0), ({"payload_days": 300}, True, 30),
     ({"payload_percent": 0}, False, 0)],
)  # fmt: skip
def test_a_route_keeps_less(limits: dict[str, int], days: int, *, kept: bool, proctor: Rig) -> None:
    """The fewer days of tenant and route hold, and the smaller share."""
    heard = proctor.ask(proctor.tenant(), route=proctor.route(OPENAI, ANTHROPIC, **limits))

    payloads = proctor.written(heard.generation.id).payloads
    assert bool(payloads) is kept
    assert {one.expires_at - heard.generation.started_at for one in payloads} <= {timedelta(days=days)}


# ── A shorter time ────────────────────────────────────────────────────────────────────────────────────────────────────


def filled(store: Store, count: int) -> list[str]:
    """Write a tenant's calls, one a minute, whose payloads last a month; return their ids."""
    builders.save(store, builders.tenant("Acme", START))
    calls = [builders.generation(START + timedelta(minutes=place), route="narrow") for place in range(count)]
    builders.save(store, *calls)
    month = timedelta(days=30)
    builders.save(store, *(builders.payload(one, 0, "hello", None, one.started_at + month) for one in calls))
    return [one.id for one in calls]


def ends(store: Store) -> set[timedelta]:
    """Return for how long payloads are kept, from the beginning of their calls on."""
    joined = select(Payload.expires_at, GenerationRow.started_at).where(Payload.generation_id == GenerationRow.id)
    with store.reading() as session:
        return {expires_at - started_at for expires_at, started_at in session.exec(joined)}


def test_a_shorter_time_reaches_what_is_there(store: Store) -> None:
    """It is not shown from then on, and its rows follow, in more than one transaction; a longer one changes nothing."""
    clock = ManualClock(START + timedelta(days=10))
    filled(store, AT_ONCE + 3)
    tenants, retention = Tenants(store, clock), Retention(store, clock, JournalWriter(store))
    reports = Reports(store, clock)
    acme = tenants.find(LOCAL_OPERATOR, "Acme")
    acme = tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, payload_retention_days=300)
    assert retention.cut() == 0
    with store.reading() as session:
        call_id = session.exec(select(Payload.generation_id)).first() or ""
    assert reports.call(LOCAL_OPERATOR, call_id).asked == "hello"

    acme = tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, payload_retention_days=3)

    assert reports.call(LOCAL_OPERATOR, call_id).asked is None
    assert retention.cut() == AT_ONCE + 3
    assert ends(store) == {timedelta(days=3)}
    assert retention.cut() == 0


def test_what_was_out_meanwhile_is_found_too(store: Store) -> None:
    """A call that was out and is written behind the first look is cut by a later one; then there are no more looks."""
    clock = ManualClock(START + timedelta(hours=1))
    filled(store, 1)
    tenants, retention = Tenants(store, clock), Retention(store, clock, JournalWriter(store))
    acme = tenants.find(LOCAL_OPERATOR, "Acme")
    tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, payload_retention_days=3)
    assert retention.cut() == 1
    late = builders.generation(clock.now() - timedelta(minutes=1))
    builders.save(store, late, builders.payload(late, 0, "hello", None, late.started_at + timedelta(days=30)))

    assert retention.cut() == 1
    clock.advance(2 * STILL_OUT.total_seconds())
    retention.cut()
    with store.reading() as session:
        assert session.exec(select(Tenant.payloads_cut_from)).all() == [None]


def test_a_route_that_keeps_less_reaches_what_is_there(store: Store) -> None:
    """So for what a route says; of other routes nothing changes."""
    clock = ManualClock(START + timedelta(days=1))
    filled(store, 2)
    other = builders.generation(START)
    builders.save(store, other, builders.payload(other, 0, "hello", None, START + timedelta(days=30)))
    routes = Routes(store, clock, Settings(database_url="", openai_api_key="sk"))  # pyright: ignore[reportArgumentType] it is read
    routes.set(LOCAL_OPERATOR, "narrow", [{"model": OPENAI}], payload_days=5)
    with store.reading() as session:
        assert session.exec(select(Route.payloads_cut_from)).all() == [EPOCH]

    assert Retention(store, clock, JournalWriter(store)).cut() == 2
    assert ends(store) == {timedelta(days=5), timedelta(days=30)}


# ── Gone is gone ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [40, 40_000])
def test_a_deleted_text_is_not_in_the_file(length: int, sqlite_store: Store) -> None:
    """Neither in a row's own page nor in those that a long text had and that are free now."""
    word = "canary-"
    filled(sqlite_store, 3)
    call = builders.generation(START)
    builders.save(sqlite_store, call, builders.payload(call, 0, word * (length // len(word)), None, START))
    path = Path(sqlite_store.url.database or "")
    sqlite_store.checkpoint()
    assert word.encode() * 3 in path.read_bytes()

    JournalWriter(sqlite_store).forget_payloads(START + timedelta(seconds=1))

    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert word.encode() not in path.read_bytes()

"""Chores: each is done without anybody's asking, none keeps another from being done, and what is wrong is told."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlmodel import select
from structlog.testing import capture_logs

from core import runtime as running
from core.capabilities import Cards, Listings, ModelCard, ProviderCheck
from core.chores import Chore, Chores, ChoreStatus
from core.chores._reasons import reason
from core.claims import CHORE, Claims, Done, Held
from core.clock import ManualClock, SystemClock
from core.database_faults import DatabaseFault
from core.dialects import DialectName, KeptState
from core.drills import Drills
from core.errors import Unavailable
from core.faults import Fault
from core.own_keys import DeploymentKey, OwnKeys
from core.payload_terms import LEAST_CALL_DAYS
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from core.store import Store
from core.stored_objects import Holder, StoredObjects
from core.tables import (
    AuditHead,
    Claim,
    Erasure,
    GenerationRow,
    ModelListing,
    Payload,
    Process,
    Reservation,
    RollupProof,
    RollupState,
    Row,
    StoredObject,
    Tenant,
    Verification,
)
from core.telemetry import Metrics
from tests import builders
from tests.chore_process import EVERY_SECONDS
from tests.conftest import START
from tests.forks import Forked
from tests.tills import Till
from tests.wayward_store import WaywardStore, backlog_of

SECRET = "sk-proj-4f9a0c"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class QuickClock(SystemClock):
    """The real clock, but nobody waits for long, and it can be set forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def wait(self, woken: threading.Event, seconds: float) -> bool:
        return woken.wait(min(seconds, 0.02))


def becomes(holds: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it comes true in time."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def count(store: Store, table: type[Row]) -> int:
    """Return how many rows a table has."""
    with store.reading() as session:
        return len(session.exec(select(table)).all())


# ── Each is done ──────────────────────────────────────────────────────────────────────────────────────────────────────


def a_sign_of_life(runtime: Runtime) -> Callable[[], bool]:
    """Nobody knows of the process yet."""
    return lambda: count(runtime.store, Process) == 1


def a_dead_process(runtime: Runtime) -> Callable[[], bool]:
    """A process died long ago, and a call of its holds money."""
    Till(runtime.store, ManualClock(LONG_AGO), 1000).begin().cover(300)
    return lambda: count(runtime.store, Reservation) == 0


def a_record_that_waits(runtime: Runtime) -> Callable[[], bool]:
    """A process stopped while the database was away; what it could not write lies in its file."""
    store = WaywardStore(runtime.store)
    till = Till(store, SystemClock(), 1000, owner="gone")
    backlog = backlog_of(till, runtime.settings.backlog_folder)
    walk = till.begin()
    walk.end(walk.cover(300), 200)
    store.fails = "at once"
    walk.close()
    backlog.close()
    return lambda: till.account() == (200, 0)


def a_journal(runtime: Runtime) -> Callable[[], bool]:
    """What was written stands in SQLite's journal, and not in the file."""
    runtime.store.checkpoint()
    builders.save(runtime.store, builders.tenant("Acme", LONG_AGO))
    file = f"file:{runtime.store.url.database}?immutable=1"  # as if there were no journal

    def is_copied() -> bool:
        with closing(sqlite3.connect(file, uri=True)) as alone:
            return alone.execute("SELECT COUNT(*) FROM tenant").fetchone() == (1,)

    return is_copied


def no_verification(runtime: Runtime) -> Callable[[], bool]:
    """Nobody has verified anything yet."""
    return lambda: count(runtime.store, Verification) == 1


def a_new_entry(runtime: Runtime) -> Callable[[], bool]:
    """Somebody decided something, and nobody has followed the trail up to there."""
    runtime.tenants.create(LOCAL_OPERATOR, "Acme")

    def is_proven() -> bool:
        with runtime.store.reading() as session:
            heads = {one.name: one.seq for one in session.exec(select(AuditHead))}
        return heads.get("proven", 0) == heads["newest"] > 0

    return is_proven


def a_call_that_was_out(runtime: Runtime) -> Callable[[], bool]:
    """A budget was changed while a call was out that now has ended."""
    till = Till(runtime.store, SystemClock(), 1000)
    walk = till.begin()
    walk.end(walk.cover(100), 100)
    till.set(1000, period="day")
    walk.end(walk.cover(50), 50)
    walk.close()
    return lambda: till.account()[0] == 150


def an_old_payload(runtime: Runtime) -> Callable[[], bool]:
    """A prompt is past its time."""
    call = builders.generation(LONG_AGO)
    builders.save(runtime.store, builders.tenant("Acme", LONG_AGO), call)
    builders.save(runtime.store, builders.payload(call, 0, "hello", None, LONG_AGO + timedelta(days=1)))
    return lambda: count(runtime.store, Payload) == 0


def an_erased_user(runtime: Runtime) -> Callable[[], bool]:
    """A backup brought a user back who was erased."""
    acme = runtime.tenants.create(LOCAL_OPERATOR, "Acme")
    runtime.erasures.erase(LOCAL_OPERATOR, "ann", acme)
    hashed = runtime.store.own_keys.user_hash(acme.id, "ann")
    builders.save(runtime.store, builders.generation(LONG_AGO, acme.id, user_hash=hashed))

    def is_stripped() -> bool:
        with runtime.store.reading() as session:
            return not session.exec(select(GenerationRow.user_hash)).one()

    return is_stripped


def an_old_erasure(runtime: Runtime) -> Callable[[], bool]:
    """A backup brought a user back who was erased long ago."""
    acme = builders.tenant("Acme", LONG_AGO)
    named = {"tenant_id": acme.id, "user_hash": "h"}
    erasure = Erasure(**named, at=LONG_AGO, certificate_id="c", actor="x", done_at=LONG_AGO)
    builders.save(runtime.store, acme, erasure, builders.generation(LONG_AGO, acme.id, user_hash="h"))
    with runtime.store.reading() as session:
        assert session.exec(select(GenerationRow.user_hash)).one() == "h"

    def is_stripped() -> bool:
        with runtime.store.reading() as session:
            return not session.exec(select(GenerationRow.user_hash)).one()

    return is_stripped


def an_unsealed_text(runtime: Runtime) -> Callable[[], bool]:
    """A prompt was kept before there was a key."""
    call = builders.generation(LONG_AGO)
    builders.save(runtime.store, builders.tenant("Acme", LONG_AGO), call)
    builders.save(runtime.store, builders.payload(call, 0, "hello", None, LONG_AGO + timedelta(days=3000)))
    key = DeploymentKey.of(bytes(range(32)))
    runtime.store.own_keys = OwnKeys(payload_keys=[key])

    def is_sealed() -> bool:
        with runtime.store.reading() as session:
            return session.exec(select(Payload.key_id)).one() == key.id

    return is_sealed


def a_shorter_retention(runtime: Runtime) -> Callable[[], bool]:
    """A tenant keeps prompts for less long than when one was written."""
    call = builders.generation(LONG_AGO)
    builders.save(runtime.store, builders.tenant("Acme", LONG_AGO), call)
    builders.save(runtime.store, builders.payload(call, 0, "hello", None, LONG_AGO + timedelta(days=3000)))
    acme = runtime.tenants.find(LOCAL_OPERATOR, "Acme")
    runtime.tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, payload_retention_days=29)

    def is_cut() -> bool:
        with runtime.store.reading() as session:
            kept = session.exec(select(Payload)).all()
        return all(one.expires_at == LONG_AGO + timedelta(days=29) for one in kept)

    return is_cut


def a_call_that_is_too_old(runtime: Runtime) -> Callable[[], bool]:
    """A tenant keeps calls for less long than there are some."""
    acme = builders.tenant("Acme", LONG_AGO, call_days=LEAST_CALL_DAYS)
    builders.save(runtime.store, acme, builders.generation(LONG_AGO))
    return lambda: count(runtime.store, GenerationRow) == 0


def an_old_answer(runtime: Runtime) -> Callable[[], bool]:
    """A cached answer is past its time."""
    clock = ManualClock(LONG_AGO)
    with closing(Claims(runtime.store, clock)) as claims:
        lease: Any = claims.claim("answer", "old")
        lease.finish("x", LONG_AGO + timedelta(hours=1))

    def is_gone() -> bool:
        with runtime.store.reading() as session:
            return session.get(Claim, ("answer", "old")) is None

    return is_gone


def an_old_response(runtime: Runtime) -> Callable[[], bool]:
    """A vendor stored a response for a tenant, longer ago than it stores any."""
    holder = Holder(provider="openai", model="gpt-4o-mini", key_digest="")
    stored = StoredObjects(runtime.store, ManualClock(LONG_AGO))
    stored.keep("acme", DialectName.RESPONSES, [KeptState("", "response", "resp_1")], holder)
    return lambda: count(runtime.store, StoredObject) == 0


def nobody_looked_ahead(runtime: Runtime) -> Callable[[], bool]:
    """A tenant is new, and nobody has looked ahead for it."""
    builders.save(runtime.store, builders.tenant("Acme", LONG_AGO))
    return lambda: runtime.reports.forecast(LOCAL_OPERATOR, "acme") is not None


def an_old_drill(runtime: Runtime) -> Callable[[], bool]:
    """A fire drill ended long ago, and nobody wrote it down."""
    past = Drills(runtime.store, ManualClock(LONG_AGO))
    past.start(LOCAL_OPERATOR, None, Fault.SLOW, share=1, minutes=1, reason="A test.")
    return lambda: runtime.drills.list(LOCAL_OPERATOR)[0].ended_at is not None


def a_redis_that_is_away(runtime: Runtime) -> Callable[[], bool]:
    """Redis does not answer, and nobody has noticed."""
    return lambda: not runtime.shared.is_up


def no_check(runtime: Runtime) -> Callable[[], bool]:
    """Nobody has looked whether the provider answers. It does not, which is written down."""
    assert runtime.providers["openai"]  # its SDK is loaded before so many threads are busy
    return lambda: count(runtime.store, ModelListing) == 1


def a_check_of_another_process(runtime: Runtime) -> Callable[[], bool]:
    """Another process was told of a model."""
    other = Listings(runtime.store, SystemClock(), Cards(runtime.settings))
    check = ProviderCheck(at=LONG_AGO, is_well=True, sentence="It answers.")
    other.keep("vllm-lab", check, {"qwen": ModelCard.told("vllm-lab", context=4_096)})
    return lambda: runtime.cards.of("vllm-lab", "qwen").context == 4_096


def a_key_in_use(runtime: Runtime) -> Callable[[], bool]:
    """A key was used, which nobody has written down."""
    key = runtime.tenants.create_key(LOCAL_OPERATOR, runtime.tenants.create(LOCAL_OPERATOR, "Acme"))
    runtime.policies.authenticate(key.secret)
    return lambda: runtime.tenants.find_key(LOCAL_OPERATOR, key.id).used_at is not None


def a_call_that_is_not_summed_up(runtime: Runtime) -> Callable[[], bool]:
    """A call that ended."""
    builders.save(runtime.store, builders.generation(runtime.clock.now()))
    return lambda: bool(runtime.store.read_all(runtime.store.prepare("SELECT n FROM rollup LIMIT 1"), {}))


def a_call_from_before_rollups(runtime: Runtime) -> Callable[[], bool]:
    """A call that was recorded by a release that knew none."""
    with runtime.store.writing() as session:
        session.execute(sqlalchemy.update(RollupState).values(built_from=runtime.clock.now()))
    builders.save(runtime.store, builders.generation(runtime.clock.now() - timedelta(days=1)))
    return lambda: runtime.store.read_one(runtime.store.prepare("SELECT built_from FROM rollup_state"), {}) == (0,)


def no_proof(runtime: Runtime) -> Callable[[], bool]:
    """Nobody has proven the sums of any day yet."""
    builders.save(runtime.store, builders.generation(runtime.clock.now() - timedelta(days=3)))
    return lambda: count(runtime.store, RollupProof) > 0


def no_size(runtime: Runtime) -> Callable[[], bool]:
    """Nobody has measured the database yet."""
    return lambda: (runtime.metrics.registry.get_sample_value("proctor_store_bytes") or 0) > 0


def no_store_to_send_to(runtime: Runtime) -> Callable[[], bool]:
    """No setting names an analytics store, so there is nothing to do: see ``test_analytics.py``."""
    return lambda: status(runtime.chores, "analytics").last_success_at is not None


def no_months(runtime: Runtime) -> Callable[[], bool]:
    """An SQLite keeps no calls by months: nothing is to be done, and that succeeds."""
    return lambda: any(one.chore.name == "partitions" and one.last_success_at for one in runtime.chores.status())


PREPARED: dict[str, Callable[[Runtime], Callable[[], bool]]] = {
    "heartbeat": a_sign_of_life,
    "recovery": a_dead_process,
    "backlog": a_record_that_waits,
    "checkpoint": a_journal,
    "verify": no_verification,
    "audit trail": a_new_entry,
    "late calls": a_call_that_was_out,
    "retention": an_old_payload,
    "shorter retention": a_shorter_retention,
    "calls kept": a_call_that_is_too_old,
    "erasures": an_erased_user,
    "old erasures": an_old_erasure,
    "seals": an_unsealed_text,
    "rollups": a_call_that_is_not_summed_up,
    "rollups of the past": a_call_from_before_rollups,
    "rollup proof": no_proof,
    "analytics": no_store_to_send_to,
    "claims": an_old_answer,
    "stored objects": an_old_response,
    "outlooks": nobody_looked_ahead,
    "drills": an_old_drill,
    "providers": no_check,
    "model lists": a_check_of_another_process,
    "key uses": a_key_in_use,
    "store size": no_size,
    "partitions": no_months,
    "redis": a_redis_that_is_away,
}
"""What each chore finds undone; and how it is seen that it did it."""


@pytest.fixture
def proctor(sqlite_url: str) -> Iterator[Runtime]:
    """A Proctor whose chores' threads hardly wait; its Redis is away."""
    settings = Settings(
        database_url=sqlite_url,
        local_model="off",
        redis_url="unix:///nowhere/redis.sock",
        openai_base_url="http://127.0.0.1:1/v1",
    )
    runtime = running.build(settings, QuickClock())
    yield runtime
    runtime.close()


@pytest.mark.parametrize("name", PREPARED)
def test_it_is_done_without_anybody_asking(name: str, proctor: Runtime) -> None:
    """What a chore is there for is undone before the start, and is done soon after; the chore says so."""
    is_done = PREPARED[name](proctor)
    assert not is_done()
    proctor.chores.start()
    assert becomes(is_done)
    assert becomes(lambda: status(proctor.chores, name).state == "ok")
    assert f'proctor_chore_runs_total{{chore="{name}",result="done"}}' in proctor.metrics.text().decode()


def test_every_chore_has_such_a_test(proctor: Runtime) -> None:
    """A new chore comes with a test that fails when it is not done; each says what it does, and what if not."""
    chores = [one.chore for one in proctor.chores.status()]
    assert [chore.name for chore in chores] == list(PREPARED)
    for chore in chores:
        assert chore.does.endswith(".")
        assert chore.otherwise.endswith(".")


# ── None is in another's way ──────────────────────────────────────────────────────────────────────────────────────────


def chore(name: str, run: Callable[[], object], **more: Any) -> Chore:
    """Return a chore that is done twice a minute."""
    return Chore(
        name=name, every=timedelta(seconds=30), does="It works.", otherwise="Then it is undone.", run=run, **more
    )


def status(chores: Chores, name: str) -> ChoreStatus:
    """Return how one stands."""
    return next(one for one in chores.status() if one.chore.name == name)


class Some:
    """Chores on a database, with a clock of their own."""

    def __init__(self, store: Store, clock: Any, *chores: Chore) -> None:
        self.clock = clock
        self.metrics = Metrics()
        self.stopping = threading.Event()
        self.claims = Claims(store, clock)
        self.chores = Chores(chores, clock=clock, claims=self.claims, metrics=self.metrics, stopping=self.stopping)

    def close(self) -> None:
        self.stopping.set()
        self.chores.join()
        self.claims.close()


def test_one_that_raises_and_one_that_hangs_leave_the_others_running(sqlite_store: Store) -> None:
    """The others are done as ever; of the two it is told that, why and since when, in metrics too."""
    ran, hang = threading.Semaphore(0), threading.Event()

    def fail() -> None:
        raise Unavailable("The disk is full.")

    with closing(
        Some(
            sqlite_store,
            QuickClock(),
            chore("raises", fail),
            chore("hangs", hang.wait),
            chore("hangs for all", hang.wait, one_process=True),
            chore("works", ran.release),
            chore("works for all", ran.release, one_process=True),
        )
    ) as some:
        some.chores.start()
        for _ in range(5):
            assert ran.acquire(timeout=20)
        assert becomes(lambda: status(some.chores, "raises").failures > 1)
        assert becomes(lambda: status(some.chores, "hangs for all").running_since is not None)
        assert status(some.chores, "raises").state == "failing"
        some.clock.ahead = timedelta(hours=1)
        for name in ("hangs", "hangs for all"):
            late = status(some.chores, name)
            assert late.state == "late"
            assert late.trouble is not None
            assert "has not come back. Then it is undone." in late.trouble
        assert becomes(lambda: status(some.chores, "works").state == "ok"), "it is done in the new hour as well"
        said = some.metrics.text().decode()
        assert 'proctor_chore_runs_total{chore="raises",result="failed"}' in said
        [seconds] = [line for line in said.splitlines() if line.startswith('proctor_chore_late_seconds{chore="hangs"}')]
        assert 3500 < float(seconds.split()[1]) < 3700
        hang.set()
        assert becomes(lambda: status(some.chores, "hangs").state == "ok"), "what came back counts"


def test_what_cannot_be_told_ends_no_chore(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is not taken for a reason that nobody foresaw is told, and the chore is done again."""
    ran = threading.Semaphore(0)

    def break_down(*_: object) -> None:
        raise ZeroDivisionError

    with closing(Some(sqlite_store, QuickClock(), chore("told in vain", ran.release, one_process=True))) as some:
        monkeypatch.setattr(some.claims, "finish", break_down)
        some.chores.start()
        assert ran.acquire(timeout=20)
        assert becomes(lambda: "ZeroDivisionError" in (status(some.chores, "told in vain").reason or ""))
        monkeypatch.undo()
        some.clock.ahead = timedelta(minutes=20)
        assert ran.acquire(timeout=20)
        assert becomes(lambda: status(some.chores, "told in vain").state == "ok")


def test_what_failed_is_tried_again_and_recovers(sqlite_store: Store, clock: ManualClock) -> None:
    """Each failure is logged with its reason and what it means; the first success ends it, and is logged as well."""
    ends = iter([Unavailable("The disk is full."), Unavailable("The disk is full."), None, None])

    def run() -> None:
        if (error := next(ends)) is not None:
            raise error

    with closing(Some(sqlite_store, clock, chore("it", run))) as some, capture_logs() as logs:
        first, second = some.chores.do("it"), some.chores.do("it")
        clock.advance(300)
        third, fourth = some.chores.do("it"), some.chores.do("it")

    assert [one.failures for one in (first, second, third, fourth)] == [1, 2, 0, 0]
    assert second.trouble == "It failed 2 times in a row: The disk is full. Then it is undone."
    assert (third.state, third.trouble, third.last_success_at) == ("ok", None, clock.now())
    assert [one["event"] for one in logs] == ["chore_failed", "chore_failed", "chore_recovered"]
    told = {"chore": "it", "failures": 2, "reason": "The disk is full.", "otherwise": "Then it is undone."}
    assert told.items() <= logs[1].items()


def test_what_fails_while_the_process_stops_is_no_news(sqlite_store: Store, clock: ManualClock) -> None:
    """A chore that meets a store which is being closed says nothing."""

    def fail() -> None:
        some.stopping.set()
        raise Unavailable("Closed.")

    with closing(Some(sqlite_store, clock, chore("it", fail))) as some, capture_logs() as logs:
        assert some.chores.do("it").state == "waiting"
    assert logs == []


SEEN = {"due_at": START, "seen_at": START}


HUNG = (
    "Not done since this process started. It has been running since 2026-03-04 12:00 UTC and has not come back. "
    "It failed 7 times in a row: Full. So it is."
)


@pytest.mark.parametrize(
    ("every", "known", "state", "trouble"),
    [
        (30, {}, "waiting", None),
        (30, {"due_at": None, "seen_at": START + timedelta(days=9)}, "waiting", None),
        (30, {"last_success_at": START}, "ok", None),
        (30, {"last_success_at": START, "due_at": START - timedelta(seconds=30)}, "ok", None),
        (
            30,
            {"last_success_at": START, "due_at": START - timedelta(seconds=31)},
            "late",
            "Last done 2026-03-04 12:00 UTC. So it is.",
        ),
        (3600, {"last_success_at": START, "due_at": START - timedelta(hours=1)}, "ok", None),
        (30, {"due_at": START - timedelta(minutes=5)}, "late", "Not done since this process started. So it is."),
        (30, {"failures": 1, "reason": "Full."}, "failing", "It failed once: Full. So it is."),
        (
            5,
            {"failures": 7, "reason": "Full.", "due_at": START - timedelta(minutes=5), "running_since": START},
            "late",
            HUNG,
        ),
    ],
)
def test_how_it_stands(every: int, known: dict[str, Any], state: str, trouble: str | None) -> None:
    """Late is what is overdue by its period, and by half a minute; what is wrong is told with what that means."""
    one = Chore(name="it", every=timedelta(seconds=every), does="It does.", otherwise="So it is.", run=list)
    stands = ChoreStatus(chore=one, **SEEN | known)
    assert (stands.state, stands.trouble) == (state, trouble)


# ── Why it failed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def caught(run: Callable[[], object]) -> Exception:
    """Return what it raises."""
    try:
        run()
    except Exception as error:  # noqa: BLE001 whatever it is
        return error
    raise AssertionError("it raised nothing")


def test_a_reason_holds_nothing_of_anybodys(store: Store) -> None:
    """Of an error that a database words with values, and of one of ours, only the kind and the place are told."""

    def twice() -> None:
        for _ in range(2):
            builders.save(store, Tenant(id=SECRET, name=SECRET, created_at=START))

    def wrong() -> None:
        with store.snapshot() as connection:
            connection.exec_driver_sql(f"SELECT CAST('{SECRET}' AS integer) + nothing")

    def ours() -> None:
        builders.save(store, {}[SECRET])

    errors = [caught(run) for run in (twice, wrong, ours)]
    assert [SECRET in str(error) for error in errors] == [not store.is_sqlite, True, True], "else this proves nothing"
    for error in errors:
        assert SECRET not in reason(error)
        assert reason(error).endswith(".")


def test_a_reason_can_be_used(store: Store) -> None:
    """It says what the database said, or where Proctor itself went wrong."""
    with store.snapshot() as connection:
        missing = caught(lambda: connection.exec_driver_sql("SELECT * FROM nowhere"))
    expected = "no such table: nowhere" if store.is_sqlite else "undefined table (42P01)"
    assert reason(missing) == f"The database says: {expected}."
    locked = OperationalError("UPDATE …", {}, sqlite3.OperationalError("database is locked"))
    locked.orig.sqlite_errorcode = sqlite3.SQLITE_BUSY  # pyright: ignore[reportOptionalMemberAccess] as given
    assert reason(locked) == DatabaseFault.LOCKED.sentence
    assert reason(Unavailable("The disk is full.")) == "The disk is full."
    ours = reason(caught(lambda: store.insert(None)))  # pyright: ignore[reportArgumentType] it is wrong
    assert ours.startswith("Proctor failed with AttributeError in core/statements.py, line ")


# ── One process of all ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_one_process_did_the_others_know(store: Store, clock: ManualClock) -> None:
    """The second neither does it again nor fails again: it has the other's success, or its failures with the reason."""
    runs: list[str] = []
    fails = [True]

    def run() -> None:
        runs.append("run")
        if fails[0]:
            raise Unavailable("The disk is full.")

    shared = chore("it", run, one_process=True)
    with closing(Some(store, clock, shared)) as one, closing(Some(store, clock, shared)) as other:
        one.chores.do("it")
        seen = other.chores.do("it")
        assert (len(runs), seen.failures, seen.reason) == (1, 1, "The disk is full.")
        clock.advance(30)
        seen = other.chores.do("it")
        assert (len(runs), seen.failures) == (2, 2), "it is the other's turn to try, and it counts on"
        fails[0] = False
        clock.advance(60)
        other.chores.do("it")
        seen = one.chores.do("it")
        assert (len(runs), seen.failures, seen.last_success_at) == (3, 0, clock.now())
        assert seen.due_at == clock.now() + shared.every


def test_what_another_process_is_at_is_left_to_it(store: Store, clock: ManualClock) -> None:
    """While another does it nobody else does; who looks sees since when."""
    with (
        closing(Some(store, clock, chore("it", list, one_process=True))) as some,
        closing(Claims(store, clock)) as they,
    ):
        they.claim(CHORE, "it")
        seen = some.chores.do("it")
        assert (seen.last_success_at, seen.running_since) == (None, START)
        assert isinstance(they.look(CHORE, "it"), Held)


def test_a_trail_that_was_changed_is_told_until_it_is_mended(proctor: Runtime) -> None:
    """The chore fails with the number of the entry; which change it was stands in the log, as that names people."""
    proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    with proctor.store.transaction() as cursor:
        cursor.execute(proctor.store.prepare("UPDATE audit_entry SET actor = 'Mallory' WHERE seq = 1"), {})
    with capture_logs() as told:
        status = proctor.chores.do("audit trail")
    assert status.state == "failing"
    assert status.reason
    assert "from entry 1 on" in status.reason
    assert "Mallory" not in status.reason
    assert any(one["event"] == "audit_chain_broken" and "Mallory" in one["reason"] for one in told)


def test_the_first_after_a_restart_knows_what_was_done_before(store: Store, clock: ManualClock) -> None:
    """A restart is no reason to do it anew before its time."""
    runs: list[str] = []
    hourly = Chore(
        name="it",
        every=timedelta(hours=1),
        one_process=True,
        does="It works.",
        otherwise="It is undone.",
        run=lambda: runs.append("run"),
    )
    for _ in range(3):
        with closing(Some(store, clock, hourly)) as some:
            assert some.chores.do("it").last_success_at == START
        clock.advance(60)
    assert len(runs) == 1
    with closing(Claims(store, clock)) as claims:
        found = claims.look(CHORE, "it")
        assert isinstance(found, Done)
        assert found.until == START + timedelta(hours=1), "counted from its beginning"


def test_of_two_processes_one_does_it(database_url: str, tmp_path: Path) -> None:
    """It is done once in each period, whoever does it; when one is killed in the middle the other goes on."""
    path = tmp_path / "log"
    path.touch()
    processes = {}
    for _ in range(2):
        process = Forked("-m", "tests.chore_process", database_url, str(path))
        processes[str(process.pid)] = process

    def log() -> list[list[str]]:
        return [line.split() for line in path.read_text().splitlines()]

    try:
        assert becomes(lambda: len(log()) >= 16, 40)
        lines = log()
        assert [what for what, *_ in lines[:16]] == ["begin", "end"] * 8, "never two at once"
        begun = [float(at) for what, _, at in lines[:16] if what == "begin"]
        assert begun[-1] - begun[0] > 0.9 * EVERY_SECONDS * (len(begun) - 1), "never more than once in a period"

        assert becomes(lambda: log()[-1][0] == "begin")
        doomed = log()[-1][1]
        processes[doomed].kill()
        processes[doomed].wait()
        killed = len(log())
        assert becomes(lambda: len(log()) >= killed + 4, 40)
        rest = log()[killed:]
        assert doomed not in {who for _, who, _ in rest}
    finally:
        for process in processes.values():
            process.kill()
            process.close()

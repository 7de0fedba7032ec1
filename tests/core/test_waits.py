"""Nobody waits for ever for a database: what hangs is given up within seconds, and told as what it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest

from core.database_faults import DatabaseFault
from core.errors import Unavailable
from core.postgres import ANSWER_SECONDS, HOT, LOCK_SECONDS
from core.store import WAIT_SECONDS, Store
from tests import builders
from tests.conftest import START
from tests.corridor import OPENAI, Rig, rig
from tests.servers import frozen
from tests.wire.server import WireServer

SLACK = 30
"""So many seconds more a busy machine may take."""


def write(store: Store) -> None:
    """Write as an operator does."""
    builders.save(store, builders.tenant(f"Tenant {time.monotonic_ns()}", START))


def count(store: Store, *, pipelined: bool = False) -> None:
    """Write as the hot path does, or as a chore."""
    with store.transaction(pipelined=pipelined) as cursor:
        cursor.send("UPDATE revision SET count = count + 1 RETURNING count", {})()


def look(store: Store) -> None:
    """Read as the hot path does."""
    store.read_one("SELECT count FROM revision", {})


def read(store: Store) -> None:
    """Read as a page does."""
    with store.reading() as session:
        session.connection().exec_driver_sql("SELECT count FROM revision")


def told(act: Callable[[], object]) -> tuple[Unavailable, float]:
    """Return how *act* was refused, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        act()
    return refused.value, time.monotonic() - began


def all_told(*acts: Callable[[], object]) -> tuple[set[str], float]:
    """Return the reasons why none of *acts*, all begun at once, can be done, and the longest wait in seconds."""
    with ThreadPoolExecutor(len(acts)) as threads:
        found = list(threads.map(told, acts))
    for error, _ in found:
        assert error.message.startswith(DatabaseFault(error.facts["reason"]).sentence)
    return {error.facts["reason"] for error, _ in found}, max(seconds for _, seconds in found)


# ── A write of our own that does not end ──────────────────────────────────────────────────────────────────────────────


@contextmanager
def hanging(store: Store, begin: Callable[[Store], object]) -> Iterator[None]:
    """Let a chore hang in a transaction that writes."""
    begun, end = threading.Event(), threading.Event()

    def hang() -> None:
        with begin(store):  # pyright: ignore[reportGeneralTypeIssues] either kind of transaction
            begun.set()
            end.wait(60)

    thread = threading.Thread(target=hang, name="chore that hangs")
    thread.start()
    begun.wait(10)
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("begin", [Store.writing, Store.transaction], ids=["session", "driver"])
def test_a_chore_that_hangs_in_a_write_is_named(begin: Callable[[Store], object], sqlite_store: Store) -> None:
    """On SQLite all others are refused after five seconds, and told who keeps them; all is well once it ends."""
    write(sqlite_store)
    with hanging(sqlite_store, begin):
        reasons, seconds = all_told(lambda: count(sqlite_store), lambda: write(sqlite_store))
        assert reasons == {"held"}
        assert seconds < WAIT_SECONDS + SLACK
        assert sqlite_store.condition.fault is DatabaseFault.HELD, "so /ready and the log tell it"
        look(sqlite_store)
        error, _ = told(lambda: count(sqlite_store))
        assert "'chore that hangs' has not ended for" in error.message
    count(sqlite_store)
    assert sqlite_store.condition.fault is None


def stored(url: str) -> Store:
    """Return a store with a row in it that may be locked."""
    store = Store(url)
    with store.transaction() as cursor:
        cursor.execute("INSERT INTO revision (id, count) VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET count = 0")
    return store


# ── PostgreSQL: a lock, and a transaction that was left open ──────────────────────────────────────────────────────────


def test_nobody_waits_long_for_a_lock(pg_database_url: str) -> None:
    """A row that somebody else keeps locked is given up after five seconds, by whatever way; what reads goes on."""
    store = stored(pg_database_url)
    with closing(store), psycopg.connect(pg_database_url.replace("+psycopg", "")) as other:
        other.execute("UPDATE revision SET count = count")
        reasons, seconds = all_told(lambda: count(store), lambda: count(store, pipelined=True))
        assert "contended" in reasons
        assert reasons <= {"contended", "slow"}, "who queues behind another waiter waits for each, until it is slow"
        assert LOCK_SECONDS - 1 < seconds < 2 * LOCK_SECONDS + SLACK
        look(store)
        read(store)
        other.rollback()
        for pipelined in (True, False):
            count(store, pipelined=pipelined)
        assert store.condition.fault is None


def test_a_transaction_that_is_left_open_is_ended_by_the_server(pg_database_url: str) -> None:
    """What hangs between two statements loses its locks, and others go on; what DATABASE_URL says is what counts."""
    store = stored(f"{pg_database_url}&options=-c%20idle_in_transaction_session_timeout%3D500")

    def hang() -> None:
        with store.transaction() as cursor:
            for _ in range(2):
                cursor.execute("UPDATE revision SET count = count + 1")
                time.sleep(1.5)

    with closing(store), ThreadPoolExecutor(1) as thread:
        left_open = thread.submit(told, hang)
        time.sleep(0.2)
        count(store, pipelined=True)
        error, _ = left_open.result()
        assert error.message.endswith("Nothing was written.")
        count(store)
        assert store.read_one("SELECT count FROM revision", {}) == (2,)


def test_every_connection_has_its_limits(pg_database_url: str) -> None:
    """Whatever a connection is for, the server knows how long it may wait for locks, for a statement, and idle."""
    store = Store(pg_database_url)
    settings = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    asked = "SELECT " + ", ".join(f"current_setting('{name}')" for name in settings)
    with closing(store):
        with store.engine.connect() as connection:
            assert tuple(connection.exec_driver_sql(asked).one()) == ("5s", "1min", "1min")
        assert store.read_one(asked, {}) == ("5s", f"{HOT.statement_seconds}s", "1min")


# ── PostgreSQL: frozen ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def proctor(pg_database_url: str) -> Iterator[Rig]:
    """A Proctor on a PostgreSQL."""
    with WireServer() as wire, rig(wire, pg_database_url) as proctor:
        yield proctor


def test_a_frozen_server_is_given_up(pg_url: str, proctor: Rig) -> None:
    """Whoever asks a server that hangs, on a connection that was open before, is told in seconds; then all works."""
    store, tenant = proctor.runtime.store, proctor.tenant()
    acts = (
        lambda: count(store),
        lambda: count(store, pipelined=True),
        lambda: look(store),
        lambda: read(store),
        lambda: write(store),
        store.check,
    )
    with ThreadPoolExecutor(len(acts)) as threads:  # so that connections are there
        list(threads.map(lambda act: act(), acts))
    assert proctor.ask(tenant, model=OPENAI).error is None

    with frozen(pg_url):
        reasons, seconds = all_told(*acts, lambda: proctor.ask(tenant, model=OPENAI))

    assert reasons == {"slow"}
    assert seconds < HOT.statement_seconds + ANSWER_SECONDS + SLACK
    for act in acts:
        act()
    assert proctor.ask(tenant, model=OPENAI).error is None
    assert proctor.is_settled()

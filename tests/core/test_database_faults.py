"""What can be wrong with a database: real ones are put into every trouble, and each door tells which it is."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from core.cli import main
from core.database_faults import DatabaseFault, Disconnected, fault_of
from core.errors import Unavailable
from core.principals import LOCAL_OPERATOR
from core.settings import ROOT
from core.sqlite import WAIT_SECONDS, SqliteDriver
from core.store import NEWEST, Store
from tests import builders
from tests.conftest import START
from tests.core.api.conftest import House, api_settings, built
from tests.servers import free_port
from tests.wire.server import WireServer

Trouble = Callable[[Store, Path], None]


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake vendors."""
    with WireServer() as server:
        yield server


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    """The file of this test's own database."""
    return Path(shutil.copy(sqlite_template, tmp_path / "proctor.db"))


@pytest.fixture
def house(path: Path, wire: WireServer) -> Iterator[House]:
    """A Proctor on it."""
    wire.reset()
    with built(api_settings(f"sqlite:///{path}", wire), wire) as house:
        yield house


def writer_of(store: Store) -> Any:
    """Return the connection that writes on the hot path."""
    assert isinstance(store._driver, SqliteDriver)
    return store._driver.writer.driver_connection


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another program hold the write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def reason(act: Callable[[], object]) -> str:
    """Return the reason why *act* cannot be done now."""
    with pytest.raises(Unavailable) as refused:
        act()
    said = refused.value
    assert said.message.startswith(DatabaseFault(said.facts["reason"]).sentence)
    return said.facts["reason"]


def write(store: Store) -> None:
    """Write anything."""
    builders.save(store, builders.tenant(f"Tenant {time.monotonic_ns()}", START))


def write_quickly(store: Store) -> None:
    """Write as the hot path does."""
    with store.transaction() as cursor:
        cursor.execute("UPDATE revision SET count = count + 1")


# ── Each is told apart ────────────────────────────────────────────────────────────────────────────────────────────────


def forbid(store: Store, _path: Path) -> None:
    """Let nobody write: root, who runs tests, may write any file."""
    writer_of(store).execute("PRAGMA query_only=ON")


def delete(store: Store, path: Path) -> None:
    """Delete the file that is open."""
    path.unlink()
    store.condition.look()


def replace(store: Store, path: Path) -> None:
    """Put another database in the place of the one that is open."""
    shutil.copy(path, path.with_name("other.db"))
    path.with_name("other.db").rename(path)
    store.condition.look()


def spoil(store: Store, path: Path) -> None:
    """Put something else into the file before it is opened."""
    store.close()
    path.write_bytes(b"not a database" * 1000)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [(forbid, "read_only"), (delete, "gone"), (replace, "gone"), (spoil, "unreadable")],
)
def test_trouble_with_a_file(trouble: Trouble, expected: str, path: Path) -> None:
    """A file that may not be written, is gone, is another, or is no database: the write is refused, with the reason."""
    store = Store(f"sqlite:///{path}")
    write_quickly(store)
    trouble(store, path)

    assert reason(lambda: write_quickly(store)) == expected
    assert store.condition.fault == DatabaseFault(expected)
    store.close()


def test_a_full_disk(path: Path) -> None:
    """What finds no room is refused with the reason, and the next that finds some is all that it takes to be well."""
    store = Store(f"sqlite:///{path}")
    heard: list[DatabaseFault | None] = []
    store.condition.on_change = heard.append
    write_quickly(store)
    driver = writer_of(store)
    driver.execute("PRAGMA max_page_count=1")

    def grow() -> None:
        with store.transaction() as cursor:
            for number in range(50):
                made = {"kind": f"k{number}", "body": "x" * 4000}
                cursor.execute("CREATE TABLE IF NOT EXISTS room (kind TEXT, body TEXT)")
                cursor.execute("INSERT INTO room VALUES (:kind, :body)", made)

    assert reason(grow) == "full"
    driver.execute("PRAGMA max_page_count=1073741823")
    grow()
    assert store.condition.fault is None
    assert heard == [DatabaseFault.FULL, None]
    store.close()


def test_nobody_waits_long_for_another_program_s_lock(path: Path) -> None:
    """However many threads want to write, all are told within twice the time that one waits; then all can."""
    store = Store(f"sqlite:///{path}")
    write_quickly(store)
    with locked(path), ThreadPoolExecutor(12) as threads:
        began = time.monotonic()
        told = list(threads.map(lambda _: reason(lambda: write_quickly(store)), range(12)))
        seconds = time.monotonic() - began
    assert set(told) <= {"locked", "slow"}
    assert "locked" in told
    assert seconds < 4 * WAIT_SECONDS, "twice, and as much again for a busy machine"

    write_quickly(store)
    write(store)
    assert store.condition.fault is None
    store.close()


def test_a_broken_rule_is_no_fault(store: Store) -> None:
    """A name that is taken says nothing against the database."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme)
    with pytest.raises(IntegrityError):
        builders.save(store, builders.tenant("Acme", START))
    assert store.condition.fault is None


class TestPostgreSQL:
    """A server may say no in many ways."""

    @pytest.fixture
    def admin(self, pg_url: str) -> Iterator[psycopg.Connection]:
        """Whoever administers it."""
        with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as connection:
            yield connection

    def test_no_connections(self, pg_database_url: str, admin: psycopg.Connection) -> None:
        """All connections are taken by others."""
        admin.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
        try:
            store = Store(pg_database_url.replace("postgres@", "crowded@"))
            assert reason(store.check) == "no_connections"
            store.close()
        finally:
            admin.execute("DROP ROLE crowded")

    def test_not_let_in(self, pg_database_url: str) -> None:
        """The role is not known."""
        store = Store(pg_database_url.replace("postgres@", "nobody@"))
        assert reason(lambda: write_quickly(store)) == "denied"
        store.close()

    def test_nobody_listens(self, tmp_path: Path) -> None:
        """Nothing is there, by socket or by port."""
        for url in (f"@/x?host={tmp_path}", f"@127.0.0.1:{free_port()}/x"):
            store = Store(f"postgresql+psycopg://user:hunter2{url}")
            assert reason(store.check) == "refused"
            store.close()

    def test_it_takes_no_writes(self, pg_database_url: str) -> None:
        """The server is a copy that only reads."""
        store = Store(pg_database_url + "&options=-c%20default_transaction_read_only%3Don")
        store.check()
        assert reason(lambda: write_quickly(store)) == "read_only"
        store.close()

    def test_it_ends_a_connection(self, pg_database_url: str, admin: psycopg.Connection) -> None:
        """It restarts in the middle of a transaction; what was not kept is not, and the next one works."""
        store = Store(pg_database_url)
        name = pg_database_url.partition("?")[0].rpartition("/")[2]

        def restart() -> None:
            with store.transaction() as cursor:
                cursor.execute("UPDATE revision SET count = count + 1")
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                time.sleep(0.2)
                cursor.execute("UPDATE revision SET count = count + 1")

        assert reason(restart) == "restarting"
        write_quickly(store)
        assert store.condition.fault is None
        store.close()

    def test_it_ended_a_connection_that_was_kept(self, pg_database_url: str, admin: psycopg.Connection) -> None:
        """What nobody asked before whether it lives says why it does not, as any other trouble does."""
        store = Store(pg_database_url)
        name = pg_database_url.partition("?")[0].rpartition("/")[2]

        def write() -> None:
            with store.transaction(pipelined=True) as cursor:
                cursor.send("UPDATE revision SET count = count + 1 RETURNING count", {})()

        write()
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        with pytest.raises(Disconnected) as told:
            write()
        assert told.value.facts["reason"] == "restarting"
        assert told.value.message == f"{DatabaseFault.RESTARTING.sentence} Nothing was written."
        assert store.condition.fault is None, "one that lives is asked before anybody is told of trouble"
        write()
        store.close()

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("FATAL:  sorry, too many clients already", "no_connections"),
            ("FATAL:  remaining connection slots are reserved for roles with SUPERUSER", "no_connections"),
            ("FATAL:  the database system is starting up", "restarting"),
            ("FATAL:  password authentication failed for user", "denied"),
            ("failed to resolve host 'db': [Errno -2] Name or service not known", "refused"),
            ("connection timeout expired", "slow"),
            ("something quite new", "down"),
        ],
    )
    def test_what_a_failed_connection_says(self, said: str, expected: str) -> None:
        """A connection that fails has no code, only words."""
        assert fault_of(psycopg.OperationalError(f"connection failed: {said}")) == DatabaseFault(expected)


@pytest.mark.parametrize("fault", DatabaseFault)
def test_every_reason_says_what_to_do(fault: DatabaseFault) -> None:
    """Each has sentences of its own, for people; the value is for machines."""
    assert fault.sentence.endswith(".")
    assert len(fault.sentence) > 60 or fault is DatabaseFault.BEHIND
    assert len({one.sentence for one in DatabaseFault}) == len(DatabaseFault)


def test_the_documentation_has_every_reason() -> None:
    """What a reason means stands in docs/run.md, word for word."""
    told = (ROOT / "docs" / "run.md").read_text()
    assert all(f"| `{fault.value}` | {fault.sentence} |" in told for fault in DatabaseFault)


# ── Told by /ready, doctor and the command line ───────────────────────────────────────────────────────────────────────


def test_ready_knows_that_nothing_can_be_written(house: House, path: Path) -> None:
    """While calls are refused for the database's sake it is not ready and says why; once it writes again, it is."""
    with TestClient(house.app, headers=house.headers) as client:
        assert client.post("/v1/generate", json=house.ask()).status_code == 200
        assert client.get("/ready").json()["parts"]["store"] == {"status": "ok"}
        house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 10**9)
        with locked(path):
            refused = client.post("/v1/generate", json=house.ask())
            assert (refused.status_code, refused.json()["reason"]) == (503, "locked")
            told = client.get("/ready")
        assert told.status_code == 503
        assert told.json()["parts"]["store"]["reason"] in {"locked", "slow"}
        assert "End that program" in told.json()["parts"]["store"]["detail"]
        time.sleep(0.1)
        assert client.get("/ready").status_code == 200
        assert client.post("/v1/generate", json=house.ask()).status_code == 200


def test_ready_knows_that_the_file_is_gone(house: House, path: Path) -> None:
    """A database that is deleted under the server makes it not ready, and no call goes out to be forgotten."""
    with TestClient(house.app, headers=house.headers) as client:
        assert client.post("/v1/generate", json=house.ask()).status_code == 200
        called = len(house.wire.ledger.calls())
        kept = path.rename(path.with_name("kept.db"))
        told = client.get("/ready").json()["parts"]["store"]
        assert (told["status"], told["reason"]) == ("down", "gone")
        refused = client.post("/v1/generate", json=house.ask())
        assert (refused.status_code, refused.json()["reason"]) == (503, "gone")
        assert not path.exists(), "no empty database takes its place"
        kept.rename(path)
        assert client.get("/ready").status_code == 200
        assert client.post("/v1/generate", json=house.ask()).status_code == 200
        assert len(house.wire.ledger.calls()) == called + 1


def test_a_newer_database(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old code on a newer database says which is which, by every door, and changes nothing."""
    with TestClient(house.app) as client:
        client.get("/v1/openapi.json")  # answered once everything has started
        with house.runtime.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        told = client.get("/ready")
    assert (told.status_code, told.json()["parts"]["migrations"]["status"]) == (503, "newer")
    assert capsys.readouterr().err.count('"reason":"newer"') == 1, "the server's log has it too, once"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    for command in ("migrate", "tenant list"):
        assert main(command.split()) == 1
        said = capsys.readouterr().err
        assert said.startswith("The database is newer than this release.")
        assert len(said.splitlines()) == 1
    assert main(["doctor"]) == 1
    assert "newer than this release" in capsys.readouterr().out
    assert house.runtime.store.revision() == "9999"
    assert NEWEST < "9999"


@pytest.mark.parametrize("command", ["tenant list", "route list", "verify", "doctor", "breaker list"])
def test_who_only_reads_makes_no_database(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no database, there is none after a question either: the folder stays as it was."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none' / 'proctor.db'}")
    monkeypatch.setenv("LOCAL_MODEL", "off")
    assert main(command.split()) == 1
    told = capsys.readouterr()
    assert DatabaseFault.MISSING.sentence in told.out + told.err
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_tries_to_write(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that answers and takes no writes is not well."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("LOCAL_MODEL", "off")
    assert main(["doctor"]) == 0
    with locked(path):
        assert main(["doctor"]) == 1
    assert DatabaseFault.LOCKED.sentence in capsys.readouterr().out

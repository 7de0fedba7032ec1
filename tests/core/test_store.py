"""The store, on both databases: migrations, transactions, snapshots, prepared statements."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core.errors import Invalid, Unavailable
from core.journal import JournalWriter
from core.statements import Cursor
from core.store import AT_ONCE, MIGRATIONS, NEWEST, Store
from core.tables import METADATA, Budget, Payload, Revision, Tenant
from tests import builders, servers
from tests.conftest import START


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database without a single table."""
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path / 'new' / 'proctor.db'}")
        yield store
        store.close()
        return
    with servers.database(request.getfixturevalue("pg_url"), f"empty_{id(tmp_path)}") as url:
        store = Store(url)
        yield store
        store.close()


def tables(store: Store) -> set[str]:
    """Return the names of the tables there are."""
    with store.engine.connect() as connection:
        return set(sqlalchemy.inspect(connection).get_table_names())


def names(store: Store) -> list[str]:
    """Return the names of the tenants there are."""
    with store.reading() as session:
        return sorted(session.exec(select(Tenant.name)).all())


# ── Migrations ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore:.*expression-based index:UserWarning")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_up_down_and_up_again(empty: Store) -> None:
    """Migrations make exactly the tables that the code knows, take them away, and make them again."""
    for _ in range(2):
        assert not empty.is_migrated()
        empty.migrate()
        assert empty.is_migrated()
        with empty.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, METADATA) == []
        assert tables(empty) == {*METADATA.tables, "alembic_version"}
        empty.migrate("base")
        assert tables(empty) <= {"alembic_version"}


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_every_constraint_and_index_is_as_the_code_says(empty: Store) -> None:
    """Keys, unique constraints, foreign keys and indexes are there under their names, which later migrations use."""
    empty.migrate()
    inspector = sqlalchemy.inspect(empty.engine)
    for table in METADATA.sorted_tables:
        assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
        assert indexes(empty, table.name) == {index.name for index in table.indexes}
        unique = {one["name"] for one in inspector.get_unique_constraints(table.name)}
        assert unique == {one.name for one in table.constraints if isinstance(one, sqlalchemy.UniqueConstraint)}
        assert {one["name"] for one in inspector.get_foreign_keys(table.name)} == {
            one.name for one in table.foreign_key_constraints
        }


def indexes(store: Store, table: str) -> set[str | None]:
    """Return the names of the indexes of a table; of an SQLite those over expressions too, which no inspector tells."""
    if store.engine.dialect.name == "sqlite":
        asked = sqlalchemy.text("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = :t AND sql > ''")
        with store.engine.connect() as connection:
            return set(connection.scalars(asked, {"t": table}))
    told = sqlalchemy.inspect(store.engine).get_indexes(table)
    return {one["name"] for one in told if not one.get("duplicates_constraint")}


def test_the_newest_revision_is_the_folder_s() -> None:
    """What a start takes for the newest is the one head of the folder."""
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [NEWEST]


def test_many_processes_migrate_at_once(empty: Store) -> None:
    """Of several that start together one migrates and the others find it done."""
    stores = [Store(empty.url.render_as_string(hide_password=False)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store.migrate(), stores))

    assert all(store.is_migrated() for store in stores)
    for store in stores:
        store.close()


def test_migrating_what_is_migrated_changes_nothing(store: Store) -> None:
    """A second start writes nothing."""
    builders.save(store, builders.tenant("Acme", START))
    store.migrate()

    assert names(store) == ["Acme"]


# ── Transactions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_writing_session_keeps_all_or_nothing(store: Store) -> None:
    """What was written before an error is gone with it."""
    with store.writing() as session:
        session.add(builders.tenant("Kept", START))

    def lose() -> None:
        with store.writing() as session:
            session.add(builders.tenant("Lost", START))
            session.flush()
            raise RuntimeError

    def break_a_rule() -> None:
        with store.writing() as session:
            session.add(builders.tenant("Also lost", START))
            session.add(builders.budget(builders.tenant("Nobody", START), 1, 1, START)[0])

    with pytest.raises(RuntimeError):
        lose()
    with pytest.raises(IntegrityError):
        break_a_rule()

    assert names(store) == ["Kept"]


def test_a_driver_transaction_keeps_all_or_nothing(store: Store) -> None:
    """The hot path's transaction commits at its end and is undone by any error, after which the next works."""
    insert = store.insert(Revision)
    with store.transaction() as cursor:
        insert(cursor, [{"id": 7, "count": 1}])

    def fail(error: type[BaseException]) -> None:
        with store.transaction() as cursor:
            insert(cursor, [{"id": 8, "count": 1}])
            raise error

    for error in (RuntimeError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error):
            fail(error)

    with store.transaction() as cursor:
        cursor.execute("SELECT id, count FROM revision ORDER BY id")
        assert (tuple(cursor.fetchone()), cursor.fetchone()) == ((7, 1), None)


@pytest.mark.parametrize("pipelined", [False, True])
def test_rows_come_one_after_the_other(store: Store, *, pipelined: bool) -> None:
    """Each row of a statement is told once, then none, in a pipeline too, and those of the next anew."""
    insert = store.insert(Revision)
    with store.transaction(pipelined=pipelined) as cursor:
        insert(cursor, [{"id": number, "count": number} for number in (7, 8, 9)])
        cursor.execute("SELECT id FROM revision ORDER BY id")
        assert [next(iter(cursor.fetchone())) for _ in range(3)] == [7, 8, 9]
        assert (cursor.fetchone(), cursor.fetchone()) == (None, None)
        cursor.execute("SELECT id FROM revision ORDER BY id")
        assert next(iter(cursor.fetchone())) == 7
    rows = store.read_all("SELECT id FROM revision ORDER BY id LIMIT 9", {})
    assert [tuple(row) for row in rows] == [(7,), (8,), (9,)]


def test_a_reading_session_keeps_nothing(store: Store) -> None:
    """Whoever only reads cannot change anything by mistake."""
    with store.reading() as session:
        session.add(builders.tenant("Ghost", START))
        session.flush()

    assert names(store) == []


def test_a_snapshot_does_not_see_what_is_written_meanwhile(store: Store) -> None:
    """A report reads one state of the world, however long it takes."""
    with store.reading() as session:
        assert session.exec(select(Tenant)).all() == []
        builders.save(store, builders.tenant("Later", START))
        assert session.exec(select(Tenant)).all() == []
    assert names(store) == ["Later"]


def test_many_writers_lose_nothing(store: Store) -> None:
    """Threads that write at once, by either door, wait for one another; every change is kept."""
    builders.save(store, Revision(id=1, count=0))
    bump = store.prepare("UPDATE revision SET count = count + :by WHERE id = 1")

    def write(number: int) -> None:
        if number % 2:
            with store.transaction() as cursor:
                cursor.execute(bump, {"by": 1})
        else:
            with store.writing() as session:
                row = session.get_one(Revision, 1, with_for_update=True)
                row.count += 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(120)))

    assert store.read_one("SELECT count FROM revision", {})[0] == 120


def test_two_processes_write_one_sqlite(sqlite_url: str) -> None:
    """Stores that do not share our lock wait for each other at SQLite's."""
    stores = [Store(sqlite_url) for _ in range(3)]
    builders.save(stores[0], Revision(id=1, count=0))

    def write(number: int) -> None:
        with stores[number % 3].transaction() as cursor:
            cursor.execute("UPDATE revision SET count = count + 1")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(60)))

    assert stores[0].read_one("SELECT count FROM revision", {})[0] == 60
    for store in stores:
        store.close()


def test_readers_do_not_wait_for_writers(store: Store) -> None:
    """While a transaction is open for long, everyone else still reads."""
    begun, done = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction() as cursor:
            store.insert(Revision)(cursor, [{"id": 1, "count": 1}])
            begun.set()
            done.wait(10)

    writing = threading.Thread(target=write)
    writing.start()
    begun.wait(10)
    try:
        assert store.read_one("SELECT count FROM revision", {}) is None
        assert names(store) == []
    finally:
        done.set()
        writing.join()
    assert store.read_one("SELECT count FROM revision", {})[0] == 1


def test_long_readings_take_turns(store: Store) -> None:
    """However many read much at once, one of a process does so at a time, and everybody else still reads."""
    begun = threading.Event()

    def scan() -> None:
        with store.scanning() as session:
            begun.set()
            assert session.exec(select(Tenant)).all() == []

    with store.scanning() as session:
        assert session.exec(select(Tenant)).all() == []
        other = threading.Thread(target=scan)
        other.start()
        assert not begun.wait(0.1)
        assert names(store) == []
    other.join(10)
    assert begun.is_set()


def test_a_checkpoint_lets_a_long_journal_begin_anew(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where long readings follow each other without a gap, so that some transaction always reads from it."""
    monkeypatch.setattr("core.sqlite._JOURNAL_PAGES", 1)
    journal, stopping = Path(f"{sqlite_store.url.database}-wal"), threading.Event()

    def scan() -> None:
        while not stopping.is_set():
            with sqlite_store.scanning() as session:
                session.exec(select(Tenant)).all()
                stopping.wait(0.02)

    scanning = [threading.Thread(target=scan) for _ in range(3)]
    for one in scanning:
        one.start()
    builders.save(sqlite_store, builders.tenant("First", START))
    sqlite_store.checkpoint()
    size = journal.stat().st_size
    for number in range(20):
        builders.save(sqlite_store, builders.tenant(f"Tenant {number}", START))
        sqlite_store.checkpoint()
    stopping.set()
    for one in scanning:
        one.join(10)
    assert journal.stat().st_size == size
    assert len(names(sqlite_store)) == 21


def test_a_journal_that_was_long_is_shortened_by_parts(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a large write left is cut off by checkpoints, some of it each time, and never in a commit of somebody's."""
    monkeypatch.setattr("core.sqlite._JOURNAL_PAGES", 1)
    monkeypatch.setattr("core.sqlite._KEPT_JOURNAL_BYTES", 400_000)
    monkeypatch.setattr("core.sqlite._CUT_JOURNAL_BYTES", 300_000)
    journal, sizes = Path(f"{sqlite_store.url.database}-wal"), list[int]()
    with sqlite_store.transaction() as cursor:
        cursor.execute("CREATE TABLE large (text TEXT)")
        cursor.execute("INSERT INTO large VALUES (:text)", {"text": "x" * 1_000_000})
    for number in range(4):
        before = journal.stat().st_size
        sqlite_store.checkpoint()
        sizes.append(before - journal.stat().st_size)
        with sqlite_store.transaction() as cursor:
            cursor.execute("INSERT INTO large VALUES (:text)", {"text": str(number)})
        assert journal.stat().st_size == before - sizes[-1], "who writes does not cut it"
    assert all(0 <= cut <= 300_000 for cut in sizes)
    assert journal.stat().st_size <= 400_000 + 4_200
    assert sqlite_store.is_migrated()


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_prepared_inserts_write_what_a_session_reads(store: Store) -> None:
    """Times, JSON, money and missing values cross the driver as the columns' types mean them; a NUL as it can."""
    values = {
        "generation_id": "g",
        "n": 1,
        "asked": [{"role": "user", "content": 'Zoë said "hi" \x00 😀'}],
        "answered": None,
        "expires_at": START,
        "key_id": None,
    }
    insert = store.insert(Payload)
    with store.transaction() as cursor:
        insert(cursor, [])
        insert(cursor, [values])
        insert(cursor, [values | {"n": n, "asked": None, "answered": "a\0"} for n in (2, 3)])

    with store.reading() as session:
        first, second, _ = session.exec(select(Payload).order_by(Payload.n)).all()
    assert first.model_dump() == values
    assert (second.asked, second.answered, second.expires_at) == (None, "a\N{REPLACEMENT CHARACTER}", START)
    assert second.expires_at.utcoffset() == timedelta(0)


def test_money_is_kept_to_the_nano_dollar(store: Store) -> None:
    """A budget of a billion dollars fits, on either database, without losing a nano-dollar."""
    acme = builders.tenant("Acme", START)
    builders.save(store, acme, *builders.budget(acme, 10**18 - 1, 10**18 - 2, START))

    with store.reading() as session:
        assert session.exec(select(Budget.limit_nano_usd)).one() == 10**18 - 1


def test_payloads_are_forgotten_in_their_time(store: Store) -> None:
    """What is past its time is deleted, and only that."""
    generation = builders.generation(START)
    for n in range(4):
        builders.save(store, builders.payload(generation, n, None, "a", START + timedelta(days=n)))

    assert JournalWriter(store).forget_payloads(START + timedelta(days=2)) == 2
    assert JournalWriter(store).forget_payloads(START + timedelta(days=2)) == 0
    with store.reading() as session:
        assert sorted(session.exec(select(Payload.n)).all()) == [2, 3]


def test_many_payloads_are_forgotten_some_hundred_at_a_time(store: Store) -> None:
    """No transaction deletes more than some hundred, and others have their turn after each."""
    generation = builders.generation(START)
    builders.save(store, [builders.payload(generation, n, None, "a", START) for n in range(2 * AT_ONCE + 1)])
    left = list[int]()

    def rest() -> None:
        with store.reading() as session:
            left.append(len(session.exec(select(Payload.n)).all()))

    store.rest = rest
    assert JournalWriter(store).forget_payloads(START + timedelta(days=1)) == 2 * AT_ONCE + 1
    assert left == [AT_ONCE + 1, 1]


# ── Trouble ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    """An unreachable PostgreSQL is one sentence without its URL, by whichever door."""
    store = Store(f"postgresql+psycopg://user:hunter2@/nobody?host={tmp_path}")
    doors = (store.check, lambda: store.read_one("SELECT 1", {}), lambda: store.transaction().__enter__())
    for door in doors:
        with pytest.raises(Unavailable, match=r"^The database does not answer: nobody listens") as stopped:
            door()
        assert "hunter2" not in str(stopped.value)
    store.close()


def test_a_database_that_answers_is_fine(store: Store) -> None:
    """Asking anything is enough."""
    store.check()


def test_a_locked_database_is_told_as_such(sqlite_template: Path, tmp_path: Path) -> None:
    """A write that cannot get its turn keeps nothing, and the next one works."""
    path = shutil.copy(sqlite_template, tmp_path / "locked.db")
    store = Store(f"sqlite:///{path}")
    with store.transaction() as cursor:
        cursor.execute("PRAGMA busy_timeout=50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"is locked: .* Nothing was written\."), store.transaction() as cursor:
        cursor.execute("INSERT INTO revision (id, count) VALUES (1, 1)")
    other.execute("ROLLBACK")
    other.close()

    with store.transaction() as cursor:
        cursor.execute("INSERT INTO revision (id, count) VALUES (1, 2)")
    assert store.read_one("SELECT count FROM revision", {})[0] == 2
    store.close()


def test_sqlite_is_opened_as_it_should_be(sqlite_store: Store) -> None:
    """Write-ahead log, foreign keys and patience hold on every connection."""
    for connection in [sqlite_store.engine.connect() for _ in range(3)]:
        with connection:
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")]
            assert found == ["wal", 1]


def test_statements_are_prepared_in_the_driver_s_words(store: Store) -> None:
    """Named parameters are written as each driver takes them."""
    prepared = store.prepare("SELECT :one AS a, :two AS b")

    assert re.search(r":one" if store.is_sqlite else r"%\(one\)s", prepared)
    assert tuple(store.read_one(prepared, {"one": "x", "two": "y"})) == ("x", "y")


def test_a_text_that_no_database_keeps_is_whoever_asks_with_it(store: Store) -> None:
    """PostgreSQL takes no NUL: that is said as of any other word that cannot be used, and nothing is wrong with it."""
    refused = pytest.raises(Invalid, match="NUL") if store.engine.dialect.name == "postgresql" else nullcontext()
    with refused, store.reading() as session:
        assert session.exec(select(Tenant).where(Tenant.name == "a\0b")).first() is None
    assert store.condition.fault is None


def test_what_breaks_off_beside_the_writers_leaves_a_connection_as_it_was(sqlite_store: Store) -> None:
    """Whether while a transaction is prepared or in it: the fault is told, nothing is kept, and the next one goes."""

    def cached(cursor: Cursor) -> None:
        cursor.execute("PRAGMA cache_size")
        sizes.append(cursor.fetchone()[0])

    def breaks(cursor: Cursor) -> None:
        cached(cursor)
        cursor.execute("ROLLBACK")  # as a full disk does by itself
        raise LookupError

    def written(prepare: Callable[[Cursor], None]) -> None:
        with sqlite_store.transaction(prepare=prepare) as inside:
            inside.execute("INSERT INTO revision (id, count) VALUES (7, 7)")
            raise LookupError

    sizes: list[int] = []
    for prepare in (breaks, cached):
        with pytest.raises(LookupError):
            written(prepare)
    with sqlite_store.engine.connect() as connection:
        usual = connection.exec_driver_sql("PRAGMA cache_size").scalar()
    assert sizes == [sizes[0], sizes[0]]
    assert usual != sizes[0]
    assert sqlite_store.read_one("SELECT COUNT(*) FROM revision WHERE id = 7", {})[0] == 0

"""The database: connections, transactions, prepared statements, migrations.

One writer at a time is SQLite's law; threads of this process queue for it at a lock of ours, in order, instead of
sleeping in SQLite's busy loop. Writes begin IMMEDIATE, so that a transaction never fails half way for want of the lock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from core.clock import SystemClock
from core.errors import Unavailable
from core.tables import Row

MIGRATIONS = Path(__file__).with_name("migrations")
NEWEST = "0005"
"""The newest revision in ``migrations/versions``; a test holds it to the folder."""
AT_ONCE = 500
"""How many rows a long work writes in one transaction."""
REST_SECONDS = 0.005
"""For so long it lets others have their turn after each."""


Sent = Callable[[], Any]
"""Returns the first row of a statement that was sent, as a tuple, or ``None``."""


class Duplicate(Exception):
    """A row is there already, or another constraint was broken; nothing was kept."""


class Cursor(Protocol):
    """What sqlite3 and psycopg have in common, and :meth:`send`."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, Any] = ..., /) -> Any:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Sequence[Mapping[str, Any]], /) -> Any:
        """Run one statement once per row."""
        ...

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or ``None``."""
        ...

    def send(self, sql: str, parameters: Mapping[str, Any], /) -> Sent:
        """Run one statement that returns rows, and return what tells the first of them, which may be asked later."""
        ...


class Store:
    """One database."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = sqlalchemy.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 12, "pool_timeout": 30}
        options["hide_parameters"] = True  # an error's text ends in logs, and its values may be anybody's
        if self.is_sqlite:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            options |= {"paramstyle": "named", "connect_args": {"timeout": 30, "check_same_thread": False}}
        else:
            options |= {"pool_pre_ping": True}
        self.engine: Engine = sqlalchemy.create_engine(url, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _open_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(writing=True)
        # SQLite's read transactions are snapshots already; PostgreSQL's only if they ask to be.
        self._reader = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def reading(self) -> Generator[Session]:
        """Open a session on one snapshot; nothing that it changes is kept."""
        with self._reader.connect() as connection, Session(connection, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Generator[Session]:
        """Open a session on one transaction: all of it is kept, or nothing."""
        with (
            self._turn,
            self._writer.begin() as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            yield session
            session.flush()

    @contextmanager
    def transaction(self) -> Generator[Cursor]:
        """Open one write transaction on the driver itself: the hot path's door, four times as cheap as a session.

        Raises:
            Unavailable: the database does not answer; nothing was kept.
            Duplicate: a row was there already; nothing was kept.

        """
        try:
            with self._sqlite_transaction() if self.is_sqlite else self._pooled_transaction() as cursor:
                yield cursor
        except (self._dbapi.OperationalError, self._dbapi.InterfaceError, SQLAlchemyError) as error:
            raise Unavailable(f"The database does not answer ({type(error).__name__}); nothing was written.") from error
        except self._dbapi.IntegrityError as error:
            raise Duplicate("A row is there already, or a constraint was broken; nothing was written.") from error

    @contextmanager
    def _sqlite_transaction(self) -> Generator[Cursor]:
        with self._turn:
            cursor: Any = self._cursor_on(self._own.driver_connection)
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if cursor.connection.in_transaction:  # a full disk may have ended it; a failed COMMIT need not
                    cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def _pooled_transaction(self) -> Generator[Cursor]:
        connection = self.engine.raw_connection()
        try:
            yield self._cursor_on(connection.driver_connection)
            connection.commit()
        finally:
            connection.close()  # back to the pool, which rolls back what was not committed

    def read_one(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        """Return the first row of a prepared SELECT as a tuple, or ``None``: the hot path's look.

        Raises:
            Unavailable: the database does not answer.

        """
        try:
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(sql, parameters)
                return cursor.fetchone()
            finally:
                connection.close()
        except (self._dbapi.OperationalError, self._dbapi.InterfaceError, SQLAlchemyError) as error:
            raise Unavailable(f"The database does not answer ({type(error).__name__}).") from error

    @property
    def _dbapi(self) -> Any:
        """The driver's module, for its exceptions."""
        return self.engine.dialect.loaded_dbapi

    @cached_property
    def _own(self) -> Any:
        """The SQLite connection that every transaction of the hot path uses, one at a time."""
        return self.engine.raw_connection()

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """Open one read transaction for prepared statements with named columns."""
        with self.engine.connect() as connection:
            yield connection

    def cursor(self, session: Session) -> Cursor:
        """Return a cursor in the transaction of *session*, for prepared statements."""
        return self._cursor_on(session.connection().connection.driver_connection)

    def _cursor_on(self, driver_connection: Any) -> Cursor:
        if self.is_sqlite:
            return driver_connection.cursor(_SqliteCursor)
        from core import postgres  # noqa: PLC0415 an SQLite needs no psycopg

        return cast("Cursor", postgres.Cursor(driver_connection))

    def prepare(self, sql: str) -> str:
        """Return *sql*, written with ``:name`` parameters, in the words of this database's driver."""
        return str(sqlalchemy.text(sql).compile(dialect=self.engine.dialect))

    def insert(self, table: type[Row]) -> Insert:
        """Return a prepared INSERT of whole rows into *table*."""
        return Insert(self, table)

    def is_migrated(self) -> bool:
        """Whether the tables are at the newest revision."""
        with self.engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("alembic_version"):
                return False
            return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == NEWEST

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to *revision*, in one transaction. Several processes may try at once; one does it."""
        if revision == "head" and self.is_migrated():
            return  # without importing Alembic, which takes longer than the rest of a start
        from alembic import command, config  # noqa: PLC0415 as said

        settings = config.Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        with self._turn, self._rebuilding() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7264001)")
            settings.attributes["connection"] = connection
            if revision == "base" or revision.startswith("-"):
                command.downgrade(settings, revision)
            else:
                command.upgrade(settings, revision)

    @contextmanager
    def _rebuilding(self) -> Generator[Connection]:
        """Open one transaction for migrations.

        SQLite alters a table by copying and dropping it; what refers to it must not be checked meanwhile, and is at
        the end.
        """
        with self._writer.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if self.is_sqlite:
                driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    yield connection
                    if self.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                        raise Unavailable("The migration would leave rows that refer to nothing; nothing was changed.")
            finally:
                if self.is_sqlite:
                    driver.execute("PRAGMA foreign_keys=ON")

    @staticmethod
    def rest() -> None:
        """Let others write between two pieces of a long work: a lock that is taken again at once is never free."""
        SystemClock().wait(threading.Event(), REST_SECONDS)  # other threads are real, whatever the time is said to be

    def check(self) -> None:
        """Ask the database anything.

        Raises:
            Unavailable: it does not answer.

        """
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError as error:
            raise Unavailable(f"The database does not answer ({type(error).__name__}).") from None

    def close(self) -> None:
        """Close every connection."""
        if "_own" in self.__dict__:
            self._own.close()
        self.engine.dispose()


class _SqliteCursor(sqlite3.Cursor):
    def send(self, sql: str, parameters: Mapping[str, Any], /) -> Sent:
        row = self.execute(sql, parameters).fetchone()
        return lambda: row


class Insert:
    """An INSERT whose text is made once; values cross as the columns' types store them."""

    def __init__(self, store: Store, table: type[Row]) -> None:
        dialect = store.engine.dialect
        columns = cast("Any", table).__table__.columns
        self._text = str(sqlalchemy.insert(columns[0].table).compile(dialect=dialect))
        self._convert: list[tuple[str, Callable[[Any], Any]]] = [
            (column.name, convert)
            for column in columns
            if (convert := column.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        ]

    def __call__(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, each with a value for every column."""
        if not rows:
            return
        stored = [self.stored(row) for row in rows]
        if len(stored) == 1:
            cursor.execute(self._text, stored[0])
        else:
            cursor.executemany(self._text, stored)

    def stored(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return those values that *row* has, as the columns store them."""
        stored = dict(row)
        for name, convert in self._convert:
            if name in stored:
                stored[name] = convert(stored[name])
        return stored


def _open_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # we begin transactions ourselves
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "wal_autocheckpoint=4000",  # 16 MB between two checkpoints, which are what waits for the disk
        "cache_size=-4000",
        "temp_store=MEMORY",
    ):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

"""The database: connections, transactions, prepared statements, migrations.

What only one of the two databases needs stands in ``sqlite.py`` and ``postgres.py``, the hot path's driver of each too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Engine, ExceptionContext, NullPool, event
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from core import sqlite
from core.clock import SystemClock
from core.database_faults import Condition, DatabaseFault, DatabaseFile
from core.errors import Unavailable
from core.own_keys import OwnKeys
from core.sqlite import WAIT_SECONDS, SqliteDriver
from core.statements import Cursor, Insert, prepared
from core.tables import Row

if TYPE_CHECKING:
    from core.partitions import Partitions
    from core.postgres_driver import PostgresDriver

MIGRATIONS = Path(__file__).with_name("migrations")
NEWEST = "0042"
"""The newest revision in ``migrations/versions``; a test holds it to the folder."""
AT_ONCE = 200
"""How many rows a long work writes in one transaction."""
REST_SECONDS = 0.02
"""For so long it lets others have their turn after each."""
_MIGRATION_WAIT_SECONDS = 60
"""How long one waits for another process that migrates."""

FOR_CHANGE: dict[str, Any] = {"key_share": True}
"""How a row is locked that is to be changed: others may still write rows that refer to it, which is all that its key is
for. PostgreSQL's stronger lock keeps them from it, so that a decision and a charge wait for each other for ever."""
_SCANS = "SELECT set_config('max_parallel_workers_per_gather', '0', true), set_config('random_page_cost', '1.1', true)"


class Duplicate(Exception):
    """A row is there already, or another constraint was broken; nothing was kept."""


class Store:
    """One database."""

    def __init__(self, url: str, *, own_keys: OwnKeys | None = None, pool_size: int = 8, creates: bool = True) -> None:
        """Name the database; it is opened by the first use. Without *creates* no file is made where there is none."""
        self.url, self.creates = sqlalchemy.make_url(url), creates
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"hide_parameters": True}  # an error's text ends in logs, its values may be anybody's
        if self.is_sqlite:
            options |= {"paramstyle": "named", "connect_args": {"timeout": WAIT_SECONDS, "check_same_thread": False}}
            ours: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 12, "pool_timeout": WAIT_SECONDS}
            hot: dict[str, Any] = {"poolclass": NullPool}  # a few are kept: see SqliteDriver
        else:
            # At most 20 in all. The hot path's are kept, in autocommit, and not asked before a use whether they live.
            ours = {"pool_size": pool_size // 2, "max_overflow": 4, "pool_timeout": WAIT_SECONDS, "pool_pre_ping": True}
            hot = {"pool_size": pool_size + 4, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
            hot |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
            ours["connect_args"] = self._postgres.LONG.arguments(self.url.query)
            hot["connect_args"] = self._postgres.HOT.arguments(self.url.query)
        self.engine: Engine = sqlalchemy.create_engine(url, **options, **ours)
        self._hot: Engine = sqlalchemy.create_engine(url, **options, **hot)
        place = self.url.database or ""
        is_file = self.is_sqlite and place and not place.startswith("file:")
        self.own_keys = own_keys or OwnKeys()
        self.condition = Condition(DatabaseFile(Path(place)) if is_file else None)
        """What is wrong, as far as is known."""
        event.listen(self.engine, "handle_error", self._tell_error)
        if self.is_sqlite:
            for engine in (self.engine, self._hot):
                event.listen(engine, "do_connect", lambda *_: self.condition.find_file(makes_folder=self.creates))
                event.listen(engine, "connect", self._open_sqlite)
            event.listen(self.engine, "begin", sqlite.begin)
        else:
            event.listen(self.engine, "do_connect", self._postgres.LONG.connect)
            event.listen(self.engine, "checkout", self._postgres.LONG.out)
            event.listen(self.engine, "checkin", self._postgres.LONG.back)
            event.listen(self._hot, "do_connect", self._postgres.HOT.connect)
        self._writer = self.engine.execution_options(writing=True)
        # SQLite's read transactions are snapshots already; PostgreSQL's only if they ask to be.
        self._reader = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self.turns = sqlite.WriterTurns(self.condition) if self.is_sqlite else None
        """Who may write, on SQLite."""
        self._scan = threading.Lock()
        self._driver: SqliteDriver | PostgresDriver = (
            sqlite.SqliteDriver(self.engine, self._hot, self.turns)
            if self.turns
            else _postgres_driver(self.engine, self._hot)
        )

    @contextmanager
    def reading(self) -> Generator[Session]:
        """Open a session on one snapshot; nothing that it changes is kept."""
        with self._reader.connect() as connection, Session(connection, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def scanning(self) -> Generator[Session]:
        """Open a session like :meth:`reading` for what reads so much that it may take seconds.

        Those of a process take turns, and each takes one core of the database: who generates has the others. It is told
        that a row costs about the same wherever it lies, else it would rather read the calls of all than a tenant's.
        """
        with self._scan, self.reading() as session:
            if not self.is_sqlite:
                session.connection().exec_driver_sql(_SCANS)
            yield session

    @contextmanager
    def writing(self) -> Generator[Session]:
        """Open a session on one transaction: all of it is kept, or nothing."""
        with (
            self._in_turn() as turn,
            self._writer.begin() as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            if turn is not None:
                turn.begin()
            yield session
            session.flush()
            for finish in session.info.pop("last", ()):
                finish(session)
        self._kept()

    @contextmanager
    def transaction(
        self, *, pipelined: bool = False, single: bool = False, prepare: Callable[[Cursor], object] | None = None
    ) -> Generator[Cursor]:
        """Open one write transaction on the driver itself: the hot path's door, four times as cheap as a session.

        In a *pipelined* one nothing waits for the database but who asks for a result, which is to be done by
        :meth:`Cursor.send`; and nobody has asked before whether the connection still lives. It is for blocks that can
        be run again. A *single* one is one statement: see :meth:`write_one`. *prepare* reads before it, and fills
        temporary tables of its connection: on SQLite nobody who writes waits for that.

        Raises:
            Unavailable: the database does not answer; nothing was kept, unless it was a single statement.
            Disconnected: the same, for want of a living connection; pipelined and single ones alone.
            Unpartitioned: the same, for want of a partition, which is there now.
            Duplicate: a row was there already; nothing was kept.

        """
        try:
            with self._driver.transaction(pipelined=pipelined, single=single, prepare=prepare) as cursor:
                yield cursor
        except self._dbapi.IntegrityError as error:
            raise self._not_kept(error) from error
        except (self._dbapi.Error, SQLAlchemyError) as error:
            if (unavailable := self._unavailable(error, "" if single else "Nothing was written.")) is None:
                raise
            raise unavailable from error
        self._kept()

    def write_one(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """Run one prepared statement that is a transaction of its own, in one round trip; return how many rows it met.

        Raises:
            Unavailable: the database does not answer; the statement may have been kept.
            Disconnected: a kept connection broke. Unlike a transaction's, the statement may have been kept.
            Duplicate: a constraint was broken; nothing was kept.

        """
        with self.transaction(single=True) as cursor:
            cursor.execute(sql, parameters)
            return cursor.rowcount

    def read_one(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        """Return the first row of a prepared SELECT as a tuple, or ``None``: the hot path's look, one round trip.

        Raises:
            Unavailable: the database does not answer.

        """
        return self._read(sql, parameters, lambda found: found.fetchone())

    def read_all(self, sql: str, parameters: Mapping[str, Any]) -> list[Any]:
        """Return all rows of a prepared SELECT that has a limit, as :meth:`read_one` the first."""
        return self._read(sql, parameters, lambda found: found.fetchall())

    def _read(self, sql: str, parameters: Mapping[str, Any], of: Callable[[Any], Any]) -> Any:
        try:
            return self._driver.read(sql, parameters, of)
        except (self._dbapi.Error, SQLAlchemyError) as error:
            if (unavailable := self._unavailable(error)) is None:
                raise
            raise unavailable from error

    @property
    def _dbapi(self) -> Any:
        """The driver's module, for its exceptions."""
        return self.engine.dialect.loaded_dbapi

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """Open one read transaction for prepared statements with named columns."""
        with self.engine.connect() as connection:
            yield connection

    def cursor(self, session: Session) -> Cursor:
        """Return a cursor in the transaction of *session*, for prepared statements."""
        return self._driver.cursor(session.connection().connection.driver_connection)

    @cached_property
    def partitions(self) -> Partitions:
        """The partitions of a PostgreSQL's tables of calls; an SQLite has none."""
        from core.partitions import Partitions  # noqa: PLC0415 as below

        return Partitions(self.engine)

    @cached_property
    def _postgres(self) -> Any:
        from core import postgres  # noqa: PLC0415 an SQLite needs no psycopg

        return postgres

    def prepare(self, sql: str) -> str:
        """Return *sql*, written with ``:name`` parameters, in the words of this database's driver."""
        return prepared(sql, self.engine.dialect)

    def insert(self, table: type[Row], *, unless: str = "") -> Insert:
        """Return a prepared INSERT of whole rows into *table*; *unless*: see :class:`Insert`."""
        return Insert(self.engine.dialect, table, unless=unless)

    def revision(self) -> str:
        """Return the revision that the tables are at; empty where there are none."""
        with self.engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("alembic_version"):
                return ""
            return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")

    def is_migrated(self) -> bool:
        """Whether the tables are at the newest revision."""
        return self.shape() is None

    def shape(self) -> DatabaseFault | None:
        """Return ``None`` if the tables are as this release knows them, else whether they are behind or newer."""
        revision = self.revision()
        if revision == NEWEST:
            return None
        return DatabaseFault.NEWER if revision > NEWEST else DatabaseFault.BEHIND

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to *revision*, in one transaction. Several processes may try at once; one does it.

        Raises:
            Unavailable: the database does not answer, or a newer release made its tables.

        """
        if revision == "head":
            shape = self.shape()
            if shape is None:
                return  # without importing Alembic, which takes longer than the rest of a start
            if shape is DatabaseFault.NEWER:
                raise shape.told(f"It is at revision {self.revision()}; this release knows those up to {NEWEST}.")
        from alembic import command, config  # noqa: PLC0415 as said

        settings = config.Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        with self._in_turn(), self._rebuilding() as connection:
            if not self.is_sqlite:
                self._postgres.take_time(connection.connection.driver_connection)
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
                driver.execute(f"PRAGMA busy_timeout={_MIGRATION_WAIT_SECONDS * 1000}")
            try:
                with connection.begin():
                    yield connection
                    if self.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                        raise Unavailable("The migration would leave rows that refer to nothing; nothing was changed.")
            finally:
                if self.is_sqlite:
                    driver.execute("PRAGMA foreign_keys=ON")
                    driver.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")

    @staticmethod
    def rest() -> None:
        """Let others write between two pieces of a long work: a lock that is taken again at once is never free."""
        SystemClock().wait(threading.Event(), REST_SECONDS)  # other threads are real, whatever the time is said to be

    def check(self) -> None:
        """Ask the database anything.

        Raises:
            Unavailable: it does not answer, or its file is not there any more; ``reason`` says why.

        """
        with self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        if self.condition.look() is DatabaseFault.GONE:
            raise DatabaseFault.GONE.told()

    def check_writing(self) -> None:
        """Keep a transaction that changes nothing.

        Raises:
            Unavailable: it cannot be kept; ``reason`` says why.

        """
        self.check()
        with self.transaction() as cursor:
            cursor.execute("UPDATE revision SET count = count")

    def checkpoint(self) -> None:
        """Copy what SQLite's journal holds into the file, and let it reach the disk: so that no commit has to.

        Others write meanwhile. It begins anew only in a moment in which nobody writes and nobody reads from it, and who
        reads one after the other leaves none; so where it has become long, that moment is made. PostgreSQL has a
        process of its own for all this.

        Raises:
            Unavailable: the database is of no use.

        """
        if self.turns is None:
            return
        with self.engine.connect() as connection:
            sqlite.shorten_journal(
                connection.connection.driver_connection, self.condition.file, self._scan, self.turns.take
            )

    def _in_turn(self) -> AbstractContextManager[sqlite.WriterTurns | None]:
        """Queue for the right to write, which one thread of a process has on SQLite."""
        return nullcontext() if self.turns is None else self.turns.take()

    # ── When something is wrong ───────────────────────────────────────────────────────────────────────────────────────

    def _kept(self) -> None:
        """Take in that a transaction was kept."""
        if self.condition.fault is not None:
            self.condition.become(self.condition.file and self.condition.file.fault())

    def _not_kept(self, error: BaseException) -> Exception:
        """Return what to tell whoever broke a constraint. Where a partition was missing, it is made first."""
        mended = None if self.is_sqlite else self.partitions.mended(error)
        return mended or Duplicate("A row is there already, or a constraint was broken; nothing was written.")

    def _unavailable(self, error: BaseException, more: str = "") -> Unavailable | None:
        """Return a driver's *error* in our words; ``None`` if it says nothing of the database."""
        if (fault := self.condition.failed(error)) is not None:
            return fault.told(more)
        if isinstance(error, self._dbapi.OperationalError):  # it lost against another transaction, or was cancelled
            return Unavailable(f"The database ended a statement ({type(error).__name__}). {more}".rstrip())
        return None

    def _tell_error(self, context: ExceptionContext) -> None:
        """Raise what SQLAlchemy meets in our words. A ping finds out by itself that a connection is of no use."""
        if not context.is_pre_ping and (told := self.condition.told(context.original_exception)) is not None:
            raise told from context.original_exception

    def _open_sqlite(self, dbapi_connection: Any, _record: Any) -> None:
        sqlite.set_pragmas(dbapi_connection)
        if self.condition.file is not None:
            self.condition.file.opened()

    def close(self) -> None:
        """Close every connection."""
        self._driver.close()
        self.engine.dispose()
        self._hot.dispose()


def last_of_all(session: Session, finish: Callable[[Session], None]) -> None:
    """Let *finish* run once behind all else in a transaction of :meth:`Store.writing`: what all lock is locked last."""
    session.info.setdefault("last", {})[finish] = None


def _postgres_driver(pooled: Engine, hot: Engine) -> PostgresDriver:
    from core.postgres_driver import PostgresDriver  # noqa: PLC0415 an SQLite needs no psycopg

    return PostgresDriver(pooled, hot)

"""What an SQLite asks of us: whose turn it is to write, how its transactions begin, that its journal stays short.

One writer at a time is SQLite's law; threads of this process queue for it at a lock of ours, in order, instead of
sleeping in SQLite's busy loop. Writes begin IMMEDIATE, so that a transaction never fails half way for want of the lock.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from core.clock import SystemClock
from core.database_faults import Condition, DatabaseFault, DatabaseFile
from core.errors import Unavailable
from core.small_letters import SQLITE_NAME, small

WAIT_SECONDS = 5
"""How long a writer waits for its turn and for another program's lock, and a caller for a connection."""
_CACHE_KB = 4_000
_MUCH_CACHE_KB = 32_000
"""What a connection keeps of the file; and while it writes rows in many places, which takes a third longer without."""
_MOST_READERS = 20
"""How many connections wait for the hot path's next look."""
_JOURNAL_PAGES = 4_000
"""How long SQLite's journal may grow, 16 MB, before those who write are held up for a moment so that it begins anew."""
_JOURNAL_WAIT_MILLISECONDS = 20
"""For so long at most, if somebody still reads from it once it is twice as long; before, nobody is waited for."""
_MOST_JOURNAL_PAGES = 16 * _JOURNAL_PAGES
"""When whoever commits has to copy it, because nobody else did."""
_KEPT_JOURNAL_BYTES = 64_000_000
_CUT_JOURNAL_BYTES = 4_000_000
"""What is left of a journal that was longer, and by how much it is shortened at once: that takes a file system a
millisecond or two, and nobody can write meanwhile."""


class SqliteCursor(sqlite3.Cursor):
    """A cursor that looks at once: SQLite is no round trip away."""

    def send(self, sql: str, parameters: Any, /) -> Callable[[], Any]:
        """Run one statement that returns rows, and return what tells the first of them."""
        row = self.execute(sql, parameters).fetchone()
        return lambda: row


class WriterTurns:
    """Whose turn it is to write: one thread's of this process at a time, and nobody waits for it for ever."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._lock = threading.Lock()
        self._writing: tuple[str, float] | None = None
        """Which thread has a transaction open that writes, and since when."""

    @contextmanager
    def take(self) -> Generator[WriterTurns]:
        """Queue for the turn, and have it; raises as :meth:`wait`."""
        self.wait()
        try:
            yield self
        finally:
            self.end()

    def wait(self) -> None:
        """Queue for the turn; whoever has it ends it.

        Raises:
            Unavailable: it did not come in time; ``reason`` says why.

        """
        if self._condition.fault is DatabaseFault.GONE:  # what would be written has no name in any folder
            raise DatabaseFault.GONE.told("Nothing was written.")
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise self._none()

    def end(self) -> None:
        """Let the next have the turn."""
        self._writing = None
        self._lock.release()

    def begin(self) -> None:
        """Take in that this thread's transaction is open: from here on it keeps the others from writing."""
        self._writing = threading.current_thread().name, SystemClock().monotonic()

    def _none(self) -> Unavailable:
        """Return why nobody else can write: one of ours does not end, something is wrong, or all is slow."""
        name, since = self._writing or ("", math.inf)
        if (seconds := SystemClock().monotonic() - since) >= WAIT_SECONDS:
            self._condition.become(DatabaseFault.HELD)
            return DatabaseFault.HELD.told(f"'{name}' has not ended for {seconds:.0f} s. Nothing was written.")
        return (self._condition.fault or DatabaseFault.SLOW).told("Nothing was written.")


class SqliteDriver:
    """The hot path's way to an SQLite: one connection that writes, and a few that look."""

    def __init__(self, pooled: Engine, hot: Engine, turns: WriterTurns) -> None:
        self._pooled = pooled
        self._hot = hot
        self._turns = turns
        self._readers: list[Any] = []

    @cached_property
    def writer(self) -> Any:
        """The connection that every transaction of the hot path uses, one at a time."""
        return self._pooled.raw_connection()

    def cursor(self, driver_connection: Any) -> SqliteCursor:
        """Return a cursor on a connection."""
        return driver_connection.cursor(SqliteCursor)

    @contextmanager
    def transaction(
        self,
        *,
        pipelined: bool,  # noqa: ARG002 all are alike here
        single: bool,  # noqa: ARG002
        prepare: Callable[[SqliteCursor], object] | None = None,
    ) -> Generator[SqliteCursor]:
        """Open a transaction that writes; one that is to be prepared has a connection of its own."""
        if prepare is not None:
            with self._prepared(prepare) as cursor:
                yield cursor
            return
        self._turns.wait()
        try:
            with self._writing(self.cursor(self.writer.driver_connection)) as cursor:
                yield cursor
        finally:
            self._turns.end()

    @contextmanager
    def _prepared(self, prepare: Callable[[SqliteCursor], object]) -> Generator[SqliteCursor]:
        connection = self._pooled.raw_connection()
        try:
            cursor = self.cursor(connection.driver_connection)
            cursor.execute(f"PRAGMA cache_size=-{_MUCH_CACHE_KB}")
            try:
                cursor.execute("BEGIN")
                prepare(cursor)
                cursor.execute("COMMIT")
                with self._turns.take(), self._writing(cursor):
                    yield cursor
            finally:
                if cursor.connection.in_transaction:  # of what was prepared nothing is kept
                    cursor.execute("ROLLBACK")
                cursor.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        finally:
            connection.close()

    @contextmanager
    def _writing(self, cursor: SqliteCursor) -> Generator[SqliteCursor]:
        cursor.execute("BEGIN IMMEDIATE")
        self._turns.begin()
        try:
            yield cursor
            cursor.execute("COMMIT")
        except BaseException:
            if cursor.connection.in_transaction:  # a full disk may have ended it; a failed COMMIT need not
                cursor.execute("ROLLBACK")
            raise

    def read(self, sql: str, parameters: Mapping[str, Any], of: Callable[[Any], Any]) -> Any:
        """Return what *of* takes from the rows of a SELECT."""
        connection: Any
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._hot.raw_connection()
        try:
            return of(connection.driver_connection.execute(sql, parameters))
        finally:
            if len(self._readers) < _MOST_READERS:
                self._readers.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the connections."""
        if (writer := self.__dict__.pop("writer", None)) is not None:
            writer.close()
        while self._readers:
            self._readers.pop().close()


def set_pragmas(dbapi_connection: Any) -> None:
    """Make a new connection one of ours."""
    dbapi_connection.create_function(SQLITE_NAME, 1, small, deterministic=True)
    dbapi_connection.isolation_level = None  # we begin transactions ourselves
    _use_wal(dbapi_connection)
    for pragma in (
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={WAIT_SECONDS * 1000}",
        f"wal_autocheckpoint={_MOST_JOURNAL_PAGES}",
        f"cache_size=-{_CACHE_KB}",
        "temp_store=MEMORY",
        "secure_delete=ON",  # what is deleted leaves nothing in pages that are free
    ):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def begin(connection: Connection) -> None:
    """Begin a transaction; one that writes has the lock from here on, and never fails half way for want of it."""
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _use_wal(dbapi_connection: Any) -> None:
    """Keep the journal beside the file. Only the first to open a new file changes anything, and locks others out.

    SQLite does not let those wait in its busy time-out; so they try again, as long as that would be.
    """
    for _ in range(WAIT_SECONDS * 20):
        try:
            dbapi_connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            threading.Event().wait(0.05)
        else:
            return
    dbapi_connection.execute("PRAGMA journal_mode=WAL")


def shorten_journal(
    driver: Any, file: DatabaseFile | None, scans: threading.Lock, in_turn: Callable[[], AbstractContextManager[Any]]
) -> None:
    """Copy what the journal holds into the file over *driver*, a connection, and let it reach the disk.

    Where the journal has become long it begins anew: nobody reads much (*scans*) or writes (*in_turn*) in that moment.
    """
    pages = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    if pages < _JOURNAL_PAGES:
        return
    wait = _JOURNAL_WAIT_MILLISECONDS if pages >= 2 * _JOURNAL_PAGES else 0
    driver.execute(f"PRAGMA busy_timeout={wait}")
    try:
        with scans:
            _, pages, copied = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # what came since
            if copied < pages < _MOST_JOURNAL_PAGES:
                return  # somebody reads from the middle of it, so nobody need be held up: it would be in vain
            with in_turn():
                driver.execute("PRAGMA wal_checkpoint(RESTART)")
                _cut(driver, file)
    finally:
        driver.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")


def _cut(driver: Any, file: DatabaseFile | None) -> None:
    """Cut a part off a journal that begins anew and is longer than it need be, as after much was written at once.

    SQLite cuts it, by all that is too much, in the commit of the first who writes then: of somebody who waits.
    """
    size = Path(f"{file.path}-wal").stat().st_size if file is not None else 0
    if size > _KEPT_JOURNAL_BYTES:
        left = max(_KEPT_JOURNAL_BYTES, size - _CUT_JOURNAL_BYTES)
        driver.execute(f"PRAGMA journal_size_limit={left}")
        with suppress(sqlite3.OperationalError):  # another process writes: the next time, then
            driver.execute("PRAGMA user_version=0")  # a page is written, and nothing is changed
        driver.execute("PRAGMA journal_size_limit=-1")

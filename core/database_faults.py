"""What can be wrong with the database, and what whoever runs it is to do: told alike by every door.

A driver's error is a code, a class or a sentence of its vendor's, and may quote values. Here it becomes one of a few
reasons; what cannot be told apart is that the database does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.errors import Invalid, Unavailable


class DatabaseFault(StrEnum):
    """Why the database cannot be used. The value is the reason as machines read it."""

    LOCKED = "locked"
    HELD = "held"
    CONTENDED = "contended"
    READ_ONLY = "read_only"
    FULL = "full"
    GONE = "gone"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    NO_FILE = "cannot_open"
    NO_CONNECTIONS = "no_connections"
    POOL = "pool"
    REFUSED = "refused"
    RESTARTING = "restarting"
    DENIED = "denied"
    BEHIND = "behind"
    NEWER = "newer"
    SLOW = "slow"
    DOWN = "down"

    @property
    def sentence(self) -> str:
        """What is wrong, what it means, and what to do."""
        return _SENTENCES[self]

    def told(self, more: str = "") -> Unavailable:
        """Return it as an error, with *more* after its sentence; ``reason`` on it is the value."""
        return Unavailable(f"{self.sentence} {more}".rstrip(), reason=self.value)


_SENTENCES = {
    DatabaseFault.LOCKED: (
        "The database is locked: another program holds its write lock, so nothing can be recorded and no call goes "
        "out. End that program, or the transaction that it left open."
    ),
    DatabaseFault.HELD: (
        "This process itself keeps the database: one of its own writes does not end, so nothing else can be recorded "
        "and no call goes out. If it stays so, start the process again; what was recorded is safe."
    ),
    DatabaseFault.CONTENDED: (
        "Another transaction has held a lock for seconds that this needs. Look for one that was left open "
        "(pg_stat_activity) and end it; the server ends it by itself after a minute without a statement if it is "
        "Proctor's."
    ),
    DatabaseFault.READ_ONLY: (
        "The database is read-only, so nothing can be recorded and no call goes out. Give Proctor's user the right to "
        "write the file and its folder, or name the server that takes writes in DATABASE_URL."
    ),
    DatabaseFault.FULL: (
        "The database's disk is full, so nothing can be recorded and no call goes out. Make room; nothing that was "
        "recorded is lost."
    ),
    DatabaseFault.GONE: (
        "The database's file was deleted or replaced while Proctor ran, so what is recorded would be lost and no call "
        "goes out. Put it back, or restore a backup, and start Proctor again."
    ),
    DatabaseFault.MISSING: (
        "There is no database at this place yet. Run 'proctor migrate' to make one, or check DATABASE_URL."
    ),
    DatabaseFault.UNREADABLE: (
        "The database's file is damaged, or is no SQLite database. Check DATABASE_URL, or restore a backup."
    ),
    DatabaseFault.NO_FILE: (
        "The database's file cannot be opened. Check that its folder is there, that Proctor's user may read and write "
        "it, and that the process has file descriptors left (ulimit -Hn)."
    ),
    DatabaseFault.NO_CONNECTIONS: (
        "The database has no connection left for Proctor. Raise its max_connections, or run fewer processes: each "
        "opens at most 20."
    ),
    DatabaseFault.POOL: (
        "All connections of this process to the database are busy. If it stays so, the database is slow, or something "
        "holds a lock in it."
    ),
    DatabaseFault.REFUSED: (
        "The database does not answer: nobody listens where DATABASE_URL says, or the network is closed. Start it, or "
        "check the address."
    ),
    DatabaseFault.RESTARTING: (
        "The database is starting, stopping or recovering, or has just ended its connections. It goes on by itself "
        "once it answers again."
    ),
    DatabaseFault.DENIED: (
        "The database does not let Proctor in: the user, the password or the name of the database in DATABASE_URL is "
        "not known there."
    ),
    DatabaseFault.BEHIND: "The tables lack this release's shape. Run 'proctor migrate'.",
    DatabaseFault.NEWER: (
        "The database is newer than this release. Start the release that brought it there, or restore the backup from "
        "before that upgrade; 'proctor migrate' does not go back."
    ),
    DatabaseFault.SLOW: (
        "The database does not answer within a few seconds. Look at its load and its locks, and at the network to it."
    ),
    DatabaseFault.DOWN: (
        "The database does not answer as it should. What was recorded is safe: try again, and if it stays so run "
        "'proctor doctor'."
    ),
}
_BY_SQLITE_CODE = {
    1: None,  # SQLITE_ERROR: the statement is wrong, or its table is not there
    5: DatabaseFault.LOCKED,  # SQLITE_BUSY
    6: DatabaseFault.LOCKED,
    8: DatabaseFault.READ_ONLY,
    9: None,  # SQLITE_INTERRUPT: one statement was cancelled
    11: DatabaseFault.UNREADABLE,  # SQLITE_CORRUPT
    13: DatabaseFault.FULL,
    14: DatabaseFault.NO_FILE,  # SQLITE_CANTOPEN
    26: DatabaseFault.UNREADABLE,  # SQLITE_NOTADB
}
"""By primary code: the lowest byte of an extended one."""
_BY_SQLSTATE = {
    "25006": DatabaseFault.READ_ONLY,
    "28": DatabaseFault.DENIED,
    "3D": DatabaseFault.DENIED,
    "53100": DatabaseFault.FULL,
    "53300": DatabaseFault.NO_CONNECTIONS,
    "55P03": DatabaseFault.CONTENDED,  # after lock_timeout
    "57P": DatabaseFault.RESTARTING,
    "08": DatabaseFault.RESTARTING,
    "40": None,  # a conflict of two transactions: of no meaning for others
    "25P03": DatabaseFault.RESTARTING,  # it ended a connection whose transaction was left open
    "54": None,  # a statement asks for more than any database does
    "57014": None,  # one statement was cancelled
}
"""By SQLSTATE or the beginning of one; the longest that fits counts."""
_BY_WORDS = (
    ("too many clients", DatabaseFault.NO_CONNECTIONS),
    ("too many connections", DatabaseFault.NO_CONNECTIONS),
    ("remaining connection slots", DatabaseFault.NO_CONNECTIONS),
    ("the database system is", DatabaseFault.RESTARTING),  # starting up, shutting down, in recovery mode
    ("not currently accepting", DatabaseFault.RESTARTING),
    ("server closed the connection", DatabaseFault.RESTARTING),
    ("the connection is closed", DatabaseFault.RESTARTING),
    ("the connection is lost", DatabaseFault.RESTARTING),
    ("terminating connection", DatabaseFault.RESTARTING),
    ("authentication failed", DatabaseFault.DENIED),
    ("no pg_hba.conf entry", DatabaseFault.DENIED),
    ("does not exist", DatabaseFault.DENIED),  # the database, or the role
    ("too many open files", DatabaseFault.NO_FILE),
    ("timeout expired", DatabaseFault.SLOW),
    ("connection timeout", DatabaseFault.SLOW),
    ("connection refused", DatabaseFault.REFUSED),
    ("failed to resolve host", DatabaseFault.REFUSED),
    ("could not translate host", DatabaseFault.REFUSED),
    ("is the server running", DatabaseFault.REFUSED),
    ("no route to host", DatabaseFault.REFUSED),
    ("network is unreachable", DatabaseFault.REFUSED),
)
"""What a failed connection says; it bears no SQLSTATE."""


def fault_of(error: BaseException) -> DatabaseFault | None:
    """Return what *error*, which a driver or SQLAlchemy raised, says is wrong with the database.

    ``None`` where nothing is: a statement that breaks a constraint, or lost against another transaction.
    """
    driver: Any = getattr(error, "orig", None) or error
    kinds = {kind.__name__ for kind in type(driver).__mro__}
    if not kinds & {"Error", "SQLAlchemyError", "OSError"}:
        return None  # a value of ours that no column takes
    if kinds & {"IntegrityError", "DataError", "NotSupportedError", "ProgrammingError"}:
        return None
    if (code := getattr(driver, "sqlite_errorcode", None)) is not None:
        return _BY_SQLITE_CODE.get(code & 0xFF, DatabaseFault.DOWN)
    if state := getattr(driver, "sqlstate", None):
        if "due to statement timeout" in str(driver):
            return DatabaseFault.SLOW
        known = (state[:length] for length in (5, 3, 2))
        return next((_BY_SQLSTATE[one] for one in known if one in _BY_SQLSTATE), DatabaseFault.DOWN)
    if kinds >= {"TimeoutError", "SQLAlchemyError"}:
        return DatabaseFault.POOL
    said = str(driver).lower()
    return next((fault for words, fault in _BY_WORDS if words in said), DatabaseFault.DOWN)


def as_told(error: BaseException) -> Unavailable | None:
    """Return whatever a driver or SQLAlchemy raised as it is told to people; ``None`` if *error* is of neither.

    For who reads alone: where something is written a constraint that is broken may say that somebody was faster.
    """
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in {"sqlalchemy", "sqlite3", "psycopg", "psycopg_pool"}:
            return (fault_of(error) or DatabaseFault.DOWN).told()
    return None


class RunAgain(Unavailable):
    """Nothing was kept, and what was in the way may be so no more: run the transaction again."""


class Disconnected(RunAgain):
    """A kept connection turned out to be broken before anything could be kept."""


class DatabaseFile:
    """The file of an SQLite database, as it was when it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None

    def opened(self) -> None:
        """Take in that it is open now; the first time counts."""
        if self._opened is None:
            self._opened = self._now()

    def fault(self) -> DatabaseFault | None:
        """Return what is wrong with the file: it is not that which was opened, or was never there."""
        now = self._now()
        if self._opened is None:
            return None if now else DatabaseFault.MISSING
        return None if now == self._opened else DatabaseFault.GONE

    def _now(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _is_no_text(error: BaseException) -> bool:
    """Whether a value is a text that cannot be kept: told by PostgreSQL, or by its driver before it is sent."""
    if isinstance(error, UnicodeEncodeError):
        return True
    kind = type(error)
    is_of_values = kind.__module__.startswith("psycopg") and "DataError" in {one.__name__ for one in kind.__mro__}
    return is_of_values and getattr(error, "sqlstate", None) in {None, "22021", "22P05"}


class Condition:
    """What is known to be wrong with a database now: by the last that failed, until a transaction is kept again."""

    def __init__(self, file: DatabaseFile | None = None) -> None:
        self.file = file
        """``None`` where the database is no file of ours."""
        self.fault: DatabaseFault | None = None
        self.on_change: Callable[[DatabaseFault | None], None] = lambda _: None
        """Told when something goes wrong, or another thing than before, and when all is well again."""
        self._lock = threading.Lock()

    def failed(self, error: BaseException) -> DatabaseFault | None:
        """Take in *error*; return what it says is wrong with the database, if anything."""
        fault = fault_of(error)
        if fault is not None:
            self.become(fault)
        return fault

    def told(self, error: BaseException) -> Unavailable | Invalid | None:
        """Take in *error*; return what to tell whoever asked, if it is the database, or what he asked with."""
        if (fault := self.failed(error)) is not None:
            return fault.told()
        if not _is_no_text(error):
            return None
        return Invalid("The database keeps no text with a NUL or half a character in it. Write it without.")

    def look(self) -> DatabaseFault | None:
        """Look for the database's file; return what is wrong, if anything."""
        if self.file is not None and (fault := self.file.fault()) is not None:
            self.become(fault)
        elif self.fault in (DatabaseFault.GONE, DatabaseFault.MISSING):
            self.become(None)
        return self.fault

    def find_file(self, *, makes_folder: bool) -> None:
        """Make the folder before a file is opened in it; or refuse where no file is to be made and there is none.

        Raises:
            Unavailable: there is none, or its folder cannot be made.

        """
        file = self.file
        fault = file.fault() if file is not None else None
        if file is None or fault is None:
            return
        if fault is DatabaseFault.GONE or not makes_folder:
            self.become(fault)
            raise fault.told()
        try:
            file.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            told = f"{error.filename}: {error.strerror}. Check DATABASE_URL."
            raise Unavailable(told, reason=DatabaseFault.NO_FILE.value) from None

    def become(self, fault: DatabaseFault | None) -> None:
        """Take in that *fault* is what is wrong now; ``None`` if nothing is."""
        with self._lock:
            is_news, self.fault = fault is not self.fault, fault
        if is_news:
            self.on_change(fault)

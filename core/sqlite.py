"""What an SQLite asks of us: how its connections and transactions begin, and that its journal never grows too long."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from core.database_faults import DatabaseFile

WAIT_SECONDS = 5
"""How long it waits for another program's lock."""
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


def set_pragmas(dbapi_connection: Any) -> None:
    """Make a new connection one of ours."""
    dbapi_connection.isolation_level = None  # we begin transactions ourselves
    _use_wal(dbapi_connection)
    for pragma in (
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={WAIT_SECONDS * 1000}",
        f"wal_autocheckpoint={_MOST_JOURNAL_PAGES}",
        "cache_size=-4000",
        "temp_store=MEMORY",
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
    driver: Any, file: DatabaseFile | None, scans: threading.Lock, in_turn: Callable[[], AbstractContextManager[None]]
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

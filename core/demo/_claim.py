"""Of all processes that share a database, one at a time makes or removes the demo world."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import text

from core.store import Store

_LOCK = 7264002
_POLL_SECONDS = 0.2


@contextmanager
def claimed(store: Store, stopping: threading.Event) -> Generator[bool]:
    """Wait for the turn; yield whether it came before *stopping* was set. A process that dies gives its turn back."""
    tries = _tries_with_postgres(store) if not store.is_sqlite else _tries_with_folder(store)
    got = False
    try:
        for got in tries:
            if got or stopping.wait(_POLL_SECONDS):
                break
        yield got
    finally:
        tries.close()


def _tries_with_postgres(store: Store) -> Generator[bool]:
    """Try for an advisory lock, as often as asked; it is held until this generator is closed."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            while True:
                yield bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar())
        finally:
            connection.execute(text("SELECT pg_advisory_unlock_all()"))


def _tries_with_folder(store: Store) -> Generator[bool]:
    """Try for a lock on the database's folder: the database's own file must not be locked beside SQLite."""
    if not store.url.database or store.url.database == ":memory:":
        yield from _always()
        return
    folder = os.open(Path(store.url.database).resolve().parent, os.O_RDONLY)
    try:
        while True:
            got = False
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                got = True
            yield got
    finally:
        os.close(folder)


def _always() -> Iterator[bool]:
    while True:
        yield True

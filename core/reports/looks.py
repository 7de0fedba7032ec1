"""How long a look at the store may take, and at which database: the main one, or a copy that follows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core.clock import Clock, SystemClock
from core.errors import Unavailable
from core.principals import TenantScope
from core.reports.reading import Reading, reading
from core.settings import Settings
from core.store import Store

_AGAIN_SECONDS = 0.2
_LEFT_SECONDS = 0.4
"""For so long nobody waits before it is given up: who replaces a question may ask a part of it anew."""
_RESTS = timedelta(seconds=30)
"""For so long a copy that did not answer is not asked."""
_LAG = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
        AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN 0
    ELSE EXTRACT(EPOCH FROM now() - pg_last_xact_replay_timestamp()) END
"""
"""What was received is replayed, and more would be received: then nothing was written since, however long ago that was.
Null of no copy."""


IS_LEFT: ContextVar[Callable[[], bool] | None] = ContextVar("is_left", default=None)
"""Says, to any thread, whether nobody waits any longer for what is asked in this one; without it somebody does."""


class GivenUp(Unavailable):
    """A look took longer than it may: that says nothing against the database that was asked."""


class NobodyWaits(GivenUp):
    """A look was given up, as whoever wanted to know has gone on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    """How the copy stands that reports are read from."""

    is_down: bool
    lag_seconds: float
    """How old its figures are."""


class Looks:
    """Opens looks: at the copy where there is one and it answers, at the main database else; none for too long."""

    def __init__(self, store: Store, clock: Clock, settings: Settings | None = None) -> None:
        self._store = store
        self._clock = clock
        self._seconds = settings.report_seconds if settings else 0
        url = settings.reports_database_url if settings else ""
        self._replica = Store(url, own_keys=store.own_keys, creates=False) if url else None
        self._rests_until: datetime | None = None

    @contextmanager
    def open(self, scope: TenantScope, *, sees_all: bool = False) -> Generator[Reading]:
        """Open one look, at what is of the tenants in *scope*.

        Raises:
            Unavailable: the database does not answer, or the look took longer than it may.

        """
        of_copy = None
        try:
            with ExitStack() as stack:
                of_copy = self._of_replica(stack, scope, sees_all=sees_all)
                now = of_copy or stack.enter_context(reading(self._store, scope, sees_all=sees_all))
                stack.enter_context(_bounded(now.connection, self._seconds))
                yield now
        except (DBAPIError, Unavailable) as error:
            if of_copy is not None and not isinstance(error, GivenUp):
                self._rests_until = self._clock.now() + _RESTS  # who asks again, asks the main database
            raise

    def _of_replica(self, stack: ExitStack, scope: TenantScope, *, sees_all: bool) -> Reading | None:
        now = self._clock.now()
        if self._replica is None or (self._rests_until is not None and now < self._rests_until):
            return None
        try:
            found = stack.enter_context(reading(self._replica, scope, sees_all=sees_all))
        except Unavailable:
            self._rests_until = now + _RESTS
            return None
        self._rests_until = None
        return found

    def replica(self) -> ReplicaState | None:
        """Return how the copy stands; ``None`` where there is none."""
        if self._replica is None:
            return None
        try:
            lag = None if self._replica.is_sqlite else self._replica.read_one(_LAG, {})[0]
        except Unavailable:
            return ReplicaState(is_down=True, lag_seconds=0)
        return ReplicaState(is_down=False, lag_seconds=float(lag or 0))

    def close(self) -> None:
        """Close what was opened here."""
        if self._replica is not None:
            self._replica.close()


@contextmanager
def _bounded(connection: Connection, seconds: float) -> Generator[None]:
    """Cancel what *connection* is asked, in the database too, once so many seconds are over (0: never) or nobody waits.

    Raises:
        NobodyWaits: whoever asked has gone on.
        Unavailable: the time is over.

    """
    is_left = IS_LEFT.get()
    if not seconds and is_left is None:
        yield
        return
    driver: Any = connection.connection.driver_connection
    lock, is_done, why = threading.Lock(), threading.Event(), list[GivenUp]()

    def watch() -> None:
        clock = SystemClock()  # a database takes real time, whatever the time is said to be
        if (error := _wait(clock, is_done, seconds, is_left)) is None:
            return
        why.append(error)
        while not is_done.is_set():
            with lock, suppress(Exception):  # the connection may be broken
                if not is_done.is_set():
                    (getattr(driver, "cancel_safe", None) or driver.interrupt)()
            clock.wait(is_done, _AGAIN_SECONDS)

    threading.Thread(target=watch, name="look", daemon=True).start()
    try:
        yield
    except (DBAPIError, Unavailable) as error:
        if not why:
            raise
        raise why[0] from error
    finally:
        with lock:
            is_done.set()


def _wait(
    clock: SystemClock, is_done: threading.Event, seconds: float, is_left: Callable[[], bool] | None
) -> GivenUp | None:
    """Wait until it is done, and return ``None``; or until it is to be given up, and return the reason."""
    ends = clock.monotonic() + seconds if seconds else float("inf")
    wanted_at = clock.monotonic()
    while not clock.wait(is_done, min(max(0.0, ends - clock.monotonic()), _AGAIN_SECONDS if is_left else seconds)):
        now = clock.monotonic()
        if now >= ends:
            return GivenUp(
                f"The answer took longer than {seconds:g} s and was given up: choose a shorter time, or one tenant. "
                "REPORT_SECONDS says how long it may take."
            )
        if is_left is not None and not is_left():
            wanted_at = now
        elif is_left is not None and now - wanted_at >= _LEFT_SECONDS:
            return NobodyWaits("Nobody waits for this answer any longer, and it was given up.")
    return None

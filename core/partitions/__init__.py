"""Calls by month: on a PostgreSQL whose operator wants it, the tables that calls fill are cut by time.

Off until ``proctor partition`` is said once. Then a chore makes the months ahead and drops those that are past and
empty; and where a month is missing all the same, whoever writes into it has it made, and writes again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine

from core.clock import LATEST, SystemClock, born, first_id
from core.database_faults import DatabaseFault, RunAgain
from core.errors import Unavailable
from core.partitions._conversion import bounded, check_name, prove, switch
from core.partitions._months import BEFORE, BEYOND, KEYS, Partition, following, month, months, named
from core.partitions._sql import ALONE, add, is_cut, is_empty, partitions

__all__ = ["KEYS", "Converted", "Partitions", "Unpartitioned", "months"]

MONTHS_AHEAD = 3
_PATIENCE = "300ms"
"""For so long the switch and the drop of a partition wait for a table: who writes queues behind them no longer."""
_SWITCH = "1s"
"""For so long a statement of the switch may take, which reads no row: should one do so all the same, it is undone."""
_MAKING = "2s"
"""For so long whoever makes a partition waits; behind him no writer queues."""
_TRIES, _PAUSE = 200, 0.5
_LATE = timedelta(days=1)
"""A month has been past for so long before its partition may go: calls are out for two hours at most."""
_MISSING = "23514"
_VALUE = re.compile(r"\) = \((.*)\)")


class Unpartitioned(RunAgain):
    """There was no partition for what was to be written; now there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A table that was cut."""

    table: str
    until: datetime
    """Its first partition holds all that is born before this."""
    tries: int
    """How often it was tried to get hold of the table."""
    held_ms: float
    """For how long nobody else could use it."""


class Partitions:
    """The partitions of one PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = SystemClock()

    def are_used(self) -> bool:
        """Whether the tables of calls are cut, all of them."""
        with self._connection() as connection, connection.transaction():
            return all(is_cut(connection, table) for table in KEYS)

    # ── What there is to be ───────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, now: datetime) -> None:
        """Make the months ahead that are not there, and drop those that are past and empty."""
        if self.are_used():
            if self.make(months(now, 1 + MONTHS_AHEAD)):
                for table in KEYS:  # what the whole table is like the server counts only when it is told to
                    self._analyze(table)
            self.drop_empty(now)

    def make(self, wanted: Sequence[datetime]) -> int:
        """Make the partitions of the months that begin at *wanted*, where there are none; return how many that were.

        Raises:
            Unavailable: somebody alters a table.

        """
        made = 0
        for table in KEYS:
            with self._alone(_MAKING) as connection:
                if not is_cut(connection, table):
                    continue
                there = partitions(connection, table)
                first = next((one.below for one in there if one.name == f"{table}_{BEFORE}"), None)
                names = {one.name for one in there}
                if (beyond := f"{table}_{BEYOND}") not in names:
                    add(connection, table, beyond, first_id(LATEST), None)
                news = [
                    one for one in wanted if named(table, one) not in names and (not first or first_id(one) >= first)
                ]
                for one in news:
                    add(connection, table, named(table, one), first_id(one), first_id(following(one)))
                made += len(news)
        return made

    def drop_empty(self, now: datetime) -> Sequence[str]:
        """Drop the partitions that are past and have no row; return their names.

        What is in somebody's use stays until the next time. The first one is emptied of the room that it takes, and
        stays: what is older than all months has its place there.
        """
        dropped: list[str] = []
        for table in KEYS:
            with self._connection() as connection:
                with connection.transaction():
                    past = [one for one in partitions(connection, table) if one.is_past(now - _LATE)]
                    empty = [one for one in past if is_empty(connection, one.name)]
                dropped += [one.name for one in empty if self._drop(connection, table, one)]
        return dropped

    def _drop(self, connection: Any, table: str, one: Partition) -> bool:
        """Drop a partition unless somebody uses it, or has written into it by now; whether it was dropped."""
        is_first = one.name == f"{table}_{BEFORE}"
        try:
            with connection.transaction():
                _settle(connection, _PATIENCE, statements=_PATIENCE)
                if not is_first:
                    connection.execute(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
                connection.execute(f"LOCK TABLE {one.name} IN ACCESS EXCLUSIVE MODE")
                if not is_empty(connection, one.name):
                    return False
                if is_first:
                    (size,) = connection.execute("SELECT pg_relation_size(to_regclass(%s))", [one.name]).fetchone()
                    if size:
                        connection.execute(f"TRUNCATE TABLE {one.name}")
                    return False
                connection.execute(f"DROP TABLE {one.name}")
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected):
            return False
        return True

    # ── Where one is missing ──────────────────────────────────────────────────────────────────────────────────────────

    def mended(self, error: Any) -> RunAgain | None:
        """Return what to tell whoever could not write for want of a partition, which is made; ``None`` of other errors.

        Raises:
            Unavailable: it could not be made.

        """
        if getattr(error, "sqlstate", None) != _MISSING:
            return None
        table, constraint = error.diag.table_name or "", error.diag.constraint_name
        if constraint is not None:
            if constraint != check_name(table):
                return None
            self.abandon(table)
            return Unpartitioned("A conversion of tables was cut off and has run out of time; it was taken back.")
        told = _VALUE.search(error.diag.message_detail or "")
        moment = born(told[1]) if told else None
        if moment is not None:
            self.make([month(moment)])
        return Unpartitioned("There was no partition for this month, and now there is. Try again.")

    def abandon(self, table: str) -> None:
        """Take back what a conversion that was cut off left: it would keep out what is born from its bound on."""
        with self._alone(_MAKING) as connection:
            connection.execute(f"ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS {check_name(table)}")

    # ── The first time ────────────────────────────────────────────────────────────────────────────────────────────────

    def convert(self, now: datetime, tell: Callable[[str], None] = lambda _: None) -> Sequence[Converted]:
        """Cut the tables that are not cut yet; return them. What was cut off goes on where it was.

        Raises:
            Conflict: a table holds, or is used by, something that would not follow.
            Unavailable: somebody else is at it, or held a table for minutes.

        """
        done: list[Converted] = []
        with self._connection() as connection:
            connection.seconds = None
            with connection.transaction():
                (is_alone,) = connection.execute("SELECT pg_try_advisory_lock(%s)", [ALONE + 1]).fetchone()
            if not is_alone:
                raise DatabaseFault.CONTENDED.told("Another process is partitioning it.")
            try:
                for table in KEYS:
                    with connection.transaction():
                        if is_cut(connection, table):
                            continue
                    tell(table)
                    done.append(self._convert(connection, table, now))
            finally:
                connection.execute("SELECT pg_advisory_unlock(%s)", [ALONE + 1])
                connection.commit()
        self.make(months(now, 1 + MONTHS_AHEAD))
        for one in done:
            self._analyze(one.table)
        return done

    def _convert(self, connection: Any, table: str, now: datetime) -> Converted:
        known, _, _ = self._patiently(connection, lambda: bounded(connection, table, now))
        if not known.is_proven:
            with connection.transaction():
                _settle(connection, "0", statements="0")
                prove(connection, table)

        def switched() -> None:
            switch(connection, table, known.value)

        _, tries, held = self._patiently(connection, switched, holding=table)
        return Converted(table=table, until=born(known.value) or now, tries=tries, held_ms=held * 1000)

    def _patiently(self, connection: Any, does: Callable[[], Any], *, holding: str = "") -> tuple[Any, int, float]:
        """Do it in a transaction that gives up soon, again and again; return what came, how often, how long.

        That counts from where it got hold of the table *holding*.
        """
        for tries in range(1, _TRIES + 1):
            try:
                with connection.transaction():
                    _settle(connection, _PATIENCE, statements=_SWITCH if holding else "0")
                    if holding:
                        connection.execute(f"LOCK TABLE {holding} IN ACCESS EXCLUSIVE MODE")
                    began = self._clock.monotonic()
                    found = does()
                return found, tries, self._clock.monotonic() - began
            except (
                psycopg.errors.LockNotAvailable,
                psycopg.errors.QueryCanceled,
                psycopg.errors.DeadlockDetected,
            ):
                self._clock.wait(threading.Event(), _PAUSE)
        raise DatabaseFault.CONTENDED.told("Tables are not partitioned yet; run 'proctor partition' again.")

    # ── Connections ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _analyze(self, table: str) -> None:
        with self._connection() as connection, connection.transaction():
            connection.execute(f"ANALYZE {table}")

    @contextmanager
    def _alone(self, patience: str) -> Generator[Any]:
        """Open a transaction in which nobody else makes partitions.

        Raises:
            Unavailable: somebody held what was needed.

        """
        with self._connection() as connection:
            try:
                with connection.transaction():
                    _settle(connection, patience)
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", [ALONE])
                    yield connection
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                raise DatabaseFault.CONTENDED.told("Nothing was written.") from error

    @contextmanager
    def _connection(self) -> Generator[Any]:
        """Borrow a connection of the driver itself: that it waits in vain for a lock says nothing of the database."""
        pooled = self._engine.raw_connection()
        try:
            yield pooled.driver_connection
        except psycopg.OperationalError as error:
            if getattr(pooled.driver_connection, "closed", False):
                pooled.invalidate(error)
                raise Unavailable(DatabaseFault.RESTARTING.sentence) from error
            raise
        finally:
            pooled.close()


def _settle(connection: Any, locks: str, *, statements: str = "") -> None:
    """Say how long this transaction waits for locks, and how long a statement of it may take."""
    connection.execute(f"SET LOCAL lock_timeout = '{locks}'")
    if statements:
        connection.execute(f"SET LOCAL statement_timeout = '{statements}'")

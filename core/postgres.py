"""What the hot path asks of psycopg; loaded only where the database is a PostgreSQL.

On a machine of its own the database is a round trip away, and waiting for it is most of what a statement costs. In a
pipeline statements go out without waiting; only who asks for a result waits, and then once for all that was sent.

Nobody waits for ever: the server gives up a lock or a statement after some seconds, as each connection's own options
say, and the client gives up a server that does not even do that, for it is frozen or cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.abc import PQGen

LOCK_SECONDS = 5
"""How long a statement waits for a lock that another transaction holds."""
ANSWER_SECONDS = 5
"""By how much longer the client waits than the server is to take at most; and how long for one that may be frozen."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the statements of a connection may take."""

    statement_seconds: int
    idle_seconds: int
    """How long its transaction may stay open while nothing is asked in it: then the server ends it, and its locks. In a
    pipeline the server does not count it; there nothing of ours stands between two statements."""

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to connect with; what the database's URL has *given* goes before it."""
        settings = {
            "lock_timeout": LOCK_SECONDS,
            "statement_timeout": self.statement_seconds,
            "idle_in_transaction_session_timeout": self.idle_seconds,
        }
        ours = " ".join(f"-c {name}={seconds}s" for name, seconds in settings.items())
        network = {
            "connect_timeout": ANSWER_SECONDS,
            "tcp_user_timeout": 1000 * ANSWER_SECONDS,
            "keepalives_idle": ANSWER_SECONDS,
            "keepalives_interval": 1,
            "keepalives_count": ANSWER_SECONDS,
        }
        options = f"{ours} {given.get('options', '')}".rstrip()
        return {name: value for name, value in network.items() if name not in given} | {"options": options}

    def connect(self, _dialect: Any, _record: Any, positional: Any, named: Any) -> psycopg.Connection[Any]:
        """Open a connection, in SQLAlchemy's place."""
        connection = TimedConnection.connect(*positional, **named)
        connection.seconds = self.statement_seconds + ANSWER_SECONDS
        return connection

    def out(self, connection: TimedConnection, *_: Any) -> None:
        """Give a connection that was found to live its time."""
        connection.seconds = self.statement_seconds + ANSWER_SECONDS

    def back(self, connection: TimedConnection | None, *_: Any) -> None:
        """Let whoever asks next whether a connection lives wait for a moment only."""
        if connection is not None:
            connection.seconds = ANSWER_SECONDS


HOT = Patience(statement_seconds=LOCK_SECONDS + 1, idle_seconds=60)
"""For the statements of a generation, each of which finds its rows by their keys."""
LONG = Patience(statement_seconds=60, idle_seconds=60)
"""For all else: a report of a large tenant's month may take its time."""
_FOR_MIGRATIONS = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"


class Unanswered(psycopg.OperationalError):
    """The server neither answered nor gave up in time; the connection is closed."""


class TimedConnection(psycopg.Connection[Any]):
    """A connection that gives up a server which does not answer. Frozen, it would keep us for ever."""

    seconds: float | None = None

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, but not longer than ``seconds``.

        Raises:
            Unanswered: there was none.

        """
        if timeout is not None or self.seconds is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.seconds)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] its only name
            self.close()
            raise Unanswered("timeout expired: the server did not answer") from error


class PostgresCursor:
    """Runs statements on one connection: each has a cursor of its own, so that results may come later."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._last = connection.cursor()

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched; not known in a pipeline."""
        return self._last.rowcount

    def execute(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, /) -> PostgresCursor:
        """Run one statement."""
        self._last = self._connection.execute(sql.encode(), parameters)
        return self

    def executemany(
        self, sql: str, parameters: Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]], /
    ) -> PostgresCursor:
        """Run one statement once per row."""
        self._last = self._connection.cursor()
        self._last.executemany(sql.encode(), parameters)
        return self

    def fetchone(self) -> Any:
        """Return the next row of the last statement as a tuple, or ``None``."""
        return self._last.fetchone()

    def send(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any], /) -> Callable[[], Any]:
        """Run one statement that returns rows, and return what tells the first of them, which may be asked later."""
        return self._connection.execute(sql.encode(), parameters).fetchone


def take_time(connection: TimedConnection) -> None:
    """Let the transaction that begins now take as long as it needs: it alters tables."""
    connection.seconds = None
    connection.execute(_FOR_MIGRATIONS)


@contextmanager
def pipeline(connection: psycopg.Connection[Any]) -> Generator[PostgresCursor]:
    """Open a transaction on a connection in autocommit, in a pipeline: its BEGIN and COMMIT wait for nobody.

    Raises:
        psycopg.Error: of whichever statement, perhaps only when a later one's result is asked for, or at the end.

    """
    with connection.pipeline():
        cursor = PostgresCursor(connection)
        cursor.execute("BEGIN")
        yield cursor
        cursor.execute("COMMIT")

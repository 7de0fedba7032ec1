"""What the hot path asks of psycopg; loaded only where the database is a PostgreSQL.

On a machine of its own the database is a round trip away, and waiting for it is most of what a statement costs. In a
pipeline statements wait until somebody asks for a result; then all go out together, and one answers for all.

The cursor for that speaks to libpq through psycopg. psycopg's own one waits for the socket at each statement, and knows
a prepared one by the sizes of its numbers, so that of a row with many it never knows one again.

Nobody waits for ever: the server gives up a lock or a statement after some seconds, as each connection's own options
say, and the client gives up a server that does not even do that, for it is frozen or cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus

LOCK_SECONDS = 5
"""How long a statement waits for a lock that another transaction holds."""
ANSWER_SECONDS = 5
"""By how much longer the client waits than the server is to take at most; and how long for one that may be frozen."""

PLANS_ONCE = "plan_cache_mode=force_generic_plan"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the statements of a connection may take."""

    statement_seconds: int
    idle_seconds: int
    """How long its transaction may stay open while nothing is asked in it: then the server ends it, and its locks. In a
    pipeline the server does not count it; there nothing of ours stands between two statements."""
    plans_once: bool = False
    """Whether each prepared statement has one plan. Where a table is cut by months, to plan it anew for each call costs
    more than the call."""

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to connect with; what the database's URL has *given* goes before it."""
        settings = {
            "lock_timeout": LOCK_SECONDS,
            "statement_timeout": self.statement_seconds,
            "idle_in_transaction_session_timeout": self.idle_seconds,
        }
        ours = " ".join(f"-c {name}={seconds}s" for name, seconds in settings.items())
        if self.plans_once:
            ours += f" -c {PLANS_ONCE}"
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


HOT = Patience(statement_seconds=LOCK_SECONDS + 1, idle_seconds=60, plans_once=True)
"""For the statements of a generation, each of which finds its rows by their keys."""
LONG = Patience(statement_seconds=60, idle_seconds=60)
"""For all else: a report of a large tenant's month may take its time."""
_FOR_MIGRATIONS = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"


class Unanswered(psycopg.OperationalError):
    """The server neither answered nor gave up in time; the connection is closed."""


class TimedConnection(psycopg.Connection[Any]):
    """A connection that gives up a server which does not answer. Frozen, it would keep us for ever."""

    seconds: float | None = None

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.prepared: dict[str, bytes] = {}
        """The names of the statements that the server knows, by their texts."""
        self.values = Transformer(self)
        """What reads its results."""

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

    plans_once = False

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

    def executemany(self, sql: str, parameters: Sequence[Mapping[str, Any] | Sequence[Any]], /) -> PostgresCursor:
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


class PipelineCursor:
    """Gathers statements, and sends them together when somebody asks what came of one."""

    plans_once = HOT.plans_once

    def __init__(self, connection: TimedConnection) -> None:
        self._connection = connection
        self._waiting: list[tuple[str, Sequence[bytes | None]]] = []
        self._results: list[Any] = []
        """Of all that was sent so far."""
        self._fetched = 0
        """How many rows of the last statement :meth:`fetchone` has returned."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""
        return self._result(-1).command_tuples or 0

    def execute(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] = (), /) -> PipelineCursor:
        """Run one statement, with the next of which somebody asks the result."""
        given: Any = parameters
        names = _worded(sql)[1]
        values: Sequence[Any] = given if names is None else [given[name] for name in names]
        self._waiting.append((sql, [_sent(value) for value in values]))
        self._fetched = 0
        return self

    def executemany(self, sql: str, parameters: Sequence[Mapping[str, Any] | Sequence[Any]], /) -> Any:
        """Run one statement once per row."""
        for row in parameters:
            self.execute(sql, row)
        return self

    def fetchone(self) -> Any:
        """Return the next row of the last statement as a tuple, or ``None`` where there is none any more."""
        row = self._row(-1, self._fetched)
        self._fetched += 1
        return row

    def fetchall(self) -> list[Any]:
        """Return all rows of the last statement that were not fetched yet."""
        result = self._result(-1)
        first, self._fetched = min(self._fetched, result.ntuples), result.ntuples
        self._connection.values.set_pgresult(result)
        return self._connection.values.load_rows(first, result.ntuples, tuple)

    def send(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any], /) -> Callable[[], Any]:
        """Run one statement that returns rows, and return what tells the first of them, which may be asked later."""
        self.execute(sql, parameters)
        place = len(self._results) + len(self._waiting) - 1
        return lambda: self._row(place, 0)

    def flush(self) -> None:
        """Send what waits, and take in what came of it.

        Raises:
            psycopg.Error: of the first statement that failed; those behind it were not run.

        """
        if not self._waiting:
            return
        connection, waiting = self._connection, self._waiting
        pgconn, preparing = connection.pgconn, list[str | None]()
        self._waiting = []
        pgconn.enter_pipeline_mode()
        try:
            for sql, values in waiting:
                if (name := connection.prepared.get(sql)) is None:
                    name = connection.prepared[sql] = f"p{len(connection.prepared)}".encode()
                    pgconn.send_prepare(name, _worded(sql)[0])
                    preparing.append(sql)
                pgconn.send_query_prepared(name, values)
                preparing.append(None)
            pgconn.pipeline_sync()
            found = connection.wait(_answers(pgconn, len(preparing) + 1))
        except BaseException:
            connection.close()  # what was sent, and what came of it, nobody knows
            raise
        finally:
            if pgconn.status != ConnStatus.BAD:
                pgconn.exit_pipeline_mode()
        self._take(preparing, found)

    def _take(self, preparing: Sequence[str | None], found: Sequence[Any]) -> None:
        error: psycopg.Error | None = None
        for place, sql in enumerate(preparing):
            result = found[place][-1] if place < len(found) and found[place] else None
            is_done = result is not None and result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
            if sql is None:
                self._results.append(result)
            elif not is_done:
                del self._connection.prepared[sql]
            if result is not None and result.status == ExecStatus.FATAL_ERROR and error is None:
                error = psycopg.errors.error_from_result(result)
        if error is not None:
            raise error

    def _result(self, place: int) -> Any:
        self.flush()
        return self._results[place]

    def _row(self, place: int, number: int) -> Any:
        result = self._result(place)
        if number >= result.ntuples:
            return None
        self._connection.values.set_pgresult(result)
        return self._connection.values.load_row(number, tuple)


def _answers(pgconn: Any, count: int) -> PQGen[list[Any]]:
    """Flush what was sent; return what came of each. A server that says why it ends need not answer the rest."""
    yield from generators.send(pgconn)
    found: list[Any] = []
    try:
        for _ in range(count):
            found.append((yield from generators.fetch_many(pgconn)))  # noqa: PERF401 it is a generator that waits
    except psycopg.OperationalError:
        if not any(one.status == ExecStatus.FATAL_ERROR for results in found for one in results):
            raise
    return found


_PLACE = re.compile(r"%(?:\((\w+)\)s|(s)|%)")


@lru_cache(1024)
def _worded(sql: str) -> tuple[bytes, Sequence[str] | None]:
    """Return a statement in the server's words, and its parameters' names in order; ``None`` where they have none.

    Of what type each is the server infers from where it stands.
    """
    names: dict[str, int] = {}
    count = 0

    def place(found: re.Match[str]) -> str:
        nonlocal count
        if found[1]:
            return f"${names.setdefault(found[1], len(names) + 1)}"
        if not found[2]:
            return "%"
        count += 1
        return f"${count}"

    text = _PLACE.sub(place, sql).encode()
    return text, None if count else tuple(names)


def _sent(value: Any) -> bytes | None:
    """Return a value as the wire has it, in text."""
    if value is None:
        return None
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, str):
        if "\0" in value:
            raise psycopg.DataError("a text cannot hold a NUL")
        return value.encode()
    if isinstance(value, (int, float)):
        return str(value).encode()
    raise TypeError(f"{type(value).__name__} is nothing that the hot path stores")


@contextmanager
def pipeline(connection: TimedConnection) -> Generator[PipelineCursor]:
    """Open a transaction on a connection in autocommit, in a pipeline: its BEGIN and COMMIT wait for nobody.

    Raises:
        psycopg.Error: of whichever statement, perhaps only when a later one's result is asked for, or at the end.

    """
    for _ in range(2):  # what it said last, and that it has gone since; without asking it
        connection.pgconn.consume_input()
    cursor = PipelineCursor(connection)
    cursor.execute("BEGIN")
    try:
        yield cursor
        cursor.execute("COMMIT")
        cursor.flush()
    except BaseException:
        _undo(connection)
        raise


def _undo(connection: TimedConnection) -> None:
    """Undo what was sent of a transaction, if anything was; a connection on which that fails is of no use any more."""
    if connection.closed or not connection.pgconn.transaction_status:
        return
    undoing = PipelineCursor(connection)
    try:
        undoing.execute("ROLLBACK")
        undoing.flush()
    except psycopg.Error:
        connection.close()

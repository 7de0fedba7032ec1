"""What the hot path asks of psycopg; loaded only where the database is a PostgreSQL.

On a machine of its own the database is a round trip away, and waiting for it is most of what a statement costs. In a
pipeline statements go out without waiting; only who asks for a result waits, and then once for all that was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg


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

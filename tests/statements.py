"""Counts what really reaches a database: statements at the driver, whoever sends them and on which connection."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from core import postgres

_BOUNDS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SET ", "SHOW ", "--")
"""How what asks nothing begins: the ends of transactions, settings, and what SQLite remarks of triggers."""
_PINGS = ("SELECT 1", ";")
"""What a pool asks a connection before it hands it out, in the words of either driver."""


class Statements:
    """The statements that were sent while somebody listened, in their order."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self._lock = threading.Lock()

    def note(self, sql: str) -> None:
        """Take down one statement."""
        words = " ".join(sql.split())
        if words not in _PINGS and not words.upper().startswith(_BOUNDS):
            with self._lock:
                self.sent.append(words)

    def __len__(self) -> int:
        return len(self.sent)

    def clear(self) -> None:
        """Begin anew."""
        self.sent.clear()


@contextmanager
def counted() -> Generator[Statements]:
    """Listen to every connection that is opened within the block, of every database."""
    statements = Statements()

    def listen(connection: Any, _record: Any) -> None:
        if isinstance(connection, psycopg.Connection):
            connection.cursor_factory = _cursor_of(statements)
        else:
            connection.set_trace_callback(statements.note)

    def heard(cursor: postgres.PipelineCursor, sql: str, *parameters: Any) -> postgres.PipelineCursor:
        statements.note(sql)
        return execute(cursor, sql, *parameters)

    execute, postgres.PipelineCursor.execute = postgres.PipelineCursor.execute, heard
    event.listen(Engine, "connect", listen)
    try:
        yield statements
    finally:
        postgres.PipelineCursor.execute = execute
        event.remove(Engine, "connect", listen)


def _cursor_of(statements: Statements) -> type[psycopg.Cursor[Any]]:
    class Counted(psycopg.Cursor[Any]):
        """A cursor that takes down what it is given."""

        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            statements.note(str(query))
            return super().execute(query, *arguments, **options)

        def executemany(self, query: Any, *arguments: Any, **options: Any) -> Any:
            statements.note(str(query))
            return super().executemany(query, *arguments, **options)

    return Counted

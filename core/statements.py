"""Statements on the driver itself, made once: what cursors of both databases have in common, and whole-row INSERTs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol, cast

import orjson
from sqlalchemy import Column, Dialect, String, text

from core.clock import micros
from core.tables import Json, Row, UtcTime

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that cannot be kept."""
Parameters = Mapping[str, Any] | Sequence[Any]
Sent = Callable[[], Any]
"""Returns the first row of a statement that was sent, as a tuple, or ``None``."""


class Cursor(Protocol):
    """What sqlite3 and psycopg have in common, and :meth:`send`."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""
        ...

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Any:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Sequence[Parameters], /) -> Any:
        """Run one statement once per row."""
        ...

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or ``None``."""
        ...

    def send(self, sql: str, parameters: Parameters, /) -> Sent:
        """Run one statement that returns rows, and return what tells the first of them, which may be asked later."""
        ...


def prepared(sql: str, dialect: Dialect) -> str:
    """Return *sql*, written with ``:name`` parameters, in the words of the driver of *dialect*."""
    return _prepared(sql, type(dialect), dialect.paramstyle)


@lru_cache(maxsize=1024)
def _prepared(sql: str, dialect: type[Dialect], paramstyle: str) -> str:
    made: Any = dialect
    return str(text(sql).compile(dialect=made(paramstyle=paramstyle)))


class Insert:
    """An INSERT of whole rows, whose text is made once; values cross as the columns' types store them."""

    def __init__(self, dialect: Dialect, table: type[Row], *, unless: str = "") -> None:
        """Make it; *unless* is a SELECT, with ``?`` for what it is given: where it finds something, no row goes in."""
        made: Any = cast("Any", table).__table__
        quote, mark = dialect.identifier_preparer.quote, "?" if dialect.name == "sqlite" else "%s"
        names = [column.name for column in made.columns]
        columns, marks = ", ".join(map(quote, names)), ", ".join([mark] * len(names))
        into = f"INSERT INTO {quote(made.name)} ({columns})"
        if unless:  # a value that is selected has no type of its own
            marks = ", ".join(f"CAST({mark} AS {column.type.compile(dialect)})" for column in made.columns)
            self._text = f"{into} SELECT {marks} WHERE NOT EXISTS ({unless.replace('?', mark)})"
        else:
            self._text = f"{into} VALUES ({marks})"
        self._pick = itemgetter(*names)
        self._convert = [
            (place, convert) for place, column in enumerate(made.columns) if (convert := _converter(column)) is not None
        ]

    def __call__(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]], *asked: Any) -> None:
        """Insert *rows*, each with a value for every column; *asked* is what the condition is given."""
        if len(rows) == 1:
            cursor.execute(self._text, [*self._stored(rows[0]), *asked])
        elif rows:
            cursor.executemany(self._text, [[*self._stored(row), *asked] for row in rows])

    def _stored(self, row: Mapping[str, Any]) -> list[Any]:
        values = list(self._pick(row))
        for place, convert in self._convert:
            values[place] = convert(values[place])
        return values


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def json_text(value: Any) -> str | None:
    """Return a value as a JSON column stores it."""
    return None if value is None else orjson.dumps(value).decode()


def _text(value: str | None) -> str | None:
    """Return a text as both databases take it: a NUL in it is one that PostgreSQL refuses, with all else of the row."""
    return value if value is None or "\0" not in value else value.replace("\0", REPLACEMENT)


def _converter(column: Column[Any]) -> Callable[[Any], Any] | None:
    """Return what makes of a value what the column stores, if it is not the value itself. Keys are our own words."""
    if isinstance(column.type, String) and not column.primary_key and not column.foreign_keys:
        return _text
    return _STORED.get(type(column.type))


_STORED: Mapping[type, Callable[[Any], Any]] = {UtcTime: _micros, Json: json_text}

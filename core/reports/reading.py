"""One look at the store: everything asked through it is of the same moment."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Select
from sqlmodel import Session

from core.database_faults import DatabaseFault
from core.store import Store


class Reading:
    """A read transaction."""

    def __init__(self, store: Store, connection: Connection, session: Session) -> None:
        self.session = session
        self._store = store
        self._connection = connection

    def rows(self, sql: str, bound: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows that *sql*, with ``:name`` parameters, gives; values as they are stored."""
        return self._connection.exec_driver_sql(self._store.prepare(sql), dict(bound)).all()

    def ask(self, statement: Select[*tuple[Any, ...]]) -> Sequence[Any]:
        """Return the rows that *statement* gives; values as the tables' types read them."""
        return self._connection.execute(statement).all()

    def tenant_names(self) -> dict[str, str]:
        """Return every tenant's name by its id."""
        return {row.id: row.name for row in self.rows("SELECT id, name FROM tenant", {})}


@contextmanager
def reading(store: Store) -> Generator[Reading]:
    """Open one look at *store*.

    Raises:
        Unavailable: the database does not answer.

    """
    try:
        with store.snapshot() as connection:
            if not store.is_sqlite:  # SQLite's read transactions are snapshots already
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with Session(connection, expire_on_commit=False) as session:
                yield Reading(store, connection, session)
    except sqlalchemy.exc.DBAPIError as error:
        raise DatabaseFault.DOWN.told() from error

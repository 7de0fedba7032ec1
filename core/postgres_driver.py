"""The hot path's driver of a PostgreSQL; loaded only where the database is one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection

from core import postgres
from core.database_faults import DatabaseFault, Disconnected, fault_of
from core.statements import Cursor


class PostgresDriver:
    """The hot path's way to a PostgreSQL: connections in autocommit that nobody has asked whether they live."""

    def __init__(self, pooled: Engine, hot: Engine) -> None:
        self._pooled = pooled
        self._hot = hot

    def cursor(self, driver_connection: Any) -> postgres.PostgresCursor:
        """Return a cursor on a connection."""
        return postgres.PostgresCursor(driver_connection)

    def transaction(
        self, *, pipelined: bool, single: bool, prepare: Callable[[Cursor], object] | None = None
    ) -> AbstractContextManager[Cursor]:
        """Open a transaction that writes: see :meth:`core.store.Store.transaction`."""
        if single:
            return self._single_statement()
        return self._pipelined_transaction() if pipelined else self._pooled_transaction(prepare)

    @contextmanager
    def _pooled_transaction(self, prepare: Callable[[Cursor], object] | None) -> Generator[Cursor]:
        connection = self._pooled.raw_connection()
        try:
            cursor = self.cursor(connection.driver_connection)
            if prepare is not None:
                prepare(cursor)
            yield cursor
            connection.commit()
        except psycopg.Error as error:
            if _is_broken(connection):  # there is nothing to undo on it
                connection.invalidate(error)
            raise
        finally:
            connection.close()  # back to the pool, which rolls back what was not committed

    @contextmanager
    def _pipelined_transaction(self) -> Generator[Cursor]:
        connection, is_whole = self._hot.raw_connection(), False
        try:
            with postgres.pipeline(cast("Any", connection.driver_connection)) as cursor:
                yield cursor
                is_whole = True
        except psycopg.Error as error:
            if not _is_broken(connection):
                raise
            connection.invalidate(error)
            if is_whole or isinstance(error, postgres.Unanswered):  # kept, perhaps
                raise
            fault = fault_of(error) or DatabaseFault.RESTARTING
            raise Disconnected(f"{fault.sentence} Nothing was written.", reason=fault.value) from error
        finally:
            connection.close()

    @contextmanager
    def _single_statement(self) -> Generator[Cursor]:
        connection = self._hot.raw_connection()
        try:
            cursor = postgres.PipelineCursor(cast("Any", connection.driver_connection))
            yield cursor
            cursor.flush()
        except psycopg.Error as error:
            if not _is_broken(connection):
                raise
            connection.invalidate(error)
            if isinstance(error, postgres.Unanswered):
                raise
            fault = fault_of(error) or DatabaseFault.RESTARTING
            raise Disconnected(fault.sentence, reason=fault.value) from error
        finally:
            connection.close()

    def read(self, sql: str, parameters: Mapping[str, Any], of: Callable[[Any], Any]) -> Any:
        """Return what *of* takes from the rows of a SELECT."""
        while True:
            connection = self._hot.raw_connection()
            try:
                return of(postgres.PipelineCursor(cast("Any", connection.driver_connection)).execute(sql, parameters))
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not _is_broken(connection):
                    raise
                connection.invalidate(error)  # and try the next, until one lives or none can be made
                if isinstance(error, postgres.Unanswered):
                    raise
            finally:
                connection.close()

    def close(self) -> None:
        """Leave the connections to their pools."""


def _is_broken(connection: PoolProxiedConnection) -> bool:
    """Whether the connection is gone."""
    return bool(cast("Any", connection.driver_connection).closed)

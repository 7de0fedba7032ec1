"""One look at the store: everything asked through it is of the same moment, and of tenants that the asker may see."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy.exc
from sqlalchemy import Connection, Select, func, select
from sqlmodel import Session

from core.budgets.balances import BudgetPeriod, balances
from core.clock import from_micros, micros
from core.database_faults import DatabaseFault
from core.errors import NotFound
from core.own_keys import OwnKeys
from core.principals import TenantScope
from core.store import Store
from core.store_room import StoreRoom, TableSize, store_room, table_sizes
from core.tables import GenerationRow, Tenant
from core.visibility import visible, visible_sql


class TenantFacts(NamedTuple):
    """What reports say of a tenant beside its figures."""

    name: str
    timezone: str


class Reading:
    """A read transaction, limited to some tenants or open to all."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        session: Session,
        scope: TenantScope,
        *,
        sees_all: bool = False,
    ) -> None:
        self.session = session
        self.scope = scope
        self.sees_all = sees_all
        """Whether who asks sees all tenants, also where the look is at one: what concerns all is for such alone."""
        self._store = store
        self.connection = connection
        self.known_few: set[tuple[int, int]] = set()
        """Stretches of time of which few calls are in no sums yet."""

    def rows(
        self, sql: str, bound: Mapping[str, Any], *, tenant: str = "g.tenant_id", with_shared: bool = False
    ) -> Sequence[Any]:
        """Return the rows that *sql*, with ``:name`` parameters, gives; values as they are stored.

        In the place of its ``{tenant}`` stands what limits the column *tenant* to the tenants that may be seen; there
        is no way to ask without. *with_shared* adds what concerns every tenant.
        """
        assert "{tenant}" in sql, "a report that is not limited"  # noqa: S101 a fault of ours, found by any test
        condition, own = visible_sql(self.scope, tenant, with_shared=with_shared)
        return self.connection.exec_driver_sql(
            self._store.prepare(sql.replace("{tenant}", condition)), {**bound, **own}
        ).all()

    def ask(self, statement: Select[*tuple[Any, ...]], tenant: Any = GenerationRow.tenant_id) -> Sequence[Any]:
        """Return the rows that *statement* gives, limited by the column *tenant*; values as the tables' types read."""
        return self.connection.execute(statement.where(visible(self.scope, tenant))).all()

    def count(self, statement: Select[*tuple[Any, ...]], tenant: Any = GenerationRow.tenant_id) -> int:
        """Return how many rows *statement*, limited as in :meth:`ask`, gives: as many as its own bound at most."""
        some = statement.where(visible(self.scope, tenant)).subquery()
        return int(self.connection.execute(select(func.count()).select_from(some)).scalar_one())

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite that is asked."""
        return self._store.is_sqlite

    def room(self) -> tuple[StoreRoom, Sequence[TableSize]]:
        """How much room the database takes and has, and how large its tables are."""
        room = store_room(self._store)
        return room, table_sizes(self.connection, room, is_sqlite=self.is_sqlite)

    @property
    def own_keys(self) -> OwnKeys:
        """What opens prompts and answers."""
        return self._store.own_keys

    def balances(self, periods: Sequence[BudgetPeriod]) -> dict[str, tuple[int, int]]:
        """Return what is spent and held of budgets that were found here, by budget id."""
        return balances(self._store, self.connection, periods)

    def tenant(self, tenant_id: str) -> Tenant:
        """Return one tenant.

        Raises:
            NotFound: there is none, or none that may be seen.

        """
        found = self.session.get(Tenant, tenant_id) if self.scope.holds(tenant_id) else None
        if found is None:
            raise NotFound(f"There is no tenant {tenant_id!r}.")
        return found

    @cached_property
    def rolled_from(self) -> int:
        """Since when calls are in the rollups, in microseconds since 1970; older ones are read from the calls."""
        found = self.connection.exec_driver_sql("SELECT built_from FROM rollup_state").scalar()
        return int(found or 0)

    @cached_property
    def _raw_from(self) -> Mapping[str, int]:
        rows = self.rows(
            "SELECT o.tenant_id, o.raw_from FROM aged_out o WHERE 1 = 1 {tenant}", {}, tenant="o.tenant_id"
        )
        return dict(tuple(row) for row in rows)

    def raw_from(self, tenants: Iterable[str] | None = None) -> int:
        """Return since when calls are kept of all tenants that may be seen, or of all these; 0 where all are.

        Older ones are there of some tenants alone: nothing that is about all of them may be read from calls.
        """
        found = self._raw_from
        some = found if tenants is None else found.keys() & set(tenants)
        return max((found[one] for one in some), default=0)

    def unkept(self, since: datetime, tenants: Iterable[str] | None = None) -> Mapping[str, datetime]:
        """Return of whom calls that began *since* then are not kept any more, and from when on they are."""
        found, least = self._raw_from, micros(since)
        some = found if tenants is None else found.keys() & set(tenants)
        return {one: from_micros(found[one]) for one in some if found[one] > least}

    @cached_property
    def tenants(self) -> Mapping[str, TenantFacts]:
        """The name and the time zone of each tenant that may be seen, by its id."""
        sql = "SELECT t.id, t.name, t.timezone FROM tenant t WHERE 1 = 1 {tenant}"
        return {row.id: TenantFacts(row.name, row.timezone) for row in self.rows(sql, {}, tenant="t.id")}

    def name_of(self, tenant_id: str) -> str:
        """Return what a tenant is called; its id, where it is gone."""
        facts = self.tenants.get(tenant_id)
        return tenant_id if facts is None else facts.name


@contextmanager
def reading(store: Store, scope: TenantScope, *, sees_all: bool = False) -> Generator[Reading]:
    """Open one look at *store*, at what is of the tenants in *scope*; whoever asks *sees_all*, or not.

    Raises:
        Unavailable: the database does not answer.

    """
    try:
        with store.snapshot() as connection:
            if not store.is_sqlite:  # SQLite's read transactions are snapshots already
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with Session(connection, expire_on_commit=False) as session:
                yield Reading(store, connection, session, scope, sees_all=sees_all)
    except sqlalchemy.exc.DBAPIError as error:
        raise DatabaseFault.DOWN.told() from error

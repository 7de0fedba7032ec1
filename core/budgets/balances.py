"""How budgets stand in their periods: of however many, in a bounded number of statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from core.budgets.terms import Scope
from core.clock import micros
from core.store import Store

# The budgets go over as one value, so that the text is the same however many they are.
_WANTED_SQLITE = """WITH wanted AS (
    SELECT value ->> 'budget_id' AS budget_id, value ->> 'tenant_id' AS tenant_id, value ->> 'scope_name' AS scope_name,
        value ->> 'starts_at' AS starts_at, value ->> 'ends_at' AS ends_at
    FROM json_each(:wanted)
)"""
_WANTED_POSTGRESQL = """WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(CAST(:wanted AS jsonb))
    AS w (budget_id text, tenant_id text, scope_name text, starts_at bigint, ends_at bigint)
)"""
_OPENED = """{wanted}
SELECT w.budget_id, c.spent_nano_usd AS spent, c.held_nano_usd AS held FROM wanted w
JOIN account c ON c.budget_id = w.budget_id AND c.starts_at = w.starts_at AND c.ends_at = w.ends_at"""
_CALLS = "g.tenant_id = w.tenant_id AND g.started_at >= w.starts_at AND g.started_at < w.ends_at"
# What is known of a call's cost: its own sum or, where an attempt is unpriced, the sum of those that are priced.
_SPENT = f"""{{wanted}}
SELECT w.budget_id, CAST(COALESCE(SUM(COALESCE(
        g.cost_nano_usd,
        (SELECT CAST(SUM(a.cost_nano_usd) AS BIGINT) FROM attempt a WHERE a.generation_id = g.id)
    )), 0) AS BIGINT) AS spent
FROM wanted w JOIN generation g ON {_CALLS} AND {{scope}}
WHERE g.attempts > 0 GROUP BY w.budget_id"""  # noqa: S608 our own words
_SPENT_ON_ATTEMPTS = f"""{{wanted}}
SELECT w.budget_id, CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent
FROM wanted w JOIN generation g ON {_CALLS}
JOIN attempt a ON a.generation_id = g.id AND {{scope}}
GROUP BY w.budget_id"""  # noqa: S608 as above
_SPENT_ON = {
    scope: (_SPENT_ON_ATTEMPTS if scope.is_of_attempts else _SPENT).replace(
        "{scope}", f"{scope.subject_sql} = w.scope_name"
    )
    for scope in Scope
}


class BudgetPeriod(NamedTuple):
    """One budget in one of its periods."""

    budget_id: str
    tenant_id: str
    starts_at: datetime
    ends_at: datetime
    scope: Scope = Scope.TENANT
    scope_name: str = ""


def balances(store: Store, connection: Connection, periods: Sequence[BudgetPeriod]) -> dict[str, tuple[int, int]]:
    """Return what is spent and held of each budget in its period, by budget id, in nano-dollars.

    A period whose account is not open yet, because nothing was called in it under the budget, is answered with what the
    account will begin with.
    """
    if not periods:
        return {}
    rows = _asked(store, connection, _OPENED, periods)
    found = {row.budget_id: (int(row.spent), int(row.held)) for row in rows}
    for scope, sql in _SPENT_ON.items():
        unopened = [one for one in periods if one.budget_id not in found and one.scope is scope]
        if unopened:
            rows = _asked(store, connection, sql, unopened)
            spent = {row.budget_id: int(row.spent) for row in rows}
            found |= {one.budget_id: (spent.get(one.budget_id, 0), 0) for one in unopened}
    return found


def _asked(store: Store, connection: Connection, sql: str, periods: Iterable[BudgetPeriod]) -> Sequence[Any]:
    wanted = _WANTED_SQLITE if store.is_sqlite else _WANTED_POSTGRESQL
    value = orjson.dumps([_described(one) for one in periods]).decode()
    return connection.exec_driver_sql(store.prepare(sql.replace("{wanted}", wanted)), {"wanted": value}).all()


def _described(one: BudgetPeriod) -> Mapping[str, str | int]:
    return {
        "budget_id": one.budget_id,
        "tenant_id": one.tenant_id,
        "scope_name": one.scope_name,
        "starts_at": micros(one.starts_at),
        "ends_at": micros(one.ends_at),
    }

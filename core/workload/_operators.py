"""What operators would have decided before the first call of a workload: tenants, keys, budgets, schemas.

It is made by the real commands, and found again where a fill goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_
from sqlmodel import col, select

from core.budgets import Budgets, BudgetTerms, Scope
from core.clock import ManualClock, micros
from core.errors import NotFound
from core.principals import LOCAL_OPERATOR
from core.schemas import Schemas
from core.store import Store
from core.tables import Account, ApiKey, Tenant
from core.tenants import Tenants

MOST_TENANTS = 1_000
FIRST_MODEL = "openai/gpt-4o-mini"
"""Half of the tenants have a budget of its own for it."""
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
_KEYS = ("production", "batch", "trial")
_LIMIT_NANO_USD = 10**15
_SCHEMAS = 5
_VERSIONS = 3


@dataclass(frozen=True, slots=True)
class CalledSchema:
    """A shape that calls ask for; without a version it came with the request."""

    name: str
    version: int | None
    hash: str


@dataclass(frozen=True, slots=True)
class PayingTenant:
    """A tenant, its keys, and the budgets that pay for it."""

    id: str
    keys: tuple[tuple[str, str], ...]
    """The id of each, and what is shown of it."""
    terms: tuple[BudgetTerms, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """All that was decided."""

    tenants: Sequence[PayingTenant]
    """The first calls most."""
    schemas: Sequence[Sequence[CalledSchema]]
    """The versions of each registered schema, the oldest first."""
    inline: Sequence[CalledSchema]
    accounts: dict[tuple[str, datetime], str]
    """The account of each budget by when its period began."""


def name_of(number: int) -> str:
    """Return what the tenant of that number, from 1 on, is called."""
    return f"Bench {number:03}"


IS_OWN = and_(col(Tenant.name).in_([name_of(number) for number in range(1, MOST_TENANTS + 1)]), ~col(Tenant.is_demo))
"""Whether a tenant is one of a workload, by all of its name: another's may begin like it."""


class Operators:
    """Decides it, or finds it again."""

    def __init__(self, store: Store, begins: datetime, now: datetime) -> None:
        """The decisions fall at *begins*, and accounts are opened until *now*."""
        self._store, self._begins, self._now = store, begins, now
        clock = ManualClock(begins, seed=micros(now))
        self._tenants, self._schemas = Tenants(store, clock), Schemas(store, clock)
        self._budgets = Budgets(store, clock, owner="workload")

    def decide(self, tenants: int, calls_begin: datetime) -> Decided:
        """Make so many tenants and what they need, unless that was done before; open the accounts of all periods."""
        with self._store.reading() as session:
            found = list(session.exec(select(Tenant).where(IS_OWN).order_by(Tenant.name)))
        if not found:
            found = [self._tenant(number) for number in range(1, tenants + 1)]
        wanted = [one.id for one in found]
        with self._store.reading() as session:
            terms = self._budgets.terms(session, found)
            keys = session.exec(select(ApiKey).where(col(ApiKey.tenant_id).in_(wanted)).order_by(ApiKey.id)).all()
        callers = [
            PayingTenant(
                one.id,
                tuple((key.id, f"key {key.prefix}…") for key in keys if key.tenant_id == one.id),
                tuple(each for each, _ in terms.get(one.id, ())),
            )
            for one in found
        ]
        schemas = [self._versions(number) for number in range(1, _SCHEMAS + 1)]
        inline = [self._schemas.inline(_body(f"Asked{number}", 3 + number)) for number in range(2)]
        called = [CalledSchema(one.name, None, one.hash) for one in inline]
        return Decided(callers, schemas, called, self._accounts(callers, calls_begin))

    def _tenant(self, number: int) -> Tenant:
        tenant = self._tenants.create(LOCAL_OPERATOR, name_of(number), _ZONES[number % len(_ZONES)])
        self._budgets.set(LOCAL_OPERATOR, tenant, _LIMIT_NANO_USD)
        if number % 2:
            self._budgets.set(LOCAL_OPERATOR, tenant, _LIMIT_NANO_USD, scope=Scope.MODEL, scope_name=FIRST_MODEL)
        for name in _KEYS:
            self._tenants.create_key(LOCAL_OPERATOR, tenant, name)
        return tenant

    def _versions(self, number: int) -> list[CalledSchema]:
        """Return the versions of a schema, the oldest first."""
        name, fields = f"bench_{number}", _VERSIONS * number
        try:
            known = self._schemas.versions(LOCAL_OPERATOR, name)
        except NotFound:
            for version in range(_VERSIONS):
                self._schemas.add(LOCAL_OPERATOR, name, _body(f"Bench{number}", fields + version))
            known = self._schemas.versions(LOCAL_OPERATOR, name)
        return [CalledSchema(name, one.version, one.hash) for one in reversed(known)]

    def _accounts(self, callers: Sequence[PayingTenant], calls_begin: datetime) -> dict[tuple[str, datetime], str]:
        """Open the account of each budget and month, as the first call in it would."""
        for caller in callers:
            for terms in caller.terms:
                at = calls_begin
                while at <= self._now:
                    span = terms.span(at)
                    assert span is not None  # noqa: S101 a month is never over
                    self._budgets.accounts.open(terms, at)
                    at = span[1]
        mine = col(Account.tenant_id).in_([caller.id for caller in callers])
        with self._store.reading() as session:
            return {(one.budget_id, one.starts_at): one.id for one in session.exec(select(Account).where(mine))}


def _body(title: str, fields: int) -> dict[str, Any]:
    properties = {f"field_{one}": {"type": "string"} for one in range(fields)}
    return {"title": title, "type": "object", "properties": properties, "required": list(properties)}

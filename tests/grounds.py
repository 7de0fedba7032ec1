"""Two tenants with one of everything that a tenant has, and what can be told of a database and of an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd
from pydantic import BaseModel

from core.claims import ANSWER
from core.faults import Fault
from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from core.reports import ChangeFilter
from core.repricing import RepricingScope
from core.runtime import Runtime
from core.store import Store
from core.tables import AgedOut, Claim, Outcome, Row, Tenant
from tests import builders
from tests.conftest import START

AGED_UNTIL = START - timedelta(days=300)

DAY = timedelta(days=1)
RATES = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One tenant, and the ids of what is its own."""

    tenant: Tenant
    key_id: str
    budget_id: str
    raise_id: str
    drill_id: str
    override_id: str
    repricing_id: str
    call_id: str
    change_id: str
    certificate_id: str

    @property
    def marks(self) -> list[str]:
        """By what one sees that something of it is shown."""
        ids = [getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "tenant"]
        return [self.tenant.id, self.tenant.name, *ids]

    def named_in(self, text: str) -> set[str]:
        """Return which of the marks stand in *text*."""
        return {mark for mark in self.marks if mark in text}

    def hidden_in(self, text: str) -> str:
        """Return *text* without what names this ground: so one can compare what is told of two of them."""
        for mark in self.marks:
            text = text.replace(mark, "…")
        return text


def nowhere(name: str) -> Ground:
    """Return the ids of nothing that ever was."""
    ids = {field.name: f"{number:032x}" for number, field in enumerate(dataclasses.fields(Ground), start=1)}
    tenant = Tenant(id=ids.pop("tenant"), name=name, timezone="UTC", created_at=START)
    return Ground(tenant=tenant, **ids)


def hour(tenant_id: str, ago: timedelta) -> RepricingScope:
    """Return the scope of a tenant's calls in the hour that began so long ago."""
    begins = START - ago
    return RepricingScope(
        provider="openai",
        model="gpt-4o-mini",
        starts_at=begins,
        ends_at=begins + timedelta(hours=1),
        tenant_id=tenant_id,
    )


def ground(on: Runtime, name: str, *, ago: timedelta) -> Ground:
    """Make a tenant that has one of everything, decided by an operator of all.

    *ago*, some minutes, is when it last called; whatever is counted of it differs from that of a tenant of another
    name, or with another last call.
    """
    who, tenant = LOCAL_OPERATOR, on.tenants.create(LOCAL_OPERATOR, name)
    budget = on.budgets.set(who, tenant, 1_000_000)
    ann = on.store.own_keys.user_hash(tenant.id, "ann")
    calls = [builders.generation(START - 2 * DAY, tenant.id, cost_nano_usd=100_000, user_hash=ann)]
    calls.append(builders.generation(START - 3 * DAY, tenant.id, cost_nano_usd=100_000))
    builders.save(on.store, calls, [builders.attempt(call, id=f"{call.id}-1", cost_nano_usd=100_000) for call in calls])
    builders.save(on.store, [builders.finding(call) for call in calls])
    builders.save(on.store, AgedOut(tenant_id=tenant.id, raw_from=AGED_UNTIL, below_id="0", at=START))
    history(on.store, tenant, ago)
    on.flags.set(who, "route:gone", tenant, False)
    on.flags.set(who, Flag.STREAMING, tenant, False)
    on.guardrails.set(who, "long", tenant, "length", "note")
    return Ground(
        tenant=tenant,
        key_id=on.tenants.create_key(who, tenant).id,
        budget_id=budget.id,
        raise_id=on.budgets.raise_limit(who, tenant, budget.id, 5, ends_at=START + DAY, reason="more").id,
        drill_id=on.drills.start(who, tenant, Fault.SLOW, share=1, minutes=60, reason="practice").id,
        override_id=on.prices.set(who, "compatible", "own", tenant=tenant, rates=RATES, reason="agreed").id,
        repricing_id=on.repricings.reprice(who, hour(tenant.id, 3 * DAY), "wrong price").id,
        call_id=calls[0].id,
        change_id=change_of(on, tenant),
        certificate_id=on.erasures.erase(who, "nobody", tenant).id,
    )


def change_of(on: Runtime, tenant: Tenant) -> str:
    """Return the id of something that was decided about a tenant."""
    wanted = ChangeFilter(starts_at=START - 99 * DAY, ends_at=START + DAY, tenant_id=tenant.id, kind="flag")
    listed = on.reports.changes(LOCAL_OPERATOR, wanted).changes
    return next(one.id for one in listed if one.action == "flag.set" and one.tenant_id == tenant.id)


def history(store: Store, tenant: Tenant, ago: timedelta) -> None:
    """Write what nobody decided: weeks of calls, a model without a price, a bad hour, an answer that is kept."""
    own, minutes = tenant.name.lower(), int(ago.total_seconds()) // 60
    unlike = {"schema_name": f"{own}_schema", "route": f"{own}_route"}
    past = [
        builders.generation(
            START - (10 + day) * DAY, tenant.id, cost_nano_usd=1_000 * (1 + day * minutes % 7), **unlike
        )
        for day in range(40)
    ]
    paid = [builders.attempt(one, id=f"{one.id}-1", cost_nano_usd=one.cost_nano_usd) for one in past]
    unpriced = {"provider": "compatible", "model": f"{own}-model", "cost_nano_usd": None}
    free = builders.generation(START - 9 * DAY, tenant.id, **unpriced)
    failed = [
        builders.generation(
            START - ago - timedelta(seconds=number),
            tenant.id,
            outcome=Outcome.PROVIDER_ERROR,
            error_code=f"{own}_trouble",
            cost_nano_usd=0,
        )
        for number in range(10 + minutes)
    ]
    hit = builders.generation(START - 8 * DAY, tenant.id, outcome=Outcome.CACHE_HIT, saved_nano_usd=minutes)
    kept = Claim(
        kind=ANSWER,
        key=own,
        tenant_id=tenant.id,
        holder=free.id,
        result=f'"{own}"',
        since=START - ago,
        expires_at=START + DAY,
    )
    paid.append(builders.attempt(free, id=f"{free.id}-1", price=None, **unpriced))
    away = {"outcome": Outcome.PROVIDER_ERROR, "error_code": "key_rejected", "cost_nano_usd": 0}
    paid += [builders.attempt(one, id=f"{one.id}-1", **away) for one in failed]
    builders.save(store, [*past, free, *failed, hit], paid, kept)


def told(value: Any) -> str:
    """Return all that an answer tells, as text."""
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.to_csv()
    if isinstance(value, BaseModel):
        return told(value.model_dump())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return told({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{told(one)}: {told(other)}" for one, other in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(told, value)) + "]"
    if isinstance(value, set | frozenset):
        return told(sorted(map(told, value)))
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return told(vars(value))
    return repr(value)


def rows_of(store: Store) -> set[str]:
    """Return every row of every table, as text: as the driver gives it, which is a tenth of the work."""
    assert Row.metadata.tables, "there is something to compare"
    with store.snapshot() as connection:
        return {
            f"{name} {tuple(row)}"
            for name in Row.metadata.tables
            for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')  # noqa: S608 the tables' own names
        }

"""A deployment that grows: tenants with all that may be had per tenant, to ask whether reads grow with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import Tenant
from tests import builders

DOLLAR = 1_000_000_000
MODEL = "openai/gpt-4o-mini"


def grow(proctor: Runtime, count: int, *, first: int = 0) -> Sequence[Tenant]:
    """Make *count* tenants more, numbered from *first*: each with two budgets, a raise, a key, a schema, two calls."""
    now = proctor.clock.now()
    made = [_tenant(proctor, number) for number in range(first, first + count)]
    calls = [
        builders.generation(
            now - timedelta(hours=1, minutes=minutes), tenant.id, schema_name=f"schema_{first + number}"
        )
        for number, tenant in enumerate(made)
        for minutes in range(2)
    ]
    builders.save(proctor.store, calls, [builders.attempt(call, id=builders.new_id(call.started_at)) for call in calls])
    return made


def _tenant(proctor: Runtime, number: int) -> Tenant:
    now = proctor.clock.now()
    tenant = proctor.tenants.create(LOCAL_OPERATOR, f"Tenant {number}")
    whole = proctor.budgets.set(LOCAL_OPERATOR, tenant, DOLLAR)
    proctor.budgets.set(LOCAL_OPERATOR, tenant, DOLLAR, scope="model", scope_name=MODEL)
    proctor.budgets.raise_limit(
        LOCAL_OPERATOR, tenant, whole.id, DOLLAR, ends_at=now + timedelta(days=1), reason="A busy day"
    )
    proctor.tenants.create_key(LOCAL_OPERATOR, tenant)
    for field in ("first", "second"):
        body = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
        proctor.schemas.add(LOCAL_OPERATOR, f"schema_{number}", {"title": f"Schema{number}", **body})
    return tenant

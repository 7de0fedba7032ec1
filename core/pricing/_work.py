"""What was called at which price, and what without one: the work that is to be done about prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import func
from sqlmodel import col, select

from core.principals import TenantScope
from core.store import Store
from core.tables import AttemptRow, Tenant
from core.visibility import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedModel:
    """A model in use."""

    provider: str
    model: str
    calls: int
    last_at: datetime | None
    """``None`` where it was not called in that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedModel:
    """A model whose calls were paid for and have no price."""

    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    first_at: datetime
    last_at: datetime
    tenants: tuple[str, ...]
    """The names of those who called it."""


def in_use(store: Store, scope: TenantScope, since: datetime, also: Iterable[tuple[str, str]]) -> list[PricedModel]:
    """Return the models that were called since then, those called most first, then those of *also* that were not."""
    calls = func.count()
    query = (
        select(AttemptRow.provider, AttemptRow.model, calls, func.max(AttemptRow.started_at))
        .where(AttemptRow.started_at >= since, visible(scope, AttemptRow.tenant_id))
        .group_by(col(AttemptRow.provider), col(AttemptRow.model))
        .order_by(calls.desc(), col(AttemptRow.provider), col(AttemptRow.model))
    )
    with store.reading() as session:
        called = [
            PricedModel(provider=provider, model=model, calls=count, last_at=last_at)
            for provider, model, count, last_at in session.exec(query)
        ]
    others = sorted({*also} - {(one.provider, one.model) for one in called})
    return [*called, *(PricedModel(provider=who, model=name, calls=0, last_at=None) for who, name in others)]


def unpriced(store: Store, scope: TenantScope) -> list[UnpricedModel]:
    """Return the models whose calls were paid for and have no price, those called most first."""
    calls = func.count()
    query = (
        sqlalchemy.select(
            col(AttemptRow.provider),
            col(AttemptRow.model),
            col(AttemptRow.tenant_id),
            calls,
            func.sum(col(AttemptRow.input_tokens)),
            func.sum(col(AttemptRow.output_tokens)),
            func.min(col(AttemptRow.started_at)),
            func.max(col(AttemptRow.started_at)),
        )
        .where(
            visible(scope, AttemptRow.tenant_id),
            col(AttemptRow.cost_nano_usd).is_(None),
            col(AttemptRow.input_tokens).is_not(None),
        )
        .group_by(col(AttemptRow.provider), col(AttemptRow.model), col(AttemptRow.tenant_id))
    )
    with store.reading() as session:
        rows: list[Any] = list(session.connection().execute(query))
        names = dict(session.exec(select(Tenant.id, Tenant.name).where(visible(scope, Tenant.id))).all())
    found: dict[tuple[str, str], UnpricedModel] = {}
    for provider, model, tenant_id, count, input_tokens, output_tokens, first_at, last_at in rows:
        one = found.get((provider, model))
        found[provider, model] = UnpricedModel(
            provider=provider,
            model=model,
            calls=int(count) + (one.calls if one else 0),
            input_tokens=int(input_tokens or 0) + (one.input_tokens if one else 0),
            output_tokens=int(output_tokens or 0) + (one.output_tokens if one else 0),
            first_at=min(first_at, one.first_at) if one else first_at,
            last_at=max(last_at, one.last_at) if one else last_at,
            tenants=tuple(sorted({*(one.tenants if one else ()), names.get(tenant_id, "a tenant that is gone")})),
        )
    return sorted(found.values(), key=lambda one: (-one.calls, one.provider, one.model))

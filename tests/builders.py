"""Rows of what happened, written straight into a store: for tests of the read side and of the pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection

from core.budgets.periods import Period, period_around
from core.clock import micros
from core.principals import EVERYWHERE, Grant, Principal, Role, TenantScope
from core.rollups import Deltas
from core.store import Store
from core.tables import (
    Account,
    AttemptKind,
    AttemptRow,
    Budget,
    ChangeEvent,
    FieldError,
    FindingRow,
    GenerationRow,
    Outcome,
    Payload,
    Row,
    Tenant,
)

_numbers: Iterator[int] = count(1)
PRICE = {
    "provider": "openai",
    "model": "gpt-4o-mini",
    "input_usd_per_mtok": "0.15",
    "cached_usd_per_mtok": "0.075",
    "output_usd_per_mtok": "0.6",
    "source": "test prices",
}


def new_id(at: datetime) -> str:
    """Return an identifier that sorts by *at*, as the clock's do."""
    return f"{micros(at) // 1000:012x}{next(_numbers):020x}"


def tenant(name: str, at: datetime, timezone: str = "UTC", **more: Any) -> Tenant:
    """Return a tenant whose id is its name in lower case."""
    return Tenant(id=name.lower(), name=name, timezone=timezone, created_at=at, **more)


def budget(of: Tenant, limit_nano_usd: int, spent_nano_usd: int, now: datetime) -> list[Row]:
    """Return a monthly budget and its account of the month that holds *now*."""
    starts_at, ends_at = period_around(Period.MONTH, of.timezone, now)
    return [
        Budget(id=f"budget-{of.id}", tenant_id=of.id, limit_nano_usd=limit_nano_usd, created_at=starts_at),
        Account(
            id=f"account-{of.id}",
            budget_id=f"budget-{of.id}",
            tenant_id=of.id,
            starts_at=starts_at,
            ends_at=ends_at,
            spent_nano_usd=spent_nano_usd,
        ),
    ]


def attempt(of: GenerationRow, n: int = 1, outcome: str = Outcome.VALID_FIRST_TRY, **more: Any) -> AttemptRow:
    """Return the *n*-th attempt of a generation: a first ask at its start, unless *more* says otherwise."""
    started_at = more.pop("started_at", of.started_at)
    duration_ms = more.pop("duration_ms", of.duration_ms)
    values: dict[str, Any] = {
        "id": f"{of.id[:-2]}{n:02x}",
        "kind": AttemptKind.FIRST if n == 1 else AttemptKind.REASK,
        "provider": of.provider or "openai",
        "model": of.model or "gpt-4o-mini",
        "answered_model": of.model,
        "mode": "tools",
        "http_status": 200,
        "provider_request_id": f"req_{of.id[-8:]}_{n}",
        "finish_reason": "stop",
        "input_tokens": 400,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 90,
        "reasoning_tokens": 0,
        "cost_nano_usd": 114_000,
        "price": PRICE,
    }
    return AttemptRow(
        generation_id=of.id,
        tenant_id=of.tenant_id,
        n=n,
        started_at=started_at,
        ended_at=started_at + timedelta(milliseconds=duration_ms),
        duration_ms=duration_ms,
        outcome=outcome,
        **(values | more),
    )


def generation(
    at: datetime, tenant_id: str = "acme", outcome: str = Outcome.VALID_FIRST_TRY, **more: Any
) -> GenerationRow:
    """Return a generation that began *at*: one valid answer for 114 000 nano-dollars, unless *more* says otherwise."""
    duration_ms = more.pop("duration_ms", 800.0)
    blocked = outcome.startswith("blocked_")
    values: dict[str, Any] = {
        "id": more.pop("id", None) or new_id(at),
        "principal": "key prk_test…",
        "request_id": f"r-{next(_numbers)}",
        "route": "default",
        "schema_name": "invoice",
        "schema_version": 1,
        "schema_hash": "a1b2c3d4e5f60718",
        "attempts": 0 if blocked or outcome == Outcome.CACHE_HIT else 1,
        "provider": None if blocked else "openai",
        "model": None if blocked else "gpt-4o-mini",
        "input_tokens": 0 if blocked else 400,
        "output_tokens": 0 if blocked else 90,
        "cost_nano_usd": 0 if blocked or outcome == Outcome.CACHE_HIT else 114_000,
        "trace": [],
    }
    return GenerationRow(
        tenant_id=tenant_id,
        outcome=outcome,
        started_at=at,
        ended_at=at + timedelta(milliseconds=duration_ms),
        duration_ms=duration_ms,
        **(values | more),
    )


def field_error(of: AttemptRow, path: str, kind: str = "missing", message: str = "Field required") -> FieldError:
    """Return one field's error in an attempt."""
    return FieldError(
        id=new_id(of.started_at),
        attempt_id=of.id,
        generation_id=of.generation_id,
        schema_name="invoice",
        schema_hash="a1b2c3d4e5f60718",
        path=path,
        type=kind,
        message=message,
    )


def finding(of: GenerationRow, n: int = 1, **more: Any) -> FindingRow:
    """Return what was found in a generation: a GitHub token in what its user wrote, unless *more* says otherwise."""
    values: dict[str, Any] = {
        "guardrail": "secrets",
        "stage": "input",
        "place": "user text",
        "kind": "a GitHub token",
        "action": "redact",
    }
    return FindingRow(generation_id=of.id, n=n, tenant_id=of.tenant_id, at=of.started_at, **(values | more))


def payload(of: GenerationRow, n: int, asked: Any, answered: str | None, expires_at: datetime) -> Payload:
    """Return what was asked and answered on the *n*-th attempt, or (0) by the generation as a whole."""
    return Payload(generation_id=of.id, n=n, asked=asked, answered=answered, expires_at=expires_at)


def change(at: datetime, kind: str, subject: str, summary: str, tenant_id: str | None = None) -> ChangeEvent:
    """Return a change event."""
    return ChangeEvent(id=new_id(at), at=at, kind=kind, subject=subject, summary=summary, tenant_id=tenant_id)


def save(store: Store, *rows: Row | Sequence[Row]) -> None:
    """Write rows, and rows in lists, in one transaction, and count calls in as the journal does.

    Tables are written in the order in which they first occur: parents first.
    """
    every = [one for row in rows for one in ([row] if isinstance(row, Row) else row)]
    calls = {one.id for one in every if isinstance(one, GenerationRow)}
    calls |= {one.generation_id for one in every if isinstance(one, AttemptRow | FieldError)}
    calls |= {one.reask_of for one in every if isinstance(one, GenerationRow) and one.reask_of is not None}
    deltas = Deltas(store)
    with store.writing() as session:
        cursor = store.cursor(session)
        with deltas.corrected(cursor, deltas.chained(cursor, calls)):
            for table in dict.fromkeys(map(type, every)):
                session.add_all(one for one in every if type(one) is table)
                session.flush()


def decisions(connection: Connection) -> int:
    """Return how many decisions were counted, about all tenants and about single ones."""
    counts = "SELECT count FROM revision UNION ALL SELECT count FROM tenant_revision"
    return sum(connection.exec_driver_sql(counts).scalars())


def person(name: str, role: Role = Role.OWNER, *tenant_ids: str) -> Principal:
    """Return somebody who has a role in these tenants, or without any in all."""
    scope = TenantScope(frozenset(tenant_ids)) if tenant_ids else EVERYWHERE
    return Principal(name, (Grant(role, scope),))

"""Rows as they are written, and as they are read back where they were kept as JSON until then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from core.attempts import Attempt, ProviderCall
from core.pricing import billing, family_of
from core.tables import Row, UtcTime


def attempt_row(attempt: Attempt, generation_id: str, tenant_id: str, charges: int) -> dict[str, Any]:
    """Return the row of an attempt that was charged to so many accounts."""
    answer, usage, cost = attempt.answer, attempt.usage, attempt.cost
    return {
        "id": attempt.id,
        "generation_id": generation_id,
        "tenant_id": tenant_id,
        "n": attempt.n,
        "kind": attempt.kind.value,
        "provider": attempt.provider,
        "model": attempt.model,
        "answered_model": answer.model,
        "mode": attempt.mode,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "duration_ms": attempt.duration_ms,
        "ttft_ms": None if answer.ttft_seconds is None else answer.ttft_seconds * 1000,
        "http_status": answer.http_status,
        "provider_request_id": answer.provider_request_id,
        "finish_reason": answer.finish_reason,
        "outcome": attempt.outcome.value,
        "error_code": attempt.error_code,
        "error_detail": attempt.error_detail,
        "input_tokens": usage.input_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "cache_write_tokens": usage.cache_write_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "estimated": usage.estimated if usage else False,
        "cost_nano_usd": cost.nano_usd if cost else None,
        "price": cost.price.as_dict() if cost else None,
        "billing": billing(usage, cost),
        "family": _family(attempt.provider, attempt.model),
        "charges": charges,
        "drill_id": attempt.drill_id,
        "cache_saved_nano_usd": cost.cache_saved_nano_usd if cost else 0,
    }


def _family(provider: str, model: str) -> str | None:
    """Return the name of the model's family, where that is not the name itself."""
    name = f"{provider}/{model}"
    family = family_of(name)
    return None if family == name else family


def payload_row(generation_id: str, n: int, asked: Any, answered: str | None, expires_at: datetime) -> dict[str, Any]:
    """Return the row of what was asked and answered: of the generation (``n`` = 0) or of one attempt."""
    return {
        "generation_id": generation_id,
        "n": n,
        "asked": asked,
        "answered": answered,
        "expires_at": expires_at,
        "key_id": None,
    }


def lost_row(call: ProviderCall, generation_id: str, tenant_id: str) -> dict[str, Any]:
    """Return what recovery is to know of *call*, should this process die before it ends."""
    usage, cost = call.expected, call.expected_cost
    return {
        "id": call.id,
        "generation_id": generation_id,
        "tenant_id": tenant_id,
        "n": call.n,
        "kind": call.kind.value,
        "provider": call.candidate.provider,
        "model": call.candidate.model,
        "mode": call.mode,
        "started_at": call.started,
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "estimated": usage.estimated,
        "cost_nano_usd": cost.nano_usd if cost else None,
        "price": cost.price.as_dict() if cost else None,
        "family": _family(call.candidate.provider, call.candidate.model),
        "cache_saved_nano_usd": cost.cache_saved_nano_usd if cost else 0,
    }


def read_back(table: type[Row], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of *table*, or as much of one as was known, that was kept as JSON by this or an older release.

    Times are times again. A column that the other release did not know has its default.
    """
    fields = table.model_fields.items()
    row = {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}
    row.update(kept)
    for column in cast("Any", table).__table__.columns:
        if isinstance(column.type, UtcTime) and isinstance(row.get(column.name), str):
            row[column.name] = datetime.fromisoformat(row[column.name])
    return row

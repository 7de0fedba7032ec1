"""A generation as a JSON document: alike fresh and stored, from the API and from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from core.attempts import Attempt
    from core.pricing import Usage
    from core.record import Generation
    from core.reports import Call, RecordedAttempt

_NANO = 1_000_000_000
_KINDS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def as_json(document: Any) -> bytes:
    """Return *document* as JSON text; times end in ``Z``."""
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)


def fresh(generation: Generation) -> dict[str, Any]:
    """Return a generation that has just ended."""
    return {
        "id": generation.id,
        "value": generation.answer.fragment,
        "outcome": generation.outcome,
        "schema": generation.schema,
        "schema_version": generation.schema_version,
        "model": _model(generation),
        **paid(generation),
        "answered_from": generation.answered_from,
        "reask_of": generation.reask_of,
        "not_judged": list(generation.not_judged),
        "saved_nano_usd": generation.saved_nano_usd,
        "media": generation.media,
        "trace": generation.trace,
        "duration_ms": generation.duration_ms,
        "ttft_ms": generation.ttft_ms,
        "queue_ms": generation.queue_us / 1000,
    }


def paid(generation: Generation) -> dict[str, Any]:
    """Return what was asked of providers for a generation, and what that cost."""
    return {
        "attempts": [_fresh_attempt(attempt) for attempt in generation.attempts],
        "usage": _tokens(generation.usage),
        "cost_usd": _usd(generation.cost_nano_usd),
        "cost_nano_usd": generation.cost_nano_usd,
        "estimated": generation.usage.estimated,
    }


def stored(call: Call) -> dict[str, Any]:
    """Return a generation as far as it is kept."""
    return {
        "id": call.id,
        "value": None if call.value is None else orjson.Fragment(call.value),
        "outcome": call.outcome,
        "schema": call.schema,
        "schema_version": call.schema_version,
        "model": _model(call),
        "attempts": [_stored_attempt(attempt) for attempt in call.attempts],
        "usage": _tokens(call),
        "cost_usd": _usd(call.cost_nano_usd),
        "cost_nano_usd": call.cost_nano_usd,
        "estimated": call.estimated,
        "answered_from": call.answered_from,
        "reask_of": call.reask_of,
        "not_judged": call.not_judged,
        "saved_nano_usd": call.saved_nano_usd,
        "media": call.media,
        "trace": call.trace,
        "duration_ms": call.duration_ms,
        "ttft_ms": call.ttft_ms,
        "queue_ms": None if call.queue_us is None else call.queue_us / 1000,
    }


def _fresh_attempt(attempt: Attempt) -> dict[str, Any]:
    answer, usage, cost = attempt.answer, attempt.usage, attempt.cost
    from core.pricing import billing  # noqa: PLC0415 who asks the command line for help waits for no price list

    return {
        "n": attempt.n,
        "kind": attempt.kind,
        "provider": attempt.provider,
        "model": attempt.model,
        "mode": attempt.mode,
        "started_at": attempt.started_at,
        "duration_ms": attempt.duration_ms,
        "ttft_ms": None if answer.ttft_seconds is None else answer.ttft_seconds * 1000,
        "http_status": answer.http_status,
        "provider_request_id": answer.provider_request_id,
        "finish_reason": answer.finish_reason,
        "outcome": attempt.outcome,
        "usage": None if usage is None else _tokens(usage),
        "estimated": usage is not None and usage.estimated,
        "cost_nano_usd": None if cost is None else cost.nano_usd,
        "price": None if cost is None else cost.price.as_dict(),
        "answered_model": answer.model,
        "billing": billing(usage, cost),
        "drill_id": attempt.drill_id,
        "field_errors": _field_errors(attempt.field_errors),
    }


def _stored_attempt(attempt: RecordedAttempt) -> dict[str, Any]:
    return {
        "n": attempt.n,
        "kind": attempt.kind,
        "provider": attempt.provider,
        "model": attempt.model,
        "mode": attempt.mode,
        "started_at": attempt.started_at,
        "duration_ms": attempt.duration_ms,
        "ttft_ms": attempt.ttft_ms,
        "http_status": attempt.http_status,
        "provider_request_id": attempt.provider_request_id,
        "finish_reason": attempt.finish_reason,
        "outcome": attempt.outcome,
        "usage": None if attempt.input_tokens is None else _tokens(attempt),
        "estimated": attempt.estimated,
        "cost_nano_usd": attempt.cost_nano_usd,
        "price": attempt.price,
        "answered_model": attempt.answered_model,
        "billing": attempt.billing,
        "drill_id": attempt.drill_id,
        "field_errors": _field_errors(attempt.field_errors),
    }


def _tokens(counted: Usage | Call | RecordedAttempt) -> dict[str, int]:
    return {kind: getattr(counted, kind) for kind in _KINDS}


def _field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    return [{"path": error.path, "type": error.type, "message": error.message} for error in errors]


def _model(generation: Generation | Call) -> str | None:
    return f"{generation.provider}/{generation.model}" if generation.model else None


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / _NANO

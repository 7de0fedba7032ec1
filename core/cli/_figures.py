"""Money and generations as the command line writes them: a line for people, or the document that the API answers."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.attempts import Attempt
    from core.pricing import Usage
    from core.record import Generation


def figures(made: Generation) -> str:
    """Return what it took, in one line."""
    tokens = f"{made.usage.input_tokens} + {made.usage.output_tokens} tokens"
    attempts = f"{len(made.attempts)} attempt{'s' if len(made.attempts) != 1 else ''}"
    seconds = f"{made.duration_ms / 1000:.2f} s"
    parts = (made.outcome, f"{made.provider}/{made.model}", attempts, tokens, usd(made.cost_nano_usd), seconds, made.id)
    return " · ".join(parts)


def document(made: Generation) -> dict[str, Any]:
    """Return everything, under the names that the API uses."""
    return {
        "id": made.id,
        "value": made.value,
        "outcome": made.outcome,
        "schema": made.schema,
        "schema_version": made.schema_version,
        "model": f"{made.provider}/{made.model}",
        **paid(made),
        "trace": made.trace,
        "duration_ms": made.duration_ms,
        "ttft_ms": made.ttft_ms,
    }


def paid(made: Generation) -> dict[str, Any]:
    """Return what was asked of providers and what it cost; no answer is in it."""
    return {
        "attempts": [_attempt(attempt) for attempt in made.attempts],
        "usage": _tokens(made.usage),
        "cost_usd": None if made.cost_nano_usd is None else made.cost_nano_usd / 1_000_000_000,
        "cost_nano_usd": made.cost_nano_usd,
        "estimated": made.usage.estimated,
    }


def usd(nano_usd: int | None) -> str:
    """Return an amount as people read it: cents from a dollar on, else four significant digits; unknown is unpriced."""
    if nano_usd is None:
        return "unpriced"
    amount = Decimal(nano_usd).scaleb(-9)
    if nano_usd == 0 or abs(amount) >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.{min(9, max(2, 3 - amount.adjusted()))}f}"


def _attempt(attempt: Attempt) -> dict[str, Any]:
    answer, usage, cost = attempt.answer, attempt.usage, attempt.cost
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
        "field_errors": attempt.field_errors,
    }


def _tokens(usage: Usage) -> dict[str, int]:
    return {kind: count for kind, count in asdict(usage).items() if kind != "estimated"}

"""What metrics and the log are told."""

from __future__ import annotations

from collections.abc import Sequence

from core.budgets import ThresholdEvent
from core.record._ends import code_of
from core.record._generation import Generation
from core.telemetry import Metrics, log


def tell_thresholds(metrics: Metrics, events: Sequence[ThresholdEvent]) -> None:
    """Tell the log which thresholds charges that were written have passed."""
    for event in events:
        terms = event.terms
        metrics.thresholds.labels(terms.tenant, terms.scope.value, str(event.percent)).inc()
        event.tell()


def tell(
    metrics: Metrics,
    generation: Generation,
    error: BaseException | None,
    *,
    tenant: str,
    route: str,
    request_id: str,
    streamed: bool,
    user: str | None,
) -> None:
    """Tell metrics and the log how a generation ended.

    *route* is empty where no policy was found: it is the caller's word then, whatever it says, and no label.
    """
    seconds = generation.duration_ms / 1000
    metrics.generations.labels(tenant, route, generation.outcome.value).inc()
    metrics.generation_seconds.labels(tenant, route).observe(seconds)
    for attempt in generation.attempts:
        who = metrics.who(attempt.provider, attempt.model)
        metrics.attempts.labels(*who, attempt.error_code or "").observe(attempt.duration_ms / 1000)
        if attempt.answer.ttft_seconds is not None:
            metrics.first_token.labels(*who).observe(attempt.answer.ttft_seconds)
        if attempt.usage is not None:
            metrics.tokens.labels(tenant, *who, "input").inc(attempt.usage.input_tokens)
            metrics.tokens.labels(tenant, *who, "output").inc(attempt.usage.output_tokens)
            if attempt.cost is None:
                metrics.unpriced.labels(*who).inc()
            else:
                metrics.cost.labels(tenant, *who).inc(attempt.cost.nano_usd)
    log().info(
        "generation",
        generation_id=generation.id,
        request_id=request_id,
        tenant=tenant,
        route=generation.route,
        schema=generation.schema,
        schema_version=generation.schema_version,
        model=f"{generation.provider}/{generation.model}" if generation.model else None,
        outcome=generation.outcome.value,
        error_code=None if error is None else code_of(error),
        attempts=len(generation.attempts),
        duration_ms=round(generation.duration_ms, 3),
        cost_nano_usd=generation.cost_nano_usd,
        input_tokens=generation.usage.input_tokens,
        output_tokens=generation.usage.output_tokens,
        streamed=streamed,
        user=user,
    )

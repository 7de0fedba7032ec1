"""What metrics and the log are told."""

from __future__ import annotations

from collections.abc import Sequence

from core.attempts import Attempt
from core.budgets import ThresholdEvent
from core.clock import Clock
from core.errors import ProctorError
from core.providers import NotSent
from core.record._ends import code_of
from core.record._generation import Generation
from core.tables import Outcome
from core.telemetry import Metrics, log, place

_LACK_TOLD_EVERY_SECONDS = 10.0


class OwnLacks:
    """Calls that did not go out for want of something of this process's: told to the log now and then, with a count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._untold = 0
        self._told_at = float("-inf")

    def note(self, attempt: Attempt, generation_id: str) -> None:
        """Take in an attempt that has ended."""
        if attempt.error_code != NotSent.code:
            return
        self._untold += 1  # of two at once one may be lost: it is a count for people
        now = self._clock.monotonic()
        if now - self._told_at >= _LACK_TOLD_EVERY_SECONDS:
            count, self._untold, self._told_at = self._untold, 0, now
            log().error("own_lack", count=count, generation_id=generation_id, detail=attempt.error_detail)


def tell_fault(error: BaseException | None, generation_id: str, request_id: str) -> None:
    """Tell the log which exception that nobody foresaw ended a generation, and where; not what it says."""
    if isinstance(error, Exception) and not isinstance(error, ProctorError):
        log().error(
            "generation_failed",
            generation_id=generation_id,
            request_id=request_id,
            error=type(error).__name__,
            where=place(error),
        )


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
    routed: frozenset[str] = frozenset(),
) -> None:
    """Tell metrics and the log how a generation ended.

    *route* is empty where no policy was found: it is the caller's word then, whatever it says, and no label.
    """
    of = metrics.of
    of(metrics.generations, tenant, route, generation.outcome.value).inc()
    if generation.reask_of is not None:
        of(metrics.client_reasks, tenant, route).inc()
    of(metrics.generation_seconds, tenant, route).observe(generation.duration_ms / 1000)
    of(metrics.queue_seconds, tenant, route).observe(generation.queue_us / 1_000_000)
    for attempt in generation.attempts:
        who = metrics.who(attempt.provider, attempt.model, is_routed=f"{attempt.provider}/{attempt.model}" in routed)
        of(metrics.attempts, *who, attempt.error_code or "").observe(attempt.duration_ms / 1000)
        if attempt.answer.ttft_seconds is not None:
            of(metrics.first_token, *who).observe(attempt.answer.ttft_seconds)
        if attempt.usage is not None:
            of(metrics.tokens, tenant, *who, "input").inc(attempt.usage.input_tokens)
            of(metrics.tokens, tenant, *who, "output").inc(attempt.usage.output_tokens)
            if attempt.cost is None or attempt.cost.price.unpriced_uses:
                of(metrics.unpriced, *who).inc()
            if attempt.cost is not None:
                of(metrics.cost, tenant, *who).inc(attempt.cost.nano_usd)
                tier = metrics.tier(attempt.usage.tier)
                of(metrics.tier_cost, attempt.provider, tier).inc(attempt.cost.nano_usd)
    failed = [
        f"{one.provider}/{one.model}: {one.error_code}: {one.error_detail}"
        for one in generation.attempts
        if one.outcome is Outcome.PROVIDER_ERROR
    ]
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
        failed=failed,
    )

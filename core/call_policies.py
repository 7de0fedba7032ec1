"""The policy of one call: what the caller set, how long he waits, and what a tight budget leaves of the route."""

from __future__ import annotations

from dataclasses import replace

from core.attempts import Candidate, RouteTerms, degraded
from core.dialects import DialectName, RelayRequest
from core.errors import Invalid
from core.guardrails import Guardrails
from core.policy import Policy
from core.record import Record
from core.requests import CallSettings
from core.routes import adjusted

_TYPICAL_TOKENS = 1000
"""Input by which the prices of a route's candidates are compared."""


def set_by_hand(settings: CallSettings | None, policy: Policy, record: Record | None = None) -> Policy:
    """Return *policy* with what the caller set; the trace says so.

    Raises:
        Invalid: a value that a candidate cannot have.

    """
    if settings is None or settings == CallSettings():
        return policy
    route = policy.route
    candidates = tuple(
        adjusted(one, mode=settings.mode, max_tokens=settings.max_tokens, parameters=settings.parameters)
        for one in route.candidates
    )
    said = {"mode": settings.mode, "max_tokens": settings.max_tokens, **settings.parameters}
    told = [f"{name} {value}" for name, value in said.items() if value is not None and value != ""]
    told += [] if settings.is_cached else ["no answer from the cache"]
    if record is not None:
        record.step("policy", "set by hand", f"The caller set {', '.join(told)}.")
    kept_for = route.cache_seconds if settings.is_cached else None
    return replace(policy, route=replace(route, candidates=candidates, cache_seconds=kept_for))


def of_a_verdict(policy: Policy) -> Policy:
    """Return *policy* for what a guardrail asks a model: what is built in holds alone, and it is asked again once."""
    route = replace(policy.route, max_reasks=min(policy.route.max_reasks, 1))
    return replace(policy, route=route, guardrails=Guardrails())


def within(seconds: float | None, policy: Policy, record: Record) -> Policy:
    """Return *policy* with the time that the caller has, if that is less than the route's."""
    if seconds is None or seconds >= policy.route.deadline_seconds:
        return policy
    record.step("policy", "hurried", f"The caller waits {seconds:g} s, not {policy.route.deadline_seconds:g} s.")
    return replace(policy, route=replace(policy.route, deadline_seconds=seconds, is_hurried=True))


def as_it_may_be_stored(asked: RelayRequest, policy: Policy, record: Record) -> RelayRequest:
    """Return *asked* with what the vendor is to keep of its answer, by the tenant's rule.

    Raises:
        Invalid: its answer would be stored, and the tenant refuses that, or nothing in its dialect forbids it.

    """
    tenant = policy.tenant
    if tenant.may_be_stored or not asked.keeps:
        return asked
    is_thread = asked.dialect.name is DialectName.MESSAGES
    if is_thread or tenant.vendor_storage == "refused":
        instead = "Leave 'thread' out and send every message" if is_thread else "Send 'store' as false"
        raise Invalid(
            f"No vendor may store an answer for {tenant.name}, and this one would be stored. {instead}; an operator "
            "can change that.",
            param="thread" if is_thread else "store",
        )
    record.note("unstored", f"No vendor may store an answer for {tenant.name}: 'store' goes out as false.")
    return replace(asked, keeps=False)


def affordable(policy: Policy, record: Record) -> RouteTerms:
    """Return the policy's route, or a cheaper one where a budget that degrades is past its first threshold."""
    tight = record.degraded_by()
    if tight is None:
        return policy.route
    at = record.started_at

    def price_of(candidate: Candidate) -> int | None:
        return policy.prices.worst_nano_usd(
            candidate.provider, candidate.model, _TYPICAL_TOKENS, candidate.max_tokens, at
        )

    route = degraded(policy.route, price_of)
    record.step("reserve", "degraded", f"{tight} {route.remark}")
    return route

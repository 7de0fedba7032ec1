"""One call told whole: its attempts in order, what was asked and answered on each, what it cost, why it went so.

A payload past its retention is not shown, even where it was not deleted yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core.errors import NotFound
from core.guardrails import NOT_JUDGED, Action
from core.payload_terms import PayloadTerms
from core.reports.guardrails import RecordedFinding, findings_of
from core.reports.reading import Reading
from core.reports.reask_chains import ReaskChain, reask_chain
from core.sealed_texts import CannotOpen, opened_payload
from core.tables import REASKABLE, AttemptRow, FieldError, GenerationRow, Payload, PolicySnapshot, Route, Tenant
from core.visibility import visible

_MOST_LATER = 10


class _OpenedText(NamedTuple):
    """What was asked and answered, in the call or one attempt."""

    asked: Any
    answered: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class RecordedFieldError:
    """One field of one invalid answer: where, and which rule."""

    path: str
    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """One attempt: one provider call."""

    n: int
    kind: str
    provider: str
    model: str
    answered_model: str | None
    mode: str
    started_at: datetime
    after_ms: float
    """Milliseconds from the call's start to this attempt's."""
    duration_ms: float
    ttft_ms: float | None
    http_status: int | None
    provider_request_id: str | None
    finish_reason: str | None
    outcome: str
    error_code: str | None
    error_detail: str | None
    input_tokens: int | None
    """All input, cached included; ``None`` where the provider never told."""
    cached_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    estimated: bool
    cost_nano_usd: int | None
    price: Mapping[str, Any] | None
    """The price that was frozen when it was charged."""
    billing: Mapping[str, Any] | None
    """How it was billed beside its tokens, where that is not the usual: tier, region, one-hour writes, a remark."""
    drill_id: str | None
    """The fire drill that it met."""
    field_errors: Sequence[RecordedFieldError]
    asked: Any
    """What this attempt added to the conversation, such as the correction of a re-ask; ``None`` if not kept."""
    answered: str | None
    """The raw text of the answer; ``None`` if not kept or none came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One generation and everything that came of it."""

    id: str
    tenant_id: str
    tenant: str
    timezone: str
    retention_days: int
    """How long prompts and answers are kept, as tenant and route say it now."""
    payload_percent: int
    """Of how many of a hundred valid calls."""
    request_id: str
    principal: str
    route: str
    schema: str
    schema_version: int | None
    schema_hash: str
    outcome: str
    error_code: str | None
    error_detail: str | None
    streamed: bool
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    ttft_ms: float | None
    queue_us: int | None
    """How long it waited for its turn before its first attempt; ``None`` where that is not known."""
    provider: str | None
    model: str | None
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nano_usd: int | None
    wasted_nano_usd: int
    estimated: bool
    answered_from: str | None
    """The generation that left the answer in the cache."""
    reask_of: str | None
    """The generation whose invalid answer its caller asked again for."""
    asked_again_as: Sequence[str]
    """The generations that asked again for its own: one, but for what a client sent twice."""
    chain: ReaskChain | None
    """What the object took in all that it is one attempt at; ``None`` where its client asked once."""
    saved_nano_usd: int
    guardrail_ms: float | None
    """How long its texts were judged; ``None`` where that is not known."""
    findings: Sequence[RecordedFinding]
    """What guardrails found in it."""
    media: Sequence[Mapping[str, Any]]
    """What its messages held beside text: kind, type, size and hash of each image and document."""
    user_hash: str | None
    caller_metadata: Mapping[str, Any] | None
    trace: Sequence[Mapping[str, Any]]
    """The decision trace: ``{"room", "verdict", "reason"}``, in the order walked."""
    policy: Mapping[str, Any] | None
    """The policy it ran under, with the revision of operators' decisions that it was."""
    attempts: Sequence[RecordedAttempt]
    asked: Any
    """The messages that the caller sent; ``None`` if not kept."""
    value: str | None
    """The valid object as JSON; ``None`` if there is none or it was not kept."""
    payload_expires_at: datetime | None
    """When prompts and answers are deleted; ``None`` where none are kept (any more)."""
    shut: str = ""
    """Why prompts and answers that are kept cannot be opened, where that is so."""

    @property
    def not_judged(self) -> Sequence[str]:
        """The guardrails by which something went on without a verdict, each once."""
        let_go = (one for one in self.findings if one.kind == NOT_JUDGED and one.action != Action.BLOCK)
        return sorted({one.guardrail for one in let_go})

    @property
    def keeping(self) -> str:
        """How much of prompts and answers is kept, as a sentence for where there are none."""
        if self.shut:
            return self.shut
        days = f"{self.retention_days} day{'' if self.retention_days == 1 else 's'}"
        share = f", of {self.payload_percent} % of the valid calls" if self.payload_percent < 100 else ""
        return f"{self.tenant} keeps prompts and answers for {days}{share}, unless its flags say otherwise."


def one_call(reading: Reading, call_id: str, now: datetime) -> Call:
    """Return the call of that id.

    Raises:
        NotFound: there is none.

    """
    session = reading.session
    mine = visible(reading.scope, GenerationRow.tenant_id)
    generation = session.exec(select(GenerationRow).where(col(GenerationRow.id) == call_id, mine)).first()
    if generation is None:
        raise NotFound(f"There is no call {call_id!r}. It may have been deleted, or the link is not whole.")
    tenant = session.get(Tenant, generation.tenant_id)
    terms = _payload_terms(session, tenant, generation.route)
    ends = generation.started_at + terms.retention
    kept: dict[int, _OpenedText] = {}
    shut = ""
    for payload in session.exec(select(Payload).where(col(Payload.generation_id) == call_id)):
        if (until := min(ends, payload.expires_at)) > now:
            try:
                kept[payload.n] = _OpenedText(*opened_payload(reading.own_keys, generation.tenant_id, payload), until)
            except CannotOpen as error:
                shut = str(error)
    whole = kept.get(0)
    later = _asked_again(reading, call_id) if generation.outcome in REASKABLE else ()
    same_names = (
        "id", "tenant_id", "request_id", "principal", "route", "schema_version", "schema_hash", "outcome", "error_code",
        "error_detail", "streamed", "started_at", "ended_at", "duration_ms", "ttft_ms", "queue_us", "provider",
        "model", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
        "cost_nano_usd", "wasted_nano_usd", "guardrail_ms", "estimated", "answered_from", "reask_of", "saved_nano_usd",
        "user_hash", "caller_metadata",
    )  # fmt: skip
    return Call(
        **{name: getattr(generation, name) for name in same_names},
        tenant=tenant.name if tenant else generation.tenant_id,
        timezone=tenant.timezone if tenant else "UTC",
        retention_days=terms.days,
        payload_percent=terms.percent,
        schema=generation.schema_name,
        trace=generation.trace or [],
        media=generation.media or [],
        findings=findings_of(reading, call_id),
        policy=_policy(reading, generation),
        asked_again_as=later,
        chain=reask_chain(reading, call_id) if later or generation.reask_of else None,
        attempts=_attempts(reading, generation, kept),
        asked=whole.asked if whole else None,
        value=whole.answered if whole else None,
        payload_expires_at=min((one.until for one in kept.values()), default=None),
        shut=shut,
    )


def _payload_terms(session: Session, tenant: Tenant | None, route: str) -> PayloadTerms:
    """Return how long prompts and answers are kept, as it is said now: what was shortened holds for what is there."""
    terms = PayloadTerms(tenant.payload_retention_days, tenant.payload_percent) if tenant else PayloadTerms(0)
    narrower = session.exec(select(Route.payload_days, Route.payload_percent).where(Route.name == route)).first()
    return terms.narrowed(*narrower) if narrower else terms


def _asked_again(reading: Reading, call_id: str) -> Sequence[str]:
    mine = visible(reading.scope, GenerationRow.tenant_id)
    later = select(GenerationRow.id).where(col(GenerationRow.reask_of) == call_id, mine)
    return list(reading.session.exec(later.order_by(col(GenerationRow.started_at)).limit(_MOST_LATER)))


def _policy(reading: Reading, generation: GenerationRow) -> Mapping[str, Any] | None:
    kept = reading.session.get(PolicySnapshot, generation.policy_hash) if generation.policy_hash else None
    return {"revision": generation.policy_revision, **kept.body} if kept else None


def _attempts(
    reading: Reading, generation: GenerationRow, kept: Mapping[int, _OpenedText]
) -> Sequence[RecordedAttempt]:
    errors: dict[str, list[RecordedFieldError]] = defaultdict(list)
    failed = select(FieldError).where(col(FieldError.generation_id) == generation.id).order_by(col(FieldError.id))
    for error in reading.session.exec(failed):
        errors[error.attempt_id].append(RecordedFieldError(error.path, error.type, error.message))
    rows = select(AttemptRow).where(col(AttemptRow.generation_id) == generation.id).order_by(col(AttemptRow.n))
    same_names = (
        "n", "kind", "provider", "model", "answered_model", "mode", "started_at", "duration_ms", "ttft_ms",
        "http_status", "provider_request_id", "finish_reason", "outcome", "error_code", "error_detail",
        "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "estimated",
        "cost_nano_usd", "price", "billing", "drill_id",
    )  # fmt: skip
    return [
        RecordedAttempt(
            **{name: getattr(attempt, name) for name in same_names},
            after_ms=max(0.0, (attempt.started_at - generation.started_at).total_seconds() * 1000),
            field_errors=errors[attempt.id],
            asked=kept[attempt.n].asked if attempt.n in kept else None,
            answered=kept[attempt.n].answered if attempt.n in kept else None,
        )
        for attempt in reading.session.exec(rows)
    ]

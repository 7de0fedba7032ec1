"""What is known of a generation while it runs, and the rows that are made of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.answers import CacheHit
from core.attempts import Attempt
from core.clock import Clock
from core.errors import Exhausted, ProctorError
from core.journal import CallOwner
from core.json_values import JsonValue
from core.messages import Message, media_of, plain
from core.messages.masks import masked
from core.payload_terms import PayloadTerms
from core.policy import Policy, TenantTerms
from core.pricing import Usage
from core.principals import Principal
from core.record._ends import STOPPED, code_of, sentence_of
from core.record._generation import Generation
from core.record._rows import attempt_row, payload_row
from core.tables import Outcome


@dataclass(slots=True, kw_only=True)
class RunningGeneration:
    """Who asked what, what holds, and what has come of it so far."""

    id: str
    tenant: TenantTerms
    principal: Principal
    request_id: str
    route: str
    """As it was asked for; once there is a policy, that says it."""
    schema: str
    streamed: bool
    user_hash: str | None
    """The caller's own user, as the record and the log know him."""
    metadata: Mapping[str, Any] | None
    started_at: datetime
    began: float
    """The same, on the clock's monotonic time."""
    payloads: PayloadTerms
    """Of which calls prompts and answers are kept, and for how long."""
    policy: Policy | None = None
    messages: Sequence[Message] = ()
    """As they were screened."""
    media: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What is kept of the images and documents in them."""
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    trace: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answer: JsonValue = field(default_factory=lambda: JsonValue(None))
    hit: CacheHit | None = None
    relayed_of: int | None = None
    """The attempt whose answer was relayed to the caller."""
    reask_of: str | None = None
    """The generation that its caller asks again for."""
    queued_seconds: float = 0.0
    """How long it waited for its turn before its first attempt."""

    @contextmanager
    def queueing(self, n: int, clock: Clock) -> Generator[None]:
        """Count the time of the block, in which attempt *n* waits for its turn, if that is the first."""
        began = clock.monotonic()
        try:
            yield
        finally:
            if n == 1:
                self.queued_seconds += clock.monotonic() - began

    def outcome(self, error: BaseException | None) -> Outcome | None:
        """Return how it ended; ``None`` for a request that never was a generation."""
        if error is None:
            return Outcome.CACHE_HIT if self.hit else self._deciding.outcome
        for kind, outcome in STOPPED.items():
            if isinstance(error, kind):
                return outcome
        if isinstance(error, Exhausted):
            return error.facts["outcome"]
        if isinstance(error, ProctorError) and not self.attempts:
            return None
        if isinstance(error, Exception):
            return Outcome.INTERNAL_ERROR
        return Outcome.CANCELLED  # GeneratorExit and its like: the caller closed the stream, or the process ends

    @property
    def _deciding(self) -> Attempt:
        """The attempt that answered, or the last one."""
        answered = (one for one in self.attempts if one.n == self.relayed_of or one.outcome.is_successful)
        return next(answered, self.attempts[-1])

    def summed_up(self, outcome: Outcome, duration_ms: float) -> Generation:
        """Return it as its caller reads it, now that it has ended."""
        usage = sum((one.usage for one in self.attempts if one.usage), Usage())
        paid = [one for one in self.attempts if one.usage]
        unpriced = any(one.cost is None for one in paid)
        last = self._deciding if self.attempts else None
        schema = self.policy.schema if self.policy else None
        ttft = last.answer.ttft_seconds if last else None
        by, again = last or self.hit, self.hit if outcome is Outcome.CACHE_HIT else None
        return Generation(
            id=self.id,
            tenant_id=self.tenant.id,
            answer=self.answer,
            outcome=outcome,
            schema=schema.name if schema else self.schema,
            schema_version=schema.version if schema else None,
            schema_hash=schema.hash if schema else "",
            route=self.policy.route.name if self.policy else self.route,
            provider=by.provider if by else None,
            model=by.model if by else None,
            attempts=tuple(self.attempts),
            usage=usage,
            cost_nano_usd=None if unpriced else sum(one.cost.nano_usd for one in paid if one.cost),
            trace=tuple(self.trace),
            started_at=self.started_at,
            duration_ms=duration_ms,
            ttft_ms=None if ttft is None else ttft * 1000,
            queue_us=round(self.queued_seconds * 1_000_000),
            answered_from=again.generation_id if again else None,
            saved_nano_usd=(again.cost_nano_usd or 0) if again else 0,
            is_kept=self.payloads.days > 0,
            reask_of=self.reask_of,
            media=self.media,
        )

    @property
    def _expires_at(self) -> datetime | None:
        return self.started_at + self.payloads.retention if self.payloads.days else None

    @property
    def caller(self) -> CallOwner:
        """Whose call it is."""
        return CallOwner(self.tenant.id, self.user_hash, self.started_at)

    @property
    def is_drawn(self) -> bool:
        """Whether prompts and answers are kept however it ends, where they are kept at all."""
        return self.payloads.draws(self.id)

    def asking(self, messages: Sequence[Message]) -> None:
        """Take in what is asked."""
        self.messages, self.media = messages, [one.summary() for one in media_of(messages)]

    @property
    def known(self) -> dict[str, Any]:
        """What is known of the row before the generation has ended, and all that recovery is told of it."""
        policy, schema = self.policy, self.policy.schema if self.policy else None
        return {
            "id": self.id,
            "tenant_id": self.tenant.id,
            "key_id": self.principal.key_id,
            "principal": self.principal.name,
            "request_id": self.request_id,
            "route": policy.route.name if policy else self.route,
            "schema_name": schema.name if schema else self.schema,
            "schema_version": schema.version if schema else None,
            "schema_hash": schema.hash if schema else "",
            "streamed": self.streamed,
            "started_at": self.started_at,
            "user_hash": self.user_hash,
            "caller_metadata": self.metadata,
            "policy_hash": policy.recorded[0] if policy else None,
            "policy_revision": policy.revision if policy else None,
            "media": self.media or None,
            "reask_of": self.reask_of,
        }

    def row(self, generation: Generation, error: BaseException | None, ended_at: datetime) -> dict[str, Any]:
        """Return the row of the generation that has ended."""
        usage = generation.usage
        return {
            **self.known,
            "outcome": generation.outcome.value,
            "error_code": None if error is None else code_of(error),
            "error_detail": None if error is None else sentence_of(error),
            "ended_at": ended_at,
            "duration_ms": generation.duration_ms,
            "ttft_ms": generation.ttft_ms,
            "queue_us": generation.queue_us,
            "attempts": len(generation.attempts),
            "provider": generation.provider,
            "model": generation.model,
            "input_tokens": usage.input_tokens,
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cost_nano_usd": generation.cost_nano_usd,
            "wasted_nano_usd": sum(
                one.cost.nano_usd
                for one in generation.attempts
                if one.cost and not (one.outcome.is_successful and generation.outcome.is_successful)
            ),
            "estimated": usage.estimated,
            "saved_nano_usd": generation.saved_nano_usd,
            "answered_from": generation.answered_from,
            "trace": self.trace,
        }

    def attempt_rows(
        self, attempts: Sequence[Attempt], charged: Mapping[str, int], new_id: Callable[[], str]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of *attempts*: themselves, their field errors, their payloads.

        *charged* says to how many accounts each was charged.
        """
        rows = [attempt_row(one, self.id, self.tenant.id, charged.get(one.id, 0)) for one in attempts]
        schema = self.policy.schema if self.policy else None
        field_errors = [
            {
                "id": new_id(),
                "attempt_id": attempt.id,
                "generation_id": self.id,
                "schema_name": schema.name if schema else "",
                "schema_hash": schema.hash if schema else "",
                "path": problem.path,
                "type": problem.type,
                "message": problem.message,
            }
            for attempt in attempts
            for problem in attempt.field_errors
        ]
        return rows, field_errors, self._attempt_payloads(attempts) if self.is_drawn else []

    def _attempt_payloads(self, attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
        """Return the rows of what *attempts* added and were answered, where that is kept."""
        if (expires_at := self._expires_at) is None:
            return []
        # The text of a valid answer is the generation's own object, which is kept as it was screened.
        said = {one.n: None if one.outcome.is_successful else one.answer.text or None for one in attempts}
        return [
            payload_row(self.id, one.n, one.asked, said[one.n], expires_at)
            for one in attempts
            if one.asked or said[one.n]
        ]

    def payload_rows(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Return the row of what the generation was asked and answered, where that is kept now that it has ended.

        Where only a failure is kept, that is known now alone: so those of its attempts come here as well.
        """
        if self._expires_at is None or (outcome.is_successful and not self.is_drawn):
            return []
        rows = [] if self.is_drawn else self._attempt_payloads(self.attempts)
        if self.messages:
            written = self.answer.text
            answered = None if written == b"null" else written.decode()
            asked = [masked(plain(one)) for one in self.messages]
            rows.append(payload_row(self.id, 0, asked, answered, self._expires_at))
        return rows

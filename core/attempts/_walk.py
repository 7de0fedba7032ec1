"""One walk: one provider call after the other, until somebody has answered or nobody can."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from core import faults
from core.attempts._calls import Attempt, Call, Piece, Record, Reply
from core.attempts._estimates import BYTES_PER_TOKEN, UNSEEN_TOKENS, estimate
from core.attempts._terms import Candidate, RouteTerms
from core.errors import Cancelled, Exhausted
from core.pricing import PriceBook, Usage
from core.providers import Abandoned, Answer, Conversation, ProviderError
from core.providers._loop import Cancellation
from core.response_models import FieldProblem, field_errors
from core.tables import AttemptKind, Outcome

if TYPE_CHECKING:
    from core.attempts._router import Router

PARTIAL_EVERY_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
"""A retry that must wait longer gives way to the next candidate, where there is one."""
FIRST_WAIT_SECONDS = 0.2


class Walk:
    """One walk: what it has used up so far."""

    def __init__(
        self, router: Router, route: RouteTerms, record: Record, cancellation: Cancellation, prices: PriceBook
    ) -> None:
        self._router = router
        self._clock = router.clock
        self._route = route
        self._record = record
        self._cancellation = cancellation
        self._prices = prices
        self._ends = self._clock.monotonic() + route.deadline_seconds
        self._n = 0
        self._last: Attempt | None = None
        self._reasks = 0

    @property
    def _left(self) -> float:
        return self._ends - self._clock.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self._left <= 0

    def at(
        self, candidate: Candidate, conversation: Conversation, *, stream: bool, is_fallback: bool, is_last: bool
    ) -> Generator[Piece, None, Reply | None]:
        """Ask one candidate until it has answered or given up; ``None`` sends the walk on.

        Any candidate but the route's first is a fallback, even if those before it were only skipped.
        """
        kind = AttemptKind.FALLBACK if is_fallback else AttemptKind.FIRST
        reasks, retries, asked = self._route.max_reasks, self._route.max_retries, None
        while True:
            self._stop_if_left()
            if self.is_over:
                self._record.note("stopped", f"The deadline of {self._route.deadline_seconds:g} s has passed.")
                return None
            started, began = self._clock.now(), self._clock.monotonic()
            call = self._planned(candidate, conversation, kind, started, began, asked)
            self._record.cover(call)
            self._n = call.n
            sent = self._met(call, conversation)
            try:
                answer = yield from self._send(sent, min(self._left, candidate.timeout_seconds), stream=stream)
            except ProviderError as error:
                self._router.tell_breaker(call, error)
                self._end(call, error.answer, error.outcome, error=error)
                self._stop_if_left()
                if error.try_again and retries and self._may_wait(error, retries, is_last=is_last):
                    retries -= 1
                    kind, asked = AttemptKind.RETRY, None
                    continue
                if not error.try_next:
                    self._ends = self._clock.monotonic()
                return None
            except GeneratorExit:
                self._router.tell_breaker(call, Abandoned(""))
                gone = Abandoned("The caller left.", answer=sent.so_far)
                self._end(call, gone.answer, gone.outcome, error=gone)
                raise
            self._router.tell_breaker(call, None)
            try:
                value = conversation.read(answer)
            except ValidationError as error:
                problems = tuple(field_errors(error))
                self._end(call, answer, Outcome.INVALID, code="invalid", problems=problems)
                if not reasks:
                    return None
                reasks -= 1
                self._reasks += 1
                kind, asked = AttemptKind.REASK, conversation.ask_again(answer, error)
                continue
            except Exception:  # a fault of ours must not make a paid call vanish
                self._end(call, answer, Outcome.PROVIDER_ERROR, code="internal_error")
                raise
            outcome = self._valid(is_fallback=is_fallback)
            self._end(call, answer, outcome)
            return Reply(getattr(value, "value", value), outcome, candidate)

    def _planned(
        self,
        candidate: Candidate,
        conversation: Conversation,
        kind: AttemptKind,
        started: datetime,
        began: float,
        asked: Any,
    ) -> Call:
        """Return the call that is to go out next, with what it may cost. Its bytes hold every message so far."""
        size = conversation.size_bytes
        expected = Usage(input_tokens=-(-size // BYTES_PER_TOKEN), output_tokens=candidate.max_tokens, estimated=True)
        return Call(
            id=self._clock.new_id(),
            n=self._n + 1,
            kind=kind,
            candidate=candidate,
            mode=conversation.mode,
            started=started,
            began=began,
            asked=asked,
            expected=expected,
            expected_cost=self._prices.cost(candidate.provider, candidate.model, expected, started),
            worst_nano_usd=self._prices.worst_nano_usd(
                candidate.provider, candidate.model, size + UNSEEN_TOKENS, candidate.max_tokens, started
            ),
            strike=faults.met(self._route.drills, candidate.provider, candidate.model, self._clock),
        )

    def _met(self, call: Call, conversation: Conversation) -> Conversation:
        """Return what to send: where a fire drill strikes, what meets its fault."""
        if call.strike is not None:
            self._record.note("drill", f"{call.candidate.name}: {call.strike.drill.fault.title}, by a fire drill.")
        return faults.struck(conversation, call.strike)

    def _send(self, conversation: Conversation, seconds: float, *, stream: bool) -> Generator[Piece, None, Answer]:
        call = self._router.call(conversation, seconds, self._cancellation, stream=stream)
        pieces: list[str] = []
        shown = 0.0
        try:
            while True:
                pieces.append(next(call))
                now = self._clock.monotonic()
                if now - shown >= PARTIAL_EVERY_SECONDS:
                    shown = now
                    yield Piece("".join(pieces), self._n)
        except StopIteration as end:
            return end.value
        finally:
            call.close()

    def _may_wait(self, error: ProviderError, retries: int, *, is_last: bool) -> bool:
        """Wait before a retry, if there is time for it; whether the retry may go out."""
        made = self._route.max_retries - retries
        seconds = error.retry_after_seconds
        if seconds is None:
            seconds = FIRST_WAIT_SECONDS * 2**made * (1 + self._clock.chance())
        if seconds >= self._left or (seconds > LONGEST_WAIT_SECONDS and not is_last):
            self._record.note("went on", f"A retry would have to wait {seconds:.1f} s.")
            return False
        self._clock.wait(self._cancellation.requested, seconds)
        return True

    def _stop_if_left(self) -> None:
        if self._cancellation.requested.is_set():
            raise Cancelled("The caller left before the answer came.", outcome=Outcome.CANCELLED)

    def _valid(self, *, is_fallback: bool) -> Outcome:
        if is_fallback:
            return Outcome.VALID_AFTER_FALLBACK
        return Outcome.VALID_AFTER_REASK if self._reasks else Outcome.VALID_FIRST_TRY

    def _end(
        self,
        call: Call,
        answer: Answer,
        outcome: Outcome,
        *,
        error: ProviderError | None = None,
        code: str | None = None,
        problems: tuple[FieldProblem, ...] = (),
    ) -> None:
        """Write one attempt down, with what it used and cost."""
        usage = answer.usage
        is_known = usage is not None and (error is None or error.told_all)
        if not is_known and (error is None or error.was_sent):
            usage = estimate(answer, call.expected)
        detail = error.message if error else _named(problems)
        if call.strike is not None:
            usage, detail = call.strike.paid(usage), call.strike.told(detail)
        ended = self._clock.now()
        candidate = call.candidate
        cost = self._prices.cost(candidate.provider, candidate.model, usage, call.started) if usage else None
        self._last = Attempt(
            id=call.id,
            n=call.n,
            kind=call.kind,
            provider=call.candidate.provider,
            model=call.candidate.model,
            mode=call.mode,
            started_at=call.started,
            ended_at=ended,
            duration_ms=(self._clock.monotonic() - call.began) * 1000,
            outcome=outcome,
            error_code=error.code if error else code,
            error_detail=detail,
            answer=answer,
            usage=usage,
            cost=cost,
            field_errors=problems,
            asked=call.asked,
            drill_id=call.strike.drill.id if call.strike else None,
        )
        self._record.ended(self._last)

    def exhausted(self) -> Exhausted:
        """Return the sentence that says how the walk ended."""
        if self._last is None:
            return Exhausted(
                "No model of this route could be asked: see the decision trace. "
                "Set a provider key, choose another model, or wait until a breaker closes.",
                outcome=Outcome.PROVIDER_ERROR,
            )
        last = self._last
        calls = "1 call" if self._n == 1 else f"{self._n} calls"
        return Exhausted(
            f"No valid object after {calls}; the last one, to {last.provider}/{last.model}, ended as "
            f"{last.outcome.value.replace('_', ' ')}: {last.error_detail}",
            outcome=last.outcome,
        )


def _named(problems: Sequence[FieldProblem]) -> str | None:
    if not problems:
        return None
    shown = "; ".join(f"{problem.path} {problem.message}" for problem in problems[:3])
    return shown + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")

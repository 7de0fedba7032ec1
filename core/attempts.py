"""Someone answers: the walk over a route's candidates, one provider call after the other, each recorded and paid.

This loop is the one owner of retries. An invalid answer is asked again, with its errors, at the same candidate; a
call that failed for a passing reason is retried once; a candidate that cannot answer gives way to the next. A hard
deadline bounds the whole, and a caller who leaves ends the call that is out.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from core.breakers import Breakers
from core.clock import Clock
from core.errors import Cancelled, Exhausted
from core.pricing import Cost, Prices, Usage
from core.providers import (
    Abandoned,
    Answer,
    Ask,
    Conversation,
    Provider,
    ProviderError,
)
from core.providers._loop import Cancellation, Loop
from core.response_models import FieldProblem, field_errors
from core.tables import AttemptKind, Outcome

BYTES_PER_TOKEN = 3
"""For estimates: English prose has about four, JSON and code about three."""
UNSEEN_TOKENS = 600
"""For bounds: what a vendor may add to what we send, such as its own words about tools. Anthropic adds up to 530."""
PARTIAL_EVERY_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
"""A retry that must wait longer gives way to the next candidate, where there is one."""
FIRST_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One provider's model that a route may use."""

    provider: str
    model: str
    mode: str | None = None
    max_tokens: int = 1024
    timeout_seconds: float = 30.0

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTerms:
    """The route that governs one generation."""

    name: str
    candidates: tuple[Candidate, ...]
    max_reasks: int
    """Re-asks per candidate."""
    max_retries: int
    """Retries per candidate after a passing failure."""
    deadline_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One provider call that has ended."""

    id: str
    n: int
    kind: AttemptKind
    provider: str
    model: str
    mode: str
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    outcome: Outcome
    error_code: str | None
    error_detail: str | None
    answer: Answer
    usage: Usage | None
    """``None`` where nothing was paid for."""
    cost: Cost | None
    """``None`` where the model is unpriced."""
    field_errors: tuple[FieldProblem, ...] = ()
    asked: Any = None
    """The messages that this attempt added to those before it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the walk ended with."""

    value: Any
    outcome: Outcome
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of an answer so far."""

    text: str
    n: int
    """The attempt that is writing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A provider call that is about to go out, or is out."""

    id: str
    """The id that its attempt will have."""
    n: int
    kind: AttemptKind
    candidate: Candidate
    mode: str
    started: datetime
    began: float
    """``started`` on the clock's monotonic time."""
    asked: Any
    """The messages that this call adds to those before it."""
    expected: Usage
    """What it is charged if nobody ever tells: its bytes as tokens, and as many out as it may write."""
    expected_cost: Cost | None
    """``None`` where the model is unpriced."""
    worst_nano_usd: int | None
    """More than it can cost: a token for every byte, all at the dearest rate; ``None`` where it is unpriced."""


class Record(Protocol):
    """Who writes down and pays what the walk does."""

    def cover(self, call: Call) -> None:
        """Hold money for one more call, or raise BudgetExceeded."""
        ...

    def ended(self, attempt: Attempt) -> None:
        """Take in an attempt that has ended."""
        ...

    def note(self, verdict: str, reason: str) -> None:
        """Add a step to the decision trace."""
        ...


class Router:
    """Walks a route."""

    def __init__(
        self, *, clock: Clock, prices: Prices, providers: Mapping[str, Provider], breakers: Breakers, loop: Loop
    ) -> None:
        self._clock = clock
        self._prices = prices
        self._providers = providers
        self._breakers = breakers
        self._loop = loop

    def answer(
        self,
        route: RouteTerms,
        response_model: type[BaseModel],
        messages: Sequence[Mapping[str, Any]],
        *,
        record: Record,
        cancellation: Cancellation,
        stream: bool = False,
        example: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Generator[Piece, None, Reply]:
        """Yield the answer as it grows, if it is to be streamed; return the valid object.

        Raises:
            Exhausted: no candidate gave a valid object; ``outcome`` is how the last attempt ended.
            BudgetExceeded: the budget does not cover the next attempt.
            Cancelled: the caller left.

        """
        walk = _Walk(self, route, record, cancellation)
        last = max((place for place, one in enumerate(route.candidates) if one.provider in self._providers), default=-1)
        for place, candidate in enumerate(route.candidates):
            provider = self._providers.get(candidate.provider)
            if provider is None:
                record.note("skipped", f"{candidate.name}: the provider {candidate.provider} is not set up here.")
                continue
            if not self._breakers.admit(candidate.provider, candidate.model):
                record.note("skipped", f"{candidate.name}: its breaker is open after too many failures.")
                continue
            admitted = self._clock.monotonic()
            try:
                conversation = provider.open(
                    Ask(
                        model=candidate.model,
                        response_model=response_model,
                        messages=messages,
                        mode=candidate.mode,
                        max_tokens=candidate.max_tokens,
                        stream=stream,
                        example=example,
                    )
                )
                reply = yield from walk.at(
                    candidate, conversation, stream=stream, is_fallback=place > 0, is_last=place == last
                )
            finally:  # a probe that never went out blocks nobody
                self._breakers.release(candidate.provider, candidate.model, admitted)
            if reply is not None:
                return reply
            if walk.is_over:
                break
        raise walk.exhausted()

    # The walk's view of what it needs.

    @property
    def clock(self) -> Clock:
        """Time and chance."""
        return self._clock

    def call(
        self, conversation: Conversation, seconds: float, cancellation: Cancellation, *, stream: bool
    ) -> Generator[str, None, Answer]:
        """Send once, on the provider loop."""
        return self._loop.call(conversation, seconds, cancellation, stream=stream)

    def cost(self, candidate: Candidate, usage: Usage, at: datetime) -> Cost | None:
        """Return what *usage* costs at *candidate*."""
        return self._prices.cost(candidate.provider, candidate.model, usage, at)

    def worst(self, candidate: Candidate, input_tokens: int, at: datetime) -> int | None:
        """Return the most nano-dollars that so much input and the longest answer can cost at *candidate*."""
        kinds = (Usage(input_tokens=input_tokens), Usage(input_tokens=input_tokens, cache_write_tokens=input_tokens))
        costs = [self.cost(candidate, kind + Usage(output_tokens=candidate.max_tokens), at) for kind in kinds]
        return max((cost.nano_usd for cost in costs if cost), default=None)

    def tell_breaker(self, call: Call, error: ProviderError | None) -> None:
        """Tell the breaker of the one who was called how the call ended."""
        candidate = call.candidate
        if isinstance(error, Abandoned):
            self._breakers.release(candidate.provider, candidate.model, call.began)
        else:
            healthy = error is None or not error.trips_breaker
            self._breakers.note(candidate.provider, candidate.model, healthy=healthy, began=call.began)


class _Walk:
    """One walk: what it has used up so far."""

    def __init__(self, router: Router, route: RouteTerms, record: Record, cancellation: Cancellation) -> None:
        self._router = router
        self._clock = router.clock
        self._route = route
        self._record = record
        self._cancellation = cancellation
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
            try:
                answer = yield from self._send(conversation, min(self._left, candidate.timeout_seconds), stream=stream)
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
                gone = Abandoned("The caller left.", answer=conversation.so_far)
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
            expected_cost=self._router.cost(candidate, expected, started),
            worst_nano_usd=self._router.worst(candidate, size + UNSEEN_TOKENS, started),
        )

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
            usage = _estimate(answer, call.expected)
        ended = self._clock.now()
        cost = self._router.cost(call.candidate, usage, call.started) if usage else None
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
            error_detail=error.message if error else _named(problems),
            answer=answer,
            usage=usage,
            cost=cost,
            field_errors=problems,
            asked=call.asked,
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


def _estimate(answer: Answer, at_most: Usage) -> Usage:
    """Return what a call used whose usage the wire never told: all input, and the output seen, or all if none was."""
    told = answer.usage
    seen = -(-len(answer.text.encode()) // BYTES_PER_TOKEN)
    return Usage(
        input_tokens=told.input_tokens if told else at_most.input_tokens,
        cached_tokens=told.cached_tokens if told else 0,
        cache_write_tokens=told.cache_write_tokens if told else 0,
        output_tokens=max(seen, told.output_tokens if told else 0) if seen else at_most.output_tokens,
        reasoning_tokens=told.reasoning_tokens if told else 0,
        estimated=True,
    )


def _named(problems: Sequence[FieldProblem]) -> str | None:
    if not problems:
        return None
    shown = "; ".join(f"{problem.path} {problem.message}" for problem in problems[:3])
    return shown + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")

"""The calls of one walk: each is planned and paid for before it goes out, and told and written down when it has ended.

Only here and where a walk lets a candidate in do attempts meet breakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from core import faults
from core.attempts._attempt import Attempt, Bookkeeper, ProviderCall
from core.attempts._candidate_state import CandidateState
from core.attempts._estimates import AnswerLengths, estimate
from core.attempts._expectation import counted_input, expectation
from core.attempts._terms import Candidate, RouteTerms
from core.breakers import Breakers
from core.clock import Clock
from core.pricing import PriceBook
from core.providers import Answer, Exchange, ProviderError, TimedOut
from core.response_models import FieldProblem
from core.screened_places import AnswerScreen
from core.tables import AttemptKind, Outcome


class Calls:
    """What goes out in one walk."""

    def __init__(
        self,
        route: RouteTerms,
        *,
        bookkeeper: Bookkeeper,
        breakers: Breakers,
        prices: PriceBook,
        lengths: AnswerLengths,
        clock: Clock,
        screen: AnswerScreen,
        is_relayed: bool = False,
    ) -> None:
        self._route = route
        self._is_relayed = is_relayed
        self._bookkeeper = bookkeeper
        self._breakers = breakers
        self._prices = prices
        self._lengths = lengths
        self._clock = clock
        self._screen = screen
        self.count = 0
        """How many calls have gone out."""
        self.last: Attempt | None = None
        """The attempt that ended last."""
        self.rest_seconds: float | None = None
        """For how long all keys rest of whoever was asked last; ``None`` where they do not."""
        self.may_pass = False
        """Whether the last call might succeed a moment later."""

    def cover(self, state: CandidateState, kind: AttemptKind) -> ProviderCall:
        """Return the candidate's next call, with the money for it held. Its bytes hold every message so far.

        Raises:
            BudgetExceeded: the budget does not cover it.

        """
        candidate = state.candidate
        started = self._clock.now()
        expected = expectation(
            state.exchange,
            candidate,
            schema=self._route.schema,
            prices=self._prices,
            lengths=self._lengths,
            at=started,
        )
        call = ProviderCall(
            id=self._clock.new_id(),
            n=self.count + 1,
            kind=kind,
            candidate=candidate,
            mode=state.exchange.mode,
            started=started,
            began=self._clock.monotonic(),
            asked=state.asked,
            expected=expected.usage,
            expected_cost=expected.cost,
            worst_nano_usd=expected.worst_nano_usd,
            counted_input=partial(counted_input, state.exchange, candidate),
            injected=faults.met(self._route.drills, candidate.provider, candidate.model, self._clock),
        )
        if self._bookkeeper.cover(call):
            call = replace(call, started=self._clock.now(), began=self._clock.monotonic())
        self.count = call.n
        state.calls += 1
        state.was_asked_again |= kind is AttemptKind.REASK
        return call

    def met(self, call: ProviderCall, exchange: Exchange) -> Exchange:
        """Return what to send: where a fire drill injects a fault, what meets it."""
        if call.injected is not None:
            self._bookkeeper.note(
                "drill", f"{call.candidate.name}: {call.injected.drill.fault.label}, by a fire drill."
            )
        return faults.with_fault(exchange, call.injected, is_relayed=self._is_relayed)

    def answered(
        self,
        call: ProviderCall,
        answer: Answer,
        outcome: Outcome,
        *,
        valid: bool | None = None,
        code: str | None = None,
        detail: str | None = None,
        problems: tuple[FieldProblem, ...] = (),
    ) -> None:
        """Take in a call that was answered; *valid* is ``None`` where the answer could not be judged."""
        self._note(answer)
        self._tell_breaker(call, answer, valid=valid)
        self.rest_seconds, self.may_pass = None, False
        self._write(call, answer, outcome, code=code, detail=detail or _named(problems), problems=problems)

    def failed(self, call: ProviderCall, error: ProviderError) -> None:
        """Take in a call that gave no answer to read."""
        self._note(error.answer)
        self._tell_breaker(call, error)
        self.rest_seconds = error.retry_after_seconds if error.keys_rest else None
        self.may_pass = error.try_again
        self._write(call, error.answer, error.outcome, error=error, code=error.code, detail=error.message)

    def _note(self, answer: Answer) -> None:
        if answer.remark:
            self._bookkeeper.note("asked", answer.remark)

    def _tell_breaker(self, call: ProviderCall, came: Answer | ProviderError, *, valid: bool | None = None) -> None:
        """Tell the breaker of the one who was called how the call ended, and whether its answer was *valid*.

        Breakers are everybody's: a caller who leaves, or who has no time, or who meets an injected fault, must not open
        one for all others, or keep it closed; nor must a fault of ours, or a request that was turned away.
        """
        candidate, took = call.candidate, self._clock.monotonic() - call.began
        enough = min(candidate.timeout_seconds, self._breakers.rule.slow_from(candidate.timeout_seconds))
        has_run_out = self._route.is_hurried and isinstance(came, TimedOut) and took < enough
        tells = not has_run_out and call.injected is None and (isinstance(came, Answer) or came.tells_health)
        error, answer = (None, came) if isinstance(came, Answer) else (came, came.answer)
        self._breakers.note(
            candidate.provider,
            candidate.model,
            self._route.schema,
            healthy=(error is None or not error.trips_breaker) if tells else None,
            seconds=took if answer.ttft_seconds is None else answer.ttft_seconds,
            timeout_seconds=candidate.timeout_seconds,
            valid=valid,
            began=call.began,
        )

    def _write(
        self,
        call: ProviderCall,
        answer: Answer,
        outcome: Outcome,
        *,
        code: str | None,
        detail: str | None,
        error: ProviderError | None = None,
        problems: tuple[FieldProblem, ...] = (),
    ) -> None:
        """Write one attempt down, with what it used and cost."""
        usage, candidate = answer.usage, call.candidate
        is_whole = error is None or error.told_all
        is_known = usage is not None and usage.is_told and is_whole and answer.is_usage_final
        if not is_known and (error is None or error.was_sent):
            sent = max(call.expected.input_tokens, call.counted_input())
            usage = estimate(answer, sent, partial(self._likely, candidate), candidate.max_tokens, is_whole=is_whole)
        elif not is_known:
            usage = usage if usage is not None and usage.is_told else None
        elif outcome.is_successful and usage is not None:
            self._lengths.learn(self._route.schema, candidate.provider, candidate.model, usage.output_tokens)
        if not outcome.is_successful:  # what is valid is screened as the object that it is
            text = self._screen.kept(answer.text, is_whole=error is None)
            answer = answer if text == answer.text else replace(answer, text=text)
            problems, detail = self._screen.problems(problems), detail and self._screen.sentence(detail)
        if call.injected is not None:
            usage, detail = call.injected.paid(usage), call.injected.told(detail)
        self.last = Attempt(
            id=call.id,
            n=call.n,
            kind=call.kind,
            provider=candidate.provider,
            model=candidate.model,
            mode=call.mode,
            started_at=call.started,
            ended_at=self._clock.now(),
            duration_ms=(self._clock.monotonic() - call.began) * 1000,
            outcome=outcome,
            error_code=code,
            error_detail=detail,
            answer=answer,
            usage=usage,
            cost=self._prices.cost(candidate.provider, candidate.model, usage, call.started, answered=answer.model)
            if usage
            else None,
            field_errors=problems,
            asked=call.asked,
            drill_id=call.injected.drill.id if call.injected else None,
        )
        self._bookkeeper.ended(self.last)

    def _likely(self, candidate: Candidate, seen: int) -> int:
        """Return how many tokens an answer of *candidate* becomes of which *seen* are known."""
        kind = (self._route.schema, candidate.provider, candidate.model)
        return self._lengths.likely(*kind, seen=seen, most=candidate.max_tokens)


def _named(problems: Sequence[FieldProblem]) -> str | None:
    if not problems:
        return None
    shown = "; ".join(f"{problem.path} {problem.message}" for problem in problems[:3])
    return shown + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")

"""The calls of one walk: each is planned and covered before it goes out, and written down when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core import faults
from core.attempts._calls import Attempt, Call, Record
from core.attempts._estimates import BYTES_PER_TOKEN, UNSEEN_TOKENS, AnswerLengths, estimate
from core.attempts._terms import Candidate, RouteTerms
from core.attempts._turn import Turn
from core.clock import Clock
from core.pricing import PriceBook, Usage
from core.providers import Answer, Conversation, ProviderError
from core.response_models import FieldProblem
from core.tables import AttemptKind, Outcome


class Outgoing:
    """What goes out in one walk."""

    def __init__(
        self, route: RouteTerms, record: Record, prices: PriceBook, clock: Clock, lengths: AnswerLengths
    ) -> None:
        self._route = route
        self._record = record
        self._prices = prices
        self._clock = clock
        self._lengths = lengths
        self.count = 0
        """How many calls have gone out."""
        self.last: Attempt | None = None
        """The attempt that ended last."""

    def cover(self, turn: Turn, kind: AttemptKind) -> Call:
        """Return the turn's next call, with the money for it held. Its bytes hold every message so far.

        Raises:
            BudgetExceeded: the budget does not cover it.

        """
        candidate = turn.candidate
        size, started = turn.conversation.size_bytes, self._clock.now()
        likely = self._likely(candidate, 0)
        expected = Usage(input_tokens=-(-size // BYTES_PER_TOKEN), output_tokens=likely, estimated=True)
        call = Call(
            id=self._clock.new_id(),
            n=self.count + 1,
            kind=kind,
            candidate=candidate,
            mode=turn.conversation.mode,
            started=started,
            began=self._clock.monotonic(),
            asked=turn.asked,
            expected=expected,
            expected_cost=self._prices.cost(candidate.provider, candidate.model, expected, started),
            worst_nano_usd=self._prices.worst_nano_usd(
                candidate.provider, candidate.model, size + UNSEEN_TOKENS, candidate.max_tokens, started
            ),
            strike=faults.met(self._route.drills, candidate.provider, candidate.model, self._clock),
        )
        self._record.cover(call)
        self.count = call.n
        turn.calls += 1
        turn.was_asked_again |= kind is AttemptKind.REASK
        return call

    def met(self, call: Call, conversation: Conversation) -> Conversation:
        """Return what to send: where a fire drill strikes, what meets its fault."""
        if call.strike is not None:
            self._record.note("drill", f"{call.candidate.name}: {call.strike.drill.fault.label}, by a fire drill.")
        return faults.struck(conversation, call.strike)

    def end(
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
        usage, candidate = answer.usage, call.candidate
        is_whole = error is None or error.told_all
        is_known = usage is not None and is_whole
        if not is_known and (error is None or error.was_sent):
            usage = estimate(answer, call.expected, partial(self._likely, candidate), is_whole=is_whole)
        detail = error.message if error else _named(problems)
        if call.strike is not None:
            usage, detail = call.strike.paid(usage), call.strike.told(detail)
        elif outcome.is_valid and usage is not None and is_known:
            self._lengths.learn(self._route.schema, candidate.provider, candidate.model, usage.output_tokens)
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
            error_code=error.code if error else code,
            error_detail=detail,
            answer=answer,
            usage=usage,
            cost=self._prices.cost(candidate.provider, candidate.model, usage, call.started) if usage else None,
            field_errors=problems,
            asked=call.asked,
            drill_id=call.strike.drill.id if call.strike else None,
        )
        self._record.ended(self.last)

    def _likely(self, candidate: Candidate, seen: int) -> int:
        """Return how many tokens an answer of *candidate* becomes of which *seen* are known."""
        kind = (self._route.schema, candidate.provider, candidate.model)
        return self._lengths.likely(*kind, seen=seen, most=candidate.max_tokens)


def _named(problems: Sequence[FieldProblem]) -> str | None:
    if not problems:
        return None
    shown = "; ".join(f"{problem.path} {problem.message}" for problem in problems[:3])
    return shown + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")

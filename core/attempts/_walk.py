"""One walk: one provider call after the other, until somebody has answered or nobody can.

Whatever it decides it says in the decision trace: why it asks the same again, why it goes on, skips or stops.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from core.attempts._calls import Call, Piece, Record, Reply
from core.attempts._causes import cause_of, cause_of_breaker, context_window, roomier_first
from core.attempts._outgoing import Outgoing
from core.attempts._race import Race
from core.attempts._terms import Candidate, Cause, RouteTerms
from core.attempts._turn import Turn
from core.errors import Cancelled, Exhausted, ProctorError, Unpriced
from core.pricing import PriceBook
from core.providers import Abandoned, Answer, Ask, Conversation, ProviderError
from core.providers.loop import Cancellation
from core.response_models import field_errors
from core.tables import AttemptKind, Outcome

if TYPE_CHECKING:
    from core.attempts._router import Router

PARTIAL_EVERY_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
"""A retry that must wait longer gives way to the next candidate, where there is one."""
FIRST_WAIT_SECONDS = 0.2


class Walk:
    """One walk: what it has used up so far."""

    def __init__(  # noqa: PLR0917 made by Router.answer alone
        self,
        router: Router,
        route: RouteTerms,
        ask: Ask,
        record: Record,
        cancellation: Cancellation,
        prices: PriceBook,
        *,
        ends: float,
        refuses_unpriced: bool,
    ) -> None:
        self._router = router
        self._clock = router.clock
        self._route = route
        self._ask = ask
        self._record = record
        self._cancellation = cancellation
        self._ends = ends
        self._outgoing = Outgoing(route, record, prices, router.clock, router.lengths)
        self._waiting = list(enumerate(route.candidates))
        """Those who have not had their turn, by their places in the route, in the order in which they will."""
        self._unpriced = self._without_price(prices) if refuses_unpriced else ()
        self._turns: dict[int, Turn] = {}
        """The turns that were begun and not ended, by place."""

    def reply(self) -> Generator[Piece, None, Reply]:
        """Yield the answer as it grows, if it is streamed; return the valid object, or raise as Router.answer says."""
        try:
            while (turn := self._next()) is not None:
                reply = yield from self._at(turn)
                if reply is not None:
                    return reply
                self._close(turn)
                if not self._goes_on(turn):
                    break
        finally:
            for turn in list(self._turns.values()):
                self._close(turn)
        raise self._in_vain()

    # ── Whose turn it is ──────────────────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> Turn | None:
        """Return the turn of whoever is to be asked next; ``None`` where the walk ends."""
        while self._waiting:
            if self._is_too_late():
                return None
            place, candidate = self._waiting.pop(0)
            turn = self._turns.get(place) or self._opened(place, candidate)
            if turn is not None:
                return turn
        return None

    def _opened(self, place: int, candidate: Candidate) -> Turn | None:
        """Begin a candidate's turn; ``None`` if it cannot be asked, with the reason in the trace."""
        if not self._is_askable(candidate):
            why = f"the provider {candidate.provider} is not set up here"
            if candidate in self._unpriced:
                why = "it has no price, and calls without a price are refused here"
            self._record.note("skipped", f"{candidate.name}: {why}.")
            return None
        why = self._router.refusal(self._route, candidate)
        if why is not None:
            cause = cause_of_breaker(why.fault)
            if self._waiting and cause not in self._route.fallback_on:
                self._waiting.clear()
                said = f"{candidate.name}: {why} This route has no fallback on {_words(cause)}."
                self._record.note("stopped", said)
            else:
                self._record.note("skipped", f"{candidate.name}: {why}")
            return None
        return self._begun(place, candidate)

    def _begun(self, place: int, candidate: Candidate) -> Turn:
        """Begin the turn of a candidate that was let in."""
        admitted = self._clock.monotonic()
        try:
            conversation = self._router.open(candidate, self._ask)
        except BaseException:
            self._router.release(self._route, candidate, admitted)
            raise
        turn = self._turns[place] = Turn.of(self._route, place, candidate, conversation, admitted)
        return turn

    def _close(self, turn: Turn) -> None:
        del self._turns[turn.place]
        self._router.release(self._route, turn.candidate, turn.admitted)

    def _is_askable(self, candidate: Candidate) -> bool:
        return candidate.provider in self._router.providers and candidate not in self._unpriced

    def _goes_on(self, turn: Turn) -> bool:
        """Whether the next candidate is to be asked after *turn* was in vain; say why, or why not."""
        cause = turn.cause
        if cause is None or self._is_too_late():
            return False
        why = f"{turn.name} {cause.meaning}"
        if cause not in self._route.fallback_on:
            self._record.note("stopped", f"{why}, and this route has no fallback on {_words(cause)}.")
            return False
        if cause is Cause.CONTEXT_OVERFLOW:
            self._waiting = roomier_first(self._waiting, turn.candidate)
        following = next((one for _, one in self._waiting if self._is_askable(one)), None)
        if following is None:
            self._record.note("stopped", f"{why}, and there is nobody further to ask.")
            return False
        room = context_window(following.provider, following.model) if cause is Cause.CONTEXT_OVERFLOW else None
        roomy = f", which takes {room:,} tokens" if room else ""
        self._record.note("went on", f"{why}; next is {following.name}{roomy}.")
        return True

    def _may_go_on(self, cause: Cause) -> bool:
        return cause in self._route.fallback_on and any(self._is_askable(one) for _, one in self._waiting)

    # ── A candidate's turn ────────────────────────────────────────────────────────────────────────────────────────────

    def _at(self, turn: Turn) -> Generator[Piece, None, Reply | None]:
        """Ask one candidate until it has answered or given up; ``None`` sends the walk on."""
        while not turn.is_over:
            if turn.wait_seconds:
                self._clock.wait(self._cancellation.requested, turn.wait_seconds)
            self._stop_if_left()
            if self._is_too_late():
                turn.give_up(None)
                return None
            call = self._outgoing.cover(turn, turn.kind)
            if self._is_hedged(call):
                reply = self._race(turn, call)
            else:
                reply = yield from self._alone(turn, call)
            if reply is not None:
                return reply
        return None

    def _alone(self, turn: Turn, call: Call) -> Generator[Piece, None, Reply | None]:
        sent = self._outgoing.met(call, turn.conversation)
        try:
            answer = yield from self._send(call, sent)
        except ProviderError as error:
            self.failed(turn, call, error)
            return None
        except GeneratorExit:
            self.lost(call, Abandoned("The caller left.", answer=sent.so_far))
            raise
        return self.answered(turn, call, answer)

    def _send(self, call: Call, sent: Conversation) -> Generator[Piece, None, Answer]:
        coming = self._router.call(sent, self.seconds(call), self._cancellation, stream=self._ask.stream)
        pieces: list[str] = []
        shown = 0.0
        try:
            while True:
                pieces.append(next(coming))
                now = self._clock.monotonic()
                if now - shown >= PARTIAL_EVERY_SECONDS:
                    shown = now
                    yield Piece("".join(pieces), call.n)
        except StopIteration as end:
            return end.value
        finally:
            coming.close()

    def seconds(self, call: Call) -> float:
        """Return how long *call* may take."""
        return min(self._ends - self._clock.monotonic(), call.candidate.timeout_seconds)

    def answered(self, turn: Turn, call: Call, answer: Answer) -> Reply | None:
        """Take in an answer: a reply if it is valid, else the turn goes on or is over."""
        try:
            value = turn.conversation.read(answer)
        except ValidationError as error:
            self._router.tell_breaker(self._route, call, answer, valid=False)
            problems = tuple(field_errors(error))
            self._outgoing.end(call, answer, Outcome.INVALID, code="invalid", problems=problems)
            if turn.reasks:
                turn.ask_again(turn.conversation.ask_again(answer, error))
            else:
                turn.give_up(Cause.NEVER_VALID)
            return None
        except Exception:  # a fault of ours must not make a paid call vanish
            self._router.tell_breaker(self._route, call, answer)
            self._outgoing.end(call, answer, Outcome.INTERNAL_ERROR, code="internal_error")
            raise
        self._router.tell_breaker(self._route, call, answer, valid=True)
        outcome = Outcome.VALID_AFTER_REASK if turn.was_asked_again else Outcome.VALID_FIRST_TRY
        outcome = Outcome.VALID_AFTER_FALLBACK if turn.place else outcome
        self._outgoing.end(call, answer, outcome)
        return Reply(getattr(value, "value", value), outcome, turn.candidate)

    def failed(self, turn: Turn, call: Call, error: ProviderError) -> None:
        """Take in a call that gave no answer: the turn goes on or is over."""
        self._router.tell_breaker(self._route, call, error)
        self._outgoing.end(call, error.answer, error.outcome, error=error)
        self._stop_if_left()
        cause = cause_of(error)
        if cause is Cause.TRUNCATION and (more := turn.more_tokens()):
            self._record.note(
                "retried", f"{turn.name} ran into {turn.candidate.max_tokens} tokens; it is asked again with {more}."
            )
            turn.retry()
            turn.allow(more)
        elif cause and error.try_again and turn.retries and (seconds := self._pause(turn, cause, error)) is not None:
            turn.retry(seconds)
        else:
            turn.give_up(cause)

    def lost(self, call: Call, gone: Abandoned) -> None:
        """Write down a call whose answer nobody waits for."""
        self._router.tell_breaker(self._route, call, gone)
        self._outgoing.end(call, gone.answer, gone.outcome, error=gone)

    def _pause(self, turn: Turn, cause: Cause, error: ProviderError) -> float | None:
        """Return how long a retry must wait; ``None`` if that is too long. A wait that cannot end in time never begins.

        The provider's own word is kept; without one the wait doubles each time and is never the same.
        """
        seconds = error.retry_after_seconds
        by = "as it asks for" if seconds is not None else "as this may pass"
        if seconds is None:
            seconds = FIRST_WAIT_SECONDS * 2**turn.retried * (1 + self._clock.chance())
        left = self._ends - self._clock.monotonic()
        if seconds >= left:
            why = f"a retry would have to wait {seconds:.1f} s, and only {max(left, 0):.1f} s are left"
        elif seconds > LONGEST_WAIT_SECONDS and self._may_go_on(cause):
            why = f"a retry would have to wait {seconds:.1f} s; another can be asked sooner"
        else:
            self._record.note("retried", f"{turn.name} is asked again after {seconds:.1f} s, {by}.")
            return seconds
        self._record.note("not retried", f"{turn.name}: {why}.")
        return None

    # ── Hedging ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_hedged(self, call: Call) -> bool:
        """Whether another may be asked beside *call*: the first of the walk, whose answer is to come whole."""
        is_wanted = self._route.hedge_after_ms is not None and not self._ask.stream
        return is_wanted and call.n == 1 and bool(self._waiting) and self._router.races

    def _race(self, turn: Turn, call: Call) -> Reply | None:
        race = Race(self, self._router, self._cancellation)
        race.enter(turn, call, self._outgoing.met(call, turn.conversation))
        return race.run((self._route.hedge_after_ms or 0) / 1000, lambda: self._hedge(race, turn))

    def _hedge(self, race: Race, slow: Turn) -> None:
        """Ask the next candidate beside *slow*, if one can be asked and the budget allows it."""
        late = f"{slow.name} has not answered after {self._route.hedge_after_ms} ms"
        able = ((place, one) for place, one in self._waiting if self._is_askable(one))
        found = next(((place, one) for place, one in able if self._router.refusal(self._route, one) is None), None)
        if found is None:
            self._record.note("not hedged", f"{late}, and nobody else can be asked now.")
            return
        turn = self._begun(*found)
        try:
            call = self._outgoing.cover(turn, AttemptKind.HEDGE)
        except ProctorError as error:
            self._close(turn)
            self._record.note("not hedged", f"{turn.name} is not asked beside {slow.name}: {error.message}")
            return
        self._record.note("hedged", f"{late}, so {turn.name} is asked beside it.")
        race.enter(turn, call, self._outgoing.met(call, turn.conversation))

    # ── The end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_too_late(self) -> bool:
        """Whether the deadline has passed; then the trace says so, and nobody further is asked."""
        if self._clock.monotonic() < self._ends:
            return False
        self._waiting.clear()
        self._record.note("stopped", f"The deadline of {self._route.deadline_seconds:g} s has passed.")
        return True

    def _stop_if_left(self) -> None:
        if self._cancellation.requested.is_set():
            raise Cancelled("The caller left before the answer came.", outcome=Outcome.CANCELLED)

    def _without_price(self, prices: PriceBook) -> tuple[Candidate, ...]:
        """Return the candidates that could be asked and that nobody knows a price for."""
        now, there = self._clock.now(), self._router.providers
        known = [one for one in self._route.candidates if one.provider in there]
        return tuple(one for one in known if prices.terms(one.provider, one.model, now) is None)

    def _in_vain(self) -> Exhausted | Unpriced:
        """Return the sentence that says how the walk ended."""
        if self._unpriced and not any(self._is_askable(one) for one in self._route.candidates):
            names = [one.name for one in self._unpriced]
            return Unpriced(
                f"No model of this route that could be asked has a price ({', '.join(names)}), "
                "and calls without a price are refused here. An operator can set a price, or allow them.",
                models=names,
            )
        last, count = self._outgoing.last, self._outgoing.count
        if last is None and self._clock.monotonic() >= self._ends:
            return Exhausted(
                f"The deadline of {self._route.deadline_seconds:g} s had passed before anybody could be asked.",
                outcome=Outcome.TIMEOUT,
            )
        if last is None:
            return Exhausted(
                "No model of this route could be asked: see the decision trace. "
                "Set a provider key, choose another model, or wait until a breaker closes.",
                outcome=Outcome.PROVIDER_ERROR,
            )
        calls = "1 call" if count == 1 else f"{count} calls"
        return Exhausted(
            f"No valid object after {calls}; the last one, to {last.provider}/{last.model}, ended as "
            f"{last.outcome.value.replace('_', ' ')}: {last.error_detail}",
            outcome=last.outcome,
        )


def _words(cause: Cause) -> str:
    return cause.value.replace("_", " ")

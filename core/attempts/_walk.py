"""One walk over a route's candidates: one provider call after the other, until somebody has answered or nobody can.

Whatever it decides it says in the decision trace: why it asks the same again, why it goes on, skips or stops.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from core.attempts._attempt import Bookkeeper, ProviderCall, Reply
from core.attempts._calls import Calls
from core.attempts._candidate_queue import CandidateQueue
from core.attempts._candidate_state import CandidateState
from core.attempts._causes import cause_of
from core.attempts._estimates import AnswerLengths
from core.attempts._inquiry import Inquiry
from core.attempts._pace import Pace
from core.attempts._pauses import pause
from core.attempts._race import Race
from core.attempts._showing import collected, paced, relayed
from core.attempts._terms import Candidate, Cause, RouteTerms
from core.attempts._vain import exhausted
from core.breakers import Breakers
from core.clock import Clock
from core.dialects import VendorResponse
from core.errors import Cancelled, Exhausted, Invalid, ProctorError, Unavailable, Unpriced
from core.guardrails import Guardrails
from core.pricing import PriceBook
from core.providers import Abandoned, Answer, Misread, NotSent, Provider, ProviderError, Unjudged, Unreadable
from core.providers.loop import Cancellation, Loop
from core.screened_places import AnswerScreen
from core.tables import AttemptKind, Outcome
from core.validation import Effort, OtherProcesses

_UNJUDGED = (
    "The answer came in time, but the deadline passed before it was found whether it satisfies the schema. "
    "Ask with a longer deadline, or for a smaller object."
)

_NOBODY: Mapping[str, str] = {}


class Walk:
    """One walk, and what it has used up so far."""

    def __init__(
        self,
        route: RouteTerms,
        inquiry: Inquiry,
        *,
        clock: Clock,
        providers: Mapping[str, Provider],
        breakers: Breakers,
        loop: Loop,
        prices: PriceBook,
        lengths: AnswerLengths,
        bookkeeper: Bookkeeper,
        cancellation: Cancellation,
        ends: float,
        unpayable: Mapping[str, str] = _NOBODY,
        stopped: Callable[[Candidate], str] = lambda _: "",
        is_thinned: bool = True,
        workers: OtherProcesses | None = None,
        screen: AnswerScreen | None = None,
    ) -> None:
        """Make ready to ask what *inquiry* asks of the route's candidates, until *ends* on the clock's monotonic time.

        *unpayable* are those that may not be asked, by name, since they have no price; each with the reason. *stopped*
        is asked before each call but the first why a candidate may not be asked any more: empty, or a sentence's words.
        *is_thinned* says whether what a stream has shown is read again each time that it goes on. *workers* read what
        is heavy to read. What is kept of answers that nobody gets, or goes back to a model, goes through *screen*.
        """
        self._route = route
        self._inquiry = inquiry
        self._clock = clock
        self._providers = providers
        self._loop = loop
        self._bookkeeper = bookkeeper
        self._cancellation = cancellation
        self._ends = ends
        self._screen = screen or AnswerScreen(Guardrails())
        self._calls = Calls(
            route,
            screen=self._screen,
            bookkeeper=bookkeeper,
            breakers=breakers,
            prices=prices,
            lengths=lengths,
            clock=clock,
            is_relayed=inquiry.is_relayed,
        )
        self._waiting = CandidateQueue(
            route, set_up=providers.keys(), breakers=breakers, unpayable=unpayable, bookkeeper=bookkeeper
        )
        self._unreadable: list[str] = []
        """Why candidates cannot read what the messages hold."""
        self._stopped = stopped
        self._is_thinned = is_thinned
        self._workers = workers
        self._states: dict[int, CandidateState] = {}
        """Those who were let in and not given up, by place."""
        self._unsent: Sequence[Any] = ()
        """What is yet to be passed on of the relayed answer that came last."""
        self._invalid: tuple[Reply, Sequence[Any]] | None = None
        """The last answer that was relayed, is invalid and is asked again for, and all that is yet to be passed on of
        it: the caller gets it if none follows."""

    def reply(self) -> Generator[Any, None, Reply]:
        """Yield the answer as it grows, if it is to be streamed; return the valid object, or what was relayed.

        Of what is relayed and asked again for the last invalid answer is returned where no valid one came, whatever was
        in the way: it is paid for.

        Raises:
            Exhausted: no candidate gave a valid object; ``outcome`` is how the last attempt ended.
            Invalid: no candidate can read what the messages hold.
            Unpriced: no candidate has a price, and calls without a price are refused.
            BudgetExceeded: the budget does not cover the next attempt.
            FeatureDisabled: an operator has stopped it meanwhile.
            Cancelled: the caller left.

        """
        try:
            while (state := self._next()) is not None:
                reply = yield from self._at(state)
                if reply is not None:
                    return reply
                self._close(state)
                if not state.is_over:  # it was stopped, so whoever is next is asked in its place
                    continue
                if state.cause is None or self._is_too_late() or not self._waiting.goes_on(state, state.cause):
                    break
        except ProctorError as error:
            if self._invalid is None or isinstance(error, Cancelled):
                raise
            self._bookkeeper.note("stopped", f"It is not asked again: {error.message}")
        finally:
            for state in list(self._states.values()):
                self._close(state)
        if self._invalid is None:
            raise self._in_vain()
        reply, self._unsent = self._invalid
        yield from self._rest_of(reply)
        return reply

    # ── Who is asked next ─────────────────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> CandidateState | None:
        """Return the state of whoever is to be asked next; ``None`` where the walk ends."""
        while self._waiting:
            if self._is_too_late():
                return None
            place, candidate = self._waiting.take()
            state = self._states.get(place)
            if state is None and self._waiting.lets_in(candidate):
                state = self._begun(place, candidate)
            if state is not None:
                return state
        return None

    def _begun(self, place: int, candidate: Candidate) -> CandidateState | None:
        """Begin an exchange with a candidate that was let in; ``None`` if it cannot read what the messages hold."""
        admitted = self._clock.monotonic()
        try:
            exchange = self._inquiry.open(self._providers[candidate.provider], candidate)
        except Unreadable as why:
            self._waiting.release(candidate, admitted)
            self._unreadable.append(f"{candidate.name}: {why}.")
            self._bookkeeper.note("skipped", self._unreadable[-1])
            return None
        except BaseException:
            self._waiting.release(candidate, admitted)
            raise
        if remark := self._inquiry.remark(exchange):
            self._bookkeeper.note("sent", f"{candidate.name}: {remark}")
        state = self._states[place] = CandidateState.of(self._route, place, candidate, exchange, admitted)
        if self._inquiry.is_reask and state.kind is AttemptKind.FIRST:
            state.kind = AttemptKind.REASK
        if self._inquiry.is_retried_by_caller:
            state.retries = 0
        return state

    def _close(self, state: CandidateState) -> None:
        del self._states[state.place]
        self._waiting.release(state.candidate, state.admitted)

    # ── One candidate ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _at(self, state: CandidateState) -> Generator[Any, None, Reply | None]:
        """Ask one candidate until it has answered, given up or is stopped; ``None`` sends the walk on."""
        while not state.is_over:
            if state.wait_seconds:
                self._clock.wait(self._cancellation.requested, state.wait_seconds)
            self._stop_if_left()
            if self._is_too_late():
                state.give_up(None)
                return None
            if self._is_stopped(state):
                return None
            call = self._calls.cover(state, state.kind)
            if self._is_hedged(call):
                reply = self._race(state, call)
            else:
                reply = yield from self._alone(state, call)
            if reply is not None:
                yield from self._rest_of(reply)
                return reply
        return None

    def _rest_of(self, reply: Reply) -> Generator[Any]:
        """Yield what is yet to be passed on of a relayed answer that has been judged."""
        for piece in self._unsent:
            is_head = isinstance(piece, VendorResponse)
            yield replace(piece, answered_by=reply.candidate.name, attempts=self._calls.count) if is_head else piece

    def _alone(self, state: CandidateState, call: ProviderCall) -> Generator[Any, None, Reply | None]:
        sent = self._calls.met(call, state.exchange)
        coming = self._loop.call(sent, self._seconds(call), self._cancellation, stream=self._inquiry.streams)
        try:
            if self._inquiry.is_judged_first:
                answer, self._unsent = collected(coming)
                rest = None
            elif self._inquiry.is_relayed:
                answer, rest = yield from relayed(coming, state)
            else:
                thinned = self._is_thinned or self._inquiry.is_read_whole(state.exchange)
                piece = partial(self._inquiry.piece, n=call.n, exchange=state.exchange)
                answer, rest = yield from paced(coming, piece, Pace(is_thinned=thinned), self._clock)
        except ProviderError as error:
            return self.failed(state, call, error)
        except GeneratorExit:
            self.lost(call, Abandoned(self._cancellation.sentence, answer=sent.so_far))
            raise
        reply = self.answered(state, call, answer)
        if reply is not None and rest and not self._is_thinned:  # what has changed is told to its end
            yield self._inquiry.piece(rest, n=call.n, exchange=state.exchange)
        return reply

    def _seconds(self, call: ProviderCall) -> float:
        """Return how long *call* may take."""
        return min(self._ends - self._clock.monotonic(), call.candidate.timeout_seconds)

    def answered(self, state: CandidateState, call: ProviderCall, answer: Answer) -> Reply | None:
        """Take in an answer: a reply if it is valid, or the caller's as it is; else it is asked again."""
        try:
            judged = self._inquiry.judged(state.exchange, answer, self._effort())
        except Unjudged as why:
            self._calls.answered(call, answer, Outcome.TIMEOUT, code="unjudged", detail=str(why) or _UNJUDGED)
            state.give_up(Cause.TIMEOUT)
            return None
        except Exception:  # a fault of ours must not make a paid call vanish
            self._calls.answered(call, answer, Outcome.INTERNAL_ERROR, code="internal_error")
            raise
        outcome = judged.outcome or _outcome_of(state, valid=bool(judged.valid))
        code = None if outcome.is_successful else outcome.value
        self._calls.answered(call, answer, outcome, valid=judged.valid, code=code, problems=judged.problems)
        if judged.remark:
            self._bookkeeper.note("not checked", f"{state.name}: {judged.remark}")
        reply = Reply(judged.value, outcome, state.candidate, call.n, answer)
        if judged.ask_again is None or (self._inquiry.is_relayed and not state.reasks):
            return reply
        if self._inquiry.is_relayed:
            self._invalid = reply, self._unsent
        if state.reasks:
            state.ask_again(*judged.ask_again(self._screen))
        else:
            state.give_up(Cause.NEVER_VALID)
        return None

    def failed(self, state: CandidateState, call: ProviderCall, error: ProviderError) -> Reply | None:
        """Take in a call that gave no answer: the candidate is asked again or given up.

        An answer that was cut, but behind its object, is one: what is valid is not paid for again.
        """
        if (whole := self._inquiry.whole(state.exchange, error, self._effort())) is not None:
            return self.answered(state, call, whole)
        self._calls.failed(call, error)
        self._stop_if_left()
        if isinstance(error, NotSent):  # who else is asked would lack it too, and all the sooner
            raise Unavailable(error.message, reason=error.code)
        if isinstance(error, Misread) and error.__cause__ is not None:  # as where an answer of ours is read
            raise error.__cause__
        cause = cause_of(error)
        if state.has_shown:
            self._bookkeeper.note("stopped", f"{state.name} broke off, and nobody else can go on with what it began.")
            state.give_up(None)
        elif cause is Cause.TRUNCATION and (more := state.more_tokens()):
            self._bookkeeper.note(
                "retried", f"{state.name} ran into {state.candidate.max_tokens} tokens; it is asked again with {more}."
            )
            state.retry()
            state.allow(more)
        elif cause and error.try_again and state.retries and (seconds := self._pause(state, cause, error)) is not None:
            state.retry(seconds)
        else:
            if error.try_again and self._inquiry.is_retried_by_caller:
                self._bookkeeper.note("not retried", f"{state.name}: the caller's program asks again by itself.")
            state.give_up(cause)
        return None

    def _effort(self) -> Effort:
        """Return what may be spent on reading one answer, until the deadline."""
        return Effort(is_late=lambda: self._clock.monotonic() >= self._ends, workers=self._workers)

    def lost(self, call: ProviderCall, gone: Abandoned) -> None:
        """Write down a call whose answer nobody waits for."""
        self._calls.failed(call, gone)

    def _pause(self, state: CandidateState, cause: Cause, error: ProviderError) -> float | None:
        """Return how long a retry must wait; ``None`` if that is too long. Either way the trace is told why."""
        left = self._ends - self._clock.monotonic()
        seconds, why = pause(
            error, retried=state.retried, left=left, goes_on=self._waiting.may_go_on(cause), chance=self._clock.chance
        )
        if seconds is None:
            self._bookkeeper.note("not retried", f"{state.name}: {why}.")
        else:
            self._bookkeeper.note("retried", f"{state.name} is asked again after {seconds:.1f} s, {why}.")
        return seconds

    # ── Hedging ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_hedged(self, call: ProviderCall) -> bool:
        """Whether another may be asked beside *call*: the first of the walk, whose answer is to come whole."""
        is_wanted = self._route.hedge_after_ms is not None and not self._inquiry.streams
        return is_wanted and call.n == 1 and bool(self._waiting) and self._loop.races

    def _race(self, state: CandidateState, call: ProviderCall) -> Reply | None:
        with Race(self, self._loop, self._cancellation) as race:
            race.enter(state, call, self._calls.met(call, state.exchange), self._seconds(call))
            if race.is_late((self._route.hedge_after_ms or 0) / 1000):
                self._hedge(race, state)
            return race.reply()

    def _hedge(self, race: Race, slow: CandidateState) -> None:
        """Ask the next candidate beside *slow*, if one can be asked and the budget allows it."""
        late = f"{slow.name} has not answered after {self._route.hedge_after_ms} ms"
        found = self._waiting.beside()
        if found is None:
            self._bookkeeper.note("not hedged", f"{late}, and nobody else can be asked now.")
            return
        state = self._begun(*found)
        if state is None:
            return
        try:
            if self._is_stopped(state):
                self._close(state)
                return
            call = self._calls.cover(state, AttemptKind.HEDGE)
        except ProctorError as error:
            self._close(state)
            self._bookkeeper.note("not hedged", f"{state.name} is not asked beside {slow.name}: {error.message}")
            return
        self._bookkeeper.note("hedged", f"{late}, so {state.name} is asked beside it.")
        race.enter(state, call, self._calls.met(call, state.exchange), self._seconds(call))

    # ── The end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_too_late(self) -> bool:
        """Whether the deadline has passed; then the trace says so, and nobody further is asked."""
        if self._clock.monotonic() < self._ends:
            return False
        self._waiting.clear()
        self._bookkeeper.note("stopped", f"The deadline of {self._route.deadline_seconds:g} s has passed.")
        return True

    def _is_stopped(self, state: CandidateState) -> bool:
        """Whether an operator has stopped a candidate since the walk began, which the first call need not ask."""
        why = self._stopped(state.candidate) if self._calls.count else ""
        if why:
            self._bookkeeper.note("stopped", f"{state.name}: {why}.")
        return bool(why)

    def _stop_if_left(self) -> None:
        if self._cancellation.requested.is_set():
            raise Cancelled("The caller left before the answer came.", outcome=Outcome.CANCELLED)

    def _in_vain(self) -> Exhausted | Invalid | Unpriced:
        """Return the sentence that says how the walk ended."""
        if self._unreadable and self._calls.last is None and len(self._unreadable) == len(self._route.candidates):
            return Invalid(f"{self._inquiry.nobody}: {' '.join(self._unreadable)}")
        if (unpriced := self._waiting.without_price()) is not None:
            return unpriced
        error = exhausted(self._route, self._calls, is_late=self._clock.monotonic() >= self._ends)
        error.is_left_to_caller = self._inquiry.is_retried_by_caller and self._calls.may_pass
        return error


def _outcome_of(state: CandidateState, *, valid: bool) -> Outcome:
    """Return how a call ended whose answer was judged."""
    if not valid:
        return Outcome.INVALID
    if state.place:
        return Outcome.VALID_AFTER_FALLBACK
    return Outcome.VALID_AFTER_REASK if state.was_asked_again else Outcome.VALID_FIRST_TRY

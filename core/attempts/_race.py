"""Two calls of one walk at once: the first valid answer wins, and the other is ended, written down and paid.

Nobody's thread is spent on it: both calls are on the provider loop, and the caller waits for whichever ends first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from core.attempts._attempt import ProviderCall, Reply
from core.attempts._candidate_state import CandidateState
from core.providers import Abandoned, Answer, Exchange, ProviderError
from core.providers.loop import Cancellation, Loop, PendingCall


class Referee(Protocol):
    """Who says what the end of a call means: the walk that runs the race."""

    def answered(self, state: CandidateState, call: ProviderCall, answer: Answer) -> Reply | None:
        """Take in an answer: a reply if it is valid."""
        ...

    def failed(self, state: CandidateState, call: ProviderCall, error: ProviderError) -> Reply | None:
        """Take in a call that gave no answer, or one that was cut: a reply if it is valid all the same."""
        ...

    def lost(self, call: ProviderCall, gone: Abandoned) -> None:
        """Take in a call whose answer nobody waits for."""
        ...


@dataclass(frozen=True, slots=True)
class _Runner:
    state: CandidateState
    call: ProviderCall
    pending: PendingCall


class Race:
    """The calls that are out at once. Those that are still out as its block ends are ended then."""

    def __init__(self, referee: Referee, loop: Loop, cancellation: Cancellation) -> None:
        self._referee = referee
        self._loop = loop
        self._cancellation = cancellation
        self._out: list[_Runner] = []
        """In the order of their numbers."""
        self._winner = ""

    def enter(self, state: CandidateState, call: ProviderCall, sent: Exchange, seconds: float) -> None:
        """Send one more, with *seconds* to live."""
        self._out.append(_Runner(state, call, self._loop.start(sent, seconds, self._cancellation)))

    def is_late(self, seconds: float) -> bool:
        """Wait for *seconds*; whether nobody has ended by then."""
        return not PendingCall.ended(self._pending, seconds)

    def reply(self) -> Reply | None:
        """Wait for the first valid answer and return it; ``None`` when all have ended without one.

        An invalid answer, or none, leaves the other running.
        """
        while self._out:
            ended = PendingCall.ended(self._pending)
            for runner in [one for one in self._out if one.pending in ended]:
                self._out.remove(runner)
                reply = self._taken_in(runner)
                if reply is not None:
                    self._winner = runner.call.candidate.name
                    return reply
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever is still out."""
        for runner in self._out:
            self._end(runner)

    @property
    def _pending(self) -> list[PendingCall]:
        return [one.pending for one in self._out]

    def _taken_in(self, runner: _Runner) -> Reply | None:
        try:
            answer = runner.pending.answer()
        except ProviderError as error:
            return self._referee.failed(runner.state, runner.call, error)
        return self._referee.answered(runner.state, runner.call, answer)

    def _end(self, runner: _Runner) -> None:
        """End a call that nobody waits for any more. If its answer came at the same moment, its usage is known."""
        if self._winner:
            why = f"{self._winner} had answered first."
        elif self._cancellation.requested.is_set():
            why = self._cancellation.sentence
        else:
            why = "The generation had ended without it."
        if runner.pending.give_up():
            self._referee.lost(runner.call, Abandoned(why, answer=runner.pending.so_far))
            return
        try:
            late = Abandoned(why, answer=runner.pending.answer())
        except ProviderError as error:
            late = Abandoned(why, answer=error.answer)
            late.was_sent, late.told_all = error.was_sent, error.told_all
        else:
            late.told_all = True
        self._referee.lost(runner.call, late)

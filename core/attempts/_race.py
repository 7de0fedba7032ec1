"""Two calls of one walk at once: the first valid answer wins, and the other is ended, written down and paid.

Nobody's thread is spent on it: both calls are on the provider loop, and the caller waits for whichever ends first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.attempts._calls import Call, Reply
from core.attempts._turn import Turn
from core.providers import Abandoned, Conversation, ProviderError
from core.providers.loop import Cancellation, Flight

if TYPE_CHECKING:
    from core.attempts._router import Router
    from core.attempts._walk import Walk


@dataclass(frozen=True, slots=True)
class _Runner:
    turn: Turn
    call: Call
    flight: Flight


class Race:
    """The calls that are out at once."""

    def __init__(self, walk: Walk, router: Router, cancellation: Cancellation) -> None:
        self._walk = walk
        self._router = router
        self._cancellation = cancellation
        self._out: list[_Runner] = []
        """In the order of their numbers."""

    def enter(self, turn: Turn, call: Call, sent: Conversation) -> None:
        """Send one more."""
        flight = self._router.start(sent, self._walk.seconds(call), self._cancellation)
        self._out.append(_Runner(turn, call, flight))

    def run(self, head_start_seconds: float, hedge: Callable[[], None]) -> Reply | None:
        """Wait; call *hedge* if nobody has ended by then; return the first valid answer, or ``None`` when all ended.

        An invalid answer, or none, leaves the other running.
        """
        winner = ""
        try:
            if not Flight.landed(self._flights, head_start_seconds):
                hedge()
            while self._out:
                landed = Flight.landed(self._flights)
                for runner in [one for one in self._out if one.flight in landed]:
                    self._out.remove(runner)
                    reply = self._taken_in(runner)
                    if reply is not None:
                        winner = runner.call.candidate.name
                        return reply
            return None
        finally:
            for runner in self._out:
                self._end(runner, winner)

    @property
    def _flights(self) -> list[Flight]:
        return [one.flight for one in self._out]

    def _taken_in(self, runner: _Runner) -> Reply | None:
        try:
            answer = runner.flight.answer()
        except ProviderError as error:
            self._walk.failed(runner.turn, runner.call, error)
            return None
        return self._walk.answered(runner.turn, runner.call, answer)

    def _end(self, runner: _Runner, winner: str) -> None:
        """End a call that nobody waits for any more. If its answer came at the same moment, its usage is known."""
        why = f"{winner} had answered first." if winner else "The caller left."
        if runner.flight.give_up():
            self._walk.lost(runner.call, Abandoned(why, answer=runner.flight.so_far))
            return
        try:
            late = Abandoned(why, answer=runner.flight.answer())
        except ProviderError as error:
            late = Abandoned(why, answer=error.answer)
            late.was_sent, late.told_all = error.was_sent, error.told_all
        else:
            late.told_all = True
        self._walk.lost(runner.call, late)

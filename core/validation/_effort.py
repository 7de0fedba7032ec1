"""How much of the processor the check of one answer may take, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import thread_time
from typing import Any, Protocol, TypeVar

_Part = TypeVar("_Part")

MOST_SECONDS = 0.35
"""What may be spent on one answer, in however many texts its object may stand. What is begun is ended, so the last
verdict may go beyond it; what that can cost is known before (``MOST_VISITS``)."""

_STRIDE = 32


class EffortSpent(Exception):
    """No more may be spent."""


class OtherProcesses(Protocol):
    """Where what is heavy to read is read, so that nobody here waits for it."""

    def read(self, model: Any, order: Any, effort: Effort, /) -> Any:
        """Return what is found in the texts of *order*; ``None`` where that is to be found out here."""
        ...


class Effort:
    """Seconds of this thread's own processor time: how long others keep it waiting changes no answer's fate.

    But whoever waits for the answer does so until a deadline, and nothing is spent behind that.
    """

    def __init__(
        self,
        seconds: float = MOST_SECONDS,
        spent: Callable[[], float] = thread_time,
        *,
        is_late: Callable[[], bool] = lambda: False,
        workers: OtherProcesses | None = None,
    ) -> None:
        """Begin to spend; *is_late* says whether the deadline has passed, *workers* read what is heavy."""
        self._spent = spent
        self._end = spent() + seconds
        self.is_late = is_late
        self.workers = workers
        self.was_late = False
        """Whether the deadline ended it before all was done that was asked for."""
        self.was_spent = False
        """Whether somebody was told that nothing is left, though there was time."""

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left; who asks does no more then."""
        if self.is_late():
            self.was_late = True
            return True
        is_over = self._spent() > self._end
        self.was_spent |= is_over
        return is_over

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return max(0.0, self._end - self._spent())

    def charge(self, seconds: float) -> None:
        """Count what was spent elsewhere."""
        self._end -= seconds

    def brief(self, seconds: float) -> Effort:
        """Return an effort of at most *seconds*, which are a part of this one."""
        return Effort(min(seconds, self.left), self._spent, is_late=self.is_late)

    def check(self) -> None:
        """Raise ``EffortSpent`` where nothing is left."""
        if self.is_spent:
            raise EffortSpent

    def over(self, parts: Iterable[_Part]) -> Iterator[_Part]:
        """Yield *parts*, and raise ``EffortSpent`` on the way where nothing is left."""
        for n, part in enumerate(parts):
            if not n % _STRIDE:
                self.check()
            yield part

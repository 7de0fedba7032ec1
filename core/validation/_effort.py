"""How much of the processor the check of one answer may take, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import thread_time
from typing import TypeVar

_Part = TypeVar("_Part")

MOST_SECONDS = 0.35
"""What may be spent on one answer, in however many texts its object may stand. What is begun is ended, so the last
verdict may go beyond it; what that can cost is known before (``MOST_VISITS``)."""

_STRIDE = 32


class EffortSpent(Exception):
    """No more may be spent."""


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
    ) -> None:
        """Begin to spend; *is_late* says whether the deadline has passed."""
        self._spent = spent
        self._end = spent() + seconds
        self._is_late = is_late
        self.was_late = False
        """Whether the deadline ended it before all was done that was asked for."""

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left; who asks does no more then."""
        if self._is_late():
            self.was_late = True
            return True
        return self._spent() > self._end

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

"""How much of the processor the check of one answer may take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import thread_time
from typing import TypeVar

_Part = TypeVar("_Part")

MOST_SECONDS = 0.3
"""What may be spent beyond the verdict itself: on large patterns, and on finding what is wrong."""

_STRIDE = 32


class EffortSpent(Exception):
    """No more may be spent."""


class Effort:
    """Seconds of this thread's own processor time: how long others keep it waiting changes no answer's fate."""

    def __init__(self, seconds: float = MOST_SECONDS, spent: Callable[[], float] = thread_time) -> None:
        self._spent = spent
        self._end = spent() + seconds

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
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

"""Several detectors as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from core.detection import Detector, Span, merged
from core.detection._streams import kept_whole

_MOST_ROUNDS = 8


class SparingDetector(Detector, Protocol):
    """One that can say quickly that a whole document has nothing for it."""

    def may_find(self, text: str) -> bool:
        """Whether it may find something in a part of *text*."""
        ...


class Together:
    """Finds what any of its *members* does."""

    def __init__(self, members: Sequence[SparingDetector]) -> None:
        """Ask each of *members*."""
        self._members = members

    def find(self, text: str) -> list[Span]:
        """Return what they find in *text*; what overlaps is one."""
        return merged(span for member in self._members for span in member.find(text))

    def decided(self, text: str) -> int:
        """Return how much of *text* is decided for each of them."""
        at = min((member.decided(text) for member in self._members), default=len(text))
        return kept_whole(at, self.find(text))

    def forgettable(self, text: str) -> int:
        """Return the last place at which each of them would begin anew; the beginning, where that is not soon found."""
        at = len(text)
        for _ in range(_MOST_ROUNDS):
            least = min((member.forgettable(text[:at]) for member in self._members), default=at)
            if least == at:
                return at
            at = least
        return 0

    def may_find(self, text: str) -> bool:
        """Whether one of them may find something in a part of *text*."""
        return any(member.may_find(text) for member in self._members)

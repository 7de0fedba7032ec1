"""Detectors made of others: several as one, and one with exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.detection import Detector, Span, merged
from core.detection.folding import folded, small

_MOST_ROUNDS = 8


class Together:
    """Finds what any of its *members* does."""

    def __init__(self, members: Sequence[Detector]) -> None:
        """Ask each of *members*."""
        self._members = members

    def find(self, text: str) -> list[Span]:
        """Return what they find in *text*; what overlaps is one."""
        return merged(span for member in self._members for span in member.find(text))

    def decided(self, text: str) -> int:
        """Return how much of *text* is decided for each of them."""
        at = min((member.decided(text) for member in self._members), default=len(text))
        for span in reversed(self.find(text)):
            if span.start < at < span.end:
                return span.start
        return at

    def forgettable(self, text: str) -> int:
        """Return the last place at which each of them would begin anew; the beginning, where that is not soon found."""
        at = len(text)
        for _ in range(_MOST_ROUNDS):
            least = min((member.forgettable(text[:at]) for member in self._members), default=at)
            if least == at:
                return at
            at = least
        return 0


class Excepting:
    """Finds what a detector does, but for values that are excepted, each exactly as it is and in any case."""

    def __init__(self, detector: Detector, values: Iterable[str]) -> None:
        """Ask *detector*; none of *values* is a finding, but what is longer than one of them is."""
        self._detector = detector
        self._values = frozenset(small(folded(value.strip()).text) for value in values)

    def find(self, text: str) -> list[Span]:
        """Return what is found in *text* and is not excepted."""
        found = self._detector.find(text)
        return [one for one in found if small(folded(text[one.start : one.end]).text) not in self._values]

    def decided(self, text: str) -> int:
        """Return how much of *text* is decided without exceptions, as that is with them."""
        return self._detector.decided(text)

    def forgettable(self, text: str) -> int:
        """Return how much of *text* may be searched apart without exceptions."""
        return self._detector.forgettable(text)

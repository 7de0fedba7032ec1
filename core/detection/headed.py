"""The name of a member as a word before its value: in ``{"ssn": "536904399"}`` it alone tells what the digits are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from core.detection import Detector, Span


@runtime_checkable
class ReadsNames(Detector, Protocol):
    """A search to which words tell what a number is."""

    def heading(self, name: str) -> str:
        """Return what stands before the value of the member *name*; nothing, where that name tells nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Headed:
    """Searches a value as if its member's name stood before it, as a word does in prose."""

    rest: Detector
    """What searches on in a part of the value that is not its beginning."""
    heading: str

    def find(self, text: str) -> list[Span]:
        """Return what is found in *text*, under its heading."""
        size = len(self.heading)
        found = self.rest.find(self.heading + text)
        return [Span(max(one.start - size, 0), one.end - size, one.kind) for one in found if one.end > size]

    def decided(self, text: str) -> int:
        """Return how much of *text* is decided."""
        return max(self.rest.decided(self.heading + text) - len(self.heading), 0)

    def forgettable(self, text: str) -> int:
        """Return how much of *text* may be searched apart from the rest."""
        return max(self.rest.forgettable(self.heading + text) - len(self.heading), 0)

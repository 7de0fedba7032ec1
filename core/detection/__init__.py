"""What stands in a text that may not go on: where it begins and ends, and of what kind it is. A file per detector.

A detector knows neither tenant nor place nor what is done with its findings: that is said by ``guardrails``. It reads a
text as :mod:`core.detection.folding` shows it, so that characters which nobody sees hide nothing.

Texts are often still being written. What is found in the beginning of one must not depend on how it is cut, so a
detector also says what is undecided: everything before :meth:`Detector.decided` is as it will be, whatever comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A finding: the characters of a text from *start* up to *end*, which is not of it."""

    start: int
    end: int
    kind: str
    """What it is, with its article: ``a GitHub token``."""


class Detector(Protocol):
    """One kind of search."""

    def find(self, text: str) -> list[Span]:
        """Return what is found in a *text* that is whole, in order; no two overlap.

        What takes too long to be searched is found as a whole, as a kind of its own: nothing passes unread.
        """
        ...

    def decided(self, text: str) -> int:
        """Return how much of *text*, which may go on, is decided.

        No finding in ``text + more`` goes across that place, and those before it are the ones that :meth:`find` tells
        of *text* there, whatever *more* is.
        """
        ...

    def forgettable(self, text: str) -> int:
        """Return how much of *text* may be searched apart from the rest, as neither depends on the other."""
        ...


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return *spans* of several detectors without overlaps: what overlaps is one, and the longest of it names it.

    The order in which they were found changes nothing.
    """
    regions: list[tuple[int, int, Span]] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end, one.kind)):
        if regions and span.start < regions[-1][1]:
            start, end, named = regions[-1]
            longest = span if span.end - span.start > named.end - named.start else named
            regions[-1] = (start, max(end, span.end), longest)
        else:
            regions.append((span.start, span.end, span))
    return [Span(start, end, named.kind) for start, end, named in regions]

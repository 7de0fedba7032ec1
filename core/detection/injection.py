"""Marks of injection in texts that are quoted to a model: sentences that speak to it, where it is only to read.

A mark judges no intent. Each has a weight, and those that begin near each other add up; what reaches a threshold is a
finding. So a word that attacks and orders share weighs little, and a sentence that only an attack says is enough by
itself. Spelling mistakes and paraphrases are the business of a classifier.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from core.detection import Span, merged
from core.detection._engines import Pattern, Words, compiled
from core.detection._injection_marks import InjectionMark, marks
from core.detection._streams import apart, kept_whole, spans_in_original
from core.detection.folding import Folded, flowing, small, unsettled

THRESHOLD = 70
"""From how much weight on a place is a finding, if nobody says otherwise."""
LONGEST = 160
"""Characters that a mark has at most, and that lie at most between the beginnings of two that add up."""
_SPELLED = re.compile(r"(?<!\w)\w(?: \w){4,}(?!\w)")
"""A word that is spelled out: single letters with a blank between."""


class InjectionDetector:
    """Finds marks whose weight, with that of others near them, reaches a threshold."""

    def __init__(self, threshold: int = THRESHOLD) -> None:
        """Find what has *threshold* of a hundred; the less it is, the more is found that is none."""
        self._threshold = threshold
        self._compiled: dict[InjectionMark, Pattern] = {}
        by_word: dict[str, list[InjectionMark]] = {}
        for mark in marks():
            for word in mark.words:
                by_word.setdefault(word, []).append(mark)
        self._words = Words(by_word)

    def find(self, text: str) -> list[Span]:
        """Return the marks in *text* that are enough."""
        view = flowing(text)
        plain = _joined(small(view.text))
        return spans_in_original(view, spans_in_original(plain, self._enough(self._hits(plain.text))))

    def decided(self, text: str) -> int:
        """Return how much stands before the last characters, where a mark may begin or another add to it."""
        view = flowing(text)
        plain = _joined(small(view.text))
        found = self._enough(self._hits(plain.text))
        return view.start(plain.start(kept_whole(_known(plain.text), found)))

    def forgettable(self, text: str) -> int:
        """Return the last place before that with no mark near it."""
        view = flowing(text)
        plain = _joined(small(view.text))
        near = merged(Span(start, max(end, start + LONGEST + 1), "") for start, end, _ in self._hits(plain.text))
        return view.start(plain.start(apart(plain.text, _known(plain.text), near)))

    def may_find(self, text: str) -> bool:
        """Whether a part of *text* may have marks that are enough."""
        return self._words.any(small(flowing(text).text)) and bool(self.find(text))

    def _hits(self, text: str) -> list[tuple[int, int, InjectionMark]]:
        """Return all marks in *text*, by where they begin."""
        asked = {mark: None for _, marks in self._words.found(text) for mark in marks}
        hits: list[tuple[int, int, InjectionMark]] = []
        for mark in asked:
            pattern = self._compiled.get(mark)
            if pattern is None:
                pattern = self._compiled[mark] = compiled(mark.pattern)
            hits += ((*match.span(), mark) for match in pattern.finditer(text))
        return sorted(hits, key=_place)

    def _enough(self, hits: Sequence[tuple[int, int, InjectionMark]]) -> list[Span]:
        """Return those of *hits* that, with others of other sorts near them, reach the threshold."""
        found: list[Span] = []
        for start, end, mark in hits:
            first = bisect_left(hits, start - LONGEST, key=_place)
            last = bisect_right(hits, start + LONGEST, key=_place)
            if sum(one.weight for one in {other for _, _, other in hits[first:last]}) >= self._threshold:
                found.append(Span(start, end, mark.kind))
        return merged(found)


def _place(hit: tuple[int, int, InjectionMark]) -> int:
    return hit[0]


def _known(text: str) -> int:
    """Return before which place all marks of *text* are known, and all that may add to them."""
    return min(max(len(text) - 2 * LONGEST - 1, 0), unsettled(text))


def _joined(text: str) -> Folded:
    """Return *text* with words that are spelled out written as others."""
    parts: list[str] = []
    pieces: list[int] = []
    moved: list[int] = []
    done = length = 0
    for match in _SPELLED.finditer(text):
        start, end = match.span()
        parts += (text[done:start], text[start:end:2])
        length += start - done + 1
        for place in range(length, length + (end - start) // 2):
            pieces.append(place)
            moved.append(len(pieces))
        length += (end - start) // 2
        done = end
    return Folded("".join((*parts, text[done:])), tuple(pieces), tuple(moved))

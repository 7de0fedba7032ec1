"""Patterns that somebody writes, on an engine whose every search takes time that grows with the text alone.

To find all of them that is not enough, as each search may go to the end of the text. So a match has a length at most,
which is looked at and no more, and of searches there are so many at most; what would need more is found as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from core.detection import Span
from core.detection._engines import Pattern, compiled
from core.detection._streams import in_original, is_of_word, kept_whole, spans_in_original
from core.detection.folding import folded, unsettled

LONGEST = 1_000
"""Characters of a match at most, if a pattern asks for so many."""
LONGEST_PATTERN = 2_000
_MOST_TRIED = 1_000
"""Places at which a match of one pattern is looked at more closely, in one text."""
_ABSENT = re.compile(
    r"""
    (?P<escape>\\(?:[1-9]|[ZGhHRXKgkNue]))
    | \\.
    | \[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]
    | (?P<ahead>\(\?[=!]) | (?P<behind>\(\?<[=!]) | (?P<atomic>\(\?>) | (?P<comment>\(\?\#) | (?P<choice>\(\?\()
    | (?P<named>\(\?P[=>]) | (?P<recursion>\(\?[R0-9&+])
    | (?P<possessive>(?:[*+?]|\{\d+(?:,\d*)?\})\+)
    | (?P<often>\{(?:\d*,)?(?:[1-9]\d{4,}|100[1-9]|10[1-9]\d|1[1-9]\d\d|[2-9]\d\d\d)(?:,\d*)?\})
    """,
    re.VERBOSE | re.DOTALL,
)
"""What other engines know, where it is no text; the rest of a pattern is stepped over."""
_SAYS = {
    "ahead": "a look ahead, which this engine does not have: match what follows too",
    "behind": "a look behind, which this engine does not have: match what stands before too",
    "atomic": "an atomic group, which is not needed here: write (?: instead",
    "comment": "a comment, which this engine does not read: leave it out",
    "choice": "a condition, which this engine does not have: write two patterns",
    "named": "a reference to a group, which this engine does not have",
    "recursion": "a recursion, which this engine does not have",
    "possessive": "a possessive quantifier, which is not needed here: leave out its last +",
    "often": "a repetition of more than 1,000: ask for fewer",
}
_SAYS_OF_ESCAPE = {
    "Z": r"\Z, which this engine does not know: write \z",
    "h": r"\h, which this engine does not know: write [ \t]",
}
_WORD = re.compile(r"\w", re.ASCII)
_ANCHORED = re.compile(r"(?<!\[)\^|\$|\\[Az]")
"""What may ask where a text begins or ends."""


class PatternDetector:
    r"""Finds what matches one pattern, in the syntax of RE2; ``\b``, ``\d`` and ``\w`` know ASCII alone."""

    def __init__(
        self, pattern: str, kind: str = "a listed pattern", *, longest: int = 100, is_cased: bool = False
    ) -> None:
        """Look for *pattern*; of a match that is longer than *longest* characters each such part is a finding.

        While a text is written, its last *longest* characters are undecided.

        Raises:
            ValueError: it is no pattern that can be looked for; the sentence says what and where.

        """
        _check(pattern)
        if not 1 <= longest <= LONGEST:
            raise ValueError(f"A match has between 1 and {LONGEST:,} characters at most: give such a number.")
        self._pattern = _compiled(pattern, is_cased=is_cased)
        if self._pattern.match("") or all(self._pattern.fullmatch(sample) for sample in ("a", "7", " ", "\u4e2d")):
            raise ValueError("The pattern matches every text, as it matches nothing or anything: ask for something.")
        self._kind = kind
        self._longest = longest
        self._is_anchored = _ANCHORED.search(pattern) is not None
        self._is_bound = self._is_anchored or "\\B" in pattern

    def find(self, text: str) -> list[Span]:
        """Return where the pattern matches in *text*, from the left and without overlaps.

        Where that would take too many searches, all the rest of the text is found.
        """
        view = folded(text)
        return spans_in_original(view, list(self._found(view.text)))

    def decided(self, text: str) -> int:
        """Return how much stands before the last characters, in which a match may begin that goes on."""
        view = folded(text)
        return in_original(view, self._decided(view.text, list(self._found(view.text))), text)

    def forgettable(self, text: str) -> int:
        """Return the last place before that where no engine sees more than the end or beginning of a text."""
        if self._is_anchored:
            return 0
        view = folded(text)
        found = list(self._found(view.text))
        at = self._decided(view.text, found)
        while at and not _is_between(view.text, at):
            at = kept_whole(at - 1, found)
        return in_original(view, at, text)

    def may_find(self, text: str) -> bool:
        """Whether the pattern may match in a part of *text*."""
        return self._is_bound or self._pattern.search(folded(text).text) is not None

    def _decided(self, text: str, found: Sequence[Span]) -> int:
        at = min(max(len(text) - self._longest - 1, 0), unsettled(text))
        return kept_whole(at, found)

    def _found(self, text: str) -> Iterator[Span]:
        first = self._pattern.search(text)
        at = first.span()[0] if first else len(text)
        tried = 0
        while at < len(text):
            begin = self._next(text, at)
            if begin is None:
                at += self._longest
                continue
            tried += 1
            if tried > _MOST_TRIED:
                yield Span(begin, len(text), "a text with too much to search")
                return
            window = text[max(begin - 1, 0) : begin + self._longest + 2]
            shift = begin - max(begin - 1, 0)
            match = self._pattern.match(window, shift, shift + self._longest)
            end = begin + match.span()[1] - shift if match else begin
            if end > begin:
                yield Span(begin, end, self._kind)
            at = max(end, begin + 1)

    def _next(self, text: str, at: int) -> int | None:
        """Return where a match begins between *at* and as many characters as one has at most."""
        before = max(at - 1, 0)
        window = text[before : at + 2 * self._longest + 1]
        match = self._pattern.search(window, at - before, at - before + 2 * self._longest)
        begin = before + match.span()[0] if match else at + self._longest
        return begin if begin < at + self._longest else None


def whole_match(pattern: str) -> Callable[[str], bool]:
    """Return what says whether *pattern* matches all of a text, as it is written: nothing in it is overlooked.

    Raises:
        ValueError: it cannot be used; the sentence says why.

    """
    _check(pattern)
    engine = _compiled(pattern, is_cased=True)

    def matches(text: str) -> bool:
        try:
            return engine.fullmatch(text) is not None
        except UnicodeEncodeError:
            return False

    return matches


def _check(pattern: str) -> None:
    """Raise ValueError for what cannot be looked for, with one sentence that says what it is and where."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"The pattern has over {LONGEST_PATTERN:,} characters: make two of it.")
    for part in _ABSENT.finditer(pattern):
        if part.lastgroup is None:
            continue
        says = _SAYS[part.lastgroup] if part.lastgroup in _SAYS else _of_escape(part[0])
        raise ValueError(f"The pattern has at character {part.start() + 1} {says}.")


def _of_escape(escape: str) -> str:
    if escape[1].isdigit() or escape[1] in "gk":
        return "a reference to a group, which this engine does not have"
    return _SAYS_OF_ESCAPE.get(escape[1], f"{escape}, which this engine does not know")


def _compiled(pattern: str, *, is_cased: bool) -> Pattern:
    try:
        return compiled(pattern, is_cased=is_cased)
    except UnicodeEncodeError:
        raise ValueError("The pattern holds half of a character: write it anew.") from None
    except ValueError as error:
        raise ValueError(f"The pattern cannot be read: {error}.") from None


def _is_between(text: str, at: int) -> bool:
    r"""Whether nothing reads otherwise if the text is cut *at* it: no word goes on, and no ``\b`` matches."""
    if at == len(text):
        return False
    before, after = text[at - 1], text[at]
    return not (is_of_word(before) and is_of_word(after)) and not _WORD.search(before + after)

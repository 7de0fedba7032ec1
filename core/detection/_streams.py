"""What detectors share about texts that are still being written."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from core.detection import Span
from core.detection.folding import Folded

_OF_WORDS = "@.-_"
"""What a word may hold beside letters, marks and digits, as :mod:`core.detection.folding` reads a mixed one."""


def kept_whole(at: int, found: Sequence[Span]) -> int:
    """Return *at*, or where that of *found* begins which reaches across it; they are in order, without overlaps."""
    before = bisect_left(found, at, key=lambda span: span.start) - 1
    return found[before].start if before >= 0 and found[before].end > at else at


def is_outside(at: int, found: Sequence[Span]) -> bool:
    """Whether the character *at* is in none of *found*, which are in order and without overlaps."""
    before = bisect_right(found, at, key=lambda span: span.start) - 1
    return before < 0 or found[before].end <= at


def word_start(text: str, at: int) -> int:
    """Return where the word begins that stands before *at*; that place itself, if there is none."""
    while at and is_of_word(text[at - 1]):
        at -= 1
    return at


def is_of_word(character: str) -> bool:
    """Whether a word may hold *character*, or an address."""
    return character in _OF_WORDS or unicodedata.category(character)[0] in "LMN"


def apart(text: str, at: int, found: Sequence[Span]) -> int:
    """Return the last place up to *at* where no word and none of *found* goes on."""
    while (kept := kept_whole(word_start(text, at), found)) < at:
        at = kept
    return at


def in_original(view: Folded, at: int, text: str) -> int:
    """Return where in *text* the place *at* of its *view* is; the end is the end."""
    return view.start(at) if at < len(view.text) else len(text)


def spans_in_original(view: Folded, found: Sequence[Span]) -> list[Span]:
    """Return what was *found* in a *view* by its places in the text itself."""
    return [Span(view.start(one.start), view.end(one.end), one.kind) for one in found]

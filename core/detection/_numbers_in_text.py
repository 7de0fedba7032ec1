"""A text as personal data are looked for in it: its numbers, and the words that say what a number is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from core.detection._engines import Words

GAP = "[ \u00a0\u2007\u2009\u202f.\\-\u2010\u2011\u2012\u2013\u2212/()]"
"""What people put between the groups of one number."""
IN_SIGHT = 48
"""Characters that lie at most between the beginning of a word that says what a number is and the number."""
LONGEST = 96
"""Characters of the longest thing that is found here and is no mail address, with all that decides about it."""
LEAST_DIGITS = 6
"""Digits in a row, with the gaps between them, that each number begins with."""
_RUN = re.compile(rf"\d(?:{GAP}{{0,3}}\d){{{LEAST_DIGITS - 1},}}")
_GROUP = re.compile(r"\d+")
_DATE = re.compile(
    r"\d{4}([-./])\d{1,2}\1\d{1,2}(?!\d)|\d{1,2}([-./])\d{1,2}\2\d{4}(?!\d)|\d{1,2}([-./])\d{1,2}\3\d\d(?!\d|[-./]\d)"
)
_LONG_DATE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)|\d{1,2}([-./])\d{1,2}\1[12]\d{3}(?!\d)")
"""A date that is nothing else: no number is written so."""
_IDEOGRAPHS = "\u2e80"
"""From here on scripts are written without blanks."""


class SearchedText:
    """A text, in which each of all searches finds what it has in common with the others."""

    def __init__(self, text: str, words: Words[tuple[int, frozenset[str]]]) -> None:
        """Read *text*, as it is searched; *words* say what a number is, and stand for what they prove."""
        self.text = text
        self._words = words
        self._words_before: dict[int, list[tuple[int, frozenset[str]]]] = {}

    @cached_property
    def groups(self) -> list[tuple[int, int]]:
        """Where groups of digits begin, in order, and how many digits there are from there to the end of their row.

        A row has gaps of three characters at most, and only those with six digits are told.
        """
        found: list[tuple[int, int]] = []
        for run in _RUN.finditer(self.text):
            groups = [group.span() for group in _GROUP.finditer(self.text, *run.span())]
            left = sum(end - begin for begin, end in groups)
            for begin, end in groups:
                if left < LEAST_DIGITS:
                    break
                if not _LONG_DATE.match(self.text, begin):
                    found.append((begin, left))
                left -= end - begin
        return found

    @cached_property
    def _lowered(self) -> str:
        return lowered(self.text)

    def said(self, at: int) -> frozenset[str]:
        """Return what the words prove that lie before *at*, in sight."""
        return frozenset[str]().union(*[proved for _, proved in self._before(at)])

    def directly(self, at: int, between: re.Pattern[str]) -> frozenset[str]:
        """Return what the words prove behind which nothing but *between* comes before *at*."""
        words = self._before(at)
        return frozenset[str]().union(*[proved for end, proved in words if between.fullmatch(self.text, end, at)])

    def _before(self, at: int) -> list[tuple[int, frozenset[str]]]:
        """Return the words in sight before *at*: where each ends, and what it proves."""
        known = self._words_before.get(at)
        if known is None:
            hits = self._words.found(self._lowered, max(at - IN_SIGHT, 0), at)
            known = [
                (begin + size, proved)
                for begin, (size, proved) in hits
                if self._is_border(begin) and self._is_border(begin + size)
            ]
            self._words_before[at] = known
        return known

    def is_date(self, at: int) -> bool:
        """Whether a date begins *at*."""
        return _DATE.match(self.text, at) is not None

    def _is_border(self, at: int) -> bool:
        """Whether a word may begin or end *at*: no letter goes on there, but for a capital behind a small one."""
        if not 0 < at < len(self.text):
            return True
        before, behind = self.text[at - 1], self.text[at]
        if not (_is_letter(before) and _is_letter(behind)):
            return True
        return before.islower() and behind.isupper()


def lowered(text: str) -> str:
    """Return *text* in small letters, each in its place."""
    return text.lower() if "\u0130" not in text else text.replace("\u0130", "i").lower()


def is_glued(text: str, at: int) -> bool:
    """Whether *text* has a letter or digit of ASCII *at*; outside of it there is none."""
    return 0 <= at < len(text) and text[at].isascii() and text[at].isalnum()


def by_word(topics: Mapping[str, tuple[str, ...]]) -> Words[tuple[int, frozenset[str]]]:
    """Return all words of *topics*, each with its length and those that it proves."""
    meanings: dict[str, set[str]] = {}
    for topic, words in topics.items():
        for word in words:
            meanings.setdefault(word, set()).add(topic)
    return Words({word: (len(word), frozenset(proved)) for word, proved in meanings.items()})


def _is_letter(character: str) -> bool:
    return character.isalpha() and character < _IDEOGRAPHS

"""Finds the numbers that states give to people. A bare row of digits is one only where a word says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache

from core.detection import Span
from core.detection._engines import compiled
from core.detection._national_rules import ANY_TOPIC, RULES, NationalRule, check
from core.detection._numbers_in_text import SearchedText, is_glued

_TAX_CODE = compiled(r"[A-Za-z]{6}[0-9LMNP-Vlmnp-v]{2}[A-Za-z][0-9LMNP-Vlmnp-v]{2}[A-Za-z]")
"""How Italy's begins, whose digits are too few in a row to be met as a number."""
_LETTERS_BEFORE = 5
"""Letters that a number begins with at most."""
_LETTER = re.compile(r"[A-Za-z]")


class NationalNumbers:
    """The numbers of some countries, all if none is named."""

    def __init__(self, countries: Collection[str] = ()) -> None:
        """Choose the rules."""
        self._rules = tuple(rule for rule in RULES if not countries or rule.country in countries)
        self._sure = tuple(rule for rule in self._rules if rule.sure)
        sure = (f"(?:{rule.sure.pattern})" for rule in self._sure if rule.sure)
        self._any_sure = re.compile("|".join(sure) or "(?!)", re.IGNORECASE)
        self._topics = frozenset({ANY_TOPIC, *(rule.topic for rule in self._rules)})
        self._italian = tuple(rule for rule in self._rules if rule.country == "IT")

    def may_begin(self, text: str) -> bool:
        """Whether *text* has what a number begins with that has few digits in a row."""
        return bool(self._italian) and any(True for _ in _TAX_CODE.finditer(text))

    def found(self, seen: SearchedText) -> Iterator[Span]:
        """Find the numbers."""
        text = seen.text
        for at, _ in seen.groups:
            for start in _starts(text, at):
                yield from self._beginning(seen, start, self._rules)
        if self._italian:
            for match in _TAX_CODE.finditer(text):
                yield from self._beginning(seen, match.span()[0], self._italian)

    def _beginning(self, seen: SearchedText, start: int, rules: Sequence[NationalRule]) -> Iterator[Span]:
        text = seen.text
        if is_glued(text, start - 1) or (start and text[start - 1] in ".-/" and is_glued(text, start - 2)):
            return
        said = seen.said(start)
        if said.isdisjoint(self._topics) and not self._any_sure.match(text, start):
            return
        for rule in rules:
            is_named = rule.topic in said
            shape = rule.shape if is_named or ANY_TOPIC in said else rule.sure
            match = shape.match(text, start) if shape else None
            if match is None or _goes_on(text, match.end()):
                continue
            if (is_named and rule.is_shape_enough) or _is_valid(rule, match[0]):
                yield Span(start, match.end(), rule.kind)


def _starts(text: str, at: int) -> Iterator[int]:
    """Give where a number may begin whose first group of digits begins *at*: there, or with letters before it."""
    yield at
    start = at - 1 if at >= 2 and text[at - 1] in " -" and _LETTER.match(text, at - 2) else at
    first = start
    while start and first - start < _LETTERS_BEFORE and _LETTER.match(text, start - 1):
        start -= 1
    if start < first:
        yield start


def _goes_on(text: str, end: int) -> bool:
    """Whether what ends there is the beginning of something longer."""
    return is_glued(text, end) or (text[end : end + 1] in {".", "-", "/"} and is_glued(text, end + 1))


def _is_valid(rule: NationalRule, written: str) -> bool:
    if rule.refused is not None and rule.refused.match(written):
        return False
    return _check(rule.module)("".join(c if c not in _BLANKS else " " for c in written))


_BLANKS = frozenset("\u00a0\u202f")


@lru_cache(maxsize=128)
def _check(module: str) -> Callable[[str], bool]:
    return check(module)

"""Numbers of bank accounts (ISO 13616): as many characters as the country gives them, and the check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from stdnum import iban, numdb

from core.detection import Span
from core.detection._engines import compiled
from core.detection._numbers_in_text import is_glued

KIND = "an IBAN"
_BEGIN = compiled(r"[A-Za-z]{2}[0-9]{2}")
_PART = re.compile(r"(\d+)!([nac])")
_GAPS = frozenset(" -.\u00a0\u2009\u202f\u2010\u2011\u2013")
_LONGEST = 72
"""Characters of an IBAN at most, with a blank before each of its own."""


def ibans(text: str) -> Iterator[Span]:
    """Find the account numbers, each up to its last character, whatever comes behind it."""
    done = 0
    for begin in _beginnings(text, 0):
        if begin < done:
            continue
        end, is_whole = _walked(text, begin)
        if (
            is_whole
            and not _goes_on(text, begin, end)
            and iban.is_valid(_compact(text[begin:end]), check_country=False)
        ):
            yield Span(begin, end, KIND)
            done = end


def _goes_on(text: str, begin: int, end: int) -> bool:
    """Whether it is the beginning of an identifier: of what has letters and digits at will more of them follow."""
    if not is_glued(text, end):
        return False
    return text[end].isdigit() or _shape(text[begin : begin + 2].upper()).strip("n") != ""


def may_begin(text: str) -> bool:
    """Whether a country's code and two digits stand in *text*."""
    return any(True for _ in _beginnings(text, 0))


def growing_iban(text: str) -> int:
    """Return where the first account number begins that what comes may complete; the end of *text* without."""
    for begin in _beginnings(text, max(len(text) - _LONGEST, 0)):
        end, is_whole = _walked(text, begin)
        if end == len(text) and not is_whole:
            return begin
    return len(text)


def _beginnings(text: str, start: int) -> Iterator[int]:
    for match in _BEGIN.finditer(text[start:] if start else text):
        begin = start + match.span()[0]
        if not is_glued(text, begin - 1) and _shape(text[begin : begin + 2].upper()):
            yield begin


def _walked(text: str, begin: int) -> tuple[int, bool]:
    """Return how far what begins at *begin* has its country's shape, and whether that is all of it."""
    at = begin + 4
    for kind in _shape(text[begin : begin + 2].upper()):
        if at < len(text) and text[at] in _GAPS:
            at += 1
        if at >= len(text):
            return len(text), False
        if not _fits(text[at], kind):
            return begin, False
        at += 1
    return at, True


def _fits(character: str, kind: str) -> bool:
    if not (character.isascii() and character.isalnum()):
        return False
    return kind == "c" or character.isdigit() is (kind == "n")


def _compact(written: str) -> str:
    return "".join(c for c in written if c not in _GAPS).upper()


@lru_cache(maxsize=1024)
def _shape(country: str) -> str:
    """Return what each character behind the check digits is: n for a digit, a for a letter, c for both."""
    known = numdb.get("iban").info(country)[0][1]
    return "".join(kind * int(size) for size, kind in _PART.findall(known.get("bban", "")))

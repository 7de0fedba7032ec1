"""Names that stand in the place of data: the same for the same datum, of the same form, and nobody's.

What tells one from another is its tag, which is drawn from a number as long as a hash; whoever has no key of that hash
cannot tell a datum by it. Where a kind has a form, so has its placeholder (an address, a phone number), and it comes
from what is set aside: a field that takes the one takes the other. No detector finds one, none is a part of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from core.detection import _cards as cards
from core.detection import _ibans as ibans
from core.detection import _machine_addresses as machines
from core.detection import _mail_addresses as mail
from core.detection import _phones as phones
from core.detection._engines import Words
from core.detection._numbers_in_text import lowered
from core.detection.folding import folded
from core.detection.personal import TOLD

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TAG = 12
"""Letters of a tag: 60 bits, so that a million data of one tenant share none."""
_DIGITS = 12
_LONG = 16
_FOUR = 15
"""Characters of an address of four numbers with three digits each."""
_SIX = 19
"""Characters of what differs in an address of machines of the longer form."""
_LONGEST_LABEL = 40
_MAIL, _PHONE, _IBAN, _CARD, _V6 = "redacted-", "+999", "zz00", "0000", "2001:db8::"
"""How those of a form begin. No country has the code 999 or ZZ, and no issuer of cards begins with 0."""
_ARTICLE = re.compile(r"(?:a|an|the) ")
_SEPARATORS = re.compile(r"[\W_]+")
_NUMBERS = TOLD - {mail.KIND, machines.KIND}
"""Kinds of data that are one however they are parted."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What stands in the place of a datum."""

    written: str
    tag: str
    """What tells it from all others, as :func:`tags_in` finds it in a text."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """How a model may write it, in small letters, longest first: one in brackets also without them."""
        small = self.written.lower()
        return (small, small[1:-1]) if small.startswith("[") else (small,)


class PlaceholderSearch:
    """Finds placeholders that are known, one at least, as a model may write them."""

    def __init__(self, known: Iterable[Placeholder]) -> None:
        """Build the automaton."""
        spelled = {spelling: (len(spelling), one) for one in known for spelling in one.spellings}
        self._words = Words(spelled)
        self._longest = max(map(len, spelled))

    def find(self, text: str) -> list[tuple[int, int, Placeholder]]:
        """Return where each begins and ends in *text*, from the left; of two that overlap, the first."""
        found = [(begin, begin + size, one) for begin, (size, one) in self._words.found(lowered(text))]
        kept: list[tuple[int, int, Placeholder]] = []
        for start, end, one in sorted(found, key=lambda one: (one[0], -one[1])):
            if not kept or start >= kept[-1][1]:
                kept.append((start, end, one))
        return kept

    def decided(self, text: str) -> int:
        """Return where at the end of *text*, which may go on, something begins that may become one."""
        small, found = lowered(text), self.find(text)
        for at in range(max(len(small) - self._longest, 0), len(small)):
            is_found = any(start < at < end or (start == at and end == len(small)) for start, end, _ in found)
            if not is_found and self._words.begin_with(small[at:]):
                return at
        return len(text)


def identity(kind: str, text: str) -> str:
    """Return what two spellings of one datum have in common."""
    if kind not in TOLD:
        return text
    plain = folded(text).text.casefold()
    return _SEPARATORS.sub("", plain) if kind in _NUMBERS else plain


def placeholder(kind: str, text: str, number: int) -> Placeholder:
    """Return the placeholder of a *text* of a *kind*, as a span tells it; *number* has 256 bits."""
    if kind == machines.KIND and ":" in text:
        return _of(_V6, _V6, ":".join(f"{_drawn(number, at, 0x1000, 0x10000):04x}" for at in range(4)))
    make = _OF_KIND.get(kind)
    if make is not None:
        return make(number)
    label = _SEPARATORS.sub("_", _ARTICLE.sub("", kind.replace("'", ""), count=1)).strip("_").upper()
    tag = _letters(number, _TAG)
    return Placeholder(f"[{label[:_LONGEST_LABEL] or 'DATUM'}_{tag}]", f"_{tag}")


def tags_in(texts: Iterable[str]) -> frozenset[str]:
    """Return all of *texts* that may be a placeholder's tag, in small letters: a new one must have none of them."""
    found: set[str] = set()
    for text in texts:
        small = lowered(text)
        for marker, size in _TAGS:
            found.update(_behind(small, marker, size))
    return frozenset(found)


def _behind(text: str, marker: str, size: int) -> Iterator[str]:
    """Yield what stands behind each *marker* in *text*, with it."""
    at = text.find(marker)
    while at >= 0:
        end = at + len(marker) + size
        if end <= len(text):
            yield text[at:end]
        at = text.find(marker, at + 1)


def _of(marker: str, head: str, tag: str, tail: str = "") -> Placeholder:
    return Placeholder(head + tag + tail, marker + tag.lower())


def _letters(number: int, size: int) -> str:
    return "".join(_LETTERS[number >> 5 * at & 31] for at in range(size))


def _digits(number: int, size: int) -> str:
    return f"{number % 10**size:0{size}}"


def _drawn(number: int, at: int, low: int, high: int) -> int:
    """Return the *at*-th small number that is drawn from a large one, from *low* up to *high*."""
    return low + (number >> 32 * at & 0xFFFF_FFFF) % (high - low)


def _four(number: int) -> Placeholder:
    """Return four numbers of three digits each; those that begin with 240 and more are nobody's (RFC 1112)."""
    parts = [_drawn(number, 0, 240, 255), *(_drawn(number, at, 100, 255) for at in (1, 2, 3))]
    written = ".".join(map(str, parts))
    return Placeholder(written, written)


_OF_KIND: Mapping[str, Callable[[int], Placeholder]] = {
    mail.KIND: lambda number: _of(_MAIL, _MAIL, _letters(number, _TAG), "@example.invalid"),
    phones.KIND: lambda number: _of(_PHONE, _PHONE, _digits(number, _DIGITS)),
    ibans.KIND: lambda number: _of(_IBAN, "ZZ00", _letters(number, _LONG).upper()),
    cards.KIND: lambda number: _of(_CARD, _CARD, _digits(number, _DIGITS)),
    machines.KIND: _four,
}
_TAGS = (
    ("_", _TAG),
    (_MAIL, _TAG),
    (_PHONE, _DIGITS),
    (_IBAN, _LONG),
    (_CARD, _DIGITS),
    (_V6, _SIX),
    *((mark, _FOUR - 2) for mark in ("24", "25")),
)

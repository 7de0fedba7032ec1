"""Personal data in prose: mail addresses, phones, accounts, cards, national numbers, addresses of machines.

Candidates are found by cheap means, an ``@``, some digits in a row, two letters and two digits; what they are is asked
of libraries. A number that many look like is one only where a word before it says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from core.detection import Span, merged
from core.detection import _cards as card_numbers
from core.detection import _ibans as account_numbers
from core.detection import _machine_addresses as machines
from core.detection import _mail_addresses as mail
from core.detection import _phones as phone_numbers
from core.detection._national_numbers import NationalNumbers
from core.detection._national_rules import ANY, ANY_TOPIC, COUNTRIES, RULES
from core.detection._numbers_in_text import IN_SIGHT, LONGEST, SearchedText, by_word, lowered
from core.detection.folding import folded

KINDS = ("email", "phone", "iban", "card", "national_number", "ip_address")
"""What can be looked for, by the names of settings."""
TOLD = frozenset(
    {mail.KIND, phone_numbers.KIND, account_numbers.KIND, card_numbers.KIND, machines.KIND}
    | {rule.kind for rule in RULES}
)
"""What is said of one that was found."""
REGIONS = COUNTRIES | phone_numbers.REGIONS
"""Of which countries: by their codes of ISO 3166."""

_WORDS = by_word(
    {
        "card": card_numbers.WORDS,
        "phone": phone_numbers.WORDS,
        "address": machines.WORDS,
        "version": machines.VERSIONS,
        ANY_TOPIC: ANY,
        **{rule.topic: rule.words for rule in RULES},
    }
)
_LONGEST_WORD = 32
_COLON = ": "
_BACKWARDS = re.compile(rf'(?:(?![{mail.NOT_LATIN}\u3000-\u303f\uff00-\uffef])[^\s,"<>{{}};|]|(?<=\d),)+')
"""A chunk, read from its end."""
_GAP = re.compile(r"(?<=\S)[^\S\r\n]{1,3}\Z")
_CONTINUES = re.compile(r"\W{0,3}[A-Za-z]{0,2}(?:\d|\W?\Z)")
"""How a chunk begins that may be the rest of a number, which a blank parts."""
_CONTINUED = re.compile(r"(?:\d[A-Za-z]{0,2}|(?<![^\W_])[A-Za-z]{1,2})\W{0,3}\Z|\W{1,3}\Z")
"""How one ends that may have such a rest."""
_ENOUGH = 8
"""Characters of its end that show it: with fewer a word's last letters look like a whole one."""


class PersonalDetector:
    """Finds personal data of some kinds and countries."""

    def __init__(
        self, kinds: Collection[str] = KINDS, regions: Collection[str] = (), domains: Iterable[str] = ()
    ) -> None:
        """Look for *kinds*, which are some of :data:`KINDS`.

        National numbers are those of *regions*, or of all countries if there are none; phone numbers without their
        country's code are found of *regions* alone. Mail addresses in *domains*, or below them, are nobody's.
        """
        self._regions = tuple(sorted(set(regions) & phone_numbers.REGIONS))
        self._numbers = NationalNumbers(frozenset(regions) & COUNTRIES)
        self._kinds = frozenset(kinds)
        self._domains = tuple(f"{mark}{domain.lower()}" for domain in domains for mark in "@.")

    def heading(self, name: str) -> str:
        """Return what stands before the value of the member *name*, where that says what a number is."""
        return _heading(name)

    def find(self, text: str) -> list[Span]:
        """Return the personal data in *text*."""
        view = folded(text)
        spans = self._found(view.text)
        return [Span(view.start(one.start), view.end(one.end), one.kind) for one in spans]

    def decided(self, text: str) -> int:
        """Return where at the end of *text* something begins that may become a datum."""
        view = folded(text)
        at = self._decided(view.text, self._found(view.text))
        return view.start(at) if at < len(view.text) else len(text)

    def forgettable(self, text: str) -> int:
        """Return the last place to which no datum, no word that proves one and no row of numbers reaches across."""
        view = folded(text)
        found = self._found(view.text)
        at = min(self._decided(view.text, found), max(len(view.text) - _LONGEST_WORD, 0))
        at = _apart(view.text, found, at)
        return view.start(at) if at < len(view.text) else len(text)

    def may_find(self, text: str) -> bool:
        """Whether anything of *text* begins as a datum does."""
        text = folded(text).text
        if "@" in text or "%40" in text or SearchedText(text, _WORDS).groups:
            return True
        return machines.may_begin(text) or account_numbers.may_begin(text) or self._numbers.may_begin(text)

    def _found(self, text: str) -> list[Span]:
        return merged(self._candidates(text))

    def _candidates(self, text: str) -> Iterator[Span]:
        seen = SearchedText(text, _WORDS)
        if "email" in self._kinds:
            yield from (one for one in mail.mail_addresses(text) if not self._is_excepted(text[one.start : one.end]))
        if "iban" in self._kinds:
            yield from account_numbers.ibans(text)
        if "card" in self._kinds:
            yield from card_numbers.cards(seen)
        if "phone" in self._kinds:
            yield from phone_numbers.phones(seen, self._regions)
        if "national_number" in self._kinds:
            yield from self._numbers.found(seen)
        if "ip_address" in self._kinds:
            yield from machines.machine_addresses(seen)

    def _is_excepted(self, address: str) -> bool:
        return address.lower().endswith(self._domains)

    def _decided(self, text: str, found: list[Span]) -> int:
        at = min(_tail(text), mail.growing_address(text), account_numbers.growing_iban(text))
        across = [span.start for span in found if span.start < at < span.end]
        return min([at, *across])


@lru_cache(maxsize=4096)
def _heading(name: str) -> str:
    """Return *name* as a heading, if a word in it proves something; of a long one its end, which is near the value."""
    near = name[-IN_SIGHT + len(_COLON) :]
    return near + _COLON if SearchedText(near, _WORDS).said(len(near)) else ""


def _tail(text: str) -> int:
    """Return where the last chunk of *text* begins, with the numbers before it that it may belong to."""
    first = max(len(text) - LONGEST, 0)
    return max(first, _row_start(text, _chunk_start(text, len(text), first), first))


def _chunk_start(text: str, end: int, first: int = 0) -> int:
    """Return where the chunk begins that ends at *end* or goes across it; no farther than *first*."""
    behind = text[end : end + 1] or "0"
    size = LONGEST
    while True:
        begin = max(end - size, first)
        chunk = _BACKWARDS.match((text[begin:end] + behind)[::-1], 1)
        length = len(chunk[0]) if chunk else 0
        if length < end - begin or begin == first:
            return end - length
        size *= 4


def _row_start(text: str, at: int, first: int = 0) -> int:
    """Return where the row of numbers begins that what begins at *at* may continue; no farther than *first*."""
    while at > first and _CONTINUES.match(text[at : at + 8].split(maxsplit=1)[0] if at < len(text) else ""):
        gap = _GAP.search(text, max(at - 4, first), at)
        if gap is None:
            break
        near = gap.start() - _ENOUGH
        before = _chunk_start(text, gap.start(), max(min(near, first), 0))
        if before == gap.start() or not _CONTINUED.search(text[max(before, near) : gap.start()]):
            break
        at = max(before, first)
    return at


def _apart(text: str, found: list[Span], at: int) -> int:
    """Return the last beginning of a chunk up to *at* that nothing reaches across."""
    small = lowered(text)
    while at:
        at = _row_start(text, _chunk_start(text, at))
        reaching = [span.start for span in found if span.start < at < span.end]
        words = _WORDS.found(small, max(at - IN_SIGHT, 0), min(at + _LONGEST_WORD, len(small)))
        reaching += [begin for begin, _ in words if begin < at]
        if not reaching:
            break
        at = min(reaching)
    return at

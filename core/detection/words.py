"""Words, phrases and domains that somebody lists: thousands of them are looked for in one pass over the text.

They are compared as people read them: however their letters are encoded, in any case if that is wanted, with any blanks
between the words of a phrase.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from core.detection import Span, merged
from core.detection._engines import Words
from core.detection._streams import apart, in_original, kept_whole, spans_in_original
from core.detection.folding import Folded, flowing, small, unsettled

LONGEST = 200
"""Characters of a word or phrase at most."""
MOST = 10_000
"""Entries of one list at most."""
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0xD7FF),  # Chinese, Japanese; Korean, whose particles follow the word
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Scripts that put no blank between words, so that a word in them has no border."""


class WordDetector:
    """Finds the words and phrases of a list."""

    def __init__(
        self, words: Iterable[str], kind: str = "a listed word", *, is_whole: bool = True, is_cased: bool = False
    ) -> None:
        """Look for *words*; if *is_whole*, not in the middle of longer ones; if *is_cased*, in their own case alone.

        Raises:
            ValueError: there are none or too many, or one is too long or has no character; the sentence says which.

        """
        self._kind = kind
        self._is_whole = is_whole
        self._is_cased = is_cased
        forms: dict[str, int] = {}
        for number, word in enumerate(words, 1):
            read = self._view(word).text.strip(" ")
            if not read:
                raise ValueError(f"Entry {number} of the list has no character that can be seen: write a word there.")
            if len(read) > LONGEST:
                raise ValueError(f"Entry {number} of the list has over {LONGEST} characters: shorten it.")
            if number > MOST:
                raise ValueError(f"The list has over {MOST:,} entries: make two of it.")
            forms |= {unicodedata.normalize(form, read): number for form in ("NFC", "NFD")}
        if not forms:
            raise ValueError("The list is empty: write at least one word.")
        self._words = Words(forms)
        self._longest = max(map(len, forms))

    def find(self, text: str) -> list[Span]:
        """Return where the words stand in *text*."""
        view = self._view(text)
        return spans_in_original(view, self._found(view.text))

    def decided(self, text: str) -> int:
        """Return where the last words of *text* begin to be what one of the list begins with."""
        view = self._view(text)
        return in_original(view, self._decided(view.text, self._found(view.text)), text)

    def forgettable(self, text: str) -> int:
        """Return the last beginning of a word before that."""
        view = self._view(text)
        found = self._found(view.text)
        return in_original(view, apart(view.text, self._decided(view.text, found), found), text)

    def may_find(self, text: str) -> bool:
        """Whether one of them may stand in a part of *text*."""
        return self._words.any(self._view(text).text)

    def _view(self, text: str) -> Folded:
        view = flowing(text)
        return view if self._is_cased else view.with_text(small(view.text))

    def _found(self, text: str) -> list[Span]:
        return merged(
            Span(at, at + size, self._kind)
            for at, size in self._hits(text)
            if self._begins(text, at) and self._ends(text, at + size)
        )

    def _hits(self, text: str) -> Iterator[tuple[int, int]]:
        return self._words.sized(text)

    def _decided(self, text: str, found: list[Span]) -> int:
        first = unsettled(text)
        for at in range(max(len(text) - self._longest - self._beyond, 0), len(text)):
            if at >= first:
                break
            if self._begins(text, at) and self._may_become(text[at:]):
                first = at
        return kept_whole(first, found)

    _beyond = 0
    """Characters behind a word that have to be seen before it is one."""

    def _may_become(self, rest: str) -> bool:
        return self._words.begin_with(rest)

    def _begins(self, text: str, at: int) -> bool:
        return not self._is_whole or not at or not _are_one(text[at - 1], text[at])

    def _ends(self, text: str, at: int) -> bool:
        return not self._is_whole or at == len(text) or not _are_one(text[at - 1], text[at])


class DomainDetector(WordDetector):
    """Finds listed domains, and hosts below them, in links, addresses and prose; the listed part is the finding."""

    def __init__(self, domains: Iterable[str], kind: str = "a listed domain") -> None:
        """Look for *domains*, such as ``evil.example``.

        Raises:
            ValueError: as for words.

        """
        super().__init__([domain.strip().strip(".") for domain in domains], kind)

    _beyond = 2

    def _may_become(self, rest: str) -> bool:
        """Whether *rest* is the beginning of a domain, or one behind which its host may go on."""
        return super()._may_become(rest) or super()._may_become(rest.removesuffix("."))

    def _begins(self, text: str, at: int) -> bool:
        return not at or not (_is_of_word(text[at - 1]) or text[at - 1] == "-")

    def _ends(self, text: str, at: int) -> bool:
        after = text[at : at + 2]
        if after.startswith("."):
            return not _is_of_word(after[1:])
        return not (_is_of_word(after[:1]) or after.startswith("-"))


def _are_one(before: str, after: str) -> bool:
    """Whether two characters beside each other are of one word."""
    return _is_of_word(before) and _is_of_word(after)


@lru_cache(maxsize=8192)
def _is_of_word(character: str) -> bool:
    """Whether *character* is a letter, mark, number or underscore, of a script that parts its words."""
    if not character or any(first <= ord(character) <= last for first, last in _UNSPACED):
        return False
    return character == "_" or unicodedata.category(character)[0] in "LMN"

"""The two engines of the search, with types: RE2 for patterns, Aho-Corasick for words. Both are linear in the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

import ahocorasick  # pyright: ignore[reportMissingTypeStubs]
import re2  # pyright: ignore[reportMissingTypeStubs]

_T = TypeVar("_T")
_RE2: Any = re2
_AHO: Any = ahocorasick
_OPTIONS = _RE2.Options()
_OPTIONS.log_errors = False
_IN_ANY_CASE = _RE2.Options()
_IN_ANY_CASE.log_errors = False
_IN_ANY_CASE.case_sensitive = False
_TOLD = _RE2.Options()
_TOLD.never_capture = True


class Match(Protocol):
    """Where a pattern matched."""

    def span(self, group: int = 0, /) -> tuple[int, int]:
        """Return where *group* begins and ends; -1 and -1 where it has no part."""
        ...


class Pattern(Protocol):
    """A compiled pattern."""

    def finditer(self, text: str, /) -> Iterator[Match]:
        """Find all matches that do not overlap, from the left."""
        ...

    def match(self, text: str, pos: int = 0, endpos: int | None = None, /) -> Match | None:
        """Match what begins at *pos* and ends before *endpos*; a border sees what lies beyond."""
        ...

    def search(self, text: str, pos: int = 0, endpos: int | None = None, /) -> Match | None:
        """Find the first match between *pos* and *endpos*."""
        ...

    def fullmatch(self, text: str, /) -> Match | None:
        """Match all of *text*."""
        ...


def compiled(pattern: str, *, is_cased: bool = True) -> Pattern:
    """Return *pattern* as RE2 reads it, which looks neither ahead nor back.

    Raises:
        ValueError: it is none; the sentence says why, in the words of the engine.

    """
    try:
        return cast("Pattern", _RE2.compile(pattern, _OPTIONS if is_cased else _IN_ANY_CASE))
    except _RE2.error as error:
        raise ValueError(error.args[0].decode(errors="replace")) from None


class Glance(Protocol):
    """A pattern that only tells whether it stands in a text in UTF-8."""

    def search(self, text: bytes, /) -> object | None:
        """Find the first match."""
        ...


def compiled_bytes(pattern: str) -> Glance:
    """Return *pattern*, one of ours, for texts in UTF-8, of which no place has to be told in characters."""
    return cast("Glance", _RE2.compile(pattern.encode(), _TOLD))


class Words(Generic[_T]):
    """Words that are all looked for in one pass, each with what it stands for."""

    def __init__(self, words: Mapping[str, _T]) -> None:
        """Build the automaton."""
        self._automaton: Any = _AHO.Automaton()
        for word, meaning in words.items():
            self._automaton.add_word(word, (len(word), meaning))
        self._automaton.make_automaton()

    def found(self, text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, _T]]:
        """Find where each word begins that lies in *text* between *start* and *end*, by where they end."""
        last = len(text) if end is None else end
        for at, (size, meaning) in self._automaton.iter(text, start, last):
            yield at + 1 - size, meaning

    def sized(self, text: str) -> Iterator[tuple[int, int]]:
        """Find where each word begins in *text*, with its length, by where they end."""
        for at, (size, _) in self._automaton.iter(text):
            yield at + 1 - size, size

    def begin_with(self, text: str) -> bool:
        """Whether one of them begins with *text*, or is it."""
        return self._automaton.match(text)

    def any(self, text: str) -> bool:
        """Whether one of them stands in *text*."""
        return next(self._automaton.iter(text), None) is not None

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

    def match(self, text: str, pos: int = 0, /) -> Match | None:
        """Match what begins at *pos*."""
        ...


def compiled(pattern: str) -> Pattern:
    """Return *pattern* as RE2 reads it, which looks neither ahead nor back.

    Raises:
        re2.error: it is none.

    """
    return cast("Pattern", _RE2.compile(pattern, _OPTIONS))


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

    def any(self, text: str) -> bool:
        """Whether one of them stands in *text*."""
        return next(self._automaton.iter(text), None) is not None

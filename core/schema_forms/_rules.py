"""What a vendor that enforces schemas takes of JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WIDER = frozenset({"date-time", "time", "date", "duration", "uuid", "uri"})
"""Formats of which we take more texts than a vendor, who holds them to their RFC: a time without a zone, where it would
make one up; a day with its midnight, a UUID without hyphens, a host outside ASCII, as Pydantic takes them."""


class CannotSay(Exception):
    """The vendor's subset has no words for a part without excluding values that the author allows."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} {why}")
        self.path, self.why = path, why

    @property
    def sentence(self) -> str:
        """It as a sentence."""
        return f"{self.path} {self.why}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A subset of JSON Schema in which every object is closed."""

    vendor: str
    formats: frozenset[str]
    bounds: frozenset[str]
    """The keywords that bound strings, numbers and arrays and that it takes."""
    takes_bound: Callable[[str, str, Any], bool]
    """Whether it takes, for values of a type, a keyword of ``bounds`` with this value."""
    optional_is_null: bool
    """Whether every property must be required, so that one that may be absent is sent as one that may be null."""
    has_recursion: bool
    narrowed: frozenset[str] = frozenset()
    """The formats of ``WIDER`` that are sent all the same: a model would write nothing of the kind without them."""
    arranged: Callable[[Mapping[str, Any]], str] = lambda _body: ""
    """Puts the properties of a body in an order that the vendor takes; the end of a sentence where there is none."""
    too_large: Callable[[Mapping[str, Any]], str] = lambda _body: ""
    """Which published limit a body passes, as the end of a sentence; empty if none."""


_PLAIN_ESCAPES = frozenset("dDwWsSnrtfv.\\/^$*+?()[]{}|-")
_MOST_REPEATS = 100


def is_plain_pattern(pattern: str) -> bool:
    """Whether *pattern* is a regular expression that every grammar can follow.

    None follows look-around, back-references and word boundaries, and all mean the same by classes, groups,
    alternatives and short repetitions.
    """
    if re.search(r"\(\?(?!:)", pattern):
        return False
    if any(escape not in _PLAIN_ESCAPES for escape in re.findall(r"\\(.)", pattern, re.DOTALL)):
        return False
    repeats = re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern)
    return pattern.isascii() and all(int(count or 0) <= _MOST_REPEATS for pair in repeats for count in pair)

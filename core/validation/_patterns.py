"""Regular expressions: what one can cost, and a check of them that stops where that is too much.

The engine is linear, but in the size of the compiled pattern times the length of the text: a pattern of twenty
characters can hold the processor for forty seconds on a text of a megabyte. Look-around and back references take an
engine that tries again, a bounded number of times per text, and an answer has many texts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from jsonschema_rs import (
    Draft202012Validator,
    FancyRegexOptions,
    RegexOptions,
    ValidationError,
    ValidationErrorKind,
)

from core.validation._effort import Effort

MOST_SIZE = 5_000_000
"""The largest compiled pattern, in bytes."""
MOST_BACKTRACKS = 100_000
"""How often one text is tried against one pattern; that takes up to two milliseconds."""
MOST_MATCHING = 2_000_000_000
"""The most bytes of compiled pattern times bytes of text that are matched without a look at the time: 0.3 s at worst,
a thousandth of it as a rule."""
_KEPT = 1_000
"""The longest pattern whose size is kept, in characters."""
_SIZES = (2_000, 10_000, 50_000, 200_000, 1_000_000, MOST_SIZE)

OPTIONS = FancyRegexOptions(backtrack_limit=MOST_BACKTRACKS, size_limit=MOST_SIZE)


def size_of(pattern: str) -> int:
    """Return the compiled size of *pattern* in bytes, rounded up; 0 if only the engine that backtracks knows it."""
    return _kept_size(pattern) if len(pattern) <= _KEPT else _size(pattern)


def is_pattern(text: str) -> bool:
    """Whether *text* is a regular expression that can be used."""
    try:
        Draft202012Validator({"pattern": text}, pattern_options=OPTIONS, offline=True)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=2_000)
def _kept_size(pattern: str) -> int:
    return _size(pattern)


def _size(pattern: str) -> int:
    for size in _SIZES:
        try:
            Draft202012Validator({"pattern": pattern}, pattern_options=RegexOptions(size_limit=size), offline=True)
        except ValidationError:
            continue
        return size
    return 0


TOO_SLOW = "too slow"
"""What a violation says where a text was not matched to the end."""


class _Watch(threading.local):
    """The effort that the patterns of this thread's check are paid from, if they are watched."""

    effort: Effort | None = None
    gave_up: bool = False


_watch = _Watch()


@contextmanager
def watched(effort: Effort) -> Generator[Callable[[], bool]]:
    """Pay for every match of the block from *effort*; what is yielded tells whether one was given up."""
    before = _watch.effort, _watch.gave_up
    _watch.effort, _watch.gave_up = effort, False
    try:
        yield lambda: _watch.gave_up
    finally:
        _watch.effort, _watch.gave_up = before


class WatchedPattern:
    """The keyword ``pattern`` as jsonschema-rs takes one of ours: each match is looked at before it is made."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:  # noqa: ARG002 as the library calls it
        """Take the pattern *value*; what surrounds it says nothing about it."""
        self._size = size_of(value)
        self._plain = Draft202012Validator({"pattern": value}, pattern_options=OPTIONS, offline=True)

    def validate(self, instance: Any) -> None:
        """Raise ``ValueError`` if *instance* is a text that does not match, or that takes too long to match."""
        if not isinstance(instance, str):
            return
        if self.is_too_slow(instance):
            raise ValueError(TOO_SLOW)
        if not self.matches(instance):
            raise ValueError("" if self._size or not self._is_given_up(instance) else TOO_SLOW)

    def is_too_slow(self, text: str) -> bool:
        """Whether *text* is not to be matched, as that would take too long; what watches is told."""
        effort = _watch.effort
        if effort is None or (self._size * len(text) <= MOST_MATCHING and not effort.is_spent):
            return False
        _watch.gave_up = True
        return True

    def matches(self, text: str) -> bool:
        """Whether *text* matches, however long that takes."""
        return self._plain.is_valid(text)

    def _is_given_up(self, instance: str) -> bool:
        violations = self._plain.iter_errors(instance)
        return any(isinstance(each.kind, ValidationErrorKind.BacktrackLimitExceeded) for each in violations)

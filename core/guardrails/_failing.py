"""Which judges do not answer: why in a word, until when one is let rest, and what a person is told to mend."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from core.clock import Clock
from core.guardrails._outside import OutsideTerms

_KEPT_SECONDS = 3_600.0
"""A word about a judge that nobody has asked for so long says nothing: its rule was changed, or is gone."""
_MOST_KEPT = 500
_LONGEST_REST = 60.0
"""Whatever a judge asks for: without it nothing goes on, or nothing is judged."""
_RESTING = (429, 503)
_BY_STATUS = {
    "status_401": "It does not know us",
    "status_403": "It does not let us in",
    "status_404": "There is nothing at its address",
    "status_405": "Its address takes no requests of this kind",
    "status_429": "It says that it is asked too often",
}
_BY_REASON = {
    "malformed": "Its address cannot be read",
    "not_allowed": "Its address leads to what is not public",
    "timeout": "It did not answer in time",
    "unreachable": "It cannot be reached",
    "too_large": "Its answer was too long",
    "odd": "Its answer was not of the form that it has to have",
    "invalid": "It is not set up here",
    "loading": "It is still being loaded",
    "lost": "Its process has ended, or had others to read for",
    "not_loaded": "It cannot be loaded",
}
_SETTINGS = frozenset(
    {"status_401", "status_403", "status_404", "status_405", "malformed", "not_allowed", "invalid", "not_loaded"}
)
"""What does not pass by itself."""


@dataclass(slots=True)
class _Word:
    reason: str
    at: float
    rests_until: float = 0.0
    is_told: bool = False
    """Whether the log knows it."""


class Failing:
    """What is known of judges that did not answer when they were asked last: of as many as there may be rules."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._words: OrderedDict[OutsideTerms, _Word] = OrderedDict()
        """Those that were asked last at the end."""

    def told(self) -> Mapping[OutsideTerms, str]:
        """Return those that fail, and why, in a word."""
        with self._lock:
            self._forget()
            return {terms: word.reason for terms, word in self._words.items()}

    def resting(self, terms: OutsideTerms) -> str:
        """Return why a judge is not to be asked now; empty where it may be."""
        with self._lock:
            word = self._words.get(terms)
            return word.reason if word and word.rests_until > self._clock.monotonic() else ""

    def rest(self, terms: OutsideTerms, status: int, headers: Mapping[str, str]) -> None:
        """Leave a judge alone for as long as it asks for, within a minute."""
        if status in _RESTING and (seconds := self._asked_for(headers.get("retry-after", ""))):
            self.leave_alone(terms, f"status_{status}", seconds)

    def leave_alone(self, terms: OutsideTerms, reason: str, seconds: float = _LONGEST_REST) -> None:
        """Ask a judge nothing for so many *seconds*, a minute at most, as it failed for this *reason*."""
        now = self._clock.monotonic()
        with self._lock:
            before = self._words.pop(terms, None)
            is_told = before is not None and before.is_told and before.reason == reason
            self._words[terms] = _Word(reason, now, now + min(seconds, _LONGEST_REST), is_told)

    def note(self, terms: OutsideTerms, reason: str) -> bool:
        """Take in how a judge answered, *reason* being empty where it did; return whether that is news of a failure."""
        with self._lock:
            self._forget()
            before = self._words.pop(terms, None)
            if not reason:
                return False
            rests = before.rests_until if before else 0.0
            self._words[terms] = _Word(reason, self._clock.monotonic(), rests, is_told=True)
            return before is None or before.reason != reason or not before.is_told

    def _forget(self) -> None:
        ends = self._clock.monotonic() - _KEPT_SECONDS
        while self._words and (len(self._words) > _MOST_KEPT or next(iter(self._words.values())).at < ends):
            self._words.popitem(last=False)

    def _asked_for(self, written: str) -> float:
        """Return how many seconds *written* asks for, a number or a date (RFC 9110); 0 where it is neither."""
        if written.isascii() and written.isdecimal():
            return float(written[:9])
        with suppress(ValueError, TypeError):
            at = parsedate_to_datetime(written)
            return (at.replace(tzinfo=at.tzinfo or UTC) - self._clock.now()).total_seconds()
        return 0.0


def told_of(terms: OutsideTerms, reason: str) -> str:
    """Return in plain words how a judge fails, and where that is mended."""
    status = f" (it answered {reason.removeprefix('status_')})" if reason.startswith("status_") else ""
    said = _BY_STATUS.get(reason) or _BY_REASON.get(reason) or ("It failed" if status else "It could not be asked")
    mended = f" Look at {terms.mended_in}." if is_wrong_setting(reason) else ""
    return f"{said}{status}.{mended}"


def is_wrong_setting(reason: str) -> bool:
    """Whether what *reason* says does not pass by itself."""
    return reason in _SETTINGS

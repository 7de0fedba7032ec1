"""Time and chance: the only door to either, so that a test can hold both."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol
from zoneinfo import available_timezones

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""What people set as a time lies between these: beyond, not every time zone has a word for it."""
_TIME_DIGITS, _HEX = 12, frozenset("0123456789abcdef")
DEMO_MARK = "64656d6f"
"""Stands at digits 13 to 20 of every identifier that was born in the demo world: "demo", in hexadecimal.

Rows that belong to no tenant (a route, a schema, a breaker's event) are known by it when the world is removed.
"""


def minute(at: datetime) -> str:
    """Return an aware time as every sentence of the core has it, ``2026-11-30 18:15 UTC``: pages know it by this form.

    They tell it in the zone that their reader has chosen.
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@cache
def timezones() -> frozenset[str]:
    """Return the names of the time zones that this machine knows, as it did at the first look: that walks a folder."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


class Clock(Protocol):
    """What the core asks of time and chance."""

    def now(self) -> datetime:
        """Return the present as an aware UTC time."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never goes back."""
        ...

    def wait(self, woken: threading.Event, seconds: float) -> bool:
        """Sleep for *seconds*, or until *woken* is set; return whether it was set."""
        ...

    def new_id(self) -> str:
        """Return a new identifier: 32 hexadecimal digits that sort by time of birth."""
        ...

    def chance(self) -> float:
        """Return a random number, at least 0 and below 1."""
        ...


class SystemClock:
    """The real thing."""

    def now(self) -> datetime:
        """Return the present as an aware UTC time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never goes back."""
        return time.monotonic()

    def wait(self, woken: threading.Event, seconds: float) -> bool:
        """Sleep for *seconds*, or until *woken* is set; return whether it was set."""
        return woken.wait(seconds)

    def new_id(self) -> str:
        """Return 48 bits of milliseconds and 80 random bits, so that inserts append to an index."""
        return f"{time.time_ns() // 1_000_000:012x}{_drawn()}"

    def chance(self) -> float:
        """Return a random number, at least 0 and below 1."""
        return random.random()


_DRAWN: list[str] = []
_AT_ONCE = 64


def _drawn() -> str:
    """Return 80 random bits, in hexadecimal: drawn for many at once, as each drawing lets another thread go first."""
    try:
        return _DRAWN.pop()
    except IndexError:
        many = os.urandom(10 * _AT_ONCE).hex()
        _DRAWN.extend(many[place : place + 20] for place in range(20, len(many), 20))
        return many[:20]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_DRAWN.clear)  # its parent goes on with these


class ManualClock:
    """Time that stands still until it is told to move; waiting moves it. Chance is seeded."""

    def __init__(self, start: datetime, seed: int = 0) -> None:
        self._now = start
        self._elapsed = 0.0
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time that was set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which the clock was advanced."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move forward."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._elapsed += seconds

    def move_to(self, moment: datetime) -> None:
        """Go to *moment*, if it lies ahead; never back."""
        self.advance(max(0.0, (moment - self._now).total_seconds()))

    def wait(self, woken: threading.Event, seconds: float) -> bool:
        """Advance by *seconds* at once, unless *woken* is set already."""
        if woken.is_set():
            return True
        self.advance(seconds)
        return False

    def new_id(self) -> str:
        """Return an identifier as the real clock would, from manual time and seeded chance."""
        millis = int((self._now - EPOCH) / timedelta(milliseconds=1))
        with self._lock:
            return f"{millis:012x}{self._random.getrandbits(80):020x}"

    def chance(self) -> float:
        """Return the next number of the seeded sequence."""
        with self._lock:
            return self._random.random()


def micros(moment: datetime) -> int:
    """Return *moment* as whole microseconds since 1970 UTC: the stored form of every ``*_at``."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(count: int) -> datetime:
    """Return the aware UTC time *count* microseconds after 1970."""
    return EPOCH + timedelta(microseconds=count)


def iso(at: datetime) -> str:
    """Return a moment as ISO 8601, in UTC as ``Z`` says it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def bears_demo_mark(identifier: str) -> bool:
    """Whether *identifier* was born in the demo world."""
    return identifier[12:].startswith(DEMO_MARK)


def whole_seconds(seconds: float) -> int:
    """Return *seconds* rounded up; a hair's breadth, which sums and differences of times leave, is no second."""
    return math.ceil(round(seconds, 6))


def last_id(moment: datetime) -> str:
    """Return the greatest identifier that can have been born by *moment*: they sort by time of birth."""
    return f"{(moment - EPOCH) // timedelta(milliseconds=1):012x}{'f' * 20}"


def first_id(moment: datetime) -> str:
    """Return what every identifier that is born from *moment* on is at least."""
    return f"{(moment - EPOCH) // timedelta(milliseconds=1):0{_TIME_DIGITS}x}"


def born(identifier: str) -> datetime | None:
    """Return when *identifier* was born; ``None`` where it says no time before :data:`LATEST`."""
    digits = identifier[:_TIME_DIGITS]
    if len(digits) < _TIME_DIGITS or not set(digits) <= _HEX or digits >= first_id(LATEST):
        return None
    return EPOCH + int(digits, 16) * timedelta(milliseconds=1)

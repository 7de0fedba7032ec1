"""How often a password may be tried: per name and address, per address, per name; asked before anything is hashed.

There is no lock-out: whoever guesses at a name from one address keeps nobody at another from signing in, and what was
counted is forgotten after a minute.
"""

from __future__ import annotations

import threading

from core.clock import Clock, whole_seconds
from core.errors import RateLimited

PER_NAME_AND_ADDRESS, PER_ADDRESS, PER_NAME = 5, 20, 60
"""Wrong passwords in a minute."""
MINUTE = 60.0
MOST_KEYS = 10_000


class Throttle:
    """Counts tries, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], tuple[float, int]] = {}
        """When the minute of each began, and how many came in it."""

    def take(self, name: str, address: str) -> None:
        """Count a try before it is made: many at once count as well.

        Raises:
            RateLimited: too many came; ``retry_after_seconds`` says when to come back.

        """
        with self._lock:
            now = self._clock.monotonic()
            keys = _keys(name, address)
            waits = [self._left(key, most, now) for key, most in keys.items()]
            if seconds := whole_seconds(max(waits)):
                raise RateLimited(
                    f"Too many wrong passwords were tried. Wait {seconds} s, then try again.",
                    retry_after_seconds=float(seconds),
                )
            for key in keys:
                self._count(key, now)

    def give_back(self, name: str, address: str) -> None:
        """Forget a try that was right, and the wrong ones of this name from there."""
        with self._lock:
            own, *others = _keys(name, address)
            self._counts.pop(own, None)
            for key in others:
                began, count = self._counts.get(key, (0.0, 0))
                if count:
                    self._counts[key] = began, count - 1

    def _left(self, key: tuple[str, ...], most: int, now: float) -> float:
        began, count = self._counts.get(key, (now, 0))
        return max(0.0, began + MINUTE - now) if count >= most else 0.0

    def _count(self, key: tuple[str, ...], now: float) -> None:
        """Count one more. Of too many keys the one that has been there longest is forgotten."""
        began, count = self._counts.pop(key, (now, 0))
        if now - began >= MINUTE:
            began, count = now, 0
        elif not count and len(self._counts) >= MOST_KEYS:
            del self._counts[next(iter(self._counts))]
        self._counts[key] = began, count + 1


def _keys(name: str, address: str) -> dict[tuple[str, ...], int]:
    return {
        ("both", name, address): PER_NAME_AND_ADDRESS,
        ("address", address): PER_ADDRESS,
        ("name", name): PER_NAME,
    }

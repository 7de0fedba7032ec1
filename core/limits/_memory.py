"""Counts in this process: the ``limits`` library's storage in memory, and a number in flight."""

from __future__ import annotations

import inspect
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from limits import storage

from core.limits._terms import CONCURRENCY_SECONDS, Full, Limited, Pace, Use, Window

_FORGET_EVERY_SECONDS = 1.0


class _Timer:
    """A timer that counts as alive for a while after it has run."""

    def __init__(self, timer: threading.Timer) -> None:
        self._timer = timer
        self._made_at = time.monotonic()  # noqa: TID251 as the library itself: no test depends on it

    def start(self) -> None:
        """Start it, as a thread that does not keep the process alive."""
        self._timer.daemon = True
        self._timer.start()

    def is_alive(self) -> bool:
        """Whether it is too early for the next one."""
        return time.monotonic() - self._made_at < _FORGET_EVERY_SECONDS  # noqa: TID251 as above


class _Storage(storage.MemoryStorage):
    """Counts in this process. To forget, the library starts a thread per 10 ms of traffic; this one per second."""

    STORAGE_SCHEME: ClassVar[list[str]] = ["proctor-memory"]

    @property
    def timer(self) -> _Timer:  # pyright: ignore[reportIncompatibleVariableOverride] it does what the library asks of it
        """The last timer made."""
        return self._timer

    @timer.setter
    def timer(self, made: threading.Timer) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._timer = _Timer(made)

    def take_back_entry(self, key: str) -> None:
        """Forget the newest entry of a moving window."""
        with self.locks[key]:
            if events := self.events.get(key):
                del events[0]

    def oldest_of(self, key: str, count: int) -> float | None:
        """Return when the oldest of the *count* newest entries came; ``None`` if there are not so many."""
        events = self.events.get(key, [])
        return events[count - 1].atime if len(events) >= count else None

    def take_back_tokens(self, key: str, tokens: int, window_seconds: int) -> None:
        """Lower the current count of a sliding window, to 0 at least."""
        self.decr(self.sliding_window_keys(key, window_seconds, time.time())[1], tokens)  # noqa: TID251 as the library


for _name in ("acquire_entry", "acquire_sliding_window_entry", "get", "get_sliding_window", "incr"):
    # the library wraps them twice to rename errors that a memory does not have: a third of all CPU here
    setattr(_Storage, _name, inspect.unwrap(getattr(storage.MemoryStorage, _name)))


class Here:
    """The counts of this process."""

    def __init__(self, window_seconds: int) -> None:
        self._window_seconds = window_seconds
        self._storage = _Storage()
        self._in_flight: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def admit(self, paces: Sequence[Pace], *, lease: str, tokens: int, seconds: float) -> Sequence[Full]:
        """Count one generation in all of *paces*, or in none: return those that have no room for it."""
        del lease, seconds  # whoever is counted here dies with the counts
        with self._lock:
            while True:
                taken = 0
                while taken < len(paces) and self._takes(paces[taken], tokens):
                    taken += 1
                if taken == len(paces):
                    return ()
                for pace in paces[:taken]:
                    self._take_back(pace, tokens)
                if full := self._full(paces, tokens):
                    return full  # and if there is room after all, it has just come

    def settle(self, paces: Sequence[Pace], *, lease: str, tokens: int) -> None:
        """Give back the place in flight and count *tokens* more or fewer, as far as there is room."""
        del lease
        with self._lock:
            for pace in paces:
                if pace.concurrent:
                    self._leave(pace)
                if (limit := pace.tokens_per_min) and tokens:
                    self._count(pace, limit, tokens)

    def use(self, paces: Sequence[Pace]) -> Sequence[Use]:
        """Return what of each pace is used."""
        return [
            Use(
                requests=self._requests(pace) if pace.requests_per_min else 0,
                tokens=self._tokens(pace).used(self._window_seconds) if pace.tokens_per_min else 0,
                concurrent=self._in_flight[pace.scope, pace.id] if pace.concurrent else 0,
            )
            for pace in paces
        ]

    def _takes(self, pace: Pace, tokens: int) -> bool:
        """Take all that *pace* limits, or nothing of it."""
        counts, window = self._storage, self._window_seconds
        if (most := pace.concurrent) and self._in_flight[pace.scope, pace.id] >= most:
            return False
        if (most := pace.requests_per_min) and not counts.acquire_entry(_requests_of(pace), most, window):
            return False
        if (most := pace.tokens_per_min) and not counts.acquire_sliding_window_entry(
            _tokens_of(pace), most, window, tokens
        ):
            if pace.requests_per_min:
                counts.take_back_entry(_requests_of(pace))
            return False
        if pace.concurrent:
            self._in_flight[pace.scope, pace.id] += 1
        return True

    def _take_back(self, pace: Pace, tokens: int) -> None:
        if pace.requests_per_min:
            self._storage.take_back_entry(_requests_of(pace))
        if pace.tokens_per_min:
            self._storage.take_back_tokens(_tokens_of(pace), tokens, self._window_seconds)
        if pace.concurrent:
            self._leave(pace)

    def _leave(self, pace: Pace) -> None:
        who = (pace.scope, pace.id)
        self._in_flight[who] -= 1
        if self._in_flight[who] <= 0:
            del self._in_flight[who]

    def _count(self, pace: Pace, limit: int, tokens: int) -> None:
        key, counts, window = _tokens_of(pace), self._storage, self._window_seconds
        if tokens < 0:
            counts.take_back_tokens(key, -tokens, window)
        elif not counts.acquire_sliding_window_entry(key, limit, window, tokens):
            left = limit - self._tokens(pace).used(window)
            if left > 0:
                counts.acquire_sliding_window_entry(key, limit, window, left)

    def _full(self, paces: Sequence[Pace], tokens: int) -> list[Full]:
        """Return every limit of *paces* that has no room."""
        full: list[Full] = []
        now, window = time.time(), self._window_seconds  # noqa: TID251 the library's windows live on the wall clock
        for pace in paces:
            if most := pace.requests_per_min:
                oldest = self._storage.oldest_of(_requests_of(pace), most)
                if oldest is not None and oldest >= now - window:
                    full.append(Full(pace, Limited.REQUESTS, oldest + window - now, most))
            if most := pace.tokens_per_min:
                found = self._tokens(pace)
                if (used := found.used(window)) + tokens > most:
                    full.append(Full(pace, Limited.TOKENS, found.seconds_until(tokens, most, window), used))
            if (most := pace.concurrent) and self._in_flight[pace.scope, pace.id] >= most:
                full.append(Full(pace, Limited.CONCURRENCY, CONCURRENCY_SECONDS, most))
        return full

    def _tokens(self, pace: Pace) -> Window:
        return Window(*self._storage.get_sliding_window(_tokens_of(pace), self._window_seconds))

    def _requests(self, pace: Pace) -> int:
        _, count = self._storage.get_moving_window(_requests_of(pace), 0, self._window_seconds)
        return min(count, pace.requests_per_min or count)


def _requests_of(pace: Pace) -> str:
    return f"requests/{pace.scope}/{pace.id}"


def _tokens_of(pace: Pace) -> str:
    return f"tokens/{pace.scope}/{pace.id}"

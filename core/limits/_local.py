"""Counts in this process, by the same rules as in Redis: for a deployment without one, and while it is down."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.clock import Clock
from core.limits._terms import CONCURRENCY_SECONDS, Full, Limited, LimitLeft, Quota, QuotaScope, QuotaUse, SlidingWindow


@dataclass(slots=True)
class _Count:
    """What one tenant or one key has used of the last minute. All times are monotonic."""

    begun: deque[float] = field(default_factory=deque[float])
    """When its generations of the last minute began, the oldest first."""
    previous: int = 0
    """The tokens of the window before, which weigh less and less until it ends."""
    previous_ends: float = 0.0
    current: int = 0
    """The tokens of the window that is being counted; it becomes the one before it one window before its end."""
    current_ends: float = 0.0
    in_flight: int = 0

    def forget(self, now: float, window: float) -> None:
        """Drop what is over."""
        while self.begun and self.begun[0] < now - window:
            self.begun.popleft()
        left = self.current_ends - now
        if left <= 0:
            self.previous = self.current = 0
            self.current_ends = 0.0
        elif left < window:
            self.previous, self.previous_ends = self.current, self.current_ends
            self.current, self.current_ends = 0, self.current_ends + window
        elif self.previous_ends <= now:
            self.previous = 0

    def tokens(self, now: float) -> SlidingWindow:
        """Return the tokens as they weigh now."""
        fading = max(0.0, self.previous_ends - now) if self.previous else 0.0
        return SlidingWindow(self.previous, fading, self.current, max(0.0, self.current_ends - now))

    def add_tokens(self, tokens: int, now: float, window: float) -> None:
        """Count *tokens* more, or (below 0) fewer, but never less than none."""
        self.current = max(0, self.current + tokens)
        if not self.current_ends:
            self.current_ends = now + 2 * window

    @property
    def is_empty(self) -> bool:
        """Whether it remembers nothing."""
        return not (self.begun or self.previous or self.current or self.in_flight)


class LocalCounts:
    """The counts of this process."""

    def __init__(self, clock: Clock, window_seconds: int) -> None:
        self._clock = clock
        self._window = window_seconds
        self._lock = threading.Lock()
        self._counts: dict[tuple[QuotaScope, str], _Count] = {}
        self._tidied = clock.monotonic()

    def admit(
        self, quotas: Sequence[Quota], *, lease: str, tokens: int, seconds: float
    ) -> tuple[Sequence[Full], Sequence[LimitLeft]]:
        """Count one generation in all of *quotas*, or in none.

        Return the limits that have no room for it, or else what is left of each.
        """
        del lease, seconds  # whoever is counted here dies with the counts
        if not quotas:
            return (), ()
        left: list[LimitLeft] = []
        with self._lock:
            now = self._clock.monotonic()
            counts = [self._count(quota, now) for quota in quotas]
            full = [
                one
                for quota, count in zip(quotas, counts, strict=True)
                for one in self._full(quota, count, tokens, now)
            ]
            if full:
                return full, ()
            for quota, count in zip(quotas, counts, strict=True):
                if most := quota.requests_per_min:
                    count.begun.append(now)
                    left.append(LimitLeft(Limited.REQUESTS, most, most - len(count.begun), self._window))
                if most := quota.tokens_per_min:
                    count.add_tokens(tokens, now, self._window)
                    window = count.tokens(now)
                    used = window.used(self._window)
                    left.append(LimitLeft(Limited.TOKENS, most, most - used, window.current_seconds))
                if most := quota.concurrent:
                    count.in_flight += 1
                    left.append(LimitLeft(Limited.CONCURRENCY, most, most - count.in_flight, CONCURRENCY_SECONDS))
        return (), left

    def settle(self, quotas: Sequence[Quota], *, lease: str, tokens: int) -> None:
        """Give back the place in flight and count *tokens* more or fewer, as far as there is room."""
        del lease
        if not quotas:
            return
        with self._lock:
            now = self._clock.monotonic()
            for quota in quotas:
                count = self._count(quota, now)
                if quota.concurrent:
                    count.in_flight = max(0, count.in_flight - 1)
                if (most := quota.tokens_per_min) and tokens:
                    room = max(0, most - count.tokens(now).used(self._window))
                    count.add_tokens(min(tokens, room), now, self._window)

    def use(self, quotas: Sequence[Quota]) -> Sequence[QuotaUse]:
        """Return what of each quota is used."""
        with self._lock:
            now = self._clock.monotonic()
            counts = [self._count(quota, now) for quota in quotas]
            return [
                QuotaUse(
                    requests=min(len(count.begun), quota.requests_per_min) if quota.requests_per_min else 0,
                    tokens=count.tokens(now).used(self._window) if quota.tokens_per_min else 0,
                    concurrent=count.in_flight if quota.concurrent else 0,
                )
                for quota, count in zip(quotas, counts, strict=True)
            ]

    def _count(self, quota: Quota, now: float) -> _Count:
        """Return what *quota* has counted, without what is over. Once per window all that is over is dropped."""
        if now - self._tidied >= self._window:
            self._tidied = now
            for who, count in list(self._counts.items()):
                count.forget(now, self._window)
                if count.is_empty:
                    del self._counts[who]
        count = self._counts.setdefault((quota.scope, quota.id), _Count())
        count.forget(now, self._window)
        return count

    def _full(self, quota: Quota, count: _Count, tokens: int, now: float) -> Sequence[Full]:
        """Return the limits of *quota* that have no room for one more of *tokens*."""
        full: list[Full] = []
        if (most := quota.requests_per_min) and len(count.begun) >= most:
            full.append(Full(quota, Limited.REQUESTS, count.begun[-most] + self._window - now, most))
        if most := quota.tokens_per_min:
            window = count.tokens(now)
            used = window.used(self._window)
            if used + tokens > most:
                full.append(Full(quota, Limited.TOKENS, window.seconds_until(tokens, most, self._window), used))
        if (most := quota.concurrent) and count.in_flight >= most:
            full.append(Full(quota, Limited.CONCURRENCY, CONCURRENCY_SECONDS, most))
        return full

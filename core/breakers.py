"""When to stop asking someone: one breaker per provider and model, closed, open or half-open.

A breaker watches the last minute. When it has seen enough calls and most of them failed for reasons that speak against
the provider's health, it opens; after a pause it lets one probe through, and the probe decides. Breakers fail open.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from core.clock import Clock
from core.telemetry import log

WINDOW_SECONDS = 60.0
LEAST_CALLS = 5
WORST_ERROR_RATE = 0.5
PAUSE_SECONDS = 30.0
MOST_BREAKERS = 1000
"""From so many on, those that have nothing to remember are dropped."""


class BreakerState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerView:
    """One breaker as it stands, for people."""

    provider: str
    model: str
    state: BreakerState
    calls: int
    """Calls seen in the last minute."""
    failures: int
    """Those of them that failed for reasons that speak against the provider."""
    probe_in_seconds: float | None
    """How long until a probe is let through; ``None`` unless open."""


@dataclass(slots=True)
class _Breaker:
    state: BreakerState = BreakerState.CLOSED
    seconds: deque[list[int]] = field(default_factory=deque[list[int]])
    """``[second, calls, failures]`` of the last minute: as long for ten calls as for ten thousand."""
    calls: int = 0
    failures: int = 0
    opened_at: float = 0.0
    changed_at: float = 0.0
    """When it took its state. A call that began before says nothing about what is now."""
    is_probing: bool = False

    def count(self, now: float, *, healthy: bool) -> None:
        """Take in one call."""
        self.forget(now)
        if not self.seconds or self.seconds[-1][0] != int(now):
            self.seconds.append([int(now), 0, 0])
        self.seconds[-1][1] += 1
        self.seconds[-1][2] += not healthy
        self.calls += 1
        self.failures += not healthy

    def forget(self, now: float) -> None:
        """Drop what is older than the window."""
        while self.seconds and self.seconds[0][0] <= now - WINDOW_SECONDS:
            _, calls, failures = self.seconds.popleft()
            self.calls -= calls
            self.failures -= failures

    def start_anew(self) -> None:
        """Drop everything."""
        self.seconds.clear()
        self.calls = self.failures = 0


OnChange = Callable[[str, str, BreakerState, BreakerState], None]
"""Called with provider, model, state before and state after, outside every lock."""


class Breakers:
    """The breakers of this process. No lock is held during a call."""

    def __init__(self, clock: Clock, on_change: OnChange | None = None) -> None:
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, str], _Breaker] = {}

    def admit(self, provider: str, model: str) -> bool:
        """Whether a call may go out now. In a half-open breaker it may for one caller, whose call is the probe."""
        key = (provider, model)
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None or breaker.state is BreakerState.CLOSED:
                return True
            paused = self._clock.monotonic() - breaker.opened_at
            if paused < PAUSE_SECONDS or (breaker.is_probing and paused < 2 * PAUSE_SECONDS):
                return False
            before, breaker.state = breaker.state, BreakerState.HALF_OPEN
            breaker.is_probing, breaker.opened_at = True, self._clock.monotonic() - PAUSE_SECONDS
            if before is BreakerState.OPEN:
                breaker.changed_at = self._clock.monotonic()
        self._tell(key, before, BreakerState.HALF_OPEN)
        return True

    def note(self, provider: str, model: str, *, healthy: bool, began: float | None = None) -> None:
        """Take in how a call ended that *began* then, on the clock's monotonic time; now, where that is not told."""
        key = (provider, model)
        now = self._clock.monotonic()
        with self._lock:
            if key not in self._breakers and len(self._breakers) >= MOST_BREAKERS:
                self._forget_idle(now)
            breaker = self._breakers.setdefault(key, _Breaker())
            before = breaker.state
            if began is not None and began < breaker.changed_at:
                return  # it hung through the outage: neither the probe nor a sign of what is now
            if before is BreakerState.HALF_OPEN:
                breaker.is_probing = False
                breaker.start_anew()
                breaker.state = BreakerState.CLOSED if healthy else BreakerState.OPEN
                breaker.opened_at = now
            elif before is BreakerState.CLOSED:
                breaker.count(now, healthy=healthy)
                is_bad = breaker.failures / breaker.calls >= WORST_ERROR_RATE
                if not healthy and breaker.calls >= LEAST_CALLS and is_bad:
                    breaker.state, breaker.opened_at = BreakerState.OPEN, now
            after = breaker.state
            if after is not before:
                breaker.changed_at = now
        self._tell(key, before, after)

    def release(self, provider: str, model: str, began: float | None = None) -> None:
        """Give back an admitted call of which nothing can be said, such as one whose caller left."""
        with self._lock:
            breaker = self._breakers.get((provider, model))
            if breaker is not None and (began is None or began >= breaker.changed_at):
                breaker.is_probing = False

    def views(self) -> list[BreakerView]:
        """Return every breaker that has seen a call, by provider and model."""
        now = self._clock.monotonic()
        with self._lock:
            views: list[BreakerView] = []
            for (provider, model), breaker in sorted(self._breakers.items()):
                if breaker.state is BreakerState.CLOSED:
                    breaker.forget(now)
                is_open = breaker.state is BreakerState.OPEN
                views.append(
                    BreakerView(
                        provider=provider,
                        model=model,
                        state=breaker.state,
                        calls=breaker.calls,
                        failures=breaker.failures,
                        probe_in_seconds=max(0.0, breaker.opened_at + PAUSE_SECONDS - now) if is_open else None,
                    )
                )
            return views

    def _forget_idle(self, now: float) -> None:
        """Drop the closed breakers that saw no call in the window: a caller may name any model."""
        for key, breaker in list(self._breakers.items()):
            breaker.forget(now)
            if breaker.state is BreakerState.CLOSED and not breaker.calls:
                del self._breakers[key]

    def _tell(self, key: tuple[str, str], before: BreakerState, after: BreakerState) -> None:
        if before is after or self._on_change is None:
            return
        try:
            self._on_change(*key, before, after)
        except Exception as error:  # noqa: BLE001 who is told must not end the call that is being accounted for
            log().warning("breaker_change_untold", error=type(error).__name__)

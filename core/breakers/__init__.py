"""When to stop asking someone: breakers per provider and model, and per schema, closed, open or half-open.

A breaker watches the last minute. When it has seen enough and too much of it was bad (``rule.py``), it opens; after a
pause it lets one probe through, and the probe decides. With Redis all processes share what they saw (``redis.py``);
without, or while it is down, each goes by what it sees itself (``local.py``). Breakers fail open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from core.breakers.changes import BreakerChange
from core.breakers.local import LocalBreakers
from core.breakers.overrides import LONGEST_REASON, ModelOverrides, Override, Overrides
from core.breakers.redis import SERVER_TIME, RedisBreakers
from core.breakers.rule import (
    MOST_BREAKERS,
    WINDOW_SECONDS,
    BreakerState,
    Counts,
    Name,
    Rule,
    Trip,
    TripReason,
    observations,
)
from core.clock import Clock, minute, whole_seconds
from core.shared import Shared
from core.telemetry import log

if TYPE_CHECKING:
    from redis import Redis

__all__ = [
    "LONGEST_REASON",
    "LOOK_SECONDS",
    "MOST_BREAKERS",
    "WINDOW_SECONDS",
    "BreakerChange",
    "BreakerRefusal",
    "BreakerState",
    "BreakerView",
    "Breakers",
    "ModelOverrides",
    "Name",
    "Override",
    "Overrides",
    "Rule",
    "TripReason",
]

LOOK_SECONDS = 0.25
"""How old what is known of the shared breakers may be."""
REJOIN_SECONDS = 1.0
"""While Redis is down: how often somebody looks whether it is back, should no call end."""
ROOM = "breakers"
"""What losses are counted under."""
_NOBODY: AbstractContextManager[None] = nullcontext()


class BreakerRefusal(str):
    """Why nobody is asked: a sentence that knows what it is about."""

    __slots__ = ("reason",)
    reason: TripReason | None
    """What opened the breaker; ``None`` where an operator did."""

    def __new__(cls, sentence: str, reason: TripReason | None = None) -> Self:
        """Return *sentence*, which is about *reason*."""
        refusal = super().__new__(cls, sentence)
        refusal.reason = reason
        return refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerView:
    """One breaker as it stands, for people."""

    provider: str
    model: str
    schema: str
    """Empty for the breaker of the model itself."""
    state: BreakerState
    """What it is by its rule, whatever an operator said."""
    calls: int
    """Calls, or answers, seen in the last minute; where it is not closed, those that opened it."""
    failures: int
    """Those that failed for reasons that speak against the provider."""
    slow: int
    invalid: int
    since: datetime | None
    """When it opened; ``None`` while it is closed."""
    cause: str | None
    """What opened it, with figures."""
    failed_probes: int
    probe_in_seconds: float | None
    """How long until a probe is let through; ``None`` unless open."""
    override: Override | None
    """An operator's word on it, which goes before its state."""

    @property
    def is_asked(self) -> bool:
        """Whether calls go through, but for probes."""
        return (self.override.state if self.override else self.state) is BreakerState.CLOSED

    @property
    def word(self) -> str:
        """How it stands, in a word or three."""
        return f"{self.override.state} by hand" if self.override else self.state.value

    @property
    def seen(self) -> str:
        """The figures of the last minute; of one that is not closed, those that opened it."""
        if not self.calls:
            return "no answers" if self.schema else "no calls"
        if self.schema:
            return f"{self.invalid} of {self.calls} answers invalid"
        return f"{self.failures} of {self.calls} calls failed, {self.slow} slow"

    @property
    def because(self) -> str:
        """What opened it by itself, and what follows; empty if it is closed."""
        if self.since is None:
            return ""
        then = "a probe is out and will decide"
        if self.probe_in_seconds is not None:
            seconds = whole_seconds(self.probe_in_seconds)
            then = f"a probe may go out in {seconds} s" if seconds else "the next call is a probe"
        probes = f"; probes that failed since: {self.failed_probes}" if self.failed_probes else ""
        return f"{self.state.value.capitalize()} since {minute(self.since)}: {self.cause}{probes}; {then}."

    @property
    def why(self) -> str:
        """Who set it by hand, or what opened it; empty if it is closed by itself."""
        if self.override is None:
            return self.because
        said = self.override.sentence
        said = said[0].upper() + said[1:]
        return f"{said} By itself it would be {self.because[0].lower()}{self.because[1:]}" if self.because else said


OnChange = Callable[[BreakerChange], None]
"""Called in the one process whose call made the change, outside every lock."""


class Breakers:
    """The breakers of this deployment, or of this process where it has no Redis. No lock is held during a call."""

    def __init__(
        self,
        clock: Clock,
        on_change: OnChange | None = None,
        *,
        rule: Rule | None = None,
        shared: Shared | None = None,
        server_time: str = SERVER_TIME,
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self.rule = rule or Rule()
        self._shared = shared if shared is not None and shared.is_set else None
        self._local = LocalBreakers(clock, self.rule)
        self._redis = RedisBreakers(clock, self.rule, server_time)
        self._is_alone = self._shared is None
        self._switching = threading.Lock()
        self._looking = threading.Lock()
        self._look_at = float("-inf")

    @property
    def is_shared(self) -> bool:
        """Whether what is known is all processes': Redis is set up, and answered when it was last asked."""
        return not self._is_alone

    def refusal(
        self, provider: str, model: str, schema: str = "", override: Override | None = None
    ) -> BreakerRefusal | None:
        """Return why *model* may not be asked now, in one sentence; ``None`` lets the call go out.

        In a half-open breaker it is ``None`` for one caller, whose call is the probe.
        """
        if override is not None:
            is_closed = override.state is BreakerState.CLOSED
            return None if is_closed else BreakerRefusal(f"its breaker was {override.sentence}")
        if self._shared is not None and self._clock.monotonic() >= self._look_at:
            self._look()
        if not self._trips:
            return None
        names = _names(provider, model, schema)
        stopped = self._stopped_by(names)
        if stopped is None:
            return None
        name, trip = stopped
        return BreakerRefusal(self.rule.refusal(name.schema, trip, self._clock.monotonic()), trip.reason)

    def note(
        self,
        provider: str,
        model: str,
        schema: str = "",
        *,
        healthy: bool | None,
        seconds: float = 0.0,
        timeout_seconds: float | None = None,
        valid: bool | None = None,
        began: float | None = None,
    ) -> None:
        """Take in how a call ended.

        *healthy* is whether it speaks for the provider or against it; ``None`` where it does neither, as a request that
        was turned away: then nothing is counted, and a probe that it was is given back. *seconds* is how long it took
        (a stream: until its first piece) and *timeout_seconds* how long it was given (``None``: the usual time),
        *valid* whether its answer satisfied the schema (``None``: there is none to judge), *began* when it went out, on
        the clock's monotonic time; now, where that is not told.
        """
        began = self._clock.monotonic() if began is None else began
        if healthy is None:
            self.release(provider, model, schema, began=began)
            return
        is_slow = seconds >= self.rule.slow_from(timeout_seconds)
        said = observations(self.rule, Name(provider, model), schema, healthy=healthy, is_slow=is_slow, valid=valid)
        changes: Sequence[BreakerChange] | None = None
        with self._asking() as redis:
            if redis is not None:
                changes = self._joined(redis).take(redis, said, began)
        if changes is None:
            changes = self._parted().take(said, began)
        for change in changes:
            self._tell(change)

    def release(self, provider: str, model: str, schema: str = "", *, began: float | None = None) -> None:
        """Give back an admitted call of which nothing can be said, such as one whose caller left."""
        trips = self._trips
        if not trips:
            return
        names = [name for name in _names(provider, model, schema) if name in trips]
        if names:
            began = self._clock.monotonic() if began is None else began
            with self._asking() as redis:
                if redis is not None:
                    self._joined(redis).release(redis, names, began)
                    return
            self._parted().release(names, began)

    def views(self, overrides: ModelOverrides | None = None) -> list[BreakerView]:
        """Return every breaker that has seen a call or of which an operator has said a word, by name."""
        counts = self._counts()
        trips = dict(self._trips)
        overrides = overrides or {}
        names = {*counts, *trips, *(Name(*who) for who in overrides)}
        return [
            self._view(name, trips.get(name), counts.get(name), overrides.get((name.provider, name.model)))
            for name in sorted(names)
        ]

    def _view(self, name: Name, trip: Trip | None, seen: Counts | None, override: Override | None) -> BreakerView:
        reasons = (self.rule.answers if name.schema else self.rule.calls).reasons
        counts = dict(zip(reasons, seen.faults, strict=True)) if seen else {}
        calls = seen.ended if seen else 0
        if trip is not None:
            counts, calls = {trip.reason: trip.count}, trip.ended
        is_open = trip is not None and trip.state is BreakerState.OPEN
        return BreakerView(
            provider=name.provider,
            model=name.model,
            schema=name.schema,
            state=trip.state if trip else BreakerState.CLOSED,
            calls=calls,
            failures=counts.get(TripReason.FAILED, 0),
            slow=counts.get(TripReason.SLOW, 0),
            invalid=counts.get(TripReason.INVALID, 0),
            since=trip.since if trip else None,
            cause=self.rule.cause(trip) if trip else None,
            failed_probes=trip.failed_probes if trip else 0,
            probe_in_seconds=max(0.0, trip.until - self._clock.monotonic()) if trip and is_open else None,
            override=override,
        )

    # ── In Redis, or in this process alone ────────────────────────────────────────────────────────────────────────────

    @property
    def _trips(self) -> Mapping[Name, Trip]:
        return (self._local if self._is_alone else self._redis).trips

    def _counts(self) -> Mapping[Name, Counts]:
        with self._asking() as redis:
            if redis is not None:
                return self._joined(redis).counts(redis)
        return self._parted().counts()

    def _stopped_by(self, names: Sequence[Name]) -> tuple[Name, Trip] | None:
        """Return who forbids a call to go out; take the probes that it must take, if nobody does."""
        if not self._is_alone:
            tripped = self._tripped(names)
            stopped = next((one for one in tripped if one[1].refuses(self._clock.monotonic())), None)
            if stopped is not None or not tripped:
                return stopped
        with self._asking() as redis:
            if redis is not None:
                if self._joined(redis).claim(redis, names):
                    return None
                tripped = self._tripped(names)
                refusing = (one for one in tripped if one[1].refuses(self._clock.monotonic()))
                return next(refusing, tripped[0] if tripped else None)
        return self._parted().claim(names)

    def _tripped(self, names: Sequence[Name]) -> Sequence[tuple[Name, Trip]]:
        trips = self._redis.trips
        return [(name, trip) for name in names if (trip := trips.get(name))]

    def _look(self) -> None:
        """Hear what other processes saw. One caller does; the others go by what was known."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._look_at = self._clock.monotonic() + (REJOIN_SECONDS if self._is_alone else LOOK_SECONDS)
            with self._asking() as redis:
                if redis is not None:
                    self._joined(redis).look(redis)
                    return
            self._parted()
        finally:
            self._looking.release()

    def _asking(self) -> AbstractContextManager[Redis | None, bool | None]:
        """Return a block that is given Redis, if there is one and it answers; what is known here stands behind it."""
        return _NOBODY if self._shared is None else self._shared.redis(ROOM)

    def _joined(self, redis: Redis) -> RedisBreakers:
        """Return the breakers of all processes; if this one was alone, what it learned goes along."""
        if self._is_alone:
            with self._switching:
                if self._is_alone:
                    self._redis.restore(redis, dict(self._local.trips))
                    self._local.adopt({})
                    self._is_alone = False
        return self._redis

    def _parted(self) -> LocalBreakers:
        """Return this process's own breakers; if it was not alone, what was known goes along."""
        if not self._is_alone:
            with self._switching:
                if not self._is_alone:
                    self._local.adopt(self._redis.trips)
                    self._is_alone = True
        return self._local

    def _tell(self, change: BreakerChange) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(change)
        except Exception as error:  # noqa: BLE001 who is told must not end the call that is being accounted for
            log().warning("breaker_change_untold", error=type(error).__name__)


def _names(provider: str, model: str, schema: str) -> tuple[Name, ...]:
    name = Name(provider, model)
    return (name, name._replace(schema=schema)) if schema else (name,)

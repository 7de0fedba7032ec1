"""When to stop asking someone: breakers per provider and model, and per schema, closed, open or half-open.

A breaker watches the last minute. When it has seen enough and too much of it was bad (``rule.py``), it opens; after a
pause it lets one probe through, and the probe decides. With Redis all processes share what they saw (``together.py``);
without, or while it is down, each goes by what it sees itself (``alone.py``). Breakers fail open.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

from core.breakers import words
from core.breakers.alone import Alone
from core.breakers.overrides import LONGEST_REASON, Override, Overrides, Standing
from core.breakers.rule import (
    MOST_BREAKERS,
    WINDOW_SECONDS,
    BreakerState,
    Change,
    Fault,
    Name,
    Rule,
    Tally,
    Trip,
    sights,
)
from core.breakers.together import SERVER_TIME, Together
from core.clock import Clock
from core.shared import Shared
from core.telemetry import log

if TYPE_CHECKING:
    from redis import Redis

__all__ = [
    "LONGEST_REASON",
    "LOOK_SECONDS",
    "MOST_BREAKERS",
    "WINDOW_SECONDS",
    "BreakerState",
    "BreakerView",
    "Breakers",
    "Change",
    "Fault",
    "Name",
    "Override",
    "Overrides",
    "Refusal",
    "Rule",
    "Standing",
]

LOOK_SECONDS = 0.25
"""How old what is known of the shared breakers may be."""
REJOIN_SECONDS = 1.0
"""While Redis is down: how often somebody looks whether it is back, should no call end."""
ROOM = "breakers"
"""What losses are counted under."""
_T = TypeVar("_T")


class Refusal(str):
    """Why nobody is asked: a sentence that knows what it is about."""

    __slots__ = ("fault",)
    fault: Fault | None
    """What opened the breaker; ``None`` where an operator did."""

    def __new__(cls, sentence: str, fault: Fault | None = None) -> Self:
        """Return *sentence*, which is about *fault*."""
        refusal = super().__new__(cls, sentence)
        refusal.fault = fault
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
            seconds = math.ceil(self.probe_in_seconds)
            then = f"a probe may go out in {seconds} s" if seconds else "the next call is a probe"
        probes = f"; probes that failed since: {self.failed_probes}" if self.failed_probes else ""
        return f"{self.state.value.capitalize()} since {self.since:%H:%M} UTC: {self.cause}{probes}; {then}."

    @property
    def why(self) -> str:
        """Who set it by hand, or what opened it; empty if it is closed by itself."""
        if self.override is None:
            return self.because
        said = self.override.sentence
        said = said[0].upper() + said[1:]
        return f"{said} By itself it would be {self.because[0].lower()}{self.because[1:]}" if self.because else said


OnChange = Callable[[Change], None]
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
        self._alone = Alone(clock, self.rule)
        self._together = Together(clock, self.rule, server_time)
        self._is_alone = self._shared is None
        self._turn = threading.Lock()
        self._looking = threading.Lock()
        self._look_at = float("-inf")

    @property
    def is_shared(self) -> bool:
        """Whether what is known is all processes': Redis is set up, and answered when it was last asked."""
        return not self._is_alone

    def refusal(self, provider: str, model: str, schema: str = "", override: Override | None = None) -> Refusal | None:
        """Return why *model* may not be asked now, in one sentence; ``None`` lets the call go out.

        In a half-open breaker it is ``None`` for one caller, whose call is the probe.
        """
        if override is not None:
            return None if override.state is BreakerState.CLOSED else Refusal(f"its breaker was {override.sentence}")
        if self._shared is not None and self._clock.monotonic() >= self._look_at:
            self._look()
        if not (self._alone if self._is_alone else self._together).trips:
            return None
        names = _names(provider, model, schema)
        stopped = self._ask_in_turn(names)
        if stopped is None:
            return None
        name, trip = stopped
        return Refusal(words.refusal(self.rule, name.schema, trip, self._clock.monotonic()), trip.fault)

    def note(
        self,
        provider: str,
        model: str,
        schema: str = "",
        *,
        healthy: bool,
        seconds: float = 0.0,
        timeout_seconds: float | None = None,
        valid: bool | None = None,
        began: float | None = None,
    ) -> None:
        """Take in how a call ended.

        *healthy* is whether it says nothing against the provider, *seconds* how long it took (a stream: until its first
        piece) and *timeout_seconds* how long it was given (``None``: the usual time), *valid* whether its answer
        satisfied the schema (``None``: there is none to judge), *began* when it went out, on the clock's monotonic
        time; now, where that is not told.
        """
        began = self._clock.monotonic() if began is None else began
        is_slow = seconds >= self.rule.slow_from(timeout_seconds)
        said = sights(self.rule, Name(provider, model), schema, healthy=healthy, is_slow=is_slow, valid=valid)
        changes = self._ask(
            lambda redis: self._together.take(redis, said, began), lambda: self._alone.take(said, began)
        )
        for change in changes:
            self._tell(change)

    def release(self, provider: str, model: str, schema: str = "", *, began: float | None = None) -> None:
        """Give back an admitted call of which nothing can be said, such as one whose caller left."""
        trips = (self._alone if self._is_alone else self._together).trips
        if not trips:
            return
        names = [name for name in _names(provider, model, schema) if name in trips]
        if names:
            began = self._clock.monotonic() if began is None else began
            self._ask(
                lambda redis: self._together.release(redis, names, began),
                lambda: self._alone.release(names, began),
            )

    def views(self, overrides: Standing | None = None) -> list[BreakerView]:
        """Return every breaker that has seen a call or of which an operator has said a word, by name."""
        tallies = self._ask(self._together.tallies, self._alone.tallies)
        trips = dict((self._alone if self._is_alone else self._together).trips)
        overrides = overrides or {}
        names = {*tallies, *trips, *(Name(*who) for who in overrides)}
        return [
            self._view(name, trips.get(name), tallies.get(name), overrides.get((name.provider, name.model)))
            for name in sorted(names)
        ]

    def _view(self, name: Name, trip: Trip | None, tally: Tally | None, override: Override | None) -> BreakerView:
        bar = self.rule.answers if name.schema else self.rule.calls
        counts = dict(zip(bar.faults, tally.counts, strict=True)) if tally else {}
        calls = tally.ended if tally else 0
        if trip is not None:
            counts, calls = {trip.fault: trip.count}, trip.ended
        is_open = trip is not None and trip.state is BreakerState.OPEN
        return BreakerView(
            provider=name.provider,
            model=name.model,
            schema=name.schema,
            state=trip.state if trip else BreakerState.CLOSED,
            calls=calls,
            failures=counts.get(Fault.FAILED, 0),
            slow=counts.get(Fault.SLOW, 0),
            invalid=counts.get(Fault.INVALID, 0),
            since=trip.since if trip else None,
            cause=words.cause(self.rule, trip) if trip else None,
            failed_probes=trip.failed_probes if trip else 0,
            probe_in_seconds=max(0.0, trip.until - self._clock.monotonic()) if trip and is_open else None,
            override=override,
        )

    # ── Together or alone ─────────────────────────────────────────────────────────────────────────────────────────────

    def _ask_in_turn(self, names: Sequence[Name]) -> tuple[Name, Trip] | None:
        """Return who forbids a call to go out; take the probes that it must take, if nobody does."""
        if not self._is_alone:
            trips, now = self._together.trips, self._clock.monotonic()
            tripped = [(name, trip) for name in names if (trip := trips.get(name))]
            for name, trip in tripped:
                if trip.refuses(now):
                    return name, trip
            if not tripped:
                return None
        return self._ask(lambda redis: self._claim(redis, names), lambda: self._alone.claim(names))

    def _claim(self, redis: Redis, names: Sequence[Name]) -> tuple[Name, Trip] | None:
        if self._together.claim(redis, names):
            return None
        trips, now = self._together.trips, self._clock.monotonic()
        tripped = [(name, trip) for name in names if (trip := trips.get(name))]
        return next((one for one in tripped if one[1].refuses(now)), tripped[0] if tripped else None)

    def _look(self) -> None:
        """Hear what other processes saw. One caller does; the others go by what was known."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._look_at = self._clock.monotonic() + (REJOIN_SECONDS if self._is_alone else LOOK_SECONDS)
            self._ask(self._together.look, lambda: None)
        finally:
            self._looking.release()

    def _ask(self, question: Callable[[Redis], _T], otherwise: Callable[[], _T]) -> _T:
        """Ask Redis, or this process alone. What is known goes along when the one gives way to the other."""
        if self._shared is None:
            return otherwise()

        def together(redis: Redis) -> _T:
            if self._is_alone:
                self._rejoin(redis)
            return question(redis)

        def alone() -> _T:
            if not self._is_alone:
                self._part()
            return otherwise()

        return self._shared.ask(ROOM, together, alone)

    def _part(self) -> None:
        with self._turn:
            if not self._is_alone:
                self._alone.adopt(self._together.trips)
                self._is_alone = True

    def _rejoin(self, redis: Redis) -> None:
        with self._turn:
            if self._is_alone:
                self._together.restore(redis, dict(self._alone.trips))
                self._alone.adopt({})
                self._is_alone = False

    def _tell(self, change: Change) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(change)
        except Exception as error:  # noqa: BLE001 who is told must not end the call that is being accounted for
            log().warning("breaker_change_untold", error=type(error).__name__)


def _names(provider: str, model: str, schema: str) -> tuple[Name, ...]:
    name = Name(provider, model)
    return (name, name._replace(schema=schema)) if schema else (name,)

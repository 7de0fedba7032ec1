"""The rule of every breaker: what speaks against a model, how much of it is too much, and how long to pause then.

A model has a breaker that watches for calls that fail and calls that are slow, and for each schema one that watches
for answers that do not satisfy it. All three are shares of what ended in the last minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from core.clock import minute, whole_seconds
from core.settings import Settings

WINDOW_SECONDS = 60.0
SLOT_SECONDS = 5.0
"""The window moves in steps of this: as long for ten calls as for ten thousand."""
SLOTS = int(WINDOW_SECONDS / SLOT_SECONDS)
ANSWERS_PER_CALL = 4
"""So many times the least calls is the least number of answers: one stubborn question gives several, all alike."""
LONGEST_PAUSE = 4
"""The longest pause, in first pauses: each probe that fails doubles the pause, up to this."""
MOST_BREAKERS = 1000
"""From so many on, those that have nothing to remember are dropped; were there still as many, no more are made."""
FORGET_SECONDS = 3600.0
"""After so long an open breaker that nobody asked for is dropped, should there be too many."""


class BreakerState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class TripReason(StrEnum):
    """What can speak against a model, and opens its breaker if there is too much of it."""

    FAILED = "failed"
    """The call failed through the provider's fault."""
    SLOW = "slow"
    """The call took too long, whatever came of it; for a stream, until the first piece."""
    INVALID = "invalid"
    """The answer did not satisfy the schema."""


class Name(NamedTuple):
    """Which breaker."""

    provider: str
    model: str
    schema: str = ""
    """Empty for the breaker of the model itself."""

    @property
    def text(self) -> str:
        """The name as people read it: ``provider/model``, with the schema if there is one."""
        return f"{self.provider}/{self.model}" + (f" for {self.schema}" if self.schema else "")


@dataclass(frozen=True)
class Threshold:
    """How much of what is too much."""

    least: int
    """So many must have ended before a share says anything."""
    reasons: tuple[TripReason, ...]
    rates: tuple[float, ...]
    """For each reason, the share from which on it opens the breaker."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The thresholds of this deployment, and how it speaks of them."""

    error_rate: float = 0.5
    slow_rate: float = 0.8
    slow_seconds: float = 20.0
    usual_timeout_seconds: float = 30.0
    """What a call may take, unless its route gives it more; it is slow so much later then."""
    invalid_rate: float = 0.9
    least_calls: int = 5
    pause_seconds: float = 30.0

    @classmethod
    def of_settings(cls, settings: Settings) -> Rule:
        """Return what the settings say."""
        return cls(
            error_rate=settings.breaker_error_rate,
            slow_rate=settings.breaker_slow_rate,
            slow_seconds=settings.breaker_slow_seconds,
            usual_timeout_seconds=settings.attempt_timeout_seconds,
            invalid_rate=settings.breaker_invalid_rate,
            least_calls=settings.breaker_least_calls,
            pause_seconds=settings.breaker_pause_seconds,
        )

    @cached_property
    def calls(self) -> Threshold:
        """What a model's own breaker holds its calls to."""
        return Threshold(self.least_calls, (TripReason.FAILED, TripReason.SLOW), (self.error_rate, self.slow_rate))

    @cached_property
    def answers(self) -> Threshold:
        """What the breaker of a model and a schema holds answers to."""
        return Threshold(self.least_calls * ANSWERS_PER_CALL, (TripReason.INVALID,), (self.invalid_rate,))

    @property
    def longest_pause_seconds(self) -> float:
        """The pause that no failed probe lengthens further."""
        return self.pause_seconds * LONGEST_PAUSE

    @property
    def probe_seconds(self) -> float:
        """After how long a probe that has not been heard of is given up for lost, and another may go out."""
        return max(self.pause_seconds, self.slow_seconds)

    def slow_from(self, timeout_seconds: float | None) -> float:
        """Return from when on a call is slow that was given so much time."""
        return self.slow_seconds * max(1.0, (timeout_seconds or 0.0) / self.usual_timeout_seconds)

    def pause_after(self, failed_probes: int) -> float:
        """Return how many seconds to pause after so many probes have failed in turn."""
        return min(self.pause_seconds * 2 ** min(failed_probes, 16), self.longest_pause_seconds)

    def cause(self, trip: Trip) -> str:
        """Return what opened a breaker, with its figures."""
        match trip.reason:
            case TripReason.FAILED:
                return f"{trip.count} of {trip.ended} calls in the last minute failed"
            case TripReason.SLOW:
                return f"{trip.count} of {trip.ended} calls in the last minute took {self.slow_seconds:g} s or longer"
            case TripReason.INVALID:
                return f"{trip.count} of {trip.ended} answers in the last minute did not satisfy the schema"

    def refusal(self, schema: str, trip: Trip, now: float) -> str:
        """Return why nobody is asked at *now*, and until when: the step of a decision trace."""
        which = f"its breaker for {schema}" if schema else "its breaker"
        probes = f", and so did {trip.probes} since" if trip.failed_probes else ""
        if trip.state is BreakerState.HALF_OPEN:
            then = "a probe is out and will decide"
        else:
            then = f"it tries again in {whole_seconds(max(0.0, trip.until - now))} s"
        return f"{which} is {trip.state} since {minute(trip.since)}: {self.cause(trip)}{probes}; {then}."


class Observation(NamedTuple):
    """What one ended call says to one breaker."""

    name: Name
    threshold: Threshold
    is_telling: bool
    """Whether it says anything: a call that failed says nothing about answers."""
    faults: tuple[bool, ...]
    """Whether each of the threshold's reasons is there, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A breaker that is not closed, and why. ``changed``, ``until`` and ``probe_until`` are monotonic time."""

    state: BreakerState
    since: datetime
    """When it opened; probes that failed since then leave it."""
    changed: float
    """When it took its state. A call that began before says nothing about what is now."""
    until: float
    """When its pause ends."""
    probe_until: float = 0.0
    """When the probe that is out is given up for lost; past if none is."""
    failed_probes: int = 0
    reason: TripReason
    """What opened it: *count* of *ended* calls, or answers, of the last minute."""
    count: int
    ended: int

    @property
    def probes(self) -> str:
        """How many probes failed, in words."""
        return "a probe" if self.failed_probes == 1 else f"{self.failed_probes} probes"

    def refuses(self, now: float) -> bool:
        """Whether nobody may go out now, not even a probe."""
        return now < (self.until if self.state is BreakerState.OPEN else self.probe_until)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one breaker's window holds."""

    ended: int
    faults: tuple[int, ...]
    """In the order of the threshold's reasons."""


def observations(
    rule: Rule, name: Name, schema: str, *, healthy: bool, is_slow: bool, valid: bool | None
) -> Sequence[Observation]:
    """Return what one ended call says: to its model's breaker, and to that of its schema, where it has one."""
    call = Observation(name, rule.calls, True, (not healthy, is_slow))
    if not schema:
        return (call,)
    return call, Observation(name._replace(schema=schema), rule.answers, valid is not None, (valid is False,))


def exceeded(threshold: Threshold, counts: Counts, faults: Sequence[bool]) -> TripReason | None:
    """Return what opens a breaker after a call with these *faults* was counted; a call without fault opens none."""
    if counts.ended >= threshold.least:
        for reason, rate, count, is_there in zip(
            threshold.reasons, threshold.rates, counts.faults, faults, strict=True
        ):
            if is_there and count / counts.ended >= rate:
                return reason
    return None

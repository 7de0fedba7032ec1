"""The breakers of one process by itself: where no Redis is set up, and while it is down."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.breakers.changes import BreakerChange
from core.breakers.rule import (
    FORGET_SECONDS,
    MOST_BREAKERS,
    SLOT_SECONDS,
    SLOTS,
    BreakerState,
    Counts,
    Name,
    Observation,
    Rule,
    Threshold,
    Trip,
    exceeded,
)
from core.clock import Clock


@dataclass(slots=True)
class _Window:
    """What ended in the last minute at a breaker that is closed, with running sums."""

    since: float
    """When it closed. A call that began before says nothing about what is now."""
    sums: list[int]
    """``[ended, faults of the first reason, of the second …]``, over all slots."""
    slots: deque[list[int]] = field(default_factory=deque[list[int]])
    """``[slot, ended, faults of the first reason, of the second …]``, the oldest first."""

    @classmethod
    def of(cls, threshold: Threshold, since: float) -> _Window:
        """Return an empty one."""
        return cls(since, [0] * (1 + len(threshold.reasons)))

    def take(self, now: float, faults: Sequence[bool]) -> Counts:
        """Count one call, and return what the window holds then."""
        slot = int(now // SLOT_SECONDS)
        if not self.slots or self.slots[-1][0] != slot:
            self.forget(now)
            self.slots.append([slot, *(0 for _ in self.sums)])
        newest = self.slots[-1]
        newest[1] += 1
        self.sums[0] += 1
        for place, is_there in enumerate(faults, 1):
            if is_there:
                newest[place + 1] += 1
                self.sums[place] += 1
        return self.counts

    def forget(self, now: float) -> None:
        """Drop what is older than the window."""
        oldest = int(now // SLOT_SECONDS) - SLOTS
        while self.slots and self.slots[0][0] <= oldest:
            for place, count in enumerate(self.slots.popleft()[1:]):
                self.sums[place] -= count

    @property
    def counts(self) -> Counts:
        """What it holds."""
        return Counts(self.sums[0], tuple(self.sums[1:]))


class LocalBreakers:
    """The breakers of this process. No lock is held during a call."""

    def __init__(self, clock: Clock, rule: Rule) -> None:
        self._clock = clock
        self._rule = rule
        self._lock = threading.Lock()
        self._windows: dict[Name, _Window] = {}
        self._trips: dict[Name, Trip] = {}
        self._swept = float("-inf")

    @property
    def trips(self) -> Mapping[Name, Trip]:
        """Those that are not closed."""
        return self._trips

    def claim(self, names: Sequence[Name]) -> tuple[Name, Trip] | None:
        """Take the probes that must be taken for a call to go out; return who forbids it, if anyone does."""
        with self._lock:
            now = self._clock.monotonic()
            tripped = [(name, trip) for name in names if (trip := self._trips.get(name))]
            for name, trip in tripped:
                if trip.refuses(now):
                    return name, trip
            for name, trip in tripped:
                self._trips[name] = replace(
                    trip,
                    state=BreakerState.HALF_OPEN,
                    changed=now if trip.state is BreakerState.OPEN else trip.changed,
                    probe_until=now + self._rule.probe_seconds,
                )
        return None

    def take(self, observations: Sequence[Observation], began: float) -> list[BreakerChange]:
        """Take in a call that has ended; return what changed by it."""
        changes: list[BreakerChange] = []
        with self._lock:
            now = self._clock.monotonic()
            for observation in observations:
                trip = self._trips.get(observation.name)
                change = self._judge(observation, trip, now, began) if trip else self._count(observation, now, began)
                if change is not None:
                    changes.append(change)
        return changes

    def release(self, names: Sequence[Name], began: float) -> None:
        """Give back the probes of a call of which nothing can be said."""
        with self._lock:
            for name in names:
                trip = self._trips.get(name)
                if trip is not None and began >= trip.changed:
                    self._trips[name] = replace(trip, probe_until=0.0)

    def adopt(self, trips: Mapping[Name, Trip]) -> None:
        """Go on from what was known before, by whoever knew it."""
        with self._lock:
            self._windows.clear()
            self._trips = dict(trips)

    def counts(self) -> Mapping[Name, Counts]:
        """Return what every breaker that is closed has seen in the last minute."""
        with self._lock:
            now = self._clock.monotonic()
            for window in self._windows.values():
                window.forget(now)
            return {name: window.counts for name, window in self._windows.items()}

    def _count(self, observation: Observation, now: float, began: float) -> BreakerChange | None:
        """Count a call at a breaker that is closed, which may open it."""
        if not observation.is_telling:
            return None
        window = self._windows.get(observation.name)
        if window is None:
            if not self._has_room(now):
                return None
            window = self._windows[observation.name] = _Window.of(observation.threshold, float("-inf"))
        if began < window.since:
            return None  # it hung through the outage
        counts = window.take(now, observation.faults)
        reason = exceeded(observation.threshold, counts, observation.faults)
        if reason is None:
            return None
        del self._windows[observation.name]
        pause = self._rule.pause_seconds
        trip = self._trips[observation.name] = Trip(
            state=BreakerState.OPEN,
            since=self._clock.now(),
            changed=now,
            until=now + pause,
            reason=reason,
            count=counts.faults[observation.threshold.reasons.index(reason)],
            ended=counts.ended,
        )
        return BreakerChange(observation.name, BreakerState.CLOSED, BreakerState.OPEN, trip, pause)

    def _judge(self, observation: Observation, trip: Trip, now: float, began: float) -> BreakerChange | None:
        """Let a probe's end decide; nothing else can that ends while the breaker is not closed."""
        if trip.state is BreakerState.OPEN or began < trip.changed:
            return None
        if not observation.is_telling:
            self._trips[observation.name] = replace(trip, probe_until=0.0)
            return None
        if not any(observation.faults):
            del self._trips[observation.name]
            self._windows[observation.name] = _Window.of(observation.threshold, now)
            return BreakerChange(observation.name, BreakerState.HALF_OPEN, BreakerState.CLOSED, trip, 0.0)
        failed = trip.failed_probes + 1
        pause = self._rule.pause_after(failed)
        trip = self._trips[observation.name] = replace(
            trip, state=BreakerState.OPEN, changed=now, until=now + pause, probe_until=0.0, failed_probes=failed
        )
        return BreakerChange(observation.name, BreakerState.HALF_OPEN, BreakerState.OPEN, trip, pause)

    def _has_room(self, now: float) -> bool:
        """Whether one more may be made. If not, drop those that remember nothing: a caller may name any model."""
        if len(self._windows) + len(self._trips) >= MOST_BREAKERS and now - self._swept >= SLOT_SECONDS:
            self._swept = now
            for name, window in list(self._windows.items()):
                window.forget(now)
                if not window.slots:
                    del self._windows[name]
            for name, trip in list(self._trips.items()):
                if trip.until + FORGET_SECONDS < now:
                    del self._trips[name]
        return len(self._windows) + len(self._trips) < MOST_BREAKERS

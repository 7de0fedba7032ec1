"""The breakers of one process by itself: where no Redis is set up, and while it is down."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.breakers.rule import (
    FORGET_SECONDS,
    MOST_BREAKERS,
    SLOT_SECONDS,
    SLOTS,
    BreakerState,
    Change,
    Name,
    Rule,
    Sight,
    Tally,
    Trip,
    exceeded,
)
from core.clock import Clock


@dataclass(slots=True)
class _Window:
    """What ended in the last minute at a breaker that is closed."""

    since: float
    """When it closed. A call that began before says nothing about what is now."""
    slots: deque[list[int]] = field(default_factory=deque[list[int]])
    """``[slot, ended, faults of the first kind, of the second …]``, the oldest first."""

    def take(self, now: float, faults: Sequence[bool]) -> Tally:
        """Count one call, and return what the window holds then."""
        slot = int(now // SLOT_SECONDS)
        if not self.slots or self.slots[-1][0] != slot:
            self.forget(now)
            self.slots.append([slot, 0, *(0 for _ in faults)])
        newest = self.slots[-1]
        newest[1] += 1
        for place, is_there in enumerate(faults, 2):
            newest[place] += is_there
        return self.tally(len(faults))

    def forget(self, now: float) -> None:
        """Drop what is older than the window."""
        oldest = int(now // SLOT_SECONDS) - SLOTS
        while self.slots and self.slots[0][0] <= oldest:
            self.slots.popleft()

    def tally(self, kinds: int) -> Tally:
        """Return the sums."""
        return Tally(
            sum(slot[1] for slot in self.slots),
            tuple(sum(slot[place] for slot in self.slots) for place in range(2, 2 + kinds)),
        )


class Alone:
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

    def take(self, sights: Sequence[Sight], began: float) -> list[Change]:
        """Take in a call that has ended; return what changed by it."""
        changes: list[Change] = []
        with self._lock:
            now = self._clock.monotonic()
            for sight in sights:
                trip = self._trips.get(sight.name)
                change = self._judge(sight, trip, now, began) if trip else self._count(sight, now, began)
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

    def tallies(self) -> Mapping[Name, Tally]:
        """Return what every breaker that is closed has seen in the last minute."""
        with self._lock:
            now = self._clock.monotonic()
            for window in self._windows.values():
                window.forget(now)
            return {
                name: window.tally(len((self._rule.answers if name.schema else self._rule.calls).faults))
                for name, window in self._windows.items()
            }

    def _count(self, sight: Sight, now: float, began: float) -> Change | None:
        """Count a call at a breaker that is closed, which may open it."""
        if not sight.is_telling:
            return None
        window = self._windows.get(sight.name)
        if window is None:
            if not self._has_room(now):
                return None
            window = self._windows[sight.name] = _Window(since=float("-inf"))
        if began < window.since:
            return None  # it hung through the outage
        tally = window.take(now, sight.faults)
        fault = exceeded(sight.bar, tally.ended, tally.counts, sight.faults)
        if fault is None:
            return None
        del self._windows[sight.name]
        pause = self._rule.pause_seconds
        trip = self._trips[sight.name] = Trip(
            state=BreakerState.OPEN,
            since=self._clock.now(),
            changed=now,
            until=now + pause,
            fault=fault,
            count=tally.counts[sight.bar.faults.index(fault)],
            ended=tally.ended,
        )
        return Change(sight.name, BreakerState.CLOSED, BreakerState.OPEN, trip, pause)

    def _judge(self, sight: Sight, trip: Trip, now: float, began: float) -> Change | None:
        """Let a probe's end decide; nothing else can that ends while the breaker is not closed."""
        if trip.state is BreakerState.OPEN or began < trip.changed:
            return None
        if not sight.is_telling:
            self._trips[sight.name] = replace(trip, probe_until=0.0)
            return None
        if not any(sight.faults):
            del self._trips[sight.name]
            self._windows[sight.name] = _Window(since=now)
            return Change(sight.name, BreakerState.HALF_OPEN, BreakerState.CLOSED, trip, 0.0)
        failed = trip.failed_probes + 1
        pause = self._rule.pause_after(failed)
        trip = self._trips[sight.name] = replace(
            trip, state=BreakerState.OPEN, changed=now, until=now + pause, probe_until=0.0, failed_probes=failed
        )
        return Change(sight.name, BreakerState.HALF_OPEN, BreakerState.OPEN, trip, pause)

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

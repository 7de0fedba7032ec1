"""The breakers of all processes that share a Redis: each ended call is one atomic script there, on the server's time.

What is known of the breakers that are not closed is kept here and looked up a few times a second, by whoever asks
first; so to let a call through costs no round trip, unless it is to be a probe.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

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
    TripReason,
)
from core.clock import EPOCH, Clock

if TYPE_CHECKING:
    from redis import Redis

SERVER_TIME = "(function() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end)()"
"""The present as milliseconds since 1970, in Lua."""
_PREFIX = "proctor:{breakers}:"  # the braces keep all keys on one node of a cluster
_TRIPS, _WINDOWS, _SWEPT = _PREFIX + "trips", _PREFIX + "windows", _PREFIX + "swept"
_LOOK = "return {now, redis.call('HGETALL', KEYS[1]), KEYS[2] and redis.call('HGETALL', KEYS[2]) or {}}"
_KINDS = 2
"""Of how many kinds of fault a breaker keeps count, at most."""
_BETWEEN = "\x1f"


class RedisBreakers:
    """What is known of the shared breakers. Every method that takes a client raises what its driver raises."""

    def __init__(self, clock: Clock, rule: Rule, server_time: str = SERVER_TIME) -> None:
        self._clock = clock
        self._rule = rule
        self._lock = threading.Lock()
        self._trips: dict[Name, Trip] = {}
        self._as_of = 0
        """The server's time at the newest answer that was taken in."""
        self._texts = {name: f"local now = {server_time}\n{_text(name)}" for name in ("note", "claim", "release")}
        self._texts |= {"restore": f"local now = {server_time}\n{_text('restore')}"}
        self._texts |= {"look": f"local now = {server_time}\n{_LOOK}"}
        self._scripts: dict[str, Any] = {}
        forget_ms = int(FORGET_SECONDS * 1000) + _ms(rule.longest_pause_seconds)
        self._pauses = (_ms(rule.pause_seconds), _ms(rule.longest_pause_seconds))
        self._bounds = (_ms(SLOT_SECONDS), SLOTS, MOST_BREAKERS, forget_ms)
        self._forget_ms = forget_ms

    @property
    def trips(self) -> Mapping[Name, Trip]:
        """Those that were not closed when this process last heard of them."""
        return self._trips

    def look(self, redis: Redis) -> None:
        """Hear of every breaker that is not closed."""
        now, trips, _ = self._run(redis, "look", (_TRIPS,), ())
        self._replace(now, _pairs(trips))

    def counts(self, redis: Redis) -> Mapping[Name, Counts]:
        """Hear of every breaker, and return what those that are closed have seen in the last minute."""
        now, trips, windows = self._run(redis, "look", (_TRIPS, _WINDOWS), ())
        self._replace(now, _pairs(trips))
        oldest = now // _ms(SLOT_SECONDS) - SLOTS
        found: dict[Name, Counts] = {}
        for name, raw in _pairs(windows):
            slots = [slot for slot in orjson.loads(raw)["slots"] or () if slot[0] > oldest]
            kinds = len((self._rule.answers if name.schema else self._rule.calls).reasons)
            faults = tuple(sum(slot[place] for slot in slots) for place in range(2, 2 + kinds))
            found[name] = Counts(sum(slot[1] for slot in slots), faults)
        return found

    def claim(self, redis: Redis, names: Sequence[Name]) -> bool:
        """Take the probes that must be taken for a call to go out; whether it may."""
        arguments = (_ms(self._rule.probe_seconds), self._forget_ms, *map(_written, names))
        now, granted, *known = self._run(redis, "claim", (_TRIPS,), arguments)
        self._take_in(now, zip(names, known, strict=True))
        return bool(granted)

    def take(self, redis: Redis, observations: Sequence[Observation], began: float) -> list[BreakerChange]:
        """Take in a call that has ended; return what it changed: no other process learns that it was this one."""
        arguments: list[Any] = [self._age(began), *self._pauses, *self._bounds]
        for observation in observations:
            arguments += (
                _written(observation.name),
                int(observation.is_telling),
                observation.threshold.least,
                *_faults(observation.threshold, observation),
            )
        told = self._run(redis, "note", (_TRIPS, _WINDOWS, _SWEPT), arguments)
        if told is None:
            if self._trips:
                self._forget(observation.name for observation in observations)
            return []
        now, *rest = told
        changes: list[BreakerChange] = []
        closed: list[tuple[Name, bytes]] = []
        for observation, before, after, raw in zip(observations, rest[::3], rest[1::3], rest[2::3], strict=True):
            was, is_now = BreakerState(before.decode()), BreakerState(after.decode())
            closed.append((observation.name, b"" if is_now is BreakerState.CLOSED else raw))
            if was is not is_now:
                trip = self._read(raw, now)
                pause = self._rule.pause_after(trip.failed_probes) if is_now is BreakerState.OPEN else 0.0
                changes.append(BreakerChange(observation.name, was, is_now, trip, pause))
        self._take_in(now, closed)
        return changes

    def release(self, redis: Redis, names: Sequence[Name], began: float) -> None:
        """Give back the probes of a call of which nothing can be said."""
        arguments = (self._age(began), *map(_written, names))
        now, *known = self._run(redis, "release", (_TRIPS,), arguments)
        self._take_in(now, zip(names, known, strict=True))

    def restore(self, redis: Redis, trips: Mapping[Name, Trip]) -> None:
        """Tell what this process learned by itself, where nothing else is known; then hear what is known."""
        present = self._clock.monotonic()
        arguments: list[Any] = [self._forget_ms]
        for name, trip in trips.items():
            arguments += (_written(name), self._relative(trip, present))
        if trips:
            self._run(redis, "restore", (_TRIPS,), arguments)
        self._as_of = 0  # a Redis that was started anew may live on another machine's time
        self.look(redis)

    def _run(self, redis: Redis, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = redis.register_script(self._texts[name])
        return script(keys, arguments, redis)

    def _age(self, began: float) -> int:
        """Return for how many whole milliseconds a call has been out: rounded down, as the server's time is."""
        return int((self._clock.monotonic() - began) * 1000)

    def _replace(self, now: int, known: Iterable[tuple[Name, bytes]]) -> None:
        trips = {name: self._read(raw, now) for name, raw in known}
        with self._lock:
            if now >= self._as_of:  # else this answer was overtaken by a newer one
                self._trips, self._as_of = trips, now

    def _take_in(self, now: int, known: Iterable[tuple[Name, bytes]]) -> None:
        with self._lock:
            trips = dict(self._trips)
            for name, raw in known:
                if raw:
                    trips[name] = self._read(raw, now)
                else:
                    trips.pop(name, None)
            self._trips, self._as_of = trips, max(now, self._as_of)

    def _forget(self, names: Iterable[Name]) -> None:
        with self._lock:
            gone = set(names)
            self._trips = {name: trip for name, trip in self._trips.items() if name not in gone}

    def _read(self, raw: bytes, now: int) -> Trip:
        """Read what is known of a breaker, in this process's monotonic time."""
        known, present = orjson.loads(raw), self._clock.monotonic()
        return Trip(
            state=BreakerState(known["state"]),
            since=EPOCH + timedelta(milliseconds=known["since"]),
            changed=present + (known["changed"] - now) / 1000,
            until=present + (known["ends"] - now) / 1000,
            probe_until=present + (known["probe"] - now) / 1000 if known["probe"] else 0.0,
            failed_probes=known["failed"],
            reason=TripReason(known["fault"]),
            count=known["count"],
            ended=known["ended"],
        )

    def _relative(self, trip: Trip, present: float) -> bytes:
        """Write what is known of a breaker, its times as milliseconds from *present*."""
        return orjson.dumps(
            {
                "state": trip.state,
                "since": _ms((trip.since - self._clock.now()).total_seconds()),
                "changed": _ms(trip.changed - present),
                "ends": _ms(trip.until - present),
                "probe": _ms(trip.probe_until - present),
                "failed": trip.failed_probes,
                "fault": trip.reason,
                "count": trip.count,
                "ended": trip.ended,
            }
        )


def _text(name: str) -> str:
    return Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _written(name: Name) -> str:
    return _BETWEEN.join(name)


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[Name, bytes]]:
    """Yield what a hash holds, by the names of breakers."""
    for written, raw in zip(flat[::2], flat[1::2], strict=True):
        parts = written.decode().split(_BETWEEN)
        if len(parts) == len(Name._fields):
            yield Name(*parts), raw


def _faults(threshold: Threshold, observation: Observation) -> Sequence[Any]:
    """Return each kind of fault with its rate and whether it is there, filled up with nothing."""
    flat: list[Any] = []
    for reason, rate, is_there in zip(threshold.reasons, threshold.rates, observation.faults, strict=True):
        flat += (reason.value, rate, int(is_there))
    return flat + ["", 0, 0] * (_KINDS - len(threshold.reasons))

"""Who may begin: a bounded number at once, a bounded number that wait, and no tenant in another's way.

Places, the bytes of large bodies, the waiting room and the bodies that may be on their way are shared out alike: a
tenant may hold four times as much as it leaves free. So one alone gets four fifths, two get four ninths each, and there
is always something left for whoever holds nothing yet. Who waits gets the places that come free in turn, tenant by
tenant; who comes when the waiting room is full is turned away at once.

It lives on one event loop. Only :meth:`Admission.seen` may be called from elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from core.clock import Clock
from core.errors import Overloaded, Unavailable
from core.shares import Room
from core.telemetry import Metrics, log

LARGE_BYTES = 64_000
"""From this size on a body is counted. Smaller ones the server has read by the time that anybody may decide."""
LATELY_SECONDS = 300.0
"""How long it is remembered whose requests were turned away, or waited so long that they noticed."""
NOTICED_SECONDS = 1.0
"""From here on a wait is remembered: a page is drawn four times a minute at most, and would seldom see one go by."""
LONGEST_RETRY_SECONDS = 30.0
READS_AT_ONCE = 16
"""Places of reads over the API. Each has a thread of its own."""
READS_WAITING = 256
_TOLD_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """How full it is."""

    running: int
    """Requests that have a place."""
    places: int
    """How many may have one."""
    waits: Mapping[str, int]
    """How many requests of which tenant wait for one."""
    shed: Mapping[str, int]
    """How many requests of which tenant were turned away lately."""
    waited: Mapping[str, int]
    """How many requests of which tenant waited for :data:`NOTICED_SECONDS` or more lately."""

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return sum(self.waits.values())


class _Lately:
    """Of which tenants something was counted lately, and how often since it began."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def count(self, tenant: str, now: float) -> None:
        count, at = self._seen.get(tenant, (0, now))
        self._seen[tenant] = (count + 1 if now - at < LATELY_SECONDS else 1, now)

    def at(self, now: float) -> Mapping[str, int]:
        return {tenant: count for tenant, (count, at) in self._seen.copy().items() if now - at < LATELY_SECONDS}


class Place:
    """The right to run, until it is given back."""

    def __init__(self, admission: Admission, tenant: str, size: int, waited: float = 0.0) -> None:
        self._admission: Admission | None = admission
        self._tenant = tenant
        self._size = size
        self.waited_seconds = waited
        """For how long it was waited for."""

    def needs(self, size: int) -> None:
        """Give back what was set aside for a larger body than it is, of *size* bytes."""
        size = size if size >= LARGE_BYTES else 0
        spare, self._size = self._size - size, size
        if self._admission is not None and spare > 0:
            self._admission.given_back(self._tenant, spare, places=0)

    def give_back(self) -> None:
        """Let the next one run. May be called any number of times."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.given_back(self._tenant, self._size)


async def taken(asked: asyncio.Future[Place]) -> Place:
    """Wait for a place that was asked for. Whoever is interrupted leaves the queue, or gives the place back."""
    try:
        return await asked
    except asyncio.CancelledError:
        if asked.done() and not asked.cancelled() and asked.exception() is None:
            asked.result().give_back()  # it came in the same moment
        raise


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    tenant: str
    size: int
    since: float
    place: asyncio.Future[Place]


class Admission:
    """The places of one process."""

    def __init__(
        self, clock: Clock, metrics: Metrics, *, kind: str, places: int, waiting: int, large_bytes: int
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._places = Room(places)
        self._most = places
        self._large = Room(large_bytes)
        self._room = Room(waiting)
        self._on_their_way = Room(places + waiting)
        self._bodies: set[asyncio.Timeout] = set()
        """What bounds the time of each body that is on its way."""
        self._queues: dict[str, deque[_Waiting]] = {}
        """Who waits, by tenant; whose turn is next stands first."""
        self._waiting = 0
        self._large_waiting = 0
        self._last_wait = 0.0
        self._is_closed = False
        self._shed = _Lately()
        self._waited = _Lately()
        self._untold = 0
        self._told_at = float("-inf")
        metrics.waiting.labels(kind).set_function(lambda: self._waiting)

    def require_room(self, tenant: str) -> None:
        """Go on only if a request of *tenant* may at least wait; costs next to nothing.

        Raises:
            Overloaded: as many as may wait do.
            Unavailable: the server is stopping.

        """
        self.require_open()
        if not self._room.fits(tenant, 1) and not self._places.fits(tenant, 1):
            raise self.turned_away(tenant)

    @contextmanager
    def body_of(self, tenant: str, limit: asyncio.Timeout) -> Generator[None]:
        """Count a body that is on its way for as long as the block lasts, for it has a connection, and may never come.

        When the server stops *limit* ends at once: see :meth:`require_open`.

        Raises:
            Overloaded: as many of *tenant* are on their way as may be.

        """
        if not self._on_their_way.fits(tenant, 1):
            raise self.turned_away(tenant)
        self._on_their_way.take(tenant, 1)
        self._bodies.add(limit)
        try:
            yield
        finally:
            self._bodies.discard(limit)
            self._on_their_way.give_back(tenant, 1)

    def require_open(self) -> None:
        """Go on only if the server is not stopping.

        Raises:
            Unavailable: it is.

        """
        if self._is_closed:
            raise _stopping()

    def ask(self, tenant: str, size: int) -> asyncio.Future[Place]:
        """Return a place to come, for a request whose body has *size* bytes. Cancelling it leaves the queue.

        Raises:
            Overloaded: as many as may wait do.
            Unavailable: the server is stopping.

        """
        self.require_open()
        size = size if size >= LARGE_BYTES else 0
        place: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        is_first = tenant not in self._queues and not (size and self._is_saving_up())
        if is_first and self._fits(tenant, size):
            self._take(tenant, size, place)
            return place
        if not self._room.fits(tenant, 1):
            raise self.turned_away(tenant)
        waiting = _Waiting(tenant, size, self._clock.monotonic(), place)
        self._room.take(tenant, 1)
        self._queues.setdefault(tenant, deque()).append(waiting)
        self._count(waiting, 1)
        place.add_done_callback(lambda _: self._gone(waiting))
        return place

    def turned_away(self, tenant: str) -> Overloaded:
        """Count that a request of *tenant* is not served; return what it is told."""
        now = self._clock.monotonic()
        self._shed.count(tenant, now)
        self._metrics.shed.labels(tenant).inc()
        self._untold += 1
        if now - self._told_at >= _TOLD_EVERY_SECONDS:
            log().warning("overloaded", tenant=tenant, count=self._untold, waiting=self._waiting)
            self._untold, self._told_at = 0, now
        return Overloaded(
            "Too many requests are under way or wait already, and this one was not begun. Send it again in a moment.",
            retry_after_seconds=min(max(self._last_wait, 1.0), LONGEST_RETRY_SECONDS),
        )

    def close(self) -> None:
        """Give no more places: the server is stopping. Who waits, is on the way or comes is told so."""
        self._is_closed = True
        for limit in self._bodies:
            with suppress(RuntimeError):  # it ends already
                limit.reschedule(0.0)
        for queue in self._queues.values():
            for waiting in queue:
                if not waiting.place.done():
                    waiting.place.set_exception(_stopping())

    def seen(self) -> Crowd:
        """Return how full it is. May be called from any thread."""
        now = self._clock.monotonic()
        waits = {tenant: len(queue) for tenant, queue in self._queues.copy().items()}
        return Crowd(self._most - self._places.free, self._most, waits, self._shed.at(now), self._waited.at(now))

    def given_back(self, tenant: str, size: int, places: int = 1) -> None:
        """Take back a place and what was set aside for a body of *size* bytes, for whoever is next."""
        if places:
            self._places.give_back(tenant, places)
        if size:
            self._large.give_back(tenant, size)
        self._serve()

    def _fits(self, tenant: str, size: int) -> bool:
        return self._places.fits(tenant, 1) and (not size or self._large.fits(tenant, size))

    def _take(self, tenant: str, size: int, place: asyncio.Future[Place], waited: float = 0.0) -> None:
        self._places.take(tenant, 1)
        if size:
            self._large.take(tenant, size)
        place.set_result(Place(self, tenant, size, waited))

    def _serve(self) -> None:
        """Give the places that are free to those who wait, one tenant after the other."""
        while not self._is_closed and self._places.free and (waiting := self._next()) is not None:
            queue = self._queues.pop(waiting.tenant)
            self._queues[waiting.tenant] = queue  # the last in turn from now on
            self._last_wait = self._clock.monotonic() - waiting.since
            self._take(waiting.tenant, waiting.size, waiting.place, self._last_wait)
            self._left(waiting)

    def _is_saving_up(self) -> bool:
        """Whether a large body waits that there are not bytes enough for: they would always go to smaller ones."""
        if not self._large_waiting:
            return False
        return any(queue[0].size > self._large.free for queue in self._queues.values())

    def _next(self) -> _Waiting | None:
        """Return who gets the next place: the first of the first tenant for whom there is room."""
        large_may = True
        for tenant, queue in self._queues.items():
            waiting = next((one for one in queue if not one.place.done()), None)
            if waiting is None or (waiting.size and not large_may):
                continue
            if self._fits(tenant, waiting.size):
                return waiting
            if waiting.size > self._large.free:
                large_may = False
        return None

    def _gone(self, waiting: _Waiting) -> None:
        """Let those behind it move up, if *waiting* has left without a place."""
        self._left(waiting)
        self._serve()

    def _left(self, waiting: _Waiting) -> None:
        """Take out of the queue who got a place, or waits no longer."""
        queue = self._queues.get(waiting.tenant)
        if queue is None or waiting not in queue:
            return
        queue.remove(waiting)
        if not queue:
            del self._queues[waiting.tenant]
        self._room.give_back(waiting.tenant, 1)
        self._count(waiting, -1)
        if (now := self._clock.monotonic()) - waiting.since >= NOTICED_SECONDS:
            self._waited.count(waiting.tenant, now)

    def _count(self, waiting: _Waiting, by: int) -> None:
        self._waiting += by
        self._large_waiting += by if waiting.size else 0


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping and begins nothing more. Send it again.", retry_after_seconds=1.0)

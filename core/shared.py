"""The one Redis of all processes of a deployment, which may be down.

Whoever asks goes on without its answer where there is none, so that nothing depends on it. While it is known to be down
nobody waits for it: one caller every two seconds finds out whether it is back, and all others go on at once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.clock import Clock
from core.errors import Misconfigured
from core.telemetry import Metrics, log

if TYPE_CHECKING:
    from redis import Redis

ANSWER_SECONDS = 0.25
"""How long a caller waits for a connection, and for an answer."""
PROBE_SECONDS = 2.0
"""How long nobody waits for it once it has failed."""
LONGEST_PROBE_SECONDS = 15.0
"""After so long another caller may find out in place of one who never came back: a name server may hang for longer."""


@dataclass(slots=True)
class _Outage:
    began_at: datetime
    began: float
    probe_at: float
    """From when on, on the clock's monotonic time, the next caller finds out."""
    lost: int = 0


class Asking:
    """One question to Redis: a block that ends where Redis fails."""

    __slots__ = ("_asked", "_is_probe", "_room", "_shared", "_turn")

    def __init__(self, shared: Shared, room: str) -> None:
        self._shared = shared
        self._room = room
        self._asked = False
        self._is_probe = False
        self._turn = 0

    def __enter__(self) -> Redis | None:
        if not self._shared.is_set:
            return None
        redis, self._turn, self._is_probe = self._shared.begin()
        self._asked = redis is not None
        if not self._asked:
            self._shared.lose(self._room)
        return redis

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        failure = error if isinstance(error, Exception) else None
        if not self._asked or (error is not None and failure is None):
            return False
        self._shared.end(self._room, self._turn, failure, is_probe=self._is_probe)
        if failure is not None:
            self._shared.lose(self._room)
        return failure is not None


class Shared:
    """What the processes of a deployment know together, if they share a Redis and it answers."""

    def __init__(self, redis_url: str | None, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._redis = _client(redis_url) if redis_url else None
        self._lock = threading.Lock()
        self._outage: _Outage | None = None
        self._turns = 0
        """Goes up with each outage and each recovery: a call that hung through one tells nothing about the next."""
        metrics.shared_up.set(1)

    @property
    def is_set(self) -> bool:
        """Whether this deployment has a Redis."""
        return self._redis is not None

    @property
    def is_up(self) -> bool:
        """Whether it answered when it was last asked; also where there is none."""
        return self._outage is None

    @property
    def down_since(self) -> datetime | None:
        """When it failed first, if it is down."""
        outage = self._outage
        return outage.began_at if outage else None

    def redis(self, room: str) -> Asking:
        """Return a block that is given Redis, or ``None``: without one, or while it is down.

        The block only asks, and raises nothing of its own: whatever it raises is taken for a failure of Redis, is
        counted as a loss of that *room*, and ends the block and no more. It may have been carried out all the same. So
        what holds without Redis stands behind the block::

            with shared.redis("limit") as redis:
                if redis is not None:
                    return redis.get(key)
            return 0
        """
        return Asking(self, room)

    def begin(self) -> tuple[Redis | None, int, bool]:
        """Return Redis if it may be asked now, the number of outages and recoveries, and whether asking is a probe."""
        turn, is_probe = self._turns, self._outage is not None
        return (self._redis if not is_probe or self._may_probe() else None), turn, is_probe

    def end(self, room: str, turn: int, error: Exception | None, *, is_probe: bool) -> None:
        """Take in how asking ended that was begun at *turn*."""
        if error is not None:
            self._fail(turn, room, error)
        elif is_probe:
            self._recover()

    def lose(self, room: str) -> None:
        """Count a question of *room* that Redis did not answer."""
        outage = self._outage
        if outage is not None:
            with self._lock:
                outage.lost += 1
        self._metrics.failed_open.labels(room).inc()

    def check(self) -> bool:
        """Whether it answers now. While it is down, this too asks only every two seconds; without one it is true."""
        if self._redis is None:
            return True
        turn = self._turns
        is_probe = self._outage is not None
        if is_probe and not self._may_probe():
            return False
        try:
            self._redis.ping()  # pyright: ignore[reportUnknownMemberType] as the driver has it
        except Exception as error:  # noqa: BLE001 as above
            self._fail(turn, "check", error)
            return False
        if is_probe:
            self._recover()
        return True

    def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            self._redis.close()

    def _may_probe(self) -> bool:
        """Whether the caller is the one to find out; for a while from now on nobody else is."""
        with self._lock:
            if self._outage is None:
                return True  # somebody has just found out that it is back
            now = self._clock.monotonic()
            if now < self._outage.probe_at:
                return False
            self._outage.probe_at = now + LONGEST_PROBE_SECONDS
            return True

    def _fail(self, turn: int, room: str, error: Exception) -> None:
        with self._lock:
            now = self._clock.monotonic()
            if self._outage is not None:
                self._outage.probe_at = now + PROBE_SECONDS
                return
            if turn != self._turns:
                return
            self._turns += 1
            self._outage = _Outage(self._clock.now(), now, now + PROBE_SECONDS)
            self._metrics.shared_up.set(0)
        log().warning("failed_open", room=room, error=type(error).__name__)

    def _recover(self) -> None:
        with self._lock:
            outage, self._outage = self._outage, None
            if outage is None:
                return
            self._turns += 1
            self._metrics.shared_up.set(1)
        down_seconds = round(self._clock.monotonic() - outage.began, 3)
        log().warning("shared_recovered", down_seconds=down_seconds, lost=outage.lost)


def _client(redis_url: str) -> Redis:
    """Return a client that opens connections as they are needed, and tries everything once.

    Raises:
        Misconfigured: the URL cannot be read.

    """
    from redis import Redis  # noqa: PLC0415 it takes a third of a second to load; most deployments have none
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType] as the driver has it
            redis_url.removeprefix("redis+") if redis_url.startswith("redis+unix://") else redis_url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # it would cost each connection two more round trips
        )
    except ValueError:
        raise Misconfigured("REDIS_URL is not usable: write it like redis://:password@host:6379/0.") from None

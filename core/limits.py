"""How fast: generations per minute and tenant, over a moving window.

The counting is the ``limits`` library's. With Redis all processes share it; without, each counts its own. When the
store of the counts is down, traffic goes on and the loss is counted: limits protect, they do not decide about money.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from limits import RateLimitItemPerMinute, storage, strategies

from core.errors import RateLimited
from core.telemetry import Metrics, log

_T = TypeVar("_T")
_FORGET_EVERY_SECONDS = 1.0


class _Timer:
    """A timer that counts as alive for a while after it has run."""

    def __init__(self, timer: threading.Timer) -> None:
        self._timer = timer
        self._made_at = time.monotonic()  # noqa: TID251 as the library itself: no test depends on it

    def start(self) -> None:
        """Start it, as a thread that does not keep the process alive."""
        self._timer.daemon = True
        self._timer.start()

    def is_alive(self) -> bool:
        """Whether it is too early for the next one."""
        return time.monotonic() - self._made_at < _FORGET_EVERY_SECONDS  # noqa: TID251 as above


class _Memory(storage.MemoryStorage):
    """Counts in this process. To forget, the library starts a thread per 10 ms of traffic; this one per second."""

    STORAGE_SCHEME: ClassVar[list[str]] = ["proctor-memory"]

    @property
    def timer(self) -> _Timer:  # pyright: ignore[reportIncompatibleVariableOverride] it does what the library asks of it
        """The last timer made."""
        return self._timer

    @timer.setter
    def timer(self, made: threading.Timer) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._timer = _Timer(made)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the oldest of the *limit* newest came, as Redis does: what is beyond them blocks nobody."""
        start, count = super().get_moving_window(key, limit, expiry)
        return (self.events[key][limit - 1].atime, limit) if count > limit else (start, count)


class _PerMinute(RateLimitItemPerMinute):
    """Generations per minute, counted under the tenant alone: another limit starts no count anew."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """Return the key of the tenant's count."""
        return "/".join((self.namespace, *map(str, identifiers)))


class Limits:
    """The rate limits of one process, or of all that share a Redis."""

    def __init__(self, redis_url: str | None, metrics: Metrics) -> None:
        self._metrics = metrics
        self.is_shared = redis_url is not None
        self._storage = _shared(redis_url) if redis_url else _Memory()
        self._window = strategies.MovingWindowRateLimiter(self._storage)

    def take(self, tenant_id: str, per_minute: int) -> None:
        """Count one generation of a tenant.

        Raises:
            RateLimited: its *per_minute* are used up; ``retry_after_seconds`` says when the oldest leaves the window.

        """
        limit = _per_minute(per_minute)
        if self._open("limit", lambda: self._window.hit(limit, tenant_id), otherwise=True):
            return
        now = time.time()  # noqa: TID251 the library's windows live on the wall clock
        window = self._open("limit", lambda: self._window.get_window_stats(limit, tenant_id), otherwise=None)
        seconds = max(0.001, window.reset_time - now) if window else 1.0
        raise RateLimited(
            f"This tenant may start {_generations(per_minute)} per minute and has done so. "
            f"Try again in {seconds:.1f} s, or ask an operator for a higher limit.",
            retry_after_seconds=seconds,
            limit_per_min=per_minute,
        )

    def check(self) -> bool:
        """Whether the counts can be reached."""
        return self._storage.check()

    def _open(self, room: str, ask: Callable[[], _T], *, otherwise: _T) -> _T:
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 whatever a store raises, traffic goes on
            self._metrics.failed_open.labels(room).inc()
            log().warning("failed_open", room=room, error=type(error).__name__)
            return otherwise


def _generations(count: int) -> str:
    return "1 generation" if count == 1 else f"{count} generations"


@lru_cache(maxsize=256)
def _per_minute(count: int) -> _PerMinute:
    return _PerMinute(count)


def _shared(redis_url: str) -> Any:
    url = f"redis+{redis_url}" if redis_url.startswith("unix://") else redis_url
    return storage.storage_from_string(url, socket_timeout=0.25, socket_connect_timeout=0.25)

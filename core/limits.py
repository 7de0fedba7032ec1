"""How fast: generations per minute and tenant, over a moving window.

The counting is the ``limits`` library's. With Redis all processes share it; without, each counts its own. When the
store of the counts is down, traffic goes on and the loss is counted: limits protect, they do not decide about money.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from limits import RateLimitItemPerMinute, storage, strategies

from core.errors import RateLimited
from core.telemetry import Metrics, log


_T = TypeVar("_T")


class Limits:
    """The rate limits of one process, or of all that share a Redis."""

    def __init__(self, redis_url: str | None, metrics: Metrics) -> None:
        self._metrics = metrics
        self.is_shared = redis_url is not None
        options = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25} if redis_url else {}
        self._storage = storage.storage_from_string(_in_limits_words(redis_url), **options)
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
        reset_at = self._open("limit", lambda: self._window.get_window_stats(limit, tenant_id).reset_time, otherwise=now)
        seconds = max(0.001, reset_at - now)
        raise RateLimited(
            f"This tenant may start {per_minute} generations per minute and has done so. "
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


@lru_cache(maxsize=256)
def _per_minute(count: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(count)


def _in_limits_words(redis_url: str | None) -> str:
    if not redis_url:
        return "memory://"
    return f"redis+{redis_url}" if redis_url.startswith("unix://") else redis_url

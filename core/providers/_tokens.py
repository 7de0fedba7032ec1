"""A cloud's token: got once for all callers, and anew before it ends, by one of them.

The cloud's own library knows how to get one. It would do so anew in each thread that finds the old one ended, and a
call would wait for that; here nobody waits while the old one still holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from core.clock import Clock, SystemClock
from core.providers import KeyRejected
from core.telemetry import log

EARLY_SECONDS = 200.0
"""So long before its end a token is renewed. Both libraries, and the metadata servers behind them, give a new one from
225 seconds on, or sooner."""
SPARE_SECONDS = 10.0
"""A token that ends sooner is not sent: it may end on the way."""
AGAIN_SECONDS = 15.0
"""After so long a renewal that failed, or brought nothing newer, is tried again while the old token holds."""


class KeptToken:
    """The token of whoever this process runs as; for one event loop."""

    def __init__(self, cloud: str, get: Callable[[], tuple[str, float]], clock: Clock | None = None) -> None:
        """Keep what *get* returns, in a thread: a token of *cloud*, and for how many seconds it holds."""
        self._cloud = cloud
        self._get = get
        self._clock = clock or SystemClock()
        self._text = ""
        self._got_at = self._ends_at = self._renew_at = float("-inf")
        self._renewal: asyncio.Task[None] | None = None

    async def text(self) -> str:
        """Return it, renewed if it is old.

        Raises:
            KeyRejected: there is none: nobody that this process could be.

        """
        now = self._clock.monotonic()
        renewal = self._renewal
        if renewal is None and now >= self._renew_at:
            renewal = self._renewal = asyncio.get_running_loop().create_task(self._renew())
            renewal.add_done_callback(_seen)
        if now >= self._ends_at and renewal is not None:
            await asyncio.shield(renewal)  # who leaves takes nobody's token with him
        return self._text

    def turned_away(self) -> bool:
        """Take in that the cloud does not take it; return whether a new one may be taken."""
        now = self._clock.monotonic()
        if now - self._got_at < AGAIN_SECONDS:
            return False
        self._ends_at = self._renew_at = now
        return True

    async def _renew(self) -> None:
        try:
            text, seconds = await asyncio.to_thread(self._get)
        except Exception as error:  # noqa: BLE001 a dozen ways were tried, and the text names accounts
            self._renew_at = self._clock.monotonic() + AGAIN_SECONDS
            if self._clock.monotonic() >= self._ends_at:
                self._renew_at = float("-inf")
            log().warning("token_not_renewed", cloud=self._cloud, error=type(error).__name__)
            raise no_token(self._cloud, error) from None
        finally:
            self._renewal = None
        now = self._clock.monotonic()
        self._text, self._got_at = text, now
        self._ends_at = now + seconds - SPARE_SECONDS
        self._renew_at = max(now + AGAIN_SECONDS, now + seconds - EARLY_SECONDS)


def no_token(cloud: str, error: BaseException) -> KeyRejected:
    """Return that *cloud* knows nobody that this process could be."""
    return KeyRejected(
        f"{cloud} gave no token to this process ({type(error).__name__}). Sign it in, as {cloud} describes."
    )


def _seen(task: asyncio.Task[None]) -> None:
    """Take note of what a renewal raised that nobody waited for: it was logged."""
    with suppress(asyncio.CancelledError):
        task.exception()

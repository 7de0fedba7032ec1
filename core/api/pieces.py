"""An answer that goes out while it is made. One that breaks off has no end, so that nobody takes it for whole."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.telemetry import log

STALLED_SECONDS = 60.0
"""So long a piece waits for whoever reads no more."""


class UnderWay:
    """Counts answers that are on their way: so many at once, of which nobody has more than a share."""

    def __init__(self, most: int, share: int) -> None:
        """Begin with none."""
        self._most, self._share = most, share
        self._lock = threading.Lock()
        self._of: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are."""
        return self._of.total()

    def begin(self, whose: str) -> bool:
        """Count one more, if there is a place for it; return whether there was."""
        with self._lock:
            if self.count >= self._most or self._of[whose] >= self._share:
                return False
            self._of[whose] += 1
            return True

    def end(self, whose: str) -> None:
        """Count one less."""
        with self._lock:
            self._of[whose] -= 1
            self._of += Counter()  # of whom there is none, nothing is kept


class SentInPieces(Response):
    """The pieces: the first, which is there, and more for as long as somebody reads."""

    def __init__(
        self,
        first: bytes | None,
        more: Callable[[], Awaitable[bytes | None]],
        left: Callable[[], None],
        headers: Mapping[str, str],
    ) -> None:
        """*more* gives the next piece, ``None`` at the end; *left* is told once it is over, however it ended."""
        self._first, self._more, self._left = first, more, left
        super().__init__(headers=headers)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send piece after piece, for as long as somebody reads."""
        request = Request(scope, receive)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            piece = self._first
            while piece is not None:
                async with asyncio.timeout(STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                if await request.is_disconnected():
                    return
                piece = await self._more()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001 whatever it is, no trace of it leaves
            log().error("export_failed", error=type(error).__name__)
        finally:
            self._left()

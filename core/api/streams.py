"""The answer to ``stream: true``: server-sent events, from the first partial object or patch to the final object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.api.in_flight import Ending, InFlightRequest
from core.documents import as_json

if TYPE_CHECKING:
    from core.generation import Partial

KEEP_ALIVE_SECONDS = 15.0
"""After this long without an event a comment is sent, so that no proxy takes the connection for dead."""
HEADERS: Mapping[str, str] = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event(name: str, document: bytes) -> bytes:
    """Return a server-sent event. JSON text has no line breaks, so one line of data holds it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), document)


def partial_event(partial: Partial) -> bytes:
    """Return the event that shows the object as far as it has come, or what has changed of it."""
    if partial.patch is not None:
        return event("patch", as_json({"patch": partial.patch, "attempt": partial.attempt}))
    return event("partial", as_json({"value": partial.value, "attempt": partial.attempt}))


class EventStream(Response):
    """Events as they come, until the request ends or the client leaves."""

    media_type = "text/event-stream"

    def __init__(
        self, request: InFlightRequest, first: bytes | Ending, keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    ) -> None:
        super().__init__(headers=dict(HEADERS) | dict(request.headers))
        del self.headers["content-length"]  # nobody knows it yet
        self._request = request
        self._first = first
        self._keep_alive_seconds = keep_alive_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 ASGI's signature
        """Send everything; whichever way this ends, the request does not outlive it."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            progress: bytes | Ending | None = self._first
            while not isinstance(progress, Ending):
                await send({"type": "http.response.body", "body": progress or b": keep-alive\n\n", "more_body": True})
                progress = await self._request.next(self._keep_alive_seconds)
            last = event("error" if progress.is_problem else "final", progress.body)
            await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            self._request.close()

"""Requests in flight: each generation in a thread of its own, each with a way to end it early.

The event loop only waits. A client who leaves ends its generation at once, and with it the provider's connection; a
server that is told to stop lets everyone end for a moment, then ends what is still out. Either way the generation is
recorded, with the reason.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from core.admission import Place, taken
from core.generation import Cancellation
from core.unchanging import unchanging

_MOST_UNREAD_BYTES = 256_000
_LOOK_SECONDS = 0.25


@unchanging
class Ending:
    """How a generation ended, as it is to be answered."""

    status: int
    body: bytes
    headers: dict[str, str]
    streamed: bool
    """Whether the caller asked for events."""
    again: Ending | None = None
    """How who asks the same again is answered, where that is more than what is left to be sent."""

    @property
    def is_problem(self) -> bool:
        """Whether the body is a problem."""
        return self.status >= 400


class InFlightRequest:
    """One request: its thread reports, the event loop listens."""

    def __init__(self, ended: Callable[[InFlightRequest], None]) -> None:
        self.cancellation = Cancellation()
        self.has_ended = asyncio.Event()
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._progress = asyncio.Event()
        self._partials: list[bytes] = []
        self._ending: Ending | None = None
        self._watch: asyncio.Task[None] | None = None
        self._asked: asyncio.Future[Place] | None = None
        self._place: Place | None = None
        self.headers: Mapping[str, str] = {}
        """Those that its stream begins with: there before the first of it is shown, which may be no bytes."""
        self._unread_bytes = 0
        self._room = threading.Event()

    # What the thread says.

    def show(self, partial: bytes, *, goes_on: bool = False) -> None:
        """Report the newest partial object: one that nobody has read yet is replaced, and a slow reader skips some.

        One that *goes_on* from those before it follows them: what waits is never more than one answer's changes.
        """
        self._report(self._take_further if goes_on else self._take_partial, partial)

    def pass_on(self, piece: bytes, seconds: float) -> None:
        """Report bytes of which none may be left out; wait for a slow reader, but no longer than *seconds* in all."""
        looks = int(seconds / _LOOK_SECONDS)
        while looks and self._unread_bytes > _MOST_UNREAD_BYTES and not self.cancellation.requested.is_set():
            self._room.clear()
            looks -= not self._room.wait(_LOOK_SECONDS)
        self._unread_bytes += len(piece)
        self.show(piece, goes_on=True)

    def end(self, ending: Ending) -> None:
        """Report the end."""
        self._report(self._take_ending, ending)

    def _report(self, take: Callable[[bytes], None] | Callable[[Ending], None], progress: bytes | Ending) -> None:
        with suppress(RuntimeError):  # the event loop is gone, and with it whoever listened
            self._loop.call_soon_threadsafe(take, progress)  # pyright: ignore[reportArgumentType] the two agree

    def _take_partial(self, partial: bytes) -> None:
        self._partials.clear()
        self._take_further(partial)

    def _take_further(self, partial: bytes) -> None:
        self._partials.append(partial)
        self._progress.set()

    def _take_ending(self, ending: Ending) -> None:
        self._ending = ending
        self._progress.set()
        self.has_ended.set()
        self._give_back()
        self._ended(self)

    # What the event loop does.

    async def placed(self, asked: asyncio.Future[Place]) -> None:
        """Wait for the place that was asked for, and hold it until the end.

        Raises:
            ClientDisconnect: the client left meanwhile.
            Unavailable: the server is stopping.

        """
        self._asked = asked
        self._place = await taken(asked)

    @property
    def queued_seconds(self) -> float:
        """For how long it waited for the place that it holds."""
        return self._place.waited_seconds if self._place is not None else 0.0

    @property
    def is_placed(self) -> bool:
        """Whether it holds a place."""
        return self._place is not None

    def needs(self, size: int) -> None:
        """Give back what was set aside for a body of unknown length, now that it is known to have *size* bytes."""
        if self._place is not None:
            self._place.needs(size)

    async def next(self, seconds: float | None = None) -> bytes | Ending | None:
        """Return the newest partial, or what waits of those that go on; the end; ``None`` if *seconds* pass without."""
        if not self._progress.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._progress.wait()
            except TimeoutError:
                return None
        partials = b"".join(self._partials) if self._partials else None
        self._partials.clear()
        self._unread_bytes = 0  # it is a bound for what waits, not an account
        self._room.set()
        if self._ending is None:
            self._progress.clear()
        return self._ending if partials is None else partials

    def watch(self, receive: Receive) -> None:
        """End the request when the client leaves."""
        self._watch = self._loop.create_task(self._leave_with_the_client(receive))

    def close(self, *, has_begun: bool = True) -> None:
        """Stop watching the client, and end the request if it is still out."""
        if self._watch is not None:
            self._watch.cancel()
        if not has_begun:
            self._give_back()
        elif self._ending is None:
            self.cancellation.cancel()

    async def _leave_with_the_client(self, receive: Receive) -> None:
        with suppress(ClientDisconnect):
            while (await receive())["type"] != "http.disconnect":
                pass
        self.cancellation.cancel()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(ClientDisconnect())

    def _give_back(self) -> None:
        if self._place is not None:
            self._place.give_back()


class InFlightRequests:
    """The generations of one process that are in flight."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, "generation")
        self._out: set[InFlightRequest] = set()
        self.is_draining = False
        """Whether the server has been told to stop."""
        self._draining: asyncio.Timeout | None = None

    def open(self) -> InFlightRequest:
        """Return a request that is to begin."""
        return InFlightRequest(self._out.discard)

    def begin(self, request: InFlightRequest, work: Callable[[InFlightRequest], Ending]) -> None:
        """Run *work* in a thread; it must not raise.

        Once the server has been told to stop, it is ended before it begins.
        """
        self._out.add(request)
        if self.is_draining:
            request.cancellation.cancel(server_stops=True)
        context = copy_context()
        self._threads.submit(lambda: request.end(context.run(work, request)))

    async def drain(self, seconds: float) -> None:
        """Wait until every request has ended by itself, at most *seconds*; then end those that are still out."""
        self.is_draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds) as self._draining:
                for request in list(self._out):
                    await request.has_ended.wait()
        for request in list(self._out):
            request.cancellation.cancel(server_stops=True)

    def hurry(self) -> None:
        """End those that are still out now, if they are being waited for."""
        if self._draining is not None:
            with suppress(RuntimeError):  # they are not, any more
                self._draining.reschedule(0.0)

    def close(self) -> None:
        """Wait for the threads; to be called after :meth:`drain`."""
        self._threads.shutdown()

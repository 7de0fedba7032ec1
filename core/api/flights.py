"""Generations in flight: each in a thread of its own, each with a way to end it early.

The event loop only waits. A client who leaves ends its generation at once, and with it the provider's connection; a
server that is told to stop lets everyone land for a moment, then ends what is still out. Either way the generation is
recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from core.generation import Cancellation

LANDING_SECONDS = 3.0
"""How long a server that is told to stop waits for its generations before it ends them."""


@dataclass(frozen=True, slots=True)
class End:
    """How a generation ended, as it is to be answered."""

    status: int
    body: bytes
    headers: dict[str, str]
    streamed: bool
    """Whether the caller asked for events."""

    @property
    def is_problem(self) -> bool:
        """Whether the body is a problem."""
        return self.status >= 400


class Flight:
    """One generation: its thread reports, the event loop listens."""

    def __init__(self, landed: Callable[[Flight], None]) -> None:
        self.cancellation = Cancellation()
        self.has_landed = asyncio.Event()
        self._landed = landed
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._partial: bytes | None = None
        self._end: End | None = None
        self._watch: asyncio.Task[None] | None = None

    # What the thread says.

    def show(self, partial: bytes) -> None:
        """Report the newest partial object. One that nobody has read yet is replaced: a slow reader skips some."""
        self._report(self._take_partial, partial)

    def end(self, end: End) -> None:
        """Report the end."""
        self._report(self._take_end, end)

    def _report(self, take: Callable[[bytes], None] | Callable[[End], None], news: bytes | End) -> None:
        with suppress(RuntimeError):  # the event loop is gone, and with it whoever listened
            self._loop.call_soon_threadsafe(take, news)  # pyright: ignore[reportArgumentType] take and news agree

    def _take_partial(self, partial: bytes) -> None:
        self._partial = partial
        self._news.set()

    def _take_end(self, end: End) -> None:
        self._end = end
        self._news.set()
        self.has_landed.set()
        self._landed(self)

    # What the event loop does.

    async def next(self, seconds: float | None = None) -> bytes | End | None:
        """Return the newest partial, or the end; ``None`` if *seconds* pass without either."""
        if not self._news.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return None
        partial, self._partial = self._partial, None
        if self._end is None:
            self._news.clear()
        return self._end if partial is None else partial

    def watch(self, receive: Receive) -> None:
        """End the flight when the client leaves."""
        self._watch = self._loop.create_task(self._leave_with_the_client(receive))

    def close(self) -> None:
        """Stop watching the client, and end the flight if it is still out."""
        if self._watch is not None:
            self._watch.cancel()
        if self._end is None:
            self.cancellation.cancel()

    async def _leave_with_the_client(self, receive: Receive) -> None:
        with suppress(ClientDisconnect):
            while (await receive())["type"] != "http.disconnect":
                pass
        self.cancellation.cancel()


class Flights:
    """The generations of one process that are in flight."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, "generation")
        self._out: set[Flight] = set()
        self.is_landing = False
        """Whether the server has been told to stop."""

    def begin(self, receive: Receive, work: Callable[[Flight], End]) -> Flight:
        """Run *work* in a thread; it must not raise. The client behind *receive* ends it by leaving.

        Once the server has been told to stop, it is ended before it begins.
        """
        flight = Flight(self._out.discard)
        self._out.add(flight)
        if self.is_landing:
            flight.cancellation.cancel()
        context = copy_context()
        self._threads.submit(lambda: flight.end(context.run(work, flight)))
        flight.watch(receive)
        return flight

    async def land(self, seconds: float = LANDING_SECONDS) -> None:
        """Wait until every flight has ended by itself, at most *seconds*; then end those that are still out."""
        self.is_landing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for flight in list(self._out):
                    await flight.has_landed.wait()
        for flight in list(self._out):
            flight.cancellation.cancel()

    def close(self) -> None:
        """Wait for the threads; to be called after :meth:`land`."""
        self._threads.shutdown()

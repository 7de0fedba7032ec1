"""Server-sent events, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.types import Message

from core.api.in_flight import Ending, InFlightRequest, InFlightRequests
from core.api.streams import EventStream, event

PARTIAL = event("partial", b"{}")
FINAL = Ending(200, b"[1]", {}, streamed=True)


async def stays() -> Message:
    """Receive nothing: the client stays."""
    await asyncio.sleep(60)
    raise AssertionError("nobody waits that long")


def begun(requests: InFlightRequests, work: Callable[[InFlightRequest], Ending]) -> InFlightRequest:
    """Begin *work* for a client who stays."""
    call = requests.open()
    requests.begin(call, work)
    call.watch(stays)
    return call


async def sent(call: InFlightRequest, *, keep_alive_seconds: float, pause_seconds: float = 0.0) -> list[bytes]:
    """Return what a client receives who needs *pause_seconds* for each piece."""
    first = await call.next()
    assert first is not None
    bodies: list[bytes] = []

    async def send(message: Message) -> None:
        """Take a piece in."""
        if message["type"] == "http.response.body":
            bodies.append(message["body"])
            await asyncio.sleep(pause_seconds)

    await EventStream(call, first, keep_alive_seconds)({"type": "http"}, stays, send)
    return bodies


def test_keep_alive() -> None:
    """In a silence comments are sent, which every reader of events skips, so that no proxy cuts the connection."""

    def work(call: InFlightRequest) -> Ending:
        call.show(PARTIAL)
        call.cancellation.requested.wait(0.3)
        return FINAL

    async def serve() -> list[bytes]:
        """Serve one stream."""
        requests = InFlightRequests(1)
        bodies = await sent(begun(requests, work), keep_alive_seconds=0.05)
        requests.close()
        return bodies

    first, *comments, last = asyncio.run(serve())
    assert (first, last) == (PARTIAL, event("final", b"[1]"))
    assert len(comments) >= 2
    assert set(comments) == {b": keep-alive\n\n"}


def test_a_slow_reader_skips() -> None:
    """Partial objects that a slow reader has not taken yet are replaced by newer ones; the end is never lost."""

    def work(count: int, call: InFlightRequest) -> Ending:
        for number in range(count):
            call.show(event("partial", b"%d" % number))
        return FINAL

    async def serve() -> list[bytes]:
        """Serve one stream."""
        requests = InFlightRequests(1)
        bodies = await sent(begun(requests, partial(work, 500)), keep_alive_seconds=5, pause_seconds=0.02)
        requests.close()
        return bodies

    bodies = asyncio.run(serve())
    assert len(bodies) < 100
    assert bodies[-2:] == [event("partial", b"499"), event("final", b"[1]")]


def test_a_slow_reader_loses_no_patch() -> None:
    """What goes on from what was shown waits for a slow reader, in order; a new beginning takes its place."""

    def work(call: InFlightRequest) -> Ending:
        for number in range(100):
            call.show(event("patch", b"%d" % number), goes_on=number not in (0, 50))
        return FINAL

    async def serve() -> list[bytes]:
        """Serve one stream."""
        requests = InFlightRequests(1)
        bodies = await sent(begun(requests, work), keep_alive_seconds=5, pause_seconds=0.02)
        requests.close()
        return bodies

    bodies = asyncio.run(serve())
    told = b"".join(bodies[:-1])
    assert told.endswith(b"".join(event("patch", b"%d" % number) for number in range(50, 100)))
    assert told.count(b"event: patch") >= 50
    assert len(bodies) < 20
    assert bodies[-1] == event("final", b"[1]")


def test_a_reader_who_goes() -> None:
    """A stream that can no longer be sent ends its call."""

    def work(call: InFlightRequest) -> Ending:
        call.show(PARTIAL)
        return Ending(499 if call.cancellation.requested.wait(10) else 200, b"", {}, streamed=True)

    async def serve() -> Ending | bytes | None:
        """Break off a stream."""
        requests = InFlightRequests(1)
        call = begun(requests, work)
        serving = asyncio.create_task(sent(call, keep_alive_seconds=5))
        await asyncio.sleep(0.1)
        serving.cancel()
        end = await call.next()
        requests.close()
        return end

    end = asyncio.run(serve())
    assert isinstance(end, Ending)
    assert end.status == 499

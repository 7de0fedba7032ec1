"""Server-sent events, piece by piece."""

from __future__ import annotations

import asyncio
from functools import partial

from starlette.types import Message

from core.api.flights import End, Flight, Flights
from core.api.streams import EventStream, event

PARTIAL = event("partial", b"{}")
FINAL = End(200, b"[1]", {}, streamed=True)


async def stays() -> Message:
    """Receive nothing: the client stays."""
    await asyncio.sleep(60)
    raise AssertionError("nobody waits that long")


async def sent(flight: Flight, *, keep_alive_seconds: float, pause_seconds: float = 0.0) -> list[bytes]:
    """Return what a client receives who needs *pause_seconds* for each piece."""
    first = await flight.next()
    assert first is not None
    bodies: list[bytes] = []

    async def send(message: Message) -> None:
        """Take a piece in."""
        if message["type"] == "http.response.body":
            bodies.append(message["body"])
            await asyncio.sleep(pause_seconds)

    await EventStream(flight, first, keep_alive_seconds)({"type": "http"}, stays, send)
    return bodies


def test_keep_alive() -> None:
    """In a silence comments are sent, which every reader of events skips, so that no proxy cuts the connection."""

    def work(flight: Flight) -> End:
        flight.show(PARTIAL)
        flight.cancellation.requested.wait(0.3)
        return FINAL

    async def serve() -> list[bytes]:
        """Serve one stream."""
        flights = Flights(1)
        bodies = await sent(flights.begin(stays, work), keep_alive_seconds=0.05)
        flights.close()
        return bodies

    first, *comments, last = asyncio.run(serve())
    assert (first, last) == (PARTIAL, event("final", b"[1]"))
    assert len(comments) >= 2
    assert set(comments) == {b": keep-alive\n\n"}


def test_a_slow_reader_skips() -> None:
    """Partial objects that a slow reader has not taken yet are replaced by newer ones; the end is never lost."""

    def work(count: int, flight: Flight) -> End:
        for number in range(count):
            flight.show(event("partial", b"%d" % number))
        return FINAL

    async def serve() -> list[bytes]:
        """Serve one stream."""
        flights = Flights(1)
        bodies = await sent(flights.begin(stays, partial(work, 500)), keep_alive_seconds=5, pause_seconds=0.02)
        flights.close()
        return bodies

    bodies = asyncio.run(serve())
    assert len(bodies) < 100
    assert bodies[-2:] == [event("partial", b"499"), event("final", b"[1]")]


def test_a_reader_who_goes() -> None:
    """A stream that can no longer be sent ends its flight."""

    def work(flight: Flight) -> End:
        flight.show(PARTIAL)
        return End(499 if flight.cancellation.requested.wait(10) else 200, b"", {}, streamed=True)

    async def serve() -> End | bytes | None:
        """Break off a stream."""
        flights = Flights(1)
        flight = flights.begin(stays, work)
        serving = asyncio.create_task(sent(flight, keep_alive_seconds=5))
        await asyncio.sleep(0.1)
        serving.cancel()
        end = await flight.next()
        flights.close()
        return end

    end = asyncio.run(serve())
    assert isinstance(end, End)
    assert end.status == 499

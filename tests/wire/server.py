"""The fake's HTTP server: real sockets on loopback, in a thread of a test or as a process of its own.

``with WireServer() as server`` for tests; ``python -m tests.wire.server --port 8199`` for benchmarks, which then read
``GET /_ledger`` and clear it with ``POST /_reset``. The scenarios are in ``tests/wire/scenarios.py``. A prompt may also
say what the model answers: ``<<{"total": 3}>>``, or several of these, one for each call of the conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import math
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

import httptools

from tests.wire.ledger import Ledger
from tests.wire.sending import Ending, Sending, Step
from tests.wire.vendors import Request, Vendors, key_hash

__all__ = ["WireServer", "key_hash"]

try:
    from uvloop import new_event_loop
except ImportError:  # it is not built for every platform
    from asyncio import new_event_loop

_POLL_SECONDS = 0.005


class _Gate:
    """What is held waits here until it is opened, for those who wait then."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next opening."""
        await self._opened.wait()

    def open(self) -> None:
        """Let all go who wait."""
        self._opened.set()
        self._opened = asyncio.Event()


class _Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other."""

    def __init__(self, vendors: Vendors, gate: _Gate, number: int, connections: set[_Connection]) -> None:
        self._vendors = vendors
        self._gate = gate
        self._number = number
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._sending: Sending | None = None
        self._keeps_alive = True
        self._slow: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the base class
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; if an answer was under way, the client left it."""
        del exc
        self._connections.discard(self)
        self._waiting.clear()
        if self._slow is not None:
            self._slow.cancel()
        if self._sending is not None and (call := self._sending.call) is not None:
            call.client_gone = True
            call.ended_at = time.monotonic()
        self._sending = None

    def drop(self) -> None:
        """Close without more ado."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read; a whole request is answered at once or waits for its turn."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()
            return
        self._proceed()

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url, self._headers, self._body = b"", {}, []

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request."""
        self._waiting.append(
            Request(
                self._parser.get_method().decode(),
                self._url.partition(b"?")[0].decode("latin-1"),
                self._headers,
                b"".join(self._body),
                self._parser.should_keep_alive(),
            )
        )

    def _proceed(self) -> None:
        while self._waiting and self._sending is None and not self._transport.is_closing():
            request = self._waiting.popleft()
            self._keeps_alive = request.keeps_alive
            self._sending = self._vendors.receive(request, self._number)
            self._play(self._sending)

    def _play(self, sending: Sending) -> None:
        for step in sending.steps:
            if step.wait_seconds:
                self._slow = asyncio.get_running_loop().create_task(self._play_slowly(step, sending))
                return
            self._write(step, sending)
        self._end(sending)

    async def _play_slowly(self, first: Step, sending: Sending) -> None:
        for step in itertools.chain((first,), sending.steps):
            if step.wait_seconds == math.inf:
                await self._gate.wait()
            elif step.wait_seconds:
                await asyncio.sleep(step.wait_seconds)
            self._write(step, sending)
        self._slow = None
        self._end(sending)
        self._proceed()

    def _write(self, step: Step, sending: Sending) -> None:
        # The ledger first: a client that has the answer must find it there.
        if (call := sending.call) is not None:
            call.status = sending.status
            if step.billed is not None:
                call.usage = step.billed
            call.told = call.told or step.tells
        self._transport.write(step.data)

    def _end(self, sending: Sending) -> None:
        if sending.ending is Ending.HANG:
            return
        if sending.call is not None:
            sending.call.ended_at = time.monotonic()
        self._sending = None
        if sending.ending is Ending.RESET:
            # With lingering off, the kernel sends a reset instead of an orderly end.
            no_linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            self._transport.abort()
        elif sending.ending is Ending.CLOSE or not self._keeps_alive:
            self._transport.close()


class WireServer:
    """Both vendors on one port of loopback. Use as a context manager; it runs in a thread with a loop of its own."""

    def __init__(self, *, port: int = 0, keeps_requests: bool = True) -> None:
        self.ledger = Ledger()
        self._vendors = Vendors(self.ledger, keeps_requests=keeps_requests)
        self._port = port
        self._connections: set[_Connection] = set()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._stopping: asyncio.Event
        self._gate: _Gate
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="wire-server", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """What OpenAI's SDK takes as ``base_url``."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What Anthropic's SDK takes as ``base_url``."""
        return self.url

    def __enter__(self) -> Self:
        """Start, and return once it listens.

        Raises:
            OSError: the port is taken.

        """
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop every connection and stop."""
        self._loop.call_soon_threadsafe(self.stop)
        self._thread.join()

    def reset(self) -> None:
        """Forget every call and every conversation."""
        done = threading.Event()

        def forget() -> None:
            self._vendors.reset()
            done.set()

        self._loop.call_soon_threadsafe(forget)
        done.wait()

    def release(self) -> None:
        """Let every answer go out that is held."""
        self._loop.call_soon_threadsafe(self._gate.open)

    def wait_idle(self, seconds: float = 2.0) -> bool:
        """Wait until no call is under way; return whether that came true in time.

        An answer is entered in the ledger before it is sent, but that a client left is noticed only afterwards.
        """
        until = time.monotonic() + seconds
        while self.ledger.open_count:
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def stop(self) -> None:
        """Drop every connection and stop; to be called on the server's loop."""
        self._stopping.set()

    async def serve(self, when_ready: Callable[[], None]) -> None:
        """Listen until stopped; call *when_ready* once the port is open.

        Raises:
            OSError: the port is taken.

        """
        self._loop, self._stopping, self._gate = asyncio.get_running_loop(), asyncio.Event(), _Gate()
        numbers = itertools.count(1)
        listening = await self._loop.create_server(
            lambda: _Connection(self._vendors, self._gate, next(numbers), self._connections),
            "127.0.0.1",
            self._port,
            backlog=2048,
        )
        self._port = listening.sockets[0].getsockname()[1]
        when_ready()
        await self._stopping.wait()
        listening.close()
        for connection in list(self._connections):
            connection.drop()
        await listening.wait_closed()

    def _run(self) -> None:
        try:
            with contextlib.closing(new_event_loop()) as loop:
                loop.run_until_complete(self.serve(self._ready.set))
        except OSError as error:
            self._failed = error
        finally:
            self._ready.set()


def main() -> None:
    """Serve as a process until interrupted or terminated; say on standard output where."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire.server", description="The fake OpenAI and Anthropic.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    server = WireServer(port=parser.parse_args().port, keeps_requests=False)

    def announce() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        sys.stdout.write(f"The fake providers listen on {server.url}\n")
        sys.stdout.flush()

    with contextlib.closing(new_event_loop()) as loop:
        loop.run_until_complete(server.serve(announce))


if __name__ == "__main__":
    main()

"""Connections over which whoever waits for an answer sends and reads by himself.

A call over the loop (core/providers/loop.py) wakes another thread twice, and twice again for each piece of a stream,
and its client builds a request and a response around each: half of what a relayed call cost. Where the thread that asks
only waits, it can as well read. So what an SDK has worded once (core/providers/_worded.py) goes out over a line that is
kept for that: the same bytes, to the same address, by the same rules of TLS.

A deadline is as hard here as there: each read waits only for what is left of it. Who leaves shuts the line, and with it
ends the read. A line is opened on the loop, where addresses are looked up and tried side by side; where none can be had
the call goes over the loop as a whole, so that what is told of a server that cannot be reached is told there alone.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, cast

import aiohappyeyeballs
import aiohttp
import httptools

from core.clock import SystemClock

KEPT_SECONDS = 120.0
"""How long an idle line is kept."""
_OPEN_SECONDS = 2.0
"""Who is not reached so soon is left to the loop."""
_STAGGERED_SECONDS = 0.25
"""After so long the next of a name's addresses is tried beside those before it (RFC 8305)."""
_AT_ONCE = 131_072
_AGAIN_SECONDS = 0.01
"""By how much a read may overrun its deadline rather than have its time set anew."""
_CLOCK = SystemClock()


class GoesOverTheLoop(BaseException):
    """A call cannot be made by its own thread after all; nothing came of it, and no vendor's error is meant by it."""


class StraightCall:
    """A call that is made by the thread that waits for it: until when, and how it is ended from outside."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._ends = _CLOCK.monotonic() + seconds
        self._lock = threading.Lock()
        self._ready: OwnLine | None = None
        self._out: OwnLine | Future[socket.socket] | None = None
        """What the thread waits for."""
        self.is_cancelled = False

    def cancel(self) -> None:
        """End it, from any thread."""
        with self._lock:
            self.is_cancelled = True
            match self._out:
                case OwnLine() as line:
                    line.shut()
                case Future() as opening:
                    opening.cancel()
                case None:
                    pass

    def left(self) -> float:
        """Return how many seconds are left.

        Raises:
            CancelledError: none, or the call was ended.

        """
        if (seconds := self.seconds_left) <= 0 or self.is_cancelled:
            raise asyncio.CancelledError
        return seconds

    @property
    def seconds_left(self) -> float:
        """How many seconds are left; less than none where its time is over."""
        return self._ends - _CLOCK.monotonic()

    def make_ready(self, lines: Lines) -> None:
        """Have a line for what is sent first.

        Raises:
            OSError: none can be had.
            CancelledError: the time is over, or the call was ended.

        """
        self._ready = lines.kept() or self._opened(lines)

    def take(self, lines: Lines) -> OwnLine:
        """Return a line for what is to be sent; raises as :meth:`make_ready`."""
        line, self._ready = self._ready or lines.kept() or self._opened(lines), None
        self._wait_for(line)
        return line

    def is_over(self) -> None:
        """Take in that the line that was taken is not used any more."""
        with self._lock:
            self._out = None

    def close(self) -> None:
        """Leave what was made ready and not used."""
        if self._ready is not None:
            self._ready.close()

    def _wait_for(self, out: OwnLine | Future[socket.socket]) -> None:
        with self._lock:
            self._out = out
        if self.is_cancelled:
            self.cancel()

    def _opened(self, lines: Lines) -> OwnLine:
        seconds = min(self.left(), _OPEN_SECONDS)
        opening = asyncio.run_coroutine_threadsafe(lines.connected(), self._loop)
        self._wait_for(opening)
        try:
            opened = opening.result(seconds)
        except TimeoutError:
            opening.cancel()
            self.left()
            raise
        finally:
            self.is_over()
        return lines.of(opened, seconds)


class OwnLine:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(_OPEN_SECONDS)
        self._seconds = _OPEN_SECONDS
        """How long the next read or write waits at most: to set it takes a call of the system."""
        self._looking = select.poll()
        self._looking.register(connection.fileno(), select.POLLIN)
        self.idle_since = 0.0

    def send(self, content: bytes, call: StraightCall) -> None:
        """Send all of *content*; raises CancelledError, and OSError."""
        self._wait_no_longer_than(call.left())
        try:
            self._socket.sendall(content)
        except OSError:
            call.left()  # it was ended, or its time is over
            raise

    def receive(self, call: StraightCall) -> bytes:
        """Return what comes next, nothing at the end; raises CancelledError, and OSError."""
        self._wait_no_longer_than(call.left())
        try:
            came = self._socket.recv(_AT_ONCE)
        except OSError:
            call.left()
            raise
        if not came:
            call.left()
        return came

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come since it was used: what does is its end."""
        return not self._looking.poll(0)  # beneath TLS, which would take it

    def _wait_no_longer_than(self, seconds: float) -> None:
        if not 0 <= self._seconds - seconds <= _AGAIN_SECONDS:
            self._socket.settimeout(seconds)
            self._seconds = seconds

    def shut(self) -> None:
        """End whatever is read or sent in another thread."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # beneath TLS, whose state is the other thread's

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Lines:
    """Those to one server."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._idle: list[OwnLine] = []
        """The one that was used last at the end."""

    def kept(self) -> OwnLine | None:
        """Return one that is open and idle; ``None`` where there is none."""
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return None
            if _CLOCK.monotonic() - line.idle_since < KEPT_SECONDS and line.is_silent:
                return line
            line.close()

    def keep(self, line: OwnLine) -> None:
        """Keep *line* for the next call, and leave one that nobody has used for long."""
        now = _CLOCK.monotonic()
        line.idle_since = now
        self._idle.append(line)
        if now - self._idle[0].idle_since > KEPT_SECONDS:
            with suppress(IndexError):  # somebody took it just now
                self._idle.pop(0).close()

    async def connected(self) -> socket.socket:
        """Return a connection, made on the loop; raises OSError."""
        found: Any = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        connect = cast("Any", aiohappyeyeballs).start_connection
        made: socket.socket = await connect(found, happy_eyeballs_delay=_STAGGERED_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def of(self, connection: socket.socket, seconds: float) -> OwnLine:
        """Return *connection* as a line, which may take so many *seconds* to speak TLS; raises OSError."""
        try:
            connection.settimeout(seconds)
            made = self._tls.wrap_socket(connection, server_hostname=self._host) if self._tls else connection
        except BaseException:
            connection.close()
            raise
        return OwnLine(made)

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().close()


class LineResponse:
    """What came over a line."""

    def __init__(self, line: OwnLine, lines: Lines, call: StraightCall) -> None:
        self._line = line
        self._lines = lines
        self._call = call
        self._parser: Any = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(  # as aiohttp reads
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._pieces: list[bytes] = []
        self._named: list[tuple[str, str]] = []
        self._has_head = False
        self._has_ended = False
        self._is_open = True
        self._stays = False
        """Whether the line can be used again afterwards."""
        self.status_code = 0
        self.headers: Mapping[str, str] = {}
        self.content = b""

    @property
    def is_success(self) -> bool:
        """Whether the status tells none of an error."""
        return 200 <= self.status_code < 300

    def begin(self) -> None:
        """Wait for the head; raises as :meth:`aread`."""
        while not self._has_head:
            self._read_on()

    async def aread(self) -> bytes:
        """Read the body, and return it.

        Raises:
            ClientError: what came is no whole answer.
            OSError: the connection broke.
            CancelledError: the time is over, or the call was ended.

        """
        while not self._has_ended:
            self._read_on()
        if self._pieces:
            self.content, self._pieces = b"".join((self.content, *self._pieces)), []
        return self.content

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raises as :meth:`aread`."""
        while True:
            if self._pieces:
                came, self._pieces = b"".join(self._pieces), []
                yield came
            elif self._has_ended:
                return
            else:
                self._read_on()

    async def aclose(self) -> None:
        """End it, and with what is unread its line."""
        if not self._is_open:
            return
        self._is_open, self._parser = False, None  # which refers to this
        self._call.is_over()
        if self._has_ended and self._stays and not self._call.is_cancelled:
            self._lines.keep(self._line)
        else:
            self._line.close()

    def _read_on(self) -> None:
        came = self._line.receive(self._call)
        if not came:
            if self._has_head and not self._is_sized:
                self._has_ended = True
                return
            if not self._has_head:
                raise aiohttp.ServerDisconnectedError
            raise aiohttp.ClientPayloadError("The body ended before it was whole.")
        try:
            self._parser.feed_data(came)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._has_ended:
                broken = aiohttp.ClientPayloadError if self._has_head else aiohttp.ClientError
                raise broken("What came is no HTTP.") from error
            self._stays = False  # it says more than was asked

    @property
    def _is_sized(self) -> bool:
        return "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin an answer; a second one nobody has asked for."""
        if self._has_ended:
            self._stays = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header."""
        self._named.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Take in the head, unless it only says that there will be one."""
        named, self._named = self._named, []
        status = self._parser.get_status_code()
        if self._has_head or status < 200:
            return
        headers: dict[str, str] = {}
        for name, value in named:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.status_code, self.headers, self._has_head = status, headers, True
        self._stays = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        """Take in a part of the body."""
        if not self._has_ended:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Take in the end."""
        self._has_ended = self._has_head


under_way: ContextVar[StraightCall | None] = ContextVar("under_way", default=None)
"""The call that this thread makes itself; ``None`` on the loop."""

"""Connections that are opened and never become a request: over real sockets, on the server that serves us."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.importer import import_from_string
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.sync.client import connect

from core.api import connections, startup
from core.api.connections import HEARING_SECONDS, bounded_heads, hear_all_before_the_end

HEAD_SECONDS = 0.6
EARLY = b"GET /early HTTP/1.1\r\nHost: proctor\r\n\r\n"
HALF = b"GET /health HTTP/1.1\r\nHost: proctor\r\nX-Slow: "


async def _body(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def _early(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("unread")


async def _stream(_request: Request) -> StreamingResponse:
    async def pieces() -> object:
        for _ in range(4):
            await asyncio.sleep(HEAD_SECONDS)
            yield b"piece "

    return StreamingResponse(pieces())  # pyright: ignore[reportArgumentType] it is an asynchronous generator


async def _talk(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    port: int

    def open(self) -> socket.socket:
        """Return a new connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), 10)


@pytest.fixture
def served() -> Iterator[Served]:
    """A server that bounds heads, with a body, a stream and a websocket."""
    routes = [
        Route("/body", _body, methods=["POST"]),
        Route("/early", _early),
        Route("/stream", _stream),
        WebSocketRoute("/ws", _talk),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> object:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(bounded_heads(HEAD_SECONDS))
            yield

    with running(Starlette(routes=routes, lifespan=lifespan)) as port:  # pyright: ignore[reportArgumentType] as above
        yield Served(port)


@contextmanager
def running(app: Starlette, servers: list[uvicorn.Server] | None = None) -> Iterator[int]:
    """Serve *app* in a thread; yield the port, and add the server to *servers*."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="websockets-sansio"))
    if servers is not None:
        servers.append(server)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def answered(connection: socket.socket) -> bytes:
    """Return the body of the answer that comes."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.read()


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the server ends a connection within *seconds*."""
    connection.settimeout(seconds)
    try:
        return connection.recv(100) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def heard(connection: socket.socket, end: bytes) -> bool:
    """Whether an answer comes whose last bytes are *end*."""
    answer = b""
    while not answer.endswith(end):
        if not (piece := connection.recv(1000)):
            return False
        answer += piece
    return True


def test_half_a_head_is_closed(served: Served) -> None:
    """Eight hundred that open and send nothing, or half a head, or byte after byte, are all closed in their time."""
    opened = [served.open() for _ in range(800)]
    for connection in opened[::2]:
        connection.sendall(HALF)
    drips = opened[0]
    until = time.monotonic() + 10 * HEAD_SECONDS
    while time.monotonic() < until:
        try:
            drips.sendall(b"x")
        except OSError:
            break
        time.sleep(HEAD_SECONDS / 8)
    else:
        pytest.fail("a head that never ends was taken for ever")
    assert all(is_closed(connection, 10) for connection in opened[1:])
    for connection in opened:
        connection.close()


def test_a_second_head_counts_anew(served: Served) -> None:
    """On a connection that has served a request, the next head has its own time, from its first byte."""
    with served.open() as connection:
        request = b"POST /body HTTP/1.1\r\nHost: p\r\nContent-Length: 2\r\n\r\nab"
        for _ in range(2):
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n2" not in answer:
                answer += connection.recv(1000)
            time.sleep(HEAD_SECONDS * 2)
        connection.sendall(HALF)
        assert is_closed(connection, 10)


@pytest.mark.parametrize("rest", [b"x", b"\r\n"], ids=["of a body that nobody read", "of nothing"])
@pytest.mark.parametrize("drips", [False, True])
def test_what_comes_after_an_answer_must_become_a_request(rest: bytes, served: Served, *, drips: bool) -> None:
    """Whoever is answered early, and then sends a byte now and then or one and no more, holds no connection by it."""
    length = b"Content-Length: 1000\r\n" if rest == b"x" else b""
    with served.open() as connection:
        connection.sendall(b"GET /early HTTP/1.1\r\nHost: p\r\n" + length + b"\r\n")
        assert heard(connection, b"unread")
        connection.sendall(rest)
        until = time.monotonic() + 20 * HEAD_SECONDS
        while drips and time.monotonic() < until:
            try:
                connection.sendall(rest)
            except OSError:
                break
            time.sleep(HEAD_SECONDS / 8)
        assert is_closed(connection, 20 * HEAD_SECONDS)


def test_a_body_that_nobody_read_may_be_sent_to_its_end(served: Served) -> None:
    """Whoever goes on to send what he had announced is answered on the same connection."""
    with served.open() as connection:
        connection.sendall(b"GET /early HTTP/1.1\r\nHost: p\r\nContent-Length: 8\r\n\r\n")
        assert heard(connection, b"unread")
        for _ in range(8):
            connection.sendall(b"x")
            time.sleep(HEAD_SECONDS / 12)
        connection.sendall(b"POST /body HTTP/1.1\r\nHost: p\r\nContent-Length: 2\r\n\r\n")
        time.sleep(HEAD_SECONDS)
        connection.sendall(b"ab")
        assert heard(connection, b"\r\n\r\n2")


def test_slow_bodies_are_read(served: Served) -> None:
    """A body may take longer than a head."""
    with served.open() as connection:
        connection.sendall(b"POST /body HTTP/1.1\r\nHost: p\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(HEAD_SECONDS / 3)
            connection.sendall(b"x")
        answer = b""
        while b"\r\n\r\n8" not in answer:
            answer += connection.recv(1000)


def test_streams_and_websockets_go_on(served: Served) -> None:
    """An answer in pieces and a websocket last as long as they like."""
    with served.open() as streaming, connect(f"ws://127.0.0.1:{served.port}/ws") as websocket:
        streaming.sendall(b"GET /stream HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n")
        came = b""
        while piece := streaming.recv(1000):
            came += piece
            websocket.send("still here")
            assert websocket.recv() == "still here"
    assert came.count(b"piece ") == 4
    assert not any(heads for heads in connections._open.values())


def test_it_is_uvicorn_s_own_class() -> None:
    """The class that is taught is the one that uvicorn takes by itself, and every server of ours goes through it."""
    chosen = HTTP_PROTOCOLS["auto"]
    assert (import_from_string(chosen) if isinstance(chosen, str) else chosen) is HttpToolsProtocol
    assert startup.bounded_heads is bounded_heads


def test_a_server_that_stops_hangs_up_on_nobody_who_has_come() -> None:
    """Told to stop while its loop is held up, it first answers all that came meanwhile, on old connections too."""
    is_held, may_go_on = threading.Event(), threading.Event()

    async def hold_up(_request: Request) -> PlainTextResponse:
        is_held.set()
        may_go_on.wait(10)  # as a busy machine does
        return PlainTextResponse("held up")

    servers: list[uvicorn.Server] = []
    app = Starlette(routes=[Route("/held", hold_up), Route("/early", _early)])
    with running(app, servers) as port, ExitStack() as callers:
        old = [callers.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(20)]
        for caller in old:
            caller.sendall(EARLY)
            assert answered(caller) == b"unread"
        hear_all_before_the_end(servers[0])
        holder = callers.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        holder.sendall(b"GET /held HTTP/1.1\r\nHost: proctor\r\n\r\n")
        assert is_held.wait(10)
        new = [callers.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(100)]
        for caller in (*old, *new):
            caller.sendall(EARLY)
        servers[0].should_exit = True
        may_go_on.set()
        assert [answered(caller) for caller in (holder, *old, *new)] == [b"held up"] + [b"unread"] * 120


def test_who_sends_nothing_keeps_no_server_from_stopping() -> None:
    """Connections on which nothing comes are closed by a server that stops, and it waits for none of them."""
    servers: list[uvicorn.Server] = []
    with running(Starlette(routes=[Route("/early", _early)]), servers) as port, ExitStack() as callers:
        silent = [callers.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(20)]
        hear_all_before_the_end(servers[0])
        servers[0].should_exit = True
        assert all(is_closed(one, HEARING_SECONDS / 2) for one in silent)

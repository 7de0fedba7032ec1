"""Connections whose request never becomes one are closed: uvicorn waits for the rest of a head for ever.

A head counts from the connection, or from the first byte that follows an answer, until it is whole; so what is left of
a body that nobody read, or empty lines, hold no connection either. What follows a head (a slow body, a stream, a
websocket) takes what time it needs: the door bounds bodies, and calls have their deadlines.
uvicorn tells nobody of a connection before its head is whole, and Streamlit, which builds the server, lets nobody
choose the class that speaks HTTP. So that class is taught here to note when a head begins and ends; a test holds
uvicorn to it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

HEARING_SECONDS = 2.0
"""How long a server that was told to stop goes on listening at most, until everybody who has come was heard."""
HEAD_SECONDS = 10.0
"""How long a request's head may take."""
_CONNECTION = "proctor.connection"
"""Where a request's state has its connection."""
_ROUND_SECONDS = 0.02
_QUIET_ROUNDS = 3
"""So often nothing may be found that is not read: what one look finds takes the loop some turns to read."""
_LEFT = getattr(select, "POLLRDHUP", 0)
"""What the system says of a connection that its other end has closed; without it, only of one that broke."""
_open: dict[asyncio.AbstractEventLoop, dict[Any, float]] = {}
"""The connections whose head is not whole, by loop, with the loop's time when it began. Each loop touches its own."""


@asynccontextmanager
async def bounded_heads(seconds: float = HEAD_SECONDS) -> AsyncGenerator[None]:
    """Close connections of the running loop whose head takes longer, for as long as the block lasts."""
    _teach()
    loop = asyncio.get_running_loop()
    heads = _open[loop] = {}
    closing = loop.create_task(_close_late(heads, seconds))
    try:
        yield
    finally:
        del _open[loop]
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing


def keep_peers() -> None:
    """Let uvicorn leave to the gate from where a call comes. Once per process.

    It believes what any program on this machine, or whatever ``FORWARDED_ALLOW_IPS`` names, says of that, before
    anybody of ours is asked.
    """
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: PLC0415 as below

    async def pass_on(self: Any, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what came as it came."""
        await self.app(scope, receive, send)

    believing: Any = ProxyHeadersMiddleware
    believing.__call__ = pass_on


def hear_all_before_the_end(server: Any) -> None:
    """Let uvicorn's *server*, once it stops, first read all that has come.

    It would close its sockets as they are, and so hang up on whoever has connected, or sent a request, and was not read
    yet; on a busy machine these are many. Between the last look and its closing the loop has no turn.
    """
    if server is None or not hasattr(server, "server_state"):
        return
    stop = server.shutdown

    async def stop_once_heard(*given: Any, **named: Any) -> None:
        """Read what has come, then stop."""
        await _all_heard(server)
        await stop(*given, **named)

    server.shutdown = stop_once_heard


async def ended_if_left(scope: Mapping[str, Any]) -> bool:
    """End the connection of a request whose client has closed it, though its body is not read; whether it has.

    From a certain size on uvicorn stops reading a body that nobody takes, and then does not learn that the client left.
    What is still on its way comes first, though: of a client whose system could not yet send it all nobody can tell.
    """
    protocol = scope.get("state", {}).get(_CONNECTION)
    if protocol is None:
        return False
    transport = protocol.transport
    if not transport.is_closing():
        looking = select.poll()
        looking.register(transport.get_extra_info("socket").fileno(), _LEFT)
        if not looking.poll(0):
            return False
        transport.abort()
    await asyncio.sleep(0)  # until uvicorn knows, who would answer with an error of its own
    return True


async def _all_heard(server: Any) -> None:
    """Wait until nothing has come that *server* has not read, but no longer than it may take."""
    loop = asyncio.get_running_loop()
    began, quiet = loop.time(), 0
    while quiet < _QUIET_ROUNDS and loop.time() - began < HEARING_SECONDS:
        await asyncio.sleep(_ROUND_SECONDS)
        quiet = 0 if _is_unheard(server) else quiet + 1


def _is_unheard(server: Any) -> bool:
    """Whether somebody has connected, or sent something on a connection that has no request, and was not read yet.

    A connection with a request is not asked: it is let be until it is answered.
    """
    looking = select.poll()
    for listening in server.servers:
        for sock in listening.sockets:
            looking.register(sock.fileno(), select.POLLIN)
    for protocol in server.server_state.connections:
        cycle = getattr(protocol, "cycle", None)
        if (cycle is None or cycle.response_complete) and not protocol.transport.is_closing():
            looking.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(looking.poll(0))


async def _close_late(heads: dict[Any, float], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, seconds / 4))
        for protocol, began in list(heads.items()):
            if loop.time() - began >= seconds:
                del heads[protocol]
                protocol.transport.close()


def _teach() -> None:
    """Let uvicorn's protocol note heads, in the loops that want to know. Once per process."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 not for a program without a server

    if hasattr(HttpToolsProtocol, "notes_heads"):
        return
    protocol: Any = HttpToolsProtocol
    protocol.notes_heads = True
    for name, note in (
        ("connection_made", _begun),
        ("data_received", _came),
        ("on_message_begin", _begun_anew),
        ("on_headers_complete", _headed),
        ("connection_lost", _ended),
    ):
        setattr(protocol, name, _noting(getattr(protocol, name), note))


def _noting(method: Callable[..., None], note: Callable[[Any], None]) -> Callable[..., None]:
    def noted(self: Any, *given: Any) -> None:
        note(self)
        method(self, *given)

    return noted


def _begun(protocol: Any) -> None:
    if (heads := _open.get(protocol.loop)) is not None:
        heads.setdefault(protocol, protocol.loop.time())


def _came(protocol: Any) -> None:
    """Take in that something comes; uvicorn then forgets that it wanted to close a connection without a request."""
    if protocol.cycle is not None and protocol.cycle.response_complete:
        _begun(protocol)


def _begun_anew(protocol: Any) -> None:
    """Take in the first byte of a head: what may have come before it counts no more."""
    if (heads := _open.get(protocol.loop)) is not None and protocol.cycle is not None:
        heads[protocol] = protocol.loop.time()


def _headed(protocol: Any) -> None:
    _ended(protocol)
    protocol.scope["state"][_CONNECTION] = protocol


def _ended(protocol: Any) -> None:
    if (heads := _open.get(protocol.loop)) is not None:
        heads.pop(protocol, None)

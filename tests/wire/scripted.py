"""A server that answers each call with the next of the answers that a test wrote, byte for byte, cut as it says."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson

_LONGEST_GATE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Scripted:
    """One answer."""

    body: bytes = b""
    media: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those with an empty value are left out: without ``transfer-encoding`` the body comes as it is."""
    cuts: Sequence[int] = ()
    """Where the body is cut into pieces."""
    pause_seconds: float = 0.0
    """Before each piece, on the whole: pauses that are too short to be kept are saved up."""
    is_broken_off: bool = False
    """Whether the connection is closed before the end of the body is told."""
    is_silent: bool = False
    """Whether nothing is said at all, until the client leaves."""
    hangs_up: bool = False
    """Whether the connection is closed without a word."""
    gate: threading.Event | None = None
    """What the last piece waits for."""

    @classmethod
    def whole(cls, body: Any, status: int = 200, **headers: str) -> Scripted:
        """Return an answer in one piece of JSON; ``_`` in a header's name stands for a hyphen."""
        return cls(orjson.dumps(body), status=status, headers={n.replace("_", "-"): v for n, v in headers.items()})

    @classmethod
    def streamed(cls, body: bytes, *cuts: int, is_broken_off: bool = False, pause_seconds: float = 0.0) -> Scripted:
        """Return an answer as server-sent events."""
        return cls(body, "text/event-stream", cuts=cuts, is_broken_off=is_broken_off, pause_seconds=pause_seconds)

    @property
    def pieces(self) -> list[bytes]:
        """The body, cut."""
        places = sorted({0, *self.cuts, len(self.body)})
        return [self.body[start:end] for start, end in itertools.pairwise(places)]


def events(*data: Any, done: bool = True) -> bytes:
    """Return *data* as server-sent events; those with a ``type`` are named after it."""
    named = (
        (b"event: %s\n" % one["type"].encode() if "type" in one else b"") + b"data: %s\n\n" % orjson.dumps(one)
        for one in data
    )
    return b"".join(named) + (b"data: [DONE]\n\n" if done else b"")


class ScriptedServer:
    """It listens on loopback, in a thread of its own. What was asked is ``asked``; the last answer comes again."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.asked: list[dict[str, Any]] = []
        self.heard: list[tuple[str, dict[str, str]]] = []
        """Path with query, and headers by their names in small letters, of each request."""
        self.bodies: list[bytes] = []
        """What was asked, byte for byte."""
        self._answers: list[Scripted] = []
        self.answers: Callable[[dict[str, Any]], Scripted] | None = None
        """What answers by what is asked, in the place of those that are played."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._port = 0
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event

    @property
    def openai_url(self) -> str:
        """What OpenAI's SDK takes as ``base_url``."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def anthropic_url(self) -> str:
        """What Anthropic's SDK takes as ``base_url``."""
        return f"http://127.0.0.1:{self._port}"

    def plays(self, *answers: Scripted) -> None:
        """Answer with these from now on, and forget what was asked."""
        self.asked.clear()
        self.heard.clear()
        self.bodies.clear()
        self._answers = list(answers)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
        named = {name.lower(): value.strip() for name, _, value in lines}
        self.heard.append((head.decode("latin-1").split(" ")[1], named))
        self.bodies.append(await reader.readexactly(int(named.get("content-length", 0))))
        self.asked.append(orjson.loads(self.bodies[-1] or b"{}"))
        answer = (
            self.answers(self.asked[-1])
            if self.answers
            else self._answers[min(len(self.asked), len(self._answers)) - 1]
        )
        if answer.is_silent:
            await reader.read()
            return False
        if answer.hangs_up:
            return False
        told = {"content-type": answer.media, "transfer-encoding": "chunked", **answer.headers}
        told = {name: value for name, value in told.items() if value}
        is_chunked = "transfer-encoding" in told
        head_lines = [f"HTTP/1.1 {answer.status} So", *(f"{name}: {value}" for name, value in told.items())]
        writer.write(("\r\n".join(head_lines) + "\r\n\r\n").encode())
        began = asyncio.get_running_loop().time()
        for count, piece in enumerate(answer.pieces):
            ahead = began + count * answer.pause_seconds - asyncio.get_running_loop().time()
            if ahead > 0.002:
                await asyncio.sleep(ahead)
            if answer.gate is not None and count == len(answer.pieces) - 1:
                await asyncio.to_thread(answer.gate.wait, _LONGEST_GATE_SECONDS)
            if piece:  # else it would be the end
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
            await writer.drain()
            await asyncio.sleep(0)
        if is_chunked and not answer.is_broken_off:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not answer.is_broken_off and told.get("connection") != "close"

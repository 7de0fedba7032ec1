"""A rush on the front door: a tenant's calls hang, and many more come, half of them with wrong keys and large bodies.

Over real sockets, as clients do it: a body is sent for as long as the server takes it, and the answer is read at once.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.bench.console import Drawn, visitor
from tests.bench.measure import resident_mb, until_calm

WRONG = "prk_" + "x" * 40
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
BODY = json.dumps({"schema": SCHEMA, "input": "Bern."}).encode()
HANGING = json.dumps({"schema": SCHEMA, "input": "Bern. [[hang]]"}).encode()

CALLS = 50
"""How many of the other tenant *Home* shows before the rush."""


@dataclass
class Told:
    """What came of it: status by caller, and the seconds that each answer took."""

    wrong: list[tuple[int, float]] = field(default_factory=list)
    same: list[tuple[int, float]] = field(default_factory=list)
    """Of the tenant whose calls hang."""
    other: list[tuple[int, float]] = field(default_factory=list)
    health: list[tuple[int, float]] = field(default_factory=list)
    idle: list[Drawn] = field(default_factory=list)
    """The console's *Home*, before anybody came."""
    console: list[Drawn] = field(default_factory=list)
    """The same, in the rush."""
    resident_mb: list[float] = field(default_factory=list)
    """Before, and all along."""

    @property
    def grown_mb(self) -> float:
        """How much memory grew at most."""
        return max(self.resident_mb) - self.resident_mb[0]


def statuses(answers: list[tuple[int, float]]) -> dict[int, int]:
    """Return how many answers had which status; 0 is a connection that was cut without one."""
    return dict(sorted(Counter(status for status, _ in answers).items()))


async def rush(
    url: str,
    pid: int,
    key: str,
    other: str,
    *,
    hanging: int,
    arriving: int,
    per_second: int,
    wrong_bytes: int,
    visits: int = 0,
) -> Told:
    """Let *hanging* calls of *key* hang, *arriving* more come, and *other* be served beside them.

    The console's *Home* is visited *visits* times before it, and again and again in the rush.
    """
    told, large = Told(), b" " * wrong_bytes
    async with AsyncExitStack() as stack:
        visit = await stack.enter_async_context(visitor(url)) if visits else None
        for _ in range(CALLS if visit else 0):
            await _asked(url, other, BODY)  # without any, Home has nothing to draw
        for _ in range(visits if visit else 0):
            told.idle.append(await visit())
        del told.idle[: visits // 2]  # the first visitor waits for imports
        held = [asyncio.create_task(_asked(url, key, HANGING)) for _ in range(hanging)]
        await _asked(url, other, BODY)
        await asyncio.to_thread(until_calm, pid)
        told.resident_mb.append(resident_mb(pid))
        over = asyncio.Event()
        beside = [
            asyncio.create_task(_again_and_again(over, told.other, lambda: _asked(url, other, BODY))),
            asyncio.create_task(
                _again_and_again(over, told.health, lambda: _sent(url, b"GET /health HTTP/1.1", "", b""))
            ),
            asyncio.create_task(_watched(over, told, pid)),
        ]
        if visit:
            beside.append(asyncio.create_task(_visited(over, told.console, visit)))
        came: list[asyncio.Task[None]] = []
        began = time.perf_counter()
        for n in range(arriving):
            await asyncio.sleep(max(0.0, began + n / per_second - time.perf_counter()))
            is_wrong = n % 2 == 0
            asked = _asked(url, f"{WRONG}{n}", large) if is_wrong else _asked(url, key, BODY)
            came.append(asyncio.create_task(_noted(told.wrong if is_wrong else told.same, asked)))
        await asyncio.wait(came, timeout=5)  # who waits for a place would wait as long as the calls hang
        over.set()
        await asyncio.gather(*beside)
        for task in (*held, *came):
            task.cancel()
        await asyncio.gather(*held, *came, return_exceptions=True)
    return told


async def _again_and_again(
    over: asyncio.Event, answers: list[tuple[int, float]], ask: Callable[[], Awaitable[int]]
) -> None:
    while not over.is_set():
        await _noted(answers, ask())
        await asyncio.sleep(0.05)


async def _visited(over: asyncio.Event, draws: list[Drawn], visit: Callable[[], Awaitable[Drawn]]) -> None:
    while not over.is_set():
        draws.append(await visit())
        await asyncio.sleep(0.1)


async def _watched(over: asyncio.Event, told: Told, pid: int) -> None:
    while not over.is_set():
        told.resident_mb.append(resident_mb(pid))
        await asyncio.sleep(0.05)


async def _noted(answers: list[tuple[int, float]], asked: Awaitable[int]) -> None:
    began = time.perf_counter()
    status = await asked
    answers.append((status, time.perf_counter() - began))


async def _asked(url: str, key: str, body: bytes) -> int:
    return await _sent(url, b"POST /v1/generate HTTP/1.1", f"Authorization: Bearer {key}\r\n", body)


async def _sent(url: str, line: bytes, headers: str, body: bytes) -> int:
    """Return the status of the answer, which may come before the body is sent; 0 if there was none."""
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    head = f"\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    with socket.socket() as connection:
        connection.setblocking(False)
        sending: asyncio.Task[None] | None = None
        try:
            await loop.sock_connect(connection, (address.hostname, address.port))
            sending = asyncio.create_task(loop.sock_sendall(connection, line + head.encode() + body))
            answer = await loop.sock_recv(connection, 65536)
        except OSError:
            return 0
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
    return int(answer.split(b" ", 2)[1]) if answer else 0

"""A page of the console as a browser gets it: over its websocket, until everything on it has come.

``python -m tests.bench.console URL`` visits *Home* for each line that it reads, and prints how long it took: a process
of its own, since whoever makes a rush is busy.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class Drawn(NamedTuple):
    """How long a new visitor of *Home* waited, in seconds."""

    first: float
    """Until the first of it came, the menu."""
    whole: float
    """Until the last of it had come."""
    tells: bool
    """Whether it said that requests wait or are turned away."""


TOLD = (b"Requests wait for a place", b"Requests are turned away")
"""What *Home* says of a crowd."""


async def drawn(url: str) -> Drawn:
    """Open *Home* as a new visitor whose browser has the console's files, and wait for all of it."""
    asked: Any = BackMsg()
    asked.rerun_script.query_string = asked.rerun_script.page_script_hash = asked.rerun_script.page_name = ""
    began, first, tells = time.perf_counter(), 0.0, False
    address, origin = f"ws://{urlsplit(url).netloc}/_stcore/stream", f"http://{urlsplit(url).netloc}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, protocols=("streamlit",), max_msg_size=0, origin=origin) as connection,
    ):
        await connection.send_bytes(asked.SerializeToString())
        async for message in connection:
            came: Any = ForwardMsg.FromString(message.data)
            match came.WhichOneof("type"):
                case "delta":
                    first = first or time.perf_counter() - began
                    tells = tells or any(words in message.data for words in TOLD)
                case "script_finished":
                    return Drawn(first, time.perf_counter() - began, tells)
                case _:
                    pass
    raise RuntimeError("the console hung up before its page was whole")


@asynccontextmanager
async def visitor(url: str) -> AsyncGenerator[Callable[[], Awaitable[Drawn]]]:
    """Yield what has *Home* visited once, and says how long that took."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.console", url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    go, came = process.stdin, process.stdout
    assert go is not None
    assert came is not None

    async def visit() -> Drawn:
        go.write(b"\n")
        return Drawn(*json.loads(await came.readline()))

    try:
        yield visit
    finally:
        go.close()
        await process.wait()


if __name__ == "__main__":
    for _ in sys.stdin:
        print(json.dumps(asyncio.run(drawn(sys.argv[1]))), flush=True)

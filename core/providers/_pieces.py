"""What a stream has sent and its caller's thread has not taken: in order, and never more than so much."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

MOST_WAITING_BYTES = 256_000
"""Of bytes that are passed on as they are. Texts are not counted: they wait until they are read together."""


class Pieces:
    """The pieces of one call, from the event loop to one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with nothing; *loop* is the one on which pieces come."""
        self._loop = loop
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._room: asyncio.Future[None] | None = None

    def put(self, piece: Any) -> Awaitable[None] | None:
        """Add *piece*, on the loop; return what to wait for before the next, if too much waits already."""
        self._queue.put(piece)
        if not _is_counted(piece):
            return None
        with self._lock:
            self._waiting_bytes += size_of(piece)
            if self._waiting_bytes <= MOST_WAITING_BYTES:
                return None
            self._room = self._loop.create_future()
            return self._room

    def end(self) -> None:
        """Add the end, from any thread."""
        self._queue.put(None)

    def get(self) -> Any:
        """Wait for the next piece and take it, in the thread; ``None`` is the end."""
        piece = self._queue.get()
        if _is_counted(piece):
            room = None
            with self._lock:
                self._waiting_bytes -= size_of(piece)
                if self._waiting_bytes <= MOST_WAITING_BYTES // 2:
                    room, self._room = self._room, None
            if room is not None:
                with suppress(RuntimeError):  # the loop is gone
                    self._loop.call_soon_threadsafe(_open, room)
        return piece


def _is_counted(piece: Any) -> bool:
    return isinstance(piece, tuple)


def size_of(frames: tuple[Any, ...]) -> int:
    """Return how many bytes *frames* have."""
    return sum(len(frame.raw) for frame in frames)


def _open(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)

"""What takes long to read is read apart from the loop, which all calls of this process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

LONG = 200_000
"""Bytes from which on a body is read in a thread; answers as long are validated by a worker."""
_Read = TypeVar("_Read")


async def read_apart(size: int, read: Callable[[], _Read]) -> _Read:
    """Return what *read* makes of *size* bytes; in a thread where they are many, so that the loop goes on meanwhile.

    The parser itself lets nobody go on; it is a part of what is done with a body, and ten milliseconds of a megabyte.
    """
    return await asyncio.to_thread(read) if size > LONG and _is_on_a_loop() else read()


def _is_on_a_loop() -> bool:
    """Whether others wait for this thread: a call that its own thread makes is in nobody's way."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

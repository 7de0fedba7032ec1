"""What this process itself may run out of: that a call cannot go out for want of it says nothing about a provider."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress

NO_DESCRIPTORS = (
    "This process has no file descriptor left, so it can open no connection. Raise its limit (ulimit -Hn), or lower "
    "CONCURRENCY; it goes on by itself once some are free."
)
NO_MEMORY = "This process has no memory or no thread left. Give it more, or lower CONCURRENCY."
PER_CALL = 2
"""A generation holds so many connections: that of its caller, and that to a provider."""
BESIDE_CALLS = 100
"""So many files and connections a process needs for the rest: databases, pages, logs, what it loads."""


def descriptor_limit() -> int | None:
    """Return how many files and connections a server that is started from here may open; ``None`` if any number.

    A server raises its own limit as far as it may: see :func:`raise_descriptor_limit`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def raise_descriptor_limit() -> int | None:
    """Let this process, and what it starts, open as many files and connections as the system lets it; return how many.

    The limit that a shell gives is a thousand or less, so that old programs do not go wrong; the hard one is for those
    that need more. ``None`` is any number. Where the system does not let it, the limit stays as it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return None if soft == resource.RLIM_INFINITY else soft


def descriptors_needed(concurrency: int) -> int:
    """Return how many files and connections *concurrency* generations in flight at once need, with all else."""
    return PER_CALL * concurrency + BESIDE_CALLS


def lack_in(error: BaseException) -> str | None:
    """Return what we lack, as sentences, where *error* came of that; ``None`` where it did not.

    A name that cannot be looked up and a connection that cannot be made may both be for want of a descriptor, and say
    so in many ways: so it is tried whether there are any. What broke after it was made never is.
    """
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "new thread" in str(error)):
        return NO_MEMORY
    if not isinstance(error, OSError) or isinstance(error, ConnectionError | TimeoutError):
        return None
    return NO_DESCRIPTORS if error.errno in {errno.EMFILE, errno.ENFILE} or not descriptors_left() else None


def descriptors_left(count: int = 2) -> bool:
    """Whether *count* more files or connections can be opened now."""
    opened: list[int] = []
    try:
        for _ in range(count):
            opened.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 each is to be closed, whichever fails
    except OSError:
        return False
    finally:
        for descriptor in opened:
            with suppress(OSError):
                os.close(descriptor)
    return True

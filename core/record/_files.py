"""Files of the backlog: locked while their process lives, added to by whole lines, read by who finds them orphaned."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast


def opened(path: Path) -> BinaryIO:
    """Open a file to append to that nobody else may read, and lock it for as long as it is open."""
    while True:
        file = cast(
            "BinaryIO", os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)
        )
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()  # another process took it for an orphan's in the moment before it was locked


def add(file: BinaryIO, text: bytes) -> None:
    """Add *text* to a file: all of it, or nothing.

    A disk that is full may have taken the half of it, in whose line the next would end.
    """
    end = os.fstat(file.fileno()).st_size
    left = memoryview(text)
    try:
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise


@contextmanager
def read_again(file: BinaryIO) -> Generator[BinaryIO]:
    """Read a file of ours from its beginning, and not by its path, where it may not be any more."""
    with os.fdopen(os.dup(file.fileno()), "rb") as again:
        again.seek(0)
        yield again


def whole_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each whole line of a file, without its end."""
    for line in file:
        if line.endswith(b"\n"):  # else its process died while it wrote it, and recovery has what it knew
            yield line[:-1]


@contextmanager
def orphan(path: Path) -> Generator[BinaryIO | None]:
    """Open and lock a file whose process is gone; ``None`` where that lives, or another has just taken it in.

    Raises:
        OSError: it cannot be opened, or not be locked for another reason.

    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file if path.exists() else None  # another may have taken it in meanwhile

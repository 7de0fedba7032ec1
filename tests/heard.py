"""What a library's logger writes while something is done."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def heard(name: str, level: int = logging.WARNING) -> Generator[list[logging.LogRecord]]:
    """Collect what the logger *name*, or one below it, writes from *level* on."""
    records: list[logging.LogRecord] = []

    class _Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger(name), _Collecting()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)

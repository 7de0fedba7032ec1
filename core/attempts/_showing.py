"""How what comes of an answer is passed on while it comes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from core.attempts._candidate_state import CandidateState
from core.attempts._pace import Pace
from core.clock import Clock
from core.dialects import VendorResponse
from core.providers import Answer


def relayed(coming: Generator[Any, None, Answer], state: CandidateState) -> Generator[Any, None, tuple[Answer, Any]]:
    """Yield every piece as it comes."""
    try:
        while True:
            piece = next(coming)
            state.has_shown = True
            yield replace(piece, answered_by=state.name) if isinstance(piece, VendorResponse) else piece
    except StopIteration as end:
        return end.value, None
    finally:
        coming.close()


def collected(coming: Generator[Any, None, Answer]) -> tuple[Answer, list[Any]]:
    """Return the answer, and every piece of it."""
    pieces: list[Any] = []
    try:
        while True:
            pieces.append(next(coming))
    except StopIteration as end:
        return end.value, pieces
    finally:
        coming.close()


def paced(
    coming: Generator[Any, None, Answer], piece: Callable[[list[Any]], Any], pace: Pace, clock: Clock
) -> Generator[Any, None, tuple[Answer, list[Any]]]:
    """Yield what has come as *piece* shows it, at a pace that its reader can bear.

    Return the answer, and what of it was not yielded.
    """
    pieces: list[Any] = []
    size = 0
    try:
        while True:
            pieces.append(next(coming))
            size += len(pieces[-1])
            if pace.is_due(size, clock.monotonic()):
                yield piece(pieces)
                pieces.clear()
    except StopIteration as end:
        return end.value, pieces
    finally:
        coming.close()

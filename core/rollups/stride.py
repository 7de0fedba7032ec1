"""How much is added at once to the rollups of an SQLite, where whoever writes waits for the end of a transaction."""

from __future__ import annotations

_FIRST, _FEWEST, _MOST = 500, 100, 10_000
_ROWS = 10_000
"""So many rows are written in some fifty milliseconds."""


class Stride:
    """Adapts itself: as many deltas, or calls, as the last ones say will make so many rows."""

    def __init__(self) -> None:
        self.size = _FIRST
        """How many are taken next."""

    def made(self, taken: int, rows: int) -> None:
        """Hear how many were taken, which may be fewer than were wanted, and how many rows they became."""
        if not taken:
            return
        fitting = taken * _ROWS // max(rows, 1)
        self.size = max(_FEWEST, min(fitting, 2 * self.size, _MOST))

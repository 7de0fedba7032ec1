"""How much is added at once to the rollups.

On an SQLite whoever writes waits for the end of a transaction; on PostgreSQL nobody does, but a statement has to end
before the database breaks it off.
"""

from __future__ import annotations

_FIRST, _FEWEST, _MOST = 500, 100, 10_000
_ROWS = 10_000
"""So many rows are written in some fifty milliseconds."""
_MORE_ROWS = 30_000
"""So many rows of quarters are written in a second, with all that is made of them."""


class Stride:
    """Adapts itself: as many deltas, or calls, as the last ones say will make so many rows."""

    def __init__(self, *, is_sqlite: bool = True) -> None:
        self.size = _FIRST
        """How many are taken next."""
        self._rows = _ROWS if is_sqlite else _MORE_ROWS

    def made(self, taken: int, rows: int) -> None:
        """Hear how many were taken, which may be fewer than were wanted, and how many rows they became."""
        if not taken:
            return
        fitting = taken * self._rows // max(rows, 1)
        self.size = max(_FEWEST, min(fitting, 2 * self.size, _MOST))

    def failed(self) -> None:
        """Hear that so many were too many, or that the database does not answer: fewer are tried next."""
        self.size = max(_FEWEST, self.size // 4)

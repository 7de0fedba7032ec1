"""How often an answer is shown while it is written: each time from its beginning, or what is new of it."""

from __future__ import annotations

EVERY_SECONDS = 0.05
OFTEN_UP_TO = 4_000
"""The length of a text, in characters, up to which it is read again however little has come."""
GROWTH = 8
"""A longer one has grown by this part of it: all readings together are of nine times the text, however it came."""
LONG = 200_000
"""One that is longer has grown to twice what was shown: to read it takes milliseconds in which no other thread runs."""
NEWS = 400
"""Where only what is new is read and shown, a longer one has grown by this much."""


class Pace:
    """The pace of one stream."""

    def __init__(self, *, is_thinned: bool = True) -> None:
        """Begin; *is_thinned* says whether each time costs what has come so far, and not what is new."""
        self._is_thinned = is_thinned
        self._shown_at = 0.0
        self._shown_size = 0

    def is_due(self, size: int, now: float) -> bool:
        """Whether a text of *size* characters is to be shown at *now*, in seconds; then it counts as shown."""
        if now - self._shown_at < EVERY_SECONDS:
            return False
        least = NEWS if not self._is_thinned else self._shown_size // (1 if size > LONG else GROWTH)
        if size > OFTEN_UP_TO and size < self._shown_size + least:
            return False
        self._shown_at, self._shown_size = now, size
        return True

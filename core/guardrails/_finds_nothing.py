"""A search that judges no text: its rule is about something else."""

from __future__ import annotations

from core.detection import Span


class FindsNothing:
    """As a search, it finds nothing in any text."""

    __slots__ = ()

    def find(self, text: str) -> list[Span]:  # noqa: ARG002 it judges no text
        """Return nothing."""
        return []

    def decided(self, text: str) -> int:
        """Return that all of *text* is decided."""
        return len(text)

    def forgettable(self, text: str) -> int:
        """Return that all of *text* may be forgotten."""
        return len(text)

    def may_find(self, text: str) -> bool:  # noqa: ARG002 it judges no text
        """Return that nothing is to be found."""
        return False

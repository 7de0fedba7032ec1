"""How fast somebody may be, how fast they are, and how long until there is room again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

CONCURRENCY_SECONDS = 1.0
"""Nobody knows when a generation will end; after so long it is worth asking again."""


class QuotaScope(StrEnum):
    """Whose limits they are."""

    TENANT = "tenant"
    KEY = "key"


class Limited(StrEnum):
    """What is limited."""

    REQUESTS = "requests"
    """Generations begun in the last minute."""
    TOKENS = "tokens"
    """Input and output tokens of the last minute."""
    CONCURRENCY = "concurrency"
    """Generations in flight."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How fast a tenant may be, or one of its keys inside the tenant's quota; ``None`` is without that limit."""

    scope: QuotaScope
    id: str
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """What of a quota is used at the moment. Up to the limit: what lies beyond it is not counted."""

    requests: int
    """Generations begun in the last minute; 0 also where they have no limit, as for the two below."""
    tokens: int
    concurrent: int


NO_USE = QuotaUse(0, 0, 0)


class Full(NamedTuple):
    """A limit that has no room for a generation."""

    quota: Quota
    what: Limited
    seconds: float | None
    """How long until it has, if nobody else comes; ``None`` if it never will."""
    used: int


class LimitLeft(NamedTuple):
    """What is left of a limit."""

    what: Limited
    most: int
    left: int
    seconds: float
    """How long until all of it is there again, if nobody else comes; of those in flight nobody knows."""


class SlidingWindow(NamedTuple):
    """A sliding window counter: the minute that is being counted, and how much of the one before still weighs."""

    previous: int
    previous_seconds: float
    """How long until nothing of the minute before weighs any more."""
    current: int
    current_seconds: float
    """How long until nothing of this minute weighs any more: between one and two windows."""

    def used(self, window_seconds: int) -> int:
        """Return what weighs now."""
        return int(self.previous * self.previous_seconds / window_seconds) + self.current

    def seconds_until(self, cost: int, limit: int, window_seconds: int) -> float | None:
        """Return how long until *cost* fits under *limit*, if nobody else comes; ``None`` if it never will."""
        if cost > limit:
            return None
        room = limit - cost - self.current
        if room >= 0:  # it fits as soon as enough of the minute before has faded
            return max(0.0, self.previous_seconds - window_seconds * (room + 1) / max(1, self.previous))
        fading = max(0.0, window_seconds - window_seconds * (limit - cost + 1) / self.current)
        return max(0.0, self.current_seconds - window_seconds) + fading

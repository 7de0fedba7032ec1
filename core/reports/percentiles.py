"""Percentiles of durations, from how many lie in each slot of a histogram."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from core.rollups.slots import COARSE, error_of, percentiles

PERCENTILE_ERROR = error_of(COARSE)
"""By what share of it a percentile may be off at most."""


class Timing(NamedTuple):
    """Percentiles of latency in milliseconds, and on how many calls they rest."""

    timed: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


def timing(slots: Iterable[tuple[int, int]]) -> Timing:
    """Return the percentiles of slots, and how many durations lie in each."""
    known = list(slots)
    timed = sum(count for _, count in known)
    return Timing(timed, *percentiles(known, (50, 95, 99), COARSE))


def timings(rows: Iterable[tuple[Any, ...]]) -> dict[Hashable, Timing]:
    """Return percentiles by the first column of *rows*, behind which stand a slot and a count."""
    found: defaultdict[Hashable, list[tuple[int, int]]] = defaultdict(list)
    for key, slot, count in rows:
        found[key].append((slot, count))
    return {key: timing(slots) for key, slots in found.items()}

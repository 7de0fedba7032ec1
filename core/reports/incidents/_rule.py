"""When more of something is out of the ordinary: the one place that says so."""

from __future__ import annotations

import math

LEAST_LOST, LEAST_OTHERS = 5, 10
"""So many more than usual there have to be: three of three are no incident. Of what costs time or money alone more."""
_TIMES = 2
"""And so many times as many …"""
_DEVIATIONS = 4
"""… and as much more as chance alone makes once in some ten thousand stretches: so many roots of what is usual."""
ENOUGH_SLOWER = 1.5
"""A p95 is out of the ordinary from so many times the usual one on."""


def is_unusual(found: float, usual: float, least: int = LEAST_LOST) -> bool:
    """Whether *found* of something, where *usual* is what was to be expected, stands well beyond that."""
    beyond = found - usual
    return beyond >= max(least, _DEVIATIONS * math.sqrt(max(usual, 0.0))) and found >= _TIMES * usual


def telling(found: float, usual: float) -> float:
    """Return by how much it stands beyond, so that an hour and a day can be held against each other."""
    return (found - usual) / math.sqrt(max(usual, 0.0) + 1)

"""Histograms of durations: slots whose width grows with the duration, so that a percentile's error is a stated share.

A duration of *d* microseconds lies in slot ``floor(per_octave * log2(d))``, and what is below one microsecond in
slot 0. Slots can be added up and taken back. A percentile is told as the geometric middle of its slot, at most
``2 ** (1 / (2 * per_octave)) - 1`` off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

COARSE = 16
"""Slots of an octave in all that is kept."""


def slot(milliseconds: float, per_octave: int = COARSE) -> int:
    """Return the slot of a duration."""
    micros = milliseconds * 1000
    return 0 if micros < 1 else math.floor(per_octave / math.log(2) * math.log(micros))


def slot_sql(milliseconds: str) -> str:
    """Return the same in SQL, of :data:`COARSE`; null where the duration is."""
    micros = f"{milliseconds} * 1000"
    of = f"CAST(FLOOR({COARSE / math.log(2)!r} * LN({micros})) AS INTEGER)"
    return f"CASE WHEN {milliseconds} IS NULL THEN NULL WHEN {micros} < 1 THEN 0 ELSE {of} END"


def middle(number: int, per_octave: int) -> float:
    """Return the duration in milliseconds that a slot stands for."""
    return float(2 ** ((number + 0.5) / per_octave) / 1000)


def error_of(per_octave: int) -> float:
    """Return by what share a percentile may be off at most."""
    return float(2 ** (1 / (2 * per_octave)) - 1)


def percentile(slots: Iterable[tuple[int, int]], percent: int, per_octave: int) -> float | None:
    """Return a percentile in milliseconds, by nearest rank, of slots and how many lie in each; ``None`` of nothing."""
    return percentiles(slots, (percent,), per_octave)[0]


def percentiles(slots: Iterable[tuple[int, int]], percents: Sequence[int], per_octave: int) -> list[float | None]:
    """Return several, of which each is greater than the one before it."""
    counted = sorted((number, count) for number, count in slots if count > 0)
    total = sum(count for _, count in counted)
    found: list[float | None] = []
    seen, place = 0, -1
    for percent in percents:
        rank = -(-total * percent // 100)
        while counted and seen < rank:
            place += 1
            seen += counted[place][1]
        found.append(middle(counted[place][0], per_octave) if counted else None)
    return found

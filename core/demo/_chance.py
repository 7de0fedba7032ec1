"""The demo world's time and chance: a manual clock with recognisable identifiers, and dice to draw with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import TypeVar
from zlib import crc32

from typing_extensions import override

from core.clock import DEMO_MARK, EPOCH, ManualClock

_NORMAL = NormalDist()
_T = TypeVar("_T")


class DemoClock(ManualClock):
    """A manual clock, seeded with a name. Its identifiers bear :data:`DEMO_MARK`."""

    def __init__(self, start: datetime, name: str) -> None:
        super().__init__(start, crc32(name.encode()))
        self.name = name

    @override
    def new_id(self) -> str:
        """Return an identifier: manual time, the mark, seeded chance."""
        millis = (self.now() - EPOCH) // timedelta(milliseconds=1)
        with self._lock:
            return f"{millis:012x}{DEMO_MARK}{self._random.getrandbits(48):012x}"


class Dice:
    """What the demo world draws from a clock's chance."""

    def __init__(self, clock: ManualClock) -> None:
        self.chance = clock.chance

    def happens(self, probability: float) -> bool:
        """Whether something of that *probability* happens."""
        return self.chance() < probability

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of *choices*, each as likely as the others."""
        return choices[int(self.chance() * len(choices))]

    def weighed(self, weights: Mapping[_T, float]) -> _T:
        """Return one of the keys, as likely as its weight says."""
        choices, left = list(weights.items()), self.chance() * sum(weights.values())
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]

    def sample(self, choices: Sequence[_T], count: int) -> list[_T]:
        """Return *count* different ones of *choices*, in any order."""
        left = list(choices)
        return [left.pop(int(self.chance() * len(left))) for _ in range(min(count, len(left)))]

    def whole(self, least: int, most: int) -> int:
        """Return a whole number from *least* to *most*, both included."""
        return least + int(self.chance() * (most - least + 1))

    def digits(self, count: int) -> str:
        """Return *count* decimal digits."""
        return "".join(str(int(self.chance() * 10)) for _ in range(count))

    def hex(self, count: int) -> str:
        """Return *count* hexadecimal digits."""
        return f"{int(self.chance() * 2**48):012x}{int(self.chance() * 2**48):012x}"[:count]

    def around(self, median: float, spread: float) -> float:
        """Return a log-normal number: half lie below *median*, about a sixth beyond ``median * e ** spread``."""
        return median * math.exp(spread * _NORMAL.inv_cdf(max(1e-9, self.chance())))

    def arrivals(self, expected: float) -> int:
        """Return how many independent things happen where *expected* are expected: a Poisson number."""
        if expected <= 0:
            return 0
        floor, product, count = math.exp(-min(expected, 500.0)), self.chance(), 0
        while product > floor:
            product *= self.chance()
            count += 1
        return count

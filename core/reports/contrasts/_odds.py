"""How likely chance alone makes a difference of two shares, and which of many such differences may be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

FALSE_DISCOVERIES = 0.05
"""Among all differences that are told, so large a share may be chance."""
_ALIKE = 1e-7
"""Two tables whose likelihoods differ by less are as likely as each other; they are sums of large logarithms."""
_NEGLIGIBLE = 1e-16


def fisher(inside: int, selected: int, outside: int, rest: int) -> float:
    """Return the likelihood that shares as far apart come by chance: Fisher's exact test, on both sides.

    *inside* of *selected* calls have something, and *outside* of the *rest*. Two tails are summed, each from its end
    that is nearest to the middle on, until nothing is added any more: so large counts cost little.
    """
    having, total = inside + outside, selected + rest
    low, high = max(0, having - rest), min(selected, having)
    all_ways = _ways(total, having)

    def likelihood(found: int) -> float:
        return _ways(selected, found) + _ways(rest, having - found) - all_ways

    def next_up(found: int) -> float:
        return (having - found) * (selected - found) / ((found + 1) * (rest - having + found + 1))

    def next_down(found: int) -> float:
        return found * (rest - having + found) / ((having - found + 1) * (selected - found + 1))

    middle = min(max((having + 1) * (selected + 1) // (total + 2), low), high)
    limit = likelihood(inside) + _ALIKE
    left = _last(low, middle - 1, lambda found: likelihood(found) <= limit)
    right = _first(middle, high, lambda found: likelihood(found) <= limit)
    lower = _tail(left, low, -1, likelihood, next_down) if left is not None else 0.0
    upper = _tail(right, high, 1, likelihood, next_up) if right is not None else 0.0
    return min(1.0, lower + upper)


def standing(likelihoods: Sequence[float], rate: float = FALSE_DISCOVERIES) -> list[bool]:
    """Return which of as many tried differences may be told, by Benjamini and Hochberg's rule."""
    ranked = sorted(likelihoods)
    limit = max((p for n, p in enumerate(ranked, 1) if p <= rate * n / len(ranked)), default=-1.0)
    return [p <= limit for p in likelihoods]


def _ways(many: int, chosen: int) -> float:
    """Return the logarithm of the number of ways to choose."""
    return math.lgamma(many + 1) - math.lgamma(chosen + 1) - math.lgamma(many - chosen + 1)


def _tail(
    begin: int, end: int, step: int, likelihood: Callable[[int], float], following: Callable[[int], float]
) -> float:
    """Return the sum of the likelihoods from *begin* to *end*, which become smaller."""
    term = math.exp(likelihood(begin))
    summed = term
    while begin != end and term > summed * _NEGLIGIBLE:
        term *= following(begin)
        summed += term
        begin += step
    return summed


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """Return the last number for which *holds*, which does so from *low* up to some number."""
    if low > high or not holds(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """Return the first number for which *holds*, which does so from some number up to *high*."""
    if low > high or not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low

"""Which cause a failed call is, and which candidate has the room that another lacks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from core.attempts._terms import Candidate, Cause
from core.breakers import TripReason
from core.pricing import known_context
from core.providers import (
    ContextOverflow,
    Failed,
    Filtered,
    ProviderError,
    Refused,
    Throttled,
    TimedOut,
    Truncated,
    TurnedAway,
)
from core.tables import Outcome

_CAUSES: Mapping[type[ProviderError], Cause] = {
    Throttled: Cause.RATE_LIMIT,
    Failed: Cause.OUTAGE,
    TimedOut: Cause.TIMEOUT,
    TurnedAway: Cause.TURNED_AWAY,
    ContextOverflow: Cause.CONTEXT_OVERFLOW,
    Refused: Cause.REFUSAL,
    Filtered: Cause.CONTENT_FILTER,
    Truncated: Cause.TRUNCATION,
}


_BREAKERS: Mapping[TripReason, Cause] = {TripReason.SLOW: Cause.TIMEOUT, TripReason.INVALID: Cause.NEVER_VALID}


def cause_of(error: ProviderError) -> Cause | None:
    """Return the cause that *error* is: an outage unless it is known as another; ``None`` for a caller who left."""
    if error.outcome is Outcome.CANCELLED:
        return None
    return next((_CAUSES[kind] for kind in type(error).__mro__ if kind in _CAUSES), Cause.OUTAGE)


def cause_of_breaker(reason: TripReason | None) -> Cause:
    """Return the cause that a breaker stands for which *reason* opened; ``None`` is an operator, as in an outage."""
    return _BREAKERS.get(reason, Cause.OUTAGE) if reason else Cause.OUTAGE


@lru_cache(maxsize=512)
def context_window(provider: str, model: str) -> int | None:
    """Return how many tokens *model* takes in all, as far as the price list knows."""
    return known_context(provider, model)


def roomier_first(waiting: list[tuple[int, Candidate]], full: Candidate) -> list[tuple[int, Candidate]]:
    """Return *waiting* with those first whose context is known to be larger than that of *full*, else in their order.

    Those known to have no more room come last; where the room of *full* is not known, nothing is moved.
    """
    window = context_window(full.provider, full.model)
    if window is None:
        return waiting

    def rank(one: tuple[int, Candidate]) -> int:
        room = context_window(one[1].provider, one[1].model)
        return 1 if room is None else 0 if room > window else 2

    return sorted(waiting, key=rank)

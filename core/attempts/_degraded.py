"""A route on a tight budget: cheaper, and without what only money buys."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from core.attempts._terms import Candidate, RouteTerms


class PriceOf(Protocol):
    """What a call to a candidate may cost."""

    def __call__(self, candidate: Candidate, /) -> int | None:
        """Return it in nano-dollars; ``None`` where it is not known."""
        ...


def degraded(route: RouteTerms, price_of: PriceOf) -> RouteTerms:
    """Return *route* with its candidates cheapest first, none dearer than its first; no re-asks, no hedging.

    Who has no known price comes last and is not dropped; where the first has none, nobody is known to be dearer.
    ``remark`` says what was done, for the decision trace.
    """
    priced = [(price, one) for one in route.candidates if (price := price_of(one)) is not None]
    unpriced = [one for one in route.candidates if price_of(one) is None]
    most = price_of(route.candidates[0])
    kept = [(price, one) for price, one in priced if most is None or price <= most]
    dropped = len(priced) - len(kept)
    cheapest_first = [one for _, one in sorted(kept, key=lambda pair: pair[0])]
    candidates = tuple(replace(one, max_reasks=0, most_tokens=one.max_tokens) for one in (*cheapest_first, *unpriced))
    left_out = f" {dropped} dearer {'was' if dropped == 1 else 'were'} left out;" if dropped else ""
    return replace(
        route,
        candidates=candidates,
        max_reasks=0,
        hedge_after_ms=None,
        remark=(
            f"The budget is tight, so the cheapest is asked first: {', then '.join(one.name for one in candidates)};"
            f"{left_out} an invalid or cut answer is not asked again."
        ),
    )

"""What is said of a walk in which nobody has answered."""

from __future__ import annotations

from collections.abc import Sequence

from core.attempts._calls import Calls
from core.attempts._terms import RouteTerms
from core.errors import Exhausted, Unpriced
from core.tables import Outcome


def without_price(models: Sequence[str], why: str) -> Unpriced:
    """Return that none of *models*, which are all that could be asked, has a price."""
    return Unpriced(
        f"No model of this route that could be asked has a price ({', '.join(models)}), and {why}. "
        f"An operator can set a price (proctor price set {models[0]}), or "
        "allow calls without one (proctor tenant edit --without-price allow).",
        models=list(models),
    )


def exhausted(route: RouteTerms, calls: Calls, *, is_late: bool) -> Exhausted:
    """Return how the last call ended, or why there was none."""
    last, count = calls.last, calls.count
    held_back = "".join(f" {one}" for one in route.held_back)
    if last is None and is_late:
        return Exhausted(
            f"The deadline of {route.deadline_seconds:g} s had passed before anybody could be asked.",
            outcome=Outcome.TIMEOUT,
        )
    if last is None:
        return Exhausted(
            "No model of this route could be asked: see the decision trace. "
            f"Set a provider key, choose another model, or wait until a breaker closes.{held_back}",
            outcome=Outcome.PROVIDER_ERROR,
        )
    times = "1 call" if count == 1 else f"{count} calls"
    rest = {} if calls.rest_seconds is None else {"retry_after_seconds": calls.rest_seconds}
    return Exhausted(
        f"No valid object after {times}; the last one, to {last.provider}/{last.model}, ended as "
        f"{last.outcome.value.replace('_', ' ')}: {last.error_detail}{held_back}",
        outcome=last.outcome,
        **rest,
    )

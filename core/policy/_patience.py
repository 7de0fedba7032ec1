"""How long a relayed call may take: a program that was written for the vendor waits as long as its SDK does."""

from __future__ import annotations

from dataclasses import replace

from core.attempts import RouteTerms
from core.routes import USUAL_DEADLINE_SECONDS
from core.settings import Settings


def patient(route: RouteTerms, settings: Settings) -> RouteTerms:
    """Return *route* with the time of relayed calls wherever it has the usual ones; what an operator set holds."""
    usual = settings.attempt_timeout_seconds
    more = settings.relay_seconds - usual
    if more <= 0 or all(one.timeout_seconds != usual for one in route.candidates):
        return route
    deadline = route.deadline_seconds
    return replace(
        route,
        candidates=tuple(
            replace(one, timeout_seconds=settings.relay_seconds) if one.timeout_seconds == usual else one
            for one in route.candidates
        ),
        deadline_seconds=deadline + more
        if deadline in {USUAL_DEADLINE_SECONDS, settings.deadline_seconds}
        else deadline,
    )

"""How long a relayed call may take and its answer may be, where nobody set it: as with the vendor itself.

A program that was written for the vendor waits as long as its SDK does, and expects an answer that is as long as the
model writes. Both cost what is held: places, and money.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.attempts import Candidate, RouteTerms
from core.capabilities import ModelCard
from core.routes import USUAL_DEADLINE_SECONDS
from core.settings import Settings

_SHARE_OF_CONTEXT = 4
"""An answer may take this part of what a model reads and writes together: with more, long prompts would not fit."""


def relay_terms(route: RouteTerms, settings: Settings, card_of: Callable[[str, str], ModelCard]) -> RouteTerms:
    """Return *route* as it is for relayed calls: other wherever it has the usual bounds; what an operator set holds.

    *card_of* tells what is known of a provider's model.
    """
    more = settings.relay_seconds - settings.attempt_timeout_seconds
    candidates = tuple(_roomy(_patient(one, settings), settings, card_of) for one in route.candidates)
    usual = settings.attempt_timeout_seconds
    is_patient = more > 0 and any(one.timeout_seconds == usual for one in route.candidates)
    deadline = route.deadline_seconds
    if is_patient and deadline in {USUAL_DEADLINE_SECONDS, settings.deadline_seconds}:
        deadline += more
    return replace(route, candidates=candidates, deadline_seconds=deadline)


def _patient(one: Candidate, settings: Settings) -> Candidate:
    usual = settings.attempt_timeout_seconds
    if one.timeout_seconds != usual or settings.relay_seconds <= usual:
        return one
    return replace(one, timeout_seconds=settings.relay_seconds)


def _roomy(one: Candidate, settings: Settings, card_of: Callable[[str, str], ModelCard]) -> Candidate:
    if one.max_tokens != settings.max_output_tokens or one.most_tokens is not None:
        return one
    most = most_written(card_of(one.provider, one.model), settings.relay_output_tokens)
    return replace(one, max_tokens=most) if most > one.max_tokens else one


def most_written(card: ModelCard, bound: int) -> int:
    """Return how many tokens of an answer, of *bound* at most, a model surely takes as its limit; 0 if nobody knows."""
    if card.output is None:
        return 0
    return min(card.output, bound, card.context // _SHARE_OF_CONTEXT if card.context else bound)

"""How a generation may end: the outcome, the code, the sentence, and the room in which it did."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import (
    BudgetExceeded,
    Cancelled,
    FeatureDisabled,
    GuardrailBlocked,
    ProctorError,
    RateLimited,
    Unbudgeted,
    Unpriced,
)
from core.tables import Outcome

STOPPED: Mapping[type[ProctorError], Outcome] = {
    RateLimited: Outcome.BLOCKED_RATE,
    BudgetExceeded: Outcome.BLOCKED_BUDGET,
    Unbudgeted: Outcome.BLOCKED_BUDGET,
    Unpriced: Outcome.BLOCKED_BUDGET,
    GuardrailBlocked: Outcome.BLOCKED_GUARDRAIL,
    FeatureDisabled: Outcome.BLOCKED_FLAG,
    Cancelled: Outcome.CANCELLED,
}


def code_of(error: BaseException | None) -> str:
    """Return the stable code of how it ended."""
    if isinstance(error, ProctorError):
        return error.code
    return "internal_error" if isinstance(error, Exception) else "cancelled"


def sentence_of(error: BaseException) -> str:
    """Return how it ended, for people; of a fault of ours, its kind only."""
    if isinstance(error, ProctorError):
        return error.message
    if isinstance(error, Exception):
        return f"Proctor itself failed ({type(error).__name__}); the log has it under this generation's id."
    return "The caller left before the answer came."


_ROOMS: Mapping[type[ProctorError], str] = {
    RateLimited: "limit",
    BudgetExceeded: "reserve",
    Unbudgeted: "reserve",
    Unpriced: "reserve",
    FeatureDisabled: "policy",
    Cancelled: "attempt",
}


def last_step(error: BaseException) -> tuple[str, str, str]:
    """Return room, verdict and reason of the step at which it ended."""
    if isinstance(error, GuardrailBlocked):
        return ("screen in" if error.facts.get("stage") == "input" else "screen out"), "blocked", error.message
    for kind, room in _ROOMS.items():
        if isinstance(error, kind):
            return room, "cancelled" if kind is Cancelled else "blocked", error.message
    return "attempt", "cancelled" if not isinstance(error, Exception) else "failed", sentence_of(error)

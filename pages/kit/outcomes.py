"""How each outcome and each kind of attempt is shown, on every page alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pages.kit.markup import plain

Colour = Literal["green", "orange", "red", "blue", "violet", "gray", "yellow", "primary"]


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: a word, an icon and a colour, never a colour alone."""

    word: str
    icon: str
    colour: Colour

    @property
    def badge(self) -> str:
        """Markdown for a badge."""
        return f":{self.colour}-badge[{self.icon} {self.word}]"


OUTCOMES: dict[str, Look] = {
    "valid_first_try": Look("Valid", ":material/check_circle:", "green"),
    "valid_after_reask": Look("Valid after re-ask", ":material/published_with_changes:", "green"),
    "valid_after_fallback": Look("Valid after fallback", ":material/alt_route:", "green"),
    "cache_hit": Look("Cache hit", ":material/bolt:", "green"),
    "invalid": Look("Invalid", ":material/rule:", "red"),
    "truncated": Look("Truncated", ":material/content_cut:", "red"),
    "refused": Look("Refused", ":material/block:", "red"),
    "content_filtered": Look("Content filtered", ":material/filter_alt:", "red"),
    "provider_error": Look("Provider error", ":material/cloud_off:", "red"),
    "timeout": Look("Timeout", ":material/timer_off:", "red"),
    "internal_error": Look("Our own fault", ":material/bug_report:", "red"),
    "blocked_budget": Look("Blocked: budget", ":material/money_off:", "orange"),
    "blocked_rate": Look("Blocked: rate", ":material/speed:", "orange"),
    "blocked_guardrail": Look("Blocked: guardrail", ":material/shield:", "orange"),
    "blocked_flag": Look("Blocked: flag", ":material/toggle_off:", "orange"),
    "cancelled": Look("Cancelled", ":material/cancel:", "gray"),
}
"""The look of every outcome, by its value."""
KINDS = {
    "first": Look("First ask", ":material/arrow_forward:", "blue"),
    "re-ask": Look("Re-ask", ":material/replay:", "violet"),
    "retry": Look("Retry", ":material/refresh:", "gray"),
    "fallback": Look("Fallback", ":material/alt_route:", "orange"),
    "hedge": Look("Hedge", ":material/call_split:", "orange"),
}
"""The look of every kind of attempt, by its value."""


def badge(outcome: str) -> str:
    """Return Markdown for an outcome: icon, word, colour."""
    look = OUTCOMES.get(outcome)
    return look.badge if look else f":gray-badge[{plain(outcome)}]"


def word(outcome: str) -> str:
    """Return an outcome in words."""
    look = OUTCOMES.get(outcome)
    return look.word if look else outcome

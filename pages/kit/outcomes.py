"""How each outcome and each kind of attempt is shown, on every page alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pages.kit.markup import plain

Colour = Literal["green", "orange", "red", "blue", "violet", "gray", "yellow", "primary"]


@dataclass(frozen=True, slots=True)
class Badge:
    """How a state is shown: a word, an icon and a colour, never a colour alone."""

    word: str
    icon: str
    colour: Colour

    @property
    def markdown(self) -> str:
        """It as Markdown."""
        return f":{self.colour}-badge[{self.icon} {self.word}]"


OUTCOMES: dict[str, Badge] = {
    "valid_first_try": Badge("Valid", ":material/check_circle:", "green"),
    "valid_after_reask": Badge("Valid after re-ask", ":material/published_with_changes:", "green"),
    "valid_after_fallback": Badge("Valid after fallback", ":material/alt_route:", "green"),
    "cache_hit": Badge("Cache hit", ":material/bolt:", "green"),
    "invalid": Badge("Invalid", ":material/rule:", "red"),
    "truncated": Badge("Truncated", ":material/content_cut:", "red"),
    "refused": Badge("Refused", ":material/block:", "red"),
    "content_filtered": Badge("Content filtered", ":material/filter_alt:", "red"),
    "provider_error": Badge("Provider error", ":material/cloud_off:", "red"),
    "timeout": Badge("Timeout", ":material/timer_off:", "red"),
    "internal_error": Badge("Our own fault", ":material/bug_report:", "red"),
    "blocked_budget": Badge("Blocked: budget", ":material/money_off:", "orange"),
    "blocked_rate": Badge("Blocked: rate", ":material/speed:", "orange"),
    "blocked_guardrail": Badge("Blocked: guardrail", ":material/shield:", "orange"),
    "blocked_flag": Badge("Blocked: flag", ":material/toggle_off:", "orange"),
    "unchecked": Badge("Unchecked", ":material/chat:", "blue"),
    "cancelled": Badge("Cancelled", ":material/cancel:", "gray"),
}
"""The badge of every outcome, by its value."""
LOST = frozenset(outcome for outcome, badge in OUTCOMES.items() if badge.colour in ("red", "orange"))
"""Outcomes whose callers got no object, though they waited for one."""
KINDS = {
    "first": Badge("First ask", ":material/arrow_forward:", "blue"),
    "re-ask": Badge("Re-ask", ":material/replay:", "violet"),
    "retry": Badge("Retry", ":material/refresh:", "gray"),
    "fallback": Badge("Fallback", ":material/alt_route:", "orange"),
    "hedge": Badge("Hedge", ":material/call_split:", "orange"),
}
"""The badge of every kind of attempt, by its value."""
ASKED_AGAIN = Badge("Asked again", ":material/forward:", "gray")
"""Of a call whose client asked again for its answer: it is counted with the one that did."""


def badge(outcome: str) -> str:
    """Return Markdown for an outcome: icon, word, colour."""
    known = OUTCOMES.get(outcome)
    return known.markdown if known else f":gray-badge[{plain(outcome)}]"


def word(outcome: str) -> str:
    """Return an outcome in words."""
    known = OUTCOMES.get(outcome)
    return known.word if known else outcome

"""Of which calls prompts and answers are kept, and for how long: what a tenant says, and a route may narrow.

And how long the calls themselves are, of which figures stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from core.errors import Invalid

LONGEST_DAYS = 3650
LEAST_CALL_DAYS = 62
"""A budget is tried on the calls of its last 30 days and of the month in which those began; what else asks for calls
themselves, as an account that begins late, a re-pricing of last month or a request that is repeated, goes back less."""
_DRAWN_DIGITS = 8
"""So many of the last digits of a generation's id are random: more than enough for a hundredth."""


@dataclass(frozen=True, slots=True)
class PayloadTerms:
    """What holds for the prompts and answers of one generation."""

    days: int
    """0 keeps none."""
    percent: int = 100
    """Of so many of a hundred valid calls; of a failure always."""

    def narrowed(self, days: int | None, percent: int | None) -> PayloadTerms:
        """Return what holds where another one says how much is kept at most; ``None`` says nothing."""
        return PayloadTerms(
            self.days if days is None else min(self.days, days),
            self.percent if percent is None else min(self.percent, percent),
        )

    @property
    def retention(self) -> timedelta:
        """How long they are kept, from the call's beginning on; nothing where none are."""
        return timedelta(days=self.days)

    def draws(self, generation_id: str) -> bool:
        """Whether they are kept however the call ends: decided by its id, so for all of it alike."""
        return self.percent >= 100 or int(generation_id[-_DRAWN_DIGITS:], 16) % 100 < self.percent


def payload_days(value: object) -> int:
    """Return for how many days prompts and answers are kept, or raise Invalid."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_DAYS:
        return value
    raise Invalid(f"Prompts and answers are kept for 0 to {LONGEST_DAYS} days; 0 keeps none.")


def payload_percent(value: object) -> int:
    """Return of how many of a hundred valid calls they are kept, or raise Invalid."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100:
        return value
    raise Invalid("Prompts and answers are kept of 0 to 100 % of the valid calls; with 0 of failures alone.")


def call_days(value: object) -> int | None:
    """Return for how many days calls are kept, ``None`` for ever, or raise Invalid."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_CALL_DAYS <= value <= LONGEST_DAYS:
        return value
    raise Invalid(
        f"Calls are kept for {LEAST_CALL_DAYS} to {LONGEST_DAYS} days, or for ever: budgets, prices and repeated "
        f"requests look back at calls for up to {LEAST_CALL_DAYS}. Prompts and answers may go sooner."
    )

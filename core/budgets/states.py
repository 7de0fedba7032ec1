"""How a budget stands: its terms, and what of its current account is spent and held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.budgets.terms import BudgetTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget and its current account."""

    terms: BudgetTerms
    limit_nano_usd: int
    """As it is now, raises included."""
    spent_nano_usd: int
    held_nano_usd: int
    starts_at: datetime
    ends_at: datetime
    is_current: bool
    """Whether it governs now; a fixed span may lie ahead, or be over."""
    version: int

    @property
    def budget_id(self) -> str:
        """The id of the budget."""
        return self.terms.budget_id

    @property
    def used_share(self) -> float | None:
        """Spent over limit; ``None`` for a limit of 0."""
        return self.spent_nano_usd / self.limit_nano_usd if self.limit_nano_usd else None

    @property
    def threshold(self) -> int | None:
        """The highest threshold, in percent, that is passed; ``None`` below the first."""
        passed = [
            percent
            for percent in (*self.terms.thresholds, 100)
            if self.spent_nano_usd * 100 >= percent * self.limit_nano_usd
        ]
        return max(passed, default=None)


def state_of(terms: BudgetTerms, version: int, now: datetime, spent: int, held: int) -> BudgetState:
    """Return how a budget stands of which so much is spent and held."""
    span = terms.span(now)
    starts_at, ends_at = span or (terms.starts_at or now, terms.ends_at or now)
    return BudgetState(
        terms=terms,
        limit_nano_usd=terms.limit_at(now),
        spent_nano_usd=spent,
        held_nano_usd=held,
        starts_at=starts_at,
        ends_at=ends_at,
        is_current=span is not None,
        version=version,
    )

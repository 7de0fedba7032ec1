"""What is said where a budget does not cover a call: whether the money is spent, or only held by calls that are out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from core.budgets.terms import BudgetTerms, dollars
from core.clock import minute
from core.errors import BudgetExceeded, BudgetHeld

_LONGEST_RETRY_SECONDS = 30.0


class Shortage(NamedTuple):
    """A call that a budget does not cover. Amounts are nano-dollars."""

    terms: BudgetTerms
    ends_at: datetime
    """When the period of the budget ends."""
    limit: int
    spent: int
    held: int
    """For all calls that are out, those of the same generation included."""
    own: int
    """What of it the generation holds itself."""
    wanted: int
    """What the generation would hold in all."""

    @property
    def is_passing(self) -> bool:
        """Whether the call would fit, did the calls of others that are out hold nothing."""
        return self.spent + self.wanted <= self.limit

    def spent_out(self) -> BudgetExceeded:
        """Return what is said where nothing that comes back would be enough."""
        left = max(0, self.limit - self.spent - self.held)
        return BudgetExceeded(
            f"The next attempt could cost {dollars(self.wanted)}, and {dollars(left)} of {self.terms.name}, "
            f"{dollars(self.limit)}, is left. It resets at {minute(self.ends_at)}; "
            "an operator can raise it, or ask for fewer tokens.",
            **self._facts,
        )

    def held_out(self, holders: int, usual_seconds: float) -> BudgetHeld:
        """Return what is said where *holders* generations hold the money, which usually take *usual_seconds*."""
        who = "1 call that is out" if holders == 1 else f"{holders:,} calls that are out"
        short = BudgetHeld(
            f"The next attempt could cost {dollars(self.wanted)}. Of {self.terms.name}, {dollars(self.limit)}, "
            f"{dollars(self.spent)} is spent and {dollars(self.held - self.own)} is held by {who}; "
            "what is not used comes back as they end. Send it again a little later, or ask for fewer tokens.",
            **self._facts,
            held_by=holders,
            retry_after_seconds=round(min(max(usual_seconds, 1.0), _LONGEST_RETRY_SECONDS), 1),
        )
        short.about = self.terms
        return short

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            "scope": self.terms.scope.value,
            "scope_name": self.terms.scope_name,
            "limit_nano_usd": self.limit,
            "spent_nano_usd": self.spent,
            "held_nano_usd": self.held,
            "resets_at": self.ends_at.isoformat(),
        }

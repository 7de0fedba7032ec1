"""What is left of a caller's limits and budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.budgets import BudgetLeft
from core.limits import LimitLeft


@dataclass(frozen=True, slots=True)
class Remaining:
    """What the limits knew at the door, and what the budget knew when money was last moved: nobody is asked for it."""

    limits: Sequence[LimitLeft] = ()
    """Of each kind the one that has least left."""
    budget: BudgetLeft | None = None
    """``None`` where no budget paid."""


NOTHING_TOLD = Remaining()

"""What is left of the money that pays for a generation."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from core.budgets.reservations import ReservationHandle
from core.budgets.terms import Mode


class BudgetLeft(NamedTuple):
    """What is left of a budget."""

    nano_usd: int
    """Neither spent nor held."""
    resets_at: datetime


def budget_left(handle: ReservationHandle, now: datetime) -> BudgetLeft | None:
    """Return what is left of the budget that will stop the calls first, as of the last time that money was moved.

    ``None`` where none was. One that only tells people counts where there is no other.
    """
    found: list[tuple[bool, int, BudgetLeft]] = []
    for account_id, balance in handle.balances.items():
        terms = handle.by_account[account_id]
        if (span := terms.span(handle.at)) is not None:
            left = max(0, terms.limit_at(now) - sum(balance))
            found.append((terms.mode is Mode.SOFT, left, BudgetLeft(left, span[1])))
    return min(found, key=lambda one: one[:2])[2] if found else None

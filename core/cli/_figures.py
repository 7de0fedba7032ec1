"""Money and generations as the command line writes them for people."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.record import Generation


def figures(made: Generation) -> str:
    """Return what it took, in one line."""
    tokens = f"{made.usage.input_tokens} + {made.usage.output_tokens} tokens"
    attempts = f"{len(made.attempts)} attempt{'s' if len(made.attempts) != 1 else ''}"
    seconds = f"{made.duration_ms / 1000:.2f} s"
    parts = (made.outcome, f"{made.provider}/{made.model}", attempts, tokens, usd(made.cost_nano_usd), seconds, made.id)
    return " · ".join(parts)


def usd(nano_usd: int | None) -> str:
    """Return an amount as the console writes it: in cents from a dollar on, else told apart from nothing."""
    if nano_usd is None:
        return "unpriced"
    sign, amount = "-" if nano_usd < 0 else "", abs(Decimal(nano_usd).scaleb(-9))
    if nano_usd == 0 or amount >= 1:
        return f"{sign}${amount:,.2f}"
    decimals = 4 if amount >= Decimal("0.01") else min(9, 1 - amount.adjusted())
    return f"{sign}${amount:.{decimals}f}"

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
    """Return an amount as people read it: cents from a dollar on, else four significant digits; unknown is unpriced."""
    if nano_usd is None:
        return "unpriced"
    amount = Decimal(nano_usd).scaleb(-9)
    if nano_usd == 0 or abs(amount) >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.{min(9, max(2, 3 - amount.adjusted()))}f}"

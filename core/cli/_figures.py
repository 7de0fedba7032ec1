"""Money, generations and times as people write them on the command line, or read them there."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core.errors import Invalid

if TYPE_CHECKING:
    from core.record import Generation

_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")


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


def moment(value: str | None, timezone: str) -> datetime | None:
    """Return a time that was written in the tenant's time zone.

    Raises:
        Invalid: it is no time.

    """
    if value is None:
        return None
    for form in _TIMES:
        try:
            return datetime.strptime(value, form).replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
        except (ValueError, OverflowError):  # the first day of all times lies before it in UTC, east of Greenwich
            continue
    raise Invalid(f"{value!r} is not a time; write it like 2026-12-31 or 2026-12-31T18:00.")

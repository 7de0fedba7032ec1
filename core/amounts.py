"""Numbers that people and programs write down: read alike at every door, and refused in the same words."""

from __future__ import annotations

import re
from decimal import Decimal

from core.errors import Invalid

_MOST_DIGITS = 18
"""Before the point: more is no amount, and would take for ever to multiply."""
FORM = "an amount in dollars; write it like 25 or 25.50"
_WRITTEN = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]{1,20})?|\.[0-9]{1,20}")
"""Digits as on every keyboard, a point, and commas between thousands: no sign, no exponent, no ``_``, no ``NaN``."""


def written_number(given: object) -> Decimal | None:
    """Return the number, not below 0, that a text says or that a program gave as one; ``None`` where it is none."""
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        return None
    if isinstance(given, str):
        text = given.strip().removeprefix("$")
    else:
        number = Decimal(str(given))
        if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS + 2:
            return None
        text = f"{number:f}"
    if not _WRITTEN.fullmatch(text) or len(text.partition(".")[0].replace(",", "")) > _MOST_DIGITS:
        return None
    return Decimal(text.replace(",", ""))


def written_dollars(given: object) -> Decimal:
    """Return dollars as they were written: ``25``, ``25.50`` or ``$1,200``.

    Raises:
        Invalid: it is no amount.

    """
    amount = written_number(given)
    if amount is None:
        shown = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:59]}…"
        raise Invalid(f"{shown} is not {FORM}.")
    return amount

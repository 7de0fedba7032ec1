"""Numbers and times as people read them. Unknown is a dash or *unpriced*, never zero."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from core.pricing import NANO
from core.reports import csv as csv  # noqa: PLC0414 as pages know it

UNKNOWN = "\N{EN DASH}"
"""What stands where there is no figure."""


def count(value: int | None) -> str:
    """Return a whole number with thousands separators."""
    return UNKNOWN if value is None else f"{value:,}"


def short(value: float | None) -> str:
    """Return a number in three significant digits and a letter: ``1.24M``."""
    if value is None:
        return UNKNOWN
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            scaled = value / size
            return f"{scaled:.{_decimals(scaled)}f}{letter}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def dollars(nano_usd: int | None) -> str:
    """Return an amount in dollars, with decimals enough to tell it from nothing; ``None`` is *unpriced*."""
    if nano_usd is None:
        return "unpriced"
    sign, amount = ("-", -nano_usd) if nano_usd < 0 else ("", nano_usd)
    value = amount / NANO
    if amount == 0 or value >= 1:
        return f"{sign}${value:,.2f}"
    if value >= 0.01:
        return f"{sign}${value:.4f}"
    digits = min(9, 1 - math.floor(math.log10(value)))
    return f"{sign}${value:.{digits}f}"


def size(byte_count: int) -> str:
    """Return a file's size, such as ``34 kB``."""
    if byte_count < 1000:
        return f"{byte_count} B"
    if byte_count < 1_000_000:
        return f"{byte_count / 1000:.0f} kB"
    return f"{byte_count / 1e6:.1f} MB" if byte_count < 1_000_000_000 else f"{byte_count / 1e9:.1f} GB"


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share of one as a percentage; a rate above 99.9 % that is not whole is never rounded up to 100 %."""
    if share is None:
        return UNKNOWN
    shown = round(share * 100, decimals)
    if shown == 100 and share < 1:
        shown = 100 - 10**-decimals
    return f"{shown:.{decimals}f}%"


def millis(value: float | None) -> str:
    """Return milliseconds as ms below a second, as seconds from there on."""
    if value is None:
        return UNKNOWN
    if value < 999.5:
        return f"{value:.0f} ms"
    seconds = value / 1000
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"


def change(now: float | None, before: float | None) -> str | None:
    """Return the relative change as ``+12%``, from tenfold on as a factor; ``None`` if unknown or before was 0."""
    if now is None or not before:
        return None
    ratio = now / before
    if ratio >= 10:
        return f"\N{MULTIPLICATION SIGN}{ratio:,.0f}"
    if abs(ratio - 1) < 0.0005:
        return "0%"
    return f"{ratio - 1:+.1%}" if abs(ratio - 1) < 0.0995 else f"{ratio - 1:+.0%}"


def points(now: float | None, before: float | None) -> str | None:
    """Return the difference of two shares in percentage points as ``+1.2 pp``; ``None`` where either is unknown."""
    if now is None or before is None:
        return None
    difference = (now - before) * 100
    return "0 pp" if abs(difference) < 0.05 else f"{difference:+.1f} pp"


def moment(at: datetime | None, zone: str = "UTC", *, seconds: bool = False) -> str:
    """Return a time in *zone*, which the caller must name beside it."""
    if at is None:
        return UNKNOWN
    return at.astimezone(_zone(zone)).strftime("%b %d, %H:%M:%S" if seconds else "%b %d, %H:%M")


def month(at: datetime, zone: str = "UTC") -> str:
    """Return the month of *zone* that *at* lies in: ``2026-11``."""
    return at.astimezone(_zone(zone)).strftime("%Y-%m")


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago *at* was, in its largest whole unit."""
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now" if seconds < 5 else f"{seconds} s ago"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Return *number* with the noun in the right form."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _decimals(scaled: float) -> int:
    return max(0, 2 - int(math.log10(abs(scaled)))) if scaled else 0

"""How long a vendor asks us to wait, in whichever of its headers it says so."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 86_400.0
"""More than a day is not taken for meant."""
_KINDS = ("requests", "tokens", "input-tokens", "output-tokens")
_SPAN = re.compile(
    r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?"
)


def wait_in(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that *headers* ask us to wait, seen from *now*; ``None`` where they ask for none.

    ``retry-after-ms`` goes before ``retry-after``, which is a number of seconds or a date (RFC 9110), and this before
    the time at which a limit that is used up is full again. The sender's own clock counts, where it tells the time.
    What is no number, lies below zero or says nothing is passed over; more than a day is a day.
    """
    there = _moment(headers.get("date", "")) or now
    return next((min(wait, LONGEST_SECONDS) for wait in _waits(headers, there) if wait is not None), None)


def _waits(headers: Mapping[str, str], now: datetime) -> Iterator[float | None]:
    milliseconds = _number(headers.get("retry-after-ms", ""))
    yield None if milliseconds is None else milliseconds / 1000
    asked = headers.get("retry-after", "")
    yield _number(asked)
    yield _until(_moment(asked), now)
    used_up = [
        _reset(headers.get(f"{prefix}-reset-{kind}") or headers.get(f"{prefix}-{kind}-reset") or "", now)
        for prefix in ("x-ratelimit", "anthropic-ratelimit")
        for kind in _KINDS
        if (headers.get(f"{prefix}-remaining-{kind}") or headers.get(f"{prefix}-{kind}-remaining")) == "0"
    ]
    if headers.get("x-ratelimit-remaining") == "0":
        used_up.append(_reset(headers.get("x-ratelimit-reset", ""), now))
    yield max((wait for wait in used_up if wait is not None), default=None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _moment(text: str) -> datetime | None:
    """Return the time that *text* is, as mail or as ISO 8601 writes it."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text.strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _until(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _reset(text: str, now: datetime) -> float | None:
    """Return the seconds until a reset: a span (``6m0s``), seconds, seconds or milliseconds since 1970, or a time."""
    if text and (span := _SPAN.fullmatch(text)):
        days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in span.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + milliseconds / 1000
    number = _number(text)
    if number is None:
        return _until(_moment(text), now)
    if number < 1e8:
        return number
    return max(0.0, (number / 1000 if number >= 1e11 else number) - now.timestamp())

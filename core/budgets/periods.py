"""Periods: the day, the week or the month around a time, as the calendar of a time zone has it, or a fixed span."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo


class Period(StrEnum):
    """How long a budget lasts before it resets."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SPAN = "span"
    """From one fixed time to another, once."""


Span = tuple[datetime, datetime]
"""The first moment in it and the first after it, in UTC."""


@lru_cache(maxsize=1024)  # a generation asks several times for the one that it began in
def period_around(kind: Period, timezone: str, at: datetime) -> Span:
    """Return the day, the week (from Monday on) or the month of *timezone* that *at* lies in.

    Where clocks change, a day has 23 or 25 hours. A midnight that is skipped is the moment of the change.

    Raises:
        ValueError: *kind* is a fixed span, which no calendar knows.

    """
    local = at.astimezone(ZoneInfo(timezone)).date()
    return _of_calendar(kind, timezone, _FIRST[kind](local))


@lru_cache(maxsize=4096)
def _of_calendar(kind: Period, timezone: str, first: date) -> Span:
    zone = ZoneInfo(timezone)
    return _midnight(first, zone), _midnight(_NEXT[kind](first), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _no_calendar(_: date) -> date:
    raise ValueError("A fixed span is known by its ends, not by the calendar.")


_FIRST: dict[Period, Callable[[date], date]] = {
    Period.DAY: lambda day: day,
    Period.WEEK: lambda day: day - timedelta(days=day.weekday()),
    Period.MONTH: lambda day: day.replace(day=1),
    Period.SPAN: _no_calendar,
}
_NEXT: dict[Period, Callable[[date], date]] = {
    Period.DAY: lambda day: day + timedelta(days=1),
    Period.WEEK: lambda day: day + timedelta(days=7),
    Period.MONTH: lambda day: (day.replace(day=1) + timedelta(days=31)).replace(day=1),
}

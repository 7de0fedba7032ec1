"""Which stretch of time somebody means: the last hours, a day, week or month by its name, or from one time to another.

What it means depends on the zone: a day begins at its midnight (where that is skipped, with the clocks' change), a week
on Monday. Every stretch holds its start and not its end. What is under way is held against the same part of the one
before: this month up to now against last month up to the same day and hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.budgets.periods import Period, period_around
from core.clock import EARLIEST, LATEST
from core.reports.windows import Window

HOURS: Mapping[str, int] = {"1h": 1, "6h": 6, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""The ranges that end now, and how far each reaches back."""
_PERIODS: Mapping[str, tuple[Period, int]] = {
    "today": (Period.DAY, 0),
    "yesterday": (Period.DAY, 1),
    "this-week": (Period.WEEK, 0),
    "last-week": (Period.WEEK, 1),
    "this-month": (Period.MONTH, 0),
    "last-month": (Period.MONTH, 1),
}
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAYS = tuple(f"last-{day}" for day in _WEEK)
NAMED = (*_PERIODS, *_WEEKDAYS)
"""The ranges that the calendar knows. *Last Monday* is the newest one before today."""
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)
"""How long one from a time to another may be."""
_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time as it was asked for: by its *name*, or from one time to another."""

    name: str = ""
    """One of :data:`HOURS` or :data:`NAMED`; empty for one from a time to another."""
    span: Span | None = None

    @classmethod
    def read(cls, text: str) -> Range | None:
        """Return what ``str()`` gave: a name, or two times with a slash between; ``None`` for anything else."""
        if text in HOURS or text in NAMED:
            return cls(text)
        begins, _, ends = text.partition("/")
        return cls.between(moment(begins), moment(ends))

    @classmethod
    def between(cls, starts_at: datetime | None, ends_at: datetime | None) -> Range | None:
        """Return the one between two times; ``None`` where they make none: too long, too short or the wrong way."""
        if starts_at is None or ends_at is None or not SHORTEST <= ends_at - starts_at <= LONGEST:
            return None
        return cls(span=(starts_at, ends_at))

    def __str__(self) -> str:
        """Return it as one word."""
        return self.name if self.span is None else "/".join(at.isoformat() for at in self.span)

    @property
    def ends_now(self) -> bool:
        """Whether it moves on with the time."""
        return self.name in HOURS or _PERIODS.get(self.name, (None, 1))[1] == 0

    def window(self, now: datetime, zone: str) -> Window:
        """Return the stretch that it is at this time in *zone*, and what that is to be compared with."""
        if self.name in HOURS:
            return Window.last(timedelta(hours=HOURS[self.name]), now, zone)
        shown, before = self._named(now, zone) if self.span is None else (self.span, _before(self.span, zone))
        return Window.of(shown[0], max(shown[1], shown[0] + SHORTEST), zone, before)

    def _named(self, now: datetime, zone: str) -> tuple[Span, Span]:
        local = now.astimezone(ZoneInfo(zone))
        if self.name in _WEEKDAYS:
            back = (local.weekday() - _WEEKDAYS.index(self.name) - 1) % 7 + 1
            return _day(local.date() - back * _DAY, zone), _day(local.date() - (back + 7) * _DAY, zone)
        kind, back = _PERIODS[self.name]
        shown = period_around(kind, zone, now)
        for _ in range(back):
            shown = _one_before(kind, shown, zone)
        before = _one_before(kind, shown, zone)
        return (shown, before) if back else ((shown[0], now), _same_part(local, shown, before))


def moment(text: str) -> datetime | None:
    """Return a time that says its offset, as addresses have it (``2026-11-24T09:00+01:00``); ``None`` for others.

    A plus sign that nobody encoded arrives as a blank.
    """
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return at if at.tzinfo is not None and EARLIEST <= at <= LATEST else None


def _day(day: date, zone: str) -> Span:
    return period_around(Period.DAY, zone, datetime.combine(day, time(12), ZoneInfo(zone)))


def _one_before(kind: Period, span: Span, zone: str) -> Span:
    return period_around(kind, zone, span[0] - _INSTANT)


def _same_part(local: datetime, shown: Span, before: Span) -> Span:
    """Return of the period *before* what has passed of the one that is *shown*: as many days, to the same hour."""
    zone = local.tzinfo
    passed = local.date() - shown[0].astimezone(zone).date()
    until = datetime.combine(before[0].astimezone(zone).date() + passed, local.time(), zone)
    return before[0], min(until.astimezone(before[0].tzinfo), before[1])


def _before(span: Span, zone: str) -> Span:
    """Return what lies before a stretch: of whole days as many days, else as much time."""
    first, last = (at.astimezone(ZoneInfo(zone)).date() for at in span)
    if (_day(first, zone)[0], _day(last, zone)[0]) == span:
        return _day(first - (last - first), zone)[0], span[0]
    return span[0] - (span[1] - span[0]), span[0]

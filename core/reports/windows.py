"""Stretches of time and how they are cut: always in multiples of 15 minutes, from a quarter of an hour on.

Cuts of more than an hour are made on the wall: days begin at midnight, and one in which clocks change is an hour longer
or shorter than the others. Narrower ones are all alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.clock import EPOCH

QUARTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
Shifts = tuple[tuple[datetime, timedelta], ...]

# Up to a length: how wide a point of a line is, and how wide a bar or a cell. The second is a multiple of the first.
# A day in which clocks go back is cut like any other, and so is its week.
_CUTS = (
    (timedelta(hours=6), QUARTER, QUARTER),
    (_DAY + _HOUR, 2 * QUARTER, _HOUR),
    (7 * _DAY + _HOUR, 3 * _HOUR, 6 * _HOUR),
    (timedelta.max, 12 * _HOUR, _DAY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time, its start included and its end not. Its last bucket may be under way."""

    starts_at: datetime
    ends_at: datetime
    bucket: timedelta
    """Width of one point of a line."""
    cell: timedelta
    """Width of one bar, or one cell of a heat map: a multiple of ``bucket``."""
    zone: str = "UTC"
    """IANA name of the zone whose midnights are cuts."""
    before: tuple[datetime, datetime] | None = None
    """What it is compared with, where that is not the same time some cells earlier."""

    @classmethod
    def last(cls, length: timedelta, now: datetime, zone: str = "UTC") -> Window:
        """Return the window that ends *now* and reaches back *length*, and on to the next cut before that.

        Cuts count from midnight in *zone*; those of an hour at most by the offset that holds now.
        """
        bucket, cell = next((bucket, cell) for longest, bucket, cell in _CUTS if length <= longest)
        if cell <= _HOUR:
            origin = EPOCH - _offset(zone, now)
            starts_at = origin + (now - length - origin) // cell * cell
        else:
            shown = wall(now - length, zone)
            starts_at = _at_wall(EPOCH + (shown - EPOCH) // cell * cell, zone)
        return cls(starts_at=starts_at, ends_at=now, bucket=bucket, cell=cell, zone=zone)

    @classmethod
    def of(
        cls,
        starts_at: datetime,
        ends_at: datetime,
        zone: str = "UTC",
        before: tuple[datetime, datetime] | None = None,
    ) -> Window:
        """Return the window from *starts_at* to *ends_at*, exactly; its cuts count from :attr:`origin`."""
        length = ends_at - starts_at
        bucket, cell = next((bucket, cell) for longest, bucket, cell in _CUTS if length <= longest)
        return cls(starts_at=starts_at, ends_at=ends_at, bucket=bucket, cell=cell, zone=zone, before=before)

    @property
    def origin(self) -> datetime:
        """From where its buckets and cells count: the quarter of an hour in which it starts."""
        return EPOCH + (self.starts_at - EPOCH) // QUARTER * QUARTER

    @property
    def buckets(self) -> int:
        """How many buckets the window touches."""
        return self.steps(self.bucket)

    @property
    def cells(self) -> int:
        """How many cells the window touches."""
        return self.steps(self.cell)

    def bucket_at(self, number: int) -> datetime:
        """Return when a bucket begins, counted from 0."""
        return self.step_at(number, self.bucket)

    def cell_at(self, number: int) -> datetime:
        """Return when a cell begins, counted from 0."""
        return self.step_at(number, self.cell)

    def cell_end(self, begins: datetime) -> datetime:
        """Return when the cell ends that begins then."""
        return self.cell_at(self._number(begins, self.cell) + 1)

    def shifts(self, step: timedelta) -> Shifts:
        """Return from when on how much is added to a time, before it is counted in steps from :attr:`origin`.

        Nothing where clocks did not change, nor for steps that are not made on the wall.
        """
        return () if step <= _HOUR else _changes(self.zone, self.origin, self.ends_at)

    def steps(self, step: timedelta) -> int:
        """Return how many steps the window touches."""
        ends = [self.ends_at, *(at for at, _ in self.shifts(step))]  # before clocks go back it may be later than after
        return max(self._number(at - _INSTANT, step) for at in ends) + 1

    def step_at(self, number: int, step: timedelta) -> datetime:
        """Return when a step begins, counted from 0; where the clocks leave that time out, when they do."""
        due = self.origin + number * step
        since, shift = self.origin, timedelta()
        for until, following in self.shifts(step):
            if max(due - shift, since) < until:
                break
            since, shift = until, following
        return max(due - shift, since) if number > 0 else due

    def _number(self, at: datetime, step: timedelta) -> int:
        shift = next((some for since, some in reversed(self.shifts(step)) if at >= since), timedelta())
        return (at + shift - self.origin) // step

    def previous(self) -> Window:
        """Return what it is compared with, cut alike: the same time its whole cells earlier, unless another is set.

        Same hours stand against same hours; in turn the two may share less than one cell.
        """
        if self.before is not None:
            return replace(self, starts_at=self.before[0], ends_at=self.before[1], before=None)
        if self.cell <= _HOUR:
            span = (self.ends_at - self.starts_at) // self.cell * self.cell
            return replace(self, starts_at=self.starts_at - span, ends_at=self.ends_at - span)
        begins, ends = wall(self.starts_at, self.zone), wall(self.ends_at, self.zone)
        span = (ends - begins) // self.cell * self.cell
        return replace(self, starts_at=_at_wall(begins - span, self.zone), ends_at=_at_wall(ends - span, self.zone))


def _offset(zone: str, at: datetime) -> timedelta:
    if zone == "UTC":
        return timedelta()
    return at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()


def wall(at: datetime, zone: str) -> datetime:
    """Return *at* as the clock on the wall shows it in *zone*, marked as UTC: for axes that know no other zone."""
    return (at + _offset(zone, at)).astimezone(UTC)


def _at_wall(shown: datetime, zone: str) -> datetime:
    """Return when the clock on the wall shows that: the first time, or when it leaves it out."""
    return shown.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _changes(zone: str, since: datetime, until: datetime) -> Shifts:
    if zone == "UTC":
        return ()
    days = -((since - until) // _DAY)
    return tuple(one for one in _changes_of_days(zone, since, days) if one[0] < until)


@lru_cache(maxsize=1024)
def _changes_of_days(zone: str, since: datetime, days: int) -> Shifts:
    """Return when the clocks of *zone* change within so many days, and how far they are then from those at *since*."""
    first = before = _offset(zone, since)
    found: list[tuple[datetime, timedelta]] = []
    for day in range(days):
        begins, ends = since + day * _DAY, since + (day + 1) * _DAY
        after = _offset(zone, ends)
        if after == before:
            continue
        while ends - begins > _SECOND:
            middle = begins + (ends - begins) // 2 // _SECOND * _SECOND
            begins, ends = (middle, ends) if _offset(zone, middle) == before else (begins, middle)
        found.append((ends, after - first))
        before = after
    return tuple(found)

"""Stretches of time and how they are cut: always in multiples of 15 minutes, from a quarter of an hour on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.clock import EPOCH

QUARTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

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

        Cuts count from midnight in *zone* by the offset that holds now; where clocks changed inside the window, the
        older days are cut an hour off midnight.
        """
        bucket, cell = next((bucket, cell) for longest, bucket, cell in _CUTS if length <= longest)
        origin = EPOCH - _offset(zone, now)
        cells = (now - length - origin) // cell
        return cls(starts_at=origin + cells * cell, ends_at=now, bucket=bucket, cell=cell, zone=zone)

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
        return -((self.origin - self.ends_at) // self.bucket)

    @property
    def cells(self) -> int:
        """How many cells the window touches."""
        return -((self.origin - self.ends_at) // self.cell)

    def bucket_at(self, number: int) -> datetime:
        """Return when a bucket begins, counted from 0."""
        return self.origin + number * self.bucket

    def cell_at(self, number: int) -> datetime:
        """Return when a cell begins, counted from 0."""
        return self.origin + number * self.cell

    def previous(self) -> Window:
        """Return what it is compared with, cut alike: the same time its whole cells earlier, unless another is set.

        Same hours stand against same hours; in turn the two may share less than one cell.
        """
        if self.before is not None:
            return replace(self, starts_at=self.before[0], ends_at=self.before[1], before=None)
        span = (self.ends_at - self.starts_at) // self.cell * self.cell
        return replace(self, starts_at=self.starts_at - span, ends_at=self.ends_at - span)


def _offset(zone: str, at: datetime) -> timedelta:
    if zone == "UTC":
        return timedelta()
    return at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()


def wall(at: datetime, zone: str) -> datetime:
    """Return *at* as the clock on the wall shows it in *zone*, marked as UTC: for axes that know no other zone."""
    return (at + _offset(zone, at)).astimezone(UTC)

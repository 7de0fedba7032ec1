"""Windows are cut by the clock on the wall, whatever the clocks do, and the database cuts them alike."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import micros
from core.reports.cells import step_of
from core.reports.windows import Window, wall

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = (
    "UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Cairo", "Australia/Lord_Howe", "America/Havana",
    "America/Santiago", "Asia/Beirut", "Pacific/Apia",
)  # fmt: skip
TOLD = (
    # zone, now, days, the beginnings of the first cells on the wall, and how long those are in hours
    ("Europe/Berlin", "2026-10-27T12:00Z", 3, "10-24 12:00", [6, 6, 7, 6]),
    ("Europe/Berlin", "2026-10-27T12:00Z", 10, "10-17 00:00", [24] * 8 + [25, 24]),
    ("Europe/Berlin", "2026-03-31T12:00Z", 10, "03-21 00:00", [24] * 8 + [23, 24]),
    ("Africa/Cairo", "2026-04-26T12:00Z", 8, "04-18 00:00", [24] * 6 + [23, 24]),
    ("Australia/Lord_Howe", "2026-10-06T12:00Z", 8, "09-28 00:00", [24] * 6 + [23.5, 24]),
    ("Pacific/Apia", "2012-01-02T12:00Z", 8, "12-25 00:00", [24, 24, 24, 24, 24, 0, 24]),
)


@pytest.mark.parametrize(("zone", "now", "days", "first", "hours"), TOLD)
def test_days_are_those_of_the_wall(zone: str, now: str, days: int, first: str, hours: list[float]) -> None:
    """A day begins at midnight, or when the clocks leave that out, and is as long as it was."""
    made = Window.last(days * DAY, datetime.fromisoformat(now), zone)
    begins = [made.cell_at(number) for number in range(made.cells + 1)]
    assert f"{wall(begins[0], zone):%m-%d %H:%M}" == first
    lengths = [(after - before) / HOUR for before, after in itertools.pairwise(begins)]
    assert lengths[: len(hours)] == hours
    assert begins[-2] < made.ends_at <= begins[-1]


@given(
    st.sampled_from(ZONES),
    st.integers(0, 15 * 366 * 24 * 60).map(
        lambda minutes: datetime(2011, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from([HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 366 * DAY]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([Window.last, None]),
)
def test_every_moment_is_in_one_cell(
    zone: str, now: datetime, length: timedelta, part: float, last: Callable[..., Window] | None
) -> None:
    """The one that it stands in by its beginning and end, of both widths, in Python and in SQL; none is outside."""
    made = last(length, now, zone) if last else Window.of(now - length, now, zone)
    at = min(made.starts_at + (made.ends_at - made.starts_at) * part, made.ends_at - timedelta.resolution)
    for step, begins, count in ((made.cell, made.cell_at, made.cells), (made.bucket, made.bucket_at, made.buckets)):
        [number] = [number for number in range(count) if begins(number) <= at < begins(number + 1)]
        text, bound = step_of(made, step, str(micros(at)))
        with sqlite3.connect(":memory:") as database:
            assert database.execute(f"SELECT {text}", bound).fetchone() == (number,)


@pytest.mark.parametrize("days", [3, 30])
def test_the_same_hours_stand_against_the_same(days: int) -> None:
    """Before clocks changed as after: what a window is compared with has as many days, to the same time."""
    made = Window.last(days * DAY, datetime(2026, 10, 26, 12, 7, tzinfo=UTC), "Europe/Berlin")
    before = made.previous()
    for now, then in ((made.starts_at, before.starts_at), (made.ends_at, before.ends_at)):
        assert wall(now, made.zone) - wall(then, made.zone) == days * DAY
    assert made.ends_at - before.ends_at == days * DAY + HOUR

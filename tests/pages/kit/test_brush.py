"""What is dragged over on a chart, as a stretch of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.reports import Window, wall
from pages.kit.brush import range_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def dragged(window: Window, begins: datetime, ends: datetime) -> tuple[datetime, datetime] | None:
    """Return what a drag between two times of the axis is, however it went."""
    at = [wall(one, window.zone).timestamp() * 1000 for one in (begins, ends)]
    found = [range_of({"at": ends_of}, window) for ends_of in (at, at[::-1])]
    assert found[0] == found[1]
    return found[0].span if found[0] else None


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Asia/Kathmandu"])
def test_a_stretch(zone: str) -> None:
    """It begins and ends at whole quarters of an hour of a day, within the window; some pixels were a click."""
    window, minute = Window.of(NOON - timedelta(days=1), NOON, zone), timedelta(minutes=1)
    assert dragged(window, NOON - 130 * minute, NOON - 64 * minute) == (NOON - 135 * minute, NOON - 60 * minute)
    assert dragged(window, NOON - 130 * minute, NOON + 64 * minute) == (NOON - 135 * minute, NOON)
    assert dragged(window, NOON - 130 * minute, NOON - 125 * minute) is None


def test_an_hour_that_was_twice() -> None:
    """Who drags over the clock's doubled hour gets all of it."""
    begins = datetime(2026, 10, 25, 0, tzinfo=UTC)  # 2:00 in Berlin, and again at 1:00 UTC
    window = Window.of(begins - timedelta(hours=3), begins + timedelta(hours=5), BERLIN)
    at = [datetime(2026, 10, 25, hour, tzinfo=UTC).timestamp() * 1000 for hour in (2, 3)]
    found = range_of({"at": at}, window)
    assert found is not None
    assert found.span == (begins, begins + timedelta(hours=2))
    again = range_of({"at": [at[0] + 600_000, at[0] + 1_800_000]}, window)
    assert again is not None
    assert again.span == (begins + timedelta(minutes=10), begins + timedelta(minutes=90))

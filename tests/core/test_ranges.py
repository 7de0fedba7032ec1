"""What a range of time means, in whatever zone, and what it is compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.reports import Reports, Window
from core.reports.ranges import NAMED, Range, moment
from core.store import Store
from tests import builders

ZONES = (
    "UTC",
    "Africa/Cairo",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
)
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    """Return a time of UTC, ``11-23 23:00`` of 2026."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "zone", "now", "shown", "before"),
    [
        # the same part of the one before
        ("this-month", "UTC", "11-10 12:00", "11-01 00:00 / 11-10 12:00", "10-01 00:00 / 10-10 12:00"),
        ("this-month", "UTC", "03-31 12:00", "03-01 00:00 / 03-31 12:00", "02-01 00:00 / 03-01 00:00"),
        ("today", "Europe/Berlin", "11-29 09:00", "11-28 23:00 / 11-29 09:00", "11-27 23:00 / 11-28 09:00"),
        ("today", "Europe/Berlin", "03-29 09:00", "03-28 23:00 / 03-29 09:00", "03-27 23:00 / 03-28 10:00"),
        ("this-week", "Europe/Berlin", "11-29 09:00", "11-22 23:00 / 11-29 09:00", "11-15 23:00 / 11-22 09:00"),
        # weeks begin on Monday, also on a Sunday
        ("last-week", "Europe/Berlin", "11-29 09:00", "11-15 23:00 / 11-22 23:00", "11-08 23:00 / 11-15 23:00"),
        # today is in the zone that is shown
        ("today", "UTC", "11-28 22:00", "11-28 00:00 / 11-28 22:00", "11-27 00:00 / 11-27 22:00"),
        ("today", "America/New_York", "11-28 22:00", "11-28 05:00 / 11-28 22:00", "11-27 05:00 / 11-27 22:00"),
        # days of 23, 25 and 24.5 hours; one without a midnight
        ("yesterday", "Africa/Cairo", "04-25 10:00", "04-23 22:00 / 04-24 21:00", "04-22 22:00 / 04-23 22:00"),
        ("yesterday", "Europe/Berlin", "10-26 10:00", "10-24 22:00 / 10-25 23:00", "10-23 22:00 / 10-24 22:00"),
        ("last-sunday", "Australia/Lord_Howe", "04-07 10:00", "04-04 13:00 / 04-05 13:30", "03-28 13:00 / 03-29 13:00"),
        # months that end at a quarter
        ("last-month", "Asia/Kathmandu", "11-10 12:00", "09-30 18:15 / 10-31 18:15", "08-31 18:15 / 09-30 18:15"),
        # the newest one before today: on a Tuesday last Tuesday is a week ago
        ("last-tuesday", "UTC", "11-24 12:00", "11-17 00:00 / 11-18 00:00", "11-10 00:00 / 11-11 00:00"),
        ("last-monday", "UTC", "11-24 12:00", "11-23 00:00 / 11-24 00:00", "11-16 00:00 / 11-17 00:00"),
        # from one time to another: as much time before, of whole days as many
        (
            "2026-11-24T09:07Z/2026-11-24T10:52Z",
            *("UTC", "11-28 12:00", "11-24 09:07 / 11-24 10:52", "11-24 07:22 / 11-24 09:07"),
        ),
        (
            "2026-10-26T00:00+01:00/2026-10-27T00:00+01:00",
            *("Europe/Berlin", "11-28 12:00", "10-25 23:00 / 10-26 23:00", "10-24 22:00 / 10-25 23:00"),
        ),
    ],
)
def test_what_a_range_means(name: str, zone: str, now: str, shown: str, before: str) -> None:
    """Its start and end in UTC, and those of what it is compared with."""
    asked = Range.read(name)
    assert asked is not None
    made = asked.window(at(now), zone)
    earlier = made.previous()

    assert [(one.starts_at, one.ends_at) for one in (made, earlier)] == [
        tuple(at(end) for end in span.split(" / ")) for span in (shown, before)
    ]


@given(st.integers(0, 365 * 24 * 60), st.sampled_from(ZONES))
def test_they_follow_each_other_without_gap(minute: int, zone: str) -> None:
    """In every zone: what is under way begins where the last one ends, and seven weekdays are the seven days before."""
    now = at("01-01 00:00") + minute * MINUTE
    of = {name: Range(name).window(now, zone) for name in NAMED}
    for kind, last in (("today", "yesterday"), ("this-week", "last-week"), ("this-month", "last-month")):
        assert of[last].ends_at == of[kind].starts_at <= now
        assert of[last].previous().ends_at == of[last].starts_at
        assert of[kind].previous().starts_at == of[last].starts_at
        assert of[kind].previous().ends_at <= of[kind].starts_at
    days = sorted((of[name] for name in NAMED[6:]), key=lambda one: one.starts_at)
    assert [one.ends_at for one in days] == [*(one.starts_at for one in days[1:]), of["today"].starts_at]
    assert all(23 <= (one.ends_at - one.starts_at) / timedelta(hours=1) <= 25 for one in days)
    assert all(one.cell == timedelta(hours=1) for one in days)


def test_what_is_none() -> None:
    """A range is one of the names, or two times that say their offset, the later one last, a minute to a year apart."""
    begins = "2026-11-24T09:00+01:00"
    good = Range.read(f"{begins}/2026-11-24T09:00Z")
    assert good is not None
    assert Range.read(str(good)) == good
    assert moment("2026-11-24T09:00 01:00") == moment(begins)
    wrong = ["", "2h", "-", begins, "2026-11-24T09:00/2026-11-25", "9999-12-31T23:59-14:00/9999-12-31T23:59Z"]
    for bad in (*wrong, *(f"{begins}/{one}" for one in (begins, "2028-01-01T00:00Z", "2026-11-24T07:59Z"))):
        assert Range.read(bad) is None, bad
    assert [name for name in NAMED if Range(name).ends_now] == ["today", "this-week", "this-month"]


def test_a_window_may_begin_and_end_within_buckets(sqlite_store: Store) -> None:
    """What began at its first moment is in it, what began at its end is not: a call a minute is a call for each."""
    calls = [builders.generation(at("11-24 08:30") + n * MINUTE) for n in range(180)]
    builders.save(sqlite_store, builders.tenant("Acme", at("11-01 00:00")), calls)
    shown = Reports(sqlite_store, ManualClock(at("11-28 12:00"))).overview(
        LOCAL_OPERATOR, Window.of(at("11-24 09:07"), at("11-24 10:52"))
    )

    assert shown.totals.calls == 105
    assert shown.series["calls"].tolist() == [8, *[15] * 6, 7]

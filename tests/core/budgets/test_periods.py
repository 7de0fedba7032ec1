"""Periods: what the calendar on the tenant's wall says, wherever clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.budgets import Period, period_around
from core.budgets.terms import BudgetTerms

ZONES = (
    "UTC",
    "Asia/Kathmandu",  # +5:45
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # clocks change at midnight
    "Asia/Beirut",  # as well
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # skipped a day in 2011
    "Pacific/Chatham",
    "America/Sao_Paulo",
)
CALENDAR = (Period.DAY, Period.WEEK, Period.MONTH)
TICK = timedelta(microseconds=1)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001


def first_local(moment: datetime, zone: ZoneInfo) -> date:
    """Return the local day that begins at *moment*, and assert that it does."""
    here, before = (one.astimezone(zone).date() for one in (moment, moment - TICK))
    assert here > before
    return here


@given(kind=st.sampled_from(CALENDAR), zone=st.sampled_from(ZONES), at=MOMENTS)
@example(kind=Period.DAY, zone="America/Havana", at=datetime(2026, 3, 8, 5, 0, tzinfo=UTC))
@example(kind=Period.DAY, zone="America/Havana", at=datetime(2026, 11, 1, 4, 30, tzinfo=UTC))
@example(kind=Period.DAY, zone="Asia/Beirut", at=datetime(2026, 3, 28, 22, 0, tzinfo=UTC))
@example(kind=Period.DAY, zone="Pacific/Apia", at=datetime(2011, 12, 30, 9, 0, tzinfo=UTC))
@example(kind=Period.DAY, zone="Pacific/Apia", at=datetime(2011, 12, 30, 11, 0, tzinfo=UTC))
@example(kind=Period.WEEK, zone="Australia/Lord_Howe", at=datetime(2026, 10, 3, 15, 45, tzinfo=UTC))
def test_periods_follow_each_other_without_a_gap(kind: Period, zone: str, at: datetime) -> None:
    """A period holds its moment, the next begins as it ends, and every moment in it finds the same one."""
    starts_at, ends_at = period_around(kind, zone, at)

    assert starts_at <= at < ends_at
    assert (starts_at.tzinfo, ends_at.tzinfo) == (UTC, UTC)
    assert period_around(kind, zone, starts_at) == period_around(kind, zone, ends_at - TICK) == (starts_at, ends_at)
    assert period_around(kind, zone, ends_at)[0] == ends_at
    assert period_around(kind, zone, starts_at - TICK)[1] == starts_at


@given(kind=st.sampled_from(CALENDAR), zone=st.sampled_from(ZONES), at=MOMENTS)
def test_a_period_begins_where_the_local_calendar_does(kind: Period, zone: str, at: datetime) -> None:
    """A day begins with a local day, a week with a local Monday, a month with a local first."""
    days = [first_local(border, ZoneInfo(zone)) for border in period_around(kind, zone, at)]

    if kind is Period.WEEK:
        assert [day.weekday() for day in days] == [0, 0]
        assert days[1] - days[0] == timedelta(days=7)
    elif kind is Period.MONTH:
        assert [day.day for day in days] == [1, 1]
        assert days[1].month == days[0].month % 12 + 1
    else:
        assert days[1] - days[0] <= timedelta(days=2 if zone == "Pacific/Apia" else 1)


@given(zone=st.sampled_from(ZONES), at=MOMENTS)
def test_a_day_is_as_long_as_its_clocks_say(zone: str, at: datetime) -> None:
    """A day has 24 hours, or up to an hour more or less where clocks change; there is no other."""
    starts_at, ends_at = period_around(Period.DAY, zone, at)
    shift = starts_at.astimezone(ZoneInfo(zone)).utcoffset() - (ends_at - TICK).astimezone(ZoneInfo(zone)).utcoffset()

    if zone != "Pacific/Apia":
        assert timedelta(hours=23) <= ends_at - starts_at <= timedelta(hours=25)
        assert abs(ends_at - starts_at - timedelta(days=1) - shift) in {timedelta(), timedelta(hours=1)}


@pytest.mark.parametrize(
    ("zone", "at", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", 25),
        ("America/New_York", "2026-03-08T12:00", 23),
        ("America/New_York", "2026-11-01T12:00", 25),
        ("Australia/Lord_Howe", "2026-04-05T02:00", 24.5),
        ("Australia/Lord_Howe", "2026-10-04T02:00", 23.5),
        ("America/Havana", "2026-03-08T12:00", 23),
        ("America/Havana", "2026-11-01T12:00", 25),
        ("Asia/Beirut", "2026-03-29T12:00", 23),
        ("Asia/Beirut", "2026-10-24T12:00", 25),
        ("Asia/Kathmandu", "2026-03-29T12:00", 24),
        ("UTC", "2026-03-29T12:00", 24),
    ],
)
def test_days_on_which_clocks_change(zone: str, at: str, hours: float) -> None:
    """The days on which clocks change are shorter or longer by just that."""
    starts_at, ends_at = period_around(Period.DAY, zone, datetime.fromisoformat(at).replace(tzinfo=UTC))

    assert (ends_at - starts_at) / timedelta(hours=1) == hours


@pytest.mark.parametrize(
    ("kind", "zone", "at", "starts_at", "ends_at"),
    [
        ("month", "UTC", "2026-03-31T23:59:59", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("month", "UTC", "2026-04-01T00:00:00", "2026-04-01T00:00", "2026-05-01T00:00"),
        ("month", "UTC", "2026-12-31T12:00:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "Asia/Kathmandu", "2026-03-31T18:14:59", "2026-02-28T18:15", "2026-03-31T18:15"),
        ("month", "Asia/Kathmandu", "2026-03-31T18:15:00", "2026-03-31T18:15", "2026-04-30T18:15"),
        ("month", "America/New_York", "2026-03-15T12:00:00", "2026-03-01T05:00", "2026-04-01T04:00"),
        ("month", "Europe/Berlin", "2026-10-25T01:30:00", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("month", "America/Havana", "2026-11-01T04:30:00", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("month", "Pacific/Apia", "2026-02-28T11:00:00", "2026-02-28T11:00", "2026-03-31T11:00"),
        ("day", "Asia/Kathmandu", "2026-03-04T18:14:59", "2026-03-03T18:15", "2026-03-04T18:15"),
        ("day", "America/Havana", "2026-03-08T05:00:00", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("day", "Pacific/Apia", "2011-12-30T10:00:00", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("week", "UTC", "2026-03-04T12:00:00", "2026-03-02T00:00", "2026-03-09T00:00"),
        ("week", "UTC", "2026-03-08T23:59:59", "2026-03-02T00:00", "2026-03-09T00:00"),
        ("week", "Asia/Kathmandu", "2026-03-08T18:15:00", "2026-03-08T18:15", "2026-03-15T18:15"),
        ("week", "Europe/Berlin", "2026-03-29T12:00:00", "2026-03-22T23:00", "2026-03-29T22:00"),
    ],
)
def test_known_borders(kind: str, zone: str, at: str, starts_at: str, ends_at: str) -> None:
    """Borders lie where the calendar on the tenant's wall has them, also where clocks change at midnight."""
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (at, starts_at, ends_at)]

    assert period_around(Period(kind), zone, moments[0]) == tuple(moments[1:])


def test_a_fixed_span_holds_its_start_and_not_its_end() -> None:
    """A budget over a fixed span governs from its start on and ends just before its end; no calendar knows it."""
    starts_at, ends_at = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, 5, tzinfo=UTC)
    terms = BudgetTerms(
        budget_id="b",
        tenant_id="t",
        tenant="Acme",
        timezone="UTC",
        limit_nano_usd=1,
        period=Period.SPAN,
        starts_at=starts_at,
        ends_at=ends_at,
    )

    assert terms.span(starts_at) == terms.span(ends_at - TICK) == (starts_at, ends_at)
    assert terms.span(starts_at - TICK) is terms.span(ends_at) is None
    with pytest.raises(ValueError, match="fixed span"):
        period_around(Period.SPAN, "UTC", starts_at)

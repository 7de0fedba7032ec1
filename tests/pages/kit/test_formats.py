"""How numbers and times are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pages.kit import formats

NOW = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("nano", "written"),
    [
        (None, "unpriced"),
        (0, "$0.00"),
        (1, "$0.000000001"),
        (114_000, "$0.00011"),
        (12_345_678, "$0.0123"),
        (9_990_000_000, "$9.99"),
        (1_234_567_890_000, "$1,234.57"),
        (-5_000_000_000, "-$5.00"),
    ],
)
def test_dollars(nano: int | None, written: str) -> None:
    """An amount that is not nothing never looks like nothing, and an unknown one says so."""
    assert formats.dollars(nano) == written


@pytest.mark.parametrize(
    ("share", "written"), [(None, DASH), (0, "0.0%"), (0.12345, "12.3%"), (1, "100.0%"), (0.99999, "99.9%")]
)
def test_percent(share: float | None, written: str) -> None:
    """A rate short of all is never written as all."""
    assert formats.percent(share) == written


@pytest.mark.parametrize(
    ("ms", "written"), [(None, DASH), (0.4, "0 ms"), (999.4, "999 ms"), (999.6, "1.00 s"), (61_000, "61.0 s")]
)
def test_millis(ms: float | None, written: str) -> None:
    """Milliseconds turn into seconds where those are shorter."""
    assert formats.millis(ms) == written


@pytest.mark.parametrize(
    ("number", "written"), [(None, DASH), (7, "7"), (999, "999"), (1000, "1.00k"), (12_345, "12.3k"), (2.5e6, "2.50M")]
)
def test_short(number: float | None, written: str) -> None:
    """Three digits are enough for a large number."""
    assert formats.short(number) == written


@pytest.mark.parametrize(
    ("now", "before", "written"),
    [
        (10, 0, None),
        (10, None, None),
        (10, 10, "0%"),
        (104, 100, "+4.0%"),
        (50, 100, "-50%"),
        (300, 100, "+200%"),
        (5000, 100, "\N{MULTIPLICATION SIGN}50"),
    ],
)
def test_change(now: float, before: float | None, written: str | None) -> None:
    """There is no change against nothing, and a huge one is a factor."""
    assert formats.change(now, before) == written


def test_moment_and_ago() -> None:
    """A time is told in the zone that is named; how long ago, in the largest unit."""
    assert formats.moment(NOW, "Asia/Kathmandu") == "Mar 04, 17:52"
    assert formats.ago(NOW - timedelta(hours=49), NOW) == "2 d ago"
    assert formats.ago(NOW - timedelta(seconds=1), NOW) == "just now"


def test_csv_runs_nothing() -> None:
    """A text that a spreadsheet takes for a formula is made a text; numbers and times stay what they are."""
    frame = pd.DataFrame(
        {"id": ["=1+1", "plain", None], "n": [-1.5, 2.0, None], "at": pd.to_datetime([NOW, NOW, None], utc=True)}
    )
    assert formats.csv(frame).decode().splitlines() == [
        "id,n,at",
        "'=1+1,-1.5,2026-03-04T12:07:00.000000Z",
        "plain,2.0,2026-03-04T12:07:00.000000Z",
        ",,",
    ]

"""How numbers and times are written."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reports import csv_cell, csv_pieces
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


def test_csv_keeps_what_is_no_text() -> None:
    """Numbers, also negative ones, and times stay what they are; it begins with the mark of UTF-8, once."""
    frame = pd.DataFrame(
        {"id": ["=1+1", "plain", None], "n": [-1.5, 2.0, None], "at": pd.to_datetime([NOW, NOW, None], utc=True)}
    )
    frame["whole"] = pd.array([-3, 4, None], dtype="Int64")
    lines = [
        "'=1+1,-1.5,2026-03-04T12:07:00.000000Z,-3",
        "plain,2.0,2026-03-04T12:07:00.000000Z,4",
        ",,,",
    ]
    assert formats.csv(frame).decode().splitlines() == ["\N{BOM}id,n,at,whole", *lines]
    assert b"".join(csv_pieces([frame, frame])).decode().splitlines()[1:] == [*lines, *lines]


CELLS = {
    "=1+1": "'=1+1",
    "+49 30 901820": "'+49 30 901820",
    "-5": "'-5",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": '"\'\t=1"',
    "\r=1": '"\'\r=1"',
    "\n=1": '"\'\n=1"',
    "\N{FULLWIDTH EQUALS SIGN}1+1": "'\N{FULLWIDTH EQUALS SIGN}1+1",
    "\N{FULLWIDTH COMMERCIAL AT}x": "'\N{FULLWIDTH COMMERCIAL AT}x",
    "\N{MINUS SIGN}1": "'\N{MINUS SIGN}1",
    "\N{ZERO WIDTH SPACE}=1": "'\N{ZERO WIDTH SPACE}=1",
    "'=1": "''=1",
    " =1": "' =1",
    "a;=1": '"a;=1"',
    'x",=1,"': '"x"",=1,"""',
    "two\nlines": '"two\nlines"',
    "1e5": "1e5",
    "2026-11-28": "2026-11-28",
    "0123": "0123",
    "-": "-",
    "'quoted'": "'quoted'",
    "a = b": "a = b",
    -5: "-5",
    -0.02: "-0.02",
}
"""Cells, and how they stand in a file."""


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_no_cell_is_a_formula(cell: object) -> None:
    """A text that a spreadsheet would run gets one apostrophe; what would end a cell in some country is in quotes."""
    assert csv_cell(cell) == CELLS[cell]


@given(text=st.text(st.sampled_from("=+-@\t\r\n '\";,a1\uff1d"), max_size=6), parts=st.sampled_from(",;\t"))
def test_whatever_parts_cells_none_is_a_formula(text: str, parts: str) -> None:
    """Read with a comma, a semicolon or a tab between cells, a file shows that one cell, and it is a text."""
    rows = list(csv.reader(io.StringIO(f"x{parts}{csv_cell(text)}{parts}y", newline=""), delimiter=parts))
    assert len(rows) == 1
    [_, shown, _] = rows[0]
    assert shown.removeprefix("'") == text or shown == text
    assert shown == "-" or not shown.strip(" ").startswith(tuple("=+-@\t\r\n\uff1d"))

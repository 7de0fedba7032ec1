"""While an answer is written it is shown often, and reading it again and again costs no more than some readings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attempts._pace import EVERY_SECONDS, LONG, OFTEN_UP_TO, Pace
from tests.examples import many


def shown(sizes: list[int], seconds: float) -> list[int]:
    """Return how long the text is each time it is shown, if it grows by *sizes*, one each so many *seconds*."""
    pace, size, found = Pace(), 0, list[int]()
    for n, each in enumerate(sizes, 1):
        size += each
        if pace.is_due(size, n * seconds):
            found.append(size)
    return found


@pytest.mark.parametrize("piece", [4, 40, 400, 4_000])
@pytest.mark.parametrize("seconds", [0.001, 0.05, 1.0])
def test_a_megabyte_is_read_ten_times(piece: int, seconds: float) -> None:
    """All readings of a long stream together are of ten times its text, however slowly it comes."""
    whole = 1_000_000
    read = shown([piece] * (whole // piece), seconds)
    beginning = sum(size for size in read if size <= OFTEN_UP_TO)
    assert sum(read) - beginning <= 10 * whole
    assert beginning <= OFTEN_UP_TO * (OFTEN_UP_TO // 4 + 1)
    assert sum(size for size in read if size > LONG) <= 2 * whole, "one that holds everybody up is read less often"
    assert len(read) > 15 or seconds == 0.001
    assert len(read) < 1_100


@settings(max_examples=many(200), deadline=None)
@given(st.lists(st.integers(1, 50), max_size=80))
def test_a_short_answer_is_shown_whenever_it_has_grown(sizes: list[int]) -> None:
    """An answer of an ordinary length is shown every time that there is more of it, at most twenty times a second."""
    assert len(shown(sizes, EVERY_SECONDS * 1.01)) == len(sizes)
    assert len(shown(sizes, EVERY_SECONDS / 4)) <= len(sizes) // 4 + 1

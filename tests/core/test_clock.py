"""Time and chance: aware, ordered, and still when a test holds them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import EPOCH, Clock, ManualClock, SystemClock, from_micros, micros, whole_seconds
from tests.conftest import START

AWARE = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 the strategy adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@pytest.fixture(params=[SystemClock, lambda: ManualClock(START)], ids=["system", "manual"])
def any_clock(request: pytest.FixtureRequest) -> Clock:
    """Either clock."""
    made: Clock = request.param()
    return made


@given(moment=AWARE)
def test_stored_times_come_back_as_they_were(moment: datetime) -> None:
    """Microseconds since 1970 hold every time exactly, whatever its zone, and are read back in UTC."""
    stored = micros(moment)

    assert from_micros(stored) == moment
    assert from_micros(stored).tzinfo is UTC


@given(moments=st.lists(AWARE, min_size=2, max_size=2))
def test_stored_times_sort_as_times_do(moments: list[datetime]) -> None:
    """An index over stored times is an index over time."""
    one, other = moments
    assert (micros(one) < micros(other)) == (one < other)


def test_known_microseconds() -> None:
    """The count begins in 1970."""
    assert (micros(EPOCH), micros(EPOCH + timedelta(seconds=1))) == (0, 1_000_000)


@pytest.mark.parametrize(("seconds", "whole"), [(0.0, 0), (0.2, 1), (60.0, 60), (255.1 + 60 - 255.1, 60), (60.001, 61)])
def test_whole_seconds(seconds: float, whole: int) -> None:
    """What is begun counts; what the arithmetic of times leaves does not."""
    assert whole_seconds(seconds) == whole


def test_now_is_aware(any_clock: Clock) -> None:
    """No time is without its zone."""
    assert any_clock.now().utcoffset() == timedelta(0)


def test_identifiers_are_unlike_and_sort_by_birth(any_clock: Clock) -> None:
    """Identifiers are 32 hexadecimal digits that never repeat; of two moments the later has the greater."""
    many = {any_clock.new_id() for _ in range(2000)}
    assert len(many) == 2000
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in many)

    first = any_clock.new_id()
    if isinstance(any_clock, ManualClock):
        any_clock.advance(0.002)
    else:
        threading.Event().wait(0.002)
    assert any_clock.new_id() > first


def test_chance_lies_between_nothing_and_one(any_clock: Clock) -> None:
    """Chance is at least 0, below 1, and not always the same."""
    drawn = [any_clock.chance() for _ in range(100)]
    assert all(0 <= one < 1 for one in drawn)
    assert len(set(drawn)) > 90


def test_waiting_ends_when_woken(any_clock: Clock) -> None:
    """Whoever is woken already does not wait; the answer says whether it was so."""
    woken = threading.Event()
    assert any_clock.wait(woken, 0.001) is False
    woken.set()
    assert any_clock.wait(woken, 3600) is True


def test_the_system_clock_really_waits() -> None:
    """A wait takes its time, and a waker ends it early."""
    clock, woken = SystemClock(), threading.Event()
    began = clock.monotonic()
    clock.wait(woken, 0.05)
    assert clock.monotonic() - began >= 0.05

    threading.Timer(0.05, woken.set).start()
    assert clock.wait(woken, 30) is True
    assert clock.monotonic() - began < 10


def test_manual_time_stands_still_until_it_is_moved() -> None:
    """Only advancing, moving and waiting make manual time pass; it never goes back."""
    clock = ManualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0)

    clock.advance(90)
    clock.wait(threading.Event(), 10)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=100), 100)
    clock.move_to(START)
    assert clock.now() == START + timedelta(seconds=100)
    clock.move_to(START + timedelta(hours=1))
    assert (clock.now(), clock.monotonic()) == (START + timedelta(hours=1), 3600)


def test_manual_chance_is_the_same_for_the_same_seed() -> None:
    """A run on a manual clock can be repeated to the last identifier."""
    one, same, other = ManualClock(START, seed=7), ManualClock(START, seed=7), ManualClock(START, seed=8)
    runs = [[clock.new_id(), clock.chance(), clock.new_id()] for clock in (one, same, other)]

    assert runs[0] == runs[1] != runs[2]


def test_two_threads_advance_by_both() -> None:
    """No advance is lost between threads."""
    clock = ManualClock(START)
    threads = [threading.Thread(target=lambda: [clock.advance(1) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert clock.monotonic() == 2000

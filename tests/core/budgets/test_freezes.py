"""Freezes: whatever moves a tenant's books all the time, an edit of its budgets is saved, and all adds up."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from core.budgets.freezes import _FREE_TRIES, _FROZEN_TRIES, Freezes
from core.claims import FREEZE, Claims, Held
from core.clock import ManualClock, SystemClock
from core.errors import Conflict
from core.store import Store
from tests.tills import Till

ZONES = ("Asia/Kathmandu", "UTC")


@pytest.fixture
def till(store: Store) -> Till:
    """A tenant that has spent something today; on the time that there is, as others have threads and processes."""
    till = Till(store, SystemClock(), 10**9)
    till.spend(300)
    return till


@contextmanager
def moved_all_the_time(till: Till) -> Generator[list[int]]:
    """Move what the tenant's accounts begin with as often as it can be, as a long re-pricing does; count how often."""
    freezes, over, count = till.beside("re-pricing").budgets.freezes, threading.Event(), [0]
    move = till.store.prepare("UPDATE account SET opening_moves = opening_moves + 1")

    def go_on() -> None:
        while not over.is_set():
            freezes.wait()
            with till.store.transaction() as cursor:
                cursor.execute(move)
            count[0] += 1
            over.wait(0.002)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def slow_to_sum(till: Till, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let each sum take longer than nothing moves; return what tells of each whether the books were frozen."""
    openings, frozen = till.budgets.accounts.openings, list[bool]()
    look, claims = openings.look, Claims(till.store, till.clock)

    def slow(*what: Any) -> Any:
        frozen.append(isinstance(claims.look(FREEZE, till.tenant.id), Held))
        found = look(*what)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(openings, "look", slow)
    return frozen


def test_an_edit_is_saved_however_often_the_books_move(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets, clocks and accounts of new periods: each is summed with the books frozen, and moves go on behind it."""
    frozen = slow_to_sum(till, monkeypatch)
    till.set(10**9, period="week")
    with moved_all_the_time(till) as count:
        for number in range(2):
            till.set(10**9, period=("day", "month")[number])
            till.move_clock(ZONES[number])
        before = count[0]
        while count[0] < before + 3:
            time.sleep(0.01)
    assert any(frozen)
    assert len(frozen) <= 5 * (_FREE_TRIES + 3)
    assert till.account() == (300, 0)
    assert till.is_sound()
    assert not isinstance(Claims(till.store, till.clock).look(FREEZE, till.tenant.id), Held), "a freeze ends"


def test_operators_and_traffic_at_once(till: Till) -> None:
    """Four edit the same budgets and clock, calls go on and late ones are counted: nothing is refused, all adds up."""
    others = [till, *(till.beside(f"process {number}") for number in range(3))]
    over = threading.Event()

    def spend(one: Till) -> int:
        spent = 0
        while not over.is_set():
            one.spend(1)
            spent += 1
        return spent

    def count_late() -> None:
        while not over.is_set():
            till.budgets.catch_up_lately()
            over.wait(0.01)

    def edit(number: int) -> None:
        for n in range(6):
            others[number].set(10**9 + n, period=("day", "week", "month")[(n + number) % 3])

    with ThreadPoolExecutor(10) as threads:
        spending = [threads.submit(spend, one) for one in others]
        counting = threads.submit(count_late)
        edits = [threads.submit(edit, number) for number in range(4)]
        for one in edits:
            one.result()
        for n in range(4):
            till.move_clock(ZONES[n % 2])
        over.set()
        spent = sum(one.result() for one in spending)
        counting.result()
    till.set(10**9, period="month")
    till.budgets.catch_up_lately()
    assert till.account() == (300 + spent, 0)
    assert till.is_sound()


def test_books_that_are_never_still_are_told(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody moves them without asking, the tries have an end, and so has the freeze."""
    move, look = till.store.prepare("UPDATE account SET opening_moves = opening_moves + 1"), list[int]()
    openings = till.budgets.accounts.openings
    real = openings.look

    def moved(*what: Any) -> Any:
        found = real(*what)
        look.append(1)
        with till.store.transaction() as cursor:
            cursor.execute(move)
        return found

    till.set(10**9, period="day")
    monkeypatch.setattr(openings, "look", moved)
    with pytest.raises(Conflict, match="moved meanwhile"):
        till.set(10**9, period="month")
    assert len(look) == _FREE_TRIES + _FROZEN_TRIES
    assert not isinstance(Claims(till.store, till.clock).look(FREEZE, till.tenant.id), Held)


def test_what_an_account_was_opened_anew_with_is_not_late_for_it(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was out at the first opening and ended before the second is counted once, whoever comes between."""
    till.set(10**9, period="day")
    walk = till.begin()
    call = walk.cover(100)
    till.set(10**9, period="month")
    walk.end(call, 70)
    walk.close()
    beside, wait = till.beside("two"), till.budgets.freezes.wait

    def meanwhile(*what: Any) -> None:
        monkeypatch.setattr(till.budgets.freezes, "wait", wait)
        beside.set(10**9, period="day")
        beside.set(10**9, period="month")

    monkeypatch.setattr(till.budgets.freezes, "wait", meanwhile)
    till.budgets.catch_up_lately()
    till.budgets.catch_up_lately()
    assert till.account() == (370, 0)
    assert till.is_sound()


def test_who_moves_waits_for_those_that_there_are(store: Store, clock: ManualClock) -> None:
    """Not for those of other tenants, and not for those that come later, so that it has its turn too."""
    one, other = Freezes(Claims(store, clock)), Freezes(Claims(store, clock))
    with one.held("a"):
        other.wait({"b"})
        waiting = threading.Thread(target=other.wait)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        with ExitStack() as later:
            later.enter_context(one.held("b"))
            later.enter_context(one.held("c"))
            leave(store, clock, "a")
            waiting.join(10)
            assert not waiting.is_alive()
    other.wait()


def leave(store: Store, clock: ManualClock, tenant_id: str) -> None:
    """End a freeze as its holder's end does."""
    with store.transaction() as cursor:
        cursor.execute(store.prepare("DELETE FROM claim WHERE key = :key"), {"key": tenant_id})
    assert Claims(store, clock).look(FREEZE, tenant_id) is None

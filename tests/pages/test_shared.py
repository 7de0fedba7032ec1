"""Figures are made once for all who look, and for nobody who may not see them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests

from core.clock import ManualClock
from core.errors import Unavailable
from core.principals import EVERYWHERE, Principal, Role
from core.reports import Overview, Reports
from core.reports.looks import Looks
from core.reports.ranges import Range
from core.runtime import Runtime
from core.store import Store
from core.tables import Outcome
from pages.kit import page, runs
from pages.kit.shared import SharedFigures, key_of, refresh_seconds
from tests import builders
from tests.builders import person
from tests.core.test_looks import ENDLESS
from tests.pages.conftest import NOW, Open

GOOD = 12.0
TABS = 10


class Slow:
    """A question that takes until it is let go, and answers how often it was asked; each time takes some seconds."""

    def __init__(self, clock: ManualClock, seconds: float = 0.1) -> None:
        self.clock, self.seconds = clock, seconds
        self.begun, self.let_go = threading.Semaphore(0), threading.Semaphore(0)
        self.asked = 0
        self.fails: BaseException | None = None

    def __call__(self) -> int:
        self.asked += 1
        self.begun.release()
        assert self.let_go.acquire(timeout=20)
        self.clock.advance(self.seconds)
        if self.fails is not None:
            raise self.fails
        return self.asked


class Left(BaseException):
    """A visitor goes away while his page is drawn."""


def test_ten_tabs_cost_what_one_costs(clock: ManualClock) -> None:
    """Who asks at once waits for whoever makes it; it is good for a while; then one makes it anew."""
    figures, slow = SharedFigures(clock), Slow(clock)

    def look(_: int = 0) -> int:
        return figures.get("all", slow, GOOD)

    with ThreadPoolExecutor(TABS) as tabs:
        first = [tabs.submit(look) for _ in range(TABS)]
        assert slow.begun.acquire(timeout=20)
        slow.let_go.release()
        assert [one.result(timeout=20) for one in first] == [1] * TABS
        clock.advance(GOOD - 1)
        assert [*tabs.map(look, range(TABS))] == [1] * TABS
        clock.advance(2)
        again = tabs.submit(look)
        assert slow.begun.acquire(timeout=20)
        assert [*tabs.map(look, range(TABS))] == [1] * TABS, "while it is made the older one is shown"
        slow.let_go.release()
        assert again.result(timeout=20) == look() == 2
    assert slow.asked == 2


def test_an_answer_that_took_long_is_good_for_long(clock: ManualClock) -> None:
    """The next begins no sooner than ten times as long after it; one that is far too old is shown to nobody."""
    figures, slow = SharedFigures(clock), Slow(clock, 40)
    slow.let_go.release(2)
    assert figures.get("all", slow, GOOD) == 1
    clock.advance(399)
    assert figures.get("all", slow, GOOD) == 1
    clock.advance(2)
    assert figures.get("all", slow, GOOD) == 2
    clock.advance(4000)
    with ThreadPoolExecutor(2) as tabs:
        several = [tabs.submit(figures.get, "all", slow, GOOD) for _ in range(2)]
        assert slow.begun.acquire(timeout=20)
        slow.let_go.release()
        assert [one.result(timeout=20) for one in several] == [3, 3]


def test_what_fails_is_not_kept(clock: ManualClock) -> None:
    """Who asks after a refusal asks anew; where a visitor went away whoever waited for him makes it himself."""
    figures, slow = SharedFigures(clock), Slow(clock)
    slow.fails = Unavailable("The database is away.")
    slow.let_go.release(2)
    for _ in range(2):
        with pytest.raises(Unavailable):
            figures.get("all", slow, GOOD)
    assert slow.asked == 2

    with ThreadPoolExecutor(2) as tabs:
        slow.fails, gone = Left(), tabs.submit(figures.get, "all", slow, GOOD)
        for _ in range(3):
            assert slow.begun.acquire(timeout=20)
        waits = tabs.submit(figures.get, "all", slow, GOOD)
        slow.let_go.release()
        with pytest.raises(Left):
            gone.result(timeout=20)
        slow.fails = None
        slow.let_go.release()
        assert waits.result(timeout=20) == slow.asked == 4


class Run:
    """A run of a page in a thread of its own, which can be told to stop as Streamlit tells it."""

    here = threading.local()
    """The run of each thread, in the place of Streamlit's context of it."""

    def __init__(self, figures: SharedFigures, make: Callable[[], int]) -> None:
        self.script_requests = ScriptRequests()
        self.ended: object = None
        self.thread = threading.Thread(target=self._run, args=(figures, make), daemon=True)
        self.thread.start()

    def _run(self, figures: SharedFigures, make: Callable[[], int]) -> None:
        self.here.run = self
        try:
            self.ended = figures.get("all", make, GOOD)
        except (StopException, Unavailable) as error:
            self.ended = type(error)

    def yield_check(self) -> None:
        """Stop here, if that was asked for."""
        if self.script_requests.on_scriptrunner_yield() is not None:
            raise StopException

    def result(self) -> object:
        """Return how it ended."""
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.ended


def test_a_question_that_was_replaced_stops(store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three runs the first asks and the second waits for it: as long as one of them goes on, so does the question.

    Once both were told to stop it is cancelled in the database, and the third makes its own.
    """
    monkeypatch.setattr(runs, "get_script_run_ctx", lambda **_: getattr(Run.here, "run", None))
    figures, looks, asked = SharedFigures(clock), Looks(store, clock), threading.Semaphore(0)

    def ask() -> int:
        with looks.open(EVERYWHERE) as now:
            asked.release()
            return len(now.rows(ENDLESS, {}, tenant="i"))

    first = Run(figures, ask)
    assert asked.acquire(timeout=20)
    second = Run(figures, ask)
    ends = time.monotonic() + 20
    while not any(work.waiting for work in figures._under_way.values()):
        assert time.monotonic() < ends
    first.script_requests.request_stop()
    first.thread.join(1)
    assert first.thread.is_alive(), "somebody else waits for what it asks"
    second.script_requests.request_stop()
    assert (second.result(), first.result()) == (StopException, StopException)
    assert not figures._under_way
    assert Run(figures, lambda: 3).result() == 3
    assert store.condition.fault is None


def test_the_longer_a_range_the_slower_it_is_renewed() -> None:
    """From a quarter of a minute for an hour to five minutes for a month and more."""
    windows = [
        Range(name).window(NOW, "Europe/Berlin") for name in ("1h", "6h", "24h", "today", "7d", "30d", "last-month")
    ]
    assert [refresh_seconds(one) for one in windows] == [15, 30, 30, 30, 120, 300, 300]


def test_a_day_that_has_a_name_is_another_one_tomorrow() -> None:
    """What is kept of yesterday is not shown as yesterday once a day has gone by; of the last hours it is."""
    for name, stays in (("yesterday", False), ("24h", True)):
        keys = [key_of(Range(name), Range(name).window(at, "UTC")) for at in (NOW, NOW + timedelta(days=1))]
        assert (keys[0] == keys[1]) is stays, name


def test_pages_share_with_who_sees_the_same(
    proctor: Runtime, open_page: Open, page_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home is counted once for two who see all tenants, and again for who sees one, or asks later."""
    acme = builders.tenant("Acme", NOW)
    builders.save(proctor.store, acme, builders.generation(NOW - timedelta(minutes=5), "acme", Outcome.TIMEOUT))
    asked = list[str]()

    def overview(reports: Reports, who: Principal, *rest: Any) -> Overview:
        asked.append(who.name)
        return counted(reports, who, *rest)

    counted = Reports.overview
    monkeypatch.setattr(Reports, "overview", overview)
    everybody = [person("ann", Role.OWNER), person("bob", Role.VIEWER), person("cid", Role.VIEWER, "acme")]
    for who in everybody:
        monkeypatch.setattr(page, "current_principal", lambda who=who: who)
        assert not open_page("home").exception
    assert asked == ["ann", "cid"]
    page_clock.advance(30)
    open_page("home", live="false")
    open_page("home", tenant="Acme")
    assert asked == ["ann", "cid", "cid", "cid"]

"""Figures that are made once for all who look: a question costs what it costs, however many tabs are open.

What an answer depends on is its key: the question, the calls that may be seen, the range and the zone; who asks is not
in it. Of all who ask at once one makes it. Where there is an older one the others are shown that, and as of when it is;
else they wait. The longer a range, the longer an answer is good; and one that took long is good for long, so that no
question takes more than a tenth of a core, and none is asked again while it is under way. One that nobody waits for any
longer, as all who asked have gone on, is given up.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from core.clock import Clock
from core.errors import Unavailable
from core.principals import Permission
from core.reports import Window
from core.reports.looks import IS_LEFT, NobodyWaits
from core.reports.ranges import HOURS, Range
from pages.kit import runs
from pages.kit.page import Visit

if TYPE_CHECKING:
    from core.runtime import Runtime

T = TypeVar("T")

_PACES = (
    (timedelta(hours=2), 15),
    (timedelta(hours=26), 30),
    (timedelta(days=8), 120),
    (timedelta.max, 300),
)
"""Up to what length a stretch of time is refreshed every so many seconds: an hour, a day, a week and their last cut."""
_GOOD = 0.8
"""For this part of the time between two refreshes an answer is good, so that each refresh finds it old."""
_REST = 10
"""Times as long as an answer took, it is good at least."""
_SHOWN_AT_MOST = 4
"""Times as long as it is good, an answer is shown while another is made; one that is older is waited for."""
_MOST_KEPT = 256
_PATIENCE_SECONDS = 90
"""Longer than the database may take for a statement."""
_LOOK_SECONDS = 0.25
"""So often who waits looks whether he is still to."""


def refresh_seconds(window: Window) -> int:
    """Return after how many seconds what is shown of *window* is made anew."""
    length = window.ends_at - window.starts_at
    return next(seconds for most, seconds in _PACES if length <= most)


def refresh_told(window: Window) -> str:
    """Return that in words: ``15 s``, ``5 min``."""
    seconds = refresh_seconds(window)
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


@dataclass(slots=True)
class _Kept:
    """An answer."""

    value: Any
    made_at: float
    good_for: float


@dataclass(slots=True)
class _UnderWay:
    """An answer that somebody makes."""

    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: Exception | None = None
    is_left: bool = False
    """Whether whoever made it went away: the next one makes it."""
    waiting: int = 0
    """How many others wait for it."""


class SharedFigures:
    """The answers of one Proctor."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._under_way: dict[Hashable, _UnderWay] = {}

    def get(self, key: Hashable, make: Callable[[], T], good_for: float) -> T:
        """Return the answer to *key*: a good one that is there, or what *make* makes of it now, once for all who ask.

        Raises:
            Unavailable: somebody makes it, and does not come to an end.

        """
        while True:
            with self._lock:
                kept = self._kept.get(key)
                age = self._clock.monotonic() - kept.made_at if kept else 0.0
                if kept is not None and age < kept.good_for:
                    self._kept.move_to_end(key)
                    return kept.value
                work = self._under_way.get(key)
                is_mine = work is None
                if work is None:
                    work = self._under_way[key] = _UnderWay()
                elif kept is None or age >= kept.good_for * _SHOWN_AT_MOST:
                    work.waiting += 1
            if is_mine:
                return self._make(key, work, make, good_for)
            if kept is not None and age < kept.good_for * _SHOWN_AT_MOST:
                return kept.value
            self._wait(work)
            if work.error is not None:
                raise work.error
            if not work.is_left:
                return work.value

    def _wait(self, work: _UnderWay) -> None:
        """Wait for what somebody else makes; it was counted that one more does."""
        looks = int(_PATIENCE_SECONDS / _LOOK_SECONDS)
        try:
            while not work.done.wait(_LOOK_SECONDS):
                runs.stop_if_told()
                looks -= 1
                if not looks:
                    raise Unavailable("These figures are still being added up. Try again in a moment.")
        finally:
            with self._lock:
                work.waiting -= 1

    def _make(self, key: Hashable, work: _UnderWay, make: Callable[[], T], good_for: float) -> T:
        began = self._clock.monotonic()
        work.is_left = True
        is_over = runs.stopped()
        left = IS_LEFT.set(lambda: is_over() and not work.waiting)
        try:
            value = make()
        except NobodyWaits:
            runs.stop_if_told()
            raise
        except Exception as error:
            work.error = error
            raise
        else:
            ended = self._clock.monotonic()
            work.value, work.is_left = value, False
            with self._lock:
                self._kept[key] = _Kept(value, ended, max(good_for, (ended - began) * _REST))
                self._kept.move_to_end(key)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
            return value
        finally:
            IS_LEFT.reset(left)
            with self._lock:
                self._under_way.pop(key, None)
            work.done.set()


_places: list[tuple[weakref.ref[Runtime], SharedFigures]] = []
"""Of this process's one Proctor; a test has one after the other."""
_placing = threading.Lock()


def _figures(runtime: Runtime) -> SharedFigures:
    with _placing:
        if not _places or _places[0][0]() is not runtime:
            _places[:] = [(weakref.ref(runtime), SharedFigures(runtime.clock))]
        return _places[0][1]


def shared(  # noqa: PLR0917 what an answer depends on
    visit: Visit,
    question: str,
    window: Window,
    asked: Hashable,
    make: Callable[[], T],
    needs: Permission = Permission.GENERATIONS_READ,
    *,
    says: str = "",
    good_for: float | None = None,
) -> T:
    """Return the answer to *question* about *window*; *asked* is all that it depends on, but for what moves with time.

    Whoever asks needs a permission, and shares it with who has that for the same tenants. *says* stands there while one
    waits for it. It is good for as many seconds as one about *window* is, or *good_for*. What comes back is
    everybody's: nobody changes it.
    """
    principal = visit.principal
    principal.require(needs)
    key = (question, principal.scope_of(needs), asked)
    good_for = refresh_seconds(window) * _GOOD if good_for is None else good_for
    figures = _figures(visit.runtime)
    if not says:
        return figures.get(key, make, good_for)
    with st.spinner(says):
        return figures.get(key, make, good_for)


def key_of(chosen: Range, window: Window) -> Hashable:
    """Return what keeps a range apart from others: a day by its name is another one tomorrow."""
    return str(chosen), None if chosen.name in HOURS else window.starts_at


def forget() -> None:
    """Keep nothing of what was made so far."""
    with _placing:
        _places.clear()

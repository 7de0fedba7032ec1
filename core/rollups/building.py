"""Building rollups of calls that were recorded before there were any: in the background, the newest first.

``rollup_state`` says from when on calls are in the rollups; whoever asks for older ones reads the calls themselves. A
step adds up some calls beside all who write, then adds that to the rollups and moves their beginning back, in one
transaction; so it can be broken off at any moment, and goes on where it was. Where somebody has changed an older call
meanwhile nothing is kept of the step, and it is made again.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from datetime import timedelta

from core.clock import Clock, micros
from core.rollups import layers
from core.rollups.facts import facts
from core.rollups.layers import COLUMNS, TAKEN
from core.rollups.stride import Stride
from core.statements import Cursor
from core.store import Store

AT_ONCE = 2_000
"""Calls of one step on PostgreSQL, where nobody waits for it."""
_IN_FLIGHT = timedelta(minutes=20)
"""Calls that were out when there were no rollups yet have ended after so long, however they were written."""
_STEPS_OF_ROUND = 200

_STATE = "SELECT s.built_from, s.past_changes FROM rollup_state s"
_FROM = (
    "SELECT g.started_at FROM generation g WHERE g.started_at < :until ORDER BY g.started_at DESC LIMIT 1 OFFSET :most"
)
_TAKING = f"SELECT {COLUMNS}, 1 AS n FROM ({facts('g.started_at >= :since AND g.started_at < :until')}) AS f"
_MOVE = "UPDATE rollup_state SET built_from = :since WHERE built_from = :until AND past_changes = :past_changes"


class _Changed(Exception):
    """Somebody has changed a call of before the rollups begin."""


class Building:
    """Moves the beginning of the rollups back, until they hold all calls that there are."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stride = Stride()
        self._state, self._from, self._move = map(store.prepare, (_STATE, _FROM, _MOVE))
        self._taking = store.prepare(_TAKING)
        self._whole = store.prepare(layers.added_at_once({TAKEN: _TAKING}))

    def run(self) -> int:
        """Take in some thousand calls of before the rollups begin; return how many steps that took, 0 at the end."""
        if self._store.read_one(self._state, {})[0] == 0:
            return 0
        for step in range(_STEPS_OF_ROUND):
            try:
                is_more = self._step_beside() if self._store.is_sqlite else self._step()
            except _Changed:
                is_more = True
            if not is_more:
                return step
            self._store.rest()
        return _STEPS_OF_ROUND

    def _step(self) -> bool:
        with self._store.transaction() as cursor:
            stretch = self._next(cursor, AT_ONCE)
            if stretch is None or stretch["until"] > micros(self._clock.now() - _IN_FLIGHT):
                return False
            cursor.execute(layers.LOCK)
            cursor.execute(layers.ROOM)
            cursor.execute(self._whole, stretch)
            self._go_back(cursor, stretch)
        return stretch["since"] > 0

    def _step_beside(self) -> bool:
        """Make a step on an SQLite, whose writers wait for the additions alone."""
        stretch: dict[str, int] | None = None

        def prepare(cursor: Cursor) -> None:
            nonlocal stretch
            stretch = self._next(cursor, self._stride.size)
            if stretch is not None:
                _, rows = layers.fill(cursor, self._taking, stretch)
                self._stride.made(self._stride.size, rows)  # of calls, each of which is several deltas

        with self._store.transaction(prepare=prepare) as cursor:
            if stretch is None:
                return False
            self._go_back(cursor, stretch)
            layers.add(cursor)
            layers.clear(cursor)
        return stretch["since"] > 0

    def _next(self, cursor: Cursor, most: int) -> dict[str, int] | None:
        """Return what is to be built next, and what was known then; ``None`` where there is nothing."""
        cursor.execute(self._state, {})
        until, past_changes = cursor.fetchone()
        if until == 0:
            return None
        cursor.execute(self._from, {"until": until, "most": most})
        found = cursor.fetchone()
        return {"since": found[0] if found else 0, "until": until, "past_changes": past_changes}

    def _go_back(self, cursor: Cursor, stretch: dict[str, int]) -> None:
        cursor.execute(self._move, stretch)
        if cursor.rowcount != 1:
            raise _Changed

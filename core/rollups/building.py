"""Building rollups of calls that were recorded before there were any: in the background, the newest first.

``rollup_state`` says from when on calls are in the rollups; whoever asks for older ones reads the calls themselves. A
step moves that back over some calls and appends them as if they came now, in one transaction; so it can be broken off
at any moment, and goes on where it was.
"""

from __future__ import annotations

from datetime import timedelta

from core.clock import Clock, micros
from core.rollups.deltas import insert_of
from core.store import Store

AT_ONCE = 500
"""Calls of one transaction."""
_IN_FLIGHT = timedelta(minutes=20)
"""Calls that were out when there were no rollups yet have ended after so long, however they were written."""
_STEPS_OF_ROUND = 200

_STATE = "SELECT s.built_from FROM rollup_state s"
_BEFORE = "SELECT g.started_at FROM generation g WHERE g.started_at < :until ORDER BY g.started_at DESC LIMIT 1 "
_FROM = f"{_BEFORE} OFFSET :most"
_MOVE = "UPDATE rollup_state SET built_from = :since"


class Building:
    """Moves the beginning of the rollups back, until they hold all calls that there are."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._state = store.prepare(_STATE if store.is_sqlite else f"{_STATE} FOR UPDATE")
        self._from, self._before, self._move = map(store.prepare, (_FROM, _BEFORE, _MOVE))
        self._insert = store.prepare(insert_of("g.started_at >= :since AND g.started_at < :until", 1))

    def run(self) -> int:
        """Take in some thousand calls of before the rollups begin; return how many steps that took, 0 at the end."""
        for step in range(_STEPS_OF_ROUND):
            if not self._step():
                return step
            self._store.rest()
        return _STEPS_OF_ROUND

    def _step(self) -> bool:
        with self._store.transaction() as cursor:
            cursor.execute(self._state, {})
            (until,) = cursor.fetchone()
            if until == 0 or (not self._store.is_sqlite and until > micros(self._clock.now() - _IN_FLIGHT)):
                return False
            cursor.execute(self._from, {"until": until, "most": AT_ONCE})
            found = cursor.fetchone()
            since = found[0] if found else 0
            cursor.execute(self._insert, {"since": since, "until": until})
            cursor.execute(self._move, {"since": since})
        return since > 0

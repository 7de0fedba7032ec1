"""Building the analytics store of calls of before it was there: in the background, the newest first.

What the rollups hold of a stretch is put into the outbox, and the beginning of the store is moved back, in one
transaction: so it is sent as all else is, and can be broken off at any moment. It never reaches further back than the
rollups, since of what becomes of older calls nobody is told.
"""

from __future__ import annotations

from core.analytics._state import STATE, Progress
from core.rollups import Outbox
from core.rollups.stride import Stride
from core.statements import Cursor
from core.store import Store

CALLS_AT_ONCE = 2_000
"""Calls of one step on PostgreSQL; a minute of them at least, as facts tell the minute."""
MOST_WAITING = 100_000
"""Nothing is built while so much waits to be sent."""
_MINUTE = 60_000_000
_FROM = (
    "SELECT g.started_at FROM generation g WHERE g.started_at < :until AND g.started_at >= :rolled "
    "ORDER BY g.started_at DESC LIMIT 1 OFFSET :most"
)
_ROLLED = "SELECT s.built_from, s.folds FROM rollup_state s"


class PastFacts:
    """Moves the beginning of the analytics store back, until it holds what the rollups do."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outbox = Outbox(store)
        self._stride = Stride()
        self._state, self._from, self._rolled = map(store.prepare, (STATE, _FROM, _ROLLED))

    def step(self) -> bool:
        """Take in some calls of before it begins; return whether there were any."""
        return self._step_beside() if self._store.is_sqlite else self._step()

    def _step(self) -> bool:
        now = Progress.of(self._store.read_one(self._state, {}))
        if now.built_from <= _up(self._store.read_one(self._rolled, {})[0]):
            return False
        with self._store.transaction() as cursor:
            batch = self._outbox.begin(cursor)  # behind its lock nobody folds
            if batch is None:
                return False
            stretch, _ = self._next(cursor, batch.built_from, CALLS_AT_ONCE)
            if stretch is None:
                return False
            self._outbox.put_past(cursor, batch, stretch)
        return True

    def _step_beside(self) -> bool:
        stretch: dict[str, int] | None = None
        known = folds = -1

        def prepare(cursor: Cursor) -> None:
            nonlocal stretch, known, folds
            cursor.execute(self._state, {})
            now = Progress.of(cursor.fetchone())
            known = now.built_from
            stretch, folds = self._next(cursor, known, self._stride.size)
            if now.is_on and stretch is not None:
                self._stride.made(self._stride.size, self._outbox.prepare_past(cursor, stretch))

        with self._store.transaction(prepare=prepare) as cursor:
            if stretch is None:
                return False
            cursor.execute(self._rolled, {})
            if cursor.fetchone()[1] != folds:
                return True  # what was folded meanwhile was left out as too old, and was not yet in what was read
            batch = self._outbox.begin(cursor)
            if batch is None or batch.built_from != known:
                return False
            self._outbox.put_prepared(cursor, batch, stretch)
        return True

    def _next(self, cursor: Cursor, until: int, most: int) -> tuple[dict[str, int] | None, int]:
        """Return what is to be built next, ``None`` where there is nothing; and how often was folded."""
        cursor.execute(self._rolled, {})
        rolled_from, folds = cursor.fetchone()
        rolled = _up(rolled_from)
        if until <= rolled:
            return None, folds
        cursor.execute(self._from, {"until": until, "rolled": rolled, "most": most})
        found = cursor.fetchone()
        since = found[0] // _MINUTE * _MINUTE if found else rolled
        return {"since": since, "until": until}, folds


def _up(at: int) -> int:
    return -(-at // _MINUTE) * _MINUTE

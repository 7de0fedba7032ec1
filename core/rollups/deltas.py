"""Appending to the rollups what came and what went, in the transaction that writes or corrects it.

Nothing is ever updated here: a row of sums that all calls move would be one that all wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from core.clock import micros
from core.rollups.facts import HEADS, MOST_LINKS, facts, is_plain
from core.rollups.narrowing import narrowed, near
from core.rollups.sums import NAMES
from core.statements import Cursor
from core.store import Store
from core.tables import REASKABLE

_BUILT = "g.started_at >= (SELECT s.built_from FROM rollup_state s)"
"""Of what is older the rollups know nothing yet; whoever builds them reads it as it is then."""
_CHANGED = "UPDATE rollup_state SET past_changes = past_changes + 1 WHERE built_from >"
"""Says so to whoever builds them. He moves ``built_from`` by the same row: one of the two waits, and sees the other."""
_ONE = f"g.id = :id AND {_BUILT}"
_AT_ONCE = 50
"""So many are looked up in one statement."""
_PLANS_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan"
"""Each statement about one call has one plan: see ``core.postgres.Patience``, by which the hot path has it already."""
_PLACES = 64
"""So many locks keep apart who writes a call and who asks again for it."""


def insert_of(which: str, n: int, *, plain: bool = False) -> str:
    """Return the statement that appends the facts of the generations ``g`` that *which* is true of, come or gone."""
    columns = ", ".join((*HEADS, *NAMES))
    return f"INSERT INTO rollup_delta ({columns}, n) SELECT {columns}, {n} FROM ({facts(which, plain=plain)}) AS f"  # noqa: S608


class Deltas:
    """Appends to the rollups' deltas, each time in the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._is_postgres = not store.is_sqlite  # SQLite has one writer at a time, and keeps no calls by months
        within = narrowed if self._is_postgres else str
        self._came = store.prepare(within(insert_of(_ONE, 1)))
        self._came_plain = store.prepare(within(insert_of(_ONE, 1, plain=True)))
        self._went = store.prepare(within(insert_of(_ONE, -1)))
        listed = ", ".join(f":id_{place}" for place in range(_AT_ONCE))
        self._earlier = store.prepare(
            f"SELECT g.reask_of FROM generation g WHERE g.id IN ({listed}) AND g.reask_of IS NOT NULL"  # noqa: S608
        )
        self._changed = store.prepare(f"{_CHANGED} (SELECT g.started_at FROM generation g WHERE g.id = :id)")  # noqa: S608 ours
        self._changed_at = store.prepare(f"{_CHANGED} :at")
        self._lock_row = store.prepare("SELECT g.id FROM generation g WHERE g.id = :id FOR UPDATE")
        self._lock_place = store.prepare("SELECT pg_advisory_xact_lock(7264002, :place)")

    def come(
        self, cursor: Cursor, rows: Sequence[Mapping[str, Any]], write: Callable[[], object], *, is_late: bool
    ) -> None:
        """Let generations be written, whose attempts are, and count them in.

        Those whose clients ask again by them are counted anew: they are no calls of their own any more. Where it
        *is_late*, whoever builds rollups of the past may have read it already.
        """
        ids = {row["id"] for row in rows}
        self._plan_once(cursor)
        earlier = self.chained(cursor, {row["reask_of"] for row in rows if row["reask_of"] is not None})
        self._keep_apart(cursor, [*earlier, *(row["id"] for row in rows if row["outcome"] in REASKABLE)])
        if is_late and rows:
            cursor.execute(self._changed_at, {"at": micros(min(row["started_at"] for row in rows))})
        with self.corrected(cursor, earlier - ids):
            write()
        plain = {row["id"] for row in rows if is_plain(row)}
        for statement, some in ((self._came_plain, plain), (self._came, ids - plain)):
            if some:
                cursor.executemany(statement, [near(one) for one in sorted(some)])

    def go(self, cursor: Cursor, ids: Sequence[str], delete: Callable[[], object]) -> None:
        """Take generations back, let them be deleted, and count anew what they asked again for."""
        self._plan_once(cursor)
        gone = [near(one) for one in sorted(ids)]
        earlier = self.chained(cursor, set(ids))
        self._keep_apart(cursor, [*earlier, *ids])
        self._hold(cursor, gone)
        with self.corrected(cursor, earlier.difference(ids)):
            cursor.executemany(self._went, gone)
            delete()

    @contextmanager
    def corrected(self, cursor: Cursor, ids: Sequence[str] | set[str]) -> Generator[None]:
        """Take back what the rollups hold of generations, let them be changed, and count in what is then there."""
        rows = [near(one) for one in sorted(ids)]
        if rows:
            self._plan_once(cursor)
            self._hold(cursor, rows)
            cursor.executemany(self._went, rows)
        yield
        if rows:
            cursor.executemany(self._came, rows)

    def chained(self, cursor: Cursor, ids: set[str]) -> set[str]:
        """Return *ids*, and all that those asked again for: how the last of a chain ended says how each of them did."""
        found, new = set[str](), set(ids)
        for _ in range(MOST_LINKS):
            found |= new
            asked, new = new, set[str]()
            ordered = sorted(asked)
            for first in range(0, len(ordered), _AT_ONCE):
                some = ordered[first : first + _AT_ONCE]
                some += [""] * (_AT_ONCE - len(some))  # one statement for any number
                cursor.execute(self._earlier, {f"id_{place}": one for place, one in enumerate(some)})
                while (row := cursor.fetchone()) is not None:
                    new.add(row[0])
            new -= found
            if not new:
                break
        return found

    def _plan_once(self, cursor: Cursor) -> None:
        """Let no statement of this transaction be planned anew for each call, where that is not so already."""
        if self._is_postgres and not getattr(cursor, "plans_once", False):
            cursor.execute(_PLANS_ONCE)

    def _keep_apart(self, cursor: Cursor, ids: Sequence[str]) -> None:
        """Let nobody write one of *ids*, and who asks again for it, at once: neither would see the other."""
        if self._is_postgres:
            for place in sorted({crc32(one.encode()) % _PLACES for one in ids}):
                cursor.execute(self._lock_place, {"place": place})

    def _hold(self, cursor: Cursor, rows: Sequence[Mapping[str, str]]) -> None:
        """Let nobody else correct them meanwhile, nor keep what he has built of them."""
        cursor.executemany(self._changed, rows)
        if self._is_postgres:
            cursor.executemany(self._lock_row, rows)

"""Folding: what was appended is added to the rollups and gone from the deltas, in one transaction.

Where there is an analytics store, the same transaction puts it where that is sent it from (``outbox``).

Rows are taken by what is there and deleted as they are taken. On PostgreSQL no id and no time is remembered as "done
until here": ids are given out before a transaction is kept, so such a mark would pass over what is kept late. Of two
who fold at once there the second waits, and takes nothing of what the first took. SQLite has one writer at a time, so
its ids are in the order in which rows were kept.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from typing import Any

from core.errors import Unavailable
from core.rollups import layers
from core.rollups.layers import COLUMNS, TAKEN
from core.rollups.outbox import PUT_TAKEN, Outbox
from core.rollups.stride import Stride
from core.statements import Cursor
from core.store import Store

_TAKING = f"SELECT {COLUMNS}, n FROM rollup_delta WHERE id <= :last"
_ENDS = "SELECT MIN(m.id) AS first, MAX(m.id) AS last FROM (SELECT id FROM rollup_delta ORDER BY id LIMIT :most) m"
# Both ends, though nothing is before the first: by one alone PostgreSQL expects a third of the table, and reads all.
_DELETING = (
    "DELETE FROM rollup_delta WHERE id >= (SELECT first FROM ends) AND id <= (SELECT last FROM ends) "
    f"RETURNING {COLUMNS}, n"
)


class Folding:
    """Adds deltas to the rollups."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stride = Stride(is_sqlite=store.is_sqlite)
        self._outbox = Outbox(store)
        self._put = store.prepare(PUT_TAKEN)
        taking = {"ends": _ENDS, TAKEN: _DELETING}
        self._whole = store.prepare(layers.added_at_once(taking))
        self._whole_put = store.prepare(layers.added_at_once(taking, {"put": PUT_TAKEN}))
        self._any = store.prepare("SELECT 1 FROM rollup_delta LIMIT 1")
        self._emptied, self._emptied_slots = map(store.prepare, (layers.EMPTIED, layers.EMPTIED_SLOTS))

    def run(self) -> int:
        """Fold all deltas that are there, some at a time; return how many."""
        folded = 0
        while self._store.read_one(self._any, {}) is not None:
            count, wanted = self._some_beside() if self._store.is_sqlite else self._some()
            folded += count
            if count < wanted:
                break
            self._store.rest()
        return folded

    def _some_beside(self) -> tuple[int, int]:
        """Fold some on an SQLite; return how many, and how many were wanted."""
        wanted, last, count, folds = self._stride.size, 0, 0, 0

        def prepare(cursor: Cursor) -> None:
            nonlocal last, count, folds
            cursor.execute("SELECT folds FROM rollup_state")
            (folds,) = cursor.fetchone()
            cursor.execute("SELECT MAX(id), COUNT(*) FROM (SELECT id FROM rollup_delta ORDER BY id LIMIT ?)", [wanted])
            last, count = cursor.fetchone()
            self._stride.made(*layers.fill(cursor, _TAKING, {"last": last}))

        with self._store.transaction(prepare=prepare) as cursor:
            cursor.execute("UPDATE rollup_state SET folds = folds + 1 WHERE folds = ?", [folds])
            if cursor.rowcount != 1:
                return 0, 0  # another process folded them meanwhile
            if (batch := self._outbox.begin(cursor)) is not None:
                cursor.execute(self._put, batch.of_taken)
                self._outbox.end(cursor, batch)
            lessened = layers.add(cursor)
            cursor.execute("DELETE FROM rollup_delta WHERE id <= ?", [last])
            self._empty(cursor, lessened)
            layers.clear(cursor)
        return count, wanted

    def _some(self) -> tuple[int, int]:
        """Fold some on a PostgreSQL, likewise."""
        wanted = self._stride.size
        try:
            with self._store.transaction() as cursor:
                batch = self._outbox.begin(cursor)
                cursor.execute(layers.ROOM)
                if batch is None:
                    cursor.execute(self._whole, {"most": wanted})
                else:
                    cursor.execute(self._whole_put, {"most": wanted, **batch.of_taken})
                first, *lessened = layers.rows_of(cursor)
                if batch is not None:
                    self._outbox.end(cursor, batch)
                self._empty(cursor, lessened)
        except Unavailable:
            self._stride.failed()
            raise
        _, _, _, rows, _, _, count = first
        self._stride.made(count, rows)
        return count, wanted

    def _empty(self, cursor: Cursor, lessened: list[tuple[Any, ...]]) -> None:
        """Delete what all that came went from again: no row of zeros stays."""
        sums, slots = layers.emptied(lessened)
        if sums:
            cursor.executemany(self._emptied, sums)
        if slots:
            cursor.executemany(self._emptied_slots, slots)

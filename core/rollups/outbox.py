"""What is folded into the rollups, or built of the past, is put where the analytics store is sent it from.

It is put there in the transaction that folds it, so that nothing is missed and nothing sent twice over. Batches are
numbered under a lock that is held until they are kept, so a lower number is never kept later: whoever has seen that the
store took batch 7 knows that it took all before. Where too much waits, nothing is sent on any more, and the store is
begun anew once it answers: an outbox must not fill the database, nor may a row be left out in silence.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from core.clock import micros
from core.rollups.facts import facts
from core.rollups.layers import COLUMNS, TAKEN
from core.statements import Cursor
from core.store import Store

MOST_WAITING = 1_000_000
"""Rows that wait at most: some three hundred megabytes."""
NOTHING = datetime(9999, 1, 1, tzinfo=UTC)
"""The store is built from here on while it knows of no call."""
TOO_MUCH = f"more than {MOST_WAITING:,} rows waited for it"

_NEXT = (
    "UPDATE analytics_state SET newest = newest + 1 WHERE name <> '' RETURNING newest, built_from, waiting, epoch, "
    "(SELECT s.built_from FROM rollup_state s)"
)
BEGIN_ANEW = (
    f"UPDATE analytics_state SET epoch = epoch + 1, built_from = {micros(NOTHING)}, shipped = newest, waiting = 0, "
    "why = :why WHERE epoch = :epoch AND name <> ''"
)
_COUNTED = (
    "UPDATE analytics_state SET waiting = waiting + "
    "(SELECT COUNT(*) FROM analytics_outbox WHERE batch = :batch), built_from = :since"
)
_PAST = (
    f"SELECT {COLUMNS}, 1 AS n FROM ({facts('g.started_at >= :since AND g.started_at < :until')}) AS f "
    f"UNION ALL SELECT {COLUMNS}, -n FROM rollup_delta WHERE at >= :since AND at < :until"
)
"""What the rollups hold of a stretch: what its calls say, without what is not folded yet, which will come by itself."""


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """A batch that is being filled; nobody else begins one until the transaction ends."""

    number: int
    built_from: int
    """What is older the store will be told when it is built."""
    epoch: int
    rolled_from: int
    """Since when calls are in the rollups, so that what becomes of them is heard of."""

    @property
    def of_taken(self) -> dict[str, int]:
        """What the statements below are bound to."""
        return {"batch": self.number, "built_from": self.built_from}


def put_of(source: str, where: str = "1 = 1") -> str:
    """Return the statement that puts the rows of *source* into a batch."""
    return (
        f"INSERT INTO analytics_outbox (batch, place, {COLUMNS}, n) "
        f"SELECT :batch, ROW_NUMBER() OVER (), {COLUMNS}, n FROM {source} WHERE {where}"
    )


PUT_TAKEN = put_of(TAKEN, "at >= :built_from")
"""Puts there what was folded, of calls that the store knows of."""
_PAST_BESIDE = "analytics_past"
_TEMPORARY = f"CREATE TEMP TABLE IF NOT EXISTS {_PAST_BESIDE} AS SELECT {COLUMNS}, n FROM rollup_delta LIMIT 0"


class Outbox:
    """Puts there what is to be sent on, each time in the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._next, self._anew, self._counted = map(store.prepare, (_NEXT, BEGIN_ANEW, _COUNTED))
        self._past, self._put_past = store.prepare(_PAST), store.prepare(put_of(f"({_PAST}) AS past"))
        self._put_beside = store.prepare(put_of(_PAST_BESIDE))

    def begin(self, cursor: Cursor) -> OutboxBatch | None:
        """Begin a batch, if anything is sent on."""
        cursor.execute(self._next, {})
        found = cursor.fetchone()
        if found is None:
            return None
        number, built_from, waiting, epoch, rolled_from = found
        if waiting > MOST_WAITING:
            cursor.execute(self._anew, {"epoch": epoch, "why": TOO_MUCH})
            return None
        return OutboxBatch(number, built_from, epoch, rolled_from)

    def end(self, cursor: Cursor, batch: OutboxBatch, built_from: int | None = None) -> None:
        """Count what was put there, and say how far back the store reaches now."""
        since = batch.built_from if built_from is None else built_from
        cursor.execute(self._counted, {"batch": batch.number, "since": since})

    def put_past(self, cursor: Cursor, batch: OutboxBatch, stretch: dict[str, int]) -> None:
        """Put there what the rollups hold of a stretch of the past, and move back how far the store reaches."""
        cursor.execute(self._put_past, stretch | {"batch": batch.number})
        self.end(cursor, batch, stretch["since"])

    # ── SQLite: beside the writers, who wait for the additions alone ──────────────────────────────────────────────────

    def prepare_past(self, cursor: Cursor, stretch: dict[str, int]) -> int:
        """Read such a stretch into a temporary table; return how many rows it makes."""
        cursor.execute(_TEMPORARY)
        cursor.execute(f"DELETE FROM {_PAST_BESIDE}")
        cursor.execute(f"INSERT INTO {_PAST_BESIDE} {self._past}", stretch)
        return cursor.rowcount

    def put_prepared(self, cursor: Cursor, batch: OutboxBatch, stretch: dict[str, int]) -> None:
        """Put there what was read so; nothing may have been folded since."""
        cursor.execute(self._put_beside, {"batch": batch.number})
        self.end(cursor, batch, stretch["since"])
        cursor.execute(f"DELETE FROM {_PAST_BESIDE}")

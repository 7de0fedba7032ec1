"""Mending rollups: what differs from the calls is added to them or taken off, some rows at a time.

By how much rollups and deltas differ from the calls is the same whatever is recorded, corrected or folded meanwhile, as
each of these moves both sides alike. So it is found on a snapshot, which keeps nobody waiting, and written afterwards;
whoever is broken off finds what is left of it the next time.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.rollups.layers import EMPTIED, EMPTIED_SLOTS, LOCK
from core.rollups.proof import PartProof, part_proofs
from core.rollups.sums import NAMES
from core.store import AT_ONCE, Store

_FOUND_AT_ONCE = 10_000
_MOST_PASSES = 500
"""What is still off then is found and told by the proof behind it."""
_KEY = ("facet", "minutes", "tenant_id", "at", "value", "detail")
_SLOT_KEY = (*_KEY, "kind", "slot")


def _added(table: str, key: Sequence[str], sums: Sequence[str]) -> str:
    both = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    columns = (*key, *sums)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {both}"
    )


class Mending:
    """Brings the rollups of a day in line with its calls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sums = store.prepare(_added("rollup", _KEY, ("n", *NAMES)))
        self._emptied, self._emptied_slots = map(store.prepare, (EMPTIED, EMPTIED_SLOTS))
        self._slots = store.prepare(_added("rollup_slot", _SLOT_KEY, ("n",)))

    def mend(self, day: datetime) -> int:
        """Bring all widths of one UTC day in line; return how many rows were off."""
        return sum(map(self._mend, part_proofs(self._store, day)))

    def _mend(self, part: PartProof) -> int:
        key, sums = (_SLOT_KEY, ("n",)) if part.of_slots else (_KEY, ("n", *NAMES))
        added, emptied = (self._slots, self._emptied_slots) if part.of_slots else (self._sums, self._emptied)
        mended = 0
        for _ in range(_MOST_PASSES):
            with self._store.scanning() as session:
                found = part.off(self._store, session.connection(), _FOUND_AT_ONCE)
            rows: list[dict[str, Any]] = []
            for facet, *named in found:
                off = named[len(key) - 2 :]
                row = dict(zip(key, (facet, part.minutes, *named), strict=False))
                rows.append(row | {name: -by for name, by in zip(sums, off, strict=True)})
            self._write(added, emptied, rows)
            mended += len(rows)
            if len(rows) < _FOUND_AT_ONCE:
                break
        return mended

    def _write(self, sql: str, emptied: str, rows: Sequence[Mapping[str, Any]]) -> None:
        for first in range(0, len(rows), AT_ONCE):
            with self._store.transaction() as cursor:
                if not self._store.is_sqlite:
                    cursor.execute(LOCK)
                cursor.executemany(sql, rows[first : first + AT_ONCE])
                cursor.executemany(emptied, rows[first : first + AT_ONCE])
            self._store.rest()

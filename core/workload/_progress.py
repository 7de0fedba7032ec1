"""How far a workload has come, written down with every thousand calls of it: so it goes on wherever it was cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from core.claims import WORKLOAD
from core.clock import LATEST, from_micros, micros
from core.errors import Conflict
from core.store import Cursor, Store

_KEY = "fill"
_LOOK = "SELECT result FROM claim WHERE kind = :kind AND key = :key"
_BEGIN = """
    INSERT INTO claim (kind, key, tenant_id, holder, result, since, expires_at)
    VALUES (:kind, :key, '', :key, :after, :now, :until) ON CONFLICT (kind, key) DO NOTHING
"""
_GO_ON = "UPDATE claim SET result = :after, since = :now WHERE kind = :kind AND key = :key AND result = :before"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillStretch:
    """Calls that are written in the order of their times, from ``first`` on and before ``goal``, by their numbers."""

    begins: datetime
    ends: datetime
    """The times between which they lie."""
    first: int
    goal: int
    done: int
    """The number of the next call."""

    @property
    def is_done(self) -> bool:
        """Whether all of it is written."""
        return self.done >= self.goal

    def come_to(self, done: int) -> FillStretch:
        """Return the same, having come so far."""
        return replace(self, done=done)

    def told(self) -> str:
        """Return it as it is kept."""
        times = {"begins": micros(self.begins), "ends": micros(self.ends)}
        return orjson.dumps(times | {"first": self.first, "goal": self.goal, "done": self.done}).decode()


class FillProgress:
    """The one stretch that a database's workload is at, or has come to the end of."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._look, self._begin, self._go_on = (store.prepare(sql) for sql in (_LOOK, _BEGIN, _GO_ON))

    def read(self) -> FillStretch | None:
        """Return it; ``None`` where no workload was begun."""
        row = self._store.read_one(self._look, {"kind": WORKLOAD, "key": _KEY})
        if row is None:
            return None
        kept: dict[str, Any] = orjson.loads(row[0])
        times = {name: from_micros(kept[name]) for name in ("begins", "ends")}
        return FillStretch(**times, first=kept["first"], goal=kept["goal"], done=kept["done"])

    def write(self, cursor: Cursor, before: FillStretch | None, after: FillStretch) -> None:
        """Write down in the caller's transaction that from *before* it came to *after*.

        Raises:
            Conflict: it stands elsewhere by now.

        """
        times = {"now": micros(after.ends), "until": micros(LATEST)}
        row = {"kind": WORKLOAD, "key": _KEY, "after": after.told(), **times}
        if before is None:
            cursor.execute(self._begin, row)
        else:
            cursor.execute(
                self._go_on, {name: row[name] for name in ("kind", "key", "after", "now")} | {"before": before.told()}
            )
        if cursor.rowcount != 1:
            raise Conflict(
                "Another fill of this database is under way; one at a time, since they write the same calls."
            )

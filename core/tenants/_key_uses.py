"""When each key was last used: kept in memory by whoever lets it in, and written down once a minute by a chore."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import bindparam
from sqlmodel import col

from core.clock import Clock
from core.store import AT_ONCE, Store
from core.tables import ApiKey, UtcTime


class KeyUses:
    """The uses that this process has seen since it last wrote them down: one time per text of a key."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[str, datetime] = {}

    def note(self, hashed: str) -> None:
        """Take in that the text of that digest has been used. Costs nothing but a look at the clock."""
        self._seen[hashed] = self._clock.now()

    def write(self) -> None:
        """Write down what was seen; what other processes saw later stays. What fails is lost, but for the next use.

        Raises:
            Unavailable: the database does not answer.

        """
        seen, self._seen = self._seen, {}
        used = sorted(seen.copy().items())  # in one order in all processes, who else would wait for each other
        for start in range(0, len(used), AT_ONCE):
            rows = [{"text": hashed, "at": at} for hashed, at in used[start : start + AT_ONCE]]
            with self._store.writing() as session:
                session.connection().execute(_NEW, rows)
                session.connection().execute(_OLD, rows)


def _later(kept: Any, hashed: Any) -> sqlalchemy.Update:
    at = bindparam("at", type_=UtcTime())
    return (
        sqlalchemy.update(ApiKey)
        .where(col(hashed) == bindparam("text"), sqlalchemy.or_(col(kept).is_(None), col(kept) < at))
        .values({col(kept): at})
    )


_NEW, _OLD = _later(ApiKey.used_at, ApiKey.hash), _later(ApiKey.old_used_at, ApiKey.old_hash)

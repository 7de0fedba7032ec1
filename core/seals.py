"""Which keys have sealed what is kept, and how all of it comes under the newest.

A deployment that gets its first key, or another one, seals what is there some hundred rows at a time, while calls go
on; one that was cut goes on where it was, since what is done is not found any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from core.errors import Misconfigured, Unavailable
from core.journal import JournalWriter
from core.sealed_texts import CannotOpen, missing, opened_payload, opened_text, sealed_payload, sealed_text
from core.store import AT_ONCE, Store

_TABLES = ("payload", "claim")
# One look at the index per key, however many rows it has sealed.
_NEXT = "SELECT MIN(key_id) FROM {table} WHERE key_id IS NOT NULL AND key_id > :after"
MOST_COUNTED = 10_000
"""Rows are counted up to one more: who starts or looks closer waits for no millions."""
# All of it stands in the index.
_COUNT = f"SELECT COUNT(*) FROM (SELECT key_id FROM {{table}} WHERE {{by}} LIMIT {MOST_COUNTED + 1}) found"  # noqa: S608 ours
_IS = {False: "key_id = :key_id", True: "key_id IS NULL"}
# A payload whose generation is out yet, or lost, waits for that: it says whose it is.
_PAYLOADS = f"""
    SELECT p.generation_id, p.n, p.asked, p.answered, p.key_id, g.tenant_id FROM payload p
    JOIN generation g ON g.id = p.generation_id WHERE p.{{by}} LIMIT {AT_ONCE}
"""  # noqa: S608 written here
_CLAIMS = f"SELECT kind, key, tenant_id, result, key_id FROM claim WHERE {{by}} LIMIT {AT_ONCE}"  # noqa: S608 as above
_RESEAL_CLAIM = """
    UPDATE claim SET result = :result, key_id = :key_id WHERE kind = :kind AND key = :key AND key_id = :before
"""


class Seals:
    """What is sealed by which key."""

    def __init__(self, store: Store, journal: JournalWriter) -> None:
        self._store = store
        self._journal = journal

    @property
    def _newest(self) -> str | None:
        """The id of the key that seals."""
        keys = self._store.own_keys.payload_keys
        return keys[0].id if keys else None

    def require_keys(self) -> None:
        """Go on only if all that is sealed can be opened.

        Raises:
            Misconfigured: a key is missing; the message names it, and says of how many rows.

        """
        ours = {one.id for one in self._store.own_keys.payload_keys}
        for key_id, count in self._counts(but=ours).items():
            raise Misconfigured(
                f"{counted(count)} rows of prompts and answers are sealed by the key {key_id}, which PAYLOAD_KEYS does "
                "not have. Name it there, behind the newest, until 'proctor doctor' says that nothing is sealed by it."
            )

    def remaining(self) -> Mapping[str, int]:
        """Return how many rows another key than the newest has sealed, by its id; under '' how many none has.

        Of more than ``MOST_COUNTED`` only that there are.

        Without a key nothing is to be sealed.
        """
        newest = self._newest
        if newest is None:
            return {}
        plain = self._count("payload", None)
        return {**self._counts(but={newest}), **({"": plain} if plain else {})}

    def reseal(self) -> int:
        """Seal by the newest key what another sealed, or none did; return how many rows.

        Raises:
            Unavailable: a key is missing, or something was changed; what else there is, is done, unless there are more
                than some hundred rows that somebody changed.

        """
        newest, done, troubles = self._newest, 0, set[str]()
        known = {one.id for one in self._store.own_keys.payload_keys}
        for table, seal in (("payload", self._payloads), ("claim", self._claims)):
            for key_id in self._ids(table):
                if key_id == newest:
                    continue
                if key_id not in known:
                    troubles.add(missing(key_id))
                    continue
                done += self._all(seal, key_id, troubles)
        if newest is not None:
            done += self._all(self._payloads, None, troubles)
        if troubles:
            raise Unavailable(min(troubles))
        return done

    def _all(self, seal: Any, key_id: str | None, troubles: set[str]) -> int:
        done = 0
        while count := seal(key_id, troubles):
            done += count
            self._store.rest()
        return done

    def _payloads(self, key_id: str | None, troubles: set[str]) -> int:
        """Seal some payloads anew, and note what does not open; return how many."""
        keys, new = self._store.own_keys, list[Mapping[str, Any]]()
        for row in self._rows(_PAYLOADS.format(by=_IS[key_id is None]), key_id):
            kept = _Stored(row.generation_id, row.n, _read(row.asked), row.answered, row.key_id)
            try:
                asked, answered = opened_payload(keys, row.tenant_id, kept)
            except CannotOpen as error:
                troubles.add(str(error))
                continue
            plain = {"generation_id": row.generation_id, "n": row.n, "asked": asked, "answered": answered}
            sealed = sealed_payload(keys, row.tenant_id, plain)
            new.append({**sealed, "asked": _written(sealed["asked"]), "before": key_id or ""})
        if new:
            with self._store.transaction() as cursor:
                self._journal.reseal(cursor, new)
        return len(new)

    def _claims(self, key_id: str | None, troubles: set[str]) -> int:
        """Seal some results of claims anew, and note what does not open; return how many."""
        keys, new = self._store.own_keys, list[Mapping[str, Any]]()
        for row in self._rows(_CLAIMS.format(by=_IS[key_id is None]), key_id):
            place = f"claim {row.kind} {row.key}"
            try:
                text = opened_text(keys, row.tenant_id, place, row.key_id, row.result)
            except CannotOpen as error:
                troubles.add(str(error))
                continue
            result = sealed_text(keys, row.tenant_id, place, text)
            named = {"kind": row.kind, "key": row.key, "before": row.key_id}
            new.append({**named, "result": result, "key_id": self._newest})
        if new:
            with self._store.transaction() as cursor:
                cursor.executemany(self._store.prepare(_RESEAL_CLAIM), new)
        return len(new)

    def _rows(self, sql: str, key_id: str | None) -> Sequence[Any]:
        with self._store.scanning() as session:
            bound = {} if key_id is None else {"key_id": key_id}
            return session.connection().exec_driver_sql(self._store.prepare(sql), bound).all()

    def _ids(self, table: str) -> Sequence[str]:
        """Return the ids of the keys that sealed something of a table."""
        found, sql = list[str](), self._store.prepare(_NEXT.format(table=table))
        while row := self._store.read_one(sql, {"after": found[-1] if found else ""}):
            if row[0] is None:
                break
            found.append(row[0])
        return found

    def _counts(self, but: set[str]) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for table in _TABLES:
            for key_id in self._ids(table):
                if key_id not in but:
                    counts[key_id] = counts.get(key_id, 0) + self._count(table, key_id)
        return counts

    def _count(self, table: str, key_id: str | None) -> int:
        sql = self._store.prepare(_COUNT.format(table=table, by=_IS[key_id is None]))
        return int(self._store.read_one(sql, {} if key_id is None else {"key_id": key_id})[0])


def counted(rows: int) -> str:
    """Return how many rows there are, as far as they are counted."""
    return f"more than {MOST_COUNTED:,}" if rows > MOST_COUNTED else f"{rows:,}"


class _Stored:
    """A row of payloads as its columns have it."""

    def __init__(self, generation_id: str, n: int, asked: Any, answered: str | None, key_id: str | None) -> None:
        self.generation_id = generation_id
        self.n = n
        self.asked = asked
        self.answered = answered
        self.key_id = key_id


def _read(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _written(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()

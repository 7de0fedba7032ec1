"""Taking a claim, leaving a result, and looking at what others left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BindParameter, String, bindparam, delete, literal, literal_column, text, update
from sqlmodel import Session, col, select

from core.claims._renewals import LEASE_SECONDS, RENEW_SECONDS, Renewals
from core.clock import Clock, from_micros, micros
from core.database_faults import Disconnected
from core.errors import Unavailable
from core.own_keys import OwnKeys
from core.sealed_texts import CannotOpen, opened_text, sealed_text
from core.store import AT_ONCE, Store
from core.tables import ANSWERED_BY, IS_ANSWER, Claim

ANSWER, CHORE, FREEZE, IDEMPOTENCY, REASK = "answer", "chore", "freeze", "idempotency", "reask"
OUTLOOK, SIGN_IN, WORKLOAD = "outlook", "sign_in", "workload"
"""The kinds of claims that there are. Nobody holds those of these three: an outlook is what a chore, which has a claim
of its own, foresees for a tenant; of sign-in it is tries that are counted; of a workload how far that has come."""
_ANSWERS = (ANSWER, IDEMPOTENCY)
"""Of which the result is what a model or a vendor wrote."""
REMEMBERED_FOR = timedelta(days=1)
"""How long a lease that was lost stays, of a kind that is remembered."""
_IS_REMEMBERED = f"claim.kind = '{IDEMPOTENCY}' AND claim.result IS NULL AND claim.since > :forgotten"
_SWEPT_AT_ONCE = 500
_TAKE = f"""
    INSERT INTO claim (kind, key, tenant_id, holder, result, since, expires_at)
    VALUES (:kind, :key, :tenant_id, :holder, NULL, :now, :until)
    ON CONFLICT (kind, key) DO UPDATE SET
        tenant_id = excluded.tenant_id, holder = excluded.holder, result = NULL, key_id = NULL,
        since = excluded.since, expires_at = excluded.expires_at
    WHERE claim.expires_at <= excluded.since AND NOT ({_IS_REMEMBERED})
"""  # noqa: S608 written here
_LOOK = f"""
    SELECT result, holder, since, expires_at, tenant_id, key_id FROM claim
    WHERE kind = :kind AND key = :key AND (expires_at > :now OR {_IS_REMEMBERED})
"""  # noqa: S608 written here
_OF_KIND = "SELECT key, result, holder, since, expires_at FROM claim WHERE kind = :kind ORDER BY key"
_FINISH = """
    UPDATE claim SET result = :result, key_id = :key_id, since = :now, expires_at = :until
    WHERE kind = :kind AND key = :key AND holder = :holder AND result IS NULL
"""
_SUCCEED = """
    UPDATE claim SET holder = :holder, since = :now, expires_at = :until
    WHERE kind = :kind AND key = :key AND holder = :lost AND result IS NULL AND expires_at <= :now
"""
_LEAVE = "DELETE FROM claim WHERE kind = :kind AND key = :key AND holder = :holder AND result IS NULL"
_FORGET = f"""
    DELETE FROM claim WHERE kind = :kind AND key IN (
        SELECT key FROM claim WHERE tenant_id = :tenant_id AND kind = :kind AND since <= :now
        ORDER BY key LIMIT {AT_ONCE}{{locked}}
    )
"""  # noqa: S608 written here
_SWEEP = f"""
    DELETE FROM claim WHERE (kind, key) IN (
        SELECT kind, key FROM claim WHERE expires_at <= :now AND NOT ({_IS_REMEMBERED})
        ORDER BY expires_at LIMIT {_SWEPT_AT_ONCE}{{locked}}
    )
"""  # noqa: S608 written here


class Held(NamedTuple):
    """Somebody else is at it."""

    holder: str
    since: datetime
    until: datetime
    """When it is given up, unless it is renewed or ended before."""


class Done(NamedTuple):
    """It was done, and what came of it still holds."""

    result: Any
    holder: str
    since: datetime
    until: datetime
    """When the result is too old, and whoever wants may do it anew."""


class Lost(NamedTuple):
    """Somebody was at it and is gone; what became of it, nobody has said."""

    holder: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do it, renewed while this process lives. Whoever gets one finishes or leaves it."""

    kind: str
    key: str
    holder: str
    since: datetime
    tenant_id: str
    """Whose data a result will be."""
    _claims: Claims = field(repr=False, compare=False)

    def finish(self, result: Any, until: datetime) -> bool:
        """Leave a *result*, a JSON value that is not ``None``, which holds *until* then; whether it was taken.

        It is not where another has taken the claim over, or where the claim was forgotten meanwhile.

        Raises:
            Unavailable: the database does not answer; the lease is renewed no more.

        """
        return self._claims.finish(self, result, until)

    def lose(self) -> None:
        """Renew it no more and say nothing: the next one finds it lost, if its kind is remembered."""
        self._claims.lose(self)

    def leave(self) -> None:
        """Let the next one try, now.

        Raises:
            Unavailable: the database does not answer; the next one can try when the lease is over.

        """
        self._claims.leave(self)


class Claims:
    """The claims of this deployment."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._renewals = Renewals(store, clock, self._lease, renew_seconds)
        self._take_sql = store.prepare(_TAKE)
        self._look_sql = store.prepare(_LOOK)
        self._succeed_sql = store.prepare(_SUCCEED)
        self._finish_sql = store.prepare(_FINISH)
        self._leave_sql = store.prepare(_LEAVE)
        self._forget_sql = store.prepare(_FORGET.format(locked="" if store.is_sqlite else " FOR UPDATE"))
        self._sweep_sql = store.prepare(_SWEEP.format(locked="" if store.is_sqlite else " FOR UPDATE SKIP LOCKED"))

    def claim(
        self, kind: str, key: str, *, tenant_id: str = "", holder: str | None = None, most: timedelta | None = None
    ) -> Lease | Held | Done | Lost:
        """Take a claim, or learn who has it, or what came of it: one statement for whoever gets it, else two.

        *holder* names this one try and no other; without it one is made. *tenant_id* says whose data a result will be.
        The lease is renewed for as long as *most*; without it, until it is ended.

        Raises:
            Unavailable: the database does not answer.

        """
        holder = holder or self._clock.new_id()
        while True:
            now = self._clock.now()
            times = {"now": micros(now), "until": micros(now + self._lease), "forgotten": _forgotten(now)}
            named = {"kind": kind, "key": key, "tenant_id": tenant_id, "holder": holder}
            count, is_again = self._write(self._take_sql, named | times)
            found = None if count else self.look(kind, key)
            if count or (is_again and isinstance(found, Held) and found.holder == holder):
                self._renewals.hold((kind, key, holder), most)
                return Lease(kind, key, holder, now, tenant_id, self)
            if found is not None:
                return found  # else it was just left, or has just grown old

    def succeed(self, kind: str, key: str, lost: Lost, *, tenant_id: str, holder: str) -> Lease | None:
        """Take over a claim that was lost; ``None`` where another was faster.

        Raises:
            Unavailable: the database does not answer.

        """
        now = self._clock.now()
        row = {"kind": kind, "key": key, "holder": holder, "lost": lost.holder}
        count, is_again = self._write(self._succeed_sql, row | {"now": micros(now), "until": micros(now + self._lease)})
        found = self.look(kind, key) if is_again and not count else None
        if not count and not (isinstance(found, Held) and found.holder == holder):
            return None
        self._renewals.hold((kind, key, holder), None)
        return Lease(kind, key, holder, now, tenant_id, self)

    def look(self, kind: str, key: str) -> Held | Done | Lost | None:
        """Return who has a claim, or what came of it; ``None`` where anybody may take it.

        Raises:
            Unavailable: the database does not answer, or what came of it is sealed by a key that is missing here.

        """
        now = self._clock.now()
        asked = {"kind": kind, "key": key, "now": micros(now), "forgotten": _forgotten(now)}
        row = self._store.read_one(self._look_sql, asked)
        if row is None:
            return None
        *said, tenant_id, key_id = row
        if key_id is not None:
            try:
                said[0] = opened_text(self._store.own_keys, tenant_id, _place(kind, key), key_id, said[0])
            except CannotOpen as error:
                raise Unavailable(f"An answer that is kept cannot be given again. {error}") from error
        found = _found(*said)
        return Lost(found.holder, found.since) if isinstance(found, Held) and found.until <= now else found

    def of_kind(self, kind: str) -> Mapping[str, Held | Done]:
        """Return the claims of a kind by their keys, also those whose time is over: for kinds that have few."""
        with self._store.snapshot() as connection:
            rows = connection.execute(text(_OF_KIND), {"kind": kind}).all()
        return {key: _found(*rest) for key, *rest in rows}

    def is_current(self, found: Held | Done) -> bool:
        """Whether what was found still holds by now."""
        return found.until > self._clock.now()

    def finish(self, lease: Lease, result: Any, until: datetime) -> bool:
        """End a lease with a result: see :meth:`Lease.finish`."""
        self._renewals.drop((lease.kind, lease.key, lease.holder))
        keys, written, key_id = self._store.own_keys, orjson.dumps(result).decode(), None
        if keys.payload_keys and lease.kind in _ANSWERS:
            written = sealed_text(keys, lease.tenant_id, _place(lease.kind, lease.key), written)
            key_id = keys.payload_keys[0].id
        row = {
            "kind": lease.kind,
            "key": lease.key,
            "holder": lease.holder,
            "result": written,
            "key_id": key_id,
            "now": micros(self._clock.now()),
            "until": micros(until),
        }
        count, is_again = self._write(self._finish_sql, row)
        if count or not is_again:
            return count == 1
        found = self.look(lease.kind, lease.key)
        return isinstance(found, Done) and found.holder == lease.holder

    def lose(self, lease: Lease) -> None:
        """End a lease and say nothing: see :meth:`Lease.lose`."""
        self._renewals.drop((lease.kind, lease.key, lease.holder))

    def leave(self, lease: Lease) -> None:
        """End a lease without a result: see :meth:`Lease.leave`."""
        self._renewals.drop((lease.kind, lease.key, lease.holder))
        self._write(self._leave_sql, {"kind": lease.kind, "key": lease.key, "holder": lease.holder})

    def _write(self, sql: str, row: Mapping[str, Any]) -> tuple[int, bool]:
        """Run one statement in one round trip; return how many rows it met, and whether it had to be run again.

        Where a kept connection broke, it may have been kept the first time: who ran it again looks whose the row is.
        """
        try:
            return self._store.write_one(sql, row), False
        except Disconnected:
            with self._store.transaction() as cursor:
                cursor.execute(sql, row)
                return cursor.rowcount, True

    def forget(self, kind: str, tenant_id: str) -> None:
        """Delete a tenant's claims of a kind as of now, some hundred per transaction.

        Leases go too: their holders will leave no result.
        """
        row = {"kind": kind, "tenant_id": tenant_id, "now": micros(self._clock.now())}
        while True:
            with self._store.transaction() as cursor:
                cursor.execute(self._forget_sql, row)
                if cursor.rowcount < AT_ONCE:
                    return
            self._store.rest()

    def sweep(self) -> int:
        """Delete results that are too old and leases of the dead, a bounded number per transaction; return how many."""
        swept = 0
        while True:
            with self._store.transaction() as cursor:
                now = self._clock.now()
                cursor.execute(self._sweep_sql, {"now": micros(now), "forgotten": _forgotten(now)})
                swept += cursor.rowcount
                if cursor.rowcount < _SWEPT_AT_ONCE:
                    return swept

    def close(self) -> None:
        """Renew no lease any more."""
        self._renewals.close()


def forget_answers(session: Session, generation_ids: Sequence[str]) -> int:
    """Delete what some generations answered and was to be given again, as a part of a transaction; return how many.

    Under an ``Idempotency-Key`` it stays known that there was an answer, so that nobody pays for it twice.
    """
    connection = session.connection()
    by = literal_column(ANSWERED_BY, String)
    ids: BindParameter[Any] = bindparam(
        "ids", generation_ids, expanding=True
    )  # else it is named by the words of the column
    by_one = by.in_(ids), text(IS_ANSWER), col(Claim.result).is_not(None)
    known = literal('{"generation_id":"', String) + by + '"}'
    kept = update(Claim).where(*by_one, col(Claim.kind) == IDEMPOTENCY, col(Claim.result) != known)
    return (
        connection.execute(delete(Claim).where(*by_one, col(Claim.kind) == ANSWER)).rowcount
        + connection.execute(kept.values(result=known, key_id=None)).rowcount
    )


def kept_answers(session: Session, keys: OwnKeys, generation_id: str, now: datetime) -> list[dict[str, Any]]:
    """Return what one generation answered and is to be given again, with its kind and until when; or why it is shut."""
    by = literal_column(ANSWERED_BY, String) == bindparam("id", generation_id)
    holds = col(Claim.result).is_not(None), col(Claim.expires_at) > now
    found = session.exec(select(Claim).where(by, text(IS_ANSWER), *holds).order_by(col(Claim.kind), col(Claim.key)))
    told: list[dict[str, Any]] = []
    for one in found:
        result, said = one.result or "null", {"kind": one.kind, "until": one.expires_at}
        try:
            if one.key_id is not None:
                result = opened_text(keys, one.tenant_id, _place(one.kind, one.key), one.key_id, result)
        except CannotOpen as error:
            told.append({**said, "shut": str(error)})
        else:
            told.append({**said, "answer": orjson.Fragment(result)})
    return told


def _place(kind: str, key: str) -> str:
    """Return what the result of a claim is sealed for."""
    return f"claim {kind} {key}"


def _forgotten(now: datetime) -> int:
    return micros(now - REMEMBERED_FOR)


def _found(result: str | None, holder: str, since: int, until: int) -> Held | Done:
    """Return what a row says."""
    times = from_micros(since), from_micros(until)
    return Held(holder, *times) if result is None else Done(orjson.loads(result), holder, *times)

"""What vendors store, and whose it is.

All tenants share a vendor's account, so whoever knows the id of a stored response could read it. Here is written down
for which tenant each thing was made, and with which of the provider's keys; what is not written down is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, text

from core.clock import Clock, micros
from core.database_faults import Disconnected
from core.dialects import BILLED_AGAIN, DialectName, KeptState
from core.errors import Invalid, NotFound
from core.store import AT_ONCE, Store

KEPT_FOR = timedelta(days=30)
"""How long OpenAI stores a response; nothing else here is stored longer."""
_USUALLY = 8
"""How much of an answer is stored as a rule, at most: its own id, and those of its items."""
MOST_NAMED = 1000
"""How much of what is stored one request may name."""
_KEEP = """
    INSERT INTO stored_object
        (tenant_id, digest, kind, door, provider, model, key_digest, tokens, stored_at, expires_at)
    VALUES {rows}
    ON CONFLICT (tenant_id, digest) DO UPDATE SET
        kind = excluded.kind, door = excluded.door, provider = excluded.provider, model = excluded.model,
        key_digest = excluded.key_digest, tokens = excluded.tokens, stored_at = excluded.stored_at,
        expires_at = excluded.expires_at
"""
_ROW = "(:tenant_id, :digest{n}, :kind{n}, :door, :provider, :model, :key_digest, :tokens{n}, :now, :until)"
_COLUMNS = "digest, door, provider, model, key_digest, tokens"
_ONE = f"SELECT {_COLUMNS} FROM stored_object WHERE tenant_id = :tenant_id AND digest = :digest AND expires_at > :now"  # noqa: S608 written here
_SOME = (
    f"SELECT {_COLUMNS} FROM stored_object WHERE tenant_id = :tenant_id AND digest IN :digests AND expires_at > :now"  # noqa: S608 written here
)
_FORGET = "DELETE FROM stored_object WHERE tenant_id = :tenant_id AND digest = :digest"
_SWEEP = f"""
    DELETE FROM stored_object WHERE (tenant_id, digest) IN (
        SELECT tenant_id, digest FROM stored_object WHERE expires_at <= :now
        ORDER BY expires_at LIMIT {AT_ONCE}{{locked}}
    )
"""  # noqa: S608 written here


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Where something that is stored can be had."""

    provider: str
    model: str
    """Whose answer it belongs to."""
    key_digest: str
    """The key that it was made with, as the provider's keyring knows it."""
    tokens: int | None = None
    """How many tokens who goes on from it is billed for again at most; ``None`` where that is not known."""
    door: str = ""
    where: str = ""
    """The member of the request that names it."""


class StoredObjects:
    """What is stored for the tenants of this deployment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keep_sql = [store.prepare(_keeping(count)) for count in range(1, _USUALLY + 1)]
        self._one_sql, self._forget_sql = store.prepare(_ONE), store.prepare(_FORGET)
        self._sweep_sql = store.prepare(_SWEEP.format(locked="" if store.is_sqlite else " FOR UPDATE SKIP LOCKED"))
        self._some = text(_SOME).bindparams(bindparam("digests", expanding=True))

    def holder(self, tenant_id: str, named: Sequence[KeptState]) -> Holder | None:
        """Return where all that a request of a tenant's names is stored; ``None`` where nothing has to be looked up.

        That is one statement for one thing, and one for any number. What was sealed and is not known is let through:
        the caller has it himself, and only the account that made it can read it.

        Raises:
            NotFound: one is not this tenant's, whether or not there is such a thing.
            Invalid: they are not stored at the same place, or are too many.
            Unavailable: the database does not answer.

        """
        if not named:
            return None
        if len(named) > MOST_NAMED:
            raise Invalid(f"A request names at most {MOST_NAMED} things that a vendor stores; this has {len(named)}.")
        known = {row[0]: row[1:] for row in self._rows(tenant_id, list({one.digest for one in named}))}
        found: Holder | None = None
        tokens: int | None = 0
        for one in named:
            row = known.get(one.digest)
            if row is None:
                if one.kind == "sealed":
                    continue
                raise NotFound(one.not_found, param=one.where, kind=one.kind)
            door, provider, model, key_digest, told = row
            if one.kind in BILLED_AGAIN:
                tokens = tokens + told if told and tokens is not None else None
            if found is None:
                found = Holder(provider=provider, model=model, key_digest=key_digest, door=door, where=one.where)
            elif (found.provider, found.key_digest) != (provider, key_digest):
                raise Invalid(
                    f"What '{found.where}' and '{one.where}' name is stored in different accounts, so that no call can "
                    "use both. Send the one that is not needed as what it holds.",
                    param=one.where,
                )
        return replace(found, tokens=tokens) if found else None

    def _rows(self, tenant_id: str, digests: Sequence[str]) -> Iterator[Any]:
        asked: dict[str, Any] = {"tenant_id": tenant_id, "now": micros(self._clock.now())}
        if len(digests) == 1:
            row = self._store.read_one(self._one_sql, asked | {"digest": digests[0]})
            return iter(() if row is None else (row,))
        with self._store.snapshot() as connection:
            return iter(connection.execute(self._some, asked | {"digests": digests}).all())

    def keep(self, tenant_id: str, door: DialectName, stored: Sequence[KeptState], holder: Holder) -> None:
        """Write down that *stored* is a tenant's, some hundred in one statement and round trip.

        Raises:
            Unavailable: the database does not answer.

        """
        now = self._clock.now()
        common = {
            "tenant_id": tenant_id,
            "door": door.value,
            "provider": holder.provider,
            "model": holder.model,
            "key_digest": holder.key_digest,
            "now": micros(now),
            "until": micros(now + KEPT_FOR),
        }
        all_of_them = sorted({one.digest: one for one in stored}.items())  # in one order, whoever writes the same
        for begins in range(0, len(all_of_them), AT_ONCE):
            some = all_of_them[begins : begins + AT_ONCE]
            row = dict(common)
            for n, (digest, one) in enumerate(some):
                tokens = (holder.tokens or 0) if one.kind in BILLED_AGAIN else 0
                row |= {f"digest{n}": digest, f"kind{n}": one.kind, f"tokens{n}": tokens}
            count = len(some)
            sql = self._keep_sql[count - 1] if count <= _USUALLY else self._store.prepare(_keeping(count))
            try:
                self._store.write_one(sql, row)
            except Disconnected:  # it may have been kept: said twice it is the same
                self._store.write_one(sql, row)

    def forget(self, tenant_id: str, stored: KeptState) -> None:
        """Forget something that its vendor stores no more; raises Unavailable."""
        with self._store.transaction() as cursor:
            cursor.execute(self._forget_sql, {"tenant_id": tenant_id, "digest": stored.digest})

    def sweep(self) -> int:
        """Forget what no vendor stores any more, some hundred per transaction; return how many."""
        swept = 0
        while True:
            with self._store.transaction() as cursor:
                cursor.execute(self._sweep_sql, {"now": micros(self._clock.now())})
                swept += (count := cursor.rowcount)
            if count < AT_ONCE:
                return swept
            self._store.rest()


def _keeping(count: int) -> str:
    return _KEEP.format(rows=", ".join(_ROW.format(n=n) for n in range(count)))

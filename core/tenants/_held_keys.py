"""Who holds a key: what a door asks of the text that a program sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson

from core.clock import Clock, from_micros, micros, minute
from core.errors import Unauthenticated
from core.principals import Askable, Principal
from core.store import Store
from core.tenants._key import Caller
from core.tenants._key_uses import KeyUses
from core.tenants._secrets import digest, unknown_key

_TOLD = timedelta(days=30)
"""For so long who sends a key that has ended is told so; later it is unknown."""
_HELD = """SELECT k.id, k.tenant_id, k.prefix, k.name, k.scopes, k.models, k.routes, k.payer_id, k.hash, k.ends_at,
k.revoked_at, k.old_hash, k.old_prefix, k.old_ends_at, k.rotated_at, t.name AS tenant
FROM api_key k LEFT JOIN tenant t ON t.id = k.tenant_id """


class HeldKeys:
    """The keys, as whoever sends one meets them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = self.clock = clock
        self.uses = KeyUses(store, clock)
        """When which was last used."""
        self._live = store.prepare(_HELD + "WHERE k.revoked_at IS NULL AND (k.ends_at IS NULL OR k.ends_at > :lately)")
        self._by_hash = store.prepare(_HELD + "WHERE k.hash = :hash OR k.old_hash = :hash")

    def callers(self) -> Mapping[str, Caller]:
        """Return everybody who holds a key that opens the door, or did so lately, by :func:`digest` of the key."""
        lately = micros(self._clock.now() - _TOLD)
        with self._store.snapshot() as connection:
            rows = [_Held(*row) for row in connection.exec_driver_sql(self._live, {"lately": lately})]
        found: dict[str, Caller] = {}
        for held in rows:
            found[held.hash] = Caller(held.principal(held.hash), held.tenant or "")
            if held.old_hash is not None and (held.old_ends_at or 0) > lately:
                found[held.old_hash] = Caller(held.principal(held.old_hash), held.tenant or "")
        return found

    def authenticate(self, secret: str) -> Principal:
        """Return who holds *secret*: one indexed look-up by its hash.

        The comparison happens on hashes of what was sent, so its timing tells nothing about a key.

        Raises:
            Unauthenticated: it is no key of ours, or was revoked: the sentence is the same, so that it tells nothing.
                Or it has ended, which is told to who holds it.
            Unavailable: the database does not answer.

        """
        sent = digest(secret)
        row = None if sent is None else self._store.read_one(self._by_hash, {"hash": sent})
        held = None if row is None else _Held(*row)
        if held is None or sent is None or held.revoked_at is not None:
            raise unknown_key()
        principal = held.principal(sent)
        if principal.ends_at is not None and principal.ends_at <= self._clock.now():
            raise held.ended(sent, principal.ends_at)
        return principal


class _Held(NamedTuple):
    """A key as the door asks for it: the columns of ``_HELD``."""

    id: str
    tenant_id: str | None
    prefix: str
    name: str
    scopes: str
    models: str
    routes: str
    payer_id: str | None
    hash: str
    ends_at: int | None
    revoked_at: int | None
    old_hash: str | None
    old_prefix: str | None
    old_ends_at: int | None
    rotated_at: int | None
    tenant: str | None

    def principal(self, sent: str) -> Principal:
        """Return who holds the text of the digest *sent*."""
        ends = [self.ends_at] if sent == self.hash else [self.ends_at, self.old_ends_at]
        known = [one for one in ends if one is not None]
        return Principal.of_key(
            self.id,
            self.tenant_id,
            self.prefix,
            scopes=orjson.loads(self.scopes),
            askable=Askable(tuple(orjson.loads(self.models)), tuple(orjson.loads(self.routes))),
            payer_id=self.payer_id,
            ends_at=from_micros(min(known)) if known else None,
        )

    def ended(self, sent: str, at: datetime) -> Unauthenticated:
        """Return what is told to who holds a text that has ended *at*."""
        if sent == self.old_hash and self.rotated_at is not None and self.ends_at != micros(at):
            return Unauthenticated(
                f"Key {self.old_prefix}… was rotated on {from_micros(self.rotated_at):%Y-%m-%d} and ended at "
                f"{minute(at)}. Send the new one."
            )
        called = f" ({self.name})" if self.name else ""
        return Unauthenticated(
            f"Key {self.prefix}…{called} ended at {minute(at)}. An operator can give it a later end, or make a new one."
        )

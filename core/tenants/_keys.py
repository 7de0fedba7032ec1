"""Keys that let programs call as a tenant.

A key is ``prk_`` and 256 random bits. It is shown once; what is kept is its SHA-256, so a stolen database opens no
door. Its randomness comes from :mod:`secrets`, not from the clock: the clock's chance can be seeded, a key's never.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, or_, select

from core import audit
from core.clock import Clock
from core.errors import Conflict, Invalid, NotFound, Unauthenticated
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import ApiKey, Tenant
from core.tenants._fields import LIMITS, LONGEST_NAME, checked
from core.visibility import present, visible

SECRET_PREFIX = "prk_"  # noqa: S105 it is no secret: it lets scanners find a key that leaked
_SHOWN = len(SECRET_PREFIX) + 6
_LONGEST_SECRET = 128


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key."""

    id: str
    tenant_id: str
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None
    rate_limit_per_min: int | None = None
    """Its own share of its tenant's limits; ``None`` is without one, as for the two below."""
    tokens_per_min: int | None = None
    concurrent_limit: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether it still opens the door."""
        return self.revoked_at is None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds a key."""

    principal: Principal
    tenant: str
    """The name of its tenant."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment at which it can be read."""

    id: str
    prefix: str
    secret: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r}, prefix={self.prefix!r})"  # a key must not reach a log through a traceback


class Keys:
    """The keys of all tenants."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._live = store.prepare(
            "SELECT k.hash, k.id, k.tenant_id, k.prefix, t.name FROM api_key k JOIN tenant t ON t.id = k.tenant_id "
            "WHERE k.revoked_at IS NULL"
        )
        self._by_hash = store.prepare("SELECT id, tenant_id, prefix, revoked_at FROM api_key WHERE hash = :hash")

    def create_key(self, principal: Principal, tenant: Tenant, name: str = "") -> NewKey:
        """Make a key for *tenant*. Its secret is in the returned value and nowhere else.

        Raises:
            Forbidden: without ``keys.write``.
            Invalid: the key's name is too long.
            NotFound: the tenant is gone.

        """
        principal.require(Permission.KEYS_WRITE, tenant.id)
        label = " ".join(name.split())
        if len(label) > LONGEST_NAME:
            raise Invalid(f"A key's name may have at most {LONGEST_NAME} characters; this one has {len(label)}.")
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        new = NewKey(self._clock.new_id(), secret[:_SHOWN], secret)
        with self._store.writing() as session:
            tenant = present(session, tenant)
            session.add(
                ApiKey(
                    id=new.id,
                    tenant_id=tenant.id,
                    name=label,
                    prefix=new.prefix,
                    hash=_hash(secret),
                    created_at=self._clock.now(),
                )
            )
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.create",
                kind="key",
                subject=new.prefix,
                summary=f"Key {new.prefix}… of {tenant.name} was created.",
                tenant_id=tenant.id,
                after={"prefix": new.prefix, "name": label},
            )
        return new

    def revoke_key(self, principal: Principal, key_id: str) -> Key:
        """Close the door to the key with that id or, if only one key has it, that prefix; return what it was.

        Raises:
            Forbidden: without ``keys.write``.
            NotFound: no key has that id or prefix.
            Conflict: several keys share the prefix, or the key is revoked already.

        """
        principal.require(Permission.KEYS_WRITE)
        with self._store.writing() as session:
            row = _key(session, principal, key_id)
            if row.revoked_at is not None:
                raise Conflict(f"Key {row.prefix}… was revoked already, on {row.revoked_at:%Y-%m-%d at %H:%M} UTC.")
            row.revoked_at = self._clock.now()
            tenant = session.get(Tenant, row.tenant_id)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.revoke",
                kind="key",
                subject=row.prefix,
                summary=f"Key {row.prefix}… of {tenant.name if tenant else row.tenant_id} was revoked.",
                tenant_id=row.tenant_id,
                before={"revoked": False},
                after={"revoked": True},
            )
            return _shown(row)

    def limit_key(self, principal: Principal, key_id: str, **limits: int | None) -> Key:
        """Give the key with that id or prefix limits of its own inside its tenant's; ``None`` takes one away.

        Raises:
            Forbidden: without ``keys.write``.
            Invalid: a value that a limit cannot have, or no limit at all.
            NotFound: no key has that id or prefix.
            Conflict: several keys share the prefix.

        """
        principal.require(Permission.KEYS_WRITE)
        if unknown := set(limits) - set(LIMITS):
            raise Invalid(f"A key has no limit {min(unknown)!r}; it has {', '.join(LIMITS)}.")
        wanted = {field: checked(field, value) for field, value in limits.items()}
        with self._store.writing() as session:
            row = _key(session, principal, key_id)
            before = {field: getattr(row, field) for field in wanted}
            different = {field: value for field, value in wanted.items() if value != before[field]}
            if not different:
                return _shown(row)
            for field, value in different.items():
                setattr(row, field, value)
            tenant = session.get(Tenant, row.tenant_id)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.limit",
                kind="key",
                subject=row.prefix,
                summary=f"The limits of key {row.prefix}… of {tenant.name if tenant else row.tenant_id} were changed: "
                f"{', '.join(different)}.",
                tenant_id=row.tenant_id,
                before={field: before[field] for field in different},
                after=different,
            )
            return _shown(row)

    def keys(self, principal: Principal, tenant: Tenant) -> Sequence[Key]:
        """Return what may be shown of *tenant*'s keys, the newest first.

        Raises:
            Forbidden: without ``keys.read``.

        """
        principal.require(Permission.KEYS_READ)
        mine = visible(principal.scope_of(Permission.KEYS_READ).narrowed(tenant.id), ApiKey.tenant_id)
        newest_first = select(ApiKey).where(mine).order_by(col(ApiKey.created_at).desc())
        with self._store.reading() as session:
            return [_shown(row) for row in session.exec(newest_first.order_by(col(ApiKey.id).desc()))]

    def callers(self) -> Mapping[str, Caller]:
        """Return everybody who holds a key that opens the door, by :func:`digest` of the key."""
        with self._store.snapshot() as connection:
            rows = connection.exec_driver_sql(self._live).all()
        return {row.hash: Caller(Principal.of_key(row.id, row.tenant_id, row.prefix), row.name) for row in rows}

    def authenticate(self, secret: str) -> Principal:
        """Return who holds *secret*: one indexed look-up by its hash.

        The comparison happens on hashes of what was sent, so its timing tells nothing about a key.

        Raises:
            Unauthenticated: it is no key of ours, or was revoked. The sentence is the same, so that it tells nothing.
            Unavailable: the database does not answer.

        """
        if (hashed := digest(secret)) is not None:
            row = self._store.read_one(self._by_hash, {"hash": hashed})
            if row is not None:
                key_id, tenant_id, prefix, revoked_at = row
                if revoked_at is None:
                    return Principal.of_key(key_id, tenant_id, prefix)
        raise unknown_key()


def digest(secret: str) -> str | None:
    """Return what is kept of *secret*; ``None`` if it cannot be a key of ours."""
    return _hash(secret) if secret.startswith(SECRET_PREFIX) and len(secret) <= _LONGEST_SECRET else None


def unknown_key() -> Unauthenticated:
    """Return what is told whose key opens no door. The sentence is the same for all, so that it tells nothing."""
    return Unauthenticated(
        "The key is not known here, or was revoked. Send a tenant key as 'Authorization: Bearer prk_…'; "
        "an operator makes one with 'proctor key create TENANT'."
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _shown(row: ApiKey) -> Key:
    return Key(
        row.id,
        row.tenant_id,
        row.name,
        row.prefix,
        row.created_at,
        row.revoked_at,
        row.rate_limit_per_min,
        row.tokens_per_min,
        row.concurrent_limit,
    )


def _key(session: Session, principal: Principal, key_id: str) -> ApiKey:
    """Return the key of that id or prefix, which *principal* may see, and hold it until the transaction ends."""
    mine = visible(principal.scope_of(Permission.KEYS_WRITE), ApiKey.tenant_id)
    wanted = select(ApiKey).where(mine, or_(col(ApiKey.id) == key_id, col(ApiKey.prefix) == key_id.rstrip("…")))
    rows = session.exec(wanted.with_for_update(**FOR_CHANGE)).all()
    if named := [row for row in rows if row.id == key_id]:
        return named[0]
    if not rows:
        raise NotFound("No key has that id or prefix. 'proctor key list TENANT' shows a tenant's keys.")
    if len(rows) > 1:
        raise Conflict("Several keys begin like that; name the key by its id.")
    return rows[0]

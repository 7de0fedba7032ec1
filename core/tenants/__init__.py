"""Tenants and the keys that let programs call as one of them.

A key is ``prk_`` and 256 random bits. It is shown once; what is kept is its SHA-256, so a stolen database opens no
door. Its randomness comes from :mod:`secrets`, not from the clock: the clock's chance can be seeded, a key's never.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from core import audit
from core.clock import Clock
from core.errors import Conflict, Invalid, NotFound, Unauthenticated
from core.principals import LOCAL_OPERATOR, Permission, Principal, Role
from core.store import FOR_CHANGE, Store
from core.tables import ApiKey, Tenant
from core.tenants._fields import EDITABLE, LIMITS, LONGEST_NAME, checked
from core.visibility import present, visible

__all__ = ["LOCAL_OPERATOR", "Caller", "Key", "NewKey", "Permission", "Principal", "Role", "Tenant", "Tenants"]

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


NewZone = Callable[[Tenant, str], Callable[[Session, Tenant], None]]
"""Prepares for a tenant's new time zone; what it returns runs in the transaction that moves the clock."""
Tries = Callable[[str], Generator[None]]
"""Yields for each try of what is summed over a tenant's calls first, and may have moved until it is written."""


class _SumsMoved(Exception):
    """What was summed for a new time zone has changed before it was written."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__()
        self.conflict = conflict


class Tenants:
    """The tenants and their keys."""

    def __init__(
        self, store: Store, clock: Clock, on_new_zone: NewZone | None = None, tries: Tries = lambda _: _once()
    ) -> None:
        """Name the tenants' store; *tries* says how often a move of a clock is tried, for a tenant's id."""
        self._tries = tries
        self._store = store
        self._clock = clock
        self._on_new_zone = on_new_zone
        self._revision = store.prepare(
            "SELECT COALESCE((SELECT MAX(count) FROM revision), 0), COUNT(*), COALESCE(SUM(count), 0) "
            "FROM tenant_revision"
        )
        self._live = store.prepare(
            "SELECT k.hash, k.id, k.tenant_id, k.prefix, t.name FROM api_key k JOIN tenant t ON t.id = k.tenant_id "
            "WHERE k.revoked_at IS NULL"
        )
        self._by_hash = store.prepare("SELECT id, tenant_id, prefix, revoked_at FROM api_key WHERE hash = :hash")

    def create(
        self,
        principal: Principal,
        name: str,
        timezone: str = "UTC",
        rate_limit_per_min: int | None = None,
        *,
        is_demo: bool = False,
    ) -> Tenant:
        """Add a tenant.

        Raises:
            Forbidden: without ``tenants.write`` over all tenants.
            Invalid: a value that a tenant cannot have.
            Conflict: the name is taken; upper and lower case do not tell names apart.

        """
        principal.require_over(Permission.TENANTS_WRITE, None)
        tenant = Tenant(
            id=self._clock.new_id(),
            name=checked("name", name),
            timezone=checked("timezone", timezone),
            rate_limit_per_min=checked("rate_limit_per_min", rate_limit_per_min),
            is_demo=is_demo,
            created_at=self._clock.now(),
        )
        with self._store.writing() as session:
            _require_free_name(session, tenant.name)
            session.add(tenant)
            _flush(session, tenant.name)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="tenant.create",
                kind="tenant",
                subject=tenant.name,
                summary=f"Tenant {tenant.name} was created.",
                tenant_id=tenant.id,
                after=_described(tenant),
            )
        return tenant

    def list(self, principal: Principal) -> Sequence[Tenant]:
        """Return every tenant that *principal* may see, by name.

        Raises:
            Forbidden: without ``tenants.read``.

        """
        principal.require(Permission.TENANTS_READ)
        mine = select(Tenant).where(visible(principal.scope, Tenant.id))
        with self._store.reading() as session:
            return session.exec(mine.order_by(func.lower(Tenant.name))).all()

    def find(self, principal: Principal, name_or_id: str) -> Tenant:
        """Return the tenant of that id or name.

        Raises:
            Forbidden: without ``tenants.read``.
            NotFound: there is none that *principal* may see; the message says which of those come near.

        """
        principal.require(Permission.TENANTS_READ)
        wanted, may_see = name_or_id.strip(), visible(principal.scope, Tenant.id)
        either = or_(col(Tenant.id) == wanted, func.lower(Tenant.name) == wanted.lower())
        with self._store.reading() as session:
            found = session.exec(select(Tenant).where(may_see, either)).all()
            if found:
                return next((one for one in found if one.id == wanted), found[0])
            names = session.exec(select(Tenant.name).where(may_see).order_by(func.lower(Tenant.name))).all()
        raise NotFound(f"There is no tenant {wanted!r}. {_nearby(wanted, names)}")

    def edit(self, principal: Principal, tenant_id: str, expected_version: int, **changes: Any) -> Tenant:
        """Change name, timezone, a limit, what holds without budget or price, or retention; return it as it now is.

        A limit of ``None`` is the deployment's default, as is ``None`` for what holds without a budget or a price.

        Raises:
            Forbidden: without ``tenants.write``.
            Invalid: a value, or a field, that a tenant cannot have.
            NotFound: there is no such tenant.
            Conflict: it is no longer at *expected_version*, or the new name is taken.

        """
        principal.require(Permission.TENANTS_WRITE, tenant_id)
        wanted = {field: checked(field, value) for field, value in changes.items()}
        conflict: Conflict | None = None
        with closing(self._tries(tenant_id) if "timezone" in wanted else _once()) as tries:
            for _ in tries:
                try:
                    return self._edit(principal, tenant_id, expected_version, wanted)
                except _SumsMoved as moved:
                    conflict = moved.conflict
        assert conflict is not None  # noqa: S101 each try returned or raised
        raise conflict

    def _edit(self, principal: Principal, tenant_id: str, expected_version: int, wanted: Mapping[str, Any]) -> Tenant:
        moves = self._moved(tenant_id, wanted.get("timezone"))
        with self._store.writing() as session:
            tenant = session.get(Tenant, tenant_id, with_for_update=FOR_CHANGE)
            if tenant is None:
                raise NotFound(f"There is no tenant {tenant_id!r}.")
            if tenant.version != expected_version:
                raise Conflict(
                    f"Someone else changed tenant {tenant.name} meanwhile; nothing was saved. Reload and try again.",
                    version=tenant.version,
                )
            if wanted.get("name", tenant.name).lower() != tenant.name.lower():
                _require_free_name(session, wanted["name"])
            before = _described(tenant)
            different = {field: value for field, value in wanted.items() if value != before[field]}
            if not different:
                return tenant
            for field, value in different.items():
                setattr(tenant, field, value)
            tenant.version += 1
            _flush(session, tenant.name)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="tenant.edit",
                kind="tenant",
                subject=tenant.name,
                summary=f"Tenant {before['name']} was changed: {', '.join(different)}.",
                tenant_id=tenant.id,
                before={field: before[field] for field in different},
                after=different,
            )
            if moves is not None and "timezone" in different:
                try:
                    moves(session, tenant)
                except Conflict as error:
                    raise _SumsMoved(error) from None
        return tenant

    def _moved(self, tenant_id: str, timezone: str | None) -> Callable[[Session, Tenant], None] | None:
        """Return what is to be done beside it when a tenant's clock is moved; summed before, outside the decision."""
        if timezone is None or self._on_new_zone is None:
            return None
        with self._store.reading() as session:
            tenant = session.get(Tenant, tenant_id)
        return None if tenant is None or tenant.timezone == timezone else self._on_new_zone(tenant, timezone)

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
                actor=principal.name,
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
                actor=principal.name,
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
                actor=principal.name,
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
        mine = visible(principal.scope.narrowed(tenant.id), ApiKey.tenant_id)
        newest_first = select(ApiKey).where(mine).order_by(col(ApiKey.created_at).desc())
        with self._store.reading() as session:
            return [_shown(row) for row in session.exec(newest_first.order_by(col(ApiKey.id).desc()))]

    def callers(self) -> Mapping[str, Caller]:
        """Return everybody who holds a key that opens the door, by :func:`digest` of the key."""
        with self._store.snapshot() as connection:
            rows = connection.exec_driver_sql(self._live).all()
        return {row.hash: Caller(_principal(row.id, row.tenant_id, row.prefix), row.name) for row in rows}

    def revision(self) -> tuple[int, ...]:
        """Return numbers that are others after every decision about any tenant: while they stand, so do the callers.

        Raises:
            Unavailable: the database does not answer.

        """
        return tuple(self._store.read_one(self._revision, {}))

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
                    return _principal(key_id, tenant_id, prefix)
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


def _principal(key_id: str, tenant_id: str, prefix: str) -> Principal:
    return Principal(f"key {prefix}…", Role.TENANT_KEY, tenant_id=tenant_id, key_id=key_id)


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
    mine = visible(principal.scope, ApiKey.tenant_id)
    wanted = select(ApiKey).where(mine, or_(col(ApiKey.id) == key_id, col(ApiKey.prefix) == key_id.rstrip("…")))
    rows = session.exec(wanted.with_for_update(**FOR_CHANGE)).all()
    if named := [row for row in rows if row.id == key_id]:
        return named[0]
    if not rows:
        raise NotFound("No key has that id or prefix. 'proctor key list TENANT' shows a tenant's keys.")
    if len(rows) > 1:
        raise Conflict("Several keys begin like that; name the key by its id.")
    return rows[0]


def _once() -> Generator[None]:
    yield


def _named(name: str) -> SelectOfScalar[Tenant]:
    return select(Tenant).where(func.lower(Tenant.name) == name.lower())


def _require_free_name(session: Session, name: str) -> None:
    taken = session.exec(_named(name)).first()
    if taken is not None:
        raise Conflict(f"There is already a tenant {taken.name}. Choose another name.")


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError:  # another process took the name since we looked
        raise Conflict(f"There is already a tenant {name}. Choose another name.") from None


def _described(tenant: Tenant) -> dict[str, Any]:
    return {field: getattr(tenant, field) for field in EDITABLE}


def _nearby(wanted: str, names: Sequence[str]) -> str:
    if not names:
        return "There are no tenants yet; make one with 'proctor tenant create NAME'."
    by_lower = {name.lower(): name for name in names}
    near = [by_lower[match] for match in get_close_matches(wanted.lower(), by_lower, n=3, cutoff=0.5)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"There are: {', '.join(names[:5])}{more}."

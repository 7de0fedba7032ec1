"""The keys of all tenants, and those that manage the deployment: what is decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from core import audit
from core.clock import EPOCH, minute
from core.errors import Conflict, Forbidden, Invalid
from core.principals import USUAL_SCOPES, KeyScope, Permission, Principal
from core.tables import ApiKey, Tenant
from core.tenants._held_keys import HeldKeys
from core.tenants._key import GRANTS, Key, NewKey, checked_key, described, require_no_bigger
from core.tenants._key_rows import found, maker_of, may_see, payer_of
from core.tenants._secrets import hashed, new_secret, shown
from core.visibility import present, visible

LONGEST_OVERLAP = timedelta(days=90)


class Keys(HeldKeys):
    """The keys."""

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def create_key(
        self, principal: Principal, tenant: Tenant | None, name: str = "", *, reason: str = "", **fields: Any
    ) -> NewKey:
        """Make a key for *tenant*, or without one for the deployment. Its secret is in the returned value alone.

        *fields* are those of ``KEY_FIELDS``. What is not given is as usual: it generates and reads, whatever its tenant
        may, for ever. A key that a key makes takes over what limits that one, and the budget that pays for it.

        Raises:
            Forbidden: without ``keys.write``; or it could do more than the key that makes it.
            Invalid: a value that a key cannot have.
            NotFound: the tenant is gone.

        """
        if tenant is None:
            principal.require_over(Permission.KEYS_WRITE, None)
            _require_no_key(principal)
        else:
            principal.require(Permission.KEYS_WRITE, tenant.id)
        given = {field: checked_key(field, value) for field, value in {"name": name, **fields}.items()}
        self._require_future(given.get("ends_at"))
        secret = new_secret()
        new = NewKey(self._clock.new_id(), shown(secret), secret)
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            usual: dict[str, Any] = {"scopes": [one.value for one in USUAL_SCOPES if tenant] or [KeyScope.MANAGE.value]}
            maker, payer_id = maker_of(session, principal), None
            if maker is not None:
                usual |= {field: getattr(maker, field) for field in GRANTS if field != "scopes"}
                payer_id = payer_of(session, maker)
            row = ApiKey(
                id=new.id,
                tenant_id=tenant.id if tenant else None,
                prefix=new.prefix,
                hash=hashed(secret),
                payer_id=payer_id,
                created_at=self._clock.now(),
                **(usual | given),
            )
            self._require_sound(row, maker)
            session.add(row)
            said = described(row)
            usual_ones = described(ApiKey(id="", prefix="", hash="", created_at=row.created_at))
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.create",
                kind="key",
                subject=new.prefix,
                summary=f"Key {new.prefix}… of {_owner(tenant)} was created.",
                tenant_id=row.tenant_id,
                after={"prefix": new.prefix, "name": row.name}
                | {field: value for field, value in said.items() if value != usual_ones[field]},
                reason=reason,
            )
        return new

    def edit_key(
        self,
        principal: Principal,
        key_id: str,
        expected_version: int | None = None,
        *,
        reason: str = "",
        **changes: Any,
    ) -> Key:
        """Change what the key with that id or prefix is called, may do, may ask, or how fast it may be, and until when.

        ``None`` takes a limit or an end away, an empty list the bounds of what it may ask. Its tenant and its text
        nobody changes.

        Raises:
            Forbidden: without ``keys.write``; or it is the caller itself, or could do more than that.
            Invalid: a value that a key cannot have, or no field of a key at all.
            NotFound: no key has that id or prefix.
            Conflict: it is no longer at *expected_version*, was revoked, or several keys share the prefix.

        """
        principal.require(Permission.KEYS_WRITE)
        wanted = {field: checked_key(field, value) for field, value in changes.items()}
        with self._store.writing() as session:
            row = found(session, principal, Permission.KEYS_WRITE, key_id, for_change=True)
            if row.id == principal.key_id:
                raise Forbidden("A key does not change itself; an operator or another key does.")
            _require_version(session, row, expected_version)
            before = described(row)
            different = {field: value for field, value in wanted.items() if value != getattr(row, field)}
            if not different:
                return Key.of(row)
            _require_live(row)
            self._require_future(different.get("ends_at"))
            for field, value in different.items():
                setattr(row, field, value)
            row.version += 1
            self._require_sound(row, maker_of(session, principal))
            after = described(row)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.edit",
                kind="key",
                subject=row.prefix,
                summary=f"Key {row.prefix}… of {_owner_of(session, row)} was changed: {', '.join(different)}.",
                tenant_id=row.tenant_id,
                before={field: before[field] for field in different},
                after={field: after[field] for field in different},
                reason=reason,
            )
            return Key.of(row)

    def rotate_key(
        self,
        principal: Principal,
        key_id: str,
        overlap: timedelta,
        expected_version: int | None = None,
        *,
        reason: str = "",
    ) -> NewKey:
        """Give a key a new text; the one that it has opens the same door until *overlap* is over.

        It stays the same key: limits, budget and calls are counted together. A text that an earlier rotation has left
        ends at once, and the answer says so. A rotation grants nothing, so a key may rotate itself.

        Raises:
            Forbidden: without ``keys.write``.
            Invalid: the overlap is negative, or longer than ``LONGEST_OVERLAP``.
            NotFound: no key has that id or prefix.
            Conflict: it is no longer at *expected_version*, has ended, was revoked, or several keys share the prefix.

        """
        principal.require(Permission.KEYS_WRITE)
        if not timedelta() <= overlap <= LONGEST_OVERLAP:
            raise Invalid(f"The old text of a key stays good for 0 to {LONGEST_OVERLAP.days} days.")
        secret, now = new_secret(), self._clock.now()
        with self._store.writing() as session:
            row = found(session, principal, Permission.KEYS_WRITE, key_id, for_change=True)
            _require_version(session, row, expected_version)
            _require_live(row)
            if row.ends_at is not None and row.ends_at <= now:
                raise Conflict(f"Key {row.prefix}… has ended. Give it a later end first.")
            was_open = row.old_ends_at is not None and row.old_ends_at > now
            ended = row.old_prefix if was_open and row.old_prefix else ""
            row.old_hash, row.old_prefix, row.old_used_at = row.hash, row.prefix, row.used_at
            row.old_ends_at, row.rotated_at = now + overlap, now
            row.hash, row.prefix, row.used_at = hashed(secret), shown(secret), None
            row.version += 1
            at_once = f"; {ended}…, which an earlier rotation had left, ended at once" if ended else ""
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.rotate",
                kind="key",
                subject=row.prefix,
                summary=f"Key {row.old_prefix}… of {_owner_of(session, row)} became {row.prefix}…; the old text ends "
                f"at {minute(row.old_ends_at)}{at_once}.",
                tenant_id=row.tenant_id,
                before={"prefix": row.old_prefix},
                after={"prefix": row.prefix, "old_ends_at": row.old_ends_at.isoformat()},
                reason=reason,
            )
            return NewKey(row.id, row.prefix, secret, ended)

    def revoke_key(
        self, principal: Principal, key_id: str, expected_version: int | None = None, *, reason: str = ""
    ) -> Key:
        """Close the door to the key with that id or, if only one key has it, that prefix; return what it was.

        All its texts end, that of an earlier rotation too.

        Raises:
            Forbidden: without ``keys.write``.
            NotFound: no key has that id or prefix.
            Conflict: several keys share the prefix, or the key is revoked already.

        """
        principal.require(Permission.KEYS_WRITE)
        with self._store.writing() as session:
            row = found(session, principal, Permission.KEYS_WRITE, key_id, for_change=True)
            _require_version(session, row, expected_version)
            _require_live(row)
            row.revoked_at = self._clock.now()
            row.version += 1
            audit.record(
                session,
                self._clock,
                by=principal,
                action="key.revoke",
                kind="key",
                subject=row.prefix,
                summary=f"Key {row.prefix}… of {_owner_of(session, row)} was revoked.",
                tenant_id=row.tenant_id,
                before={"revoked": False},
                after={"revoked": True},
                reason=reason,
            )
            return Key.of(row)

    def _require_sound(self, row: ApiKey, maker: ApiKey | None) -> None:
        """Go on only if a key may be as *row* is, and *maker* may make it so."""
        if row.tenant_id is None and (row.scopes != [KeyScope.MANAGE] or row.models or row.routes):
            raise Invalid("A key of the deployment manages, and nothing else: it calls as no tenant.")
        if maker is not None:
            require_no_bigger(maker, {"tenant_id": row.tenant_id} | {field: getattr(row, field) for field in GRANTS})

    def _require_future(self, ends_at: datetime | None) -> None:
        if ends_at is not None and ends_at <= self._clock.now():
            raise Invalid("A key ends in the future. To end one now, revoke it.")

    # ── Questions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def keys(self, principal: Principal, tenant: Tenant | None) -> Sequence[Key]:
        """Return what may be shown of *tenant*'s keys, or of the deployment's: those used last first, then the newest.

        Raises:
            Forbidden: without ``keys.read``.

        """
        principal.require(Permission.KEYS_READ)
        tenant_id = tenant.id if tenant else None
        mine = visible(principal.scope_of(Permission.KEYS_READ), ApiKey.tenant_id)
        newest_first = select(ApiKey).where(mine, col(ApiKey.tenant_id) == tenant_id)
        newest_first = newest_first.order_by(col(ApiKey.created_at).desc(), col(ApiKey.id).desc())
        with self._store.reading() as session:
            maker = maker_of(session, principal)
            found = [Key.of(row) for row in session.exec(newest_first) if may_see(maker, row)]
        return sorted(found, key=lambda one: one.used_at or EPOCH, reverse=True)

    def key_page(
        self, principal: Principal, tenant_id: str | None = None, *, after: str = "", most: int = 100
    ) -> tuple[Sequence[Key], str]:
        """Return at most *most* keys behind the id *after*, in the order of their ids, and the last one's id.

        Of one tenant, or of all that *principal* sees; those of the deployment are seen by who sees all. The id is
        empty where there are no more.

        Raises:
            Forbidden: without ``keys.read``.

        """
        principal.require(Permission.KEYS_READ)
        mine = visible(principal.scope_of(Permission.KEYS_READ).narrowed(tenant_id), ApiKey.tenant_id)
        wanted = select(ApiKey).where(mine)
        if tenant_id is not None:
            wanted = wanted.where(col(ApiKey.tenant_id) == tenant_id)
        with self._store.reading() as session:
            maker = maker_of(session, principal)
            seen: list[Key] = []
            while True:
                rows = session.exec(wanted.where(col(ApiKey.id) > after).order_by(col(ApiKey.id)).limit(most + 1)).all()
                seen += [Key.of(row) for row in rows if may_see(maker, row)]
                if len(seen) > most or len(rows) <= most:
                    return seen[:most], seen[most - 1].id if len(seen) > most else ""
                after = rows[-1].id

    def find_key(self, principal: Principal, named: str) -> Key:
        """Return the key of that id, of that prefix, or, for who has nothing else of one that leaked, of that text.

        Raises:
            Forbidden: without ``keys.read``.
            NotFound: none that *principal* may see.
            Conflict: several keys share the prefix.

        """
        principal.require(Permission.KEYS_READ)
        with self._store.reading() as session:
            return Key.of(found(session, principal, Permission.KEYS_READ, named.strip()))


def _require_no_key(principal: Principal) -> None:
    if principal.key_id is not None:
        raise Forbidden(f"{principal.name} may make no key of the deployment; an owner does at the command line.")


def _require_version(session: Session, row: ApiKey, expected_version: int | None) -> None:
    if expected_version is not None and row.version != expected_version:
        raise audit.crossed(
            session,
            f"key {row.prefix}…",
            kind="key",
            subject=row.prefix,
            tenant_id=row.tenant_id,
            present=described(row),
            expected=row.version,
        )


def _require_live(row: ApiKey) -> None:
    if row.revoked_at is not None:
        raise Conflict(f"Key {row.prefix}… was revoked already, at {minute(row.revoked_at)}.")


def _owner_of(session: Session, row: ApiKey) -> str:
    return _owner(session.get(Tenant, row.tenant_id) if row.tenant_id else None)


def _owner(tenant: Tenant | None) -> str:
    return tenant.name if tenant else "the deployment"

"""Tenants: who calls Proctor, what each may and how its calls are counted; and the keys of each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from difflib import get_close_matches
from typing import Any

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from core import audit
from core.audit import Because
from core.clock import EPOCH, Clock
from core.errors import Conflict, Invalid, NotFound
from core.principals import LOCAL_OPERATOR, Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import Route, Tenant
from core.tenants._fields import EDITABLE, RULES, checked
from core.tenants._key import KEY_FIELDS, STALE, Caller, Key, NewKey, OldText
from core.tenants._key import described as described_key
from core.tenants._keys import LONGEST_OVERLAP, Keys
from core.tenants._secrets import SECRET_PREFIX, digest, hashed, key_in, unknown_key
from core.visibility import visible

__all__ = [
    "EDITABLE",
    "KEY_FIELDS",
    "LOCAL_OPERATOR",
    "LONGEST_OVERLAP",
    "RULES",
    "SECRET_PREFIX",
    "STALE",
    "Caller",
    "Key",
    "NewKey",
    "OldText",
    "Permission",
    "Principal",
    "Tenant",
    "Tenants",
    "described_key",
    "digest",
    "hashed",
    "key_in",
    "unknown_key",
]

NewZone = Callable[[Tenant, str], Callable[[Session, Tenant], None]]
"""Prepares for a tenant's new time zone; what it returns runs in the transaction that moves the clock."""
Tries = Callable[[str], Generator[None]]
"""Yields for each try of what is summed over a tenant's calls first, and may have moved until it is written."""


class _SumsMoved(Exception):
    """What was summed for a new time zone has changed before it was written."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__()
        self.conflict = conflict


class Tenants(Keys):
    """The tenants and their keys."""

    def __init__(
        self, store: Store, clock: Clock, on_new_zone: NewZone | None = None, tries: Tries = lambda _: _once()
    ) -> None:
        """Name the tenants' store; *tries* says how often a move of a clock is tried, for a tenant's id."""
        super().__init__(store, clock)
        self._tries = tries
        self._on_new_zone = on_new_zone
        self._revision = store.prepare(
            # how many keys there are tells also of one that somebody took away by SQL
            "SELECT COALESCE((SELECT MAX(count) FROM revision), 0), COUNT(*), COALESCE(SUM(count), 0), "
            "(SELECT COUNT(*) FROM api_key WHERE revoked_at IS NULL) FROM tenant_revision"
        )

    def create(
        self,
        principal: Principal,
        name: str,
        timezone: str = "UTC",
        rate_limit_per_min: int | None = None,
        *,
        is_demo: bool = False,
        reason: str = "",
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
                by=principal,
                action="tenant.create",
                kind="tenant",
                subject=tenant.name,
                summary=f"Tenant {tenant.name} was created.",
                tenant_id=tenant.id,
                after=_described(tenant),
                reason=reason,
            )
        return tenant

    def list(self, principal: Principal) -> Sequence[Tenant]:
        """Return every tenant that *principal* may see, by name.

        Raises:
            Forbidden: without ``tenants.read``.

        """
        principal.require(Permission.TENANTS_READ)
        mine = select(Tenant).where(visible(principal.scope_of(Permission.TENANTS_READ), Tenant.id))
        with self._store.reading() as session:
            return session.exec(mine.order_by(func.lower(Tenant.name))).all()

    def find(self, principal: Principal, name_or_id: str) -> Tenant:
        """Return the tenant of that id or name.

        Raises:
            Forbidden: without ``tenants.read``.
            NotFound: there is none that *principal* may see; the message says which of those come near.

        """
        principal.require(Permission.TENANTS_READ)
        wanted, may_see = name_or_id.strip(), visible(principal.scope_of(Permission.TENANTS_READ), Tenant.id)
        either = or_(col(Tenant.id) == wanted, func.lower(Tenant.name) == wanted.lower())
        with self._store.reading() as session:
            found = session.exec(select(Tenant).where(may_see, either)).all()
            if found:
                return next((one for one in found if one.id == wanted), found[0])
            names = session.exec(select(Tenant.name).where(may_see).order_by(func.lower(Tenant.name))).all()
        raise NotFound(f"There is no tenant {wanted!r}. {_nearby(wanted, names)}")

    def edit(
        self,
        principal: Principal,
        tenant_id: str,
        expected_version: int,
        *,
        reason: str = "",
        undo_of: str | None = None,
        **changes: Any,
    ) -> Tenant:
        """Change name, timezone, a limit, what holds without budget or price, route, retention; return it as it now is.

        Fewer *call_days* let calls go within hours, for good; more bring none back. A limit of ``None`` is the
        deployment's default, as is ``None`` for what holds without a budget or a price, and for the route.

        Raises:
            Forbidden: without ``tenants.write``.
            Invalid: a value, or a field, that a tenant cannot have.
            NotFound: there is no such tenant.
            Conflict: the new name is taken.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require(Permission.TENANTS_WRITE, tenant_id)
        wanted = {field: checked(field, value) for field, value in changes.items()}
        why: Because = {"reason": reason, "undo_of": undo_of}
        conflict: Conflict | None = None
        with closing(self._tries(tenant_id) if "timezone" in wanted else _once()) as tries:
            for _ in tries:
                try:
                    return self._edit(principal, tenant_id, expected_version, wanted, why)
                except _SumsMoved as moved:
                    conflict = moved.conflict
        assert conflict is not None  # noqa: S101 each try returned or raised
        raise conflict

    def _edit(
        self, principal: Principal, tenant_id: str, expected_version: int, wanted: Mapping[str, Any], why: Because
    ) -> Tenant:
        moves = self._moved(tenant_id, wanted.get("timezone"))
        with self._store.writing() as session:
            tenant = session.get(Tenant, tenant_id, with_for_update=FOR_CHANGE)
            if tenant is None:
                raise NotFound(f"There is no tenant {tenant_id!r}.")
            if tenant.version != expected_version:
                raise audit.crossed(
                    session,
                    f"tenant {tenant.name}",
                    kind="tenant",
                    subject=tenant.name,
                    tenant_id=tenant.id,
                    present=_described(tenant),
                    expected=tenant.version,
                    is_about=lambda entry: entry.action == "tenant.edit",
                )
            if wanted.get("name", tenant.name).lower() != tenant.name.lower():
                _require_free_name(session, wanted["name"])
            before = _described(tenant)
            different = {field: value for field, value in wanted.items() if value != before[field]}
            if not different:
                return tenant
            _require_route(session, different.get("route"))
            if tenant.is_demo and different.get("call_days") is not None:
                raise Invalid("Calls of the demo world go with it, all at once: 'proctor demo remove'.")
            for field, value in different.items():
                setattr(tenant, field, value)
            if tenant.payload_retention_days < before["payload_retention_days"]:
                tenant.payloads_cut_from = EPOCH  # what is kept already is not to stay longer either
            tenant.version += 1
            _flush(session, tenant.name)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="tenant.edit",
                kind="tenant",
                subject=tenant.name,
                summary=f"Tenant {before['name']} was changed: {', '.join(different)}.",
                tenant_id=tenant.id,
                before={field: before[field] for field in different},
                after=different,
                **why,
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

    def revision(self) -> tuple[int, ...]:
        """Return numbers that are others after every decision about any tenant: while they stand, so do the callers.

        Raises:
            Unavailable: the database does not answer.

        """
        return tuple(self._store.read_one(self._revision, {}))


def _once() -> Generator[None]:
    yield


def _named(name: str) -> SelectOfScalar[Tenant]:
    return select(Tenant).where(func.lower(Tenant.name) == name.lower())


def _require_free_name(session: Session, name: str) -> None:
    taken = session.exec(_named(name)).first()
    if taken is not None:
        raise Conflict(f"There is already a tenant {taken.name}. Choose another name.")


def _require_route(session: Session, name: str | None) -> None:
    """Go on only if there is a route *name*, which nobody takes away until this transaction has ended."""
    if name is None:
        return
    held = select(Route.id).where(Route.name == name).with_for_update(**FOR_CHANGE)
    if session.exec(held).first() is None:
        raise Invalid(f"There is no route {name!r} that a tenant could have as its own. Make it first.")


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

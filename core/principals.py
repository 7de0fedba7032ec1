"""Who is calling, and what they may do: principals, roles and permissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.errors import Forbidden


class Permission(StrEnum):
    """A verb on a noun."""

    GENERATIONS_READ = "generations.read"
    GENERATIONS_WRITE = "generations.write"
    TENANTS_READ = "tenants.read"
    TENANTS_WRITE = "tenants.write"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    BUDGETS_READ = "budgets.read"
    BUDGETS_WRITE = "budgets.write"
    PRICES_READ = "prices.read"
    PRICES_WRITE = "prices.write"
    GUARDRAILS_READ = "guardrails.read"
    GUARDRAILS_WRITE = "guardrails.write"
    FLAGS_READ = "flags.read"
    FLAGS_WRITE = "flags.write"
    ROUTES_READ = "routes.read"
    ROUTES_WRITE = "routes.write"
    BREAKERS_READ = "breakers.read"
    BREAKERS_WRITE = "breakers.write"
    SCHEMAS_READ = "schemas.read"
    SCHEMAS_WRITE = "schemas.write"
    DRILLS_READ = "drills.read"
    DRILLS_WRITE = "drills.write"
    CHANGES_READ = "changes.read"
    CHANGES_WRITE = "changes.write"
    USERS_ERASE = "users.erase"
    """Of a caller's user nothing but figures is left."""
    PEOPLE_READ = "people.read"
    PEOPLE_WRITE = "people.write"


class Role(StrEnum):
    """A named set of permissions."""

    OWNER = "owner"
    """Answers for the deployment: everything."""
    ADMIN = "admin"
    """Says what tenants may do and what it costs: budgets, limits, keys, flags, routes, prices.

    Who decides about all that is the owner's to say: an admin who could make admins would be an owner by another name.
    """
    OPERATOR = "operator"
    """Watches, and acts when something fails: flags, breakers, fire drills, calls made again."""
    PRODUCT = "product"
    """Makes schemas, and tries them on models."""
    VIEWER = "viewer"
    """Sees figures and calls, and changes nothing."""
    GENERATE_KEY = "generate_key"
    """A program that generates."""
    READ_KEY = "read_key"
    """A program that reads generations, what they cost, and schemas."""
    MANAGE_KEY = "manage_key"
    """A program that decides, as an admin does at the command line; it sees no generation."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the role may do."""
        return _PERMISSIONS[self]

    @property
    def is_of_keys(self) -> bool:
        """Whether programs have it, by the scopes of their keys, and no person."""
        return self.value.endswith("_key")


_SEEN = frozenset(one for one in Permission if one.endswith(".read")) - {Permission.KEYS_READ, Permission.PEOPLE_READ}
_MANAGED = {"tenants", "keys", "budgets", "prices", "guardrails", "flags", "routes", "schemas"}
_PERMISSIONS = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {Permission.PEOPLE_WRITE},
    Role.OPERATOR: _SEEN
    | {
        Permission.BREAKERS_WRITE,
        Permission.DRILLS_WRITE,
        Permission.FLAGS_WRITE,
        Permission.GENERATIONS_WRITE,
        Permission.KEYS_READ,
    },
    Role.PRODUCT: _SEEN | {Permission.GENERATIONS_WRITE, Permission.SCHEMAS_WRITE},
    Role.VIEWER: _SEEN,
    Role.GENERATE_KEY: frozenset({Permission.GENERATIONS_WRITE}),
    Role.READ_KEY: frozenset({Permission.GENERATIONS_READ, Permission.SCHEMAS_READ}),
    Role.MANAGE_KEY: frozenset(one for one in Permission if one.partition(".")[0] in _MANAGED)
    | {Permission.CHANGES_WRITE, Permission.USERS_ERASE},
}


class KeyScope(StrEnum):
    """What a key is for."""

    GENERATE = "generate"
    READ = "read"
    MANAGE = "manage"

    @property
    def role(self) -> Role:
        """The role that it gives."""
        return Role(f"{self.value}_key")


USUAL_SCOPES = (KeyScope.GENERATE, KeyScope.READ)
"""What a key is for, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Askable:
    """The models (``provider/name``) and routes that a key may ask, by their whole names; empty for all."""

    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


ANYTHING = Askable()


@dataclass(frozen=True, slots=True)
class TenantScope:
    """The tenants of which something may be seen."""

    ids: frozenset[str] | None = None
    """``None`` is every tenant there is and will be."""

    def holds(self, tenant_id: str) -> bool:
        """Whether that tenant is one of them."""
        return self.ids is None or tenant_id in self.ids

    def narrowed(self, tenant_id: str | None) -> TenantScope:
        """Return what of it is that one tenant: nothing, where it is not one of them; all of it for ``None``."""
        if tenant_id is None:
            return self
        return TenantScope(frozenset({tenant_id}) if self.holds(tenant_id) else frozenset())


EVERYWHERE, NOWHERE = TenantScope(), TenantScope(frozenset())


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and where it holds."""

    role: Role
    scope: TenantScope = EVERYWHERE

    def is_within(self, other: Principal) -> bool:
        """Whether *other* holds all that this gives, wherever it gives it."""
        ids = self.scope.ids
        return all(
            other.scope_of(one).ids is None if ids is None else all(other.may(one, tenant_id) for tenant_id in ids)
            for one in self.role.permissions
        )


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling. Each grant holds where it holds: what one gives is not carried to the tenants of another."""

    name: str
    """What audit entries and generations call it; never a key."""
    grants: tuple[Grant, ...]
    tenant_id: str | None = None
    """The tenant whose program it is; ``None`` for people."""
    key_id: str | None = None
    door: str = ""
    """From where it comes, in words, for the audit trail."""
    person_id: str | None = None
    """Who has signed in; ``None`` for programs, and for whoever sits at this machine."""
    askable: Askable = ANYTHING
    payer_id: str | None = None
    """The key whose budget pays for what it asks: as a rule its own."""
    ends_at: datetime | None = None
    """From when on it is nobody any more; ``None`` is never."""

    @classmethod
    def of_key(
        cls,
        key_id: str,
        tenant_id: str | None,
        prefix: str,
        *,
        scopes: Sequence[str] = USUAL_SCOPES,
        askable: Askable = ANYTHING,
        payer_id: str | None = None,
        ends_at: datetime | None = None,
    ) -> Principal:
        """Return the program that holds the key beginning with *prefix*; without a tenant it is the deployment's."""
        where = EVERYWHERE if tenant_id is None else TenantScope(frozenset({tenant_id}))
        grants = tuple(Grant(KeyScope(one).role, where) for one in scopes)
        return cls(
            f"key {prefix}…",
            grants,
            tenant_id,
            key_id,
            door="the API",
            askable=askable,
            payer_id=payer_id or key_id,
            ends_at=ends_at,
        )

    def scope_of(self, permission: Permission) -> TenantScope:
        """Return the tenants in which it holds *permission*."""
        ids: frozenset[str] = frozenset()
        for grant in self.grants:
            if permission in grant.role.permissions:
                if grant.scope.ids is None:
                    return EVERYWHERE
                ids |= grant.scope.ids
        return TenantScope(ids) if ids else NOWHERE

    def may(self, permission: Permission, tenant_id: str | None = None) -> bool:
        """Whether it holds *permission*, in the tenant *tenant_id* if one is given, else in any."""
        return any(
            permission in grant.role.permissions and (tenant_id is None or grant.scope.holds(tenant_id))
            for grant in self.grants
        )

    def may_over(self, permission: Permission, tenant_id: str | None) -> bool:
        """Whether it holds *permission* over the tenant *tenant_id*, or with ``None`` or no name over all of them."""
        return self.may(permission, tenant_id) if tenant_id else self.scope_of(permission).ids is None

    def require(self, permission: Permission, tenant_id: str | None = None) -> None:
        """Go on only with *permission*.

        Raises:
            Forbidden: it is not held, or not in the tenant *tenant_id*.

        """
        if self.may(permission, tenant_id):
            return
        if self.may(permission):
            raise Forbidden(f"{self.name} may not do this in another tenant.", permission=permission.value)
        raise Forbidden(
            f"{self.name} may not do this: it needs the permission {permission}, which {self._roles} not have.",
            permission=permission.value,
        )

    def require_over(self, permission: Permission, tenant_id: str | None) -> None:
        """Go on only with *permission* over the tenant *tenant_id*, or with ``None`` or no name over all of them.

        Raises:
            Forbidden: it is not held, or not over all that it would change.

        """
        self.require(permission, tenant_id or None)
        if not self.may_over(permission, tenant_id):
            raise Forbidden(f"{self.name} may not do this for all tenants.", permission=permission.value)

    @property
    def _roles(self) -> str:
        names = list(dict.fromkeys(grant.role.value for grant in self.grants))
        if len(names) == 1:
            return f"the role {names[0]} does"
        return f"the roles {' and '.join(names)} do" if names else "who has no role does"


SYSTEM = Principal("proctor", (Grant(Role.OWNER),), door="Proctor itself")
"""Proctor itself, where it does what an owner could."""
LOCAL_OPERATOR = Principal("local operator", (Grant(Role.OWNER),))
"""Whoever sits at this machine: the command line, and the console until it has a sign-in."""

"""Who is calling, and what they may do: principals, roles and permissions."""

from __future__ import annotations

from dataclasses import dataclass
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


class Role(StrEnum):
    """A named set of permissions."""

    OPERATOR = "operator"
    """Runs the deployment: everything, in every tenant."""
    TENANT_KEY = "tenant_key"
    """A program of one tenant: it generates, and reads what it needs for that."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the role may do."""
        return _PERMISSIONS[self]


_PERMISSIONS = {
    Role.OPERATOR: frozenset(Permission),
    Role.TENANT_KEY: frozenset({Permission.GENERATIONS_READ, Permission.GENERATIONS_WRITE, Permission.SCHEMAS_READ}),
}


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


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    name: str
    """What audit entries and generations call it; never a key."""
    role: Role
    tenant_id: str | None = None
    """The one tenant it belongs to; ``None`` for those who act in all of them."""
    key_id: str | None = None

    @property
    def scope(self) -> TenantScope:
        """The tenants of which it may see what its role lets it see."""
        return TenantScope(None if self.tenant_id is None else frozenset({self.tenant_id}))

    def may(self, permission: Permission, tenant_id: str | None = None) -> bool:
        """Whether it holds *permission*, in the tenant *tenant_id* if one is given."""
        return permission in self.role.permissions and (tenant_id is None or self.scope.holds(tenant_id))

    def require(self, permission: Permission, tenant_id: str | None = None) -> None:
        """Go on only with *permission*.

        Raises:
            Forbidden: it is not held, or not in the tenant *tenant_id*.

        """
        if permission not in self.role.permissions:
            raise Forbidden(
                f"{self.name} may not do this: it needs the permission {permission}, "
                f"which the role {self.role} does not have.",
                permission=permission.value,
            )
        if not self.may(permission, tenant_id):
            raise Forbidden(f"{self.name} may not do this in another tenant.", permission=permission.value)

    def require_over(self, permission: Permission, tenant_id: str | None) -> None:
        """Go on only with *permission* over the tenant *tenant_id*, or with ``None`` or no name over all of them.

        Raises:
            Forbidden: it is not held, or not over all that it would change.

        """
        self.require(permission, tenant_id or None)
        if not tenant_id and self.scope.ids is not None:
            raise Forbidden(f"{self.name} may not do this for all tenants.", permission=permission.value)


SYSTEM = Principal("proctor", Role.OPERATOR)
"""Proctor itself, where it does what an operator could."""
LOCAL_OPERATOR = Principal("local operator", Role.OPERATOR)
"""Whoever sits at this machine: the command line, and the console until it has a sign-in."""

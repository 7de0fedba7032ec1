"""What a principal may see, as a condition in SQL, and whom a decision is about: the one place that makes either."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, or_, true
from sqlmodel import Session, col

from core.errors import NotFound
from core.principals import TenantScope
from core.tables import Tenant


def visible(scope: TenantScope, column: Any, *, with_shared: bool = False) -> ColumnElement[bool]:
    """Return the condition that *column*, a tenant's id, is in *scope*.

    *with_shared* adds what concerns every tenant: rows whose column is empty, or null.
    """
    if scope.ids is None:
        return true()
    own = col(column).in_(sorted(scope.ids)) if scope.ids else false()
    return or_(own, col(column) == "", col(column).is_(None)) if with_shared else own


def visible_sql(scope: TenantScope, column: str, *, with_shared: bool = False) -> tuple[str, dict[str, str]]:
    """Return the same as text that begins with ``AND``, and its parameters; nothing where all may be seen."""
    if scope.ids is None:
        return "", {}
    bound = {f"tenant_{place}": tenant_id for place, tenant_id in enumerate(sorted(scope.ids))}
    own = f"{column} IN ({', '.join(f':{name}' for name in bound)})" if bound else "1 = 0"
    return (f"AND ({own} OR {column} = '' OR {column} IS NULL)" if with_shared else f"AND {own}"), bound


def concerned(session: Session, tenant_id: str | None) -> Tenant | None:
    """Return the tenant that a past decision is about; ``None`` where it was about all.

    Raises:
        NotFound: it is gone.

    """
    found = session.get(Tenant, tenant_id) if tenant_id else None
    if tenant_id and found is None:
        raise NotFound("The tenant that this was about is no longer there.")
    return found


def present(session: Session, tenant: Tenant) -> Tenant:
    """Return the tenant that has the id of *tenant*, as it is in this transaction.

    A ``Tenant`` that a caller holds may be old, or made by hand: nothing but its id is taken from it, which is what the
    principal was asked about.

    Raises:
        NotFound: it is gone.

    """
    found = session.get(Tenant, tenant.id)
    if found is None:
        raise NotFound(f"The tenant {tenant.name} is no longer there.")
    return found

"""How a change of a tenant is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlmodel import Session

from core.audit import PastChange, Undo, Undoing
from core.errors import NotFound
from core.principals import Permission, Principal
from core.tenants._fields import EDITABLE
from core.visibility import concerned

if TYPE_CHECKING:
    from core.tenants import Tenants


def _undo_edit(session: Session, tenants: Tenants, past: PastChange) -> Undo:
    """Return how a tenant's settings are what they were."""
    tenant = concerned(session, past.tenant_id)
    if tenant is None:
        raise NotFound("It is not known which tenant this was.")
    now = {field: getattr(tenant, field) for field in EDITABLE}
    then = past.restored(now) or {}
    changes = {field: then[field] for field in past.before or {}}

    def do(principal: Principal, reason: str) -> None:
        tenants.edit(principal, tenant.id, tenant.version, reason=reason, undo_of=past.id, **changes)

    return Undo(now={field: now[field] for field in changes}, then=changes, needs=Permission.TENANTS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"tenant.edit": _undo_edit}
"""How each of its changes is undone."""

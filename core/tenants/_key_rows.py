"""Which key is meant, and what another key may know of it and make."""

from __future__ import annotations

from sqlmodel import Session, col, or_, select

from core.errors import Conflict, Forbidden, NotFound
from core.principals import Permission, Principal
from core.store import FOR_CHANGE
from core.tables import ApiKey, Budget
from core.tenants._key import GRANTS, require_no_bigger
from core.tenants._secrets import digest, unknown_key
from core.visibility import visible


def found(
    session: Session, principal: Principal, permission: Permission, named: str, *, for_change: bool = False
) -> ApiKey:
    """Return the key of that id, prefix or text, which *principal* may see; *for_change* it is locked."""
    mine = visible(principal.scope_of(permission), ApiKey.tenant_id)
    prefix, text = named.rstrip("…"), digest(named)
    fits = [col(ApiKey.id) == named, col(ApiKey.prefix) == prefix, col(ApiKey.old_prefix) == prefix]
    if text is not None:
        fits += [col(ApiKey.hash) == text, col(ApiKey.old_hash) == text]
    wanted = select(ApiKey).where(mine, or_(*fits))
    rows = session.exec(wanted.with_for_update(**FOR_CHANGE) if for_change else wanted).all()
    maker = maker_of(session, principal)
    rows = [row for row in rows if may_see(maker, row)]
    if exact := [row for row in rows if named == row.id or (text is not None and text in {row.hash, row.old_hash})]:
        return exact[0]
    if not rows:
        raise NotFound("No key has that id or prefix. 'proctor key list TENANT' shows a tenant's keys.")
    if len(rows) > 1:
        raise Conflict("Several keys begin like that; name the key by its id.")
    return rows[0]


def maker_of(session: Session, principal: Principal) -> ApiKey | None:
    """Return the key that decides, as it is now; ``None`` where a person does.

    Raises:
        Unauthenticated: it is gone, or was revoked meanwhile.

    """
    if principal.key_id is None:
        return None
    maker = session.get(ApiKey, principal.key_id)
    if maker is None or maker.revoked_at is not None:
        raise unknown_key()
    return maker


def may_see(maker: ApiKey | None, row: ApiKey) -> bool:
    """Whether the key that asks may know of *row*: of itself, and of what it may make."""
    if maker is None or maker.id == row.id:
        return True
    try:
        require_no_bigger(maker, {"tenant_id": row.tenant_id} | {field: getattr(row, field) for field in GRANTS})
    except Forbidden:
        return False
    return True


def payer_of(session: Session, maker: ApiKey) -> str | None:
    """Return whose budget pays for the keys that *maker* makes: its own, where it has one."""
    payer_id = maker.payer_id or maker.id
    budgets = select(Budget).where(Budget.scope == "key", Budget.scope_name == payer_id)
    budget = session.exec(budgets.where(col(Budget.removed_at).is_(None))).first()
    return payer_id if maker.payer_id is not None or budget is not None else None

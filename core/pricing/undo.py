"""How an override of a price is undone: one that was set is withdrawn, one that was withdrawn is set anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from core.audit import PastChange, Undo, Undoing
from core.errors import Conflict, NotFound
from core.pricing._book import OverrideKind
from core.pricing._drafts import RATES
from core.principals import Permission, Principal
from core.tables import PriceOverride
from core.visibility import concerned

if TYPE_CHECKING:
    from core.pricing._overrides import Prices

_NEEDS = Permission.PRICES_WRITE


def _undo_set(session: Session, prices: Prices, past: PastChange) -> Undo:
    row = _row(session, past.after)
    if row.withdrawn_at is not None:
        raise Conflict("This price was withdrawn already.")

    def do(principal: Principal, reason: str) -> None:
        prices.withdraw(principal, row.id, reason=reason, undo_of=past.id)

    effect = "Calls that were recorded keep the price they were recorded at."
    return Undo(now=past.after, then=past.before, needs=_NEEDS, do=do, effect=effect)


def _undo_withdrawal(session: Session, prices: Prices, past: PastChange) -> Undo:
    row = _row(session, past.before)
    tenant = concerned(session, row.tenant_id)
    rates = {name: getattr(row, name) for name in RATES if getattr(row, name) is not None}

    def do(principal: Principal, reason: str) -> None:
        prices.set(
            principal,
            row.provider,
            row.model,
            tenant=tenant,
            from_at=row.from_at,
            rates=rates or None,
            tiers=row.tiers or (),
            discount_percent=row.discount_percent,
            back_to_list=row.kind == OverrideKind.LIST,
            usd_per_1000_uses=row.usd_per_1000_uses,
            reason=reason or row.reason,
            undo_of=past.id,
        )

    return Undo(now=None, then=past.before, needs=_NEEDS, do=do)


def _row(session: Session, state: Mapping[str, Any] | None) -> PriceOverride:
    row = session.get(PriceOverride, (state or {}).get("id", ""))
    if row is None:
        raise NotFound("This override is no longer there.")
    return row


UNDO: Mapping[str, Undoing] = {"price.set": _undo_set, "price.withdraw": _undo_withdrawal}
"""How each of its changes is undone."""

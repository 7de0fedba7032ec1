"""How a change of a budget, or of a raise, is undone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, select

from core.audit import PastChange, Undo, Undoing
from core.budgets.rows import described
from core.budgets.terms import Mode, dollars
from core.errors import Conflict, NotFound
from core.principals import SYSTEM, Permission, Principal
from core.tables import Budget, BudgetRaise, Tenant
from core.visibility import concerned

if TYPE_CHECKING:
    from core.budgets.budgets import Budgets

_NEEDS = Permission.BUDGETS_WRITE


def _undo_terms(session: Session, budgets: Budgets, past: PastChange) -> Undo:
    """Return how a budget has the terms that it had, or governs no longer, or again."""
    known: Mapping[str, Any] = past.after or past.before or {}
    tenant = _tenant(session, past)
    of_tenant = select(Budget).where(Budget.tenant_id == tenant.id, Budget.scope == known["scope"])
    found = session.exec(of_tenant.where(Budget.scope_name == known["scope_name"])).first()
    budget = found if found is not None and found.removed_at is None else None
    version = budget.version if budget else 0
    now = described(budget) if budget else None
    then = past.restored(now)

    def do(principal: Principal, reason: str) -> None:
        if then is None and budget is not None:
            budgets.remove(principal, tenant, budget.id, version, reason=reason, undo_of=past.id)
        elif then is not None:
            ends: dict[str, Any] = {
                name: datetime.fromisoformat(then[name]) for name in ("starts_at", "ends_at") if name in then
            }
            terms = {name: then[name] for name in ("scope", "scope_name", "period", "mode", "thresholds")}
            limit = then["limit_nano_usd"]
            budgets.set(principal, tenant, limit, version, **terms, **ends, reason=reason, undo_of=past.id)

    return Undo(now=now, then=then, needs=_NEEDS, do=do, effect=_effect(budgets, tenant, then))


def _effect(budgets: Budgets, tenant: Tenant, then: Mapping[str, Any] | None) -> str:
    """Return what follows from it for the period under way."""
    if then is None:
        return "No limit of this kind holds from then on."
    try:
        spent = budgets.show(SYSTEM, tenant, then["scope"], then["scope_name"]).spent_nano_usd
    except NotFound:
        return ""
    limit = then["limit_nano_usd"]
    said = f"{dollars(spent)} of {dollars(limit)} is spent then."
    return f"{said} Calls are refused at once." if spent >= limit and then["mode"] != Mode.SOFT else said


def _undo_raise(session: Session, budgets: Budgets, past: PastChange) -> Undo:
    """Return how a raise ends now."""
    tenant, more = _tenant(session, past), _raise(session, past.after)
    if more.withdrawn_at is not None:
        raise Conflict("This raise was withdrawn already.")
    if more.ends_at <= past.now:
        raise Conflict("This raise is over already.")

    def do(principal: Principal, reason: str) -> None:
        budgets.withdraw_raise(principal, tenant, more.id, reason=reason, undo_of=past.id)

    return Undo(now=past.after, then=None, needs=_NEEDS, do=do)


def _undo_withdrawal(session: Session, budgets: Budgets, past: PastChange) -> Undo:
    """Return how a raise that was withdrawn is made again, for what is left of its time."""
    tenant, more = _tenant(session, past), _raise(session, past.before)
    if more.ends_at <= past.now:
        raise Conflict("This raise would be over by now.")

    def do(principal: Principal, reason: str) -> None:
        begins = max(more.starts_at, past.now)
        budgets.raise_limit(
            principal,
            tenant,
            more.budget_id,
            more.extra_nano_usd,
            starts_at=begins,
            ends_at=more.ends_at,
            reason=reason or more.reason,
            undo_of=past.id,
        )

    return Undo(now=None, then=past.before, needs=_NEEDS, do=do)


def _tenant(session: Session, past: PastChange) -> Tenant:
    tenant = concerned(session, past.tenant_id)
    if tenant is None:
        raise NotFound("It is not known whose budget this was.")
    return tenant


def _raise(session: Session, state: Mapping[str, Any] | None) -> BudgetRaise:
    more = session.get(BudgetRaise, (state or {}).get("id", ""))
    if more is None:
        raise NotFound("It is not known any more which raise this was; the page Tenants has those that hold.")
    return more


UNDO: Mapping[str, Undoing] = {
    "budget.set": _undo_terms,
    "budget.remove": _undo_terms,
    "budget.raise": _undo_raise,
    "budget.withdraw_raise": _undo_withdrawal,
}
"""How each of its changes is undone."""

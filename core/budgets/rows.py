"""A budget's row, as terms, as an audit entry has it, and as people call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from core.audit import crossed
from core.budgets.periods import Period
from core.budgets.terms import BudgetTerms, Mode, Raise, Scope, key_label, scope_suffix
from core.errors import Crossed, NotFound
from core.store import FOR_CHANGE
from core.tables import ApiKey, AuditEntry, Budget, BudgetRaise, Tenant


def terms_of(budget: Budget, tenant: Tenant, raises: Sequence[BudgetRaise], label: str = "") -> BudgetTerms:
    """Return a budget as it governs; *label* is what people call what it covers, where that is not its name."""
    return BudgetTerms(
        budget_id=budget.id,
        tenant_id=tenant.id,
        tenant=tenant.name,
        timezone=tenant.timezone,
        limit_nano_usd=budget.limit_nano_usd,
        scope=Scope(budget.scope),
        scope_name=Scope(budget.scope).named(budget.scope_name),
        label=label,
        period=Period(budget.period),
        starts_at=budget.starts_at,
        ends_at=budget.ends_at,
        mode=Mode(budget.mode),
        thresholds=tuple(budget.thresholds),
        governs_since=budget.governs_since,
        raises=tuple(
            Raise(
                id=more.id,
                extra_nano_usd=more.extra_nano_usd,
                starts_at=more.starts_at,
                ends_at=more.ends_at,
                reason=more.reason,
                actor=more.actor,
            )
            for more in raises
        ),
    )


def described(budget: Budget | BudgetTerms) -> dict[str, Any]:
    """Return what an audit entry says of a budget."""
    facts: dict[str, Any] = {
        "scope": str(budget.scope),
        "scope_name": budget.scope_name,
        "limit_nano_usd": budget.limit_nano_usd,
        "period": str(budget.period),
        "mode": str(budget.mode),
        "thresholds": list(budget.thresholds),
    }
    if budget.starts_at is not None and budget.ends_at is not None:
        facts |= {"starts_at": budget.starts_at.isoformat(), "ends_at": budget.ends_at.isoformat()}
    return facts


_ADJECTIVES: Mapping[str, str] = {"day": "daily ", "week": "weekly ", "month": "monthly ", "span": ""}


def called(session: Session, budget: Budget) -> str:
    """Return what people call a budget, as in "monthly budget for the model openai/gpt-5"."""
    key = session.get(ApiKey, budget.scope_name) if budget.scope == Scope.KEY else None
    covered = key_label(key.prefix, key.name) if key is not None else budget.scope_name
    return f"{_ADJECTIVES[budget.period]}budget{scope_suffix(budget.scope, covered)}"


def crossed_budget(session: Session, tenant: Tenant, scope: str, scope_name: str, budget: Budget | None) -> Crossed:
    """Return what to raise where a budget is not as somebody has seen it; ``None`` is one that does not govern."""

    def is_about(entry: AuditEntry) -> bool:
        said: Mapping[str, Any] = entry.after or entry.before or {}
        if "extra_nano_usd" in said:
            more = session.get(BudgetRaise, said["id"])
            return budget is not None and more is not None and more.budget_id == budget.id
        return (said.get("scope"), said.get("scope_name")) == (scope, scope_name)

    what = f"the {called(session, budget)}" if budget else "the budget"
    return crossed(
        session,
        f"{what} of {tenant.name}",
        kind="budget",
        subject=tenant.name,
        tenant_id=tenant.id,
        present=None if budget is None else described(budget),
        expected=budget.version if budget else 0,
        is_about=is_about,
    )


def budget_of(session: Session, tenant: Tenant, budget_id: str) -> Budget:
    """Return a budget of *tenant*, locked to be changed.

    Raises:
        NotFound: it has no such budget, or no longer.

    """
    budget = session.get(Budget, budget_id, with_for_update=FOR_CHANGE)
    if budget is None or budget.tenant_id != tenant.id or budget.removed_at is not None:
        raise NotFound(f"Tenant {tenant.name} has no such budget any more.")
    return budget

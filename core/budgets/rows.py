"""A budget's row, as terms, as an audit entry has it, and as people call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from core.budgets.periods import Period
from core.budgets.terms import BudgetTerms, Mode, Raise, Scope, key_label, scope_suffix
from core.errors import NotFound
from core.store import FOR_CHANGE
from core.tables import ApiKey, Budget, BudgetRaise, Tenant


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


def described(budget: Budget) -> dict[str, Any]:
    """Return what an audit entry says of a budget."""
    facts: dict[str, Any] = {
        "scope": budget.scope,
        "scope_name": budget.scope_name,
        "limit_nano_usd": budget.limit_nano_usd,
        "period": budget.period,
        "mode": budget.mode,
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


def budget_of(session: Session, tenant: Tenant, budget_id: str) -> Budget:
    """Return a budget of *tenant*, locked to be changed.

    Raises:
        NotFound: it has no such budget, or no longer.

    """
    budget = session.get(Budget, budget_id, with_for_update=FOR_CHANGE)
    if budget is None or budget.tenant_id != tenant.id or budget.removed_at is not None:
        raise NotFound(f"Tenant {tenant.name} has no such budget any more.")
    return budget

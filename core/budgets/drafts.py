"""A budget as it is to be after an operator's edit, before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from core.budgets.checks import checked_limit, checked_thresholds, one_of, set_period
from core.budgets.periods import Period
from core.budgets.rows import crossed_budget, described
from core.budgets.terms import THRESHOLDS, Mode, Scope
from core.store import FOR_CHANGE
from core.tables import Budget, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBudget:
    """What an operator asks of a budget; ``None`` is as it was."""

    budget_id: str
    """Its id, should there be none on that scope yet."""
    scope: Scope
    scope_name: str
    limit_nano_usd: int
    period: Period | str | None
    mode: Mode | str | None
    thresholds: Sequence[int] | None
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDraft:
    """A budget as it is to be."""

    budget: Budget
    before: dict[str, Any] | None
    """What the audit says of it as it was; ``None`` where it did not govern."""
    after: dict[str, Any]
    version: int
    governs_anew: bool
    """Whether its present period may have seen calls that it did not pay for."""


def drafted(
    session: Session,
    now: datetime,
    tenant: Tenant,
    wanted: WantedBudget,
    expected_version: int | None,
    *,
    is_kept: bool = False,
) -> BudgetDraft:
    """Return the budget as it is to be; with *is_kept* its row is locked, and the session may add it.

    Raises:
        Invalid: a value that a budget cannot have.
        Crossed: it is no longer at *expected_version*.

    """
    governing = select(Budget).where(Budget.tenant_id == tenant.id, Budget.scope == wanted.scope.value)
    if wanted.scope is not Scope.MODEL:  # a model may stand there by another of its names, from an older release
        governing = governing.where(Budget.scope_name == wanted.scope_name)
    rows = session.exec(governing.with_for_update(**FOR_CHANGE) if is_kept else governing).all()
    meant = [one for one in rows if wanted.scope.named(one.scope_name) == wanted.scope_name]
    found = min(meant, key=lambda one: (one.removed_at is not None, one.scope_name != wanted.scope_name), default=None)
    version = found.version if found and found.removed_at is None else 0
    if expected_version is not None and version != expected_version:
        raise crossed_budget(session, tenant, wanted.scope, wanted.scope_name, found if version else None)
    budget = found or Budget(
        id=wanted.budget_id,
        tenant_id=tenant.id,
        scope=wanted.scope.value,
        scope_name=wanted.scope_name,
        limit_nano_usd=0,
        created_at=now,
        version=0,
    )
    before, periods = described(budget) if version else None, _periods(budget)
    if found and not version:  # set anew after it was removed: nothing of its old terms is meant
        budget.period, budget.mode, budget.thresholds = Period.MONTH.value, Mode.HARD.value, list(THRESHOLDS)
        budget.starts_at = budget.ends_at = None
    budget.limit_nano_usd = checked_limit(wanted.limit_nano_usd)
    set_period(budget, wanted.period, wanted.starts_at, wanted.ends_at)
    budget.mode = one_of(Mode, wanted.mode, "mode").value if wanted.mode is not None else budget.mode
    budget.thresholds = budget.thresholds if wanted.thresholds is None else checked_thresholds(wanted.thresholds)
    budget.removed_at = None
    after = described(budget)
    governs_anew = before is None or periods != _periods(budget)
    if governs_anew:
        budget.governs_since = now
    if before != after:
        budget.version += 1
    return BudgetDraft(budget=budget, before=before, after=after, version=budget.version, governs_anew=governs_anew)


def _periods(budget: Budget) -> tuple[Any, ...]:
    return budget.period, budget.starts_at, budget.ends_at

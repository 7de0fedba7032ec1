"""More money in a budget for a while: who raised it, until when, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Unpack

from core import audit
from core.audit import Because
from core.budgets.checks import MOST_NANO_USD, require_anothers
from core.budgets.rows import budget_of, called, crossed_budget
from core.budgets.terms import dollars
from core.clock import Clock, minute
from core.errors import Invalid, NotFound
from core.lines import one_line
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import Budget, BudgetRaise, Tenant
from core.visibility import present

LONGEST_RAISE = timedelta(days=366)


class Raises:
    """The raises of all budgets."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def raise_limit(
        self,
        principal: Principal,
        tenant: Tenant,
        budget_id: str,
        extra_nano_usd: int,
        expected_version: int | None = None,
        *,
        ends_at: datetime,
        reason: str,
        starts_at: datetime | None = None,
        undo_of: str | None = None,
    ) -> BudgetRaise:
        """Add money to a budget until *ends_at*, from now or from *starts_at* on.

        *expected_version* is the version of the budget that was read, ``None`` to add to whatever it is by now.

        Raises:
            Forbidden: without ``budgets.write``.
            NotFound: the tenant is gone, or has no such budget.
            Invalid: without a reason, without more money, or with an end that lies behind its start.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        now = self._clock.now()
        begins = starts_at or now
        if not (reason := one_line(reason)):
            raise Invalid("Say why the budget is raised; people will ask.")
        if not 0 < extra_nano_usd <= MOST_NANO_USD:
            raise Invalid(f"A raise lies above $0 and at most at {dollars(MOST_NANO_USD)}.")
        if not max(begins, now) < ends_at <= begins + LONGEST_RAISE:
            raise Invalid("A raise ends in the future, after its start, and at most a year after it.")
        with self._store.writing() as session:
            tenant = present(session, tenant)
            budget = budget_of(session, tenant, budget_id)
            require_anothers(principal, budget.scope, budget.scope_name)
            if expected_version is not None and budget.version != expected_version:
                raise crossed_budget(session, tenant, budget.scope, budget.scope_name, budget)
            budget.version += 1
            more = BudgetRaise(
                id=self._clock.new_id(),
                budget_id=budget.id,
                extra_nano_usd=extra_nano_usd,
                starts_at=begins,
                ends_at=ends_at,
                reason=reason,
                actor=principal.name,
                created_at=now,
            )
            session.add(more)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="budget.raise",
                kind="budget",
                subject=tenant.name,
                summary=(
                    f"The {called(session, budget)} of {tenant.name} was raised by {dollars(extra_nano_usd)} until "
                    f"{minute(ends_at)}: {more.reason}"
                ),
                tenant_id=tenant.id,
                reason=more.reason,
                undo_of=undo_of,
                after={
                    "id": more.id,
                    "extra_nano_usd": extra_nano_usd,
                    "starts_at": begins.isoformat(),
                    "ends_at": ends_at.isoformat(),
                },
            )
        return more

    def withdraw_raise(self, principal: Principal, tenant: Tenant, raise_id: str, **why: Unpack[Because]) -> None:
        """End a raise now.

        Raises:
            Forbidden: without ``budgets.write``.
            NotFound: the tenant is gone, has no such raise, or it was withdrawn before.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        with self._store.writing() as session:
            tenant = present(session, tenant)
            more = session.get(BudgetRaise, raise_id, with_for_update=FOR_CHANGE)
            budget = session.get(Budget, more.budget_id, with_for_update=FOR_CHANGE) if more else None
            is_of_tenant = budget is not None and budget.tenant_id == tenant.id and budget.removed_at is None
            if more is None or budget is None or not is_of_tenant or more.withdrawn_at is not None:
                raise NotFound(f"Tenant {tenant.name} has no such raise any more.")
            more.withdrawn_at = self._clock.now()
            budget.version += 1
            session.add(more)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="budget.withdraw_raise",
                kind="budget",
                subject=tenant.name,
                summary=f"A raise of {dollars(more.extra_nano_usd)} of {tenant.name}'s {called(session, budget)} was "
                "withdrawn.",
                tenant_id=tenant.id,
                before={
                    "id": more.id,
                    "extra_nano_usd": more.extra_nano_usd,
                    "ends_at": more.ends_at.isoformat(),
                },
                **why,
            )

"""What operators decide about money: budgets, raises, and how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core import audit
from core.budgets.accounts import Accounts
from core.budgets.checks import (
    MOST_NANO_USD,
    checked_limit,
    checked_scope,
    checked_thresholds,
    one_of,
    set_period,
)
from core.budgets.lapses import Lapses
from core.budgets.periods import Period
from core.budgets.purses import GRACE, Purses
from core.budgets.rows import called, described, terms_of
from core.budgets.terms import THRESHOLDS, BudgetTerms, Mode, Scope, dollars, scope_suffix
from core.budgets.verification import Verification, last_verification, verify
from core.clock import Clock
from core.errors import Conflict, Invalid, NotFound
from core.principals import Permission, Principal
from core.store import Store
from core.tables import AuditEntry, Budget, BudgetRaise, Tenant
from core.tables import Verification as VerificationRow

LONGEST_RAISE = timedelta(days=366)
LONGEST_CALL = timedelta(minutes=15)
"""Longer than any generation may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget and its current account."""

    terms: BudgetTerms
    limit_nano_usd: int
    """As it is now, raises included."""
    spent_nano_usd: int
    held_nano_usd: int
    starts_at: datetime
    ends_at: datetime
    is_current: bool
    """Whether it governs now; a fixed span may lie ahead, or be over."""
    version: int

    @property
    def budget_id(self) -> str:
        """The id of the budget."""
        return self.terms.budget_id

    @property
    def used_share(self) -> float | None:
        """Spent over limit; ``None`` for a limit of 0."""
        return self.spent_nano_usd / self.limit_nano_usd if self.limit_nano_usd else None

    @property
    def threshold(self) -> int | None:
        """The highest threshold, in percent, that is passed; ``None`` below the first."""
        passed = [
            percent
            for percent in (*self.terms.thresholds, 100)
            if self.spent_nano_usd * 100 >= percent * self.limit_nano_usd
        ]
        return max(passed, default=None)


class Budgets:
    """The budgets, and everything that happens to them."""

    def __init__(self, store: Store, clock: Clock, *, owner: str, grace: timedelta = GRACE) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self.accounts = Accounts(store, clock)
        self.purses = Purses(store, clock, self.accounts, owner=owner, grace=grace)
        self.lapses = Lapses(store, clock, owner=owner)

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def set(
        self,
        principal: Principal,
        tenant: Tenant,
        limit_nano_usd: int,
        expected_version: int | None = None,
        *,
        scope: Scope | str = Scope.TENANT,
        scope_name: str = "",
        period: Period | str | None = None,
        mode: Mode | str | None = None,
        thresholds: Sequence[int] | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> Budget:
        """Set what *tenant* may spend on everything, or on one model, schema or route. What was spent stays spent.

        *expected_version* is the version that was read: 0 where there was no budget, ``None`` to overwrite. What is
        not given stays as it is; a new budget is hard and monthly, with thresholds at 80 and 95 %.

        Raises:
            Forbidden: without ``budgets.write``.
            Invalid: a value that a budget cannot have.
            Conflict: it is no longer at *expected_version*.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        scope, scope_name = checked_scope(scope, scope_name)
        with self._store.writing() as session:
            found = session.exec(_governing(tenant, scope, scope_name).with_for_update()).first()
            version = found.version if found and found.removed_at is None else 0
            if expected_version is not None and version != expected_version:
                raise Conflict(
                    f"Someone else changed the budget of {tenant.name} meanwhile; nothing was saved. "
                    "Reload and try again.",
                    version=version,
                )
            budget = found or Budget(
                id=self._clock.new_id(),
                tenant_id=tenant.id,
                scope=scope.value,
                scope_name=scope_name,
                limit_nano_usd=0,
                created_at=self._clock.now(),
                version=0,
            )
            before = described(budget) if version else None
            if found and not version:  # set anew after it was removed: nothing of its old terms is meant
                budget.period, budget.mode, budget.thresholds = Period.MONTH.value, Mode.HARD.value, list(THRESHOLDS)
                budget.starts_at = budget.ends_at = None
            budget.limit_nano_usd = checked_limit(limit_nano_usd)
            set_period(budget, period, starts_at, ends_at)
            budget.mode = one_of(Mode, mode, "mode").value if mode is not None else budget.mode
            budget.thresholds = budget.thresholds if thresholds is None else checked_thresholds(thresholds)
            budget.removed_at = None
            after = described(budget)
            if before == after:
                return budget
            budget.version += 1
            session.add(budget)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="budget.set",
                kind="budget",
                subject=tenant.name,
                summary=f"The {called(budget)} of {tenant.name} was set to {dollars(limit_nano_usd)}.",
                tenant_id=tenant.id,
                before=before,
                after=after,
            )
        self.accounts.catch_up(terms_of(budget, tenant, []), self._clock.now())
        return budget

    def remove(self, principal: Principal, tenant: Tenant, budget_id: str, expected_version: int | None = None) -> None:
        """Let a budget govern no longer. What it paid stays in its ledger.

        Raises:
            Forbidden: without ``budgets.write``.
            NotFound: the tenant has no such budget.
            Conflict: it is no longer at *expected_version*.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        with self._store.writing() as session:
            budget = _of_tenant(session, tenant, budget_id)
            if expected_version is not None and budget.version != expected_version:
                raise Conflict(
                    f"Someone else changed the budget of {tenant.name} meanwhile; nothing was removed. "
                    "Reload and try again.",
                    version=budget.version,
                )
            before = described(budget)
            budget.removed_at = self._clock.now()
            budget.version += 1
            session.add(budget)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="budget.remove",
                kind="budget",
                subject=tenant.name,
                summary=f"The {called(budget)} of {tenant.name} was removed.",
                tenant_id=tenant.id,
                before=before,
            )

    def raise_limit(
        self,
        principal: Principal,
        tenant: Tenant,
        budget_id: str,
        extra_nano_usd: int,
        *,
        ends_at: datetime,
        reason: str,
        starts_at: datetime | None = None,
    ) -> BudgetRaise:
        """Add money to a budget until *ends_at*, from now or from *starts_at* on.

        Raises:
            Forbidden: without ``budgets.write``.
            NotFound: the tenant has no such budget.
            Invalid: without a reason, without more money, or with an end that lies behind its start.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        now = self._clock.now()
        begins = starts_at or now
        if not reason.strip():
            raise Invalid("Say why the budget is raised; people will ask.")
        if not 0 < extra_nano_usd <= MOST_NANO_USD:
            raise Invalid(f"A raise lies above $0 and at most at {dollars(MOST_NANO_USD)}.")
        if not max(begins, now) < ends_at <= begins + LONGEST_RAISE:
            raise Invalid("A raise ends in the future, after its start, and at most a year after it.")
        with self._store.writing() as session:
            budget = _of_tenant(session, tenant, budget_id)
            more = BudgetRaise(
                id=self._clock.new_id(),
                budget_id=budget.id,
                extra_nano_usd=extra_nano_usd,
                starts_at=begins,
                ends_at=ends_at,
                reason=reason.strip(),
                actor=principal.name,
                created_at=now,
            )
            session.add(more)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="budget.raise",
                kind="budget",
                subject=tenant.name,
                summary=(
                    f"The {called(budget)} of {tenant.name} was raised by {dollars(extra_nano_usd)} until "
                    f"{ends_at:%Y-%m-%d %H:%M} UTC: {more.reason}"
                ),
                tenant_id=tenant.id,
                after={
                    "extra_nano_usd": extra_nano_usd,
                    "starts_at": begins.isoformat(),
                    "ends_at": ends_at.isoformat(),
                    "reason": more.reason,
                },
            )
        return more

    def withdraw_raise(self, principal: Principal, tenant: Tenant, raise_id: str) -> None:
        """End a raise now.

        Raises:
            Forbidden: without ``budgets.write``.
            NotFound: the tenant has no such raise, or it was withdrawn before.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        with self._store.writing() as session:
            more = session.get(BudgetRaise, raise_id, with_for_update=True)
            if more is None or more.withdrawn_at is not None:
                raise NotFound("There is no such raise any more.")
            budget = _of_tenant(session, tenant, more.budget_id)
            more.withdrawn_at = self._clock.now()
            session.add(more)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="budget.withdraw_raise",
                kind="budget",
                subject=tenant.name,
                summary=f"A raise of {dollars(more.extra_nano_usd)} of {tenant.name}'s {called(budget)} was withdrawn.",
                tenant_id=tenant.id,
                before={"extra_nano_usd": more.extra_nano_usd, "ends_at": more.ends_at.isoformat()},
            )

    def catch_up(self, tenant: Tenant) -> None:
        """Let the accounts of *tenant*'s periods hold all that was spent in them, as after a change of its time zone.

        In the zone that it leaves and comes back to, periods have accounts that saw nothing of what was spent between.
        """
        with self._store.reading() as session:
            found = self.terms(session, [tenant]).get(tenant.id, [])
        for terms, _ in found:
            self.accounts.catch_up(terms, self._clock.now())

    def catch_up_lately(self) -> None:
        """Let the accounts of budgets that were decided upon lately hold what calls cost that were out at the time.

        Such calls are paid by the budgets that they began with, and know nothing of one that was made meanwhile.
        """
        since = self._clock.now() - LONGEST_CALL
        decided = select(AuditEntry.tenant_id).where(
            col(AuditEntry.at) >= since, col(AuditEntry.action).in_(("budget.set", "budget.remove", "tenant.edit"))
        )
        with self._store.reading() as session:
            tenants = session.exec(select(Tenant).where(col(Tenant.id).in_(decided))).all()
        for tenant in tenants:
            self.catch_up(tenant)

    # ── Questions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def terms(self, session: Session, tenants: Sequence[Tenant]) -> dict[str, list[tuple[BudgetTerms, int]]]:
        """Return the terms and versions of each tenant's budgets by tenant id, the whole tenant's first."""
        named = {tenant.id: tenant for tenant in tenants}
        wanted = select(Budget).where(col(Budget.tenant_id).in_(named), col(Budget.removed_at).is_(None))
        budgets = session.exec(wanted).all()
        raises: dict[str, list[BudgetRaise]] = {}
        live = select(BudgetRaise).where(
            col(BudgetRaise.budget_id).in_([budget.id for budget in budgets]), col(BudgetRaise.withdrawn_at).is_(None)
        )
        for more in session.exec(live.order_by(col(BudgetRaise.starts_at))) if budgets else ():
            raises.setdefault(more.budget_id, []).append(more)
        found: dict[str, list[tuple[BudgetTerms, int]]] = {}
        order = list(Scope)
        for budget in sorted(budgets, key=lambda one: (order.index(Scope(one.scope)), one.scope_name)):
            terms = terms_of(budget, named[budget.tenant_id], raises.get(budget.id, []))
            found.setdefault(budget.tenant_id, []).append((terms, budget.version))
        return found

    def all(self, tenants: Sequence[Tenant]) -> dict[str, list[BudgetState]]:
        """Return how every budget of *tenants* stands, by tenant id; one without budgets is left out."""
        now = self._clock.now()
        with self._store.reading() as session:
            terms = self.terms(session, tenants)
        return {
            tenant_id: [self._state(one, version, now) for one, version in several]
            for tenant_id, several in terms.items()
        }

    def states(self, tenants: Sequence[Tenant]) -> dict[str, BudgetState]:
        """Return how the budgets of whole tenants stand, by tenant id; a tenant without one is left out."""
        return {
            tenant_id: several[0]
            for tenant_id, several in self.all(tenants).items()
            if several[0].terms.scope is Scope.TENANT
        }

    def show(self, tenant: Tenant, scope: Scope | str = Scope.TENANT, scope_name: str = "") -> BudgetState:
        """Return how one budget of *tenant* stands.

        Raises:
            NotFound: the tenant has no such budget.

        """
        scope, scope_name = checked_scope(scope, scope_name)
        for state in self.all([tenant]).get(tenant.id, []):
            if (state.terms.scope, state.terms.scope_name) == (scope, scope_name):
                return state
        raise NotFound(
            f"Tenant {tenant.name} has no budget{scope_suffix(scope, scope_name)}. Set one with 'proctor budget set'."
        )

    def _state(self, terms: BudgetTerms, version: int, now: datetime) -> BudgetState:
        span = terms.span(now)
        spent, held = self.accounts.balance(terms, now)
        starts_at, ends_at = span or (terms.starts_at or now, terms.ends_at or now)
        return BudgetState(
            terms=terms,
            limit_nano_usd=terms.limit_at(now),
            spent_nano_usd=spent,
            held_nano_usd=held,
            starts_at=starts_at,
            ends_at=ends_at,
            is_current=span is not None,
            version=version,
        )

    # ── Proof and housekeeping ────────────────────────────────────────────────────────────────────────────────────────

    def verify(self, by: str = "") -> Verification:
        """Settle what has lapsed, then recompute every balance from attempts, ledger and reservations."""
        self.sweep()
        return verify(self._store, self._clock, by=by or self._owner)

    def last_verification(self) -> VerificationRow | None:
        """Return the latest verification, by whomever; ``None`` if there never was one."""
        return last_verification(self._store)

    def sweep(self) -> int:
        """Settle what the dead left behind; return how many generations that were."""
        return self.lapses.sweep()


def _governing(tenant: Tenant, scope: Scope, scope_name: str) -> SelectOfScalar[Budget]:
    return select(Budget).where(
        Budget.tenant_id == tenant.id, Budget.scope == scope.value, Budget.scope_name == scope_name
    )


def _of_tenant(session: Session, tenant: Tenant, budget_id: str) -> Budget:
    budget = session.get(Budget, budget_id, with_for_update=True)
    if budget is None or budget.tenant_id != tenant.id or budget.removed_at is not None:
        raise NotFound(f"Tenant {tenant.name} has no such budget any more.")
    return budget

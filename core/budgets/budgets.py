"""What operators decide about money: budgets, raises, and how they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Unpack

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, and_, col, select

from core import audit
from core.audit import Because
from core.budgets.accounts import Accounts
from core.budgets.balances import BudgetPeriod, balances
from core.budgets.checks import checked_scope, require_anothers, require_calls, require_purse
from core.budgets.drafts import BudgetDraft, WantedBudget, drafted
from core.budgets.freezes import Freezes
from core.budgets.openings import BooksMoved, OpeningBalance
from core.budgets.periods import Period
from core.budgets.raises import Raises
from core.budgets.reservations import GRACE, Reservations
from core.budgets.rows import budget_of, called, crossed_budget, described, terms_of
from core.budgets.shortages import Shortages
from core.budgets.states import BudgetState, state_of
from core.budgets.terms import BudgetTerms, Mode, Scope, dollars, key_label, scope_suffix
from core.budgets.verification import Verifier, last_verification
from core.claims import Claims
from core.clock import Clock
from core.errors import Conflict, NotFound
from core.journal import JournalWriter
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import ApiKey, Budget, BudgetRaise, Tenant, Verification
from core.visibility import present, visible


class Budgets(Raises):
    """The budgets, and everything that happens to them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        owner: str,
        grace: timedelta = GRACE,
        wait_seconds: float = 0.0,
        claims: Claims | None = None,
    ) -> None:
        super().__init__(store, clock)
        journal = JournalWriter(store)
        self.freezes = Freezes(claims or Claims(store, clock))
        self.accounts = Accounts(store, clock, journal, self.freezes)
        self.reservations = Reservations(store, clock, self.accounts, journal, owner=owner, grace=grace)
        self.shortages = Shortages(clock, wait_seconds)
        self._verifier = Verifier(store, clock)

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
        **why: Unpack[Because],
    ) -> Budget:
        """Set what *tenant* may spend on everything, or on one model, schema, route or key. What was spent stays.

        *expected_version* is the version that was read: 0 where there was no budget, ``None`` to overwrite. What is
        not given stays as it is; a new budget is hard and monthly, with thresholds at 80 and 95 %.

        Raises:
            Forbidden: without ``budgets.write``.
            Invalid: a value that a budget cannot have.
            NotFound: the tenant is gone.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        scope, scope_name = checked_scope(scope, scope_name)
        require_anothers(principal, scope, scope_name)
        wanted = WantedBudget(
            budget_id=self._clock.new_id(),
            scope=scope,
            scope_name=scope_name,
            limit_nano_usd=limit_nano_usd,
            period=period,
            mode=mode,
            thresholds=thresholds,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        now = self._clock.now()
        with closing(self.freezes.tries(tenant.id)) as tries:
            for _ in tries:
                with suppress(BooksMoved):
                    return self._set(principal, tenant, wanted, now, expected_version, why)
        raise Conflict(f"The books of {tenant.name} moved meanwhile; nothing was saved. Try again.")

    def _set(  # noqa: PLR0917 one decision
        self,
        principal: Principal,
        tenant: Tenant,
        wanted: WantedBudget,
        now: datetime,
        expected_version: int | None,
        why: Because,
    ) -> Budget:
        with self._store.reading() as session:  # what it would be, so that its account can be summed beforehand
            tenant = present(session, tenant)
            if wanted.scope is Scope.KEY:
                require_purse(session, tenant, wanted.scope_name)
            draft = drafted(session, now, tenant, wanted, expected_version)
            if draft.governs_anew:
                require_calls(session, draft.budget)
        opening = self._opening(draft, tenant)
        with self._store.writing() as session:
            changed = drafted(session, now, tenant, wanted, expected_version, is_kept=True)
            if (changed.version, changed.governs_anew) != (draft.version, draft.governs_anew):
                raise BooksMoved
            if present(session, tenant).timezone != tenant.timezone:
                raise BooksMoved
            if changed.governs_anew:  # again: some may have aged out before its account was summed
                require_calls(session, changed.budget)
            if changed.before == changed.after:
                return changed.budget
            session.add(changed.budget)
            try:
                session.flush()
            except IntegrityError:  # somebody else made it in this moment: the next try sees that
                raise BooksMoved from None
            audit.record(
                session,
                self._clock,
                by=principal,
                action="budget.set",
                kind="budget",
                subject=tenant.name,
                summary=f"The {called(session, changed.budget)} of {tenant.name} was set to "
                f"{dollars(wanted.limit_nano_usd)}.",
                tenant_id=tenant.id,
                before=changed.before,
                after=changed.after,
                **why,
            )
            self._open(session, [opening])
            return changed.budget

    def _opening(self, draft: BudgetDraft, tenant: Tenant) -> OpeningBalance | None:
        """Return what the budget's account is to begin with; ``None`` where it goes on as it is, or does not begin."""
        terms = terms_of(draft.budget, tenant, [])
        span = terms.span(self._clock.now()) if draft.governs_anew else None
        return None if span is None else self.accounts.openings.look(terms, span)

    def _open(self, session: Session, openings: Sequence[OpeningBalance | None]) -> None:
        """Open accounts in the transaction of the decision that needs them, in the order in which all move accounts."""
        session.flush()
        cursor = self._store.cursor(session)
        self.accounts.openings.open_in(cursor, [opening for opening in openings if opening is not None])

    def remove(
        self,
        principal: Principal,
        tenant: Tenant,
        budget_id: str,
        expected_version: int | None = None,
        **why: Unpack[Because],
    ) -> None:
        """Let a budget govern no longer. What it paid stays in its ledger.

        Raises:
            Forbidden: without ``budgets.write``.
            NotFound: the tenant is gone, or has no such budget.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        with self._store.writing() as session:
            tenant = present(session, tenant)
            budget = budget_of(session, tenant, budget_id)
            require_anothers(principal, budget.scope, budget.scope_name)
            if expected_version is not None and budget.version != expected_version:
                raise crossed_budget(session, tenant, budget.scope, budget.scope_name, budget)
            before = described(budget)
            budget.removed_at = self._clock.now()
            budget.version += 1
            session.add(budget)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="budget.remove",
                kind="budget",
                subject=tenant.name,
                summary=f"The {called(session, budget)} of {tenant.name} was removed.",
                tenant_id=tenant.id,
                before=before,
                **why,
            )

    def new_zone(self, tenant: Tenant, timezone: str) -> Callable[[Session, Tenant], None]:
        """Sum what the accounts of *tenant* are to begin with in another time zone.

        Return what opens them in the transaction that moves the tenant's clock. In the zone that it leaves and comes
        back to, periods have accounts that saw nothing of what was spent between.
        """
        moved, now = tenant.model_copy(update={"timezone": timezone}), self._clock.now()
        with self._store.reading() as session:
            found = self.terms(session, [moved]).get(tenant.id, [])
        versions = {terms.budget_id: version for terms, version in found}
        anew = [replace(terms, governs_since=now) for terms, _ in found if terms.period is not Period.SPAN]
        openings = [self.accounts.openings.look(terms, span) for terms in anew if (span := terms.span(now))]

        def move(session: Session, tenant: Tenant) -> None:
            wanted = select(Budget).where(Budget.tenant_id == tenant.id, col(Budget.removed_at).is_(None))
            budgets = session.exec(wanted.order_by(col(Budget.id)).with_for_update(**FOR_CHANGE)).all()
            try:
                if {budget.id: budget.version for budget in budgets} != versions:
                    raise BooksMoved  # noqa: TRY301 alike for both
                for budget in budgets:
                    budget.governs_since = budget.governs_since if budget.period == Period.SPAN else now
                self._open(session, openings)
            except BooksMoved:
                raise Conflict(f"The books of {tenant.name} moved meanwhile; nothing was saved. Try again.") from None

        return move

    def catch_up_lately(self) -> None:
        """Let accounts that were opened late hold what calls cost that were out at the time and have ended since.

        Such calls are paid by the budgets that they began with, and know nothing of one that was made meanwhile.
        """
        self.accounts.late_calls.count()

    # ── Questions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def terms(self, session: Session, tenants: Sequence[Tenant]) -> dict[str, list[tuple[BudgetTerms, int]]]:
        """Return the terms and versions of each tenant's budgets by tenant id, the whole tenant's first."""
        named = {tenant.id: tenant for tenant in tenants}
        of_key = and_(col(Budget.scope) == Scope.KEY.value, col(ApiKey.id) == col(Budget.scope_name))
        wanted = select(Budget, ApiKey.prefix, ApiKey.name).outerjoin(ApiKey, of_key)
        rows = session.exec(wanted.where(col(Budget.tenant_id).in_(named), col(Budget.removed_at).is_(None))).all()
        budgets = [budget for budget, *_ in rows]
        labels = {budget.id: key_label(prefix, name) for budget, prefix, name in rows}
        raises: dict[str, list[BudgetRaise]] = {}
        live = select(BudgetRaise).where(
            col(BudgetRaise.budget_id).in_([budget.id for budget in budgets]), col(BudgetRaise.withdrawn_at).is_(None)
        )
        for more in session.exec(live.order_by(col(BudgetRaise.starts_at))) if budgets else ():
            raises.setdefault(more.budget_id, []).append(more)
        found: dict[str, list[tuple[BudgetTerms, int]]] = {}
        order = list(Scope)
        for budget in sorted(budgets, key=lambda one: (order.index(Scope(one.scope)), one.scope_name)):
            terms = terms_of(budget, named[budget.tenant_id], raises.get(budget.id, []), labels[budget.id])
            found.setdefault(budget.tenant_id, []).append((terms, budget.version))
        return found

    def all(self, principal: Principal, tenants: Sequence[Tenant]) -> dict[str, list[BudgetState]]:
        """Return how every budget of *tenants* stands, by tenant id; one without budgets is left out.

        So is one that *principal* may not see, or that is gone.

        Raises:
            Forbidden: without ``budgets.read``.

        """
        principal.require(Permission.BUDGETS_READ)
        now = self._clock.now()
        with self._store.reading() as session:
            named = col(Tenant.id).in_({tenant.id for tenant in tenants})
            seen = visible(principal.scope_of(Permission.BUDGETS_READ), Tenant.id)
            mine = session.exec(select(Tenant).where(named, seen)).all()
            terms = self.terms(session, mine)
            periods = [
                BudgetPeriod(one.budget_id, one.tenant_id, *span, one.scope, one.scope_name)
                for several in terms.values()
                for one, _ in several
                if (span := one.span(now)) is not None
            ]
            sums = balances(self._store, session.connection(), periods)
        return {
            tenant_id: [state_of(one, version, now, *sums.get(one.budget_id, (0, 0))) for one, version in several]
            for tenant_id, several in terms.items()
        }

    def states(self, principal: Principal, tenants: Sequence[Tenant]) -> dict[str, BudgetState]:
        """Return how the budgets of whole tenants stand, by tenant id; a tenant without one is left out.

        Raises:
            Forbidden: without ``budgets.read``.

        """
        return {
            tenant_id: several[0]
            for tenant_id, several in self.all(principal, tenants).items()
            if several[0].terms.scope is Scope.TENANT
        }

    def show(
        self, principal: Principal, tenant: Tenant, scope: Scope | str = Scope.TENANT, scope_name: str = ""
    ) -> BudgetState:
        """Return how one budget of *tenant* stands.

        Raises:
            Forbidden: without ``budgets.read``.
            NotFound: the tenant has no such budget.

        """
        scope, scope_name = checked_scope(scope, scope_name)
        for state in self.all(principal, [tenant]).get(tenant.id, []):
            if (state.terms.scope, state.terms.scope_name) == (scope, scope_name):
                return state
        raise NotFound(
            f"Tenant {tenant.name} has no budget{scope_suffix(scope, scope_name)}. Set one with 'proctor budget set'."
        )

    def verify(self, principal: Principal, *, whole: bool = True, anew: bool = False) -> Verification:
        """Recompute every balance from attempts, ledger and reservations.

        See :meth:`Verifier.verify` for *whole* and *anew*.

        Raises:
            Forbidden: without ``budgets.write`` over all tenants.
            Conflict: others verify at the same time, again and again.

        """
        principal.require_over(Permission.BUDGETS_WRITE, None)
        return self._verifier.verify(principal.name, whole=whole, anew=anew)

    def last_verification(self, principal: Principal) -> Verification | None:
        """Return the latest verification, which is about all tenants, by whomever; ``None`` if there never was one.

        So for whoever does not see all tenants.

        Raises:
            Forbidden: without ``budgets.read``.

        """
        principal.require(Permission.BUDGETS_READ)
        if principal.scope_of(Permission.BUDGETS_READ).ids is not None:
            return None
        return last_verification(self._store)

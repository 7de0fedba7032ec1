"""How much: what a tenant may spend per month, what it has spent, and what is held for calls that are out.

A generation reserves before its first attempt what that could cost, tops up before each further one, and settles when
it ends. Whatever was charged is spent, the rest goes back, by any door. Holding is one conditional UPDATE, so two
callers can never both get the last dollar. Every account is explained: its ledger entries sum to what is spent, its
reservations to what is held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import col, select

from core import audit
from core.clock import Clock, from_micros, micros
from core.errors import BudgetExceeded, Conflict, Invalid, NotFound
from core.pricing import NANO
from core.principals import Permission, Principal
from core.store import Cursor, Store
from core.tables import Account, Attempt, Budget, LedgerEntry, LedgerKind, Reservation, Tenant

MOST_NANO_USD = 1_000_000_000 * NANO
"""A billion dollars: more is a typing error, and stays within 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTerms:
    """The budget that governs one generation."""

    budget_id: str
    tenant_id: str
    limit_nano_usd: int
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget and its current account."""

    budget_id: str
    limit_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int
    starts_at: datetime
    ends_at: datetime
    version: int

    @property
    def used_share(self) -> float | None:
        """Spent over limit; ``None`` for a limit of 0."""
        return self.spent_nano_usd / self.limit_nano_usd if self.limit_nano_usd else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether the ledger explains every account."""

    ok: bool
    accounts: int
    difference_nano_usd: int
    """The sum of the absolute differences between accounts and ledger."""
    held_nano_usd: int
    """What all accounts hold now."""


@dataclass(slots=True)
class Purse:
    """The money of one generation. Without a budget it pays whatever comes."""

    terms: BudgetTerms | None
    generation_id: str
    account_id: str = ""
    reservation_id: str = ""
    held_nano_usd: int = 0
    at_risk_nano_usd: int = 0
    """The estimate for the attempt that is out."""
    charges: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Ledger rows that wait for the next transaction."""

    @property
    def pending_nano_usd(self) -> int:
        """What the waiting rows will move from held to spent."""
        return sum(row["nano_usd"] for row in self.charges)


def period(timezone: str, at: datetime) -> tuple[datetime, datetime]:
    """Return the start and the end, in UTC, of the month around *at* as the calendar of *timezone* has it."""
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    first = datetime(local.year, local.month, 1, tzinfo=zone)
    following = datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=zone)
    return first.astimezone(UTC), following.astimezone(UTC)


def account_id(budget_id: str, timezone: str, at: datetime) -> str:
    """Return the id of the account around *at*: one per budget and local month.

    It names the month, not its first moment, so that a tenant who moves to another time zone keeps its account.
    """
    return f"{budget_id}:{at.astimezone(ZoneInfo(timezone)):%Y-%m}"


class Budgets:
    """The budgets, their accounts and the ledger."""

    def __init__(self, store: Store, clock: Clock, *, owner: str, lease: timedelta = timedelta(minutes=10)) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._hold = store.prepare(
            "UPDATE account SET held_nano_usd = held_nano_usd + :amount "
            "WHERE id = :id AND spent_nano_usd + held_nano_usd + :amount <= :most"
        )
        self._move = store.prepare(
            "UPDATE account SET held_nano_usd = held_nano_usd - :released, spent_nano_usd = spent_nano_usd + :spent "
            "WHERE id = :id"
        )
        self._raise_reservation = store.prepare(
            "UPDATE reservation SET held_nano_usd = :held, at_risk_nano_usd = :at_risk, expires_at = :expires_at "
            "WHERE id = :id"
        )
        self._close_reservation = store.prepare("DELETE FROM reservation WHERE id = :id")
        lapsed = (
            "SELECT generation_id, account_id, id, held_nano_usd, at_risk_nano_usd FROM reservation "
            "WHERE expires_at < :now LIMIT 1"
        )
        self._lapsed = store.prepare(lapsed if store.is_sqlite else f"{lapsed} FOR UPDATE SKIP LOCKED")
        self._account = store.prepare("SELECT spent_nano_usd, held_nano_usd, ends_at FROM account WHERE id = :id")
        self._current = store.prepare(
            "SELECT id FROM account WHERE budget_id = :budget_id AND starts_at <= :now AND ends_at > :now"
        )
        self._given_up = store.prepare(
            "SELECT COALESCE(SUM(nano_usd), 0) FROM ledger_entry WHERE generation_id = :id AND attempt_id IS NULL"
        )
        self._new_account = store.prepare(
            "INSERT INTO account (id, budget_id, tenant_id, starts_at, ends_at, spent_nano_usd, held_nano_usd) "
            "VALUES (:id, :budget_id, :tenant_id, :starts_at, :ends_at, 0, 0) ON CONFLICT DO NOTHING"
        )
        self._insert_reservation = store.insert(Reservation)
        self._insert_entries = store.insert(LedgerEntry)

    # ── The hot path ──────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, terms: BudgetTerms | None, generation_id: str) -> Purse:
        """Return an empty purse. Nothing is held yet."""
        return Purse(terms, generation_id)

    def cover(self, cursor: Cursor, purse: Purse, nano_usd: int) -> None:
        """Hold enough for one more attempt that may cost *nano_usd*, in the caller's transaction, before it goes out.

        If that transaction is undone, the purse is to be put back to a copy from before it.

        Raises:
            BudgetExceeded: the budget does not cover it; nothing more is held.

        """
        purse.at_risk_nano_usd = nano_usd
        if purse.terms is None:
            return
        if not purse.reservation_id:
            self._reserve(cursor, purse, purse.terms, nano_usd)
            return
        missing = max(0, purse.pending_nano_usd + nano_usd - purse.held_nano_usd)
        if not self._renew(cursor, purse, purse.held_nano_usd + missing - purse.pending_nano_usd):
            self._take_back(cursor, purse)
            self._reserve(cursor, purse, purse.terms, nano_usd)
            return
        if missing:
            self._hold_more(cursor, purse, purse.terms, missing)
        self._move_charges(cursor, purse, release=0)

    def charge(self, purse: Purse, attempt_id: str, nano_usd: int | None, *, estimated: bool) -> None:
        """Spend *nano_usd* on an attempt that has ended; the entry is written with the next transaction.

        An unpriced attempt (``None``) moves no money.
        """
        purse.at_risk_nano_usd = 0
        if purse.terms is None or nano_usd is None:
            return
        purse.charges.append(self._entry(purse, attempt_id, nano_usd, estimated=estimated))

    def settle(self, cursor: Cursor, purse: Purse) -> None:
        """Write what is still to be charged and give the rest back, in the caller's transaction. Once per purse."""
        if not purse.reservation_id:
            return
        cursor.execute(self._close_reservation, {"id": purse.reservation_id})
        if cursor.rowcount == 0:
            self._take_back(cursor, purse)
            return
        self._move_charges(cursor, purse, release=max(0, purse.held_nano_usd - purse.pending_nano_usd))
        purse.reservation_id = ""

    def _take_back(self, cursor: Cursor, purse: Purse) -> None:
        """Find that the reservation lapsed and was swept while its owner lived on, as after a computer's sleep.

        The hold went back then, and the call that was out was charged its estimate. It has ended after all, and its
        true charge is at hand, so the estimate is taken back.
        """
        purse.held_nano_usd = 0
        purse.reservation_id = ""
        cursor.execute(self._given_up, {"id": purse.generation_id})
        if estimate := int(cursor.fetchone()[0]):
            refund = self._entry(purse, None, -estimate, estimated=True) | {"kind": LedgerKind.REFUND.value}
            purse.charges = [*purse.charges, refund]
        self._move_charges(cursor, purse, release=0)

    def _reserve(self, cursor: Cursor, purse: Purse, terms: BudgetTerms, amount: int) -> None:
        now = self._clock.now()
        starts_at, ends_at = period(terms.timezone, now)
        purse.account_id = account_id(terms.budget_id, terms.timezone, now)
        hold = {"id": purse.account_id, "amount": amount, "most": terms.limit_nano_usd}
        if not self._try_to_hold(cursor, hold):
            now = {"budget_id": terms.budget_id, "now": micros(self._clock.now())}
            cursor.execute(self._current, now)
            if (row := cursor.fetchone()) is not None:
                # Another than the zone's own month: the tenant's time zone was changed within it. It runs to its end.
                purse.account_id = hold["id"] = row[0]
            else:
                cursor.execute(
                    self._new_account,
                    {
                        "id": purse.account_id,
                        "budget_id": terms.budget_id,
                        "tenant_id": terms.tenant_id,
                        "starts_at": micros(starts_at),
                        "ends_at": micros(ends_at),
                    },
                )
            if not self._try_to_hold(cursor, hold):
                raise self._too_much(cursor, purse, terms, amount)
        purse.held_nano_usd = amount
        reservation_id = self._clock.new_id()
        self._insert_reservation(
            cursor,
            [
                {
                    "id": reservation_id,
                    "account_id": purse.account_id,
                    "generation_id": purse.generation_id,
                    "held_nano_usd": amount,
                    "at_risk_nano_usd": purse.at_risk_nano_usd,
                    "owner": self._owner,
                    "expires_at": self._clock.now() + self._lease,
                }
            ],
        )
        purse.reservation_id = reservation_id

    def _try_to_hold(self, cursor: Cursor, hold: dict[str, Any]) -> bool:
        cursor.execute(self._hold, hold)
        return cursor.rowcount > 0

    def _hold_more(self, cursor: Cursor, purse: Purse, terms: BudgetTerms, amount: int) -> None:
        hold = {"id": purse.account_id, "amount": amount, "most": terms.limit_nano_usd}
        if not self._try_to_hold(cursor, hold):
            raise self._too_much(cursor, purse, terms, amount)
        purse.held_nano_usd += amount

    def _move_charges(self, cursor: Cursor, purse: Purse, *, release: int) -> None:
        """Move what is pending from held to spent, and *release* more of what is held.

        A charge beyond what is held is spent all the same: the provider was paid.
        """
        spent = purse.pending_nano_usd
        released = max(0, min(spent, purse.held_nano_usd)) + release
        self._insert_entries(cursor, purse.charges)
        if spent or released:
            cursor.execute(self._move, {"id": purse.account_id, "released": released, "spent": spent})
        purse.held_nano_usd -= released
        purse.charges = []

    def _renew(self, cursor: Cursor, purse: Purse, held: int) -> bool:
        """Write down what the reservation is to hold, and live on; whether it was still there."""
        cursor.execute(
            self._raise_reservation,
            {
                "id": purse.reservation_id,
                "held": held,
                "at_risk": purse.at_risk_nano_usd,
                "expires_at": micros(self._clock.now() + self._lease),
            },
        )
        return cursor.rowcount > 0

    def _too_much(self, cursor: Cursor, purse: Purse, terms: BudgetTerms, amount: int) -> BudgetExceeded:
        cursor.execute(self._account, {"id": purse.account_id})
        spent, held, ends = cursor.fetchone()
        ends_at = from_micros(ends)
        left = max(0, terms.limit_nano_usd - spent - held)
        return BudgetExceeded(
            f"The next attempt could cost {_dollars(amount)}, and {_dollars(left)} of this month's budget of "
            f"{_dollars(terms.limit_nano_usd)} is left. It starts anew at {ends_at:%Y-%m-%d %H:%M} UTC; "
            "an operator can raise it, or ask for fewer tokens.",
            limit_nano_usd=terms.limit_nano_usd,
            spent_nano_usd=spent,
            held_nano_usd=held,
            resets_at=ends_at.isoformat(),
        )

    # ── Operators ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def set(
        self, principal: Principal, tenant: Tenant, limit_nano_usd: int, expected_version: int | None = None
    ) -> Budget:
        """Set what *tenant* may spend per month. What was spent stays spent.

        *expected_version* is the version that was read: 0 where there was no budget, ``None`` to overwrite.

        Raises:
            Forbidden: without ``budgets.write``.
            Invalid: below 0, or absurd.
            Conflict: it is no longer at *expected_version*.

        """
        principal.require(Permission.BUDGETS_WRITE, tenant.id)
        if not 0 <= limit_nano_usd <= MOST_NANO_USD:
            raise Invalid(f"A budget lies between $0 and {_dollars(MOST_NANO_USD)}.")
        with self._store.writing() as session:
            budget = session.exec(select(Budget).where(Budget.tenant_id == tenant.id).with_for_update()).first()
            version = budget.version if budget else 0
            if expected_version is not None and version != expected_version:
                raise Conflict(
                    f"Someone else changed the budget of {tenant.name} meanwhile; nothing was saved. "
                    "Reload and try again.",
                    version=version,
                )
            before = None if budget is None else {"limit_nano_usd": budget.limit_nano_usd}
            if budget is None:
                now = self._clock.now()
                budget = Budget(
                    id=self._clock.new_id(), tenant_id=tenant.id, limit_nano_usd=limit_nano_usd, created_at=now
                )
                session.add(budget)
            elif budget.limit_nano_usd == limit_nano_usd:
                return budget
            else:
                budget.limit_nano_usd = limit_nano_usd
                budget.version += 1
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="budget.set",
                kind="budget",
                subject=tenant.name,
                summary=f"The monthly budget of {tenant.name} was set to {_dollars(limit_nano_usd)}.",
                tenant_id=tenant.id,
                before=before,
                after={"limit_nano_usd": limit_nano_usd},
            )
        return budget

    def show(self, tenant: Tenant) -> BudgetState:
        """Return *tenant*'s budget and its current account.

        Raises:
            NotFound: the tenant has no budget.

        """
        states = self.states([tenant])
        if not states:
            raise NotFound(f"Tenant {tenant.name} has no budget. Set one with 'proctor budget set'.")
        return states[tenant.id]

    def states(self, tenants: list[Tenant]) -> dict[str, BudgetState]:
        """Return the budgets of *tenants* by tenant id; one without a budget is left out."""
        now = self._clock.now()
        zones = {tenant.id: tenant.timezone for tenant in tenants}
        with self._store.reading() as session:
            budgets = session.exec(select(Budget).where(col(Budget.tenant_id).in_(zones))).all()
            ids = {budget.id: account_id(budget.id, zones[budget.tenant_id], now) for budget in budgets}
            current = select(Account).where(col(Account.id).in_(ids.values()))
            accounts = {account.budget_id: account for account in session.exec(current)}
        found: dict[str, BudgetState] = {}
        for budget in budgets:
            account = accounts.get(budget.id)
            starts_at, ends_at = period(zones[budget.tenant_id], now)
            found[budget.tenant_id] = BudgetState(
                budget_id=budget.id,
                limit_nano_usd=budget.limit_nano_usd,
                spent_nano_usd=account.spent_nano_usd if account else 0,
                held_nano_usd=account.held_nano_usd if account else 0,
                starts_at=account.starts_at if account else starts_at,
                ends_at=account.ends_at if account else ends_at,
                version=budget.version,
            )
        return found

    def verify(self) -> Verification:
        """Recompute every account from ledger and reservations, every charge from its attempt, on one snapshot."""
        charged = select(LedgerEntry.account_id, func.sum(LedgerEntry.nano_usd)).group_by(col(LedgerEntry.account_id))
        reserved = select(Reservation.account_id, func.sum(Reservation.held_nano_usd)).group_by(
            col(Reservation.account_id)
        )
        other_price = (
            select(func.coalesce(func.sum(func.abs(LedgerEntry.nano_usd - func.coalesce(Attempt.cost_nano_usd, 0))), 0))
            .select_from(LedgerEntry)
            .join(Attempt, col(LedgerEntry.attempt_id) == col(Attempt.id), isouter=True)
            .where(col(LedgerEntry.attempt_id).is_not(None))
        )
        with self._store.reading() as session:
            spent = {account_id: int(total) for account_id, total in session.exec(charged)}
            held = {account_id: int(total) for account_id, total in session.exec(reserved)}
            difference = int(session.exec(other_price).one())
            accounts = session.exec(select(Account)).all()
        for account in accounts:
            difference += abs(account.spent_nano_usd - spent.pop(account.id, 0))
            difference += abs(account.held_nano_usd - held.pop(account.id, 0))
        difference += sum(map(abs, spent.values())) + sum(map(abs, held.values()))
        return Verification(
            ok=difference == 0,
            accounts=len(accounts),
            difference_nano_usd=difference,
            held_nano_usd=sum(account.held_nano_usd for account in accounts),
        )

    def sweep(self) -> int:
        """Settle reservations whose owner is gone; return how many lapsed.

        The attempt that was out is charged its estimate: the provider may have been paid for it. The rest goes back.
        """
        swept = 0
        while self._sweep_one():
            swept += 1
        return swept

    def _sweep_one(self) -> bool:
        """Settle one lapsed reservation in a transaction of its own, so that none waits long; whether there was one."""
        with self._store.transaction() as cursor:
            cursor.execute(self._lapsed, {"now": micros(self._clock.now())})
            row = cursor.fetchone()
            if row is None:
                return False
            purse = Purse(None, *row[:3], held_nano_usd=row[3])
            if row[4]:
                purse.charges.append(self._entry(purse, None, row[4], estimated=True))
            self.settle(cursor, purse)
            return True

    def _entry(self, purse: Purse, attempt_id: str | None, nano_usd: int, *, estimated: bool) -> dict[str, Any]:
        return {
            "id": self._clock.new_id(),
            "at": self._clock.now(),
            "account_id": purse.account_id,
            "generation_id": purse.generation_id,
            "attempt_id": attempt_id,
            "kind": LedgerKind.CHARGE.value,
            "nano_usd": nano_usd,
            "estimated": estimated,
        }


def _dollars(nano_usd: int) -> str:
    dollars = nano_usd / NANO
    return f"${dollars:,.2f}" if dollars >= 0.01 or nano_usd == 0 else f"${dollars:.6f}"

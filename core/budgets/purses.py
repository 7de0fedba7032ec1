"""The hot path of money: hold before a call goes out, charge when it has ended, give the rest back.

A generation's purse draws on every budget that covers it. Each call is held for in all of them or in none, in one
transaction and in a fixed order. An account is moved by one conditional UPDATE, so two callers can never both get the
last dollar; the ledger's entries sum to what is spent, the reservations' holds to what is held, always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from core.budgets.accounts import Accounts
from core.budgets.crossings import Crossing, Crossings
from core.budgets.terms import BudgetTerms, Mode, dollars
from core.clock import Clock
from core.errors import BudgetExceeded, Unbudgeted
from core.store import Cursor, Store
from core.tables import LedgerEntry, LedgerKind, Reservation

GRACE = timedelta(seconds=30)
"""How much longer than its call may take a reservation lives."""
_NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class Out:
    """A call that is out."""

    accounts: tuple[str, ...]
    """Who pays for it."""
    worst_nano_usd: int
    """What is held for it in each of them."""
    attempt: Mapping[str, Any]
    """Its row, as it is to be written should this process die."""
    ends_at: datetime
    """When it has ended at the latest."""


@dataclass(slots=True)
class Purse:
    """The money of one generation. Without a budget it pays whatever comes."""

    terms: tuple[BudgetTerms, ...]
    """The budgets that cover the generation, in the order in which their accounts are moved."""
    generation_id: str
    tenant_id: str
    at: datetime
    """When the generation began: its money belongs to the periods around that moment."""
    must_be_covered: bool = False
    """Whether a call that no budget pays for is refused."""
    is_reserved: bool = False
    out: dict[str, Out] = field(default_factory=dict[str, Out])
    """The calls that are out, by the id of their attempt; several where one is hedged."""
    held: dict[str, int] = field(default_factory=dict[str, int])
    """Nano-dollars held, by account."""
    owed: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Ledger rows that wait for the next transaction."""
    charged: dict[str, int] = field(default_factory=dict[str, int])
    """How many accounts were charged, by attempt."""
    by_account: dict[str, BudgetTerms] = field(default_factory=dict[str, BudgetTerms])
    given_up: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """The estimates, by attempt and account, that a sweep charged for calls that were out and live on."""
    lost: set[str] = field(default_factory=set[str])
    """The attempts that a sweep recorded as lost, and that are to be recorded as they ended."""
    crossings: list[Crossing] = field(default_factory=list[Crossing])
    """What people are to be told once the transaction is kept."""

    def copy(self) -> Purse:
        """Return it as it is, to be put back if the transaction is undone."""
        return replace(
            self,
            out=dict(self.out),
            held=dict(self.held),
            owed=list(self.owed),
            charged=dict(self.charged),
            by_account=dict(self.by_account),
            given_up=dict(self.given_up),
            lost=set(self.lost),
            crossings=list(self.crossings),
        )


class Purses:
    """Opens purses, and moves money between budgets and them."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts, *, owner: str, grace: timedelta) -> None:
        self._clock = clock
        self._accounts = accounts
        self._owner = owner
        self._grace = grace
        self._hold = store.prepare(
            "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, held_nano_usd = held_nano_usd + :held "
            "WHERE id = :id AND spent_nano_usd + :spent + held_nano_usd + :held <= :most RETURNING spent_nano_usd"
        )
        self._move = store.prepare(
            "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, held_nano_usd = held_nano_usd + :held "
            "WHERE id = :id RETURNING spent_nano_usd"
        )
        self._renew = store.prepare(
            "UPDATE reservation SET holds = :holds, attempts = :attempts, expires_at = :expires_at "
            "WHERE generation_id = :id"
        )
        self._close = store.prepare("DELETE FROM reservation WHERE generation_id = :id")
        self._balance = store.prepare("SELECT spent_nano_usd, held_nano_usd FROM account WHERE id = :id")
        self._given_up = store.prepare(
            "SELECT a.id, e.account_id, e.nano_usd FROM attempt a LEFT JOIN ledger_entry e ON e.attempt_id = a.id "
            "AND e.kind = 'charge' WHERE a.generation_id = :id AND a.error_code = 'lost'"
        )
        self._forget_attempt = store.prepare("DELETE FROM attempt WHERE id = :id AND error_code = 'lost'")
        self._forget_generation = store.prepare("DELETE FROM generation WHERE id = :id AND error_code = 'lost'")
        self._insert_reservation = store.insert(Reservation)
        self._insert_entries = store.insert(LedgerEntry)
        self._crossings = Crossings(store, clock)
        self._stored = self._insert_reservation.stored

    def open(
        self,
        terms: Sequence[BudgetTerms],
        generation_id: str,
        tenant_id: str,
        at: datetime,
        *,
        must_be_covered: bool = False,
    ) -> Purse:
        """Return an empty purse that draws on those of *terms* that govern at the time *at*. Nothing is held yet."""
        governing = [one for one in terms if one.span(at) is not None]
        governing.sort(key=lambda one: one.budget_id)
        return Purse(tuple(governing), generation_id, tenant_id, at, must_be_covered)

    def used_share(self, terms: BudgetTerms, at: datetime) -> float:
        """Return what is spent and held of a budget, as a share of its limit; 1 where the limit is 0."""
        limit = terms.limit_at(self._clock.now())
        balance = self._accounts.balance(terms, at)
        return sum(balance) / limit if limit else 1.0

    def cover(
        self,
        cursor: Cursor,
        purse: Purse,
        model: str,
        nano_usd: int | None,
        *,
        generation: Callable[[], Mapping[str, Any]],
        attempt: Mapping[str, Any],
        lasts: timedelta,
    ) -> None:
        """Hold enough for one call to *model* that may cost *nano_usd*, in the caller's transaction.

        What earlier calls cost is charged on the way. *generation* makes the row of the generation and *attempt* is
        that of the call, as they are to be written should this process die within the call, which *lasts* no longer
        than that. If the transaction is undone, the purse is to be put back to a copy from before it.

        Raises:
            BudgetExceeded: a budget does not cover it.
            Unbudgeted: no budget pays for it, and one must.
            AccountMissing: an account of this period is not open yet; open it and try again.

        """
        paying = [one for one in purse.terms if one.pays_for(model)]
        if not paying and purse.must_be_covered:
            raise Unbudgeted(
                f"No budget pays for calls to {model}, and this tenant may not call without one. "
                "An operator can set one, or allow calls without a budget."
            )
        accounts: list[str] = []
        for one in paying:
            account_id = self._accounts.id_of(cursor, one, purse.at)
            purse.by_account[account_id] = one
            accounts.append(account_id)
        kept = {**attempt, "accounts": accounts}
        purse.out[attempt["id"]] = Out(tuple(accounts), nano_usd or 0, kept, self._clock.now() + lasts)
        expires_at = max(call.ends_at for call in purse.out.values()) + self._grace  # of two, the later
        if purse.is_reserved and not self._prolong(cursor, purse, expires_at):
            self._take_back(cursor, purse)
        wanted = _wanted(purse)
        if not purse.is_reserved:
            row = {
                "generation_id": purse.generation_id,
                "tenant_id": purse.tenant_id,
                "holds": wanted,
                "generation": generation(),
                "attempts": [call.attempt for call in _held_for(purse)],
                "owner": self._owner,
                "expires_at": expires_at,
            }
            self._insert_reservation(cursor, [row])
            purse.is_reserved = True
        spent = self._write_owed(cursor, purse)
        for account_id in sorted({*wanted, *purse.held, *spent}):
            more = wanted.get(account_id, 0) - purse.held.get(account_id, 0)
            terms = purse.by_account[account_id]
            is_free = terms.mode is Mode.SOFT or not wanted.get(account_id)
            most = _NO_LIMIT if is_free else terms.limit_at(self._clock.now())
            self._shift(cursor, purse, account_id, spent=spent.get(account_id, 0), held=more, most=most)
        purse.held = wanted

    def charge(self, purse: Purse, attempt_id: str, nano_usd: int | None, *, estimated: bool) -> None:
        """Spend *nano_usd* on the attempt that has ended; the entries are written with the next transaction.

        An unpriced attempt (``None``) moves no money.
        """
        call = purse.out.pop(attempt_id, None)
        is_given_up = any(lost == attempt_id for lost, _ in purse.given_up)
        if call is None or (nano_usd is None and not is_given_up):
            return
        for account_id in call.accounts:
            entry = self._entry(purse, account_id, attempt_id, nano_usd or 0, estimated=estimated)
            purse.owed.append(entry)
        purse.charged[attempt_id] = len(call.accounts)

    def settle(self, cursor: Cursor, purse: Purse) -> None:
        """Write what is still to be charged and give the rest back, in the caller's transaction. Once per purse."""
        if not purse.is_reserved:
            return
        purse.out = {}
        cursor.execute(self._close, {"id": purse.generation_id})
        if cursor.rowcount == 0:
            self._take_back(cursor, purse)
        self._return_estimates(purse)
        spent = self._write_owed(cursor, purse)
        for account_id in sorted({*purse.held, *spent}):
            self._shift(
                cursor,
                purse,
                account_id,
                spent=spent.get(account_id, 0),
                held=-purse.held.get(account_id, 0),
                most=_NO_LIMIT,
            )
        purse.held = {}
        purse.is_reserved = False

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _prolong(self, cursor: Cursor, purse: Purse, expires_at: datetime) -> bool:
        """Write down what is out now, and until when; whether the reservation was still there."""
        attempts = [call.attempt for call in _held_for(purse)]
        row = self._stored({"holds": _wanted(purse), "attempts": attempts, "expires_at": expires_at})
        cursor.execute(self._renew, row | {"id": purse.generation_id})
        return cursor.rowcount > 0

    def _take_back(self, cursor: Cursor, purse: Purse) -> None:
        """Find that the reservation lapsed and was swept while its owner lived on, as after a computer's sleep.

        The hold went back then, the call that was out was charged its estimate, and both were recorded as lost. The
        generation goes on, so that row goes; that of a call goes when the call has ended, and what it really cost
        corrects the estimate.
        """
        purse.held = {}
        purse.is_reserved = False
        charged = {(entry["attempt_id"], entry["account_id"]): entry for entry in purse.owed}
        cursor.execute(self._given_up, {"id": purse.generation_id})
        while (row := cursor.fetchone()) is not None:
            attempt_id, account_id, estimate = row
            purse.lost.add(attempt_id)
            entry = charged.get((attempt_id, account_id))
            if account_id is None or (entry and entry["kind"] == LedgerKind.CORRECTION.value):
                continue  # nobody was charged for it; or it was, is known, and only waits to be written
            if entry is None:
                purse.given_up[attempt_id, account_id] = estimate
            else:
                entry["kind"] = LedgerKind.CORRECTION.value
                entry["nano_usd"] -= estimate
        cursor.execute(self._forget_generation, {"id": purse.generation_id})
        self._return_estimates(purse)

    def _return_estimates(self, purse: Purse) -> None:
        """Give back what was charged for calls that were given up for lost, ended, and cost nothing after all."""
        for attempt_id, account_id in [key for key in purse.given_up if key[0] not in purse.out]:
            purse.owed.append(self._entry(purse, account_id, attempt_id, 0, estimated=False))
            purse.charged[attempt_id] = purse.charged.get(attempt_id, 0) + 1

    def _write_owed(self, cursor: Cursor, purse: Purse) -> dict[str, int]:
        """Write the ledger's entries; return what they sum to, by account."""
        for attempt_id in sorted(purse.lost - purse.out.keys()):
            cursor.execute(self._forget_attempt, {"id": attempt_id})
            purse.lost.remove(attempt_id)
        spent: dict[str, int] = {}
        for entry in purse.owed:
            spent[entry["account_id"]] = spent.get(entry["account_id"], 0) + entry["nano_usd"]
        self._insert_entries(cursor, purse.owed)
        purse.owed = []
        return spent

    def _shift(self, cursor: Cursor, purse: Purse, account_id: str, *, spent: int, held: int, most: int) -> None:
        """Move one account.

        Raises:
            BudgetExceeded: more is to be held, and it would pass *most*.

        """
        if not spent and not held:
            return
        row = {"id": account_id, "spent": spent, "held": held}
        if most == _NO_LIMIT:
            cursor.execute(self._move, row)
        else:
            cursor.execute(self._hold, row | {"most": most})
        moved = cursor.fetchone()
        if moved is None:
            raise self._too_much(cursor, purse, account_id, spent, held)
        if spent > 0:
            purse.crossings += self._crossings.passed(cursor, purse.by_account[account_id], moved[0] - spent, moved[0])

    def _too_much(self, cursor: Cursor, purse: Purse, account_id: str, owed: int, more: int) -> Exception:
        terms = purse.by_account[account_id]
        cursor.execute(self._balance, {"id": account_id})
        balance = cursor.fetchone()
        if balance is None:
            raise self._accounts.gone(terms, purse.at)
        spent, held = balance
        span = terms.span(purse.at)
        assert span is not None  # noqa: S101 only a budget that governs has an account
        limit, ends_at = terms.limit_at(self._clock.now()), span[1]
        left = max(0, limit - spent - owed - held)
        return BudgetExceeded(
            f"The next attempt could cost {dollars(more + purse.held.get(account_id, 0))}, and {dollars(left)} of "
            f"{terms.name}, {dollars(limit)}, is left. It starts anew at {ends_at:%Y-%m-%d %H:%M} UTC; "
            "an operator can raise it, or ask for fewer tokens.",
            scope=terms.scope.value,
            scope_name=terms.scope_name,
            limit_nano_usd=limit,
            spent_nano_usd=spent + owed,
            held_nano_usd=held,
            resets_at=ends_at.isoformat(),
        )

    def _entry(
        self, purse: Purse, account_id: str, attempt_id: str, nano_usd: int, *, estimated: bool
    ) -> dict[str, Any]:
        """Return a charge, or the correction of the estimate that was charged before."""
        estimate = purse.given_up.pop((attempt_id, account_id), None)
        return {
            "id": self._clock.new_id(),
            "at": self._clock.now(),
            "account_id": account_id,
            "generation_id": purse.generation_id,
            "attempt_id": attempt_id,
            "kind": (LedgerKind.CHARGE if estimate is None else LedgerKind.CORRECTION).value,
            "cause": "",
            "nano_usd": nano_usd - (estimate or 0),
            "estimated": estimated,
        }


def _held_for(purse: Purse) -> list[Out]:
    """Return the calls that are out, but for those that were given up for lost and charged: these are paid already."""
    return [call for attempt_id, call in purse.out.items() if attempt_id not in purse.lost]


def _wanted(purse: Purse) -> dict[str, int]:
    """Return what is to be held for what is out, by account."""
    wanted: dict[str, int] = {}
    for call in _held_for(purse):
        for account_id in call.accounts:
            wanted[account_id] = wanted.get(account_id, 0) + call.worst_nano_usd
    return wanted

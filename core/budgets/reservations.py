"""The hot path of money: hold before a call goes out, charge when it has ended, give the rest back.

A generation's reservation draws on every budget that covers it. Each call is held for in all of them or in none, in one
transaction and in a fixed order. An account is moved by one conditional UPDATE, so two callers can never both get the
last dollar; the ledger's entries sum to what is spent, the reservations' holds to what is held, always.

The accounts are moved last, so that their rows are locked for as short as can be, and what the database says is read
once all is sent: one round trip. If recovery had taken it for an orphan it is undone, and run again with a look first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from core.budgets.accounts import Accounts
from core.budgets.refusals import Shortage
from core.budgets.terms import BudgetTerms, Mode
from core.budgets.thresholds import ThresholdEvent, Thresholds
from core.clock import Clock, micros
from core.errors import Unbudgeted
from core.journal import JournalWriter
from core.statements import Cursor, Sent, json_text
from core.store import Store
from core.tables import LedgerKind, Reservation

GRACE = timedelta(seconds=30)
"""How much longer than its call may take a reservation lives."""
_NO_LIMIT = 2**62
_NEWEST = 0.1
"""How much the last generation says of how long they take; those before it say the rest."""


class ReservationRecovered(Exception):
    """The reservation was gone: recovery had settled it, because its process showed no life."""


@dataclass(frozen=True, slots=True)
class OutstandingCall:
    """A call that is out."""

    accounts: tuple[str, ...]
    """Who pays for it."""
    worst_nano_usd: int
    """What is held for it in each of them."""
    attempt: Mapping[str, Any]
    """What recovery is to know of it: see :meth:`Reservations.cover`."""
    ends_at: datetime
    """When it has ended at the latest."""


@dataclass(slots=True)
class ReservationHandle:
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
    looks_first: bool = False
    """Whether the next transaction sees whether the reservation is still there before it writes; a round trip more."""
    out: dict[str, OutstandingCall] = field(default_factory=dict[str, OutstandingCall])
    """The calls that are out, by the id of their attempt; several where one is hedged."""
    held: dict[str, int] = field(default_factory=dict[str, int])
    """Nano-dollars held, by account."""
    pending: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Ledger entries that wait for the next transaction."""
    charged: dict[str, int] = field(default_factory=dict[str, int])
    """How many accounts were charged, by attempt."""
    by_account: dict[str, BudgetTerms] = field(default_factory=dict[str, BudgetTerms])
    estimates: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """What recovery charged, by attempt and account, for calls that were out and live on."""
    recovered: set[str] = field(default_factory=set[str])
    """The attempts that recovery wrote as lost, and that are to be written as they ended."""
    balances: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """What is spent and held by everybody, by account, as of the last time that it was moved."""
    events: list[ThresholdEvent] = field(default_factory=list[ThresholdEvent])
    """What people are to be told once the transaction is kept."""

    def copy(self) -> ReservationHandle:
        """Return it as it is, to be put back if the transaction is undone."""
        return replace(
            self,
            out=dict(self.out),
            held=dict(self.held),
            pending=[dict(entry) for entry in self.pending],
            charged=dict(self.charged),
            by_account=dict(self.by_account),
            estimates=dict(self.estimates),
            recovered=set(self.recovered),
            balances=dict(self.balances),
            events=list(self.events),
        )


class _Move(NamedTuple):
    account_id: str
    spent: int
    held: int
    most: int = _NO_LIMIT


@dataclass(frozen=True, slots=True)
class Transfer:
    """What accounts are still to be moved by: made by ``cover`` or ``settle``, done by ``complete``."""

    moves: Sequence[_Move] = ()
    """In the order in which everybody moves accounts."""
    held: Mapping[str, int] = field(default_factory=dict[str, int])
    """What is held afterwards, by account."""
    still_there: Sent | None = None
    """Tells whether the reservation was still there."""


class Reservations:
    """Opens reservations, and moves money between budgets and them."""

    def __init__(
        self, store: Store, clock: Clock, accounts: Accounts, journal: JournalWriter, *, owner: str, grace: timedelta
    ) -> None:
        self._clock = clock
        self._accounts = accounts
        self._journal = journal
        self._owner = owner
        self._grace = grace
        self._looks_first = store.is_sqlite  # there it costs nothing
        self._hold = store.prepare(
            "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, held_nano_usd = held_nano_usd + :held "
            "WHERE id = :id AND spent_nano_usd + :spent + held_nano_usd + :held <= :most "
            "RETURNING spent_nano_usd, held_nano_usd"
        )
        self._move = store.prepare(
            "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, held_nano_usd = held_nano_usd + :held "
            "WHERE id = :id RETURNING spent_nano_usd, held_nano_usd"
        )
        self._renew = store.prepare(
            "UPDATE reservation SET holds = :holds, attempts = :attempts, expires_at = :expires_at "
            "WHERE generation_id = :id RETURNING 1"
        )
        self._close = store.prepare("DELETE FROM reservation WHERE generation_id = :id RETURNING 1")
        self._balance = store.prepare("SELECT spent_nano_usd, held_nano_usd FROM account WHERE id = :id")
        self._holders = store.prepare(
            "SELECT COUNT(*) FROM reservation WHERE tenant_id = :tenant_id AND generation_id <> :id "
            "AND CAST(holds AS TEXT) LIKE :account"
        )
        self._usual_seconds = 1.0
        """How long money is held here, about: learned from generations that have ended."""
        self._insert_reservation = store.insert(Reservation)
        self._thresholds = Thresholds(store, clock)

    def open(
        self,
        terms: Sequence[BudgetTerms],
        generation_id: str,
        tenant_id: str,
        at: datetime,
        *,
        must_be_covered: bool = False,
    ) -> ReservationHandle:
        """Return a reservation that draws on those of *terms* that govern at the time *at*. Nothing is held yet."""
        governing = [one for one in terms if one.span(at) is not None]
        governing.sort(key=lambda one: one.budget_id)
        return ReservationHandle(
            tuple(governing), generation_id, tenant_id, at, must_be_covered, looks_first=self._looks_first
        )

    def used_share(self, terms: BudgetTerms, at: datetime) -> float:
        """Return what is spent and held of a budget, as a share of its limit; 1 where the limit is 0."""
        limit = terms.limit_at(self._clock.now())
        balance = self._accounts.balance(terms, at)
        return sum(balance) / limit if limit else 1.0

    def cover(
        self,
        cursor: Cursor,
        handle: ReservationHandle,
        model: str,
        nano_usd: int | None,
        *,
        generation: Mapping[str, Any],
        attempt: Mapping[str, Any],
        lasts: timedelta,
    ) -> Transfer:
        """Hold enough for one call to *model* that may cost *nano_usd*, in the caller's transaction.

        The accounts are moved by :meth:`complete`, last of all. What earlier calls cost is charged on the way.
        *generation* and *attempt* are what recovery cannot know of the rows that it is to write should this process die
        within the call, which *lasts* no longer than that. If the transaction is undone, the handle is to be put back
        to a copy from before it.

        Raises:
            Unbudgeted: no budget pays for it, and one must.
            AccountMissing: an account of this period is not open yet; open it and try again.

        """
        paying = [one for one in handle.terms if one.pays_for(model)]
        if not paying and handle.must_be_covered:
            raise Unbudgeted(
                f"No budget pays for calls to {model}, and this tenant may not call without one. "
                "An operator can set one, or allow calls without a budget."
            )
        accounts: list[str] = []
        for one in paying:
            account_id = self._accounts.id_of(cursor, one, handle.at)
            handle.by_account[account_id] = one
            accounts.append(account_id)
        kept = {**attempt, "accounts": accounts}
        handle.out[attempt["id"]] = OutstandingCall(tuple(accounts), nano_usd or 0, kept, self._clock.now() + lasts)
        expires_at = max(call.ends_at for call in handle.out.values()) + self._grace  # of two, the later
        wanted, still_there = _wanted(handle), None
        row = {"holds": wanted, "attempts": [call.attempt for call in _held_for(handle)], "expires_at": expires_at}
        if handle.is_reserved:
            renewed = {"holds": json_text(wanted), "attempts": json_text(row["attempts"])}
            renewed |= {"expires_at": micros(expires_at), "id": handle.generation_id}
            still_there = cursor.send(self._renew, renewed)
            still_there = self._look(cursor, handle, still_there)
            wanted = _wanted(handle)
            row |= {"holds": wanted, "attempts": [call.attempt for call in _held_for(handle)]}
        if not handle.is_reserved:
            row |= {"generation_id": handle.generation_id, "tenant_id": handle.tenant_id, "owner": self._owner}
            self._insert_reservation(cursor, [row | {"generation": generation}])
            handle.is_reserved = True
        spent = self._post_pending(cursor, handle)
        moves: list[_Move] = []
        for account_id in sorted({*wanted, *handle.held, *spent}):
            more = wanted.get(account_id, 0) - handle.held.get(account_id, 0)
            terms = handle.by_account[account_id]
            is_free = terms.mode is Mode.SOFT or not wanted.get(account_id)
            most = _NO_LIMIT if is_free else terms.limit_at(self._clock.now())
            moves.append(_Move(account_id, spent.get(account_id, 0), more, most))
        return Transfer(moves, wanted, still_there)

    def charge(self, handle: ReservationHandle, attempt_id: str, nano_usd: int | None, *, estimated: bool) -> None:
        """Spend *nano_usd* on the attempt that has ended; the entries are written with the next transaction.

        An unpriced attempt (``None``) moves no money.
        """
        call = handle.out.pop(attempt_id, None)
        is_estimated = any(recovered == attempt_id for recovered, _ in handle.estimates)
        if call is None or (nano_usd is None and not is_estimated):
            return
        for account_id in call.accounts:
            entry = self._entry(handle, account_id, attempt_id, nano_usd or 0, estimated=estimated)
            handle.pending.append(entry)
        handle.charged[attempt_id] = len(call.accounts)

    def settle(self, cursor: Cursor, handle: ReservationHandle) -> Transfer:
        """Write what is still to be charged and give the rest back, in the caller's transaction.

        The accounts are moved by :meth:`complete`, last in the transaction. If it is undone, the handle is to be put
        back to a copy from before it.
        """
        if not handle.is_reserved:
            return Transfer()
        handle.out = {}
        lasted = (self._clock.now() - handle.at).total_seconds()
        self._usual_seconds += _NEWEST * (lasted - self._usual_seconds)
        still_there = self._look(cursor, handle, cursor.send(self._close, {"id": handle.generation_id}))
        self._return_estimates(handle)
        spent = self._post_pending(cursor, handle)
        moves = [
            _Move(account_id, spent.get(account_id, 0), -handle.held.get(account_id, 0))
            for account_id in sorted({*handle.held, *spent})
        ]
        handle.is_reserved = False
        return Transfer(moves, {}, still_there)

    def complete(self, cursor: Cursor, handle: ReservationHandle, transfer: Transfer) -> None:
        """Move the accounts, in the order given, then see what came of it.

        Raises:
            BudgetExceeded: more is to be held in one of them than it covers.
            AccountMissing: an account is no longer there; open it and try again.
            ReservationRecovered: set ``looks_first`` and try again.

        """
        moves = [move for move in transfer.moves if move.spent or move.held]
        moved = [cursor.send(*self._moving(move)) for move in moves]
        if transfer.still_there is not None and transfer.still_there() is None:
            raise ReservationRecovered
        for move, result in zip(moves, moved, strict=True):
            row = result()
            if row is None:
                raise self._too_much(cursor, handle, move)
            handle.balances[move.account_id] = (row[0], row[1])
            if move.spent > 0:
                terms = handle.by_account[move.account_id]
                handle.events += self._thresholds.passed(cursor, terms, row[0] - move.spent, row[0])
        handle.held = dict(transfer.held)

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, cursor: Cursor, handle: ReservationHandle, still_there: Sent) -> Sent | None:
        """Return what is to be looked at in the end, unless it is looked at now."""
        if not handle.looks_first:
            return still_there
        if still_there() is None:
            self._reconcile(cursor, handle)
        return None

    def _reconcile(self, cursor: Cursor, handle: ReservationHandle) -> None:
        """Take in that recovery settled the reservation while its owner lived on, as after a computer's sleep.

        The hold went back then, the call that was out was charged its estimate, and both were recorded as lost. The
        generation goes on, so that row goes; that of a call goes when the call has ended, and what it really cost
        corrects the estimate.
        """
        handle.held = {}
        handle.is_reserved = False
        charged = {(entry["attempt_id"], entry["account_id"]): entry for entry in handle.pending}
        for attempt_id, account_id, estimate in self._journal.recovered(cursor, handle.generation_id):
            handle.recovered.add(attempt_id)
            if account_id is None:
                continue  # nobody was charged for it
            entry = charged.get((attempt_id, account_id))
            if entry is None:
                handle.estimates[attempt_id, account_id] = estimate
            elif entry["kind"] != LedgerKind.CORRECTION.value:  # else it is known, and only waits to be written
                entry["kind"] = LedgerKind.CORRECTION.value
                entry["nano_usd"] -= estimate
        self._journal.retract_generation(cursor, handle.generation_id)
        self._return_estimates(handle)

    def _return_estimates(self, handle: ReservationHandle) -> None:
        """Give back what recovery charged for calls that ended, and cost nothing after all."""
        for attempt_id, account_id in [key for key in handle.estimates if key[0] not in handle.out]:
            handle.pending.append(self._entry(handle, account_id, attempt_id, 0, estimated=False))
            handle.charged[attempt_id] = handle.charged.get(attempt_id, 0) + 1

    def _post_pending(self, cursor: Cursor, handle: ReservationHandle) -> dict[str, int]:
        """Write the ledger's entries; return what they sum to, by account."""
        if handle.recovered:
            ended = sorted(handle.recovered - handle.out.keys())
            self._journal.retract_attempts(cursor, ended)
            handle.recovered.difference_update(ended)
        spent: dict[str, int] = {}
        for entry in handle.pending:
            spent[entry["account_id"]] = spent.get(entry["account_id"], 0) + entry["nano_usd"]
        self._journal.post(cursor, handle.pending)
        handle.pending = []
        return spent

    def _moving(self, move: _Move) -> tuple[str, dict[str, Any]]:
        values = {"id": move.account_id, "spent": move.spent, "held": move.held}
        return (self._move, values) if move.most == _NO_LIMIT else (self._hold, values | {"most": move.most})

    def _too_much(self, cursor: Cursor, handle: ReservationHandle, move: _Move) -> Exception:
        terms = handle.by_account[move.account_id]
        balance = cursor.send(self._balance, {"id": move.account_id})()
        if balance is None:
            raise self._accounts.gone(terms, handle.at)
        spent, held = balance
        span = terms.span(handle.at)
        assert span is not None  # noqa: S101 only a budget that governs has an account
        limit, ends_at = terms.limit_at(self._clock.now()), span[1]
        own = handle.held.get(move.account_id, 0)
        shortage = Shortage(terms, ends_at, limit, spent + move.spent, held, own, move.held + own)
        if not shortage.is_passing:
            return shortage.spent_out()
        who = {"tenant_id": handle.tenant_id, "id": handle.generation_id, "account": f'%"{move.account_id}"%'}
        row = cursor.send(self._holders, who)()
        return shortage.held_out(row[0] if row else 0, self._usual_seconds)

    def _entry(
        self, handle: ReservationHandle, account_id: str, attempt_id: str, nano_usd: int, *, estimated: bool
    ) -> dict[str, Any]:
        """Return a charge, or the correction of the estimate that recovery charged before."""
        estimate = handle.estimates.pop((attempt_id, account_id), None)
        return {
            "id": self._clock.new_id(),
            "at": self._clock.now(),
            "account_id": account_id,
            "generation_id": handle.generation_id,
            "attempt_id": attempt_id,
            "kind": (LedgerKind.CHARGE if estimate is None else LedgerKind.CORRECTION).value,
            "cause": "",
            "nano_usd": nano_usd - (estimate or 0),
            "estimated": estimated,
        }


def _held_for(handle: ReservationHandle) -> list[OutstandingCall]:
    """Return the calls that are out, but for those that recovery charged as lost: these are paid already."""
    return [call for attempt_id, call in handle.out.items() if attempt_id not in handle.recovered]


def _wanted(handle: ReservationHandle) -> dict[str, int]:
    """Return what is to be held for what is out, by account."""
    wanted: dict[str, int] = {}
    for call in _held_for(handle):
        for account_id in call.accounts:
            wanted[account_id] = wanted.get(account_id, 0) + call.worst_nano_usd
    return wanted

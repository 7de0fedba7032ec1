"""Openings: what an account begins with when its period has begun before it.

The balance is what the period's calls have cost, less what the account has spent. It is summed on a snapshot, before
and outside of the transaction that opens the account; that transaction only makes sure that nothing else has moved it
since. Calls that were out then belong to neither: their generations are remembered with the opening, and counted one by
one when they have ended. So no transaction reads more than the calls that were out, however much the period has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, String, bindparam

from core.budgets.periods import Span
from core.budgets.terms import BudgetTerms
from core.clock import Clock, micros
from core.journal import JournalWriter
from core.statements import Cursor
from core.store import Store
from core.tables import LedgerKind, Opening

LONGEST_CALL = timedelta(minutes=15)
"""Longer than any generation may take."""
SKEW = timedelta(seconds=5)
"""By how much the clocks of two processes may differ."""
SETTLES_AFTER = timedelta(days=1)
"""For so long a call that was given up for lost may come back, and cost something else."""

# What the calls of a period cost: of whole generations from their own sums, which have no attempt without a price.
_WHOLE = """SELECT CAST(COALESCE(SUM(COALESCE(g.cost_nano_usd,
    (SELECT SUM(a.cost_nano_usd) FROM attempt a WHERE a.generation_id = g.id))), 0) AS BIGINT) FROM generation g
WHERE {calls}"""
# A call that was paid by its model's budget belongs to it, whatever the model is called since.
_OF_ATTEMPTS = """SELECT CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) FROM generation g
JOIN attempt a ON a.generation_id = g.id WHERE {calls}"""
_PAID_HERE = "EXISTS (SELECT 1 FROM ledger_entry e WHERE e.attempt_id = a.id AND e.account_id = :account_id)"
_CALLS = """g.tenant_id = :tenant_id AND g.started_at >= :starts_at AND g.started_at < :ends_at
AND (g.error_code IS NULL OR g.error_code <> 'lost' OR g.started_at < :settled) AND {scope}"""
_ACCOUNT = """SELECT id, opening_moves, spent_nano_usd FROM account
WHERE budget_id = :budget_id AND starts_at = :starts_at AND ends_at = :ends_at"""
_REPRICED = "SELECT COUNT(*), COALESCE(SUM(attempts), 0) FROM repricing"
# Whatever moves an opening balance moves one of these: another opening, a call that was late for one, a re-pricing.
_OPEN = """UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, opening_moves = opening_moves + 1
WHERE id = :id AND opening_moves = :opening_moves AND (SELECT COUNT(*) FROM repricing) = :repricings
AND (SELECT COALESCE(SUM(attempts), 0) FROM repricing) = :repriced"""
# What is spent on those that are out, and on those that may come back: they are counted by themselves, once they ended.
_SPENT_APART = """SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry
WHERE account_id = :account_id AND generation_id IN :ids"""
# What a first release charged for calls that it kept no attempt of: no call's cost explains it.
_UNEXPLAINED = """SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry
WHERE account_id = :account_id AND attempt_id IS NULL AND kind IN ('charge', 'refund')
AND generation_id NOT IN :ids"""
_OUT = "SELECT generation_id FROM reservation WHERE tenant_id = :tenant_id"
_LOST = """SELECT id FROM generation WHERE tenant_id = :tenant_id AND error_code = 'lost'
AND started_at >= :starts_at AND started_at < :ends_at AND started_at >= :settled"""
_ENDED_SINCE = """SELECT id FROM generation
WHERE tenant_id = :tenant_id AND started_at >= :since AND ended_at >= :ended_since"""


class BooksMoved(Exception):
    """What an opening balance was summed from has changed; sum it anew."""


@dataclass(frozen=True, slots=True)
class OpeningBalance:
    """What an account is to begin with, or what it lacks."""

    terms: BudgetTerms
    span: Span
    account_id: str
    """Empty where there was no account."""
    nano_usd: int = 0
    moved: tuple[int, int, int] = (0, 0, 0)
    """What must be the same when it is written: how often the balance was moved, re-pricings, calls re-priced."""
    as_of: datetime | None = None
    """``None`` where there was nothing to sum: the budget has governed since before the period."""
    out: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


class Openings:
    """Sums opening balances and writes them."""

    def __init__(self, store: Store, clock: Clock, journal: JournalWriter) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._insert_account = store.prepare(
            "INSERT INTO account (id, budget_id, tenant_id, starts_at, ends_at, spent_nano_usd, held_nano_usd, "
            "opening_moves) VALUES (:id, :budget_id, :tenant_id, :starts_at, :ends_at, 0, 0, 0) ON CONFLICT DO NOTHING"
        )
        self._open = store.prepare(_OPEN)
        self._forget = store.prepare("DELETE FROM opening WHERE account_id = :account_id")
        self._insert_opening = store.insert(Opening)

    # ── Opening ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self, terms: BudgetTerms, span: Span) -> OpeningBalance:
        """Return what the account of that period is to begin with, summed on one snapshot outside of any transaction.

        A budget that has governed since before the period has nothing to look for: whoever spent from it would have
        opened the account.
        """
        if governed_all_along(terms, span):
            return OpeningBalance(terms, span, "")
        now = self._clock.now()
        times = {"starts_at": micros(span[0]), "ends_at": micros(span[1]), "settled": micros(now - SETTLES_AFTER)}
        tenant = {"tenant_id": terms.tenant_id}
        with self._store.scanning() as session:
            connection = session.connection()
            account = _first(connection, _ACCOUNT, _key(terms, span))
            account_id, opening_moves, spent = account or ("", 0, 0)
            repricings, repriced = _first(connection, _REPRICED, {})
            out = _ids(connection, _OUT, tenant) + _ids(connection, _LOST, tenant | times)
            apart = _first(connection, _SPENT_APART, {"account_id": account_id, "ids": out})
            unexplained = _first(connection, _UNEXPLAINED, {"account_id": account_id, "ids": out})
            recent = {"since": micros(now - LONGEST_CALL - SKEW), "ended_since": micros(now - SKEW)}
            counted = set(_ids(connection, _ENDED_SINCE, tenant | recent)) - set(out)
            calls = {**tenant, **times, "scope_name": terms.scope_name, "account_id": account_id}
            cost = _first(connection, _cost_of(terms), calls)
        nano_usd = int(cost[0]) - (int(spent) - int(apart[0]) - int(unexplained[0]))
        moved = (opening_moves, int(repricings), int(repriced))
        return OpeningBalance(terms, span, account_id, nano_usd, moved, now, tuple(out), tuple(sorted(counted)))

    def open_in(self, cursor: Cursor, balances: Sequence[OpeningBalance]) -> None:
        """Open accounts in the caller's transaction, or let them catch up; not those that somebody else just opened.

        They are moved last and in the order in which everybody moves accounts, so that nobody waits for them longer
        than for any charge, and no two wait for each other.

        Raises:
            BooksMoved: a balance no longer holds; undo the transaction, look again, and try again.

        """
        found = {self._found(cursor, one): one for one in balances}
        late = {account_id: one for account_id, one in sorted(found.items()) if account_id and one.as_of is not None}
        self._journal.post(
            cursor, [opening_entry(self._clock, one, each.nano_usd) for one, each in late.items() if each.nano_usd]
        )
        for account_id, balance in late.items():
            cursor.execute(self._forget, {"account_id": account_id})
            opening = {
                "account_id": account_id,
                "tenant_id": balance.terms.tenant_id,
                "as_of": balance.as_of,
                "opened_at": self._clock.now(),
                "out": list(balance.out),
                "counted": list(balance.counted),
            }
            self._insert_opening(cursor, [opening])
        for account_id, balance in late.items():
            opening_moves, repricings, repriced = balance.moved
            values = {"opening_moves": opening_moves, "repricings": repricings, "repriced": repriced}
            cursor.execute(self._open, values | {"id": account_id, "spent": balance.nano_usd})
            if not cursor.rowcount:
                raise BooksMoved

    def _found(self, cursor: Cursor, balance: OpeningBalance) -> str:
        """Return the id of the account, which is made if there was none; empty if somebody else just made it."""
        if balance.account_id:
            return balance.account_id
        account_id = self._clock.new_id()
        row = _key(balance.terms, balance.span) | {"id": account_id, "tenant_id": balance.terms.tenant_id}
        cursor.execute(self._insert_account, row)
        if cursor.rowcount:
            return account_id
        if balance.as_of is None:
            return ""
        raise BooksMoved


def opening_entry(clock: Clock, account_id: str, nano_usd: int, late: Any = None) -> dict[str, Any]:
    """Return the ledger entry of what an account begins with, or of an attempt that was *late* for it."""
    return {
        "id": clock.new_id(),
        "at": clock.now(),
        "account_id": account_id,
        "generation_id": late.generation_id if late else "",
        "attempt_id": None,
        "kind": LedgerKind.OPENING_BALANCE.value,
        "cause": late.id if late else "",
        "nano_usd": nano_usd,
        "estimated": bool(late.estimated) if late else False,
    }


def governed_all_along(terms: BudgetTerms, span: Span) -> bool:
    """Whether the budget has governed since before its period began, so that an account that is missing saw nothing."""
    return terms.governs_since is not None and terms.governs_since + LONGEST_CALL + SKEW <= span[0]


def _cost_of(terms: BudgetTerms) -> str:
    """Return the query of what all calls that a budget covers have cost in a period."""
    own = f"{terms.scope.subject_sql} = :scope_name"
    if terms.scope.is_of_attempts:
        return _OF_ATTEMPTS.format(calls=_CALLS.format(scope=f"({own} OR {_PAID_HERE})"))
    return _WHOLE.format(calls=_CALLS.format(scope=own))


def _ids(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[str]:
    return list(connection.execute(_expanding(sql), values).scalars())


def _first(connection: Connection, sql: str, values: Mapping[str, Any]) -> Any:
    return connection.execute(_expanding(sql), values).first()


def _expanding(sql: str) -> sqlalchemy.TextClause:
    text = sqlalchemy.text(sql)
    return text.bindparams(bindparam("ids", type_=String, expanding=True)) if ":ids" in sql else text


def _key(terms: BudgetTerms, span: Span) -> dict[str, Any]:
    return {"budget_id": terms.budget_id, "starts_at": micros(span[0]), "ends_at": micros(span[1])}

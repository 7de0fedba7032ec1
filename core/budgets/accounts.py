"""Accounts: one per budget and period, opened when the period is first asked for.

An account that is opened in the middle of its period, because the budget is new or its period or time zone was changed,
begins with what was spent in that period before: an edit never resets usage, and a budget's figure is the same as that
of the calls it pays for. For the same reason one that governs again, after its budget was removed or had another period
for a while, catches up with what was spent meanwhile.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.budgets.periods import Span
from core.budgets.terms import BudgetTerms, Scope
from core.clock import Clock, micros
from core.store import Cursor, Store
from core.tables import LedgerEntry, LedgerKind

_MOST_KNOWN = 4096
_SPENT = """SELECT CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) FROM generation g
JOIN attempt a ON a.generation_id = g.id
WHERE g.tenant_id = :tenant_id AND g.started_at >= :starts_at AND g.started_at < :ends_at {scope}
AND NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.attempt_id = a.id AND e.account_id = :account_id)"""
_CARRIED = """SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry
WHERE account_id = :account_id AND kind = 'carried'"""
_SCOPES = {
    Scope.TENANT: "AND :scope_name = ''",
    Scope.MODEL: "AND a.provider || '/' || a.model = :scope_name",
    Scope.SCHEMA: "AND g.schema_name = :scope_name",
    Scope.ROUTE: "AND g.route = :scope_name",
}


class AccountMissing(Exception):
    """No account of this period is open yet."""

    def __init__(self, terms: BudgetTerms, at: datetime) -> None:
        super().__init__()
        self.terms = terms
        self.at = at


class Accounts:
    """Finds and opens accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[tuple[str, Span], str] = {}
        self._find = store.prepare(
            "SELECT id, spent_nano_usd, held_nano_usd FROM account "
            "WHERE budget_id = :budget_id AND starts_at = :starts_at AND ends_at = :ends_at"
        )
        self._insert = store.prepare(
            "INSERT INTO account (id, budget_id, tenant_id, starts_at, ends_at, spent_nano_usd, held_nano_usd) "
            "VALUES (:id, :budget_id, :tenant_id, :starts_at, :ends_at, 0, 0) ON CONFLICT DO NOTHING"
        )
        self._spend = store.prepare("UPDATE account SET spent_nano_usd = spent_nano_usd + :spent WHERE id = :id")
        self._carried = store.prepare(_CARRIED)
        self._spent = {scope: store.prepare(_SPENT.format(scope=words)) for scope, words in _SCOPES.items()}
        self._insert_entry = store.insert(LedgerEntry)

    def id_of(self, cursor: Cursor, terms: BudgetTerms, at: datetime) -> str:
        """Return the id of the account that pays around *at*.

        Raises:
            AccountMissing: it is not open yet.

        """
        span = terms.span(at)
        assert span is not None  # noqa: S101 who does not govern is not asked
        key = (terms.budget_id, span)
        account_id = self._known.get(key)
        if account_id is None:
            cursor.execute(self._find, _key(terms, span))
            row = cursor.fetchone()
            if row is None:
                raise AccountMissing(terms, at)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            account_id = self._known[key] = row[0]
        return account_id

    def gone(self, terms: BudgetTerms, at: datetime) -> AccountMissing:
        """Forget an account that was known and is no longer there; return what says so."""
        self._known = {key: known for key, known in self._known.items() if key[0] != terms.budget_id}
        return AccountMissing(terms, at)

    def open(self, terms: BudgetTerms, at: datetime) -> None:
        """Open the account around *at*, in a transaction of its own; nothing if another process just did."""
        with self._store.transaction() as cursor:
            self.open_in(cursor, terms, at)

    def open_in(self, cursor: Cursor, terms: BudgetTerms, at: datetime) -> None:
        """Open the account around *at* in the caller's transaction."""
        span = terms.span(at)
        if span is None:
            return
        row = _key(terms, span) | {"id": self._clock.new_id(), "tenant_id": terms.tenant_id}
        cursor.execute(self._insert, row)
        if cursor.rowcount:
            self._carry(cursor, row["id"], terms, span)

    def catch_up(self, terms: BudgetTerms, at: datetime) -> None:
        """Open the account around *at*, or add to it what was spent while its budget did not govern."""
        span = terms.span(at)
        if span is None:
            return
        with self._store.transaction() as cursor:
            self.open_in(cursor, terms, at)
            cursor.execute(self._find, _key(terms, span))
            account_id = cursor.fetchone()[0]
            cursor.execute(self._spend, {"id": account_id, "spent": 0})  # from here on nobody else moves it
            self._carry(cursor, account_id, terms, span)

    def _carry(self, cursor: Cursor, account_id: str, terms: BudgetTerms, span: Span) -> None:
        """Add what calls of the period have cost that neither were charged to the account nor were carried before."""
        cursor.execute(self._spent[terms.scope], _usage(terms, span, account_id))
        spent = int(cursor.fetchone()[0])
        cursor.execute(self._carried, {"account_id": account_id})
        spent -= int(cursor.fetchone()[0])
        if not spent:
            return
        entry = {
            "id": self._clock.new_id(),
            "at": self._clock.now(),
            "account_id": account_id,
            "generation_id": "",
            "attempt_id": None,
            "kind": LedgerKind.CARRIED.value,
            "cause": "",
            "nano_usd": spent,
            "estimated": False,
        }
        self._insert_entry(cursor, [entry])
        cursor.execute(self._spend, {"id": account_id, "spent": spent})

    def balance(self, terms: BudgetTerms, at: datetime) -> tuple[int, int]:
        """Return what is spent and held around *at*; of an account that is not open, what it will begin with."""
        span = terms.span(at)
        if span is None:
            return 0, 0
        row = self._store.read_one(self._find, _key(terms, span))
        if row is not None:
            return row[1], row[2]
        found = self._store.read_one(self._spent[terms.scope], _usage(terms, span))
        return int(found[0]), 0


def _key(terms: BudgetTerms, span: Span) -> dict[str, Any]:
    return {"budget_id": terms.budget_id, "starts_at": micros(span[0]), "ends_at": micros(span[1])}


def _usage(terms: BudgetTerms, span: Span, account_id: str = "") -> dict[str, Any]:
    return {
        "account_id": account_id,
        "tenant_id": terms.tenant_id,
        "scope_name": terms.scope_name,
        "starts_at": micros(span[0]),
        "ends_at": micros(span[1]),
    }

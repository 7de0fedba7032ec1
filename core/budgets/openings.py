"""Openings: what an account begins with when its period has begun before it.

The balance is summed on a snapshot, before and outside of the transaction that opens the account; that transaction only
makes sure that nothing else has moved it since. Calls that were out then belong to neither: their generations are
remembered with the opening, and counted one by one when they have ended. So no transaction reads more than the calls
that were out, however much the period has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy
from sqlalchemy import Connection, String, bindparam
from sqlmodel import col, select

from core.budgets.periods import Span
from core.budgets.terms import BudgetTerms, Scope
from core.clock import Clock, last_id, micros
from core.journal import JournalWriter
from core.statements import Cursor
from core.store import FOR_CHANGE, Store
from core.tables import Account, Budget, LedgerKind, Opening

LONGEST_CALL = timedelta(minutes=15)
"""Longer than any generation may take."""
SKEW = timedelta(seconds=5)
"""By how much the clocks of two processes may differ."""
_SOON = timedelta(minutes=2)
"""For so long each look goes by time as well as by what was out: it finds who had read the old terms already."""
_SETTLES_AFTER = timedelta(days=1)
"""For so long a call that was given up for lost may come back, and cost something else."""
_MOST_AT_ONCE = 200

_SCOPES = {
    Scope.TENANT: "AND :scope_name = ''",
    Scope.MODEL: "AND a.provider || '/' || a.model = :scope_name",
    Scope.SCHEMA: "AND g.schema_name = :scope_name",
    Scope.ROUTE: "AND g.route = :scope_name",
}
_SPENT = """SELECT CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) FROM generation g
JOIN attempt a ON a.generation_id = g.id
WHERE g.tenant_id = :tenant_id AND g.started_at >= :starts_at AND g.started_at < :ends_at {scope}
AND (g.error_code IS NULL OR g.error_code <> 'lost' OR g.started_at < :settled)
AND NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.attempt_id = a.id AND e.account_id = :account_id)"""
_ACCOUNT = """SELECT id, carried_count FROM account
WHERE budget_id = :budget_id AND starts_at = :starts_at AND ends_at = :ends_at"""
_CARRIED = """SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry
WHERE account_id = :account_id AND kind = 'carried'"""
_REPRICED = "SELECT COUNT(*), COALESCE(SUM(attempts), 0) FROM repricing"
# Whatever moves what is carried moves one of these: another opening, a call that was late for one, a re-pricing.
_OPEN = """UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, carried_count = carried_count + 1
WHERE id = :id AND carried_count = :carried_count AND (SELECT COUNT(*) FROM repricing) = :repricings
AND (SELECT COALESCE(SUM(attempts), 0) FROM repricing) = :repriced"""
# What was counted of those that are out again, or may come back: they are counted by themselves, when they have ended.
_COUNTED_APART = """SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry
WHERE account_id = :account_id AND kind = 'carried' AND generation_id IN :ids"""
_OUT = "SELECT generation_id FROM reservation WHERE tenant_id = :tenant_id"
_OUT_UNTIL = f"{_OUT} AND generation_id <= :until"
_OUT_OF = f"{_OUT} AND generation_id IN :ids"
_LOST = """SELECT id FROM generation WHERE tenant_id = :tenant_id AND error_code = 'lost'
AND started_at >= :starts_at AND started_at < :ends_at AND started_at >= :settled"""
_STILL_LOST = "SELECT id FROM generation WHERE id IN :ids AND error_code = 'lost' AND started_at >= :settled"
_ENDED_SINCE = """SELECT id FROM generation
WHERE tenant_id = :tenant_id AND started_at >= :since AND ended_at >= :ended_since"""
# (Where an index on the account or the period would be the wrong one, an expression keeps it from being used.)
# One attempt that may be late for an opening: what it cost, whether the account paid for it, what was counted of it.
_LATE = """SELECT a.id, a.generation_id, a.cost_nano_usd, a.estimated, g.error_code,
(SELECT COUNT(*) FROM ledger_entry e WHERE e.attempt_id = a.id AND e.account_id = :account_id) AS charges,
(SELECT CAST(COALESCE(SUM(e.nano_usd), 0) AS BIGINT) FROM ledger_entry e WHERE e.generation_id = g.id
    AND e.account_id || '' = :account_id AND e.kind = 'carried' AND e.cause = a.id) AS counted
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE g.started_at + 0 >= :starts_at AND g.started_at + 0 < :ends_at {scope}
AND a.cost_nano_usd IS NOT NULL """
_BY_ID, _THESE = "AND g.id IN :ids", "AND a.id IN :ids"
_BY_TIME = (
    "AND g.tenant_id = :tenant_id AND g.started_at >= :since AND g.started_at <= :until AND g.ended_at >= :ended_since"
)


_TOUCH = sqlalchemy.text("UPDATE account SET carried_count = carried_count WHERE id = :id")
_CARRY = sqlalchemy.text(
    "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, carried_count = carried_count + 1 WHERE id = :id"
)


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
    """What must be the same when it is written: how often the account was carried to, re-pricings, calls re-priced."""
    as_of: datetime | None = None
    """``None`` where there was nothing to sum: the budget has governed since before the period."""
    out: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


class Openings:
    """Sums opening balances, writes them, and counts what was late for them."""

    def __init__(self, store: Store, clock: Clock, journal: JournalWriter) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._account = store.prepare(_ACCOUNT)
        self._insert_account = store.prepare(
            "INSERT INTO account (id, budget_id, tenant_id, starts_at, ends_at, spent_nano_usd, held_nano_usd, "
            "carried_count) VALUES (:id, :budget_id, :tenant_id, :starts_at, :ends_at, 0, 0, 0) ON CONFLICT DO NOTHING"
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
        times = {"starts_at": micros(span[0]), "ends_at": micros(span[1]), "settled": micros(now - _SETTLES_AFTER)}
        tenant = {"tenant_id": terms.tenant_id}
        with self._store.scanning() as session:
            connection = session.connection()
            account = _first(connection, _ACCOUNT, _key(terms, span))
            account_id, carried_count = account or ("", 0)
            carried = _first(connection, _CARRIED, {"account_id": account_id})
            repricings, repriced = _first(connection, _REPRICED, {})
            out = _ids(connection, _OUT, tenant) + _ids(connection, _LOST, tenant | times)
            apart = _first(connection, _COUNTED_APART, {"account_id": account_id, "ids": out})
            recent = {"since": micros(now - LONGEST_CALL - SKEW), "ended_since": micros(now - SKEW)}
            counted = set(_ids(connection, _ENDED_SINCE, tenant | recent)) - set(out)
            spent = _first(
                connection,
                _SPENT.format(scope=_SCOPES[terms.scope]),
                {**tenant, **times, "scope_name": terms.scope_name, "account_id": account_id},
            )
        nano_usd = int(spent[0]) - (int(carried[0]) - int(apart[0]))
        moved = (carried_count, int(repricings), int(repriced))
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
        self._journal.post(cursor, [self._entry(one, each.nano_usd) for one, each in late.items() if each.nano_usd])
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
            carried_count, repricings, repriced = balance.moved
            values = {"carried_count": carried_count, "repricings": repricings, "repriced": repriced}
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

    # ── Who was late ──────────────────────────────────────────────────────────────────────────────────────────────────

    def count_late(self) -> None:
        """Count in every account that was opened late what has ended since of the calls that were out.

        Any process may do it, at any time; what was counted is not counted again.
        """
        pending = (
            select(Opening, Account, Budget)
            .outerjoin(Account, col(Account.id) == col(Opening.account_id))
            .outerjoin(Budget, col(Budget.id) == col(Account.budget_id))
        )
        with self._store.reading() as session:
            found = cast("Sequence[tuple[Opening, Account | None, Budget | None]]", session.exec(pending).all())
        for opening, account, budget in found:
            if account is None or budget is None:  # both went with a demo world
                self._end(opening)
            else:
                self._count_late_for(opening, account, Scope(budget.scope), budget.scope_name)

    def _count_late_for(self, opening: Opening, account: Account, scope: Scope, scope_name: str) -> None:
        now = self._clock.now()
        age = now - opening.opened_at
        is_last = age >= LONGEST_CALL + SKEW  # nobody who had read the old terms can begin any more
        values = {
            "account_id": account.id,
            "tenant_id": opening.tenant_id,
            "starts_at": micros(account.starts_at),
            "ends_at": micros(account.ends_at),
            "scope_name": scope_name,
        }
        with self._store.reading() as session:
            connection = session.connection()
            out = _ids(connection, _OUT_OF, {"tenant_id": opening.tenant_id, "ids": opening.out})
            if is_last:
                until = last_id(opening.opened_at + SKEW)  # whoever began by then knew nothing of the account
                out += _ids(connection, _OUT_UNTIL, {"tenant_id": opening.tenant_id, "until": until})
            lost = _ids(connection, _STILL_LOST, {"ids": opening.out, "settled": micros(now - _SETTLES_AFTER)})
            late = _rows(connection, _LATE + _BY_ID, scope, values | {"ids": opening.out})
            if is_last or age <= _SOON:
                window = {
                    "since": micros(opening.as_of - (LONGEST_CALL if is_last else _SOON) - SKEW),
                    "until": micros(opening.opened_at + SKEW),
                    "ended_since": micros(opening.as_of - SKEW),
                }
                late += _rows(connection, _LATE + _BY_TIME, scope, values | window)
        known = set(opening.counted)
        missing = {row.id for row in late if row.generation_id not in known and _lacks(row, opening.out)}
        for some in _chunks(sorted(missing)):
            self._count(account.id, scope, values, some, opening.out)
        still = sorted({*out, *lost})
        if is_last and not still:
            self._end(opening)
        elif still != sorted(opening.out):
            self._keep(opening, still)

    def _count(
        self, account_id: str, scope: Scope, values: Mapping[str, Any], attempts: Sequence[str], out: Sequence[str]
    ) -> None:
        """Count some attempts in the account, each as it is now: another process may have been here before."""
        with self._store.writing() as session:
            connection = session.connection()
            connection.execute(_TOUCH, {"id": account_id})  # from here on nobody else moves it
            rows = _rows(connection, _LATE + _THESE, scope, {**values, "ids": attempts})
            entries = [
                self._entry(account_id, row.cost_nano_usd - int(row.counted), row) for row in rows if _lacks(row, out)
            ]
            if entries:
                self._journal.post(self._store.cursor(session), entries)
                connection.execute(_CARRY, {"id": account_id, "spent": sum(one["nano_usd"] for one in entries)})

    def _keep(self, opening: Opening, out: Sequence[str]) -> None:
        with self._store.writing() as session:
            kept = session.get(Opening, opening.account_id, with_for_update=FOR_CHANGE)
            if kept is not None and kept.as_of == opening.as_of:  # else it was opened anew meanwhile
                kept.out = list(out)
                session.add(kept)

    def _end(self, opening: Opening) -> None:
        with self._store.writing() as session:
            kept = session.get(Opening, opening.account_id, with_for_update=FOR_CHANGE)
            if kept is not None and kept.as_of == opening.as_of:
                session.delete(kept)

    def _entry(self, account_id: str, nano_usd: int, late: Any = None) -> dict[str, Any]:
        return {
            "id": self._clock.new_id(),
            "at": self._clock.now(),
            "account_id": account_id,
            "generation_id": late.generation_id if late else "",
            "attempt_id": None,
            "kind": LedgerKind.CARRIED.value,
            "cause": late.id if late else "",
            "nano_usd": nano_usd,
            "estimated": bool(late.estimated) if late else False,
        }


def governed_all_along(terms: BudgetTerms, span: Span) -> bool:
    """Whether the budget has governed since before its period began, so that an account that is missing saw nothing."""
    return terms.governs_since is not None and terms.governs_since + LONGEST_CALL + SKEW <= span[0]


def _lacks(late: Any, out: Sequence[str]) -> bool:
    """Whether the account lacks something of that attempt.

    What was counted once stays as it is, unless it was given up for lost then and cost something else after all.
    """
    if late.charges or late.cost_nano_usd == late.counted:
        return False
    return not late.counted or late.generation_id in out


def _rows(connection: Connection, sql: str, scope: Scope, values: Mapping[str, Any]) -> list[Any]:
    return list(connection.execute(_expanding(sql.format(scope=_SCOPES[scope])), values))


def _ids(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[str]:
    return list(connection.execute(_expanding(sql), values).scalars())


def _first(connection: Connection, sql: str, values: Mapping[str, Any]) -> Any:
    return connection.execute(_expanding(sql), values).first()


def _expanding(sql: str) -> sqlalchemy.TextClause:
    text = sqlalchemy.text(sql)
    return text.bindparams(bindparam("ids", type_=String, expanding=True)) if ":ids" in sql else text


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _MOST_AT_ONCE):
        yield ids[start : start + _MOST_AT_ONCE]


def _key(terms: BudgetTerms, span: Span) -> dict[str, Any]:
    return {"budget_id": terms.budget_id, "starts_at": micros(span[0]), "ends_at": micros(span[1])}

"""Accounts: one per budget and period, opened when the period is first asked for.

An account that is opened in the middle of its period, because the budget is new or its period or time zone was changed,
begins with what was spent in that period before: an edit never resets usage, and a budget's figure is the same as that
of the calls it pays for. For the same reason one that governs again, after its budget was removed or had another period
for a while, catches up with what was spent meanwhile.
"""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from datetime import datetime
from typing import Any

from core.budgets.freezes import Freezes
from core.budgets.late_calls import LateCalls
from core.budgets.openings import BooksMoved, Openings, governed_all_along
from core.budgets.periods import Span
from core.budgets.terms import BudgetTerms
from core.clock import Clock, micros
from core.errors import Unavailable
from core.journal import JournalWriter
from core.statements import Cursor
from core.store import Store

_MOST_KNOWN = 4096


class AccountMissing(Exception):
    """No account of this period is open yet."""

    def __init__(self, terms: BudgetTerms, at: datetime) -> None:
        super().__init__()
        self.terms = terms
        self.at = at


class Accounts:
    """Finds and opens accounts."""

    def __init__(self, store: Store, clock: Clock, journal: JournalWriter, freezes: Freezes) -> None:
        self._store = store
        self._known: dict[tuple[str, Span], str] = {}
        self._looking = threading.Lock()
        self.openings = Openings(store, clock, journal)
        self.late_calls = LateCalls(store, clock, journal, freezes)
        self._freezes = freezes
        self._find = store.prepare(
            "SELECT id, spent_nano_usd, held_nano_usd FROM account "
            "WHERE budget_id = :budget_id AND starts_at = :starts_at AND ends_at = :ends_at"
        )

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
        """Open the account around *at*; nothing if another thread or process just did.

        Raises:
            Unavailable: what it is to begin with changes faster than it can be summed.

        """
        span = terms.span(at)
        if span is None:
            return
        if governed_all_along(terms, span):  # there is nothing to sum
            self._open(terms, span)
            return
        with self._looking, closing(self._freezes.tries(terms.tenant_id)) as tries:  # of many who need it one looks
            for _ in tries:
                with suppress(BooksMoved):
                    self._open(terms, span)
                    return
        raise Unavailable("The account of this period could not be opened. Try again.")

    def _open(self, terms: BudgetTerms, span: Span) -> None:
        """Open an account, unless it is open.

        Raises:
            BooksMoved: what it is to begin with has changed meanwhile.

        """
        if self._store.read_one(self._find, _key(terms, span)) is None:
            balance = self.openings.look(terms, span)
            with self._store.transaction() as cursor:
                self.openings.open_in(cursor, [balance])

    def balance(self, terms: BudgetTerms, at: datetime) -> tuple[int, int]:
        """Return what is spent and held around *at*; of an account that is not open, what it will begin with."""
        span = terms.span(at)
        if span is None:
            return 0, 0
        row = self._store.read_one(self._find, _key(terms, span))
        if row is not None:
            return row[1], row[2]
        return self.openings.look(terms, span).nano_usd, 0


def _key(terms: BudgetTerms, span: Span) -> dict[str, Any]:
    return {"budget_id": terms.budget_id, "starts_at": micros(span[0]), "ends_at": micros(span[1])}

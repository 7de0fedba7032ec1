"""Thresholds that are passed: told once each, by whichever charge passes them."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from core.budgets.periods import Period
from core.budgets.terms import BudgetTerms, Mode, Scope, dollars, key_label
from core.clock import Clock, micros
from core.statements import Cursor
from core.store import Store
from core.tables import ChangeEvent
from core.telemetry import log


@dataclass(frozen=True, slots=True)
class ThresholdEvent:
    """A threshold that a charge has just passed."""

    terms: BudgetTerms
    percent: int
    spent_nano_usd: int
    limit_nano_usd: int

    def tell(self) -> None:
        """Tell the log, once the transaction is kept."""
        log().warning(
            "budget_threshold",
            tenant=self.terms.tenant,
            scope=self.terms.scope.value,
            scope_name=self.terms.scope_name,
            percent=self.percent,
            spent_nano_usd=self.spent_nano_usd,
            limit_nano_usd=self.limit_nano_usd,
        )


class Thresholds:
    """Finds and writes down which thresholds a charge passes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._insert_event = store.insert(ChangeEvent)
        self._terms = store.prepare(
            "SELECT b.id, b.tenant_id, t.name, t.timezone, b.limit_nano_usd + COALESCE((SELECT SUM(r.extra_nano_usd) "
            "FROM budget_raise r WHERE r.budget_id = b.id AND r.withdrawn_at IS NULL AND r.starts_at <= :now "
            "AND r.ends_at > :now), 0), b.scope, b.scope_name, b.period, b.mode, b.thresholds, k.prefix, k.name "
            "FROM account a JOIN budget b ON b.id = a.budget_id JOIN tenant t ON t.id = b.tenant_id "
            "LEFT JOIN api_key k ON b.scope = 'key' AND k.id = b.scope_name WHERE a.id = :id"
        )

    def terms(self, cursor: Cursor, account_id: str) -> BudgetTerms:
        """Return the terms of an account's budget as they are now, its raises in its limit."""
        cursor.execute(self._terms, {"id": account_id, "now": micros(self._clock.now())})
        (budget_id, tenant_id, tenant, timezone, limit, scope, scope_name, period, mode, thresholds, prefix, key) = (
            cursor.fetchone()
        )
        return BudgetTerms(
            budget_id=budget_id,
            tenant_id=tenant_id,
            tenant=tenant,
            timezone=timezone,
            limit_nano_usd=int(limit),
            scope=Scope(scope),
            scope_name=scope_name,
            label=key_label(prefix, key),
            period=Period(period),
            mode=Mode(mode),
            thresholds=tuple(orjson.loads(thresholds)),
        )

    def passed(self, cursor: Cursor, terms: BudgetTerms, before: int, after: int) -> list[ThresholdEvent]:
        """Write a change event for each threshold between the two, and return them: exactly one charge passes each."""
        limit = terms.limit_at(self._clock.now())
        found = [
            ThresholdEvent(terms, percent, after, limit)
            for percent in (*terms.thresholds, 100)
            if before * 100 < limit * percent <= after * 100
        ]
        events = [
            {
                "id": self._clock.new_id(),
                "at": self._clock.now(),
                "kind": "budget",
                "subject": terms.tenant,
                "tenant_id": terms.tenant_id,
                "summary": f"{one.percent} % of {terms.name} is spent: {dollars(after)} of {dollars(limit)}.",
                "before": None,
                "after": {"percent": one.percent, "spent_nano_usd": after, "limit_nano_usd": limit},
            }
            for one in found
        ]
        self._insert_event(cursor, events)
        return found

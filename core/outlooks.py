"""Looking ahead: how the month of each tenant will probably end, made from time to time for whoever asks.

A round has a bound: some tenants at a time, those first whose outlook is missing or oldest, for a few seconds. Days
that are over do not change but by a re-pricing or a removal, so how the method did on past mornings, which costs most,
is tried anew only where they did, or where a day has gone by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from core.claims import OUTLOOK
from core.clock import Clock, micros
from core.errors import Invalid
from core.principals import TenantScope
from core.reports.budget_lines import BudgetLine, budget_lines
from core.reports.daily import Days, daily
from core.reports.forecast import HORIZONS, forecast, mornings
from core.reports.outlooks import Outlook, kept, told
from core.reports.reading import TenantFacts, reading
from core.store import Store

FRESH_FOR = timedelta(minutes=15)
"""How old an outlook becomes before it is made anew."""
_KEPT_FOR = timedelta(days=30)
"""For so long it stays where nobody makes another, as of a tenant that is gone."""
_AT_ONCE = 8
"""Tenants that one look at the calls is about."""
_ROUND_SECONDS = 3.0
_DUE = f"""
    SELECT t.id, c.result FROM tenant t LEFT JOIN claim c ON c.kind = '{OUTLOOK}' AND c.key = t.id
    WHERE COALESCE(c.since, 0) <= :before ORDER BY COALESCE(c.since, 0), t.id LIMIT {_AT_ONCE}
"""  # noqa: S608 our own words
_KEEP = f"""
    INSERT INTO claim (kind, key, tenant_id, holder, result, since, expires_at)
    VALUES ('{OUTLOOK}', :tenant_id, :tenant_id, '', :result, :now, :until)
    ON CONFLICT (kind, key) DO UPDATE SET result = excluded.result, since = excluded.since,
        expires_at = excluded.expires_at
"""  # noqa: S608 our own words


class _Known(NamedTuple):
    """What one look found of one tenant."""

    id: str
    facts: TenantFacts
    days: Days | None
    budget: BudgetLine | None
    before: str | None
    """Its outlook, as it was kept."""


class Outlooks:
    """Makes them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._due, self._keep = store.prepare(_DUE), store.prepare(_KEEP)

    def make(self) -> int:
        """Make those that are due, for some seconds; return how many."""
        made, began = 0, self._clock.monotonic()
        while self._clock.monotonic() - began < _ROUND_SECONDS:
            at = self._clock.now()
            found = self._look(at)
            if not found:
                break
            rows = [self._row(one, at) for one in found]
            with self._store.transaction() as cursor:
                cursor.executemany(self._keep, rows)
            made += len(rows)
            self._store.rest()
        return made

    def _look(self, at: datetime) -> Sequence[_Known]:
        """Return what is to be known of the tenants whose turn it is."""
        with self._store.snapshot() as connection:
            due = connection.exec_driver_sql(self._due, {"before": micros(at - FRESH_FOR)}).all()
        before: Mapping[str, str | None] = {row.id: row.result for row in due}
        if not before:
            return ()
        with reading(self._store, TenantScope(frozenset(before))) as now:
            try:
                days = daily(now, at)
            except Invalid:  # sums do not reach back far enough yet: it is made once they do
                return ()
            budgets, known = budget_lines(now, at), now.tenants
        return [_Known(one, facts, days.get(one), budgets.get(one), before[one]) for one, facts in known.items()]

    def _row(self, one: _Known, at: datetime) -> dict[str, Any]:
        outlook = _outlook(one, at)
        return {
            "tenant_id": one.id,
            "result": orjson.dumps(kept(outlook)).decode(),
            "now": micros(at),
            "until": micros(at + _KEPT_FOR),
        }


def _outlook(one: _Known, at: datetime) -> Outlook:
    coming = forecast(one.id, one.facts.name, one.facts.timezone, one.days, one.budget, at)
    past = _hash(one.days)
    before = None if one.before is None else told(one.id, one.facts, orjson.loads(one.before), has_course=False)
    if before is not None and before.past == past:
        tried = before.mornings
    else:
        days = one.days or Days(dates=(), spent=(), later=(), today=at.date(), spent_today=0)
        tried = {horizon: mornings(one.id, days, horizon) for horizon in HORIZONS}
    return Outlook(
        forecast=coming,
        mornings=tried,
        spent=sum(one.days.spent) if one.days else 0,
        has_called=one.days is not None,
        past=past,
    )


def _hash(days: Days | None) -> str:
    """Return what stays the same while the days that are over do, and today is the same day."""
    said = [] if days is None else [days.today, days.dates, days.spent, days.first]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()

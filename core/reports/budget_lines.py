"""How tenants stand with their tenant-wide budgets: the limit that holds now, and what is spent in the period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.budgets.balances import BudgetPeriod
from core.budgets.periods import Period, Span, period_around
from core.clock import from_micros, micros
from core.reports.queries import BUDGETS
from core.reports.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """One budget in one period of it."""

    limit_nano_usd: int
    """With what was raised for a while."""
    spent_nano_usd: int
    starts_at: datetime
    ends_at: datetime
    mode: str = "hard"
    """``hard``, ``soft`` (it only tells) or ``degrade``."""
    scope: str = "tenant"
    """``tenant``, ``model``, ``schema`` or ``route``."""
    scope_name: str = ""
    """``provider/name`` of the model, or the name of the schema or route."""


def budget_lines(reading: Reading, now: datetime) -> Mapping[str, BudgetLine]:
    """Return the tenant-wide budget of each tenant that *reading* sees, by its id; who has none now is left out."""
    governing = [
        (row, span)
        for row in reading.rows(BUDGETS, {"now": micros(now)}, tenant="b.tenant_id")
        if (span := _span(row, now)) is not None
    ]
    stands = reading.balances([BudgetPeriod(row.id, row.tenant_id, *span) for row, span in governing])
    return {
        row.tenant_id: BudgetLine(
            limit_nano_usd=row.limit_nano_usd + row.raised,
            spent_nano_usd=stands[row.id][0],
            starts_at=span[0],
            ends_at=span[1],
            mode=row.mode,
        )
        for row, span in governing
    }


def _span(row: Any, now: datetime) -> Span | None:
    """Return the period that the budget is in; ``None`` outside of a fixed span."""
    if row.period != Period.SPAN:
        return period_around(Period(row.period), row.timezone, now)
    starts_at, ends_at = from_micros(row.starts_at), from_micros(row.ends_at)
    return (starts_at, ends_at) if starts_at <= now < ends_at else None

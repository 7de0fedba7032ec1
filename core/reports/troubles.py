"""What is wrong right now, by plain rules over the last hour. Alert rules of one's own come later."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import micros
from core.pricing import usd
from core.reports.budget_lines import budget_lines
from core.reports.queries import FAILING
from core.reports.reading import Reading

LOOK_BACK = timedelta(hours=1)
LEAST_ENDED = 10
"""Fewer calls than this say nothing about a rate."""
HIGH_ERROR_RATE = 0.1
HIGH_USE = 0.9
_THEN = {"hard": "calls beyond it are blocked", "soft": "this budget only tells, calls go on"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong, in a headline and a sentence."""

    kind: str
    """``errors`` or ``budget``."""
    tenant_id: str
    tenant: str
    share: float
    """The error rate, or how much of the budget is used."""
    headline: str
    sentence: str


def troubles(reading: Reading, now: datetime) -> list[Trouble]:
    """Return the tenants whose error rate over the last hour is high, and those whose budget is nearly used."""
    found = [*_failing(reading, now), *_spent(reading, now)]
    return sorted(found, key=lambda trouble: (trouble.kind != "errors", -trouble.share, trouble.tenant))


def _failing(reading: Reading, now: datetime) -> list[Trouble]:
    bound = {"starts_at": micros(now - LOOK_BACK), "ends_at": micros(now)}
    found: list[Trouble] = []
    for row in reading.rows(FAILING, bound):
        rate = row.errors / row.ended
        if row.ended < LEAST_ENDED or rate < HIGH_ERROR_RATE:
            continue
        name = reading.name_of(row.tenant_id)
        found.append(
            Trouble(
                kind="errors",
                tenant_id=row.tenant_id,
                tenant=name,
                share=rate,
                headline=f"{name}: {rate:.0%} of calls fail",
                sentence=f"In the last hour {row.errors:,} of {row.ended:,} calls ended in an error.",
            )
        )
    return found


def _spent(reading: Reading, now: datetime) -> list[Trouble]:
    found: list[Trouble] = []
    for owner, budget in budget_lines(reading, now).items():
        used = budget.spent_nano_usd / budget.limit_nano_usd if budget.limit_nano_usd else 0.0
        if used < HIGH_USE:
            continue
        name = reading.name_of(owner)
        left = usd(budget.limit_nano_usd - budget.spent_nano_usd) or 0
        rest = f"${left:,.2f} of ${usd(budget.limit_nano_usd):,.2f} are left" if left > 0 else "Nothing is left"
        found.append(
            Trouble(
                kind="budget",
                tenant_id=owner,
                tenant=name,
                share=used,
                headline=f"{name}: {math.floor(used * 100)}% of the budget is used",  # what is not all is never 100
                sentence=f"{rest} in this period; {_THEN.get(budget.mode, _THEN['hard'])}.",
            )
        )
    return found

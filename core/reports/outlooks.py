"""What is foreseen for each tenant, as the chore that looks ahead last made it, and how it is kept.

To foresee takes seconds where many tenants call; so whoever opens a page reads what was made, and as of when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import orjson

from core.claims import OUTLOOK
from core.clock import from_micros, micros
from core.reports.budget_lines import BudgetLine
from core.reports.forecast import COURSE, HORIZONS, MOST_TESTED, Backtest, Forecast, Mornings, summed_up
from core.reports.frames import frame
from core.reports.reading import Reading, TenantFacts

_MADE = f"SELECT c.key AS tenant_id, c.result FROM claim c WHERE c.kind = '{OUTLOOK}' {{tenant}}"  # noqa: S608 our words
_NO_COURSE = frame(COURSE, ())
_BUDGET_TIMES = ("starts_at", "ends_at")
_FIELDS = ("month", "days", "spent", "expected", "low", "high", "exhausts_chance")
_DATES = ("exhausts_on", "exhausts_from", "exhausts_until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is foreseen for one tenant."""

    forecast: Forecast
    mornings: Mapping[str, Mornings]
    """How past mornings fared, by the horizon."""
    spent: int
    """In all days in reach, in nano-dollars: those that spent most stand for all."""
    has_called: bool
    """Whether it did in reach; who did not is in no list."""
    past: str
    """A hash of the past days: while it stays, so do the mornings."""


def outlooks(reading: Reading, tenant_id: str | None = None) -> Sequence[Outlook]:
    """Return what was made for the tenants that *reading* sees, as they are called now.

    Of one it has its course, and is there if it is quiet; of many neither.
    """
    known = reading.tenants
    made = [
        told(row.tenant_id, known[row.tenant_id], orjson.loads(row.result), has_course=tenant_id is not None)
        for row in reading.rows(_MADE, {}, tenant="c.tenant_id")
        if row.tenant_id in known
    ]
    return [one for one in made if one.has_called or tenant_id]


def tested(made: Sequence[Outlook]) -> Sequence[Backtest]:
    """Return how the forecast did on past mornings, of those ``MOST_TESTED`` tenants that spent most."""
    biggest = sorted(made, key=lambda one: (-one.spent, one.forecast.tenant_id))[:MOST_TESTED]
    return [summed_up(horizon, [one.mornings[horizon] for one in biggest]) for horizon in HORIZONS]


def kept(outlook: Outlook) -> dict[str, Any]:
    """Return an outlook as JSON that :func:`told` reads; who the tenant is, is not in it."""
    coming = outlook.forecast
    course: Any = coming.course
    rows = [
        [micros(at), *figures] for at, *figures in course.astype(object).where(course.notna(), None).values.tolist()
    ]
    budget = coming.budget and asdict(coming.budget) | {
        name: micros(getattr(coming.budget, name)) for name in _BUDGET_TIMES
    }
    return {
        "as_of": micros(coming.as_of),
        "timezone": coming.timezone,
        **{name: getattr(coming, name) for name in (*_FIELDS, *_DATES)},
        "budget": budget,
        "course": rows,
        "mornings": {name: [one.errors, one.held] for name, one in outlook.mornings.items()},
        "reach": outlook.spent,
        "has_called": outlook.has_called,
        "past": outlook.past,
    }


def told(tenant_id: str, tenant: TenantFacts, kept: Mapping[str, Any], *, has_course: bool) -> Outlook:
    """Return the outlook that was kept so; without its course, which takes longer than all else, where nobody asks."""
    budget = kept["budget"]
    if budget is not None:
        budget = BudgetLine(**budget | {name: from_micros(budget[name]) for name in _BUDGET_TIMES})
    rows = [(from_micros(at), *figures) for at, *figures in kept["course"]] if has_course else ()
    read: dict[str, Any] = {name: kept[name] for name in _FIELDS}
    read |= {name: kept[name] and date.fromisoformat(kept[name]) for name in _DATES}
    coming = Forecast(
        tenant_id=tenant_id,
        tenant=tenant.name,
        timezone=kept["timezone"],
        as_of=from_micros(kept["as_of"]),
        **read,
        budget=budget,
        course=frame(COURSE, rows) if has_course else _NO_COURSE,
    )
    return Outlook(
        forecast=coming,
        mornings={name: Mornings(tenant_id, errors, held) for name, (errors, held) in kept["mornings"].items()},
        spent=kept["reach"],
        has_called=kept["has_called"],
        past=kept["past"],
    )

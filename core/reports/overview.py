"""How calls went over a window: totals, series, tenants, outcomes, fields, changes.

Every figure is aggregated in SQL over the generations that *began* in the window, and all counts and sums of one
:class:`Overview` come from one cube read in one snapshot, so that its panels cannot disagree.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from core.clock import from_micros, micros
from core.pricing import usd
from core.reports.budget_lines import BudgetLine, budget_lines
from core.reports.cube import CubeRow, Sums, grouped, total
from core.reports.frames import Frame, frame
from core.reports.queries import ALTOGETHER, BY_BUCKET, BY_TENANT, CHANGES, CUBE, FIELDS, PERCENTILES
from core.reports.reading import Reading
from core.reports.windows import Window

_MOST_CHANGES = 200
MOST_HEATED = 20
"""Tenants in one map of errors: of more each would be a line too thin to be seen."""
_MOST_FIELDS = 12
_POSITION = re.compile(r"\[\d+\]")


class Timing(NamedTuple):
    """Percentiles of latency in milliseconds, and on how many calls they rest."""

    timed: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over a window. A rate over nothing is ``None``."""

    calls: int
    """Generations that began in the window, refused and cancelled ones included."""
    unchecked: int
    """Generations that were answered, and nobody could say whether rightly."""
    valid: int
    """Generations that gave the caller a valid object, from the cache too."""
    first_try: int
    """Those of them whose first answer was valid."""
    errors: int
    """Generations that ended invalid, truncated, refused, content-filtered, in a provider error or a timeout."""
    blocked: int
    """Generations that policy refused."""
    cancelled: int
    """Generations whose caller left."""
    reached: int
    """Generations that called a provider at least once."""
    error_rate: float | None
    """Errors among the calls that ended by themselves, valid or in error; blocked and cancelled stay out."""
    validity: float | None
    """Valid objects among the calls that reached a provider; cache hits are in neither."""
    latency: Timing
    """Wall time from the door to the record, of the calls that reached a provider, however they ended."""
    spend_nano_usd: int | None
    """What all attempts of these calls cost, as far as known; ``None`` where there were some and none has a price."""
    unpriced_calls: int
    """Calls with an attempt that has no price: their part of the spend is missing or too low."""
    wasted_nano_usd: int
    """The part of the spend that bought no valid object."""
    cost_per_valid_nano_usd: int | None
    """Spend per valid object, that of failures included, over the calls that are wholly priced."""
    estimated_calls: int
    """Calls with an attempt whose usage the provider never told."""
    input_tokens: int
    """All input, cached included."""
    cached_tokens: int
    output_tokens: int
    """All output, reasoning included."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something an operator or the system changed."""

    at: datetime
    kind: str
    subject: str
    tenant: str | None
    """The tenant's name; ``None`` where it concerns all."""
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One window, answered. Every ``at`` in a frame is the aware UTC time at which a bucket or cell begins."""

    window: Window
    as_of: datetime
    totals: Totals
    previous: Totals
    """The same over ``window.previous()``."""
    series: Frame
    """Per bucket: ``at calls valid errors blocked cancelled error_rate validity timed p50 p95 p99 p95_before
    spend_usd cost_per_valid_usd tokens``. An empty bucket has counts of 0 and no rates or percentiles; ``timed`` is
    the number of calls that the percentiles rest on; ``p95_before`` is the p95 of the same bucket of the previous
    window."""
    outcomes: Frame
    """Per cell and outcome that occurred: ``at outcome calls``."""
    spend: Frame
    """Per cell and tenant with calls: ``at tenant usd``; what is unpriced is left out."""
    heat: Frame
    """Per cell and tenant with calls that ended by themselves: ``at tenant error_rate ended errors``; of more than
    ``MOST_HEATED`` tenants those with the most errors."""
    tenants: Frame
    """Per tenant with calls or a budget, the biggest spender first: ``tenant_id tenant calls timed p95 error_rate
    validity spend_usd unpriced budget_usd used trend``. ``used`` is the share of the current period's budget that is
    spent; ``trend`` holds the calls per cell."""
    fields: Frame
    """The fields that failed most: ``schema version path type errors repaired``. Positions in lists are merged into
    ``[*]``; ``repaired`` counts the errors whose call ended valid after all."""
    changes: Sequence[Change]
    """What changed in the window, for the tenant or for all, the newest first; at most 200."""


def overview(reading: Reading, window: Window, as_of: datetime) -> Overview:
    """Answer *window* for the tenants that *reading* sees."""
    now, before = _Slice(reading, window), _Slice(reading, window.previous())
    name_of = reading.name_of
    cube = now.cube()
    per_cell = window.cell // window.bucket
    return Overview(
        window=window,
        as_of=as_of,
        totals=_totals(total(cube), now.timing(ALTOGETHER)),
        previous=_totals(total(before.cube()), before.timing(ALTOGETHER)),
        series=_series(window, cube, now.timing(BY_BUCKET), before.timing(BY_BUCKET)),
        outcomes=frame(
            ("at", "outcome", "calls"),
            (
                (_cell(window, cell), outcome, sums.calls)
                for (cell, outcome), sums in grouped(cube, lambda row: (row.bucket // per_cell, row.outcome)).items()
                if sums.calls
            ),
        ),
        spend=frame(
            ("at", "tenant", "usd"),
            (
                (_cell(window, cell), name_of(tenant), usd(sums.spent))
                for (cell, tenant), sums in grouped(cube, lambda row: (row.bucket // per_cell, row.tenant_id)).items()
            ),
        ),
        heat=_heat(window, cube, name_of),
        tenants=_tenants(window, cube, now.timing(BY_TENANT), budget_lines(reading, as_of), name_of),
        fields=_fields(now.rows(FIELDS)),
        changes=changes_in(reading, window),
    )


@dataclass(frozen=True, slots=True)
class _Slice:
    """One window of the tenants that may be seen, ready to be asked."""

    reading: Reading
    window: Window

    def rows(self, sql: str, **more: int) -> Sequence[Any]:
        return self.reading.rows(sql, self._bounds | more)

    @property
    def _bounds(self) -> dict[str, Any]:
        return {"starts_at": micros(self.window.starts_at), "ends_at": micros(self.window.ends_at)}

    def cube(self) -> list[CubeRow]:
        return [CubeRow(*row) for row in self.rows(CUBE, **self._cut())]

    def timing(self, part: str) -> dict[Any, Timing]:
        cut = self._cut() if part == BY_BUCKET else {}
        return {row[0]: Timing(*row[1:]) for row in self.rows(PERCENTILES.replace("{part}", part), **cut)}

    def _cut(self) -> dict[str, int]:
        origin = micros(self.window.starts_at)
        return {"origin": origin, "width": micros(self.window.starts_at + self.window.bucket) - origin}


def changes_in(reading: Reading, window: Window) -> list[Change]:
    """Return what changed in *window*, of the tenants that *reading* sees or of all, the newest first; at most 200."""
    bound = {
        "starts_at": micros(window.starts_at),
        "ends_at": micros(window.ends_at),
        "most": _MOST_CHANGES,
    }
    return [
        Change(from_micros(at), kind, subject, tenant and reading.name_of(tenant), summary)
        for at, kind, subject, tenant, summary in reading.rows(
            CHANGES, bound, tenant="e.tenant_id", with_shared=reading.sees_all
        )
    ]


def _cell(window: Window, number: int) -> datetime:
    return window.starts_at + number * window.cell


def _totals(sums: Sums, timing: Mapping[Any, Timing]) -> Totals:
    return Totals(
        calls=sums.calls,
        unchecked=sums.unchecked,
        valid=sums.valid,
        first_try=sums.first_try,
        errors=sums.errors,
        blocked=sums.blocked,
        cancelled=sums.cancelled,
        reached=sums.reached,
        error_rate=sums.error_rate,
        validity=sums.validity,
        latency=timing.get(0, Timing()),
        spend_nano_usd=sums.spend,
        unpriced_calls=sums.unpriced,
        wasted_nano_usd=sums.wasted,
        cost_per_valid_nano_usd=sums.cost_per_valid,
        estimated_calls=sums.estimated,
        input_tokens=sums.input_tokens,
        cached_tokens=sums.cached_tokens,
        output_tokens=sums.output_tokens,
    )


def _series(
    window: Window, cube: Sequence[CubeRow], timing: Mapping[int, Timing], before: Mapping[int, Timing]
) -> Frame:
    buckets = grouped(cube, lambda row: row.bucket)
    rows: list[Sequence[Any]] = []
    for number in range(window.buckets):
        sums, timed = buckets.get(number, Sums()), timing.get(number, Timing())
        rows.append(
            (
                window.starts_at + number * window.bucket,
                *(sums.calls, sums.valid, sums.errors, sums.blocked, sums.cancelled, sums.error_rate, sums.validity),
                *(timed.timed, timed.p50, timed.p95, timed.p99, before.get(number, Timing()).p95),
                usd(sums.spent),
                usd(sums.cost_per_valid),
                sums.input_tokens + sums.output_tokens,
            )
        )
    counts = ("calls", "valid", "errors", "blocked", "cancelled")
    figures = (
        "error_rate",
        "validity",
        "timed",
        "p50",
        "p95",
        "p99",
        "p95_before",
        "spend_usd",
        "cost_per_valid_usd",
        "tokens",
    )
    return frame(("at", *counts, *figures), rows)


def _heat(window: Window, cube: Sequence[CubeRow], name_of: Callable[[str], str]) -> Frame:
    per_cell = window.cell // window.bucket
    cells = grouped(cube, lambda row: (row.bucket // per_cell, row.tenant_id))
    tenants = grouped(cube, lambda row: row.tenant_id).items()
    worst = sorted(tenants, key=lambda one: (-one[1].errors, -one[1].ended, one[0]))[:MOST_HEATED]
    drawn = {tenant for tenant, _ in worst}
    rows = (
        (_cell(window, cell), name_of(tenant), sums.error_rate, sums.ended, sums.errors)
        for (cell, tenant), sums in cells.items()
        if sums.ended and tenant in drawn
    )
    return frame(("at", "tenant", "error_rate", "ended", "errors"), rows)


def _tenants(
    window: Window,
    cube: Sequence[CubeRow],
    timing: Mapping[str, Timing],
    budgets: Mapping[str, BudgetLine],
    name_of: Callable[[str], str],
) -> Frame:
    per_cell = window.cell // window.bucket
    trends: defaultdict[str, list[int]] = defaultdict(lambda: [0] * window.cells)
    for row in cube:
        trends[row.tenant_id][row.bucket // per_cell] += row.calls
    tenants = grouped(cube, lambda row: row.tenant_id)
    rows: list[Sequence[Any]] = []
    for tenant in tenants.keys() | budgets.keys():
        sums, timed = tenants.get(tenant, Sums()), timing.get(tenant, Timing())
        budget = budgets.get(tenant)
        limit, spent = (budget.limit_nano_usd, budget.spent_nano_usd) if budget else (None, 0)
        rows.append(
            (
                *(tenant, name_of(tenant), sums.calls, timed.timed, timed.p95),
                *(sums.error_rate, sums.validity, usd(sums.spend), sums.unpriced),
                *(usd(limit), spent / limit if limit else None, trends[tenant]),
            )
        )
    rows.sort(key=lambda row: (-(row[7] or 0), -row[2], row[1]))
    who = ("tenant_id", "tenant", "calls", "timed", "p95", "error_rate", "validity", "spend_usd", "unpriced")
    return frame((*who, "budget_usd", "used", "trend"), rows)


def _fields(rows: Sequence[Any]) -> Frame:
    merged: defaultdict[tuple[str, int | None, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for schema, version, path, kind, errors, repaired in rows:
        sums = merged[schema, version, _POSITION.sub("[*]", path), kind]
        sums[0] += errors
        sums[1] += repaired
    worst = sorted(merged.items(), key=lambda pair: (-pair[1][0], pair[0][0], pair[0][2]))[:_MOST_FIELDS]
    return frame(("schema", "version", "path", "type", "errors", "repaired"), ((*key, *sums) for key, sums in worst))

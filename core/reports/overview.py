"""How calls went over a window: totals, series, tenants, outcomes, fields, changes.

Every figure is of the generations that *began* in the window, and all are read in one snapshot, from rollups: see
``core.reports.sums``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from core.clock import from_micros, micros
from core.pricing import usd
from core.reports.budget_lines import BudgetLine, budget_lines
from core.reports.frames import OTHERS, Frame, frame
from core.reports.measures import CallFigures
from core.reports.percentiles import Timing, timing, timings
from core.reports.queries import CHANGES
from core.reports.reading import Reading
from core.reports.sums import SumQuestion, dearest, figures_by, slots, sums
from core.reports.windows import Window
from core.rollups.facets import FIELD, MODEL, OUTCOME, SCHEMA
from core.schemas import version_of

_MOST_CHANGES = 200
MOST_HEATED = 20
"""Tenants in one map of errors: of more each would be a line too thin to be seen."""
MOST_FOLLOWED = 40
"""Tenants of whom it is told how they fared over time and how long their calls took: those that spent most."""
MOST_LISTED = 50
"""Models, and versions of schemas, in a table of them."""
_MOST_FIELDS = 12
_POSITION = re.compile(r"\[\d+\]")
_FOLLOWED = ("calls", "valid", "unchecked", "errors", "spent")


@dataclass(slots=True)
class Totals(CallFigures):
    """What all calls of a window add up to, and how long they took."""

    latency: Timing = field(default_factory=Timing)
    """Wall time from the door to the record, of the calls that reached a provider, however they ended."""


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
    """Per bucket: ``at calls valid errors blocked cancelled got_object error_rate validity timed p50 p95 p99 p95_before
    spend_usd cost_per_valid_usd tokens``. An empty bucket has counts of 0 and no rates or percentiles; ``timed`` is
    the number of calls that the percentiles rest on; ``p95_before`` is the p95 of the same bucket of the previous
    window."""
    outcomes: Frame
    """Per cell and outcome that occurred: ``at outcome calls``."""
    spend: Frame
    """Per cell and tenant that spent: ``at tenant usd``, of the tenants that spent most; of the others together. What
    is unpriced is left out."""
    heat: Frame
    """Per cell and tenant with calls that ended by themselves: ``at tenant error_rate ended errors``; of more than
    ``MOST_HEATED`` tenants those with the most errors."""
    tenants: Frame
    """Per tenant with calls or a budget, the biggest spender first: ``tenant_id tenant calls timed p95 got_object
    blocked lost error_rate validity spend_usd unpriced budget_usd used trend``. ``blocked`` counts calls, ``lost``
    those that waited for an answer and got none; ``used`` is the share of the current period's budget that is spent;
    ``trend`` holds the calls per cell. Of more than ``MOST_FOLLOWED`` tenants the others have neither that nor p95."""
    models: Frame
    """Per model that was asked, most attempts first: ``model attempts timed p95 errors fallbacks spend_usd``.
    Latency is that of attempts; ``errors`` is the share of attempts that ended in error, ``fallbacks`` counts attempts
    that asked it as another had failed. At most ``MOST_LISTED``, those that cost most."""
    schemas: Frame
    """Per schema version, most calls first: ``schema version calls got_object validity errors cost_per_valid_usd
    spend_usd``. ``errors`` counts calls. At most ``MOST_LISTED``, those that cost most."""
    fields: Frame
    """The fields that failed most: ``schema version path type errors repaired``. Positions in lists are merged into
    ``[*]``; ``repaired`` counts the errors whose call ended valid after all."""
    changes: Sequence[Change]
    """What changed in the window, for the tenant or for all, the newest first; at most 200."""


def overview(reading: Reading, window: Window, as_of: datetime) -> Overview:
    """Answer *window* for the tenants that *reading* sees."""
    now, before = _Slice(reading, window, as_of), _Slice(reading, window.previous(), as_of)
    tenants = now.tenants()
    followed = now.followed(tenants)
    shown = now.by_cell(followed)
    return Overview(
        window=window,
        as_of=as_of,
        totals=now.totals(),
        previous=before.totals(),
        series=_series(now, before),
        outcomes=frame(
            ("at", "outcome", "calls"),
            ((window.cell_at(cell), outcome, calls) for cell, outcome, calls in now.outcomes() if calls),
        ),
        spend=_spend(now, shown),
        heat=_heat(now, tenants, shown),
        tenants=_tenants(now, tenants, followed, shown, budget_lines(reading, as_of)),
        models=_models(*now.models()),
        schemas=_schemas(now.schemas()),
        fields=_fields(now.fields()),
        changes=changes_in(reading, window),
    )


class _Slice:
    """One window of the tenants that may be seen, ready to be asked."""

    def __init__(self, reading: Reading, window: Window, as_of: datetime) -> None:
        self.reading = reading
        self.window = window
        self._now = micros(as_of)
        bucket = SumQuestion(window=window, by=("cell",), step=_length(window.bucket))
        self.buckets: Mapping[int, CallFigures] = figures_by(reading, bucket, self._now)
        rows = slots(reading, bucket, self._now)
        self.timing: Mapping[Any, Timing] = timings(rows)
        self._latency = timing((slot, count) for _, slot, count in rows)

    def totals(self) -> Totals:
        found = Totals(latency=self._latency)
        for figures in self.buckets.values():
            found.count_in(figures)
        return found

    def tenants(self) -> Mapping[str, CallFigures]:
        return figures_by(self.reading, SumQuestion(window=self.window, by=("tenant_id",)), self._now)

    def followed(self, tenants: Mapping[str, CallFigures]) -> list[str]:
        """Return the tenants that are told of one by one: the biggest spenders, and those with the most errors."""
        spending = sorted(tenants, key=lambda one: (-tenants[one].spent, -tenants[one].calls, one))[:MOST_FOLLOWED]
        return sorted({*spending, *_worst(tenants)})

    def by_cell(self, tenants: Collection[str]) -> Mapping[tuple[int, str], CallFigures]:
        question = SumQuestion(
            window=self.window,
            by=("cell", "tenant_id"),
            step=_length(self.window.cell),
            tenants=sorted(tenants),
            names=_FOLLOWED,
        )
        return figures_by(self.reading, question, self._now)

    def latencies(self, tenants: Collection[str]) -> Mapping[Any, Timing]:
        question = SumQuestion(window=self.window, by=("tenant_id",), tenants=sorted(tenants))
        return timings(slots(self.reading, question, self._now))

    def models(self) -> tuple[Mapping[tuple[str, str], CallFigures], Mapping[Any, Timing]]:
        question = SumQuestion(window=self.window, facet=MODEL, by=("value", "detail"))
        found, _, _ = dearest(self.reading, question, self._now, MOST_LISTED)
        asked = replace(question, details=sorted({model for _, model in found}))
        rows = slots(self.reading, asked, self._now)
        return found, timings(((provider, model), slot, count) for provider, model, slot, count in rows)

    def schemas(self) -> Mapping[tuple[str, str], CallFigures]:
        question = SumQuestion(window=self.window, facet=SCHEMA, by=("value", "detail"))
        return dearest(self.reading, question, self._now, MOST_LISTED)[0]

    def fields(self) -> list[tuple[Any, ...]]:
        names = ("errors", "valid")
        asked = SumQuestion(window=self.window, facet=FIELD, by=("value", "detail"), names=names)
        return sums(self.reading, asked, self._now)

    def outcomes(self) -> list[tuple[Any, ...]]:
        step = _length(self.window.cell)
        asked = SumQuestion(window=self.window, facet=OUTCOME, by=("cell", "value"), step=step, names=("calls",))
        return sorted(sums(self.reading, asked, self._now))


def _length(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


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


def _series(now: _Slice, before: _Slice) -> Frame:
    rows: list[Sequence[Any]] = []
    for number in range(now.window.buckets):
        some, timed = now.buckets.get(number, CallFigures()), now.timing.get(number, Timing())
        rows.append(
            (
                now.window.bucket_at(number),
                *(some.calls, some.valid, some.errors, some.blocked, some.cancelled),
                *(some.got_object, some.error_rate, some.validity),
                *(timed.timed, timed.p50, timed.p95, timed.p99, before.timing.get(number, Timing()).p95),
                usd(some.spent),
                usd(some.cost_per_valid),
                some.tokens,
            )
        )
    counts = ("calls", "valid", "errors", "blocked", "cancelled")
    figures = (
        "got_object",
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


def _spend(now: _Slice, shown: Mapping[tuple[int, str], CallFigures]) -> Frame:
    window, name_of = now.window, now.reading.name_of
    rows = [(window.cell_at(cell), name_of(tenant), usd(some.spent)) for (cell, tenant), some in shown.items()]
    per_cell, left = window.cell // window.bucket, defaultdict[int, int](int)
    for number, figures in now.buckets.items():
        left[number // per_cell] += figures.spent
    for (cell, _), figures in shown.items():
        left[cell] -= figures.spent
    rows += [(window.cell_at(cell), OTHERS, usd(spent)) for cell, spent in left.items() if spent]
    return frame(("at", "tenant", "usd"), sorted(rows))


def _worst(tenants: Mapping[str, CallFigures]) -> list[str]:
    return sorted(tenants, key=lambda one: (-tenants[one].errors, -tenants[one].ended, one))[:MOST_HEATED]


def _heat(now: _Slice, tenants: Mapping[str, CallFigures], shown: Mapping[tuple[int, str], CallFigures]) -> Frame:
    drawn = {*_worst(tenants)}
    rows = (
        (now.window.cell_at(cell), now.reading.name_of(tenant), some.error_rate, some.ended, some.errors)
        for (cell, tenant), some in sorted(shown.items())
        if some.ended and tenant in drawn
    )
    return frame(("at", "tenant", "error_rate", "ended", "errors"), rows)


def _tenants(
    now: _Slice,
    tenants: Mapping[str, CallFigures],
    followed: Sequence[str],
    shown: Mapping[tuple[int, str], CallFigures],
    budgets: Mapping[str, BudgetLine],
) -> Frame:
    latencies = now.latencies(followed)
    trends: dict[str, list[int]] = {one: [0] * now.window.cells for one in followed}
    for (cell, tenant), some in shown.items():
        trends[tenant][cell] += some.calls
    untold: list[int] = []
    rows: list[Sequence[Any]] = []
    for tenant in tenants.keys() | budgets.keys():
        some, timed = tenants.get(tenant, CallFigures()), latencies.get(tenant, Timing())
        budget = budgets.get(tenant)
        limit, spent = (budget.limit_nano_usd, budget.spent_nano_usd) if budget else (None, 0)
        rows.append(
            (
                *(tenant, now.reading.name_of(tenant), some.calls, timed.timed, timed.p95),
                *(some.got_object, some.blocked, some.lost, some.error_rate, some.validity),
                *(usd(some.spend), some.unpriced_calls),
                *(
                    usd(limit),
                    spent / limit if limit else None,
                    trends.get(tenant, untold if tenant in tenants else [0] * now.window.cells),
                ),
            )
        )
    rows.sort(key=lambda row: (-(row[10] or 0), -row[2], row[1]))
    who = ("tenant_id", "tenant", "calls", "timed", "p95", "got_object", "blocked", "lost", "error_rate", "validity")
    return frame((*who, "spend_usd", "unpriced", "budget_usd", "used", "trend"), rows)


def _models(found: Mapping[tuple[str, str], CallFigures], latencies: Mapping[Any, Timing]) -> Frame:
    rows: list[Sequence[Any]] = []
    for (provider, model), some in sorted(found.items(), key=lambda one: (-one[1].attempts, one[0])):
        timed = latencies.get((provider, model), Timing())
        of = some.attempts or None
        rows.append(
            (
                *(f"{provider}/{model}", some.attempts, timed.timed, timed.p95),
                *(of and some.errors / of, some.fallbacks, usd(some.spend)),
            )
        )
    return frame(("model", "attempts", "timed", "p95", "errors", "fallbacks", "spend_usd"), rows)


def _schemas(found: Mapping[tuple[str, str], CallFigures]) -> Frame:
    merged: defaultdict[tuple[str, int | None], CallFigures] = defaultdict(CallFigures)
    for (name, version), some in found.items():
        merged[version_of(name, int(version) if version else None)].count_in(some)
    rows = (
        (
            *(name, version, some.calls, some.got_object, some.validity, some.errors),
            *(usd(some.cost_per_valid), usd(some.spend)),
        )
        for (name, version), some in sorted(merged.items(), key=lambda one: (-one[1].calls, one[0][0]))
    )
    names = ("schema", "version", "calls", "got_object", "validity", "errors", "cost_per_valid_usd", "spend_usd")
    return frame(names, rows)


def _fields(rows: Sequence[Any]) -> Frame:
    merged: defaultdict[tuple[str, int | None, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for schema, detail, errors, repaired in rows:
        number, kind, path = detail.split(" ", 2)
        version = int(number) if number else None
        counts = merged[schema, version, _POSITION.sub("[*]", path), kind]
        counts[0] += errors
        counts[1] += repaired
    worst = sorted(merged.items(), key=lambda pair: (-pair[1][0], pair[0][0], pair[0][2]))[:_MOST_FIELDS]
    return frame(
        ("schema", "version", "path", "type", "errors", "repaired"), ((*key, *counts) for key, counts in worst)
    )

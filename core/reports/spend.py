"""What the money of a window bought: by tenant, by model, by schema version, over time, and what was thrown away.

The spend of a window is the cost of all attempts of the calls that *began* in it, however and whenever they ended; so
every page, export and answer that asks for one window gets one number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.clock import from_micros, micros
from core.pricing import MOST_NAMES, other_names, usd
from core.reports.frames import Frame, frame
from core.reports.measures import CallFigures
from core.reports.reading import Reading
from core.reports.spend_over_time import MOST_STACKED, over_time
from core.reports.spend_queries import KEPT_TIERS, VERIFIED, tiers
from core.reports.sums import SumQuestion, dearest, figures_by
from core.reports.windows import Window
from core.rollups.facets import DISCARDED, MODEL, SCHEMA
from core.rollups.tiers import TIER_SUMS
from core.schemas import version_name, version_of

COLUMNS = (
    "calls", "valid", "attempts", "discarded_attempts", "spend_usd", "useful_usd", "discarded_usd", "discarded_share",
    "cost_per_valid_usd", "unpriced_calls", "unpriced_attempts", "estimated_calls", "estimated_usd", "input_tokens",
    "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "hit_rate", "cache_saved_usd",
    "answers", "answer_rate", "answers_saved_usd", "spend_nano_usd", "discarded_nano_usd",
)  # fmt: skip
"""What every table of spend has beside its names; the last two are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table of spend."""

    key: str
    """Identifies the row: a tenant's id, ``provider/model``, or ``schema v3``."""
    names: tuple[Any, ...]
    """What the table calls it, in the columns of its kind."""
    figures: CallFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Attempts of one model that were thrown away for one reason."""

    reason: str
    """How the attempt ended or, where its answer was valid, how its call did."""
    model: str
    attempts: int
    nano_usd: int
    """What is known of their cost."""
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """One window, answered from one snapshot."""

    window: Window
    as_of: datetime
    total: CallFigures
    tenants: Sequence[Line]
    """The biggest spender first; so are the next two."""
    models: Sequence[Line]
    """By the model that was asked. A call that asked two models counts for both, so calls need not add up. Those that
    a route names have a line each, and of the others the dearest; the rest are one: ``other names (1,990)``."""
    schemas: Sequence[Line]
    """By schema version."""
    reasons: Sequence[Reason]
    """Why attempts were thrown away, the dearest first."""
    over_time: Frame
    """Per cell and tenant, per cell and schema, and per cell and model: ``at kind name useful discarded usd``, in
    dollars; of each *kind* all of the spend, of those that spent most one by one and of the others together."""

    def frame(self, kind: str) -> Frame:
        """Return the table of *kind* (``tenants``, ``models`` or ``schemas``), for showing and for an export."""
        return lines_frame(kind, getattr(self, kind))

    def reasons_frame(self) -> Frame:
        """Return why attempts were thrown away: ``reason model attempts usd unpriced nano_usd``."""
        return frame(
            ("reason", "model", "attempts", "usd", "unpriced", "nano_usd"),
            (
                (one.reason, one.model, one.attempts, usd(one.nano_usd), one.unpriced, one.nano_usd)
                for one in self.reasons
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The last run of ``verify``."""

    at: datetime
    ok: bool
    accounts: int
    attempts: int
    difference_nano_usd: int
    held_nano_usd: int
    duration_ms: float
    by: str


HEADS: Mapping[str, tuple[str, ...]] = {
    "tenants": ("tenant",),
    "models": ("model",),
    "schemas": ("schema", "version"),
}
"""The columns that name a row, by kind of table."""


def spend(reading: Reading, window: Window, as_of: datetime, routed: Collection[str] = ()) -> Spend:
    """Answer *window* for the tenants that *reading* sees. The models *routed* have lines of their own in any case."""
    now = micros(as_of)
    tenants = figures_by(reading, SumQuestion(window=window, by=("tenant_id",)), now)
    named = SumQuestion(window=window, facet=SCHEMA, by=("value", "detail"))
    schemas = figures_by(reading, named, now)
    recorded = {key: _schema(*key) for key in schemas}
    versions: defaultdict[tuple[str, int | None], CallFigures] = defaultdict(CallFigures)
    for key, figures in schemas.items():
        versions[recorded[key]].count_in(figures)
    found, others, count = dearest(reading, replace(named, facet=MODEL), now, MOST_NAMES, sorted(routed))
    models = {f"{provider}/{model}": figures for (provider, model), figures in found.items()}
    total = CallFigures()
    for figures in tenants.values():
        total.count_in(figures)
    by_tenant = _sorted(Line(key=key, names=(reading.name_of(key),), figures=one) for key, one in tenants.items())
    by_model = _sorted(Line(key=key, names=(key,), figures=figures) for key, figures in models.items())
    by_schema = _sorted(
        Line(key=version_name(name or "inline", version), names=(name, version), figures=figures)
        for (name, version), figures in versions.items()
    )
    shown_schemas = {one.names: one.key for one in by_schema[:MOST_STACKED]}
    shown_models = {(provider, model): f"{provider}/{model}" for provider, model in found}
    first_models = {one.key for one in by_model[:MOST_STACKED]}
    over = over_time(
        reading,
        window,
        now,
        tenants=[one.key for one in by_tenant[:MOST_STACKED]],
        schemas={key: shown_schemas[one] for key, one in recorded.items() if one in shown_schemas},
        models={key: name for key, name in shown_models.items() if name in first_models},
    )
    discarded = replace(named, facet=DISCARDED, details=sorted(models))
    if count:
        by_model.append(Line(key=other_names(count), names=(other_names(count),), figures=others))
    return Spend(
        window=window,
        as_of=as_of,
        total=total,
        tenants=by_tenant,
        models=by_model,
        schemas=by_schema,
        reasons=_reasons(figures_by(reading, discarded, now), other_names(count)),
        over_time=over,
    )


def tier_lines(reading: Reading, window: Window) -> list[Line]:
    """Return what was bought in each service tier and region, the dearest first; nothing where all was the usual.

    Of calls that are still there, and of those that have aged out.
    """
    rows = [
        *reading.rows(tiers(is_sqlite=reading.is_sqlite), bounds(window)),
        *reading.rows(KEPT_TIERS, bounds(window), tenant="q.tenant_id"),
    ]
    found: defaultdict[tuple[str, str], CallFigures] = defaultdict(CallFigures)
    for tier, geo, *sums in rows:
        found[tier, geo].count_in(CallFigures(**dict(zip(TIER_SUMS, sums, strict=True))))
    if found.keys() <= {("", "")}:
        return []
    return _sorted(Line(key=_served(*names), names=names, figures=figures) for names, figures in found.items())


def _served(tier: str, geo: str) -> str:
    return f"{tier or 'standard'}, in {geo}" if geo else tier or "standard"


def _schema(name: str, version: str) -> tuple[str, int | None]:
    return version_of(name, int(version) if version else None)


def _reasons(found: Mapping[tuple[str, str], CallFigures], others: str) -> list[Reason]:
    reasons = [
        Reason(
            reason=reason,
            model=model or others,
            attempts=figures.discarded_attempts,
            nano_usd=figures.discarded,
            unpriced=figures.unpriced_attempts,
        )
        for (reason, model), figures in found.items()
    ]
    return sorted(reasons, key=lambda one: (-one.nano_usd, -one.attempts, one.reason, one.model))


def verified(reading: Reading) -> Verified | None:
    """Return the last run of ``verify``; ``None`` if it was never run, or for whoever does not see all tenants."""
    rows = reading.rows(VERIFIED, {}, tenant="''")
    if not rows:
        return None
    at, ok, *figures = rows[0]
    accounts, attempts, difference, held, duration_ms, whose = figures
    return Verified(
        at=from_micros(at),
        ok=bool(ok),
        accounts=accounts,
        attempts=attempts,
        difference_nano_usd=difference,
        held_nano_usd=held,
        duration_ms=duration_ms,
        by=whose,
    )


def lines_frame(kind: str, lines: Sequence[Line]) -> Frame:
    """Return *lines* as a table: the columns of :data:`HEADS`, then :data:`COLUMNS`."""
    return frame((*HEADS[kind], *COLUMNS), ((*line.names, *_figures(line.figures)) for line in lines))


def bounds(window: Window) -> dict[str, Any]:
    """Return the parameters that choose the calls of a window."""
    return {"starts_at": micros(window.starts_at), "ends_at": micros(window.ends_at)}


def _figures(figures: CallFigures) -> tuple[Any, ...]:
    return (
        *(figures.calls, figures.valid, figures.attempts, figures.discarded_attempts),
        *(usd(figures.spend), usd(figures.useful), usd(figures.discarded), figures.discarded_share),
        *(usd(figures.cost_per_valid), figures.unpriced_calls, figures.unpriced_attempts),
        *(figures.estimated_calls, usd(figures.estimated_spent)),
        *(figures.input_tokens, figures.cached_tokens, figures.cache_write_tokens),
        *(figures.output_tokens, figures.reasoning_tokens, figures.hit_rate, usd(figures.cache_saved)),
        *(figures.answers, figures.answer_rate, usd(figures.answers_saved), figures.spend, figures.discarded),
    )


def _sorted(lines: Any) -> list[Line]:
    found: list[Line] = list(lines)
    return sorted(found, key=lambda line: (-line.figures.spent, -line.figures.calls, line.key))

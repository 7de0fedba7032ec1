"""What the money of a window bought: by tenant, by model, by schema version, over time, and what was thrown away.

The spend of a window is the cost of all attempts of the calls that *began* in it, however and whenever they ended; so
every page, export and answer that asks for one window gets one number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import from_micros, micros
from core.pricing import MOST_NAMES, other_names, usd
from core.reports.frames import Frame, frame
from core.reports.reading import Reading
from core.reports.spend_figures import AttemptCell, CallCell, SpendFigures, by, by_model, total
from core.reports.spend_queries import DISCARDED, VERIFIED, attempts, calls, served
from core.reports.windows import Window
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
    figures: SpendFigures


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
    total: SpendFigures
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
    """Per cell, tenant, schema and model: ``at tenant schema model useful discarded usd``, in dollars."""

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
    called, attempted, names = _cells(reading, window, routed)
    schemas = by(called, attempted, _schema_of, _schema_of)
    return Spend(
        window=window,
        as_of=as_of,
        total=total(called, attempted),
        tenants=_sorted(
            Line(key=key, names=(reading.name_of(key),), figures=figures)
            for key, figures in by(called, attempted, lambda row: row.tenant_id, lambda row: row.tenant_id).items()
        ),
        models=sorted(
            _sorted(
                Line(key=key, names=(key,), figures=figures) for key, figures in by_model(called, attempted).items()
            ),
            key=lambda line: line.key == names,
        ),
        schemas=_sorted(
            Line(key=version_name(name or "inline", version), names=(name, version), figures=figures)
            for (name, version), figures in schemas.items()
        ),
        reasons=_reasons(reading, window, [row.model for row in attempted], names),
        over_time=_over_time(window, attempted, reading.name_of),
    )


def tier_lines(reading: Reading, window: Window) -> list[Line]:
    """Return what was bought in each service tier and region, the dearest first; nothing where all was the usual."""
    sql = served(reading.word_of("a.billing", "tier"), reading.word_of("a.billing", "geo"))
    found = by_model([], (AttemptCell(*row) for row in _asked(reading, sql, window, {})))
    if found.keys() <= {" "}:
        return []
    names = {key: (key.partition(" ")[0], key.partition(" ")[2]) for key in found}
    return _sorted(Line(key=_served(*names[key]), names=names[key], figures=figures) for key, figures in found.items())


def _served(tier: str, geo: str) -> str:
    return f"{tier or 'standard'}, in {geo}" if geo else tier or "standard"


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


def _schema_of(row: CallCell | AttemptCell) -> tuple[str, int | None]:
    return version_of(row.schema, row.version)


def bounds(window: Window) -> dict[str, Any]:
    """Return the parameters that choose the calls of a window."""
    return {"starts_at": micros(window.starts_at), "ends_at": micros(window.ends_at)}


def _asked(reading: Reading, sql: str, window: Window, more: Mapping[str, Any]) -> Sequence[Any]:
    bound = bounds(window) | dict(more)
    if ":width" in sql:
        bound["width"] = window.cell // timedelta(microseconds=1)
    return reading.rows(sql, bound)


def _cells(reading: Reading, window: Window, routed: Collection[str]) -> tuple[list[CallCell], list[AttemptCell], str]:
    """Return cells of calls and of attempts, and what the names are called that have none of their own."""
    bound = {f"known_{place}": name for place, name in enumerate(sorted(routed))}
    known = f"CASE WHEN c.model IN ({_listed(bound)}) THEN 1 ELSE 0 END"
    bound |= {"most_names": MOST_NAMES}
    called, attempted = (_asked(reading, sql(known), window, bound) for sql in (calls, attempts))
    others = other_names(max((rows[0].others for rows in (called, attempted) if rows), default=0))
    given, asked = CallCell._fields.index("given_by"), AttemptCell._fields.index("model")
    return (
        [CallCell(*_named(row, given, others)) for row in called],
        [AttemptCell(*_named(row, asked, others)) for row in attempted],
        others,
    )


def _named(row: Sequence[Any], at: int, others: str) -> Sequence[Any]:
    """Return a row without its last value, the names that have no cells; with *others* in the place of each of them."""
    return row[:-1] if row[at] != "" else (*row[:at], others, *row[at + 1 : -1])


def _listed(bound: Mapping[str, Any]) -> str:
    return ", ".join(f":{name}" for name in bound) or "NULL"


def _reasons(reading: Reading, window: Window, models: Sequence[str], others: str) -> list[Reason]:
    shown = {f"shown_{place}": name for place, name in enumerate(sorted({*models}))}
    rows = _asked(reading, DISCARDED.replace("{shown}", _listed(shown)), window, shown)
    found = [
        Reason(reason=reason, model=model or others, attempts=attempted, nano_usd=spent, unpriced=unpriced)
        for reason, model, attempted, spent, unpriced in rows
    ]
    return sorted(found, key=lambda one: (-one.nano_usd, -one.attempts, one.reason, one.model))


def _over_time(window: Window, attempts: Sequence[AttemptCell], name_of: Callable[[str], str]) -> Frame:
    cells: defaultdict[tuple[int, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in attempts:
        sums = cells[row.cell, row.tenant_id, version_name(*_schema_of(row)) or "inline", row.model]
        sums[0] += row.spent - row.discarded
        sums[1] += row.discarded
    return frame(
        ("at", "tenant", "schema", "model", "useful", "discarded", "usd"),
        (
            (
                window.starts_at + cell * window.cell,
                *(name_of(tenant), schema, model),
                *(usd(useful), usd(discarded), usd(useful + discarded)),
            )
            for (cell, tenant, schema, model), (useful, discarded) in sorted(cells.items())
        ),
    )


def _figures(figures: SpendFigures) -> tuple[Any, ...]:
    return (
        *(figures.calls, figures.valid, figures.attempts, figures.discarded_attempts),
        *(usd(figures.spend), usd(figures.useful), usd(figures.discarded), figures.discarded_share),
        *(usd(figures.cost_per_valid), figures.unpriced_calls, figures.unpriced_attempts),
        *(figures.estimated_calls, usd(figures.estimated)),
        *(figures.input_tokens, figures.cached_tokens, figures.cache_write_tokens),
        *(figures.output_tokens, figures.reasoning_tokens, figures.hit_rate, usd(figures.cache_saved)),
        *(figures.answers, figures.answer_rate, usd(figures.answers_saved), figures.spend, figures.discarded),
    )


def _sorted(lines: Any) -> list[Line]:
    found: list[Line] = list(lines)
    return sorted(found, key=lambda line: (-line.figures.spent, -line.figures.calls, line.key))

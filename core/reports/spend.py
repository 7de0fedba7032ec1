"""What the money of a window bought: by tenant, by model, by schema version, over time, and what was thrown away.

The spend of a window is the cost of all attempts of the calls that *began* in it, however and whenever they ended; so
every page, export and answer that asks for one window gets one number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import from_micros, micros
from core.pricing import usd
from core.reports.bought import AttemptCell, Bought, CallCell, by, by_model, total
from core.reports.frames import Frame, frame
from core.reports.reading import Reading
from core.reports.spend_queries import ATTEMPTS, CALLS, DISCARDED, VERIFIED
from core.reports.windows import Window

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
    bought: Bought


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
    total: Bought
    tenants: Sequence[Line]
    """The biggest spender first; so are the next two."""
    models: Sequence[Line]
    """By the model that was asked. A call that asked two models counts for both, so calls need not add up."""
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


def spend(reading: Reading, window: Window, as_of: datetime) -> Spend:
    """Answer *window* for the tenants that *reading* sees."""
    calls, attempts = _calls(reading, window), _attempts(reading, window)
    schemas = by(calls, attempts, lambda row: (row.schema, row.version), lambda row: (row.schema, row.version))
    return Spend(
        window=window,
        as_of=as_of,
        total=total(calls, attempts),
        tenants=_sorted(
            Line(key=key, names=(reading.name_of(key),), bought=bought)
            for key, bought in by(calls, attempts, lambda row: row.tenant_id, lambda row: row.tenant_id).items()
        ),
        models=_sorted(Line(key=key, names=(key,), bought=bought) for key, bought in by_model(calls, attempts).items()),
        schemas=_sorted(
            Line(key=schema_key(name, version), names=(name, version), bought=bought)
            for (name, version), bought in schemas.items()
        ),
        reasons=_reasons(reading, window),
        over_time=_over_time(window, attempts, reading.name_of),
    )


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
    return frame((*HEADS[kind], *COLUMNS), ((*line.names, *_figures(line.bought)) for line in lines))


def schema_key(name: str, version: int | None) -> str:
    """Return what a schema version is called: ``invoice v3``; one that came with its request has no version."""
    return (name or "inline") if version is None else f"{name} v{version}"


def bounds(window: Window) -> dict[str, Any]:
    """Return the parameters that choose the calls of a window."""
    return {"starts_at": micros(window.starts_at), "ends_at": micros(window.ends_at)}


def _asked(reading: Reading, sql: str, window: Window) -> Sequence[Any]:
    bound = bounds(window)
    if ":width" in sql:
        bound["width"] = window.cell // timedelta(microseconds=1)
    return reading.rows(sql, bound)


def _calls(reading: Reading, window: Window) -> list[CallCell]:
    return [CallCell(*row) for row in _asked(reading, CALLS, window)]


def _attempts(reading: Reading, window: Window) -> list[AttemptCell]:
    return [AttemptCell(*row) for row in _asked(reading, ATTEMPTS, window)]


def _reasons(reading: Reading, window: Window) -> list[Reason]:
    found = [
        Reason(reason=reason, model=model, attempts=attempts, nano_usd=spent, unpriced=unpriced)
        for reason, model, attempts, spent, unpriced in _asked(reading, DISCARDED, window)
    ]
    return sorted(found, key=lambda one: (-one.nano_usd, -one.attempts, one.reason, one.model))


def _over_time(window: Window, attempts: Sequence[AttemptCell], name_of: Callable[[str], str]) -> Frame:
    cells: defaultdict[tuple[int, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in attempts:
        sums = cells[row.cell, row.tenant_id, schema_key(row.schema, row.version), row.model]
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


def _figures(bought: Bought) -> tuple[Any, ...]:
    return (
        *(bought.calls, bought.valid, bought.attempts, bought.discarded_attempts),
        *(usd(bought.spend), usd(bought.useful), usd(bought.discarded), bought.discarded_share),
        *(usd(bought.cost_per_valid), bought.unpriced_calls, bought.unpriced_attempts),
        *(bought.estimated_calls, usd(bought.estimated)),
        *(bought.input_tokens, bought.cached_tokens, bought.cache_write_tokens),
        *(bought.output_tokens, bought.reasoning_tokens, bought.hit_rate, usd(bought.cache_saved)),
        *(bought.answers, bought.answer_rate, usd(bought.answers_saved), bought.spend, bought.discarded),
    )


def _sorted(lines: Any) -> list[Line]:
    found: list[Line] = list(lines)
    return sorted(found, key=lambda line: (-line.bought.spent, -line.bought.calls, line.key))

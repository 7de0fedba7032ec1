"""What the page of an incident gives away: its figures, one a line, beside what is usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.api.exports import Export
from core.principals import Principal
from core.reports import Incident, Window, csv
from core.rollups.sums import NAMES
from core.runtime import Runtime
from pages.kit.frames import pd

COLUMNS = ["part", "name", "of", "tenant", "count", "usual", "nano_usd"]


@dataclass(frozen=True, slots=True)
class IncidentTable:
    """The figures of a stretch of time, of one tenant or of all."""

    starts_at: datetime
    ends_at: datetime
    tenant_id: str | None = None


def _rows(one: Incident) -> Iterator[tuple[Any, ...]]:
    whose, knows = one.tenant or "", bool(one.usual.spans)
    for name in NAMES:
        usual = getattr(one.usual.middle, name) if knows else None
        yield "sum", name, "", whose, getattr(one.figures, name), usual, None
    for name in ("p50", "p95", "p99"):
        usual = getattr(one.usual.latency, name) if knows else None
        yield "latency_ms", name, "", whose, getattr(one.latency, name), usual, None
    for end in one.outcomes:
        yield "outcome", end.which, "", whose, end.calls, end.usual, None
    for end in one.codes:
        yield "error", end.which, end.outcome, whose, end.calls, end.usual, None
    for field in one.fields:
        of = field.schema if field.version is None else f"{field.schema}@{field.version}"
        yield "field", field.path, of, whose, field.errors, None, None
    for vain in one.in_vain:
        yield "attempts_in_vain", vain.model, vain.outcome, whose, vain.attempts, None, vain.nano_usd
    yield "fallback_premium", "", "", whose, one.premium.known, None, one.premium.nano_usd
    for hit in one.hit:
        for name in ("calls", "lost", "reasks", "spent", "discarded"):
            usual = None if hit.usual is None else getattr(hit.usual, name)
            yield "tenant", name, "", hit.tenant or "All others", getattr(hit.figures, name), usual, None


def _table(runtime: Runtime, who: Principal, asked: IncidentTable) -> Iterator[bytes]:
    window = Window.of(asked.starts_at, asked.ends_at)
    found = runtime.reports.incident(who, window, asked.tenant_id)
    return iter([csv(pd.DataFrame(list(_rows(found)), columns=COLUMNS, dtype="object"))])


TABLE = Export("incident/table", IncidentTable, _table)
FILES = (TABLE,)

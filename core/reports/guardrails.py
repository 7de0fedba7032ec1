"""What guardrails caught: how often, where, of what kind, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from core.clock import from_micros, micros
from core.reports.cells import step_of
from core.reports.frames import Frame, frame
from core.reports.overview import Change, changes_in
from core.reports.reading import Reading
from core.reports.windows import Window
from core.tables import FindingRow

MOST_FINDINGS = 200_000
"""The newest findings of a window that are looked at: a page does not read a month in which every call has one."""
MOST_LINES = 500
"""Lines of the table: those with the most calls."""
_MOST_TIMED = 10_000
_NEWEST = """(
    SELECT f.* FROM finding f WHERE f.at >= :starts_at AND f.at < :ends_at {tenant} ORDER BY f.at DESC LIMIT :most
) n"""
_SERIES = f"""
SELECT {{cell}} AS cell, n.guardrail, COUNT(DISTINCT n.generation_id) AS calls
FROM {_NEWEST} GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 our own words, as below
_TOTALS = f"""
SELECT n.guardrail, COUNT(DISTINCT n.generation_id) AS calls, COUNT(DISTINCT n.tenant_id) AS tenants,
    CAST(SUM(n.count) AS BIGINT) AS found, COUNT(*) AS places, MIN(n.at) AS since, MAX(n.at) AS last_at,
    COUNT(DISTINCT CASE WHEN n.action = 'block' THEN n.generation_id END) AS blocked
FROM {_NEWEST} GROUP BY n.guardrail ORDER BY calls DESC, n.guardrail
"""  # noqa: S608
_LINES = f"""
SELECT n.guardrail, n.rule_id, n.tenant_id, n.stage, n.place, n.kind, n.action, MAX(n.shape) AS shape,
    COUNT(DISTINCT NULLIF(n.shape, '')) AS shapes,
    COUNT(DISTINCT n.generation_id) AS calls, CAST(SUM(n.count) AS BIGINT) AS found, MAX(n.at) AS last_at
FROM {_NEWEST} GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY calls DESC, found DESC, n.guardrail, n.tenant_id, n.stage, n.place, n.kind, n.action LIMIT :most_lines
"""  # noqa: S608
_TIMED = """
SELECT timed, MAX(CASE WHEN place = (timed * 50 + 99) / 100 THEN ms END) AS p50,
    MAX(CASE WHEN place = (timed * 95 + 99) / 100 THEN ms END) AS p95, MAX(ms) AS slowest
FROM (
    SELECT ms, ROW_NUMBER() OVER (ORDER BY ms) AS place, COUNT(*) OVER () AS timed
    FROM (
        SELECT g.guardrail_ms AS ms FROM generation g
        WHERE g.started_at >= :starts_at AND g.started_at < :ends_at {tenant} ORDER BY g.started_at DESC LIMIT :most
    ) AS newest
    WHERE ms IS NOT NULL
) AS ranked
GROUP BY timed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtBy:
    """What one guardrail caught."""

    guardrail: str
    """Empty where who refused did not say it."""
    calls: int
    blocked: int
    """Calls that it ended."""
    found: int
    """How often it found something, several times in one text included."""
    tenants: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningTime:
    """How long the texts of a call were judged, in milliseconds, among the newest ten thousand calls of a window."""

    timed: int
    p50: float
    p95: float
    slowest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What guardrails caught in a window; a call belongs to it that began in it."""

    window: Window
    by_guardrail: Sequence[CaughtBy]
    """Those that caught something, who did in most calls first."""
    series: Frame
    """Per cell and guardrail: ``at guardrail calls``."""
    lines: Frame
    """``guardrail rule_id tenant stage place kind action example calls found last_at``, those of most calls first, at
    most ``MOST_LINES``. An example tells of a secret its length and its vendor's prefix."""
    since: datetime | None
    """From when on findings are counted, where that is later than the window's start."""
    time: ScreeningTime | None
    """``None`` where no call was judged."""
    changes: Sequence[Change]
    """What changed in the window, the newest first; at most 200."""


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """What was found in one place of one call."""

    guardrail: str
    rule_id: str | None
    stage: str
    place: str
    kind: str
    action: str
    count: int
    shape: str
    """Of a secret its length and its vendor's prefix."""


def caught(reading: Reading, window: Window) -> Caught:
    """Return what was caught in *window* in calls of the tenants that *reading* sees."""
    within = {"starts_at": micros(window.starts_at), "ends_at": micros(window.ends_at)}
    newest = within | {"most": MOST_FINDINGS}
    cell, cut = step_of(window, window.cell, "n.at")
    series = _SERIES.replace("{cell}", cell)
    totals = _rows(reading, _TOTALS, newest)
    is_all = sum(row.places for row in totals) < MOST_FINDINGS
    lines = _rows(reading, _LINES, newest | {"most_lines": MOST_LINES})
    timed = reading.rows(_TIMED, within | {"most": _MOST_TIMED})
    return Caught(
        window=window,
        by_guardrail=[
            CaughtBy(
                guardrail=row.guardrail,
                calls=row.calls,
                blocked=row.blocked,
                found=row.found,
                tenants=row.tenants,
                last_at=from_micros(row.last_at),
            )
            for row in totals
        ],
        series=frame(
            ("at", "guardrail", "calls"),
            ((window.cell_at(row.cell), row.guardrail, row.calls) for row in _rows(reading, series, newest | cut)),
        ),
        lines=frame(
            (
                "guardrail",
                "rule_id",
                "tenant",
                "stage",
                "place",
                "kind",
                "action",
                "example",
                "calls",
                "found",
                "last_at",
            ),
            (
                (
                    row.guardrail,
                    row.rule_id or "",
                    reading.name_of(row.tenant_id),
                    row.stage,
                    row.place,
                    row.kind,
                    row.action,
                    _example(row.shape, row.shapes),
                    row.calls,
                    row.found,
                    from_micros(row.last_at),
                )
                for row in lines
            ),
        ),
        since=None if is_all else from_micros(min(row.since for row in totals)),
        time=ScreeningTime(timed=timed[0].timed, p50=timed[0].p50, p95=timed[0].p95, slowest=timed[0].slowest)
        if timed
        else None,
        changes=changes_in(reading, window),
    )


def findings_of(reading: Reading, call_id: str) -> Sequence[RecordedFinding]:
    """Return what was found in a call that may be seen, in order."""
    found = select(FindingRow).where(col(FindingRow.generation_id) == call_id).order_by(col(FindingRow.n))
    return [
        RecordedFinding(one.guardrail, one.rule_id, one.stage, one.place, one.kind, one.action, one.count, one.shape)
        for one in reading.session.scalars(found)
    ]


def _example(shape: str, shapes: int) -> str:
    return f"{shape}, and others" if shapes > 1 else shape


def _rows(reading: Reading, sql: str, bound: dict[str, Any]) -> Sequence[Any]:
    return reading.rows(sql, bound, tenant="f.tenant_id")

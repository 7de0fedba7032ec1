"""Who goes which way, and what a switch would have met: counted among the newest calls, of which there is an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import micros
from core.flags import Flag, FlagKind, kind_of
from core.reports.reading import Reading
from core.rollups.facts import listed
from core.tables import ERRORS, Outcome

_DAY = timedelta(days=1)
MOST_LOOKED_AT = 100_000
"""The newest calls of the day that are looked at: a page does not read a day of ten million."""
_NEWEST = """(
    SELECT g.tenant_id, g.route, g.outcome, g.streamed, g.provider, g.model, g.schema_name FROM generation g
    WHERE g.started_at >= :since {tenant} ORDER BY g.started_at DESC LIMIT :most
) n"""
_ROUTES = f"""
SELECT n.route, n.tenant_id, COUNT(*) AS calls,
    SUM(CASE WHEN n.outcome IN ({listed(ERRORS)}) THEN 1 ELSE 0 END) AS errors,
    SUM(CASE WHEN n.outcome = '{Outcome.VALID_AFTER_FALLBACK.value}' THEN 1 ELSE 0 END) AS fell_back
FROM {_NEWEST} GROUP BY n.route, n.tenant_id ORDER BY calls DESC, n.tenant_id
"""  # noqa: S608 our own words
_MET: Mapping[str, str] = {
    Flag.GENERATION: "1 = 1",
    Flag.STREAMING: "n.streamed",
    Flag.FALLBACK: f"n.outcome = '{Outcome.VALID_AFTER_FALLBACK.value}'",
    Flag.LOCAL_MODEL: "n.provider = 'local'",
    Flag.PAYLOADS: "1 = 1",
    FlagKind.MODEL: "n.provider = :provider AND n.model = :name",
    FlagKind.ROUTE: "n.route = :name",
    FlagKind.SCHEMA: "n.schema_name = :name",
}
"""Which calls a flag is about; of tools it is not kept which call brought which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTraffic:
    """Who went a route within a day, and how they fared."""

    calls: int
    errors: int
    fell_back: int
    """Calls that another model than the first answered validly."""
    tenants: Mapping[str, int]
    """Calls by the name of the tenant, most first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagMet:
    """How many of a day's calls a flag was about."""

    met: int | None
    """``None`` where that is not kept."""
    calls: int
    """Of so many that were looked at."""
    is_all: bool
    """Whether those were all."""


def route_use(reading: Reading, now: datetime) -> Mapping[str, RouteTraffic]:
    """Return by its name who went each route within a day, among the newest ``MOST_LOOKED_AT`` calls."""
    found: dict[str, list[Any]] = {}
    for row in reading.rows(_ROUTES, _bound(now)):
        found.setdefault(row.route, []).append(row)
    return {
        route: RouteTraffic(
            calls=sum(row.calls for row in rows),
            errors=sum(row.errors for row in rows),
            fell_back=sum(row.fell_back for row in rows),
            tenants={reading.name_of(row.tenant_id): row.calls for row in rows},
        )
        for route, rows in found.items()
    }


def flag_met(reading: Reading, flag: str, now: datetime) -> FlagMet:
    """Return how many calls of the last day *flag* was about, among the newest ``MOST_LOOKED_AT``."""
    kind, name = kind_of(flag), flag.partition(":")[2]
    provider, _, model = name.partition("/") if kind is FlagKind.MODEL else ("", "", name)
    condition = _MET.get(kind or flag)
    sql = f"SELECT COUNT(*), SUM(CASE WHEN {condition or '1 = 0'} THEN 1 ELSE 0 END) FROM {_NEWEST}"  # noqa: S608 as above
    bound = {name: value for name, value in (("provider", provider), ("name", model)) if f":{name}" in sql}
    [(calls, met)] = reading.rows(sql, _bound(now) | bound)
    return FlagMet(met=None if condition is None else met or 0, calls=calls, is_all=calls < MOST_LOOKED_AT)


def _bound(now: datetime) -> dict[str, Any]:
    return {"since": micros(now - _DAY), "most": MOST_LOOKED_AT}

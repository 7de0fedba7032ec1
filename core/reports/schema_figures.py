"""How each version of the registered schemas fares: calls, validity, latency and what a valid object costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.clock import from_micros, micros
from core.reports.percentiles import Timing, timings
from core.reports.queries import BEFORE_NEWEST, VERSION_ROUTES
from core.reports.reading import Reading
from core.reports.sums import SumQuestion, figures_by, slots
from core.reports.windows import Window
from core.rollups.facets import SCHEMA

_UNTIMED = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFigures:
    """What the calls of a window say of one version; terms as in :mod:`core.reports`."""

    schema: str
    version: int
    calls: int
    reached: int
    """Calls that reached a provider."""
    validity: float | None
    """Valid objects among those."""
    blocked: int
    spend_nano_usd: int | None
    """What is known of their cost; ``None`` where something was paid for and nothing is known."""
    cost_per_valid_nano_usd: int | None
    unpriced: int
    """Calls with an attempt that has no price."""
    estimated: int
    """Calls with an attempt whose usage the provider never told."""
    latency: Timing = _UNTIMED
    """Known where one schema was asked for."""
    routes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Calls by the route that they took, most first; known where one schema was asked for."""


def newest_of(reading: Reading, window: Window, most: int, names: Sequence[str] | None = None) -> Window:
    """Return the end of *window* that holds its *most* newest calls, of all schemas or of those with these *names*.

    What sums those has a bound. Calls that began in the same microsecond as the first that is left out are left out.
    """
    sql, bound = _among(BEFORE_NEWEST, names)
    bound |= {"starts_at": micros(window.starts_at), "ends_at": micros(window.ends_at), "most": most}
    [(before,)] = reading.rows(sql, bound) or [(None,)]
    return window if before is None else replace(window, starts_at=from_micros(before + 1))


def schema_figures(
    reading: Reading, window: Window, now: int, names: Sequence[str] | None = None, *, is_timed: bool = False
) -> Sequence[VersionFigures]:
    """Return how each version fared that was called in *window*, by name, newest first.

    Of every schema, or of those with these *names*. *is_timed* adds latency and routes; there is one name then.
    """
    if names is not None and not names:
        return []
    asked = SumQuestion(window=window, facet=SCHEMA, by=("value", "detail"), values=names)
    found = {
        (name, int(version)): figures for (name, version), figures in figures_by(reading, asked, now).items() if version
    }
    times: Mapping[Any, Timing] = {}
    routes: defaultdict[int, dict[str, int]] = defaultdict(dict)
    if is_timed:
        times = timings(slots(reading, replace(asked, by=("detail",)), now))
        sql, bound = _among(VERSION_ROUTES, names)
        bound |= {"starts_at": micros(window.starts_at), "ends_at": micros(window.ends_at)}
        for version, route, calls in reading.rows(sql, bound):
            routes[version][route] = calls
    return [
        VersionFigures(
            schema=name,
            version=version,
            calls=sums.calls,
            reached=sums.reached,
            validity=sums.validity,
            blocked=sums.blocked,
            spend_nano_usd=sums.spend,
            cost_per_valid_nano_usd=sums.cost_per_valid,
            unpriced=sums.unpriced_calls,
            estimated=sums.estimated_calls,
            latency=times.get(str(version), Timing()),
            routes=routes.get(version, {}),
        )
        for (name, version), sums in sorted(found.items(), key=lambda pair: (pair[0][0], -pair[0][1]))
    ]


def _among(sql: str, names: Sequence[str] | None) -> tuple[str, dict[str, Any]]:
    """Return *sql* limited to schemas with these *names*, if any, which an index finds; and what is bound in it."""
    if not names:
        return sql, {}
    bound: dict[str, Any] = {f"name_{number}": name for number, name in enumerate(names)}
    listed = ", ".join(f":{name}" for name in bound)
    return sql.replace("{tenant}", f"AND g.schema_name IN ({listed}) {{tenant}}"), bound

"""How each provider fared lately: calls, failures and how long answers took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.clock import from_micros, micros
from core.reports.queries import OF_PROVIDERS
from core.reports.reading import Reading

LOOK_BACK = timedelta(days=1)
MOST_ATTEMPTS = 100_000
"""Calls of a day that are looked at, the newest: what a page waits for has a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFigures:
    """One provider's calls of a day."""

    calls: int
    """Attempts, whatever came of them."""
    failed: int
    """Those that ended in an error of the provider, or ran out of time."""
    p50_ms: float | None
    """From sending to the end, of those that did not fail, exact by nearest rank; so is the next."""
    p95_ms: float | None
    last_at: datetime
    """When the last of them began."""

    @property
    def failing(self) -> float:
        """The share of them that failed."""
        return self.failed / self.calls

    @property
    def timed(self) -> int:
        """How many the percentiles are of."""
        return self.calls - self.failed


@dataclass(frozen=True, slots=True)
class ProviderDay:
    """How all providers fared within a day."""

    figures: Mapping[str, ProviderFigures] = field(default_factory=dict[str, ProviderFigures])
    """Those that were called, by their names."""
    since: datetime | None = None
    """When the first of these calls began, where there were more of that day than are looked at; else ``None``."""


def provider_day(reading: Reading, now: datetime) -> ProviderDay:
    """Return the figures of each provider that was called within a day before *now*."""
    bound = {"starts_at": micros(now - LOOK_BACK), "most": MOST_ATTEMPTS}
    rows = reading.rows(OF_PROVIDERS, bound, tenant="a.tenant_id")
    figures = {
        row.provider: ProviderFigures(
            calls=row.calls, failed=row.failed, p50_ms=row.p50, p95_ms=row.p95, last_at=from_micros(row.last_at)
        )
        for row in rows
    }
    is_cut = sum(row.calls for row in rows) >= MOST_ATTEMPTS
    return ProviderDay(figures, from_micros(min(row.first_at for row in rows)) if is_cut else None)

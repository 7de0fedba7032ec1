"""How each provider fared lately: calls, failures and how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import from_micros, micros
from core.reports.queries import OF_PROVIDERS
from core.reports.reading import Reading

LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFigures:
    """One provider's calls of a day."""

    calls: int
    """Attempts, whatever came of them."""
    failed: int
    """Those that ended in an error of the provider, or ran out of time."""
    mean_ms: float
    """From sending to the end."""
    last_at: datetime
    """When the last of them began."""

    @property
    def failing(self) -> float:
        """The share of them that failed."""
        return self.failed / self.calls


def provider_figures(reading: Reading, now: datetime) -> Mapping[str, ProviderFigures]:
    """Return the figures of each provider that was called within a day before *now*, by its name."""
    rows = reading.rows(OF_PROVIDERS, {"starts_at": micros(now - LOOK_BACK)}, tenant="a.tenant_id")
    return {
        row.provider: ProviderFigures(
            calls=row.calls, failed=row.failed, mean_ms=float(row.mean_ms), last_at=from_micros(row.last_at)
        )
        for row in rows
    }

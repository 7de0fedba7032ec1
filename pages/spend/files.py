"""What the page of spend gives away: each of its tables, every column of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.api.exports import Export
from core.principals import Principal
from core.reports import Window, csv
from core.runtime import Runtime
from pages.spend import tables

REASONS, FORECAST = "reasons", "forecast"


@dataclass(frozen=True, slots=True)
class SpendTable:
    """One table of the page."""

    cut: str
    """``tenants``, ``models`` or ``schemas``, ``reasons`` or ``forecast``."""
    window: Window
    tenant_id: str | None = None


def _table(runtime: Runtime, who: Principal, wanted: SpendTable) -> Iterator[bytes]:
    if wanted.cut == FORECAST:
        yield csv(tables.forecasts_frame(runtime.reports.forecasts(who, wanted.tenant_id)))
        return
    spend = runtime.reports.spend(who, wanted.window, wanted.tenant_id)
    yield csv(spend.reasons_frame() if wanted.cut == REASONS else spend.frame(wanted.cut))


TABLE = Export("spend/table", SpendTable, _table)
FILES = (TABLE,)

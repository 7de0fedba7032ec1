"""What Home shows, made once for all who look at the same and may see the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.reports import Cluster, Overview, Window
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.home import tables
from pages.kit import charts, zones
from pages.kit.frames import Frame, Picture
from pages.kit.page import Visit
from pages.kit.shared import key_of, shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """What the panels draw."""

    latency: Picture
    spend: Picture
    outcomes: Picture
    fields: Frame
    models: Frame
    schemas: Frame
    heat: Picture | None
    """Of all tenants, as :attr:`tenants`; ``None`` where one was chosen."""
    tenants: Frame | None


@dataclass(frozen=True, slots=True)
class Board:
    """How the calls of a window went."""

    overview: Overview
    panels: Panels | None
    """``None`` where there were no calls."""


def board(visit: Visit, now: datetime, chosen: Range, tenant: Tenant | None) -> Board:
    """Return how what is *chosen* went for *tenant*, or for all with ``None``; or how it did a moment ago."""
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    tenant_id, window = tenant.id if tenant else None, chosen.window(now, zone)
    asked = (tenant_id, zone, key_of(chosen, window))
    return shared(visit, "board", window, asked, lambda: _board(visit, window, tenant_id))


def _board(visit: Visit, window: Window, tenant_id: str | None) -> Board:
    overview = visit.runtime.reports.overview(visit.principal, window, tenant_id)
    if not overview.totals.calls:
        return Board(overview, None)
    panels = Panels(
        latency=charts.latency(overview),
        spend=charts.spend(overview),
        outcomes=charts.outcomes(overview),
        fields=tables.fields(overview),
        models=tables.models(overview),
        schemas=tables.schemas(overview),
        heat=None if tenant_id else charts.heat(overview),
        tenants=None if tenant_id else tables.tenants(overview),
    )
    return Board(overview, panels)


def standing_out(visit: Visit, now: datetime, chosen: Range, tenant: Tenant | None) -> Sequence[Cluster]:
    """Return where much more than usual went wrong: the question of the page *Incident*, whose answer this may be."""
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    tenant_id, window = tenant.id if tenant else None, chosen.window(now, zone)
    asked = (tenant_id, zone, key_of(chosen, window))
    return shared(
        visit, "clusters", window, asked, lambda: visit.runtime.reports.clusters(visit.principal, window, tenant_id)
    )

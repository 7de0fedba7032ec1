"""What Home shows, made once in some seconds for all who look at the same and may see the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from core.reports import Overview
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.home import tables
from pages.kit import charts, zones
from pages.kit.frames import Frame, Picture
from pages.kit.page import View, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """What the panels draw."""

    latency: Picture
    spend: Picture
    outcomes: Picture
    fields: Frame
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
    """Return how what is *chosen* went for *tenant*, or for all with ``None``; at most ten seconds older than *now*."""
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    return _board(visit, now, visit.view, chosen, tenant.id if tenant else None, zone)


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def _board(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    chosen: Range,
    tenant_id: str | None,
    zone: str,
) -> Board:
    overview = _visit.runtime.reports.overview(_visit.principal, chosen.window(_now, zone), tenant_id)
    if not overview.totals.calls:
        return Board(overview, None)
    panels = Panels(
        latency=charts.latency(overview),
        spend=charts.spend(overview),
        outcomes=charts.outcomes(overview),
        fields=tables.fields(overview),
        heat=None if tenant_id else charts.heat(overview),
        tenants=None if tenant_id else tables.tenants(overview),
    )
    return Board(overview, panels)

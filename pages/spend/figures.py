"""What the page Spend asks for: cached for some seconds for everyone who asks the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import streamlit as st

from core.reports import Backtest, ChangeFilter, Forecast, RecordedChange, Spend, Verified, Window
from core.reports.ranges import Range
from core.tenants import Permission, Tenant
from pages.kit import zones
from pages.kit.page import View, Visit

_MONTH, _SECOND = timedelta(days=31), timedelta(seconds=1)
_MOST_MARKS = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that the page shows, of about the same moment."""

    spend: Spend
    before: Spend
    """The same over the window before."""
    forecasts: Sequence[Forecast]
    backtests: Sequence[Backtest]
    verified: Verified | None
    changes: Sequence[RecordedChange]
    """The newest of the window, for the marks of its chart."""
    of_late: Sequence[RecordedChange]
    """Those of the last month, for that of the forecast."""
    tenant: Tenant | None
    """The one tenant that was chosen, or ``None`` for all."""


def figures(visit: Visit, now: datetime, chosen: Range, tenant: Tenant | None) -> Figures:
    """Return what the calls bought of what is *chosen*, and what is to come, for *tenant* or for all with ``None``."""
    tenant_id = tenant.id if tenant else None
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    asked = (visit, now, visit.view)
    sees_changes = visit.may(Permission.CHANGES_READ, tenant_id)
    return Figures(
        spend=_spend(*asked, chosen, tenant_id, zone, earlier=False),
        before=_spend(*asked, chosen, tenant_id, zone, earlier=True),
        forecasts=_forecasts(*asked, tenant_id),
        backtests=_backtests(*asked, tenant_id),
        verified=visit.runtime.reports.verified(visit.principal),
        changes=_changes(*asked, chosen, tenant_id, zone) if sees_changes else (),
        of_late=_changes(*asked, None, tenant_id, zone) if sees_changes else (),
        tenant=tenant,
    )


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def _changes(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 as below
    chosen: Range | None,
    tenant_id: str | None,
    zone: str,
) -> Sequence[RecordedChange]:
    window = chosen.window(_now, zone) if chosen else Window.of(_now - _MONTH, _now)
    wanted = ChangeFilter(starts_at=window.starts_at, ends_at=window.ends_at + _SECOND, tenant_id=tenant_id)
    return list(islice(_visit.runtime.reports.every_change(_visit.principal, wanted), _MOST_MARKS))


@st.cache_data(ttl="10s", max_entries=64, show_spinner="Adding up what was spent …")
def _spend(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    chosen: Range,
    tenant_id: str | None,
    zone: str,
    *,
    earlier: bool,
) -> Spend:
    window = chosen.window(_now, zone)
    return _visit.runtime.reports.spend(_visit.principal, window.previous() if earlier else window, tenant_id)


@st.cache_data(ttl="30s", max_entries=64, show_spinner=False)
def _forecasts(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 as above
    tenant_id: str | None,
) -> Sequence[Forecast]:
    return _visit.runtime.reports.forecasts(_visit.principal, tenant_id)


@st.cache_data(ttl="30s", max_entries=64, show_spinner=False)
def _backtests(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 as above
    tenant_id: str | None,
) -> Sequence[Backtest]:
    return _visit.runtime.reports.backtests(_visit.principal, tenant_id)

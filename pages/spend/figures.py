"""What the page Spend asks for: cached for some seconds for everyone who asks the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import streamlit as st

from core.reports import Backtest, ChangeFilter, Forecast, RecordedChange, Spend, Verified, Window
from core.tenants import Permission, Tenant
from pages.kit import zones
from pages.kit.page import View, Visit

_MONTH = timedelta(days=31)
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
    """The newest of the last month or of the window, for the marks of charts."""
    tenant: Tenant | None
    """The one tenant that was chosen, or ``None`` for all."""


def figures(visit: Visit, now: datetime, hours: int, tenant: Tenant | None) -> Figures:
    """Return what the *hours* before *now* bought, and what is to come, for *tenant* or for all with ``None``."""
    tenant_id = tenant.id if tenant else None
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    asked = (visit, now, visit.view)
    return Figures(
        spend=_spend(*asked, hours, tenant_id, zone, earlier=False),
        before=_spend(*asked, hours, tenant_id, zone, earlier=True),
        forecasts=_forecasts(*asked, tenant_id),
        backtests=_backtests(*asked, tenant_id),
        verified=visit.runtime.reports.verified(visit.principal),
        changes=_changes(*asked, hours, tenant_id) if visit.may(Permission.CHANGES_READ, tenant_id) else (),
        tenant=tenant,
    )


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def _changes(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 as below
    hours: int,
    tenant_id: str | None,
) -> Sequence[RecordedChange]:
    since = _now - max(timedelta(hours=hours), _MONTH)
    wanted = ChangeFilter(starts_at=since, ends_at=_now + timedelta(seconds=1), tenant_id=tenant_id)
    return list(islice(_visit.runtime.reports.every_change(_visit.principal, wanted), _MOST_MARKS))


@st.cache_data(ttl="10s", max_entries=64, show_spinner="Adding up what was spent …")
def _spend(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    hours: int,
    tenant_id: str | None,
    zone: str,
    *,
    earlier: bool,
) -> Spend:
    window = Window.last(timedelta(hours=hours), _now, zone)
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

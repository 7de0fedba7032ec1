"""What the page Spend asks for: its sums are made once for everyone who asks the same and may see the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from core.reports import Backtest, ChangeFilter, Forecast, RecordedChange, Spend, Verified, Window
from core.reports.proven import RollupsProven
from core.reports.ranges import Range
from core.tenants import Permission, Tenant
from pages.kit import zones
from pages.kit.page import Visit
from pages.kit.shared import key_of, shared

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
    proven: RollupsProven | None
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
    window, reports = chosen.window(now, zone), visit.runtime.reports
    sees_changes = visit.may(Permission.CHANGES_READ, tenant_id)
    spend, before = shared(
        visit,
        "spend",
        window,
        (tenant_id, zone, key_of(chosen, window)),
        lambda: [reports.spend(visit.principal, one, tenant_id) for one in (window, window.previous())],
        says="Adding up what was spent …",
    )
    forecasts, backtests = shared(
        visit,
        "outlooks",
        window,
        tenant_id,
        lambda: (reports.forecasts(visit.principal, tenant_id), reports.backtests(visit.principal, tenant_id)),
    )
    changes, of_late = _marks(visit, now, chosen, window, tenant_id) if sees_changes else ((), ())
    return Figures(
        spend=spend,
        before=before,
        forecasts=forecasts,
        backtests=backtests,
        verified=reports.verified(visit.principal),
        proven=reports.proven(visit.principal),
        changes=changes,
        of_late=of_late,
        tenant=tenant,
    )


def _marks(
    visit: Visit, now: datetime, chosen: Range, window: Window, tenant_id: str | None
) -> Sequence[Sequence[RecordedChange]]:
    """Return the newest changes of the window, and those of the last month."""
    lately = Window.of(now - _MONTH, now)
    return shared(
        visit,
        "changes of spend",
        window,
        (tenant_id, window.zone, key_of(chosen, window)),
        lambda: [_changes(visit, one, tenant_id) for one in (window, lately)],
        Permission.CHANGES_READ,
    )


def _changes(visit: Visit, window: Window, tenant_id: str | None) -> Sequence[RecordedChange]:
    """Return the newest changes of a window: few rows, by their index."""
    wanted = ChangeFilter(starts_at=window.starts_at, ends_at=window.ends_at + _SECOND, tenant_id=tenant_id)
    return list(islice(visit.runtime.reports.every_change(visit.principal, wanted), _MOST_MARKS))

"""What a panel is, and for whom it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import ManualClock
from core.errors import NotFound
from core.principals import Principal
from core.reports import CallFilter, Reports, Window
from core.runtime import Runtime

_DAY, _MONTH = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlooker:
    """Somebody who looks at the pages at the moment of the newest call, so that a database that rests is not empty."""

    runtime: Runtime
    reports: Reports
    """On a clock that stands at that moment."""
    principal: Principal
    now: datetime
    tenant_id: str
    """The tenant that spent most of late: what is asked of one tenant is asked of this one."""
    call_id: str
    """The newest call."""
    schema: str
    """Its schema."""

    def last(self, hours: int) -> Window:
        """Return the window of the *hours* until now."""
        return Window.last(timedelta(hours=hours), self.now)

    def calls(self, hours: int, **wanted: str) -> CallFilter:
        """Return the filter for calls of the *hours* until now."""
        starts_at = self.now - timedelta(hours=hours)
        return CallFilter(starts_at=starts_at, ends_at=self.now + timedelta(seconds=1), **wanted)  # pyright: ignore[reportArgumentType] fields by their names


@dataclass(frozen=True, slots=True)
class PagePanel:
    """One question of one page."""

    page: str
    name: str
    asks: Callable[[Onlooker], object]
    """Asks it, and takes all of the answer."""


def onlooker(runtime: Runtime, principal: Principal) -> Onlooker:
    """Return who looks at this database.

    Raises:
        NotFound: there is nothing to see.

    """
    latest = runtime.reports.latest_call_at(principal)
    if latest is None:
        raise NotFound("There are no calls to ask about. 'proctor bench fill 100000' writes some.")
    now = latest + timedelta(seconds=1)
    reports = Reports(runtime.store, ManualClock(now), lambda: runtime.routes.table().models)
    newest: Any = reports.calls(principal, CallFilter(starts_at=now - _MONTH, ends_at=now), total=1).calls
    tenants: Any = reports.overview(principal, Window.last(_DAY, now)).tenants
    return Onlooker(
        runtime=runtime,
        reports=reports,
        principal=principal,
        now=now,
        tenant_id=tenants["tenant_id"].tolist()[0],
        call_id=newest["id"].tolist()[0],
        schema=newest["schema"].tolist()[0],
    )

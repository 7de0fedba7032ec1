"""One incident as it is shown: its figures, made once for all who look, and what was decided around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from core.principals import NOWHERE
from core.reports import ChangeFilter, Incident, RecordedChange, Window
from core.reports.ranges import Range
from core.tenants import Permission, Tenant
from pages.kit import links, ranges
from pages.kit.links import Destination
from pages.kit.page import Visit
from pages.kit.shared import shared

WITHIN = timedelta(hours=1)
"""What was changed so long before it, or behind it, is told as within the hour."""
EARLIER = timedelta(days=3)
"""What was decided so long before may be why."""
MOST_EARLIER = 8
_BEGUN = timedelta(minutes=15)
"""Within so much of its window it began, where no single call tells when."""
_MOST_READ = 2_000
"""Changes that are looked through for those that somebody decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedIncident:
    """What the page shows."""

    incident: Incident
    tenant: Tenant | None
    zone: str
    changes: Sequence[RecordedChange]
    """Within the hour, the newest first."""
    decided: Sequence[RecordedChange]
    """What was decided before it began, the newest first, some of it."""
    before: Mapping[str, RecordedChange]
    """By the id of a change, what was decided of the same thing before."""
    tells_changes: bool
    """Whether who looks may see what was decided."""

    @property
    def window(self) -> Window:
        """When it was."""
        return self.incident.window

    @property
    def here(self) -> dict[str, str]:
        """Its time and tenant, as they stand in addresses."""
        span = Range(span=(self.window.starts_at, self.window.ends_at))
        return ranges.parameters(span, self.zone) | ({"tenant": self.tenant.name} if self.tenant else {})

    def calls(self, told: str, search: str = "", **more: str) -> str:
        """Return a figure as Markdown that leads to the calls behind it."""
        return links.to(told, Destination("calls", self.here | ({"q": search} if search else {}) | more))

    @property
    def cause(self) -> RecordedChange | None:
        """The decision that is named with it: the last one before it began, or one about what went wrong."""
        hit = {None, self.tenant.id if self.tenant else None, *(one.tenant_id for one in self.incident.hit)}
        decided = [one for one in self.decided if one.tenant_id in hit]
        kinds = _KINDS_OF.get(self.most or "", ())
        shortly = next((one for one in decided if one.at >= self.window.starts_at - WITHIN), None)
        return next((one for one in decided if one.kind in kinds), shortly)

    @property
    def earlier(self) -> Sequence[RecordedChange]:
        """What was decided before it in the days that are not within the hour."""
        return [one for one in self.decided if one.at < self.window.starts_at - WITHIN][:MOST_EARLIER]

    @property
    def most(self) -> str | None:
        """The outcome in which most of what went wrong ended."""
        if "lost" not in self.incident.kinds:
            return "invalid" if "asked again" in self.incident.kinds else None
        lost = [one for one in self.incident.outcomes if one.which in _KINDS_OF]
        return lost[0].which if lost and 2 * lost[0].calls >= self.incident.figures.lost else None


_KINDS_OF: Mapping[str, Sequence[str]] = {
    "blocked_budget": ("budget",),
    "blocked_flag": ("flag",),
    "blocked_guardrail": ("guardrail",),
    "blocked_rate": ("tenant", "key"),
    "invalid": ("schema", "route"),
    "truncated": ("schema", "route"),
    "refused": ("schema", "route"),
    "content_filtered": ("schema", "route"),
    "provider_error": ("flag", "route", "breaker"),
    "timeout": ("flag", "route", "breaker"),
    "internal_error": (),
}
"""Outcomes that got no object, and what may be decided that makes calls end so."""


def opened(visit: Visit, window: Window, tenant: Tenant | None, zone: str) -> OpenedIncident:
    """Return what is shown of *window*, or how that was a moment ago."""
    tenant_id = tenant.id if tenant else None
    asked = (tenant_id, zone, window.starts_at, window.ends_at)
    found = shared(
        visit, "incident", window, asked, lambda: visit.runtime.reports.incident(visit.principal, window, tenant_id)
    )
    may = visit.may(Permission.CHANGES_READ)
    begins, ends = found.window.starts_at - WITHIN, found.window.ends_at + WITHIN
    sees = visit.principal.scope_of(Permission.CHANGES_READ) if may else NOWHERE

    def decisions() -> tuple[Sequence[RecordedChange], Sequence[RecordedChange], Mapping[str, RecordedChange]]:
        if not may:
            return (), (), {}
        reports = visit.runtime.reports
        wanted = ChangeFilter(starts_at=begins, ends_at=ends, tenant_id=tenant_id)
        within = reports.changes(visit.principal, wanted).changes
        until_then = replace(wanted, starts_at=found.window.starts_at - EARLIER, ends_at=_began(found))
        read = islice(reports.every_change(visit.principal, until_then), _MOST_READ)
        decided = list(islice((one for one in read if one.is_decided), 2 * MOST_EARLIER))
        return within, decided, reports.decided_before(visit.principal, [*within, *decided])

    changes, decided, before = shared(visit, "incident_changes", window, (asked, sees), decisions)
    return OpenedIncident(
        incident=found,
        tenant=tenant,
        zone=zone,
        changes=changes,
        decided=decided,
        before=before,
        tells_changes=may,
    )


def _began(incident: Incident) -> datetime:
    """Return until when what was decided came before it."""
    begins = incident.window.starts_at
    return incident.first.at if incident.first and "lost" in incident.kinds else begins + _BEGUN

"""Where something went wrong, in words that lead to its incident: on every page that speaks of it alike."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from core.clock import iso
from core.reports import Cluster
from pages.kit import formats, links
from pages.kit.links import Destination
from pages.kit.markup import plain

_WHAT = {
    "lost": ("call more than usual got no object", "calls more than usual got no object"),
    "asked again": ("answer more than usual was asked for again", "answers more than usual were asked for again"),
    "slow": ("call more than usual was slow", "calls more than usual were slow"),
}


def of_time(starts_at: datetime, ends_at: datetime, tenant: str | None = None) -> Destination:
    """Return where a stretch of time is opened as an incident, of one tenant or of all."""
    whose = {"tenant": tenant} if tenant else {}
    return Destination("incident", {"from": iso(starts_at), "to": iso(ends_at)} | whose)


def of_cluster(cluster: Cluster, tenant: str | None = None) -> Destination:
    """Return where a cluster is opened: of the tenant that is looked at, or of the one that it is of."""
    return of_time(cluster.starts_at, cluster.ends_at, tenant or cluster.tenant)


def when(starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """Return a stretch of time in words: ``Tue Nov 25, 15:00`` and when it ended."""
    begins, ends = (at.astimezone(ZoneInfo(zone)) for at in (starts_at, ends_at))
    until = f"{ends:%H:%M}" if begins.date() == ends.date() else f"{ends:%a %b %d, %H:%M}"
    return f"{begins:%a %b %d, %H:%M} \N{EN DASH} {until}"


def told(cluster: Cluster, zone: str, tenant: str | None = None) -> str:
    """Return a cluster in one line of Markdown whose time leads to it."""
    many = formats.count(cluster.beyond)
    said = f"{many} {_WHAT[cluster.kind][cluster.beyond != 1]}"
    whose = "" if tenant else f", {_of_whom(cluster)}"
    return f"{links.to(when(cluster.starts_at, cluster.ends_at, zone), of_cluster(cluster, tenant))}: {said}{whose}"


def _of_whom(cluster: Cluster) -> str:
    if not cluster.tenants:
        return "of several tenants"
    first = plain(cluster.tenants[0])
    more = len(cluster.tenants) - 1
    return f"of {first}" + (f" and {formats.plural(more, 'other tenant')}" if more else "")

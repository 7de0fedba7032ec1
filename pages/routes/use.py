"""Who goes which way within a day, how much and how they fare; and whom a change of a route concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.reports import RouteTraffic
from core.routes import DEFAULT
from core.tenants import Permission
from pages.kit import formats, links
from pages.kit.page import View, Visit

_MOST_NAMED = 5


def of_routes(visit: Visit) -> Mapping[str, RouteTraffic] | None:
    """Return by its name who went each route; ``None`` to who may not see calls. It is read once in a minute."""
    return _of_routes(visit, visit.view) if visit.may(Permission.GENERATIONS_READ) else None


@st.cache_data(ttl="60s", max_entries=16, show_spinner="Counting the calls of a day …")
def _of_routes(_visit: Visit, view: View) -> Mapping[str, RouteTraffic]:  # noqa: ARG001 as on Home
    return _visit.runtime.reports.route_use(_visit.principal)


def sentence(used: RouteTraffic | None) -> str:
    """Return who went a route within a day, as Markdown."""
    if used is None or not used.calls:
        return "Nobody went this way in the last 24 hours."
    named = list(used.tenants.items())
    who = ", ".join(f"{links.tenant(name)} {formats.count(calls)}" for name, calls in named[:_MOST_NAMED])
    more = f" and {formats.plural(len(named) - _MOST_NAMED, 'more tenant')}" if len(named) > _MOST_NAMED else ""
    return (
        f"{formats.plural(used.calls, 'call')} in the last 24 hours, "
        f"{formats.percent(used.errors / used.calls)} in error, "
        f"{formats.percent(used.fell_back / used.calls)} answered by a fallback: {who}{more}."
    )


def owners(visit: Visit) -> Mapping[str, Sequence[str]]:
    """Return by the name of a route the tenants whose own it is: one read for all of them."""
    found: dict[str, list[str]] = {}
    for one in visit.runtime.tenants.list(visit.principal) if visit.may(Permission.TENANTS_READ) else ():
        if one.route:
            found.setdefault(one.route, []).append(one.name)
    return found


def affected(visit: Visit, route: str) -> str:
    """Return whom an edit of *route* concerns, as Markdown."""
    own = owners(visit).get(route, ())
    used = (of_routes(visit) or {}).get(route)
    said = [sentence(used)] if used and used.calls else []
    if own:
        more = "" if len(own) <= _MOST_NAMED else " and others"
        said.append(f"It is the own route of {', '.join(map(links.tenant, own[:_MOST_NAMED]))}{more}.")
    if route == DEFAULT:
        said.append("Every tenant without a route of its own takes it where no other is named.")
    return "An edit concerns all who go this way. " + (" ".join(said) or "Nobody did within a day.")

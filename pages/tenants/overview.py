"""How one tenant stands: its day, its route and its flags, its last errors and what was changed of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from core.reports import CallFilter, CallPage, ChangeFilter, Overview, Window
from core.routes import DEFAULT
from core.tenants import Permission, Tenant
from pages.kit import formats, layout, links, outcomes, tiles, zones
from pages.kit.frames import Frame, pd, table
from pages.kit.markup import plain
from pages.kit.page import View, Visit
from pages.kit.tiles import Tile

_DAY = timedelta(days=1)
_MOST_LISTED = 5


def draw(visit: Visit, tenant: Tenant) -> None:
    """Draw it, as far as whoever looks may see it."""
    errors: CallPage | None = None
    if visit.may(Permission.GENERATIONS_READ, tenant.id):
        day, errors = _day(visit, visit.view, tenant.id, tenant.timezone)
        tiles.draw(_tiles(day))
    facts = {"Route": links.route(tenant.route or DEFAULT)}
    if visit.may(Permission.FLAGS_READ, tenant.id):
        facts["Flags"] = _flags(visit, tenant)
    layout.facts(facts, key="standing_facts")
    left, right = st.columns(2, gap="small")
    if errors is not None:
        with left:
            _errors(errors, tenant)
    if visit.may(Permission.CHANGES_READ, tenant.id):
        with right:
            _changes(visit, tenant)


@st.cache_data(ttl="10s", max_entries=64, show_spinner="Counting the calls of a day …")
def _day(_visit: Visit, view: View, tenant_id: str, zone: str) -> tuple[Overview, CallPage]:  # noqa: ARG001 as on Home
    reports, now = _visit.runtime.reports, _visit.now
    wanted = CallFilter(starts_at=now - _DAY, ends_at=now, tenant_id=tenant_id, outcome="any_error")
    overview = reports.overview(_visit.principal, Window.last(_DAY, now, zone), tenant_id)
    return overview, reports.calls(_visit.principal, wanted, total=overview.totals.errors)


def _tiles(day: Overview) -> list[Tile]:
    now = day.totals
    return [
        Tile(label="Calls", value=formats.count(now.calls), help="Generations that began within a day."),
        Tile(label="Errors", value=formats.percent(now.error_rate, 2), help=f"{now.errors:,} that ended so."),
        Tile(label="Blocked", value=formats.count(now.blocked), help="Refused by policy: a budget, a limit, a flag."),
        Tile(label="p95 latency", value=formats.millis(now.latency.p95), help="From the door to the record."),
        Tile(label="Spend", value=formats.dollars(now.spend), help="What the attempts of these calls cost."),
    ]


def _flags(visit: Visit, tenant: Tenant) -> str:
    """Return what is not as by default."""
    held = visit.runtime.flags.held(visit.principal, tenant)
    said = [
        f"{name} is {'drawn' if one.percent is not None else one.word} by {one.rule}"
        for name, one in held.items()
        if one.reason != "DEFAULT"
    ]
    return plain("; ".join(said)) or "all as by default"


def _errors(page: CallPage, tenant: Tenant) -> None:
    st.markdown("**Last errors**")
    calls: Frame = page.calls
    if not len(calls):
        st.caption("None.")
        return
    rows = [
        {
            "When": f"[{plain(zones.told(one.started_at, tenant.timezone))}](/calls?call={one.id})",
            "Outcome": outcomes.badge(one.outcome),
            "Schema": _schema(one.schema, one.version),
            "Error": plain(one.error_code or formats.UNKNOWN),
        }
        for one in calls.head(_MOST_LISTED).itertuples()
    ]
    table(pd.DataFrame(rows), alt="Its last errors", hides_index=True)
    st.page_link(
        "calls/page.py",
        label="All its errors",
        icon=":material/receipt_long:",
        query_params={"tenant": tenant.name, "outcome": "Any error"},
    )


def _schema(name: str | None, version: Any) -> str:
    if not name or pd.isna(version):
        return plain(name or formats.UNKNOWN)
    return links.schema(name, int(version))


def _changes(visit: Visit, tenant: Tenant) -> None:
    st.markdown("**Last changes**")
    wanted = ChangeFilter(starts_at=visit.now - 30 * _DAY, ends_at=visit.now + _DAY, tenant_id=tenant.id)
    found = visit.runtime.reports.changes(visit.principal, wanted).changes[:_MOST_LISTED]
    if not found:
        st.caption("None within thirty days.")
        return
    rows = [
        {
            "What": f"[{plain(zones.retold(one.summary, tenant.timezone))}](/changes?change={one.id})",
            "When": formats.ago(one.at, visit.now),
            "Who": links.actor(one.actor if one.is_decided else links.PROCTOR),
        }
        for one in found
    ]
    table(pd.DataFrame(rows), alt="Its last changes", hides_index=True)
    st.page_link(
        "changes/page.py", label="All its changes", icon=":material/history:", query_params={"tenant": tenant.name}
    )

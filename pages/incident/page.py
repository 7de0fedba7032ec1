"""Incident: one stretch of time in which something went wrong, or those of a longer one."""

from __future__ import annotations

import streamlit as st

from core.reports.incidents import LONGEST, MOST_SEARCHED
from core.tenants import Permission
from pages.incident import sections
from pages.incident.opened import opened
from pages.incident.sentence import sentence
from pages.kit import address, incidents, kept, layout, links, ranges, zones
from pages.kit.choices import tenant_choice
from pages.kit.page import open_page, refusals
from pages.kit.shared import key_of, shared

visit = open_page(
    "Incident",
    "What went wrong, for whom, why, and what it cost.",
    needs=Permission.GENERATIONS_READ,
    takes={"tenant": address.TENANT, **ranges.TAKES},
)
with visit.controls:
    tenant = tenant_choice(visit)
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    chosen = ranges.choice(visit, zone)
    window = chosen.window(visit.now, zone)
    is_too_long = window.ends_at - window.starts_at > LONGEST


def listed() -> None:
    """List what stands out of a time that has a name, or is too long to be one incident."""
    tenant_id = tenant.id if tenant else None
    asked = (tenant_id, zone, key_of(chosen, window))
    found = shared(
        visit, "clusters", window, asked, lambda: visit.runtime.reports.clusters(visit.principal, window, tenant_id)
    )
    if is_too_long and chosen.span:
        st.caption(f"An incident is at most {LONGEST.days} days long; this is more. Open a part of it.")
    if window.ends_at - window.starts_at > MOST_SEARCHED:
        st.caption(f"Of so long a time the last {MOST_SEARCHED.days} days are looked at.")
    if found:
        within = f"Where much more than usual went wrong {ranges.within(chosen, zone)}, the worst first."
        with layout.card("Out of the ordinary", key="clusters_card", help=within, stretch=False):
            for one in found:
                st.markdown(incidents.told(one, zone, tenant.name if tenant else None))
        return
    with layout.empty(
        f"Nothing stands out {ranges.within(chosen, zone)}",
        "No hour and no day of it has much more than usual of what can go wrong.",
        icon=":material/check_circle:",
    ):
        if not is_too_long:
            place = incidents.of_time(window.starts_at, window.ends_at, tenant.name if tenant else None)
            st.markdown(links.to("Open all of it", place))


def body() -> None:
    """Draw everything under the head."""
    with refusals("The figures cannot be read."):
        kept.note(visit, window, tenant.id if tenant else None)
        if chosen.span is None or is_too_long:
            listed()
            return
        shown = opened(visit, window, tenant, zone)
        if shown.incident.figures.calls or shown.incident.usual.middle.calls:
            st.markdown(sentence(shown))
            sections.draw(shown)
        else:
            layout.empty(
                f"No calls {ranges.within(chosen, zone)}",
                "Nothing was called in this time, nor is anything usually. Choose another one.",
                icon=":material/bedtime:",
            )


body()

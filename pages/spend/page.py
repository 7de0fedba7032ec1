"""Spend: what the money bought, what was thrown away, what caches saved, and what is to come."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.kit import address, formats, layout, ranges, zones
from pages.kit.choices import tenant_choice
from pages.kit.markup import plain
from pages.kit.page import open_page, refusals
from pages.kit.tiles import draw
from pages.spend import charts, figures, panels, tables, tiles

visit = open_page(
    "Spend",
    "What the money bought, and what is to come.",
    needs=Permission.BUDGETS_READ,
    takes={
        "tenant": address.TENANT,
        **ranges.TAKES,
        "stacked": address.one_of(charts.KINDS),
        "cut": address.one_of(tables.KINDS),
    },
)
with visit.controls:
    tenant = tenant_choice(visit)
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    chosen = ranges.choice(visit, zone)


def start() -> None:
    """Say what to do where nothing was ever called."""
    with layout.empty(
        "Nothing spent yet" if tenant is None else f"Nothing spent by {plain(tenant.name)} yet",
        "Each attempt of each call shows up here with what it cost and what it bought, to the nano-dollar.",
        icon=":material/payments:",
    ):
        st.page_link("playground/page.py", label="Open the playground", icon=":material/data_object:")
        st.page_link("tenants/page.py", label="Set a budget", icon=":material/apartment:")


def body() -> None:
    """Draw everything under the head."""
    with refusals("The figures cannot be read."):
        reports, now = visit.runtime.reports, visit.runtime.clock.now()
        latest = reports.latest_call_at(visit.principal, tenant.id if tenant else None)
        if latest is None:
            start()
            return
        found = figures.figures(visit, now, chosen, tenant)
        draw(tiles.tiles(found, ranges.before(chosen)))
        if found.spend.total.calls:
            panels.draw(found, chosen)
        else:
            layout.empty(
                f"No calls {ranges.within(chosen, zone)}",
                f"The latest began {formats.ago(latest, now)}. Choose a longer range to see what it cost.",
                icon=":material/bedtime:",
            )
            panels.books(found)
        window = found.spend.window
        st.caption(
            f"{formats.plural(found.spend.total.calls, 'call')} that began {ranges.told(window, chosen)} · "
            f"times in {zones.name(window.zone)} · "
            f"as of {formats.moment(found.spend.as_of, window.zone, seconds=True)}"
        )


body()

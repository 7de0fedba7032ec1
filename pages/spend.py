"""Spend: what the money bought, what was thrown away, what caches saved, and what is to come."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages import _figures, _formats, _parts, _spend_figures, _spend_panels, _spend_tiles

visit = _parts.page("Spend", "What the money bought, and what is to come.", needs=Permission.BUDGETS_READ)
with visit.controls:
    tenant = _parts.tenant_choice(visit, key="of")
    hours = _figures.range_choice(key="last")


def start() -> None:
    """Say what to do where nothing was ever called."""
    with _parts.empty(
        "Nothing spent yet" if tenant is None else f"Nothing spent by {_parts.plain(tenant.name)} yet",
        "Each attempt of each call shows up here with what it cost and what it bought, to the nano-dollar.",
        icon=":material/payments:",
    ):
        st.page_link("playground.py", label="Open the playground", icon=":material/data_object:")
        st.page_link("tenants.py", label="Set a budget", icon=":material/apartment:")


def body() -> None:
    """Draw everything under the head."""
    with _parts.refusals("The figures cannot be read."):
        reports, now = visit.runtime.reports, visit.runtime.clock.now()
        latest = reports.latest_call_at(tenant.id if tenant else None)
        if latest is None:
            start()
            return
        found = _spend_figures.figures(reports, now, hours, tenant)
        _spend_tiles.draw_tiles(found, _figures.range_name(hours))
        if found.spend.total.calls:
            _spend_panels.draw(found, hours)
        else:
            _parts.empty(
                f"No calls in the last {_figures.range_name(hours)}",
                f"The latest began {_formats.ago(latest, now)}. Choose a longer range to see what it cost.",
                icon=":material/bedtime:",
            )
            _spend_panels.books(found)
        window = found.spend.window
        st.caption(
            f"{_formats.plural(found.spend.total.calls, 'call')} that began from "
            f"{_formats.moment(window.starts_at, window.zone)} on · times in {window.zone.replace('_', ' ')} · "
            f"as of {_formats.moment(found.spend.as_of, window.zone, seconds=True)}"
        )


body()

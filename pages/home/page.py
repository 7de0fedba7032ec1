"""Home: calls, latency, errors, validity and spend at a glance."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from core.tenants import Permission
from pages.home import panels, tiles
from pages.home.troubles import troubles
from pages.kit import figures, formats, layout
from pages.kit.choices import range_choice, range_name, tenant_choice
from pages.kit.markup import plain
from pages.kit.page import open_page, refusals

REFRESH_SECONDS = 15

visit = open_page("Home", "How structured calls fare, at a glance.", needs=Permission.GENERATIONS_READ)
with visit.controls:
    tenant = tenant_choice(visit, key="of")
    hours = range_choice(key="last")
    live = st.toggle("Live", value=True, key="live", bind="query-params", help=f"Anew every {REFRESH_SECONDS} s")


def start() -> None:
    """Say what to do where nothing was ever called."""
    if visit.runtime.demo.status.phase == "making":
        layout.empty(
            "The demo world is being made",
            "Thirty days of calls, made by the real corridor; the first of them show up here in a moment.",
            icon=":material/science:",
        )
        return
    with layout.empty(
        "No calls yet" if tenant is None else f"No calls of {plain(tenant.name)} yet",
        "Try a schema in the playground, or call the API with a tenant's key. Every call shows up here within seconds, "
        "with each attempt behind it.",
        icon=":material/rocket_launch:",
    ):
        st.page_link("playground/page.py", label="Open the playground", icon=":material/data_object:")
        st.page_link("tenants/page.py", label="Make a tenant and a key", icon=":material/key:")
    settings = visit.runtime.settings
    st.code(
        f"curl http://{settings.host}:{settings.port}/v1/generate \\\n"
        '  -H "Authorization: Bearer $PROCTOR_KEY" -H "Content-Type: application/json" \\\n'
        '  -d \'{"schema": "support_ticket", "input": "The export button does nothing since this morning."}\'',
        language="bash",
    )


def alert() -> None:
    """Warn, if something is wrong now."""
    found = troubles(visit, tenant.id if tenant else None)
    if found:
        more = "".join(f"\n- **{plain(one.headline)}**: {plain(one.sentence)}" for one in found[1:])
        st.warning(plain(found[0].sentence) + more, title=plain(found[0].headline), icon=":material/warning:")


def body() -> None:
    """Draw everything under the head."""
    with refusals("The figures cannot be read."):
        reports, now = visit.runtime.reports, visit.runtime.clock.now()
        latest = reports.latest_call_at(tenant.id if tenant else None)
        if latest is None:
            start()
            return
        overview = figures.overview(reports, now, hours, tenant)
        alert()
        tiles.draw_tiles(overview, range_name(hours))
        if overview.totals.calls:
            panels.draw(overview, hours, tenant)
        else:
            layout.empty(
                f"No calls in the last {range_name(hours)}",
                f"The latest began {formats.ago(latest, now)}. Choose a longer range to see it.",
                icon=":material/bedtime:",
            )
        zone = overview.window.zone
        st.caption(
            f"{formats.plural(overview.totals.calls, 'call')} that began from "
            f"{formats.moment(overview.window.starts_at, zone)} on · times in {zone.replace('_', ' ')} · "
            f"as of {formats.moment(overview.as_of, zone, seconds=True)}"
            + (f" · anew every {REFRESH_SECONDS} s" if live else "")
        )


st.fragment(body, run_every=timedelta(seconds=REFRESH_SECONDS) if live else None)()

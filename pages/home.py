"""Home: calls, latency, errors, validity and spend at a glance."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from core.tenants import Permission
from pages import _breakers, _figures, _formats, _home_panels, _home_tiles, _limits, _parts

REFRESH_SECONDS = 15

visit = _parts.page("Home", "How structured calls fare, at a glance.", needs=Permission.GENERATIONS_READ)
with visit.controls:
    tenant = _parts.tenant_choice(visit, key="of")
    hours = _figures.range_choice(key="last")
    live = st.toggle("Live", value=True, key="live", bind="query-params", help=f"Anew every {REFRESH_SECONDS} s")


def start() -> None:
    """Say what to do where nothing was ever called."""
    if visit.runtime.demo.status.phase == "making":
        _parts.empty(
            "The demo world is being made",
            "Thirty days of calls, made by the real corridor; the first of them show up here in a moment.",
            icon=":material/science:",
        )
        return
    with _parts.empty(
        "No calls yet" if tenant is None else f"No calls of {_parts.plain(tenant.name)} yet",
        "Try a schema in the playground, or call the API with a tenant's key. Every call shows up here within seconds, "
        "with each attempt behind it.",
        icon=":material/rocket_launch:",
    ):
        st.page_link("playground.py", label="Open the playground", icon=":material/data_object:")
        st.page_link("tenants.py", label="Make a tenant and a key", icon=":material/key:")
    settings = visit.runtime.settings
    st.code(
        f"curl http://{settings.host}:{settings.port}/v1/generate \\\n"
        '  -H "Authorization: Bearer $PROCTOR_KEY" -H "Content-Type: application/json" \\\n'
        '  -d \'{"schema": "support_ticket", "input": "The export button does nothing since this morning."}\'',
        language="bash",
    )


def alert() -> None:
    """Warn, if something is wrong now."""
    troubles = visit.runtime.reports.troubles(tenant.id if tenant else None)
    lines = [(trouble.headline, trouble.sentence) for trouble in troubles]
    lines = _limits.troubles(visit) + _breakers.troubles(visit) + lines
    if lines:
        headline, sentence = lines[0]
        more = "".join(f"\n- **{_parts.plain(title)}**: {_parts.plain(rest)}" for title, rest in lines[1:])
        st.warning(_parts.plain(sentence) + more, title=_parts.plain(headline), icon=":material/warning:")


def body() -> None:
    """Draw everything under the head."""
    with _parts.refusals("The figures cannot be read."):
        reports, now = visit.runtime.reports, visit.runtime.clock.now()
        latest = reports.latest_call_at(tenant.id if tenant else None)
        if latest is None:
            start()
            return
        overview = _figures.overview(reports, now, hours, tenant)
        alert()
        _home_tiles.draw_tiles(overview, _figures.range_name(hours))
        if overview.totals.calls:
            _home_panels.draw(overview, hours, tenant)
        else:
            _parts.empty(
                f"No calls in the last {_figures.range_name(hours)}",
                f"The latest began {_formats.ago(latest, now)}. Choose a longer range to see it.",
                icon=":material/bedtime:",
            )
        zone = overview.window.zone
        st.caption(
            f"{_formats.plural(overview.totals.calls, 'call')} that began from "
            f"{_formats.moment(overview.window.starts_at, zone)} on · times in {zone.replace('_', ' ')} · "
            f"as of {_formats.moment(overview.as_of, zone, seconds=True)}"
            + (f" · anew every {REFRESH_SECONDS} s" if live else "")
        )


st.fragment(body, run_every=timedelta(seconds=REFRESH_SECONDS) if live else None)()

"""Traffic: any figure over any time, by anything that tells calls apart, and what is different where it differs."""

from __future__ import annotations

import zlib
from datetime import timedelta

import streamlit as st

from core.errors import ProctorError
from core.tenants import Permission
from pages.kit import address, formats, kept, layout, ranges, zones
from pages.kit.choices import tenant_choice
from pages.kit.markup import plain
from pages.kit.page import name_tab, open_page, refusals
from pages.kit.shared import refresh_seconds, refresh_told
from pages.traffic import course, groups
from pages.traffic.asked import AROUND, AT, HERE, TAKES, Q, TrafficView, unpick
from pages.traffic.figures import course as course_of

visit = open_page(
    "Traffic",
    "How calls go, by anything that tells them apart.",
    needs=Permission.GENERATIONS_READ,
    takes=TAKES,
)
with visit.controls:
    tenant = tenant_choice(visit, on_change=unpick)
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    chosen = ranges.choice(visit, zone, on_change=unpick)
    shown = chosen.window(visit.now, zone)
    live = st.toggle("Live", value=True, key="live", bind="query-params", help=f"Refreshes every {refresh_told(shown)}")
address.follow(visit, Q, "")
text = st.text_input(
    "Only",
    key=Q,
    type="search",
    placeholder="Only: model:openai/gpt-4o outcome:(invalid OR timeout) -route:default",
    label_visibility="collapsed",
    help="As on *Calls*, by tenant, provider, model, route, schema, version, key, outcome and error.",
    on_change=unpick,
)
address.write(visit, Q, text, "")
if text:
    name_tab(visit, text)


with refusals("Which calls are kept cannot be read."):
    kept.note(visit, shown, tenant.id if tenant else None)


def asked() -> TrafficView:
    """Return what is asked for at this moment."""
    window = chosen.window(visit.runtime.clock.now(), zone)
    return TrafficView(tenant=tenant, chosen=chosen, window=window, q=text.strip())


def key_of(one: TrafficView) -> str:
    """Return what keeps a chart of this view apart from others, so that what was dragged over or clicked is of it."""
    picked = [st.query_params.get(name, "") for name in (AROUND, HERE, AT)]
    return f"{zlib.crc32(repr((one.chosen, one.tenant_id, one.zone, one.q, picked)).encode()):08x}"


def start() -> None:
    """Say what to do where nothing was ever called."""
    with layout.empty(
        "No calls yet" if tenant is None else f"No calls of {plain(tenant.name)} yet",
        "Every call shows up here within seconds, by tenant, model, route and schema.",
        icon=":material/monitoring:",
    ):
        st.page_link("playground/page.py", label="Open the playground", icon=":material/data_object:")
        st.page_link("tenants/page.py", label="Make a tenant and a key", icon=":material/key:")


def nothing(one: TrafficView) -> None:
    """Say that nothing passes, and what to do."""
    latest = visit.runtime.reports.latest_call_at(visit.principal, one.tenant_id)
    ago = f"The latest call began {formats.ago(latest, visit.now)}." if latest else ""
    what = "Take out a term of the search, or choose a longer range." if one.q else "Choose a longer range to see it."
    layout.empty(f"No calls {ranges.within(one.chosen, zone)}", f"{ago} {what}", icon=":material/bedtime:")


def over_time() -> None:
    """Draw all that is not by groups."""
    with refusals("The figures cannot be read."):
        one = asked()
        if visit.runtime.reports.latest_call_at(visit.principal, one.tenant_id) is None:
            start()
            return
        found = course_of(visit, one)
        if not found.totals.now.total.whole.figures.calls:
            nothing(one)
            return
        course.draw(visit, one, found, key_of(one))


def by_groups() -> None:
    """Draw what is by groups."""
    one = asked()
    try:
        found = course_of(visit, one)
    except ProctorError:
        return  # said above
    if not found.totals.now.total.whole.figures.calls:
        return
    with refusals("The groups cannot be compared."):
        groups.draw(visit, one, key_of(one))
        as_of = formats.moment(found.totals.now.as_of, zone, seconds=True)
        again = f" · refreshes every {refresh_told(one.window)}" if live else ""
        st.caption(
            f"{formats.plural(found.totals.now.total.whole.figures.calls, 'call')} that began "
            f"{ranges.told(one.window, chosen)} · times in {zones.name(zone)} · as of {as_of}{again}"
        )


every = timedelta(seconds=refresh_seconds(shown)) if live else None
st.fragment(over_time, run_every=every)()
st.fragment(by_groups, run_every=every)()

"""Home: calls, latency, errors, validity and spend at a glance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from core.reports import ENOUGH, Overview
from core.tenants import Permission
from pages import _charts, _figures, _formats, _home_tiles, _parts

REFRESH_SECONDS = 15
MOST_CHANGES = 8

visit = _parts.page("Home", "How structured calls fare, at a glance.", needs=Permission.GENERATIONS_READ)
with visit.controls:
    tenant = _parts.tenant_choice(visit, key="of")
    hours = _figures.range_choice(key="last")
    live = st.toggle("Live", value=True, key="live", bind="query-params", help=f"Anew every {REFRESH_SECONDS} s")


def start() -> None:
    """Say what to do where nothing was ever called."""
    base = f"http://{visit.runtime.settings.host}:{visit.runtime.settings.port}"
    with _parts.empty(
        "No calls yet" if tenant is None else f"No calls of {_parts.plain(tenant.name)} yet",
        "Try a schema in the playground, or call the API with a tenant's key. Every call shows up here within seconds, "
        "with each attempt behind it.",
        icon=":material/rocket_launch:",
    ):
        st.page_link("playground.py", label="Open the playground", icon=":material/data_object:")
        st.page_link("tenants.py", label="Make a tenant and a key", icon=":material/key:")
    st.code(
        f'curl {base}/v1/generate -H "Authorization: Bearer $PROCTOR_KEY" -H "Content-Type: application/json" \\\n'
        '  -d \'{"schema": "support_ticket", "input": "The export button does nothing since this morning."}\'',
        language="bash",
    )


def alert() -> None:
    """Warn, if something is wrong now."""
    troubles = visit.runtime.reports.troubles(tenant.id if tenant else None)
    lines = [(trouble.headline, trouble.sentence) for trouble in troubles]
    for breaker in visit.runtime.breakers.views():
        if breaker.state != "closed":
            name = f"{breaker.provider}/{breaker.model}"
            said = f"Its breaker is {breaker.state}: calls go to the next candidate until a probe succeeds."
            lines.insert(0, (f"{name} is failing", said))
    if lines:
        headline, sentence = lines[0]
        more = "".join(f"\n- **{_parts.plain(title)}**: {_parts.plain(rest)}" for title, rest in lines[1:])
        st.warning(_parts.plain(sentence) + more, title=_parts.plain(headline), icon=":material/warning:")


def open_calls(**filters: str) -> None:
    """Open the calls behind what was clicked: of the same time and tenant, unless *filters* name others."""
    here = {"range": _figures.range_label(hours)} | ({"tenant": tenant.name} if tenant else {})
    st.switch_page("calls.py", query_params=here | filters)


def latency(overview: Overview) -> None:
    """Draw latency over time."""
    log = (
        " The scale is logarithmic, as a few points stand far above the rest."
        if _charts.latency_scale(overview) == "log"
        else ""
    )
    with _parts.card(
        "Latency percentiles",
        key="latency_card",
        help="From the door to the record, of calls that reached a provider. Exact percentiles. Pale where a point "
        f"rests on fewer than {ENOUGH} calls. Dotted: the p95 of the period before. Triangles: changes.{log}",
    ):
        _charts.draw_latency(overview)


def heat(overview: Overview) -> None:
    """Draw where errors happened."""
    with _parts.card(
        "Error rate by tenant",
        key="heat_card",
        help=f"Errors among calls that ended by themselves. Pale: fewer than {_charts.FEW} of them. Empty: none. "
        "Click a cell to see its calls.",
    ):
        picked = _charts.draw_heat(overview)
    if picked:
        ends = picked.begins + int(overview.window.cell.total_seconds())
        open_calls(tenant=picked.tenant, outcome="Any error", between=f"{picked.begins}-{ends}")


def spend(overview: Overview) -> None:
    """Draw who spends."""
    with _parts.card(
        "Spend by tenant" if tenant is None else "Spend", key="spend_card", help="At the prices frozen on each attempt."
    ):
        _charts.draw_spend(overview)


def outcomes(overview: Overview) -> None:
    """Draw how calls ended."""
    with _parts.card("Calls by outcome", key="outcomes_card", help="How the calls that began in each bar ended."):
        _charts.draw_outcomes(overview)


def tenants(overview: Overview) -> None:
    """Draw how each tenant fares."""
    with _parts.card("Tenants", key="tenants_card", help="Click a row to see the tenant's calls."):
        chosen = _home_tiles.draw_tenants(overview)
    if chosen:
        open_calls(tenant=chosen)


def fields(overview: Overview) -> None:
    """Draw which fields fail."""
    row = None
    with _parts.card(
        "Fields that fail most",
        key="fields_card",
        help="Validation errors in all attempts, by field and rule; positions in lists are merged. *Repaired*: the "
        "call ended valid after all. Click a row to see the calls.",
    ):
        if overview.fields.empty:
            st.caption("No answer broke its schema in this window.")
        else:
            row = _home_tiles.draw_fields(overview)
    if row is not None:
        open_calls(schema=row["schema"], field=row["path"])


def changes(overview: Overview) -> None:
    """List what changed."""
    with _parts.card("Changes", key="changes_card", help="What operators and breakers changed in this window."):
        if not overview.changes:
            st.caption("Nothing was changed in this window.")
        for change in overview.changes[:MOST_CHANGES]:
            at = _formats.moment(change.at, overview.window.zone)
            st.markdown(f":gray[{at}] :gray-badge[{_parts.plain(change.kind)}] {_parts.plain(change.summary)}")
        if len(overview.changes) > MOST_CHANGES:
            st.caption(f"and {len(overview.changes) - MOST_CHANGES} more before these")


def panels(overview: Overview) -> None:
    """Draw every panel in its place."""
    rows: list[tuple[list[int], list[Any]]] = [([8, 5], [latency, heat]), ([1], [tenants]), ([1, 1], [spend, outcomes])]
    if tenant is not None:  # what compares tenants says nothing about one
        rows = [([8, 5], [latency, outcomes])]
    rows.append(([8, 5], [fields, changes] if tenant is None else [fields, spend]))
    if tenant is not None:
        rows.append(([1], [changes]))
    for widths, drawn in rows:
        for column, draw in zip(st.columns(widths, gap="small"), drawn, strict=True):
            with column:
                draw(overview)


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
            panels(overview)
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

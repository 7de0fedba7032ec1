"""The list of schemas: their versions in use, how each fares, and the way to one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from core.reports.ranges import Range
from core.schemas import SchemaSummary, version_name
from core.tenants import Permission
from pages.kit import address, formats, layout, links, ranges, saving, version_figures, zones
from pages.kit.choices import tenant_choice
from pages.kit.exports import export
from pages.kit.frames import grid
from pages.kit.page import Visit
from pages.schemas import files, lines, save

COLUMNS = st.column_config
PER_PAGE = 25
"""Schemas on one page."""
MOST_VERSIONS = 8
"""Lines of one schema in the list; its own page, and the export, have them all."""


def first_page() -> None:
    """Go back to the first page, as the list is another one now."""
    st.session_state["page"] = 1


def scope(visit: Visit) -> tuple[Range, str, str | None]:
    """Ask for which time and whose calls; return the time, the zone of its days, and the tenant's id."""
    with visit.controls:
        tenant = tenant_choice(visit, on_change=first_page) if visit.may(Permission.TENANTS_READ) else None
        zone = zones.shown(tenant.timezone if tenant else "UTC")
        chosen = ranges.choice(visit, zone, first_page)
    return chosen, zone, tenant.id if tenant else None


def opened() -> None:
    """Open the version whose row was clicked."""
    places: list[tuple[str, int]] = st.session_state["schemas_on_page"]
    cells: Any = st.session_state["schemas_table"].selection.cells
    if cells and cells[0][0] < len(places):
        row: int = cells[0][0]
        name, version = places[row]
        address.enter("schema", name, version=str(version))


def draw(visit: Visit) -> None:
    """Draw the list."""
    chosen, zone, tenant_id = scope(visit)
    if saving.is_allowed(visit):
        with visit.controls:
            if st.button("New schema", icon=":material/add:", key="new_schema"):
                save.dialog(visit, None)
    schemas = visit.runtime.schemas.list(visit.principal)
    if not schemas:
        row = layout.empty(
            "No schemas yet",
            "A schema says what an answer must look like. Paste one here, or add one with "
            "`proctor schema add NAME FILE`.",
            icon=":material/schema:",
        )
        with row:
            st.page_link("playground/page.py", label="Try one in the playground", icon=":material/data_object:")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filters"):
        text = st.text_input(
            "Name",
            key="text",
            type="search",
            bind="query-params",
            placeholder="Name or description",
            label_visibility="collapsed",
            width=220,
            on_change=first_page,
        )
        sort = st.selectbox(
            "Sort", lines.SORTS, key="sort", bind="query-params", label_visibility="collapsed", width=150,
            on_change=first_page,
        )  # fmt: skip
    passing = lines.passing(schemas, text or "")
    if not passing:
        layout.empty("No such schema", "No name or description holds this text.", icon=":material/search_off:")
        return
    found: lines.Figures = {}
    since: datetime | None = None
    if sort != lines.BY_NAME:
        found, since = version_figures.of_newest(visit, chosen, tenant_id, zone)
    wanted = files.SchemaList(text or "", sort, chosen.window(visit.now, zone), tenant_id)
    _table(visit, lines.ordered(passing, found, sort), chosen, wanted)
    if since:
        st.caption(f":material/sort: {sort}: by {_newest(since)}.")


def _newest(since: datetime) -> str:
    return f"the newest {formats.count(version_figures.MOST_SUMMED)} calls, since {zones.told(since)}"


def _table(visit: Visit, schemas: Sequence[SchemaSummary], chosen: Range, wanted: files.SchemaList) -> None:
    """Draw a page of the *schemas* that were *wanted*; what their calls say is asked of those on it alone."""
    above = st.container()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        said = st.container(width="content")
        pages = -(-len(schemas) // PER_PAGE)
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        export(
            "Export CSV",
            files.LIST,
            wanted,
            name=f"schemas-{visit.now:%Y%m%d-%H%M}.csv",
            help="All schemas of this list, a row for each version in use, by all calls of the range.",
        )
    on_page = schemas[(number - 1) * PER_PAGE : number * PER_PAGE]
    zone, names = wanted.window.zone, tuple(one.name for one in on_page)
    found, since = version_figures.of_newest(visit, chosen, wanted.tenant_id, zone, names)
    calls = f"{_newest(since)}, of these schemas" if since else f"calls {ranges.within(chosen, zone)}"
    said.caption(
        f"{formats.plural(len(schemas), 'schema')} · {calls} · versions that are the newest, have a label or were "
        "called · click a row to open it"
    )
    shown = lines.frame(lines.listed(on_page, found), found, MOST_VERSIONS)
    st.session_state["schemas_on_page"] = list(zip(shown["schema"], shown["version"], strict=True))
    with above:
        grid(
            shown.assign(valid=shown["valid"].astype("float64") * 100).drop(columns=["unpriced", "versions"]),
            most_rows=PER_PAGE,
            key="schemas_table",
            on_pick=opened,
            opens=lambda row: links.of_schema(
                version_name(str(shown["schema"].iloc[row]), int(shown["version"].iloc[row]))
            ),
            alt="Schemas and their versions in use",
            columns={
                "schema": COLUMNS.TextColumn("Schema", width=140, pinned=True),
                "version": COLUMNS.NumberColumn("Version", width=56),
                "labels": COLUMNS.TextColumn("Labels", width=84),
                "calls": COLUMNS.NumberColumn("Calls", format="localized", width=60),
                "valid": COLUMNS.NumberColumn(
                    "Valid", format="%.1f%%", width=74, help="Valid objects among the calls that reached a provider"
                ),
                "cost_per_valid_usd": COLUMNS.NumberColumn(
                    "Cost per valid", format="$%.5f", width=110, help="All spend over valid objects, as far as priced"
                ),
                "description": COLUMNS.TextColumn("Description"),
            },
        )

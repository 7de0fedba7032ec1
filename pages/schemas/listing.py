"""The list of schemas: their versions in use, how each fares, and the way to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import streamlit as st

from core.pricing import usd
from core.reports import VersionFigures, Window
from core.schemas import SchemaSummary
from core.tenants import Permission
from pages.kit import address, formats, layout, saving, version_figures, zones
from pages.kit.choices import range_choice, range_name, tenant_choice
from pages.kit.exports import export
from pages.kit.frames import Frame, grid, pd
from pages.kit.page import Visit
from pages.schemas import save

COLUMNS = st.column_config
PER_PAGE = 25
"""Schemas on one page."""
MOST_VERSIONS = 8
"""Lines of one schema in the list; its own page, and the export, have them all."""
BY_NAME = "Name"
SORTS = (BY_NAME, "Most calls", "Least valid", "Dearest")
Figures = Mapping[tuple[str, int], VersionFigures]


class Listed(NamedTuple):
    """A schema, and those of its versions that are worth a line."""

    summary: SchemaSummary
    versions: Sequence[int]
    """The newest, those with a label and those that were called; the newest first."""


def first_page() -> None:
    """Go back to the first page, as the list is another one now."""
    st.session_state["page"] = 1


def scope(visit: Visit) -> tuple[int, str | None]:
    """Ask for which time and whose calls; return the hours and the tenant's id."""
    with visit.controls:
        tenant = tenant_choice(visit, on_change=first_page) if visit.may(Permission.TENANTS_READ) else None
        hours = range_choice(visit, on_change=first_page)
    return hours, tenant.id if tenant else None


def listed(schemas: Sequence[SchemaSummary], found: Figures) -> list[Listed]:
    """Return the schemas with their versions in use."""
    called = _called(found)
    return [
        Listed(one, sorted({one.latest, *one.labels.values(), *called.get(one.name, ())}, reverse=True))
        for one in schemas
    ]


def ordered(schemas: Sequence[SchemaSummary], found: Figures, sort: str) -> list[SchemaSummary]:
    """Return schemas in the order that *sort* names; by name where it does not tell them apart."""
    called = _called(found)

    def weight(schema: SchemaSummary) -> float:
        ours = [found[schema.name, version] for version in called.get(schema.name, ())]
        if sort == SORTS[1]:
            return -sum(one.calls for one in ours)
        if sort == SORTS[2]:
            return min((one.validity for one in ours if one.validity is not None), default=2.0)
        return -max((one.cost_per_valid_nano_usd or 0 for one in ours), default=0)

    by_name = sorted(schemas, key=lambda schema: schema.name)
    return by_name if sort == BY_NAME else sorted(by_name, key=weight)


def _called(found: Figures) -> Mapping[str, Sequence[int]]:
    called: dict[str, list[int]] = {}
    for name, version in found:
        called.setdefault(name, []).append(version)
    return called


def frame(rows: Sequence[Listed], found: Figures, most: int | None = None) -> Frame:
    """Return one row per version, at most so many of a schema: as the grid shows it, and as it is exported."""
    lines: list[dict[str, Any]] = []
    for row in rows:
        for version in row.versions[:most]:
            one = found.get((row.summary.name, version))
            labels = [label for label, number in row.summary.labels.items() if number == version]
            lines.append(
                {
                    "schema": row.summary.name,
                    "version": version,
                    "labels": ", ".join(labels),
                    "calls": one.calls if one else 0,
                    "valid": one.validity if one else None,
                    "cost_per_valid_usd": usd(one.cost_per_valid_nano_usd) if one else None,
                    "unpriced": one.unpriced if one else 0,
                    "versions": row.summary.versions,
                    "description": row.summary.description,
                }
            )
    columns = [
        "schema",
        "version",
        "labels",
        "calls",
        "valid",
        "cost_per_valid_usd",
        "unpriced",
        "versions",
        "description",
    ]
    return pd.DataFrame(lines, columns=columns)


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
    hours, tenant_id = scope(visit)
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
            "Sort", SORTS, key="sort", bind="query-params", label_visibility="collapsed", width=150,
            on_change=first_page,
        )  # fmt: skip
    wanted = (text or "").strip().lower()
    passing = [one for one in schemas if wanted in f"{one.name} {one.description}".lower()]
    if not passing:
        layout.empty("No such schema", "No name or description holds this text.", icon=":material/search_off:")
        return
    found: Figures = {}
    since: datetime | None = None
    if sort != BY_NAME:
        found, since = version_figures.of_newest(visit, hours, tenant_id)
    _table(visit, ordered(passing, found, sort), hours, tenant_id)
    if since:
        st.caption(f":material/sort: {sort}: by {_newest(since)}.")


def _newest(since: datetime) -> str:
    return f"the newest {formats.count(version_figures.MOST_SUMMED)} calls, since {zones.told(since)}"


def _table(visit: Visit, schemas: Sequence[SchemaSummary], hours: int, tenant_id: str | None) -> None:
    """Draw a page of the *schemas*; what their calls say is asked of those on it alone."""
    above = st.container()

    principal, reads = visit.principal, visit.may(Permission.GENERATIONS_READ)

    def every() -> bytes:
        window = Window.last(timedelta(hours=hours), visit.now)
        told = visit.runtime.reports.schemas(principal, window, tenant_id) if reads else ()
        found = {(one.schema, one.version): one for one in told}
        return formats.csv(frame(listed(schemas, found), found))

    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        said = st.container(width="content")
        pages = -(-len(schemas) // PER_PAGE)
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        export(
            "Export CSV",
            every,
            name=f"schemas-{visit.now:%Y%m%d-%H%M}.csv",
            key="schemas",
            help="All schemas of this list, a row for each version in use, by all calls of the range.",
        )
    on_page = schemas[(number - 1) * PER_PAGE : number * PER_PAGE]
    found, since = version_figures.of_newest(visit, hours, tenant_id, tuple(one.name for one in on_page))
    calls = f"{_newest(since)}, of these schemas" if since else f"calls of the last {range_name(hours)}"
    said.caption(
        f"{formats.plural(len(schemas), 'schema')} · {calls} · versions that are the newest, have a label or were "
        "called · click a row to open it"
    )
    shown = frame(listed(on_page, found), found, MOST_VERSIONS)
    st.session_state["schemas_on_page"] = list(zip(shown["schema"], shown["version"], strict=True))
    with above:
        grid(
            shown.assign(valid=shown["valid"].astype("float64") * 100).drop(columns=["unpriced", "versions"]),
            most_rows=PER_PAGE,
            key="schemas_table",
            on_pick=opened,
            placeholder=formats.UNKNOWN,
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

"""One schema: its versions, who uses them, what a version says, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.errors import NotFound
from core.pricing import usd
from core.reports import VersionFigures
from core.schemas import VersionSummary, version_name
from core.tenants import Permission
from pages.kit import (
    address,
    checking,
    formats,
    kept,
    label_moves,
    layout,
    links,
    ranges,
    saving,
    version_figures,
    zones,
)
from pages.kit.buttons import button
from pages.kit.frames import grid, pd
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.schemas import listing, moves, save, shapes

COLUMNS = st.column_config
TABS = ("Difference", "Source and schema", "Check an answer")


def draw(visit: Visit, name: str) -> None:
    """Draw the schema *name*, or say that there is none."""
    with visit.controls:
        st.button("All schemas", icon=":material/arrow_back:", key="back", on_click=leave)
    try:
        versions = visit.runtime.schemas.versions(visit.principal, name)
    except NotFound as error:
        with layout.empty("No such schema", plain(error.message), icon=":material/search_off:"):
            st.button("See all schemas", key="leave", on_click=leave)
        return
    when, zone, tenant_id = listing.scope(visit)
    found = version_figures.of_versions(visit, when, tenant_id, name, zone)
    label_moves.undo_row(visit, name)
    if visit.may(Permission.GENERATIONS_READ, tenant_id):  # by which routes a version was called only calls say
        kept.note(visit, when.window(visit.now, zone), tenant_id)
    chosen = _chosen(versions)
    _versions(name, versions, found, ranges.within(when, zone))
    _actions(visit, name, chosen, versions, ranges.parameters(when, zone))
    _used_by(visit, name, found)
    _version(visit, name, chosen, versions)


def leave() -> None:
    """Go back to the list."""
    address.leave("schema", "version", "against", "shown")


def _chosen(versions: Sequence[VersionSummary]) -> int:
    """Return the version that the URL asks for; the newest where it asks for none, or for one that is not there."""
    there = [one.version for one in versions]
    named = st.query_params.get("version")
    if named and not (named.isdecimal() and len(named) < 10 and int(named) in there):
        st.warning(f"There is no version {plain(named[:20])}; shown is the newest.", icon=":material/search_off:")
        named = None
    return int(named) if named else there[0]


def _picked() -> None:
    places: list[int] = st.session_state["versions_listed"]
    cells: Any = st.session_state["versions_table"].selection.cells
    if cells and cells[0][0] < len(places):
        st.query_params["version"] = f"{places[cells[0][0]]}"


def _versions(
    name: str,
    versions: Sequence[VersionSummary],
    found: Mapping[tuple[str, int], VersionFigures],
    when: str,
) -> None:
    with layout.card(
        plain(name),
        key="versions",
        stretch=False,
        help=f"Calls {when}; click a row to open it.",
    ):
        st.session_state["versions_listed"] = [one.version for one in versions]
        figured = [found.get((name, one.version)) for one in versions]
        grid(
            pd.DataFrame(
                {
                    "version": [one.version for one in versions],
                    "labels": [list(one.labels) for one in versions],
                    "calls": [one.calls if one else 0 for one in figured],
                    "valid": [one.validity * 100 if one and one.validity is not None else None for one in figured],
                    "p50": [one.latency.p50 if one else None for one in figured],
                    "cost": [usd(one.cost_per_valid_nano_usd) if one else None for one in figured],
                    "added": [one.created_at for one in versions],
                    "by": [one.created_by for one in versions],
                }
            ),
            key="versions_table",
            on_pick=_picked,
            opens=lambda row: links.of_schema(version_name(name, versions[row].version)),
            most_rows=8,
            alt=f"Versions of {name}",
            columns={
                "version": COLUMNS.NumberColumn("Version", width=64, pinned=True),
                "labels": COLUMNS.ListColumn("Labels", width=104),
                "calls": COLUMNS.NumberColumn("Calls", format="localized", width=60),
                "valid": COLUMNS.NumberColumn("Valid", format="%.1f%%", width=66),
                "p50": COLUMNS.NumberColumn("p50", format="%.0f ms", width=80),
                "cost": COLUMNS.NumberColumn("Cost per valid", format="$%.5f", width=110),
                "added": COLUMNS.DatetimeColumn(
                    "Added",
                    format="MMM D, HH:mm",
                    timezone=zones.shown(),
                    width=110,
                    help=f"Times in {zones.name(zones.shown())}",
                ),
                "by": COLUMNS.TextColumn("By"),
            },
        )


def _actions(visit: Visit, name: str, chosen: int, versions: Sequence[VersionSummary], when: Mapping[str, str]) -> None:
    labels = visit.runtime.schemas.labels(visit.principal, name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="actions"):
        if saving.is_allowed(visit):
            body = visit.runtime.schemas.find(visit.principal, f"{name}@{chosen}").body
            if st.button("Save as version…", icon=":material/save:", key="save"):
                save.dialog(visit, name, shapes.text_of(body))
            if st.button(f"Promote version {chosen}…", icon=":material/arrow_upward:", key="promote"):
                moves.promote(visit, name, chosen, labels)
            missing = "" if labels else "No label to roll back."
            missing = missing or ("" if len(versions) > 1 else "No other version to roll back to.")
            if button("Roll back…", missing=missing, icon=":material/undo:", key="roll_back"):
                moves.roll_back(visit, name, [one.version for one in versions], labels)
        here = {"schema": name, "version": str(chosen)}
        if visit.may(Permission.GENERATIONS_WRITE):
            st.page_link(
                "playground/page.py", label="Open in playground", icon=":material/data_object:", query_params=here
            )
        if visit.may(Permission.GENERATIONS_READ):
            st.page_link(
                "calls/page.py",
                label=f"Calls of version {chosen}",
                icon=":material/receipt_long:",
                query_params=here | {**when},
            )
    moved = [
        f"{plain(one.label)} names version {one.version}, was {one.version_before or 'none'}, "
        f"moved {formats.ago(one.moved_at, visit.now)} by {plain(one.moved_by)}"
        for one in labels
        if one.moved_at
    ]
    if moved:
        st.caption(" · ".join(moved))


def _used_by(visit: Visit, name: str, found: Mapping[tuple[str, int], VersionFigures]) -> None:
    """Say which routes take the schema by themselves, and which its calls went."""
    said: list[str] = []
    if visit.may(Permission.ROUTES_READ):
        own = [one.terms.name for one in visit.runtime.routes.list(visit.principal) if name in one.schemas]
        if own:
            said.append(
                f"Taken by itself by the route {', '.join(map(links.route, own))}, whichever version is asked for."
            )
    for one in found.values():
        if one.routes:
            went = ", ".join(
                f"{links.route(route) if route else 'none'} {formats.count(calls)}"
                for route, calls in one.routes.items()
            )
            said.append(f"Version {one.version}: calls by route {went}.")
    for sentence in said:  # captions are dimmed, and a link in one is too pale
        st.markdown(f":small[{sentence}]")
    if not said:
        st.caption("No call of this time asked for it, and no route takes it by itself.")


def _version(visit: Visit, name: str, chosen: int, versions: Sequence[VersionSummary]) -> None:
    new = visit.runtime.schemas.find(visit.principal, f"{name}@{chosen}")
    with layout.card(f"Version {chosen}", key="version", stretch=False):
        others = [str(one.version) for one in versions if one.version != chosen]
        usual = TABS[0 if others else 1]
        difference, shape, answer = st.tabs(TABS, key="shown", bind="query-params", default=usual)
        with difference:
            if not others:
                st.caption("There is one version only; with the next one, what differs stands here.")
            else:
                older = next((one for one in others if int(one) < chosen), others[0])
                against = st.selectbox(
                    "Compared with version",
                    others,
                    others.index(older),
                    key="against",
                    bind="query-params",
                    width=220,
                )
                shapes.compared(visit.runtime.schemas.find(visit.principal, f"{name}@{against}"), new)
        with shape:
            shapes.said(visit, new)
        with answer:
            checking.check(new, new.reference, new.example_output, key=name, workers=visit.runtime.workers.of(""))

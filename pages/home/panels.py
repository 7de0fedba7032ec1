"""The panels of Home, and where a click on them leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

import streamlit as st

from core.clock import EPOCH
from core.reports import ENOUGH, MOST_HEATED, PERCENTILE_ERROR, Change, Overview
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.home import tables
from pages.home.board import Panels
from pages.kit import charts, formats, layout, marks, ranges, zones
from pages.kit.frames import Picks, go
from pages.kit.links import Destination
from pages.kit.markup import plain

MOST_CHANGES = 8
_MARKS = "Triangles: changes; click one to see it."


@dataclass(frozen=True, slots=True)
class View:
    """What Home shows at the moment."""

    overview: Overview
    panels: Panels
    chosen: Range
    tenant: Tenant | None
    """The one tenant that was chosen, or ``None`` for all."""

    @property
    def here(self) -> dict[str, str]:
        """The time and the tenant, as they stand in addresses."""
        whose = {"tenant": self.tenant.name} if self.tenant else {}
        return ranges.parameters(self.chosen, self.overview.window.zone) | whose

    def calls(self, **filters: str) -> Destination:
        """Return where the calls behind a figure are: of the same time and tenant, unless *filters* name others."""
        return Destination("calls", self.here | filters)


def _latency(view: View) -> None:
    """Draw latency over time."""
    log = (
        " The scale is logarithmic, as a few points stand far above the rest."
        if charts.latency_scale(view.overview) == "log"
        else ""
    )
    with layout.card(
        "Latency percentiles",
        key="latency_card",
        help="From the door to the record, of calls that reached a provider. At most "
        f"{formats.percent(PERCENTILE_ERROR, 1)} off. Pale where a point "
        f"rests on fewer than {ENOUGH} calls. Dotted: the p95 of the period before. {_MARKS}{log}",
    ):
        picked = view.panels.latency.draw(key="latency_chart", picks=(marks.PICKED,))
    marks.follow(picked.get(marks.PICKED), view.here)


def _heat(view: View) -> None:
    """Draw where errors happened."""
    with layout.card(
        "Error rate by tenant",
        key="heat_card",
        help=f"Errors among calls that ended by themselves. Pale: fewer than {charts.FEW} of them. Empty: none. "
        f"Of more than {MOST_HEATED} tenants those with the most errors. Click a cell to see its calls. {_MARKS}",
    ):
        heat = view.panels.heat
        found: Picks = heat.draw(key="heat_chart", picks=("pick", marks.PICKED)) if heat else {}
    marks.follow(found.get(marks.PICKED), view.here)
    if "pick" in found:
        picked, window = charts.cell_of(found["pick"]), view.overview.window
        begins = EPOCH + timedelta(seconds=picked.begins)
        cell = ranges.parameters(Range(span=(begins, window.cell_end(begins))), window.zone)
        go(view.calls(tenant=picked.tenant, outcome="Any error", **cell))


def _spend(view: View) -> None:
    """Draw who spends."""
    with layout.card(
        "Spend by tenant" if view.tenant is None else "Spend",
        key="spend_card",
        help=f"At the prices frozen on each attempt. {_MARKS}",
    ):
        picked = view.panels.spend.draw(key="spend_chart", picks=(marks.PICKED,))
    marks.follow(picked.get(marks.PICKED), view.here)


def _outcomes(view: View) -> None:
    """Draw how calls ended."""
    told = f"How the calls that began in each bar ended. {_MARKS}"
    with layout.card("Calls by outcome", key="outcomes_card", help=told):
        picked = view.panels.outcomes.draw(key="outcomes_chart", picks=(marks.PICKED,))
        st.page_link(
            "traffic/page.py",
            label="Apart by model, schema, route and more",
            icon=":material/ssid_chart:",
            query_params=view.here,
        )
    marks.follow(picked.get(marks.PICKED), view.here)


def _tenants(view: View) -> None:
    """Draw how each tenant fares."""
    with layout.card(
        "Tenants", key="tenants_card", help="Click a row to see the tenant's calls, a name to open its page."
    ):
        tables.draw_tenants(view.panels.tenants, lambda name: view.calls(tenant=name))


def _models(view: View) -> None:
    """Draw how each model fares."""
    told = "Who was asked, in every attempt. Click a row to see what it answered, a name to open the model."
    with layout.card("Models", key="models_card", help=told):
        tables.draw_models(view.panels.models, lambda name: view.calls(model=name))


def _schemas(view: View) -> None:
    """Draw how each version of a schema fares."""
    with layout.card("Schemas", key="schemas_card", help="By version. Click a row to see its calls."):
        tables.draw_schemas(view.panels.schemas, lambda name: view.calls(**_schema(name)))


def _schema(named: str) -> dict[str, str]:
    name, at, version = named.rpartition("@")
    return {"schema": name, "version": version} if at and version.isdecimal() else {"schema": named}


def _fields(view: View) -> None:
    """Draw which fields fail."""
    with layout.card(
        "Fields that fail most",
        key="fields_card",
        help="Validation errors in all attempts, by field and rule; positions in lists are merged. *Repaired*: the "
        "call ended valid after all. Click a row to see the calls.",
    ):
        if view.overview.fields.empty:
            st.caption("No answer broke its schema in this window.")
        else:
            tables.draw_fields(
                view.overview, view.panels.fields, lambda one: view.calls(schema=one.schema, field=one.path)
            )


def _changes(view: View) -> None:
    """List what changed; what changed in one go is told by its first."""
    with layout.card("Changes", key="changes_card", help="What operators and breakers changed in this window."):
        if not view.overview.changes:
            st.caption("Nothing was changed in this window.")
        told = [
            (kind, list(together))
            for (_, kind), together in groupby(view.overview.changes, lambda one: (_minute(view, one), one.kind))
        ]
        for kind, together in told[:MOST_CHANGES]:
            more = f" :gray[and {len(together) - 1} more]" if len(together) > 1 else ""
            zone = view.overview.window.zone
            when, said = marks.link(together[0], zone, view.here), plain(zones.retold_in(together[0].summary, zone))
            st.markdown(f"{when} :gray-badge[{plain(kind)}] {said}{more}")
        left = sum(len(together) for _, together in told[MOST_CHANGES:])
        st.page_link(
            "changes/page.py",
            label=f"All of them; {formats.count(left)} lie before these" if left else "Who decided it, and why",
            icon=":material/history:",
            query_params=view.here,
        )


def _minute(view: View, change: Change) -> str:
    return formats.moment(change.at, view.overview.window.zone)


def draw(overview: Overview, shown: Panels, chosen: Range, tenant: Tenant | None) -> None:
    """Draw every panel in its place; what compares tenants is left out where there is but one."""
    view = View(overview, shown, chosen, tenant)
    if tenant is None:
        rows = [
            ([1], (_tenants,)),
            ([1, 1], (_models, _schemas)),
            ([8, 5], (_latency, _heat)),
            ([1, 1], (_outcomes, _spend)),
            ([8, 5], (_fields, _changes)),
        ]
    else:
        rows = [
            ([8, 5], (_latency, _outcomes)),
            ([1, 1], (_models, _schemas)),
            ([8, 5], (_fields, _spend)),
            ([1], (_changes,)),
        ]
    for widths, panels in rows:
        for column, panel in zip(st.columns(widths, gap="small"), panels, strict=True):
            with column:
                panel(view)

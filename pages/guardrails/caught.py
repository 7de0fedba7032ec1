"""What guardrails caught: figures, a chart over time, and by place, tenant and kind."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.reports import OTHERS, Caught
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.guardrails import files, words
from pages.kit import charts, formats, layout, links, marks, ranges
from pages.kit.colours import colour_of
from pages.kit.exports import export
from pages.kit.frames import Frame, Picture, grid, pd
from pages.kit.page import View, Visit

MOST_COLOURED = 6
"""Guardrails with a colour of their own; the rest is drawn together."""
MOST_SHOWN = 12
_COLUMNS = st.column_config


def draw(visit: Visit, tenant: Tenant | None, chosen: Range, zone: str) -> None:
    """Draw what was caught in what is *chosen*, with times in *zone*."""
    found, picture = _figures(visit, visit.view, chosen, tenant.id if tenant else None, zone)
    _tiles(found)
    whose = {"tenant": tenant.name} if tenant else {}
    if picture is None:
        layout.empty(
            "Nothing was caught",
            f"No guardrail found anything {ranges.within(chosen, zone)}.",
            icon=":material/verified_user:",
            key="nothing_caught",
        )
        return
    wide, narrow = st.columns([5, 7], gap="small")
    with wide, layout.card("Calls with findings", key="caught_card", help=_help(found, zone)):
        picked = picture.draw(key="caught_chart", picks=(marks.PICKED,))
    with narrow:
        _lines(visit, found, ranges.parameters(chosen, zone), tenant)
    marks.follow(picked.get(marks.PICKED), whose)


@st.cache_data(ttl="15s", max_entries=64, show_spinner=False)
def _figures(
    _visit: Visit,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    chosen: Range,
    tenant_id: str | None,
    zone: str,
) -> tuple[Caught, Picture | None]:
    found = _visit.runtime.reports.caught(_visit.principal, chosen.window(_visit.now, zone), tenant_id)
    return found, _picture(found) if found.by_guardrail else None


def _picture(found: Caught) -> Picture:
    series: Frame = found.series
    ordered = [words.name(one.guardrail) for one in found.by_guardrail]
    shown = ordered[:MOST_COLOURED]
    names = (*shown, OTHERS) if len(ordered) > MOST_COLOURED else tuple(shown)
    named = series["guardrail"].map(words.name)
    frame = series.assign(name=named.where(named.isin(shown), OTHERS))
    frame = frame.groupby(["at", "name"], as_index=False)["calls"].sum().rename(columns={"calls": "value"})
    frame = charts.stacked(frame, names)
    frame["shown"] = [formats.plural(int(value), "call") for value in frame["value"]]
    zone = found.window.zone
    return Picture.of(
        marks.with_marks(charts.ranged(frame, found.window), found.changes, zone, within=found.window),
        charts.bars_spec(charts.shown_days(found.window), names, tuple(map(colour_of, names)), "~s", is_counted=True),
        alt=f"Calls with findings over time, stacked by guardrail; {ordered[0]} found something in most",
    )


def _help(found: Caught, zone: str) -> str:
    since = f" Counted from {formats.moment(found.since, zone)} on: there are more than a page looks at." * bool(
        found.since
    )
    return (
        "Calls that began in each bar and in which a guardrail found something; one in which two did is in both. "
        f"Triangles: changes; click one to see it.{since}"
    )


def _tiles(found: Caught) -> None:
    calls = sum(one.calls for one in found.by_guardrail)
    time = found.time
    tiles = (
        ("Findings", formats.count(sum(one.found for one in found.by_guardrail)), "Each once per call and place."),
        (
            "Calls with findings",
            formats.count(calls),
            "By guardrail: a call in which two found something counts for both.",
        ),
        ("Blocked", formats.count(sum(one.blocked for one in found.by_guardrail)), "Calls that a guardrail ended."),
        (
            "Time per call",
            words.brief(time.p50 if time else None),
            f"The median of the newest {time.timed:,} calls, both ways; 95 % took at most {words.brief(time.p95)}, "
            f"the slowest {words.brief(time.slowest)}."
            if time
            else "No call was looked at.",
        ),
    )
    with st.grid(4, min_column_width=150, gap="small"):
        for label, value, told in tiles:
            st.metric(label, value, border=True, help=told, height="stretch")


def _lines(visit: Visit, found: Caught, here: dict[str, str], tenant: Tenant | None) -> None:
    lines: Frame = found.lines
    one_tenant = tenant is not None
    with layout.card(
        "What was found",
        key="lines_card",
        help="Click a row to see its calls. No text is kept of what was found: of a secret its length, and what all of "
        "its vendor's begin with.",
    ):
        shown = pd.DataFrame(
            {
                "Guardrail": lines["guardrail"].map(words.name),
                "Tenant": lines["tenant"],
                "What": [kind or words.AS_A_WHOLE for kind in lines["kind"]],
                "Example": lines["example"],
                "Where": [words.where(*row) for row in zip(lines["stage"], lines["place"], strict=True)],
                "Then": lines["action"].map(words.done),
                "Calls": lines["calls"],
                "Times": lines["found"],
            }
        )
        grid(
            shown.drop(columns="Tenant") if one_tenant else shown,
            key="lines_table",
            most_rows=MOST_SHOWN,
            opens=lambda row: _calls_of(lines.iloc[row], here),
            leads={} if one_tenant else {"Tenant": links.of_tenant},
            alt="What guardrails found, by tenant, kind and place",
            columns={
                "Guardrail": _COLUMNS.TextColumn(width=112, pinned=True),
                "What": _COLUMNS.TextColumn(width=150),
                "Calls": _COLUMNS.NumberColumn(format="localized", width=56),
                "Times": _COLUMNS.NumberColumn(format="localized", width=56),
            },
        )
        export(
            "Export CSV",
            files.CAUGHT,
            files.CaughtWanted(
                found.window.starts_at, found.window.ends_at, tenant.id if tenant else None, found.window.zone
            ),
            name=f"guardrails-{visit.now:%Y%m%d-%H%M}.csv",
            help="The counts by guardrail, tenant, kind and place; times in UTC.",
        )


def _calls_of(line: Any, here: dict[str, str]) -> links.Destination:
    filters = {"guardrail": str(line["guardrail"])} if line["guardrail"] else {"outcome": "Blocked: guardrail"}
    filters |= {"found": str(line["kind"])} if line["kind"] else {}
    return links.Destination("calls", here | {"tenant": str(line["tenant"])} | filters)

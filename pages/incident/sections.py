"""What the page shows below its sentence: figures, what failed, whose, what tells the calls apart, what was decided."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.reports import RecordedChange
from core.reports.incidents import LOST_CALLS, Hit, HowMany
from core.schemas import version_name
from pages.incident import files, sentence
from pages.incident.opened import OpenedIncident
from pages.kit import formats, incidents, layout, links, outcomes, zones
from pages.kit.exports import export
from pages.kit.frames import pd, table
from pages.kit.links import Destination
from pages.kit.markup import code, plain
from pages.kit.tiles import Tile
from pages.kit.tiles import draw as draw_tiles

_HEADS = {"lost": "got no object", "asked again": "took several attempts", "slow": "took long"}


def draw(shown: OpenedIncident) -> None:
    """Draw all of it."""
    draw_tiles(_tiles(shown))
    left, right = st.columns([1, 1], gap="small")
    with left:
        _failed(shown)
    with right:
        _in_vain(shown)
    if shown.incident.hit:
        _hit(shown)
    left, right = st.columns([1, 1], gap="small")
    with left:
        _apart(shown)
    with right:
        if shown.tells_changes:
            _changes(shown)
    _foot(shown)


def _tiles(shown: OpenedIncident) -> list[Tile]:
    one, figures, usual = shown.incident, shown.incident.figures, shown.incident.usual
    middle, knows = usual.middle, bool(usual.spans)
    than = f" Beside it what is usual: the middle of the same hours of the {len(usual.spans)} days before."
    cost = "The premium is what they cost beyond what the models asked first would have taken for the same tokens."

    def beside(told: str) -> str:
        return f"usually {told}" if knows else "nothing usual yet"

    rate = one.usual.together.got_object
    return [
        Tile(
            label="Calls",
            value=formats.count(figures.calls),
            beside=beside(formats.count(middle.calls)),
            help=f"Calls that began in this time.{than}",
        ),
        Tile(
            label="Got no object",
            value=formats.count(figures.lost),
            beside=beside(formats.count(middle.lost)),
            help=f"Errors and blocked calls; of the {formats.plural(figures.asked, 'call')} whose callers waited "
            f"{formats.percent(figures.got_object, 1)} got an object, {formats.percent(rate, 1)} of those of the days "
            f"before.{than}",
        ),
        Tile(
            label="Saved by fallback",
            value=formats.count(one.saved.calls),
            beside=_premium_beside(shown),
            help=f"Calls whose object came from another model than the one asked first. {cost}",
        ),
        Tile(
            label="p95 latency",
            value=formats.millis(one.latency.p95),
            beside=beside(formats.millis(usual.latency.p95)),
            help="Of calls that reached a provider. What is usual is the p95 of all those hours together.",
        ),
        Tile(
            label="Spend",
            value=formats.dollars(figures.spend),
            beside=beside(formats.dollars(middle.spent)),
            help=f"What all attempts of these calls cost.{than}",
        ),
        Tile(
            label="Thrown away",
            value=formats.dollars(figures.discarded),
            beside=beside(formats.dollars(middle.discarded)),
            help=f"The part of the spend that bought no answer which the caller got, or an invalid one.{than}",
        ),
    ]


def _premium_beside(shown: OpenedIncident) -> str:
    found = shown.incident.premium
    if not shown.incident.saved.calls:
        return "no call" if shown.incident.figures.lost else "none was needed"
    return "premium unknown" if found.nano_usd is None else f"premium {formats.dollars(found.nano_usd)}"


def _usual(usual: float | None) -> str:
    return formats.UNKNOWN if usual is None else f"{usual:,.0f}"


def _failed(shown: OpenedIncident) -> None:
    one = shown.incident
    with layout.card(
        "How calls ended",
        key="ended_card",
        help="Every outcome, beside what is usual. A number leads to its calls.",
    ):
        rows = [_row(shown, end, f"outcome:{end.which}", outcomes.badge(end.which)) for end in one.outcomes]
        rows += [
            _row(
                shown,
                end,
                f"error:{end.which} outcome:{end.outcome}",
                f"{outcomes.badge(end.outcome)} {code(end.which)}",
            )
            for end in one.codes
            if end.which != end.outcome
        ]
        table(pd.DataFrame(rows, columns=["Ended", "Calls", "Usually"]), alt="How calls ended", hides_index=True)
        for field in one.fields:
            name = version_name(field.schema, field.version)
            failed = shown.calls(formats.plural(field.errors, "error"), schema=field.schema, field=field.path)
            st.markdown(f":small[{code(field.path)} of {links.to(name, links.of_schema(name))}: {failed}]")


def _row(shown: OpenedIncident, end: HowMany, search: str, told: str) -> tuple[str, str, str]:
    return told, shown.calls(formats.count(end.calls), search), _usual(end.usual)


def _in_vain(shown: OpenedIncident) -> None:
    with layout.card(
        "Attempts in vain",
        key="vain_card",
        help="Calls of providers that gave their caller nothing, or something wrong; those that fallback or another "
        "question mended as well.",
    ):
        if not shown.incident.in_vain:
            st.caption("Every attempt gave its caller an answer.")
            return
        rows = [
            (
                links.model(one.model),
                outcomes.badge(one.outcome),
                formats.count(one.attempts),
                plain(formats.dollars(one.nano_usd)),
            )
            for one in shown.incident.in_vain
        ]
        columns = ["Model", "Ended", "Attempts", "Cost"]
        table(pd.DataFrame(rows, columns=columns), alt="Attempts in vain, by model", hides_index=True)


def _hit(shown: OpenedIncident) -> None:
    with layout.card(
        "For whom",
        key="hit_card",
        help="Tenants, those that lost most calls first; in brackets what is usual for each. A number leads to calls.",
        stretch=False,
    ):
        rows = [_hit_row(shown, one) for one in shown.incident.hit]
        columns = ["Tenant", "Calls", "Got no object", "Asked again", "Spend", "Thrown away", ""]
        table(pd.DataFrame(rows, columns=columns), alt="Tenants by calls lost", hides_index=True)


def _hit_row(shown: OpenedIncident, one: Hit) -> tuple[str, ...]:
    figures, usual = one.figures, one.usual

    def beside(told: str | None) -> str:
        return f" :gray[({plain(told)})]" if told is not None and usual is not None else ""

    def linked(count: int, name: str, search: str = "") -> str:
        told = formats.count(count)
        led = shown.calls(told, search, tenant=one.tenant) if one.tenant_id else told
        return led + beside(formats.count(int(getattr(usual, name))) if usual else None)

    window = shown.window
    place = incidents.of_time(window.starts_at, window.ends_at, one.tenant)
    return (
        links.tenant(one.tenant) if one.tenant_id else "All others",
        linked(figures.calls, "calls"),
        linked(figures.lost, "lost", LOST_CALLS),
        linked(figures.reasks, "reasks", sentence.AGAIN),
        plain(formats.dollars(figures.spend)) + beside(formats.dollars(usual.spent) if usual else None),
        plain(formats.dollars(figures.discarded)) + beside(formats.dollars(usual.discarded) if usual else None),
        links.to("Open", place) if one.tenant_id else "",
    )


def _apart(shown: OpenedIncident) -> None:
    with layout.card(
        "What is different about them",
        key="apart_card",
        help="What calls that went wrong have more often in common than the others of the same time, where that is no "
        "chance; where most went wrong, than those of the day before as well.",
    ):
        if not shown.incident.told_apart:
            st.caption("No call went wrong.")
        for one in shown.incident.told_apart:
            many = shown.calls(f"Calls that {_HEADS[one.kind]}", one.search)
            st.markdown(f"**{many}**")
            told = one.contrast
            st.markdown("\n".join(f"- {plain(said[0].upper() + said[1:])}" for said in told.sentences))
            if told.sample:
                st.caption(plain(told.sample))
            examples = ", ".join(links.to(call[-6:], Destination("calls", {"call": call})) for call in told.examples)
            if examples:
                st.markdown(f":small[:gray[Such calls:] {examples}]")


def _changes(shown: OpenedIncident) -> None:
    with layout.card(
        "What was changed",
        key="changed_card",
        help="From an hour before it to an hour behind it, by people and by Proctor itself; and what was decided in "
        "the three days before.",
    ):
        st.markdown("**Within the hour**")
        if not shown.changes:
            st.caption("Nothing.")
        for one in shown.changes:
            st.markdown(_change(shown, one))
        st.markdown("**In the three days before**")
        if not shown.earlier:
            st.caption("Nothing was decided.")
        for one in shown.earlier:
            st.markdown(_change(shown, one))
        here: Any = shown.here
        st.page_link("changes/page.py", label="All changes", icon=":material/history:", query_params=here)


def _change(shown: OpenedIncident, one: RecordedChange) -> str:
    zone = shown.zone
    told = links.to(zones.retold_in(one.summary, zone), Destination("changes", {"change": one.id}))
    times = f" :gray[{formats.count(one.times)} times]" if one.times > 1 else ""
    by = f" :gray[by] {links.actor(one.actor)}" if one.is_decided else ""
    why = f" :gray[{plain(one.reason)}]" if one.reason else ""
    said = f":gray[{plain(formats.moment(one.at, zone))}] {told}{times}{by}{why}"
    before = shown.before.get(one.id)
    if before is None:
        return said
    earlier = links.to(zones.retold_in(before.summary, zone), Destination("changes", {"change": before.id}))
    when = plain(formats.moment(before.at, zone))
    return f"{said}  \n:small[:gray[before that, {when}:] {earlier} :gray[by] {links.actor(before.actor)}]"


def _foot(shown: OpenedIncident) -> None:
    one, zone = shown.incident, shown.zone
    begins, ends = (formats.moment(at, zone) for at in (one.window.starts_at, one.window.ends_at))
    days = len(one.usual.spans)
    usual = f"usual is the middle of the same hours of {formats.plural(days, 'day')} before" if days else ""
    told = (
        f"{formats.plural(one.figures.calls, 'call')} that began from {begins} to {ends}",
        "whole quarters of an hour",
        usual,
        f"times in {zones.name(zone)}",
        f"as of {formats.moment(one.as_of, zone, seconds=True)}",
    )
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(plain(" \N{MIDDLE DOT} ".join(part for part in told if part)), width="content")
        asked = files.IncidentTable(one.window.starts_at, one.window.ends_at, shown.tenant.id if shown.tenant else None)
        export(
            "Export CSV",
            files.TABLE,
            asked,
            name=f"incident-{one.window.starts_at:%Y%m%d-%H%M}.csv",
            help="Every figure of this page, beside what is usual; times in UTC.",
        )

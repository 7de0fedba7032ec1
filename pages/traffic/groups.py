"""How groups of calls compare: a measure over time, a map of where it is worst, and a table; on a phone, cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.call_search import Negation, either, printed
from core.reports import ENOUGH
from core.reports.measures import MEASURES
from core.reports.query import DIMENSIONS, Group
from core.reports.ranges import Range
from pages.kit import address, formats, layout, links, phone_cards, ranges
from pages.kit.brush import BRUSH, range_of
from pages.kit.frames import Frame, grid, pd
from pages.kit.marks import Marked
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.kit.phone_cards import PhoneCard
from pages.traffic import asked as asks
from pages.traffic import charts, heat, words
from pages.traffic.asked import BY, MEASURE, TrafficView, pick, term_for
from pages.traffic.figures import MOST_GROUPS, TIMED, Compared, course, groups, refused, step_end, table

_C = st.column_config
_LEADS: Mapping[str, links.Lead] = {
    "tenant": links.of_tenant,
    "provider": links.of_provider,
    "model": links.of_model,
    "route": links.of_route,
    "schema": links.of_schema,
    "version": links.of_schema,
}
"""Whose names have a page."""
_USUAL = {BY: "model", MEASURE: "error_rate"}


def draw(visit: Visit, asked: TrafficView, key: str) -> None:
    """Draw the choice of what to compare by what, and all that follows from it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="comparing"):
        measure = _choice(visit, "Measure", MEASURE, {name: MEASURES[name].label for name in asks.MEASURES}, 200)
        by = _choice(visit, "By", BY, {name: f"by {words.dimension(name)}" for name in asked.dimensions}, 168)
    found = refused(lambda: groups(visit, asked, by, measure))
    if isinstance(found, str):
        with layout.card(MEASURES[measure].label, key="groups_card"):
            st.caption(plain(found))
    else:
        left, right = st.columns([1, 1], gap="small")
        with left:
            _over_time(asked, found, by, course(visit, asked).changes, key)
        with right:
            _heat(asked, found, by, measure, key)
    _table(visit, asked, by, key)


def _choice(visit: Visit, label: str, name: str, options: Mapping[str, str], width: int) -> str:
    """Draw a choice that stands in the address."""
    usual = _USUAL[name]
    address.follow(visit, name, usual)
    if st.session_state[name] not in options:
        st.session_state[name] = usual
    chosen: str = st.selectbox(
        label, list(options), format_func=options.__getitem__, key=name, label_visibility="collapsed", width=width
    )
    address.write(visit, name, chosen, usual)
    return chosen


def _over_time(asked: TrafficView, found: Compared, by: str, changes: Sequence[Marked], key: str) -> None:
    measure = found.now.query.asked[0].name
    told = (
        f"{MEASURES[measure].sentence} The {charts.MOST_LINES} that matter most to it over the whole range have a "
        "line, all others one together. Pale: the period before, or few calls. Dotted: not whole yet. Drag to zoom in."
    )
    with layout.card(MEASURES[measure].label, key="groups_card", help=told):
        if not found.now.groups:
            st.caption("There is nothing to compare in this time.")
            return
        dragged = charts.group_lines(found, by, changes).draw(key=f"groups_{key}", picks=(BRUSH,))
    follow(asked, dragged)


def _heat(asked: TrafficView, found: Compared, by: str, measure: str, key: str) -> None:
    told = (
        f"{MEASURES[measure].sentence} Of more than {MOST_GROUPS} those that matter most to it. Pale: fewer than "
        f"{words.FEW} calls, or not whole yet. Empty: none. Click a cell to see what is different there."
    )
    picked: Mapping[str, Any] | None = None
    with layout.card(f"Where: {words.dimension(by)} by time", key="where_card", help=told):
        if not found.now.groups:
            st.caption("There is nothing to compare in this time.")
            return
        height = heat.height(found.now)
        picked = heat.heat(found.now, by).draw(key=f"heat_{key}", picks=(heat.PICK,), height=height).get(heat.PICK)
    group, place = heat.found_again(found.now, by, picked) if picked else (None, 0)
    if group is not None:
        window, begins, ends = asked.window, found.now.times[place], step_end(found.now, place)
        cell = Range.between(max(begins, window.starts_at), min(ends, window.ends_at)) or Range.between(begins, ends)
        pick(_term(group, by), cell)
        st.rerun()


def follow(asked: TrafficView, dragged: Mapping[str, Mapping[str, Any]]) -> None:
    """Zoom in to what was dragged over."""
    if BRUSH in dragged and (cut := range_of(dragged[BRUSH], asked.window)) and asks.cut_out(cut, asked.chosen):
        st.rerun()


def _term(group: Group, by: str) -> Any:
    return term_for(by, group.values[-1], group.names[0])


def _table(visit: Visit, asked: TrafficView, by: str, key: str) -> None:
    told = "Click a row to see what is different about its calls, a name to open its page."
    with layout.card(f"By {words.dimension(by)}", key="table_card", help=told):
        found = refused(lambda: table(visit, asked, by))
        if isinstance(found, str):
            st.caption(plain(found))
            return
        frame = _frame(found, by)
        if frame.empty:
            st.caption("There is nothing to compare in this time.")
            return
        with st.container(key="groups_grid"):
            row = grid(
                frame,
                picks="name",
                key=f"table_{key}_{by}",
                alt=f"Calls by {words.dimension(by)}, with objects, errors, blocked calls, latency, tokens and spend",
                columns=_columns(by, found, ranges.before(asked.chosen)),
                leads=_leads(asked, found, by),
                most_rows=MOST_GROUPS + 1,
            )
        _cards(asked, found, frame, by)
        _below(found, by)
    if row is None or row >= len(found.now.shown):
        return
    if row < len(found.now.groups):
        pick(_term(found.now.groups[row], by))
        st.rerun()
    st.switch_page("calls/page.py", query_params=_others(asked, found, by))


def _leads(asked: TrafficView, found: Compared, by: str) -> Mapping[str, links.Lead]:
    """Return where names lead: to their page, or to the calls where there is none."""
    groups = dict(zip(words.names(found.now.shown, by), found.now.shown, strict=True))
    if by not in _LEADS:
        return {}

    def lead(name: str) -> links.Destination:
        group = groups[name]
        if group is found.now.others:
            return links.Destination("calls", _others(asked, found, by))
        if group.values[-1] is None:
            return links.Destination("calls", {**asked.here, asks.Q: asks.narrowed(asked.q, _term(group, by))})
        return _LEADS[by](group.names[0] if by == "tenant" else group.values[-1])

    return {"name": lead}


def _others(asked: TrafficView, found: Compared, by: str) -> dict[str, str]:
    """Return the address of the calls that are in none of the groups."""
    shown = either(*(_term(group, by) for group in found.now.groups))
    return {**asked.here, asks.Q: asks.narrowed(asked.q, Negation(shown))}


def _frame(found: Compared, by: str) -> Frame:
    earlier = {group.values: group for group in found.before.groups}
    measures = found.now.query.asked
    rows: list[dict[str, Any]] = []
    for name, group in zip(words.names(found.now.shown, by), found.now.shown, strict=True):
        before = earlier.get(group.values) if group is not found.now.others else None
        was = before.whole.figures.calls if before else None
        values = {one.name: group.whole.value(one) for one in measures}
        if group.whole.timed < ENOUGH:
            values |= {one.name: None for one in measures if one.percent}
        rows.append({"name": name, "change": formats.change(values["calls"], was), **values})
    frame: Frame = pd.DataFrame(rows, columns=["name", "change", *(one.name for one in measures)])
    for one in measures:
        if one.unit == "share":
            frame[one.name] *= 100
        elif one.unit == "nano_usd":
            frame[one.name] = frame[one.name].astype(float) / 1e9
        elif one.unit == "ms":
            frame[one.name] = frame[one.name].astype(float) / 1000
    order = [
        "name",
        "calls",
        "change",
        "got_object",
        "errors",
        "error_rate",
        "blocked",
        "p95",
        "ttft_p95",
        "tokens",
        "spend",
    ]
    return frame[[name for name in order if name in frame.columns]]


def _columns(by: str, found: Compared, before: str) -> dict[str, Any]:
    counted = "Attempts that asked it" if found.now.of_attempts else "Calls"
    return {
        "name": _C.TextColumn(DIMENSIONS[by].label, pinned=True, width=190),
        "calls": _C.NumberColumn("Calls", format="localized", width=76, help=counted),
        "change": _C.TextColumn("Change", width=76, help=f"Of calls, against {before}"),
        "got_object": _C.NumberColumn("Got an object", format="%.1f%%", width=104),
        "errors": _C.NumberColumn("Errors", format="localized", width=66),
        "error_rate": _C.NumberColumn("Error rate", format="%.1f%%", width=84),
        "blocked": _C.NumberColumn("Blocked", format="localized", width=76),
        "p95": _C.NumberColumn("p95", format="%.2f s", width=76, help=f"From {ENOUGH} on"),
        "ttft_p95": _C.NumberColumn("First token p95", format="%.2f s", width=110, help="Of streamed calls"),
        "tokens": _C.NumberColumn("Tokens", format="compact", width=84),
        "spend": _C.NumberColumn("Spend", format="$%,.4f", width=92, help="A dash: nothing of it is priced"),
    }


def _cards(asked: TrafficView, found: Compared, frame: Frame, by: str) -> None:
    """Draw the same for who looks at it on a phone."""
    here = {name: value for name, value in st.query_params.to_dict().items() if name not in (asks.HERE, asks.AT)}
    cards: list[PhoneCard] = []
    for place, one in enumerate(frame.itertuples()):
        is_group = place < len(found.now.groups)
        got = formats.UNKNOWN if pd.isna(one.got_object) else f"{one.got_object:.1f}% got an object"
        lost = f"{formats.count(int(one.errors))} errors, {formats.count(int(one.blocked))} blocked"
        cards.append(
            PhoneCard(
                "traffic" if is_group else "calls",
                {**here, asks.HERE: printed(_term(found.now.groups[place], by))}
                if is_group
                else _others(asked, found, by),
                ((str(one.name), formats.plural(int(one.calls), "call")), (got, lost)),
            )
        )
    phone_cards.draw(cards, grid="groups_grid", label="Groups")


def _below(found: Compared, by: str) -> None:
    said: list[str] = []
    if found.now.others:
        said.append(f"{formats.count(found.now.others_count)} more are told together")
    if found.now.of_attempts:
        said.append(f"figures are of attempts, so a call that asked two counts for both of its {words.dimension(by)}s")
    if by not in TIMED:
        said.append(f"durations are not kept by {words.dimension(by)}")
    if said:
        told = "; ".join(said)
        st.caption(f"{told[0].upper()}{told[1:]}.")

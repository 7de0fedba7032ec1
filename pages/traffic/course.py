"""How calls went over time: how many, how they ended, why they failed and how long they took."""

from __future__ import annotations

import streamlit as st

from core.reports import ENOUGH, PERCENTILE_ERROR
from core.reports.ranges import SHORTEST
from pages.kit import formats, layout, marks, outcomes, ranges
from pages.kit.brush import BRUSH
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.kit.tiles import draw as draw_tiles
from pages.traffic import charts, difference, words
from pages.traffic.asked import Q, TrafficView
from pages.traffic.figures import Course, codes, latency, refused, whole_cells
from pages.traffic.groups import follow
from pages.traffic.tiles import tiles

_DRAG = "Drag to zoom in."
_KINDS = {"outcome": "Outcome", "error": "Error code"}


def draw(visit: Visit, asked: TrafficView, found: Course, key: str) -> None:
    """Draw what there is to say of all that is asked for, and what is different about what was picked."""
    st.markdown(_sentence(asked, found))
    draw_tiles(tiles(found.totals, ranges.before(asked.chosen)))
    left, right = st.columns([8, 5], gap="small")
    with left:
        _outcomes(asked, found, key)
    with right:
        difference.draw(visit, asked)
    left, right = st.columns([1, 1], gap="small")
    with left:
        _latency(visit, asked, found, key)
    with right:
        _kinds(visit, asked, found, key)


def _sentence(asked: TrafficView, found: Course) -> str:
    """Return what is most telling; the bar that is still filling is in none of its peaks."""
    now, before = found.totals.now.total.whole, found.totals.before.total.whole
    calls = now.figures.calls
    length = max(asked.window.ends_at - asked.window.starts_at, SHORTEST)
    change = formats.change(calls, before.figures.calls)
    against = f", {change} against {ranges.before(asked.chosen)}" if change else ""
    said = [f"**{formats.plural(calls, 'call')}**, {words.pace(calls, length)}{against}"]
    if now.figures.errors:
        kinds = words.failing(found.outcomes)
        kind, many = plain(outcomes.word(kinds[0].values[0] or "").lower()), kinds[0].whole.figures.errors
        worst = f" ({kind})" if many == now.figures.errors else f", mostly {kind} ({many:,})"
        said.append(f"{formats.plural(now.figures.errors, 'error')}{worst}")
    if now.figures.blocked:
        said.append(f"{now.figures.blocked:,} blocked")
    answer = found.outcomes
    whole = whole_cells(answer)
    said.append(f"{plain(formats.dollars(now.figures.spend))}, {formats.short(now.figures.tokens)} tokens")
    if len(whole) > 2:
        counts = [(answer.total.cells[place].figures.calls, -place) for place in whole]
        (most, busy), (least, quiet) = max(counts), min(counts, key=lambda one: (one[0], -one[1]))
        begins = [formats.moment(answer.times[-place], asked.zone) for place in (busy, quiet)]
        said.append(
            f"the busiest {words.step(answer.query.cell)} from {begins[0]} on ({most:,}), "
            f"the quietest from {begins[1]} on ({least:,})"
        )
    return f"{'; '.join(said)}."


def _outcomes(asked: TrafficView, found: Course, key: str) -> None:
    told = f"How the calls that began in each bar ended. The pale line: all of {ranges.before(asked.chosen)}. {_DRAG}"
    with layout.card("Calls by outcome", key="outcomes_card", help=told):
        dragged = charts.outcome_bars(found).draw(key=f"outcomes_{key}", picks=(BRUSH,))
        marks.links(found.changes, asked.zone, {name: said for name, said in asked.here.items() if name != Q})
    follow(asked, dragged)


def _kinds(visit: Visit, asked: TrafficView, found: Course, key: str) -> None:
    told = f"Calls that ended in error, by how they ended, or by the code that their caller got. {_DRAG}"
    with layout.card("Errors by kind", key="kinds_card", help=told):
        if not found.outcomes.total.whole.figures.errors:
            st.caption("No call ended in error in this time.")
            return
        by = st.segmented_control(
            "Kind",
            [*_KINDS],
            default="outcome",
            required=True,
            format_func=_KINDS.__getitem__,
            key="kinds",
            label_visibility="collapsed",
            width="content",
        )
        shown = found.outcomes if by == "outcome" else refused(lambda: codes(visit, asked))
        if isinstance(shown, str):
            st.caption(plain(shown))
            return
        dragged = charts.kind_bars(shown, by or "outcome", found).draw(key=f"kinds_{key}_{by}", picks=(BRUSH,))
    follow(asked, dragged)


def _latency(visit: Visit, asked: TrafficView, found: Course, key: str) -> None:
    told = (
        f"At most {formats.percent(PERCENTILE_ERROR, 1)} off. Pale: a point that rests on fewer than {ENOUGH} calls, "
        f"and the period before. A p99 is drawn from 100 calls on. Dotted: not whole yet. {_DRAG}"
    )
    with layout.card("Latency", key="latency_card", help=told):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            of = st.segmented_control(
                "Of",
                ["Whole calls", "First token"],
                default="Whole calls",
                required=True,
                key="timed",
                label_visibility="collapsed",
                width="content",
            )
            is_log = st.toggle("Logarithmic", key="log", bind="query-params")
        lines = refused(lambda: latency(visit, asked, of_tokens=of == "First token"))
        if isinstance(lines, str):
            st.caption(plain(lines))
            return
        if not any(cell.slots for cell in lines.now.total.cells):
            st.caption("No call was streamed in this time." if of == "First token" else "No call reached a provider.")
            return
        picture = charts.latency_lines(lines, found.changes, "log" if is_log else "linear")
        dragged = picture.draw(key=f"latency_{key}_{of}_{is_log}", picks=(BRUSH,))
    follow(asked, dragged)

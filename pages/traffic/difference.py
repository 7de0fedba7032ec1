"""What is different about the calls that were picked out, against all others that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from core.call_search import read_search
from core.reports import Contrast
from core.reports.contrasts import Standout, Trait, told
from core.reports.query import DIMENSIONS
from pages.kit import address, layout, ranges, zones
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.traffic.asked import AROUND, PickedCalls, Q, TrafficView, cut_out, narrowed, term_for, unpick
from pages.traffic.figures import difference, refused

_SHOWN = 4
_HELP = (
    "Each value of each dimension is held against all other calls of the range, by how far its shares are apart. It is "
    "told only where that is hardly chance (Fisher's exact test; of all that is told at most 5 % may be, by Benjamini "
    "and Hochberg) and at least three calls, or 5 % of them, have it. What says the same of the same calls is told "
    "once. Where the mix of schemas or tenants makes the difference, the sentence says so."
)


def draw(visit: Visit, asked: TrafficView) -> None:
    """Draw what is different about what was picked, or how to pick something."""
    with layout.card("What is different here", key="difference_card", help=_HELP):
        picked = asked.picked(visit)
        if picked is None:
            st.caption(
                "Drag across a chart to zoom in, or click a cell of the map or a row of the table. What those calls "
                "have more often in common than all others stands here then, with examples."
            )
            return
        st.markdown(_which(asked, picked))
        found = refused(lambda: difference(visit, asked, picked))
        if isinstance(found, str):
            st.caption(plain(found))
        else:
            _tell(asked, picked, found)
        _ways(asked, picked)


def _which(asked: TrafficView, picked: PickedCalls) -> str:
    """Return which calls are held against which."""
    what = f"calls with {plain(picked.terms)}" if picked.terms else "all calls"
    around = ranges.Range.read(picked.around) or asked.chosen
    outer = ranges.within(around, asked.zone)
    when = plain(ranges.within(picked.chosen, asked.zone))
    return f"**{what[0].upper()}{what[1:]} {when}**, against the others {plain(outer)}."


def _tell(asked: TrafficView, picked: PickedCalls, found: Contrast) -> None:
    if not found.standouts:
        st.markdown("  \n".join(plain(one) for one in found.sentences))
        if found.examples:
            st.markdown(f":small[{_examples(asked, found.examples)}]")
    for number, (said, one) in enumerate(zip(found.sentences, found.standouts, strict=False)):
        if number == _SHOWN:
            break
        st.markdown(_standout(asked, picked, found, said, one))
    left = list(zip(found.sentences, found.standouts, strict=False))[_SHOWN:]
    if left:
        with st.expander(f"{len(left)} more"):
            for said, one in left:
                st.markdown(_standout(asked, picked, found, said, one))
    if found.sample:
        st.caption(plain(found.sample))


def _standout(asked: TrafficView, picked: PickedCalls, found: Contrast, said: str, one: Standout) -> str:
    """Return one finding: its sentence, the counts behind it, what says the same, and calls to look at."""
    counts = f"{one.inside:,} of {found.selected:,} against {one.outside:,} of {found.rest:,}"
    also = f" The same calls: {', '.join(plain(told(same, found.names)) for same in one.also)}." if one.also else ""
    calls = f"[all of them](/calls?{urlencode(_calls(asked, picked, one.trait, found.names))})"
    return (
        f"- {plain(zones.retold(said))}.  \n"
        f"  :small[:gray[{counts}.{also}] {_examples(asked, one.examples)} or {calls}]"
    )


def _examples(asked: TrafficView, ids: Sequence[str]) -> str:
    shown = ", ".join(
        f"[{number}](/calls?{urlencode({**asked.here, 'call': one})})" for number, one in enumerate(ids, 1)
    )
    return f"{'Example call' if len(ids) == 1 else 'Example calls'} {shown}"


def _calls(asked: TrafficView, picked: PickedCalls, trait: Trait, names: Mapping[Trait, str]) -> dict[str, str]:
    """Return the address of the picked calls that have a trait."""
    if trait.dimension in DIMENSIONS:
        term = term_for(trait.dimension, trait.value, names.get(trait, ""))
    else:
        term = read_search(f"{trait.dimension}:{trait.value}").term
    return _where(asked, picked) | {Q: narrowed(picked.selected.q, term)}


def _where(asked: TrafficView, picked: PickedCalls) -> dict[str, str]:
    here = {name: value for name, value in asked.here.items() if name not in (ranges.RANGE, ranges.BEGIN, ranges.END)}
    return here | ranges.parameters(picked.chosen, asked.zone) | ({Q: picked.selected.q} if picked.selected.q else {})


def _ways(asked: TrafficView, picked: PickedCalls) -> None:
    """Draw what one can do with what was picked."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.page_link(
            "calls/page.py", label="Their calls", icon=":material/receipt_long:", query_params=_where(asked, picked)
        )
        outer = ranges.Range.read(st.query_params.get(AROUND, ""))
        if picked.within is not asked.window and outer:
            if st.button("Zoom out", icon=":material/zoom_out:", type="tertiary", key="zoom_out"):
                unpick()
                ranges.zoom(outer)
                st.rerun()
        elif picked.chosen != asked.chosen and st.button(
            "Zoom in", icon=":material/zoom_in:", type="tertiary", key="zoom_in"
        ):
            cut_out(picked.chosen, ranges.Range.read(picked.around) or asked.chosen)
            st.rerun()
        if picked.terms and st.button("Only these", icon=":material/filter_alt:", type="tertiary", key="only_these"):
            unpick()
            address.choose(Q, picked.selected.q)
            st.rerun()
        if st.button("Clear", icon=":material/close:", type="tertiary", key="unpick"):
            unpick()
            st.rerun()

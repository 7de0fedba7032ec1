"""What changed, as marks on every chart over time: a click on one, or its link, leads to *Changes* at that moment.

A chart that is to have them draws its own rows where :data:`NO_MARK` holds, puts :func:`layers` on top, and
:func:`with_marks` behind its rows::

    layered = alt.layer(bars.transform_filter(marks.NO_MARK), *marks.layers(days))
    shown = marks.with_marks(frame, overview.changes, zone, within=overview.window)
    …
    marks.follow(picture.draw(key="spend_chart", picks=marks.PICKED), here)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import altair as alt
import streamlit as st

from core.clock import EPOCH, iso
from core.reports import Window, wall
from pages.kit import formats, zones
from pages.kit.frames import Frame, pd

NEUTRAL = "#7F8C94"
PICKED = "mark"
"""The chart's parameter that holds the mark which was clicked."""
NO_MARK = "datum.what == null"
_MARK = "datum.what != null && datum.edge == null"
_EDGE = "datum.edge != null"
_MOST_LINKED = 6
_MINUTE = 60


class Marked(Protocol):
    """A change, as far as a mark tells it."""

    @property
    def at(self) -> datetime:
        """When."""
        ...

    @property
    def summary(self) -> str:
        """What."""
        ...


def layers(x: alt.X, *, can_be_picked: bool = True) -> list[alt.Chart]:
    """Return a line and a triangle for each mark, along the axis *x*, to be put on top of what a chart shows.

    A chart over which one can drag has no other parameter: there they are not to *be picked*. And what nobody sees, at
    both ends of the window: an axis reaches over all of it, whenever there were calls.
    """
    base = alt.Chart(pd.DataFrame()).transform_filter(_MARK)
    told = [alt.Tooltip("when:N", title="Change"), alt.Tooltip("what:N", title=" ")]
    triangles = base.mark_point(
        shape="triangle-down",
        filled=True,
        size=70,
        color=NEUTRAL,
        opacity=1,
        yOffset=-4,
        cursor="pointer" if can_be_picked else "default",
    ).encode(x=x, y=alt.value(0), tooltip=told)
    if can_be_picked:
        triangles = triangles.add_params(alt.selection_point(name=PICKED, fields=["begins"], on="click", empty=False))
    return [
        base.mark_rule(color=NEUTRAL, strokeDash=[3, 3], strokeWidth=1.2).encode(x=x, tooltip=told),
        triangles,
        alt.Chart(pd.DataFrame()).transform_filter(_EDGE).mark_point(opacity=0, aria=False).encode(x=x, y=alt.value(0)),
    ]


def with_marks(frame: Frame, changes: Sequence[Marked], zone: str, *, within: Window | None = None) -> Frame:
    """Return the rows of a chart whose axis is in *zone* and, behind them, one for each change.

    And two for the ends of what it is *within*.
    """
    if within is not None:
        ends = [(wall(at, zone), "", True) for at in (within.cell_at(0), within.cell_at(within.cells))]
        edges = pd.DataFrame(ends, columns=["at", "what", "edge"])
        frame = pd.concat([frame.assign(what=None, edge=None), edges], ignore_index=True)
    if not changes:
        return frame if within is not None else frame.assign(what=None)
    told = zones.shown(zone)
    rows = [
        (_begins(one), wall(one.at, zone), formats.moment(one.at, told), zones.retold_in(one.summary, told))
        for one in changes
    ]
    return pd.concat([frame, pd.DataFrame(rows, columns=["begins", "at", "when", "what"])], ignore_index=True)


def follow(picked: Mapping[str, Any] | None, here: Mapping[str, str]) -> None:
    """Open *Changes* at the moment of the mark that was *picked*, of the tenant *here*."""
    if picked:
        st.switch_page("changes/page.py", query_params=_at(int(picked["begins"]), here))


def link(change: Marked, zone: str, here: Mapping[str, str]) -> str:
    """Return the time of a change as Markdown that leads where its mark does: marks are for the mouse alone."""
    return f"[{formats.moment(change.at, zone)}](/changes?{urlencode(_at(_begins(change), here))})"


def links(changes: Sequence[Marked], zone: str, here: Mapping[str, str]) -> None:
    """Draw the newest changes of a chart as links under it; nothing where nothing changed."""
    newest = {_begins(one): one for one in sorted(changes, key=lambda one: one.at)}
    if not newest:
        return
    shown = list(newest.values())[: -_MOST_LINKED - 1 : -1]
    left = len(newest) - len(shown)
    more = f" and [{left:,} earlier](/changes?{urlencode(here)})" if left else ""
    st.markdown(f":small[Changes: {', '.join(link(one, zone, here) for one in shown)}{more}]")


def _begins(change: Marked) -> int:
    return int(change.at.timestamp()) // _MINUTE * _MINUTE


def _at(begins: int, here: Mapping[str, str]) -> dict[str, str]:
    """Return the address of that minute, instead of the range *here*."""
    ends = {"from": begins, "to": begins + _MINUTE}
    moment = {name: iso(EPOCH + timedelta(seconds=at)) for name, at in ends.items()}
    return {name: value for name, value in here.items() if name not in ("range", *ends)} | moment

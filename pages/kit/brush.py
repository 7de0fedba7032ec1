"""A stretch of time that somebody drags over on a chart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt

from core.clock import EPOCH
from core.reports import Window
from core.reports.ranges import SHORTEST, Range
from pages.kit.colours import NEUTRAL

BRUSH = "brush"
"""The chart's parameter that holds it. A chart that has this one may have no other: Streamlit would then tell none."""
_LEAST_SHARE = 0.01
"""What is shorter was a click: some pixels."""
_ROUNDED = (
    (timedelta(days=4), timedelta(hours=1)),
    (timedelta(hours=12), timedelta(minutes=15)),
    (timedelta(hours=2), timedelta(minutes=5)),
    (timedelta(), timedelta(minutes=1)),
)
"""From what length of a window on what is dragged over begins and ends at whole so many of UTC."""


def brush() -> alt.Parameter:
    """Return what a chart over time needs so that one can drag over it: its axis is the field ``at``."""
    style = alt.BrushConfig(fill=NEUTRAL, fillOpacity=0.22, stroke=NEUTRAL, strokeOpacity=0.7)
    return alt.selection_interval(name=BRUSH, encodings=["x"], mark=style, zoom=False, translate=False)


def range_of(dragged: Mapping[str, Any], window: Window) -> Range | None:
    """Return the stretch of *window* that was dragged over; ``None`` for what was hardly more than a click."""
    ends = [_instant(float(at), window.zone, is_last=place == 1) for place, at in enumerate(sorted(dragged["at"]))]
    length = window.ends_at - window.starts_at
    if ends[1] - ends[0] < length * _LEAST_SHARE:
        return None
    size = next(size for least, size in _ROUNDED if length >= least)
    begins = max(window.starts_at, EPOCH + (ends[0] - EPOCH + size / 2) // size * size)
    until = min(window.ends_at, max(EPOCH + (ends[1] - EPOCH + size / 2) // size * size, begins + SHORTEST))
    return Range.between(begins, until)


def _instant(at: float, zone: str, *, is_last: bool) -> datetime:
    """Return when the clock on the wall, which the axis shows, was so; of an hour that was twice, all of it."""
    local = datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=ZoneInfo(zone), fold=int(is_last))
    return local.astimezone(UTC)

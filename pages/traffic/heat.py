"""The map of *Traffic*: where a measure is worst, by group and time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import altair as alt

from core.reports import QueryAnswer
from core.reports.query import Group
from pages.kit import charts
from pages.kit.frames import Frame, Picture, pd
from pages.traffic import words
from pages.traffic.figures import MOST_GROUPS, is_whole, timed

PICK = "pick"
"""The parameter that holds the cell which was clicked."""
_PALE = 0.45
_ROW = 22


@lru_cache(maxsize=64)
def _heat_spec(days: int, names: tuple[str, ...], measure: str, best: float, worst: float) -> dict[str, Any]:
    asked = words.measure(measure)
    unit = {"share": ".0%", "nano_usd": "$,.2~f"}.get(asked.unit, ",.2~s")
    label = charts.SECONDS if asked.unit == "ms" else f"format(datum.value, '{unit}')"
    if asked.unit == "share":
        label += f" + (datum.value == {worst} ? ' or {'more' if worst > best else 'less'}' : '')"
    cells = (
        alt.Chart(pd.DataFrame())
        .mark_rect(cornerRadius=2, cursor="pointer")
        .encode(
            x=charts.time_axis(days),
            x2="until:T",
            y=alt.Y(
                "name:N", sort=list(names), axis=alt.Axis(labelLimit=150, **charts.PLAIN), scale=alt.Scale(padding=0.1)
            ),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(domain=[best, worst], clamp=True),
                legend=alt.Legend(
                    orient="top", title=None, gradientLength=150, gradientThickness=8, offset=6,
                    values=[best, (best + worst) / 2, worst], labelExpr=label,
                ),
            ),
            opacity=alt.condition(f"!datum.whole || datum.many < {words.FEW}", alt.value(_PALE), alt.value(1)),
            tooltip=[
                alt.Tooltip("when:N", title="Time"),
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("shown:N", title=asked.label),
                alt.Tooltip("many:Q", title="Calls", format=","),
            ],
        )
        .add_params(alt.selection_point(name=PICK, fields=["name", "begins"], on="click", empty=False))
    )  # fmt: skip
    return charts.spec(cells)


def heat(found: QueryAnswer, by: str) -> Picture:
    """Return a measure by group and time, darker where it is worse; pale where there were few calls."""
    measure, names = found.query.asked[0], tuple(words.names(found.groups, by))
    rows: list[dict[str, Any]] = []
    for row, group in enumerate(found.groups):
        for place, part in enumerate(group.cells):
            value = words.drawn(part.value(measure), measure)
            if value is None or not (part.figures.calls or measure.percent):
                continue
            rows.append(
                {
                    "at": words.on_axis(found, place, 0.04), "until": words.on_axis(found, place, 0.96),
                    "name": names[row],
                    "value": value, "shown": words.told(value, measure), "when": words.when(found, place),
                    "begins": int(found.times[place].timestamp()), "whole": is_whole(found, place),
                    "many": timed(found, [part])[0] if measure.percent else part.figures.calls,
                }
            )  # fmt: skip
    values = [row["value"] for row in rows if row["whole"] and row["many"] >= words.FEW]
    best, worst = words.heat_ends(measure, values)
    spec = _heat_spec(charts.shown_days(found.query.window), names, measure.name, best, worst)
    frame: Frame = pd.DataFrame(
        rows, columns=["at", "until", "name", "value", "shown", "when", "begins", "whole", "many"]
    )
    return Picture.of(
        frame, spec, alt=f"{measure.label} by {words.dimension(by)} over time{words.worst(rows, measure)}"
    )


def found_again(found: QueryAnswer, by: str, picked: Mapping[str, Any]) -> tuple[Group | None, int]:
    """Return the group and the cell that were clicked; nothing where what is shown by now has them no longer."""
    named = dict(zip(words.names(found.groups, by), found.groups, strict=True))
    places = {int(at.timestamp()): place for place, at in enumerate(found.times)}
    place = places.get(int(picked["begins"]))
    return (None, 0) if place is None else (named.get(str(picked["name"])), place)


def height(found: QueryAnswer) -> int:
    """Return how high a map of so many rows is."""
    return max(160, 74 + _ROW * min(len(found.groups), MOST_GROUPS))

"""The charts of *Traffic*, kept as specs and drawn with the day's data, as :mod:`pages.kit.charts` explains.

What was dragged over is a stretch of time (:mod:`pages.kit.brush`). What is not whole, as the last bar while it fills,
is hollow or dashed; the period before is pale. Lines go straight from point to point, and break where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import altair as alt

from core.reports import ENOUGH, QueryAnswer
from core.reports.measures import Measure
from core.reports.query import GroupFigures
from pages.kit import charts, colours, formats, marks
from pages.kit.brush import brush
from pages.kit.frames import Picture, pd
from pages.kit.marks import Marked
from pages.traffic import words
from pages.traffic.figures import Compared, Course, is_whole, timed

MOST_LINES = 6
"""Groups with a line of their own."""
_P99_FROM = 100
"""Of fewer calls a p99 is hardly more than the slowest."""
_PALE = 0.45
_SHORT = 12
Scale = Literal["linear", "log"]


def _axis(measure: Measure | None) -> alt.Axis:
    unit = measure.unit if measure else "calls"
    looks: dict[str, Any] = {"format": "~s", "tickMinStep": 1}
    if unit == "ms":
        looks = {"labelExpr": charts.SECONDS}
    elif unit == "share":
        looks = {"format": "~%"}
    elif unit == "nano_usd":
        looks = {"format": "$,~g"}
    return alt.Axis(
        tickCount=5,
        **(charts.RULED | looks),
    )


def _titled(title: str, *layers: alt.Chart) -> alt.LayerChart | alt.FacetChart:
    """Return layers under what their axis shows, per what."""
    said = alt.Title(title, anchor="start", frame="group", fontSize=11, fontWeight="normal", offset=2)
    return alt.layer(*layers).properties(title=said)


def _picture(
    rows: Sequence[dict[str, Any]], spec: dict[str, Any], answer: QueryAnswer, changes: Sequence[Marked], alt_text: str
) -> Picture:
    """Return a chart over all of its window, with the changes in it."""
    window = answer.query.window
    return Picture.of(marks.with_marks(pd.DataFrame(rows), changes, window.zone, within=window), spec, alt=alt_text)


# ── Bars ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def _bars_spec(days: int, names: tuple[str, ...], title: str) -> dict[str, Any]:
    known = {family: colour for family, (colour, _) in charts.FAMILIES.items()}
    looks = colours.looks(names, known)
    base, x = alt.Chart(pd.DataFrame()), charts.time_axis(days)
    seconds = [name for name, look in zip(names, looks, strict=True) if look.is_second]
    bars = (
        base.transform_filter("datum.part == 'now'")
        .mark_rect(cornerRadius=1)
        .encode(
            x=x,
            x2="until:T",
            y=alt.Y("low:Q", axis=_axis(None), scale=alt.Scale(zero=True, nice=True)),
            y2="high:Q",
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=list(names), range=[look.colour for look in looks]),
                sort=list(names),
                legend=charts.legend(columns=3, symbolSize=80, offset=10, symbolOpacity=1),
            ),
            opacity=alt.condition(
                f"datum.whole && indexof({seconds!r}, datum.name) < 0", alt.value(1), alt.value(_PALE)
            ),
            tooltip=[
                alt.Tooltip("when:N", title="Time"),
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("shown:N", title="Calls"),
            ],
        )
        .add_params(brush())
    )
    before = (
        base.transform_filter("datum.part == 'before'")
        .mark_line(color=colours.NEUTRAL, strokeWidth=1.4, opacity=0.75, aria=False)
        .encode(x=x, y="high:Q")
    )
    return charts.spec(_titled(title, bars, before, *marks.layers(x, can_be_picked=False)))


def bars(
    answer: QueryAnswer,
    rows: Sequence[tuple[str, Sequence[int]]],
    found: Course,
    texts: tuple[str, str],
    *,
    with_before: bool = False,
) -> Picture:
    """Return counts over time, stacked in the order of *rows*: each a name with its count in every cell."""
    title, alt_text = texts
    gap, drawn = 0.07, list[dict[str, Any]]()
    for place in range(len(answer.times)):
        low = 0
        for name, counts in rows:
            high = low + counts[place]
            drawn.append(
                {
                    "part": "now", "at": words.on_axis(answer, place, gap),
                    "until": words.on_axis(answer, place, 1 - gap), "low": low,
                    "high": high, "name": name, "whole": is_whole(answer, place), "when": words.when(answer, place),
                    "shown": formats.count(counts[place]),
                }
            )  # fmt: skip
            low = high
    if with_before:
        for place, part in enumerate(found.before.total.cells[: len(answer.times)]):
            drawn.append({"part": "before", "at": words.on_axis(answer, place, 0.5), "high": part.figures.calls})
    names = tuple(name for name, _ in rows)
    spec = _bars_spec(charts.shown_days(answer.query.window), names, title)
    return _picture(drawn, spec, answer, found.changes, alt_text)


def outcome_bars(found: Course) -> Picture:
    """Return how many calls ended how, by family of outcomes, with all of the period before as a pale line."""
    answer = found.outcomes
    of = {group.values[0]: group for group in answer.groups}
    rows = [
        (
            family,
            [
                sum(of[one].cells[place].figures.calls for one in some if one in of)
                for place in range(len(answer.times))
            ],
        )
        for family, (_, some) in charts.FAMILIES.items()
        if any(one in of for one in some)
    ]
    told = ", ".join(f"{sum(counts):,} {family.lower()}" for family, counts in rows)
    title = f"Calls per {words.step(answer.query.cell)}"
    alt_text = f"Calls over time by outcome: {told}{words.peak(answer)}"
    return bars(answer, rows, found, (title, alt_text), with_before=True)


def kind_bars(answer: QueryAnswer, by: str, found: Course) -> Picture:
    """Return how many calls ended in error, *by* how they ended or by the code of the error."""
    shown = words.failing(answer)
    rows = [
        (name, [cell.figures.errors for cell in group.cells])
        for name, group in zip(words.names(shown, by), shown, strict=True)
    ]
    most = f"; most are {rows[0][0]}: {sum(rows[0][1]):,} of {answer.total.whole.figures.errors:,}" if rows else ""
    title = f"Errors per {words.step(answer.query.cell)}"
    return bars(answer, rows, found, (title, f"Errors over time by {words.dimension(by)}{most}"))


# ── Lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=128)
def _lines_spec(
    days: int, names: tuple[str, ...], measure: str, title: str, scale: Scale, *, zero: bool
) -> dict[str, Any]:
    looks = colours.looks(names, charts.PERCENTILES)
    base, x = alt.Chart(pd.DataFrame()), charts.time_axis(days)
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(domain=list(names), range=[look.colour for look in looks]),
        sort=list(names),
        legend=charts.legend(
            "stroke",
            offset=10,
            columns=_columns(names),
            symbolStrokeWidth=3,
            symbolOpacity=1,
        ),
    )
    ticks = {"values": charts.DECADES} if scale == "log" else {}
    axis = _axis(words.measure(measure))
    for name, value in ticks.items():
        axis[name] = value
    y = alt.Y("value:Q", axis=axis, scale=alt.Scale(type=scale, zero=zero and scale == "linear", nice=True))
    dash: Any = alt.StrokeDash(
        "name:N",
        scale=alt.Scale(domain=list(names), range=[[5, 2] if look.is_second else [1, 0] for look in looks]),
        legend=None,
    )
    tips = [
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("name:N", title=" "),
        alt.Tooltip("shown:N", title=words.measure(measure).label if measure else "Took"),
        alt.Tooltip("was:N", title="Before"),
        alt.Tooltip("of:N", title="Of"),
    ]
    layers = [
        base.transform_filter("datum.part == 'before'")
        .mark_line(strokeWidth=1.3, opacity=0.32, aria=False)
        .encode(x=x, y=y, color=colour, strokeDash=dash),
        base.transform_filter("datum.part == 'now'")
        .mark_line(strokeWidth=1.9)
        .encode(x=x, y=y, color=colour, strokeDash=dash)
        .add_params(brush()),
        base.transform_filter("datum.part == 'last'")
        .mark_line(strokeWidth=1.6, strokeDash=[2, 3], aria=False)
        .encode(x=x, y=y, color=colour),
        base.transform_filter("datum.part == 'now' || datum.part == 'point'")
        .mark_point(filled=True, size=30)
        .encode(
            x=x,
            y=y,
            color=colour,
            opacity=alt.condition("datum.part == 'now' && datum.sure", alt.value(1), alt.value(_PALE)),
            tooltip=tips,
        ),
    ]
    return charts.spec(_titled(title, *layers, *marks.layers(x, can_be_picked=False)))


def _columns(names: Sequence[str]) -> int:
    return 3 if max(map(len, names), default=0) < _SHORT else 2


class _Line:
    """One line of a chart: what is drawn of it."""

    def __init__(self, name: str, answer: QueryAnswer, measure: Measure, cells: Sequence[GroupFigures]) -> None:
        self.name = name
        self.measure = measure
        self._answer = answer
        self._values = [words.drawn(part.value(measure), measure) for part in cells]
        self._many = timed(answer, cells) if measure.percent else [part.figures.calls for part in cells]
        least = _P99_FROM if measure.percent == 99 else words.FEW
        self._values = [
            value if many >= least or words.is_count(measure) else None
            for value, many in zip(self._values, self._many, strict=True)
        ]

    def rows(self, before: Sequence[float | None]) -> list[dict[str, Any]]:
        """Return its points, those of the period *before*, and the way to the one that is not whole."""
        answer, found = self._answer, list[dict[str, Any]]()
        whole = [is_whole(answer, place) for place in range(len(answer.times))]
        for place, value in enumerate(self._values):
            was = before[place] if place < len(before) else None
            row = {
                "at": words.on_axis(answer, place, 0.5),
                "name": self.name,
                "value": value,
                "when": words.when(answer, place),
                "shown": words.told(value, self.measure),
                "was": words.told(was, self.measure),
                "of": formats.plural(self._many[place], "call"),
                "sure": words.is_count(self.measure) or self._many[place] >= ENOUGH,
            }
            found.append({**row, "part": "now", "value": value if whole[place] else None})
            if not whole[place] and value is not None:
                found.append({**row, "part": "point"})
            found.append({"at": row["at"], "name": self.name, "value": was, "part": "before"})
        last = len(self._values) - 1
        if last > 0 and not whole[last] and None not in self._values[last - 1 :]:
            ends = [
                {"at": words.on_axis(answer, at, 0.5), "name": self.name, "value": self._values[at]}
                for at in (last - 1, last)
            ]
            found += [{**one, "part": "last"} for one in ends]
        return found

    @property
    def values(self) -> Sequence[float | None]:
        """What it shows."""
        return self._values


def _lines(
    lines: Sequence[tuple[_Line, _Line | None]],
    answer: QueryAnswer,
    changes: Sequence[Marked],
    texts: tuple[str, str],
    scale: Scale = "linear",
) -> Picture:
    """Return lines under a title, with what they show in words."""
    title, alt_text = texts
    names = tuple(line.name for line, _ in lines)
    rows = [row for line, before in lines for row in line.rows(before.values if before else ())]
    measure = lines[0][0].measure if lines else answer.query.asked[0]
    if scale == "log":
        rows = [{**row, "value": row["value"] or None} for row in rows]
    spec = _lines_spec(
        charts.shown_days(answer.query.window), names, measure.name, title, scale, zero=words.from_zero(measure)
    )
    return _picture(rows, spec, answer, changes, alt_text)


def latency_lines(found: Compared, changes: Sequence[Marked], scale: Scale) -> Picture:
    """Return percentiles of how long calls took, and those of the period before."""
    now, before = found.now, found.before
    shown = [one for one in now.query.asked if one.percent]
    lines = [
        (_Line(f"p{one.percent}", now, one, now.total.cells), _Line(f"p{one.percent}", before, one, before.total.cells))
        for one in shown
    ]
    p95 = next(line for line, _ in lines if line.name == "p95")
    what = "Time to the first token" if shown[0].timed == "ttft" else "Latency"
    title = f"{what}, per {words.step(now.query.cell)}" + (", logarithmic" if scale == "log" else "")
    told = f"{what} over time{words.highest(p95.values, now, p95.measure, 'p95')}"
    return _lines(lines, now, changes, (title, told), scale)


def group_lines(found: Compared, by: str, changes: Sequence[Marked]) -> Picture:
    """Return a measure over time of the groups that matter most to it, and of all others together."""
    now, before = found.now, found.before
    measure = now.query.asked[0]
    earlier = {group.values: group for group in before.groups}
    shown = now.groups[:MOST_LINES]
    lines = [
        (
            _Line(name, now, measure, group.cells),
            _Line("", before, measure, earlier[group.values].cells) if group.values in earlier else None,
        )
        for name, group in zip(words.short_names(shown, by), shown, strict=True)
    ]
    if len(now.groups) > len(shown) or now.others:
        rest = [cell.without(group.cells[at] for group in shown) for at, cell in enumerate(now.total.cells)]
        lines.append((_Line(words.OTHERS, now, measure, rest), None))
    title = words.axis(measure, now)
    said = words.highest(lines[0][0].values, now, measure, lines[0][0].name) if lines else ""
    return _lines(lines, now, changes, (title, f"{measure.label} over time by {words.dimension(by)}{said}"))

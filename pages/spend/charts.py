"""The charts of Spend, kept as specs and drawn with the day's data, as :mod:`pages.kit.charts` explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from core.reports import OTHERS, Forecast, RecordedChange, Spend, wall
from pages.kit import charts, formats, marks, outcomes
from pages.kit.colours import colour_of
from pages.kit.frames import Frame, chart, pd

KINDS = {"Tenant": "tenant", "Model": "model", "Schema": "schema", "Use": "use"}
"""What the spend over time can be stacked by."""
USES = {"Bought a valid object": "#2A93A8", "Thrown away": "#E0525F"}


def draw_over_time(found: Spend, kind: str, changes: Sequence[RecordedChange]) -> Mapping[str, Any] | None:
    """Draw what was spent per cell, stacked by *kind*, the biggest at the bottom; return the mark that was clicked."""
    over: Frame = found.over_time
    over = over[over["kind"] == ("tenant" if kind == "use" else kind)]
    if kind == "use":
        parts = [
            over.assign(name=name, value=over[part]) for name, part in zip(USES, ("useful", "discarded"), strict=True)
        ]
        frame, names, colours = pd.concat(parts), tuple(USES), tuple(USES.values())
    else:
        if kind == "model":  # without its provider, which the legend has no room for
            over = over.assign(name=[name.partition("/")[2] or name for name in over["name"]])
        spent = over.groupby("name")["usd"].sum().sort_values(ascending=False)
        order: list[str] = [name for name in spent.index if name != OTHERS]
        shown = order[: charts.MOST_TENANTS]
        names = (*shown, OTHERS) if len(spent) > len(shown) else tuple(shown)
        frame = over.assign(name=over["name"].where(over["name"].isin(shown), OTHERS), value=over["usd"])
        colours = tuple(colour_of(name) for name in names)
    frame = frame.groupby(["at", "name"], as_index=False)["value"].sum()
    frame = charts.stacked(frame, names)
    frame["shown"] = [formats.dollars(round(value * 1e9)) for value in frame["value"]]
    return chart(
        marks.with_marks(charts.ranged(frame, found.window), changes, found.window.zone, within=found.window),
        charts.bars_spec(charts.shown_days(found.window), names, colours, "$,~f"),
        alt=f"Spend over time, stacked by {kind}: {formats.dollars(found.total.spend)} in all",
        key="over_time_chart",
        picks=(marks.PICKED,),
    ).get(marks.PICKED)


@lru_cache(maxsize=1)
def _reasons_spec() -> dict[str, Any]:
    y = alt.Y("reason:N", sort=None, axis=alt.Axis(labelLimit=130, **charts.PLAIN), scale=alt.Scale(padding=0.28))
    bars = (
        alt.Chart(pd.DataFrame())
        .mark_bar(cornerRadius=3, color=USES["Thrown away"])
        .encode(
            x=alt.X("usd:Q", axis=alt.Axis(format="$,~f", tickCount=4, labelBound=True, **charts.RULED)),
            y=y,
            tooltip=[
                alt.Tooltip("reason:N", title="Ended"),
                alt.Tooltip("shown:N", title="Cost"),
                alt.Tooltip("attempts:N", title="Attempts"),
            ],
        )
    )
    return charts.spec(bars)


def draw_reasons(found: Spend) -> None:
    """Draw what was spent on attempts that were thrown away, by how they ended."""
    frame: Frame = found.reasons_frame()
    frame = frame.groupby("reason", as_index=False)[["usd", "attempts", "nano_usd"]].sum()
    frame = frame.sort_values("usd", ascending=False, ignore_index=True)
    frame["shown"] = [formats.dollars(int(nano)) for nano in frame["nano_usd"]]
    frame["attempts"] = [formats.count(int(count)) for count in frame["attempts"]]
    frame["reason"] = [outcomes.word(reason) for reason in frame["reason"]]
    worst = f"; most went to attempts that ended {frame['reason'].iloc[0].lower()}" if len(frame) else ""
    chart(
        frame[["reason", "usd", "shown", "attempts"]],
        _reasons_spec(),
        height=max(120, 40 + 30 * len(frame)),
        alt=f"Spend on attempts that were thrown away, by how they ended{worst}",
    )


@lru_cache(maxsize=1)
def _course_spec() -> dict[str, Any]:
    base = alt.Chart(pd.DataFrame())
    x = charts.time_axis(30)
    y = alt.Y(
        "usd:Q",
        axis=alt.Axis(format="$,~f", tickCount=5, **charts.RULED),
        scale=alt.Scale(zero=True, nice=True),
        title=None,
    )
    tips = [
        alt.Tooltip("when:N", title="Day"),
        alt.Tooltip("kind:N", title=" "),
        alt.Tooltip("shown:N", title="By then"),
    ]
    colour = "#2A93A8"
    layers = [
        base.transform_filter("datum.part == 'interval'")
        .mark_area(opacity=0.22, color=colour)
        .encode(x=x, y=y, y2="high:Q"),
        base.transform_filter("datum.part == 'middle'")
        .mark_line(strokeWidth=2, strokeDash=[5, 4], color=colour)
        .encode(x=x, y=y),
        base.transform_filter("datum.part == 'spent'").mark_line(strokeWidth=2.4, color=colour).encode(x=x, y=y),
        base.transform_filter("datum.part == 'limit'")
        .mark_rule(strokeWidth=1.6, strokeDash=[2, 3], color="#CC7A1E")
        .encode(y=y, tooltip=[alt.Tooltip("kind:N", title=" "), alt.Tooltip("shown:N", title="Limit")]),
        base.transform_filter("datum.part == 'spent' || datum.part == 'middle'")
        .mark_point(filled=True, size=90, opacity=0, aria=False)
        .encode(x=x, y=y, tooltip=tips),
    ]
    return charts.spec(alt.layer(*layers, *marks.layers(x)))


def draw_course(coming: Forecast, changes: Sequence[RecordedChange], zone: str) -> Mapping[str, Any] | None:
    """Draw what was spent in the month so far, what will have been, and the budget's limit; return a clicked mark."""
    course: Frame = coming.course
    when = [formats.moment(at)[:6] for at in course["at"]]
    parts = [
        pd.DataFrame(
            {"at": course["at"], "part": part, "usd": course[name], "high": course["high"], "when": when, "what": what}
        )
        for part, name, what in (
            ("spent", "spent", "spent"),
            ("middle", "middle", "probably"),
            ("interval", "low", ""),
        )
    ]
    frame = pd.concat(parts, ignore_index=True).dropna(subset=["usd"])
    # a limit far above would press the month flat, and is told in words
    highest = frame[["usd", "high"]].max().max() if len(frame) else 0.0
    limit = coming.budget.limit_nano_usd / 1e9 if coming.budget else None
    if limit is not None and limit <= 2 * highest:
        frame = pd.concat([frame, pd.DataFrame([{"part": "limit", "usd": limit, "what": "Budget"}])], ignore_index=True)
    frame["shown"] = [formats.dollars(round(value * 1e9)) for value in frame["usd"]]
    frame = frame.rename(columns={"what": "kind"})
    begins = course["at"].min()
    within = [one for one in changes if wall(one.at, zone) >= begins]
    return chart(
        marks.with_marks(frame, within, zone),
        _course_spec(),
        key="course_chart",
        picks=(marks.PICKED,),
        alt=f"Spend of {coming.month} day by day: {formats.dollars(coming.spent)} so far, "
        f"probably {formats.dollars(coming.expected)} at its end"
        if coming.is_known
        else f"Spend of {coming.month} day by day: {formats.dollars(coming.spent)} so far",
    ).get(marks.PICKED)

"""Charts: authored in Altair once, kept as specs, drawn with the day's data.

An Altair object costs ten to eighty milliseconds on every rerun, a kept spec under one; so each ``…spec`` is cached,
and each ``draw_…`` shapes its table and hands both to Streamlit. Shaping is most of what a drawing costs, so the charts
of Home are made once for all who look at the same. Colours come from the theme, or hold on both grounds (3 : 1 at
least). Times on axes are the clock on the wall of the zone that the page names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import altair as alt

from core.reports import ENOUGH, OTHERS, Overview, Window, wall
from pages.kit import formats, marks
from pages.kit.colours import colour_of
from pages.kit.frames import Frame, Picture, pd

MOST_TENANTS = 6
"""Tenants with a colour of their own; the rest is drawn together."""
FEW = 5
"""Calls in a cell under which its rate is drawn pale."""
HEAT_TOP = 0.3
"""The error rate at which the heat map's colour ends."""

# Outcomes as they are drawn: families, in the order of the stack, with colours that hold on white and on near-black.
FAMILIES = {
    "Valid": ("#2A93A8", ("valid_first_try",)),
    "Cache hit": ("#7F8C94", ("cache_hit",)),
    "After re-ask": ("#7C6FD6", ("valid_after_reask",)),
    "After fallback": ("#4C84E0", ("valid_after_fallback",)),
    "Error": (
        "#E0525F",
        ("invalid", "truncated", "refused", "content_filtered", "provider_error", "timeout", "internal_error"),
    ),
    "Blocked": ("#CC7A1E", ("blocked_budget", "blocked_rate", "blocked_guardrail", "blocked_flag")),
    "Unchecked": ("#5B8C5A", ("unchecked",)),
    "Cancelled": ("#A06C8F", ("cancelled",)),
}
FAMILY_OF = {outcome: family for family, (_, outcomes) in FAMILIES.items() for outcome in outcomes}
DECADES = [size * digit for size in (10, 100, 1_000, 10_000, 100_000) for digit in (1, 3)]
_STEEP = 8
"""From this ratio of the slowest bucket to the middle one on, latency is drawn on a logarithmic scale."""
UTC_SCALE = alt.Scale(type="utc", nice=False)
PLAIN: dict[str, Any] = {"grid": False, "domain": False, "ticks": False, "labelPadding": 6, "title": None}
RULED: dict[str, Any] = PLAIN | {"grid": True}
PERCENTILES = {"p50": "#8D4DA8", "p95": "#0F7898", "p99": "#B04907"}
SECONDS = "datum.value >= 1000 ? format(datum.value / 1000, '.1~f') + ' s' : format(datum.value, '.3~r') + ' ms'"


class Picked(NamedTuple):
    """A cell of the heat map that was clicked."""

    tenant: str
    begins: int
    """Seconds since 1970 UTC."""


def spec(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> dict[str, Any]:
    """Return what Streamlit needs of a chart: no data, no theme."""
    made = chart.to_dict()
    for name in ("data", "datasets", "config", "$schema"):
        made.pop(name, None)
    for layer in made.get("layer", ()):
        layer.pop("data", None)  # else it would be empty, whatever the chart has
    return made


def _days_or_hours(window_days: int) -> alt.Axis:
    if window_days > 2:
        return alt.Axis(format="%b %-d", tickCount=8, labelOverlap=True, labelBound=True, **PLAIN)
    return alt.Axis(format="%H:%M", tickCount=8, labelOverlap=True, labelBound=True, **PLAIN)


def time_axis(window_days: int, name: str = "at:T") -> alt.X:
    """Return the axis of time for a window of that many days."""
    return alt.X(name, axis=_days_or_hours(window_days), scale=UTC_SCALE)


def legend(symbol: str = "square", offset: int = 6, **more: Any) -> alt.Legend:
    """Return the key of the colours, above a chart."""
    return alt.Legend(
        orient="top",
        direction="horizontal",
        title=None,
        symbolType=symbol,
        offset=offset,
        padding=0,
        labelLimit=130,
        **more,
    )


@lru_cache(maxsize=4)
def _latency_spec(days: int, scale: Literal["linear", "log"]) -> dict[str, Any]:
    base = alt.Chart(pd.DataFrame())
    hover = alt.selection_point(
        name="hover", fields=["at"], nearest=True, on="pointerover", empty=False, clear="pointerout"
    )
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(PERCENTILES), range=list(PERCENTILES.values())),
        sort=["p50", "p95", "p99"],
        legend=legend("stroke", offset=14, values=["p50", "p95", "p99"], symbolStrokeWidth=3),
    )
    ticks: dict[str, Any] = {"values": DECADES} if scale == "log" else {"tickCount": 5}
    y = alt.Y(
        "ms:Q",
        axis=alt.Axis(labelExpr=SECONDS, **RULED, **ticks),
        scale=alt.Scale(type=scale, zero=scale == "linear", nice=scale == "linear"),
    )
    layers = [
        base.transform_filter("datum.part == 'before'")
        .mark_line(strokeWidth=1.4, strokeDash=[2, 3], opacity=0.55)
        .encode(x=time_axis(days), y=y, color=colour),
        base.transform_filter("datum.part == 'all'")
        .mark_line(strokeWidth=1.5, opacity=0.38)
        .encode(x=time_axis(days), y=y, color=colour),
        base.transform_filter("datum.part == 'sure'")
        .mark_line(strokeWidth=2.2)
        .encode(x=time_axis(days), y=y, color=colour),
        base.transform_filter("datum.part == 'alone'")
        .mark_point(filled=True, size=22, opacity=0.6, aria=False)
        .encode(x=time_axis(days), y=y, color=colour),
        base.transform_filter("datum.part == 'tip'")
        .mark_rule(color=marks.NEUTRAL, strokeWidth=10, aria=False)
        .encode(
            x=time_axis(days),
            opacity=alt.condition(hover, alt.value(0.16), alt.value(0)),
            tooltip=[
                alt.Tooltip("when:N", title="From"),
                alt.Tooltip("p50:N"),
                alt.Tooltip("p95:N"),
                alt.Tooltip("p99:N"),
                alt.Tooltip("calls:N", title="Calls"),
            ],
        )
        .add_params(hover),
    ]
    # the wide, unseen rules lie under the change marks, so that both can be pointed at
    return spec(alt.layer(*layers, *marks.layers(time_axis(days))))


def _marked(frame: Frame, overview: Overview) -> Frame:
    window = overview.window
    return marks.with_marks(frame, overview.changes, window.zone, within=window)


def latency_scale(overview: Overview) -> Literal["linear", "log"]:
    """Return ``log`` where one slow bucket would press all others flat, else ``linear``."""
    series: Frame = overview.series
    known = series["p99"].dropna()
    return "log" if len(known) and known.max() > _STEEP * known.median() else "linear"


def latency(overview: Overview) -> Picture:
    """Return p50, p95 and p99 over time, the p95 of the period before, and changes; pale where calls are few."""
    series: Frame = overview.series
    zone = overview.window.zone
    at = [wall(moment, zone) for moment in series["at"]]
    sure = series["timed"] >= ENOUGH
    parts: list[Frame] = []
    for name in ("p50", "p95", "p99"):
        known = series[name].notna()
        alone = known & ~known.shift(1, fill_value=False) & ~known.shift(-1, fill_value=False)
        for part, ms in (
            ("all", series[name]),
            ("sure", series[name].where(sure)),
            ("alone", series[name].where(alone)),
        ):
            parts.append(pd.DataFrame({"at": at, "part": part, "series": name, "ms": ms}))
    parts.append(pd.DataFrame({"at": at, "part": "before", "series": "p95", "ms": series["p95_before"]}))
    when = [formats.moment(moment, zone) for moment in series["at"]]
    tips = {name: [formats.millis(ms) for ms in series[name]] for name in ("p50", "p95", "p99")}
    calls = [formats.count(timed) for timed in series["timed"]]
    parts.append(pd.DataFrame({"at": at, "part": "tip", "when": when, **tips, "calls": calls}))
    worst = series.loc[series["p95"].idxmax()] if series["p95"].notna().any() else None
    peak = "" if worst is None else f"; p95 peaks at {formats.millis(worst['p95'])} around "
    peak += "" if worst is None else formats.moment(worst["at"], zone)
    return Picture.of(
        _marked(pd.concat(parts, ignore_index=True), overview),
        _latency_spec(shown_days(overview.window), latency_scale(overview)),
        alt=f"Median, 95th and 99th percentile of latency over time{peak}",
    )


@lru_cache(maxsize=32)
def bars_spec(
    days: int, names: tuple[str, ...], colours: tuple[str, ...], axis: str, *, is_counted: bool = False
) -> dict[str, Any]:
    """Return the spec of stacked bars over time, each name in its colour.

    *axis* is the format of its figures, whole ones if *is_counted*.
    """
    scale = alt.Scale(domain=list(names), range=list(colours))
    each = enumerate(zip(names, colours, strict=True))
    seconds = [name for at, (name, colour) in each if colour in colours[:at]]
    step: dict[str, Any] = {"tickMinStep": 1} if is_counted else {}
    bars = (
        alt.Chart(pd.DataFrame())
        .transform_filter(marks.NO_MARK)
        .mark_rect(cornerRadius=1)
        .encode(
            x=time_axis(days),
            x2="until:T",
            y=alt.Y(
                "low:Q",
                axis=alt.Axis(format=axis, tickCount=5, **RULED, **step),
                scale=alt.Scale(zero=True, nice=True),
            ),
            y2="high:Q",
            color=alt.Color(
                "name:N",
                scale=scale,
                sort=list(names),
                legend=legend(columns=3, symbolSize=80, offset=14),
            ),
            opacity=alt.condition(f"indexof({seconds!r}, datum.name) < 0", alt.value(1), alt.value(0.45)),
            tooltip=[
                alt.Tooltip("when:N", title="From"),
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("shown:N", title="Value"),
            ],
        )
    )
    return spec(alt.layer(bars, *marks.layers(time_axis(days))))


def stacked(frame: Frame, names: tuple[str, ...]) -> Frame:
    """Pile the values of each cell up in the order of *names*: Vega-Lite does not stack bars that span a stretch."""
    places = {name: place for place, name in enumerate(names)}
    piled = frame.assign(place=frame["name"].map(places)).sort_values(["at", "place"], ignore_index=True)
    high = piled.groupby("at")["value"].cumsum()
    return piled.assign(low=high - piled["value"], high=high)


def ranged(frame: Frame, window: Window) -> Frame:
    """Give each row its cell's begin and end on the wall, a little apart from its neighbours."""
    gap = window.cell * 0.07
    return frame.assign(
        when=[formats.moment(at, window.zone) for at in frame["at"]],
        until=[wall(at, window.zone) + window.cell - gap for at in frame["at"]],
        at=[wall(at, window.zone) + gap for at in frame["at"]],
    )


def spend(overview: Overview) -> Picture:
    """Return what was spent per cell, stacked by tenant, the biggest spender at the bottom."""
    spent: Frame = overview.spend
    tenants: Frame = overview.tenants
    order: list[str] = [name for name in tenants["tenant"] if name in set(spent["tenant"])]
    shown = order[:MOST_TENANTS]
    names = (*shown, OTHERS) if len(order) > MOST_TENANTS else tuple(shown)
    frame = spent.assign(name=spent["tenant"].where(spent["tenant"].isin(shown), OTHERS))
    frame = frame.groupby(["at", "name"], as_index=False)["usd"].sum().rename(columns={"usd": "value"})
    frame = stacked(frame, names)
    frame["shown"] = [formats.dollars(round(value * 1e9)) for value in frame["value"]]
    return Picture.of(
        _marked(ranged(frame, overview.window), overview),
        bars_spec(shown_days(overview.window), names, tuple(map(colour_of, names)), "$,~f"),
        alt=f"Spend over time, stacked by tenant{f'; {order[0]} spends most' if order else ''}",
    )


def outcomes(overview: Overview) -> Picture:
    """Return how many calls ended how per cell, stacked by family of outcomes."""
    ended: Frame = overview.outcomes
    frame = ended.assign(name=ended["outcome"].map(FAMILY_OF))
    frame = frame.groupby(["at", "name"], as_index=False)["calls"].sum().rename(columns={"calls": "value"})
    names = tuple(family for family in FAMILIES if family in set(frame["name"]))
    frame = stacked(frame, names)
    frame["shown"] = [formats.plural(int(value), "call") for value in frame["value"]]
    totals = overview.totals
    return Picture.of(
        _marked(ranged(frame, overview.window), overview),
        bars_spec(shown_days(overview.window), names, tuple(FAMILIES[name][0] for name in names), "~s"),
        alt=f"Calls over time by outcome: {totals.valid} valid, {totals.errors} errors, {totals.blocked} blocked",
    )


@lru_cache(maxsize=32)
def _heat_spec(days: int, names: tuple[str, ...]) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["tenant", "begins"], on="click", empty=False)
    cells = (
        alt.Chart(pd.DataFrame())
        .transform_filter(marks.NO_MARK)
        .mark_rect(cornerRadius=2, cursor="pointer")
        .encode(
            x=time_axis(days),
            x2="until:T",
            y=alt.Y(
                "tenant:N", sort=list(names), axis=alt.Axis(labelLimit=110, **PLAIN), scale=alt.Scale(padding=0.14)
            ),
            color=alt.Color(
                "error_rate:Q",
                scale=alt.Scale(domain=[0, HEAT_TOP], clamp=True),
                legend=alt.Legend(
                    orient="top",
                    title=None,
                    gradientLength=150,
                    gradientThickness=8,
                    offset=6,
                    values=[0, HEAT_TOP / 2, HEAT_TOP],
                    labelExpr=f"format(datum.value, '.0%') + (datum.value >= {HEAT_TOP} ? ' or more' : '')",
                ),
            ),
            opacity=alt.condition(f"datum.ended < {FEW}", alt.value(0.45), alt.value(1)),
            tooltip=[
                alt.Tooltip("when:N", title="From"),
                alt.Tooltip("tenant:N", title="Tenant"),
                alt.Tooltip("error_rate:Q", format=".1%", title="Error rate"),
                alt.Tooltip("errors:Q", title="Errors"),
                alt.Tooltip("ended:Q", title="Of calls"),
            ],
        )
        .add_params(pick)
    )
    return spec(alt.layer(cells, *marks.layers(time_axis(days))))


def heat(overview: Overview) -> Picture:
    """Return the error rate by tenant and cell, pale where there were few calls."""
    cells: Frame = overview.heat
    names = tuple(sorted(set(cells["tenant"]), key=str.lower))
    frame = ranged(cells, overview.window)
    frame["begins"] = [int(at.timestamp()) for at in cells["at"]]
    many: Frame = cells[cells["ended"] >= FEW]
    worst = many.loc[many["error_rate"].idxmax()] if len(many) else None
    where = (
        ""
        if worst is None
        else f"; highest for {worst['tenant']} from {formats.moment(worst['at'], overview.window.zone)}: "
        f"{formats.percent(worst['error_rate'])} of {worst['ended']} calls"
    )
    return Picture.of(
        _marked(frame, overview),
        _heat_spec(shown_days(overview.window), names),
        alt=f"Error rate by tenant over time{where}",
    )


def cell_of(picked: Mapping[str, Any]) -> Picked:
    """Return the cell of the heat map that was *picked*."""
    return Picked(str(picked["tenant"]), int(picked["begins"]))


def shown_days(window: Window) -> int:
    """Return 1 for windows of about a day at most, 30 for longer ones: all that an axis needs to know."""
    return 1 if (window.ends_at - window.starts_at).days <= 1 else 30

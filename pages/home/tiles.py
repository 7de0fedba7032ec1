"""The six figures at the top of Home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from core.reports import ENOUGH, Overview, Totals
from pages.kit import formats
from pages.kit.frames import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure with its trend and its change since the period before."""

    label: str
    value: str
    delta: str | None
    better: Literal["normal", "inverse", "off"]
    """Whether more is better (normal), worse (inverse) or neither (off)."""
    trend: Sequence[float | None]
    help: str
    beside: str | None = None
    """What limits the figure, in two words."""


def tiles(overview: Overview, range_name: str) -> list[Tile]:
    """Return Home's six figures; each says what it is, from how many calls, and what it is compared with."""
    now, before = overview.totals, overview.previous
    series: Frame = overview.series
    than = f" The change is against the {range_name} before."
    comparable = min(now.valid + now.errors, before.valid + before.errors) >= ENOUGH
    return [
        Tile(
            label="Calls",
            value=formats.count(now.calls),
            delta=formats.change(now.calls, before.calls),
            better="off",
            trend=series["calls"].tolist(),
            help=f"Generations that began in this window: {now.valid:,} valid, {now.errors:,} in error, "
            f"{now.blocked:,} blocked by policy, {now.cancelled:,} cancelled by their caller.{than}",
        ),
        _latency(now, before, series, than),
        Tile(
            label="Error rate",
            value=formats.percent(now.error_rate, 2),
            delta=formats.points(now.error_rate, before.error_rate) if comparable else None,
            better="inverse",
            trend=_known(series["error_rate"]),
            help="Calls that ended invalid, truncated, refused by the model, content-filtered, in a provider error or "
            f"a timeout, among those that ended by themselves: {now.errors:,} of {now.errors + now.valid:,}. "
            f"Blocked and cancelled calls are in neither.{than}",
        ),
        Tile(
            label="Validity",
            value=formats.percent(now.validity, 1),
            delta=formats.points(now.validity, before.validity) if comparable else None,
            better="normal",
            trend=_known(series["validity"]),
            help=f"Valid objects among the {formats.plural(now.reached, 'call')} that reached a provider. "
            f"{now.first_try:,} were valid at the first try.{than}",
        ),
        _spend(now, before, series, than),
        Tile(
            label="Cost per valid",
            value=formats.UNKNOWN
            if now.cost_per_valid_nano_usd is None
            else formats.dollars(now.cost_per_valid_nano_usd),
            delta=formats.change(now.cost_per_valid_nano_usd, before.cost_per_valid_nano_usd) if comparable else None,
            better="inverse",
            trend=_known(series["cost_per_valid_usd"]),
            help="All spend per valid object, that of failed attempts included; only wholly priced calls count. "
            f"{_wasted(now)}{than}",
        ),
    ]


def _latency(now: Totals, before: Totals, series: Frame, than: str) -> Tile:
    enough = now.latency.timed >= ENOUGH
    comparable = enough and before.latency.timed >= ENOUGH
    return Tile(
        label="p95 latency",
        value=formats.millis(now.latency.p95 if enough else None),
        delta=formats.change(now.latency.p95, before.latency.p95) if comparable else None,
        beside=None if comparable else "too few before" if enough else f"from {ENOUGH} calls on",
        better="inverse",
        trend=_known(series["p95"]),
        help="95 % of the calls that reached a provider took at most this long, from the door to the record, re-asks "
        f"and fallbacks included. Exact, over {formats.plural(now.latency.timed, 'call')}.{than}",
    )


def _spend(now: Totals, before: Totals, series: Frame, than: str) -> Tile:
    tokens = f"Input {formats.short(now.input_tokens)} tokens ({formats.short(now.cached_tokens)} of them cached)"
    return Tile(
        label="Spend",
        value=formats.dollars(now.spend_nano_usd),
        delta=formats.change(now.spend_nano_usd, before.spend_nano_usd),
        beside=f"{formats.short(now.unpriced_calls)} unpriced" if now.unpriced_calls else None,
        better="off",
        trend=series["spend_usd"].tolist(),
        help="What the attempts of these calls cost, at the prices frozen on them. Models without a known price are "
        f"left out and counted: {formats.plural(now.unpriced_calls, 'call')}. "
        f"{tokens}, output {formats.short(now.output_tokens)}.{than}",
    )


def _wasted(now: Totals) -> str:
    if not now.spend_nano_usd:
        return ""
    share = formats.percent(now.wasted_nano_usd / now.spend_nano_usd)
    return f"{share} of the spend went to attempts that gave no valid object."


def _known(figures: Frame) -> list[float]:
    return figures.dropna().tolist()


def draw_tiles(overview: Overview, range_name: str) -> None:
    """Draw the figures in a row that folds on narrow screens."""
    with st.grid(6, min_column_width=150, gap="small"):
        for tile in tiles(overview, range_name):
            flat = tile.delta is not None and tile.delta.startswith("0")
            st.metric(
                tile.label,
                tile.value,
                0 if flat else tile.delta,
                delta_color=tile.better,
                delta_description=tile.beside or (None if tile.delta else "nothing before"),
                help=tile.help,
                border=True,
                height="stretch",
                chart_data=tile.trend if len(tile.trend) > 1 else None,
                chart_type="area",
            )

"""The six figures at the top of Home."""

from __future__ import annotations

from dataclasses import replace

from core.reports import ENOUGH, PERCENTILE_ERROR, Overview, Totals
from pages.kit import formats
from pages.kit.frames import Frame
from pages.kit.tiles import Tile


def tiles(overview: Overview, before_that: str) -> list[Tile]:
    """Return Home's six figures; each says what it is, from how many calls, and what it is compared with."""
    now, before = overview.totals, overview.previous
    series: Frame = overview.series
    than = f" The change is against {before_that}."
    comparable = min(now.valid + now.errors, before.valid + before.errors) >= ENOUGH
    found = [
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
            help="Calls that ended invalid, truncated, refused by the model, content-filtered, in a provider error, a "
            f"timeout or a fault of our own, among those that ended by themselves: {now.errors:,} of "
            f"{now.errors + now.valid + now.unchecked:,}. "
            f"Blocked and cancelled calls are in neither.{than}",
        ),
        Tile(
            label="Validity",
            value=formats.percent(now.validity, 1),
            delta=formats.points(now.validity, before.validity) if comparable else None,
            better="normal",
            trend=_known(series["validity"]),
            help=f"Valid objects among the {formats.plural(now.reached, 'call')} that reached a provider. "
            f"{now.first_try:,} were valid at the first try.{_unchecked(now)}{than}",
        ),
        _spend(now, before, series, than),
        Tile(
            label="Cost per valid",
            value=formats.UNKNOWN if now.cost_per_valid is None else formats.dollars(now.cost_per_valid),
            delta=formats.change(now.cost_per_valid, before.cost_per_valid) if comparable else None,
            better="inverse",
            trend=_known(series["cost_per_valid_usd"]),
            help="All spend per valid object, that of failed attempts included; only wholly priced calls count. "
            f"{_wasted(now)}{than}",
        ),
    ]
    return [one if one.beside or one.delta else replace(one, beside="nothing before") for one in found]


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
        f"and fallbacks included. At most "
        f"{formats.percent(PERCENTILE_ERROR, 1)} off, over {formats.plural(now.latency.timed, 'call')}.{than}",
    )


def _unchecked(now: Totals) -> str:
    if not now.unchecked:
        return ""
    return f" {formats.plural(now.unchecked, 'call')} had no schema to be checked against and count in neither."


def _spend(now: Totals, before: Totals, series: Frame, than: str) -> Tile:
    tokens = f"Input {formats.short(now.input_tokens)} tokens ({formats.short(now.cached_tokens)} of them cached)"
    return Tile(
        label="Spend",
        value=formats.dollars(now.spend),
        delta=formats.change(now.spend, before.spend),
        beside=f"{formats.short(now.unpriced_calls)} unpriced" if now.unpriced_calls else None,
        better="off",
        trend=series["spend_usd"].tolist(),
        help="What the attempts of these calls cost, at the prices frozen on them. Models without a known price are "
        f"left out and counted: {formats.plural(now.unpriced_calls, 'call')}. "
        f"{tokens}, output {formats.short(now.output_tokens)}.{than}",
    )


def _wasted(now: Totals) -> str:
    if not now.spend:
        return ""
    share = formats.percent(now.discarded / now.spend)
    return f"{share} of the spend went to attempts that gave no valid object."


def _known(figures: Frame) -> list[float]:
    return figures.dropna().tolist()

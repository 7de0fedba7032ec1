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
            label="Got an object",
            value=formats.percent(now.got_object, 1),
            delta=formats.points(now.got_object, before.got_object) if comparable else None,
            better="normal",
            trend=_known(series["got_object"]),
            help=f"Calls that gave their caller a valid object, or an answer that had no schema to be checked against: "
            f"{now.valid + now.unchecked:,} of {now.asked:,}. Blocked calls and errors are those that did not; "
            f"{formats.plural(now.cancelled, 'call')} whose caller left are in neither. {now.first_try:,} were valid "
            f"at the first try; of the {formats.plural(now.reached, 'call')} that reached a provider "
            f"{formats.percent(now.validity, 1)} gave a valid object.{than}",
        ),
        Tile(
            label="Blocked",
            value=formats.count(now.blocked),
            delta=formats.change(now.blocked, before.blocked),
            better="inverse",
            beside=f"{formats.percent(now.blocked_share, 1)} of all calls" if now.blocked else None,
            trend=series["blocked"].tolist(),
            help="Calls that a budget, a rate limit, a guardrail or a flag refused, out of "
            f"{formats.plural(now.calls, 'call')}. They are no errors of a model, and no objects either.{than}",
        ),
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
        _latency(now, before, series, than),
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

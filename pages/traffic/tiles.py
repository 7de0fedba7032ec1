"""The six figures at the top of *Traffic*."""

from __future__ import annotations

from typing import Literal

from core.reports import ENOUGH
from core.reports.measures import MEASURES
from pages.kit import formats
from pages.kit.tiles import Tile
from pages.traffic.figures import Compared, many

_P95 = MEASURES["p95"]


def tiles(found: Compared, before_that: str) -> list[Tile]:
    """Return the figures; each says what it is, from how many calls, and what it is compared with."""
    now, before = found.now.total.whole, found.before.total.whole
    calls, was = now.figures, before.figures
    comparable = min(calls.ended, was.ended) >= ENOUGH
    timed, timed_before = many(now, _P95), many(before, _P95)

    def tile(
        name: str, value: str, delta: str | None, of: str, better: Literal["normal", "inverse", "off"] = "inverse"
    ) -> Tile:
        told = f"{MEASURES[name].sentence}{of} The change is against {before_that}."
        beside = None if delta else "too few to compare" if was.calls else "nothing before"
        return Tile(label=MEASURES[name].label, value=value, delta=delta, better=better, beside=beside, help=told)

    return [
        tile("calls", formats.short(calls.calls), formats.change(calls.calls, was.calls), "", "off"),
        tile(
            "got_object",
            formats.percent(calls.got_object, 1),
            formats.points(calls.got_object, was.got_object) if comparable else None,
            f" {calls.valid + calls.unchecked:,} of {calls.asked:,}.",
            "normal",
        ),
        tile(
            "blocked",
            formats.count(calls.blocked),
            formats.change(calls.blocked, was.blocked),
            f" {formats.percent(calls.blocked_share, 1)} of all.",
        ),
        tile(
            "error_rate",
            formats.percent(calls.error_rate, 2),
            formats.points(calls.error_rate, was.error_rate) if comparable else None,
            f" {calls.errors:,} of {calls.ended:,}.",
        ),
        tile(
            "p95",
            formats.millis(now.value(_P95) if timed >= ENOUGH else None),
            formats.change(now.value(_P95), before.value(_P95)) if min(timed, timed_before) >= ENOUGH else None,
            f" Over {formats.plural(timed, 'call')}; from {ENOUGH} on.",
        ),
        tile("spend", formats.dollars(calls.spend), formats.change(calls.spend, was.spend), "", "off"),
    ]

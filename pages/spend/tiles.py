"""The six figures at the top of Spend."""

from __future__ import annotations

from core.reports import INTERVAL, LEAST_DAYS, CallFigures
from pages.kit import formats
from pages.kit.tiles import Tile
from pages.spend.figures import Figures


def missing(figures: CallFigures) -> str | None:
    """Return what a sum does not hold, or holds as an estimate, in a few words; ``None`` where it is whole."""
    parts = [
        f"{formats.short(figures.unpriced_calls)} unpriced" if figures.unpriced_calls else "",
        f"{formats.dollars(figures.estimated_spent)} estimated" if figures.estimated_attempts else "",
    ]
    return " · ".join(part for part in parts if part) or None


def tiles(found: Figures, before_that: str) -> list[Tile]:
    """Return the six figures; each says what it is and what it rests on."""
    now, before = found.spend.total, found.before.total
    than = f" The change is against {before_that}."
    return [
        Tile(
            label="Spend",
            value=formats.dollars(now.spend),
            delta=formats.change(now.spend, before.spend),
            beside=missing(now),
            help="What all attempts of the calls that began in this window cost, at the prices frozen on them: the "
            "figure of Home, Calls, the API and the ledger. Not in it: "
            f"{formats.plural(now.unpriced_attempts, 'attempt')} by models without a price. Estimated in it, because "
            f"the provider did not report usage: {formats.plural(now.estimated_attempts, 'attempt')}.{than}",
        ),
        Tile(
            label="Per valid object",
            value=formats.UNKNOWN if now.cost_per_valid is None else formats.dollars(now.cost_per_valid),
            delta=formats.change(now.cost_per_valid, before.cost_per_valid),
            better="inverse",
            beside=f"{formats.short(now.valid)} objects",
            help=f"All spend, that of failures included, per valid object, over calls that are wholly priced: "
            f"{formats.plural(now.priced_valid, 'object')}.{than}",
        ),
        Tile(
            label="Thrown away",
            value=formats.dollars(now.discarded),
            delta=formats.points(now.discarded_share, before.discarded_share),
            better="inverse",
            beside=f"{formats.percent(now.discarded_share)} of it",
            help=f"What {formats.plural(now.discarded_attempts, 'attempt')} cost that gave no caller a valid object. "
            f"The change is of its share of the spend, against {before_that}.",
        ),
        Tile(
            label="Prompt caching",
            value=formats.dollars(now.cache_saved),
            beside=f"{formats.percent(now.hit_rate)} of input cached",
            help=f"What providers' caches took off the bill. {formats.short(now.cached_tokens)} of "
            f"{formats.short(now.input_tokens)} input tokens were read from them, "
            f"{formats.short(now.cache_write_tokens)} written. Below zero where writing cost more than reading saved.",
        ),
        Tile(
            label="Cache hits",
            value=formats.dollars(now.answers_saved),
            beside=f"{formats.percent(now.answer_rate)} of objects",
            help=f"What {formats.plural(now.answers, 'call')} would have cost that our own cache answered, for the "
            "routes that have one.",
        ),
        _month_end(found),
    ]


def _month_end(found: Figures) -> Tile:
    known = [one for one in found.forecasts if one.expected is not None]
    middle = sum(one.expected or 0 for one in known)
    if found.tenant is not None and known:
        [one] = known
        beside = f"{formats.dollars(one.low)} to {formats.dollars(one.high)}"
        rests = f"from its last {formats.plural(one.days, 'day')}; the interval is meant to hold {INTERVAL:.0%}"
    else:
        beside = f"{len(known)} of {formats.plural(len(found.forecasts), 'tenant')}"
        rests = f"the sum over tenants with {LEAST_DAYS} whole days of calls; each has its own interval below"
    return Tile(
        label="Month-end",
        value=formats.dollars(middle) if known else formats.UNKNOWN,
        beside=beside if known else f"from {LEAST_DAYS} days on",
        help=f"What the running month will probably have cost in the tenant's time zone, {rests}. How it is made, and "
        "how good such forecasts were, stands under the forecast.",
    )

"""The price list: what genai-prices knows, read once per model and day and turned into whole numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import genai_prices
from genai_prices.types import TieredPrices

from core.pricing._money import nano_usd
from core.pricing._terms import PriceTerms, Rates, made
from core.settings import PROVIDERS

VENDORS = tuple(name for name, provider in PROVIDERS.items() if provider.has_public_prices)
"""Providers whose prices are public."""
SOURCE = f"genai-prices {version('genai-prices')}"


@lru_cache(maxsize=2048)
def listed(provider: str, model: str, day: date) -> PriceTerms | None:
    """Return what the list says a model cost on *day*; ``None`` if it does not know it."""
    if provider not in VENDORS:
        return None
    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(),
            model,
            provider_id=provider,
            genai_request_timestamp=datetime.combine(day, time(), UTC),
        )
    except LookupError:
        return None
    price = found.model_price
    fresh = price.input_mtok
    kinds = {
        "fresh": fresh,
        "cached": fresh if price.cache_read_mtok is None else price.cache_read_mtok,
        "written": fresh if price.cache_write_mtok is None else price.cache_write_mtok,
        "output": price.output_mtok,
    }
    starts = {tier.start for kind in kinds.values() if isinstance(kind, TieredPrices) for tier in kind.tiers}
    return made(
        provider,
        found.model.id,
        Rates(**{name: _rate(kind, 0) for name, kind in kinds.items()}),
        [(start, Rates(**{name: _rate(kind, start + 1) for name, kind in kinds.items()})) for start in sorted(starts)],
        source=SOURCE,
        date=day.isoformat(),
    )


def _rate(price: Any, input_tokens: int) -> int:
    """Return a kind's rate for a call with so much input, in nano-dollars per million tokens."""
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if input_tokens > tier.start]
        price = reached[-1] if reached else price.base
    return nano_usd(price or 0)

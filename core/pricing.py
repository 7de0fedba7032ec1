"""Usage, price, cost: tokens by kind, dollars per token from a date on, and their product in nano-dollars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import genai_prices
from genai_prices.types import PriceCalculation, TieredPrices

NANO = 1_000_000_000
"""Nano-dollars in a dollar. A cached token can cost 75 of them; nothing smaller is sold."""
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one provider call."""

    input_tokens: int = 0
    """All input, cached reads and cache writes included, as OpenAI counts."""
    cached_tokens: int = 0
    """The part of the input that was read from the provider's cache."""
    cache_write_tokens: int = 0
    """The part of the input that was written to the provider's cache."""
    output_tokens: int = 0
    """All output, reasoning included."""
    reasoning_tokens: int = 0
    """The part of the output that was thought and not shown."""
    estimated: bool = False
    """Whether the wire never told, so that we did."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs, in dollars per million tokens, as one source gave it on one day."""

    provider: str
    model: str
    """The model's name in the source."""
    input_usd_per_mtok: str
    cached_usd_per_mtok: str
    output_usd_per_mtok: str
    source: str
    """The source and its version."""

    def as_dict(self) -> dict[str, str]:
        """Return what is frozen on the attempt."""
        return {
            "provider": self.provider,
            "model": self.model,
            "input_usd_per_mtok": self.input_usd_per_mtok,
            "cached_usd_per_mtok": self.cached_usd_per_mtok,
            "output_usd_per_mtok": self.output_usd_per_mtok,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call cost and at which price."""

    nano_usd: int
    price: Price


_SOURCE = f"genai-prices {version('genai-prices')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """A model's price on one day, as whole nano-dollars per million tokens of each kind."""

    fresh: int
    """Input that is neither read from nor written to the cache."""
    cached: int
    written: int
    output: int
    is_tiered: bool
    """Whether a long context costs more per token; then the library is asked each time."""
    price: Price


class Prices:
    """The prices that genai-prices ships. An unknown model is unpriced: ``None``, never 0."""

    def cost(self, provider: str, model: str, usage: Usage, at: datetime) -> Cost | None:
        """Return what *usage* costs on *model* at the time *at*, rounded up to a nano-dollar; ``None`` if unpriced.

        The price, tiers and cache rates included, is genai-prices'. It is applied to one attempt at a time, so that a
        sum over re-asks never climbs into a long-context tier that no single call reached. Without tiers the price is
        linear in each kind of token, so its four rates are taken from the library once a day and multiplied here.
        """
        rates = _rates(provider, model, at.date())
        if rates is None:
            return None
        if rates.is_tiered:
            return Cost(_asked(provider, model, usage, at.date()), rates.price)
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        total = (
            fresh * rates.fresh
            + usage.cached_tokens * rates.cached
            + usage.cache_write_tokens * rates.written
            + usage.output_tokens * rates.output
        )
        return Cost(-(-total // _MILLION), rates.price)


@lru_cache(maxsize=512)
def _rates(provider: str, model: str, day: date) -> _Rates | None:
    """Return a model's rates, by asking the library what a million tokens of each kind cost."""
    if provider not in ("openai", "anthropic"):
        return None
    try:
        found = _calculated(provider, model, Usage(), day)
    except LookupError:
        return None
    cached = Usage(input_tokens=_MILLION, cached_tokens=_MILLION)
    written = Usage(input_tokens=_MILLION, cache_write_tokens=_MILLION)
    return _Rates(
        fresh=_asked(provider, model, Usage(input_tokens=_MILLION), day),
        cached=_asked(provider, model, cached, day),
        written=_asked(provider, model, written, day),
        output=_asked(provider, model, Usage(output_tokens=_MILLION), day),
        is_tiered=any(isinstance(price, TieredPrices) for price in vars(found.model_price).values()),
        price=_price(provider, found.model.id, found.model_price),
    )


def _asked(provider: str, model: str, usage: Usage, day: date) -> int:
    total = _calculated(provider, model, usage, day).total_price
    return int((total * NANO).to_integral_value(ROUND_CEILING))


def _calculated(provider: str, model: str, usage: Usage, day: date) -> PriceCalculation:
    return genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.combine(day, time(), UTC),
    )


def _price(provider: str, model: str, price: Any) -> Price:
    return Price(
        provider=provider,
        model=model,
        input_usd_per_mtok=_base(price.input_mtok),
        cached_usd_per_mtok=_base(price.cache_read_mtok),
        output_usd_per_mtok=_base(price.output_mtok),
        source=_SOURCE,
    )


def _base(price: Any) -> str:
    """Return a rate as text; a tiered rate by its base and its tiers."""
    if price is None:
        return ""
    if isinstance(price, Decimal | int | float):
        return str(price)
    tiers = ", ".join(f"{tier.price} from {tier.start} tokens" for tier in price.tiers)
    return f"{price.base}; {tiers}"


def usd(nano: int | None) -> float | None:
    """Return nano-dollars as dollars, for showing; ``None`` stays unknown."""
    return None if nano is None else nano / NANO


def nano_usd(dollars: Decimal | str | int) -> int:
    """Return dollars as nano-dollars, exactly or rounded up."""
    return int((Decimal(dollars) * NANO).to_integral_value(ROUND_CEILING))

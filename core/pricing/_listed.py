"""The price list: what genai-prices knows, read once per model and day and turned into whole numbers.

The list knows the rates of service tiers and of one-hour cache writes. What it does not have, the surcharge of a region
and what fine-tuned models cost, stands here, as it was published on 2026-11-28.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, StartDateConstraint, TieredPrices

from core.pricing._families import family_name, has_list, known_model
from core.pricing._money import nano_usd
from core.pricing._names import bare_name, fine_tuned_from
from core.pricing._terms import ANY_REGION, PriceTerms, Rates, made
from core.servers import PROVIDERS, recipe_of

SOURCE = f"genai-prices {version('genai-prices')}"

_REGIONAL = Decimal("1.1")
"""A call that is kept in a region costs a tenth more, of every kind of token and in every tier. Anthropic's region is
``us``: https://platform.claude.com/docs/en/about-claude/pricing (data residency). OpenAI's is any, for models from
2026-03-05 on, which are GPT-5.4 and later: https://developers.openai.com/api/docs/guides/data-residency."""
_OPENAI_VERSION = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_FIRST_REGIONAL = (5, 4)

_FINE_TUNED: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "gpt-4.1": ("3", "0.75", "12"),
        "gpt-4.1-mini": ("0.8", "0.2", "3.2"),
        "gpt-4.1-nano": ("0.2", "0.05", "0.8"),
        "gpt-4o": ("3.75", "1.875", "15"),
        "gpt-4o-mini": ("0.3", "0.15", "1.2"),
        "o4-mini": ("4", "1", "16"),
    }
)
"""What inference costs of models that were fine-tuned from these: dollars per million tokens of fresh input, of cached
input and of output. https://developers.openai.com/api/docs/pricing (fine-tuning)."""
_STANDARD = ("default", "standard")


@lru_cache(maxsize=2048)
def listed(provider: str, model: str, day: date) -> PriceTerms | None:
    """Return what the list says a model cost on *day*, by any of its names; ``None`` if it does not know it."""
    if not has_list(provider):
        return None
    found, fine_tuned = known_model(provider, model), _fine_tuned(provider, model, day)
    if found is None or fine_tuned is not None:
        return fine_tuned
    own: dict[str, Any] = {"source": SOURCE, "date": day.isoformat()}
    base, tiers = _rates(found.get_prices(_midnight(day)))
    rates = {("", ""): (base, tiers)} | {(tier, ""): _rates(prices) for tier, prices in _in_tiers(found, day).items()}
    variants: dict[tuple[str, str], PriceTerms] = {}
    for (tier, _), (first, steps) in rates.items():
        if tier:
            variants[tier, ""] = made(provider, found.id, first, steps, tier=tier, **own)
        if region := _region(provider, found.id):
            more = [(start, step.times(_REGIONAL)) for start, step in steps]
            variants[tier, region] = made(
                provider, found.id, first.times(_REGIONAL), more, tier=tier, geo=region, **own
            )
    return made(provider, found.id, base, tiers, variants=variants, **own)


def _fine_tuned(provider: str, model: str, day: date) -> PriceTerms | None:
    of = fine_tuned_from(bare_name(provider, model))
    known = _FINE_TUNED.get(family_name(provider, of)) if of else None
    if known is None:
        return None
    fresh, cached, output = (nano_usd(rate) for rate in known)
    rates = Rates(fresh=fresh, cached=cached, written=fresh, output=output)
    half = replace(rates, fresh=-(-fresh // 2), written=-(-fresh // 2), output=-(-output // 2))
    own: dict[str, Any] = {"source": "openai: fine-tuned", "date": day.isoformat()}
    name = f"ft:{family_name(provider, of)}"
    batch = made(provider, name, half, (), tier="batch", **own)
    return made(provider, name, rates, (), variants={("batch", ""): batch}, **own)


def _region(provider: str, model: str) -> str:
    """Return the region that costs more; ``*`` for any, empty for none."""
    recipe = recipe_of(provider)
    if recipe is PROVIDERS["anthropic"]:
        return "us"
    if recipe is not PROVIDERS["openai"]:
        return ""
    number = _OPENAI_VERSION.match(model)
    is_new = number is not None and (int(number[1]), int(number[2] or 0)) >= _FIRST_REGIONAL
    return ANY_REGION if is_new else ""


def _in_tiers(model: ModelInfo, day: date) -> dict[str, ModelPrice]:
    """Return the prices of a model in the service tiers that it has beside the standard one."""
    found: dict[str, ModelPrice] = {}
    for variant in model.price_variants or ():
        for kind, value in variant.when.items():
            tier = "batch" if (kind, value) == ("processing", "batch") else value
            if kind in ("service_tier", "speed", "processing") and tier not in _STANDARD:
                prices = model.get_prices(_verified(model, variant, day), variant.when)
                if tier not in found and prices != model.get_prices(_midnight(day)):
                    found[tier] = prices
    return found


def _verified(model: ModelInfo, variant: PriceVariant, day: date) -> datetime:
    """Return the time whose tier price holds on *day*.

    The list knows the tiers of OpenAI since they were looked up, in October 2026. Before that day they are taken to
    have been the same for as long as the standard price was.
    """
    at = _midnight(day)
    if isinstance(variant.constraint, StartDateConstraint) and day < variant.constraint.start_date:
        since = _midnight(variant.constraint.start_date)
        return since if model.get_prices(at) == model.get_prices(since) else at
    return at


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _rates(price: ModelPrice) -> tuple[Rates, list[tuple[int, Rates]]]:
    """Return the rates of a price, and those of its tiers of long context."""
    fresh = price.input_mtok
    written = fresh if price.cache_write_mtok is None else price.cache_write_mtok
    kinds = {
        "fresh": fresh,
        "cached": fresh if price.cache_read_mtok is None else price.cache_read_mtok,
        "written": written,
        "output": price.output_mtok,
    }
    if price.cache_write_1h_mtok is not None:
        kinds["written_1h"] = price.cache_write_1h_mtok
    starts = {tier.start for kind in kinds.values() if isinstance(kind, TieredPrices) for tier in kind.tiers}

    def at(input_tokens: int) -> Rates:
        return Rates(**{name: _rate(kind, input_tokens) for name, kind in kinds.items()})

    return at(0), [(start, at(start + 1)) for start in sorted(starts)]


def _rate(price: Any, input_tokens: int) -> int:
    """Return a kind's rate for a call with so much input, in nano-dollars per million tokens."""
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if input_tokens > tier.start]
        price = reached[-1] if reached else price.base
    return nano_usd(price or 0)

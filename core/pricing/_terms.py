"""What a model costs, as whole numbers: four rates, and four more for each long-context tier."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.pricing._money import Cost, PossibleBilling, Price, Usage, as_dollars

_MILLION = 1_000_000
ANY_REGION = "*"
"""Among the variants of a price: each region, where all cost the same."""
IN_ANY_WAY = PossibleBilling()
"""Of whom nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Whole nano-dollars per million tokens of each kind."""

    fresh: int
    """Input that is neither read from nor written to the cache."""
    cached: int
    written: int
    """Input that is written to the cache, for some minutes."""
    output: int
    written_1h: int | None = None
    """Input that is written to the cache for an hour; ``None`` where that costs what any writing costs."""

    @property
    def long_written(self) -> int:
        """What input costs that is written to the cache for an hour."""
        return self.written if self.written_1h is None else self.written_1h

    def dearest_input(self, tokens: int, possible: PossibleBilling) -> int:
        """Return the most that so many tokens of input can cost, cached in any *possible* way, in millionths."""
        unwritten = max(self.fresh, self.cached)
        written = max(unwritten, self.written, self.long_written if possible.for_an_hour else 0)
        most = tokens if possible.most_written is None else min(tokens, possible.most_written)
        return tokens * unwritten + most * (written - unwritten)

    def times(self, factor: Decimal) -> Rates:
        """Return these rates multiplied by *factor*, each rounded up."""
        return Rates(
            fresh=math.ceil(self.fresh * factor),
            cached=math.ceil(self.cached * factor),
            written=math.ceil(self.written * factor),
            output=math.ceil(self.output * factor),
            written_1h=None if self.written_1h is None else math.ceil(self.written_1h * factor),
        )

    def less(self, percent: Decimal) -> Rates:
        """Return these rates with *percent* off, each rounded up."""
        return self.times((100 - percent) / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    """The price of one model at one time, ready to be multiplied."""

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    """Rates of every token of a call whose input is larger than so many tokens, ascending."""
    price: Price
    """The same for people, as it is frozen on each attempt."""
    variants: Mapping[tuple[str, str], PriceTerms] = field(default_factory=dict[tuple[str, str], "PriceTerms"])
    """The price in another service tier or region, by tier and region; each may be empty, a region ``*``."""
    is_flat: bool = False
    """Whether it holds however a call is served: an operator said so much per token."""

    def rates(self, input_tokens: int) -> Rates:
        """Return the rates of a call with so much input."""
        for above, rates in reversed(self.tiers):
            if input_tokens > above:
                return rates
        return self.base

    def cost(self, usage: Usage) -> Cost:
        """Return what one call costs, rounded up, and what the cache took off it, rounded down.

        Where no price is known for its service tier or region, the standard one is taken, and the cost remarks on it.
        """
        if (usage.tier or usage.geo) and not self.is_flat:
            served, remark = self._served(usage.tier, usage.geo)
            return replace(served.plain_cost(usage), remark=remark) if remark else served.plain_cost(usage)
        return self.plain_cost(usage)

    def plain_cost(self, usage: Usage) -> Cost:
        """Return the same by these very rates, however the call was served."""
        rates = self.rates(usage.input_tokens) if self.tiers else self.base
        cached, written, fresh_rate = usage.cached_tokens, usage.cache_write_tokens, rates.fresh
        saved = cached * (fresh_rate - rates.cached) - written * (rates.written - fresh_rate)
        if usage.cache_write_1h_tokens:
            saved -= usage.cache_write_1h_tokens * (rates.long_written - rates.written)
        total = usage.input_tokens * fresh_rate - saved + usage.output_tokens * rates.output
        return Cost(-(-total // _MILLION), self.price, saved // _MILLION)

    def _served(self, tier: str, geo: str) -> tuple[PriceTerms, str]:
        """Return the price of a call that was served so, and what is to be remarked on it."""
        for region in (geo, ANY_REGION):
            if (found := self.variants.get((tier, region))) is not None:
                return found, ""
        if tier and geo:
            in_tier, of_tier = self._served(tier, "")
            in_region, of_region = self._served("", geo)
            return (in_region, of_tier) if of_tier else (in_tier, of_region)
        if tier:
            return self, f"No price is published for the service tier {tier!r}; the standard one was taken."
        return self, ""

    def worst_nano_usd(self, input_tokens: int, output_tokens: int, possible: PossibleBilling = IN_ANY_WAY) -> int:
        """Return the most that a call can cost with at most so much input, cached in any possible way, and output.

        A tier may be cheaper than the one below it, so a little less input can cost more: each tier's own most counts.
        So does every service tier and region in which the vendor may serve it: a project or a workspace can have one
        by default, without any word of the request.
        """
        worst = self.plain_worst(input_tokens, output_tokens, possible)
        for (tier, region), variant in self.variants.items():
            if _may_be(tier, possible.tiers) and _may_be(region, possible.regions):
                worst = max(worst, variant.plain_worst(input_tokens, output_tokens, possible))
        return -(-worst // _MILLION)

    def plain_worst(self, input_tokens: int, output_tokens: int, possible: PossibleBilling) -> int:
        """Return the most by these very rates, in millionths of a nano-dollar."""
        worst, most = 0, input_tokens
        for above, rates in reversed(self.tiers):
            if input_tokens > above:
                worst = max(worst, rates.dearest_input(most, possible) + output_tokens * rates.output)
                most = above
        return max(worst, self.base.dearest_input(most, possible) + output_tokens * self.base.output)


def _may_be(word: str, possible: frozenset[str] | None) -> bool:
    """Whether a tier or a region may be that of a call: none always may, and any region if it is kept in one."""
    return not word or possible is None or word in possible or (word == ANY_REGION and bool(possible))


def made(
    provider: str,
    model: str,
    base: Rates,
    tiers: Sequence[tuple[int, Rates]],
    *,
    source: str,
    date: str,
    override_id: str | None = None,
    tier: str = "",
    geo: str = "",
    variants: Mapping[tuple[str, str], PriceTerms] | None = None,
    is_flat: bool = False,
) -> PriceTerms:
    """Return terms with the price written out for people."""

    def text(rate: Callable[[Rates], int]) -> str:
        steps, last = [as_dollars(rate(base))], rate(base)
        for above, rates in tiers:
            if rate(rates) != last:
                steps.append(f"{as_dollars(rate(rates))} above {above} tokens")
            last = rate(rates)
        return steps[0] if len(steps) == 1 else f"{steps[0]}; {', '.join(steps[1:])}"

    price = Price(
        provider=provider,
        model=model,
        input_usd_per_mtok=text(lambda rates: rates.fresh),
        cached_usd_per_mtok=text(lambda rates: rates.cached),
        cache_write_usd_per_mtok=text(lambda rates: rates.written),
        output_usd_per_mtok=text(lambda rates: rates.output),
        source=source,
        date=date,
        override_id=override_id,
        tier=tier,
        geo=geo,
    )
    return PriceTerms(base=base, tiers=tuple(tiers), price=price, variants=variants or {}, is_flat=is_flat)

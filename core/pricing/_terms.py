"""What a model costs, as whole numbers: four rates, and four more for each long-context tier."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.pricing._money import Cost, Price, Usage, as_dollars

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Whole nano-dollars per million tokens of each kind."""

    fresh: int
    """Input that is neither read from nor written to the cache."""
    cached: int
    written: int
    output: int

    @property
    def dearest_input(self) -> int:
        """The most that a million tokens of input can cost, however they are cached."""
        return max(self.fresh, self.cached, self.written)

    def less(self, percent: Decimal) -> Rates:
        """Return these rates with *percent* off, each rounded up."""
        return Rates(
            fresh=_less(self.fresh, percent),
            cached=_less(self.cached, percent),
            written=_less(self.written, percent),
            output=_less(self.output, percent),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    """The price of one model at one time, ready to be multiplied."""

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    """Rates of every token of a call whose input is larger than so many tokens, ascending."""
    price: Price
    """The same for people, as it is frozen on each attempt."""

    def rates(self, input_tokens: int) -> Rates:
        """Return the rates of a call with so much input."""
        for above, rates in reversed(self.tiers):
            if input_tokens > above:
                return rates
        return self.base

    def cost(self, usage: Usage) -> Cost:
        """Return what one call costs, rounded up, and what the cache took off it, rounded down."""
        rates = self.rates(usage.input_tokens) if self.tiers else self.base
        cached, written, fresh_rate = usage.cached_tokens, usage.cache_write_tokens, rates.fresh
        saved = cached * (fresh_rate - rates.cached) - written * (rates.written - fresh_rate)
        total = usage.input_tokens * fresh_rate - saved + usage.output_tokens * rates.output
        return Cost(-(-total // _MILLION), self.price, saved // _MILLION)

    def worst_nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """Return the most that a call can cost with at most so much input, cached in any way, and output.

        A tier may be cheaper than the one below it, so a little less input can cost more: each tier's own most counts.
        """
        worst, most = 0, input_tokens
        for above, rates in reversed(self.tiers):
            if input_tokens > above:
                worst = max(worst, most * rates.dearest_input + output_tokens * rates.output)
                most = above
        worst = max(worst, most * self.base.dearest_input + output_tokens * self.base.output)
        return -(-worst // _MILLION)


def made(
    provider: str,
    model: str,
    base: Rates,
    tiers: Sequence[tuple[int, Rates]],
    *,
    source: str,
    date: str,
    override_id: str | None = None,
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
    )
    return PriceTerms(base=base, tiers=tuple(tiers), price=price)


def _less(rate: int, percent: Decimal) -> int:
    return math.ceil(rate * (100 - percent) / 100)

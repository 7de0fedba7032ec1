"""Prices: genai-prices' own to the nano-dollar, per attempt; what has no price is unpriced, never free."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pricing import NANO, OverrideKind, OverridingPrice, PriceBook, Rates, Usage, as_dollars, nano_usd, usd
from tests.conftest import START
from tests.examples import many

PRICES = PriceBook()
KNOWN = {
    (provider.id, model.id): model.get_prices(START)
    for provider in get_snapshot().providers
    for model in provider.models
    if provider.id in ("openai", "anthropic") and model.is_match(model.id)
}
MODELS = sorted(who for who, price in KNOWN.items() if price.input_mtok is not None)
TIERED = [who for who in MODELS if any(isinstance(price, TieredPrices) for price in vars(KNOWN[who]).values())]


@st.composite
def usages(draw: st.DrawFn, most: int = 400_000) -> Usage:
    """Usages that a call could have: what is cached is part of the input."""
    input_tokens = draw(st.integers(0, most))
    cached = draw(st.integers(0, input_tokens))
    return Usage(
        input_tokens=input_tokens,
        cached_tokens=cached,
        cache_write_tokens=draw(st.integers(0, input_tokens - cached)),
        output_tokens=draw(st.integers(0, most)),
    )


def asked(provider: str, model: str, usage: Usage, at: datetime = START) -> int:
    """Return what the library itself says, rounded up to a nano-dollar."""
    calculated = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=at,
    )
    return math.ceil(calculated.total_price * NANO)


@settings(max_examples=many(400), deadline=None)
@given(who=st.sampled_from(MODELS), usage=usages())
def test_our_rates_are_the_library_s(who: tuple[str, str], usage: Usage) -> None:
    """For any model and any usage our four rates, or its tiers, give what genai-prices calculates, rounded up."""
    cost = PRICES.cost(*who, usage, START)

    assert cost is not None
    assert cost.nano_usd - cost.fees_nano_usd == asked(*who, usage)


def test_there_are_tiers_to_test() -> None:
    """Some models cost more per token in a long context; without them the next test would say nothing."""
    assert ("anthropic", "claude-sonnet-4-5") in TIERED
    assert len(MODELS) > 60


@settings(max_examples=many(100), deadline=None)
@given(who=st.sampled_from(TIERED), counts=st.lists(st.integers(1, 150_000), min_size=2, max_size=5))
def test_tiers_are_asked_per_attempt(who: tuple[str, str], counts: list[int]) -> None:
    """Several short calls never cost what one long call would: each is priced alone, however much they add up to."""
    alone = [Usage(input_tokens=count, output_tokens=10) for count in counts]
    paid = [cost.nano_usd for one in alone if (cost := PRICES.cost(*who, one, START))]

    assert paid == [asked(*who, one) for one in alone]
    summed = PRICES.cost(*who, sum(alone, Usage()), START)
    assert summed is not None
    assert sum(paid) <= summed.nano_usd + len(paid)


def test_a_long_context_costs_more() -> None:
    """Beyond its threshold a tiered model is dearer per token, and the price kept with the cost shows the tier."""
    short = PRICES.cost("anthropic", "claude-sonnet-4-5", Usage(input_tokens=100_000), START)
    long = PRICES.cost("anthropic", "claude-sonnet-4-5", Usage(input_tokens=400_000), START)

    assert short is not None
    assert long is not None
    assert long.nano_usd > 4 * short.nano_usd
    assert "above 200000 tokens" in long.price.input_usd_per_mtok


@given(count=st.integers(1, 100_000), cached=st.integers(0, 100_000))
def test_cached_tokens_are_not_billed_twice(count: int, cached: int) -> None:
    """What was read from the cache costs the cached rate instead of the full one, not beside it."""
    cached = min(count, cached)
    cost = PRICES.cost("openai", "gpt-4o-mini", Usage(input_tokens=count, cached_tokens=cached), START)

    assert cost is not None
    assert cost.nano_usd == math.ceil((count - cached) * 150 + cached * 75)


rates = st.builds(Rates, **dict.fromkeys(("fresh", "cached", "written", "output"), st.integers(0, 100 * NANO)))
tiers = st.dictionaries(st.integers(1, 300_000), rates, max_size=3).map(lambda steps: tuple(sorted(steps.items())))


def own(base: Rates, *, tiers: tuple[tuple[int, Rates], ...] = (), **more: Any) -> OverridingPrice:
    """Return an override of a model that no list knows, from a year before ``START`` on."""
    known: dict[str, Any] = {
        "id": "o",
        "tenant_id": "",
        "provider": "compatible",
        "model": "own",
        "from_at": START - timedelta(days=365),
        "kind": OverrideKind.RATES,
        "created_at": START,
    }
    return OverridingPrice(base=base, tiers=tiers, **(known | more))


@given(base=rates, tiers=tiers, parts=st.lists(usages(), min_size=1, max_size=5))
def test_our_own_tiers_are_per_attempt_too(
    base: Rates, tiers: tuple[tuple[int, Rates], ...], parts: list[Usage]
) -> None:
    """Each attempt is priced by its own input alone: exactly the rates of the tier it reached, rounded up once."""
    book = PriceBook([own(base, tiers=tiers)])
    for usage in parts:
        reached = [step for above, step in tiers if usage.input_tokens > above]
        rate = reached[-1] if reached else base
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        exact = Fraction(
            fresh * rate.fresh
            + usage.cached_tokens * rate.cached
            + usage.cache_write_tokens * rate.written
            + usage.output_tokens * rate.output,
            1_000_000,
        )
        cost = book.cost("compatible", "own", usage, START)
        assert cost is not None
        assert cost.nano_usd == math.ceil(exact)


@given(
    base=rates,
    tiers=tiers,
    usage=usages(),
    more=st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)),
)
def test_the_worst_bounds_every_mix(
    base: Rates, tiers: tuple[tuple[int, Rates], ...], usage: Usage, more: tuple[int, int]
) -> None:
    """No call with at most so many tokens costs more, however its input is cached and whichever tier it reaches."""
    book = PriceBook([own(base, tiers=tiers)])
    worst = book.worst_nano_usd("compatible", "own", usage.input_tokens + more[0], usage.output_tokens + more[1], START)
    cost = book.cost("compatible", "own", usage, START)
    assert worst is not None
    assert cost is not None
    assert cost.nano_usd <= worst


@settings(max_examples=many(200), deadline=None)
@given(who=st.sampled_from(MODELS), usage=usages(), more=st.integers(0, 300_000))
def test_the_worst_bounds_the_list_s_prices(who: tuple[str, str], usage: Usage, more: int) -> None:
    """The same for every model of the list, by what the library itself calculates."""
    worst = PRICES.worst_nano_usd(*who, usage.input_tokens + more, usage.output_tokens, START)
    assert worst is not None
    assert asked(*who, usage) <= worst


@given(base=rates, tiers=tiers, count=st.integers(0, 400_000), output=st.integers(0, 400_000))
def test_the_worst_is_reached(base: Rates, tiers: tuple[tuple[int, Rates], ...], count: int, output: int) -> None:
    """The bound is no larger than it must be: some call within it costs exactly that."""
    book = PriceBook([own(base, tiers=tiers)])
    counts = {count, *(above for above, _ in tiers if above < count)}
    kinds = [{}, {"cached_tokens": 1}, {"cache_write_tokens": 1}]
    costs = [
        book.cost("compatible", "own", Usage(input_tokens=n, output_tokens=output, **dict.fromkeys(kind, n)), START)
        for n in counts
        for kind in kinds
    ]
    assert book.worst_nano_usd("compatible", "own", count, output, START) == max(c.nano_usd for c in costs if c)


@given(base=rates, tiers=tiers, usage=usages())
def test_what_the_cache_saved(base: Rates, tiers: tuple[tuple[int, Rates], ...], usage: Usage) -> None:
    """Saved is what reading took off less what writing put on: whole nano-dollars, never more than exactly true."""
    book = PriceBook([own(base, tiers=tiers)])
    rate = next((step for above, step in reversed(tiers) if usage.input_tokens > above), base)
    exact = Fraction(
        usage.cached_tokens * (rate.fresh - rate.cached) - usage.cache_write_tokens * (rate.written - rate.fresh),
        1_000_000,
    )
    cost = book.cost("compatible", "own", usage, START)
    plain = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    without = book.cost("compatible", "own", plain, START)
    assert cost is not None
    assert without is not None
    assert cost.cache_saved_nano_usd == math.floor(exact)
    assert cost.nano_usd + cost.cache_saved_nano_usd <= without.nano_usd
    assert without.cache_saved_nano_usd == 0


def test_writing_to_the_cache_can_cost_more_than_reading_saves() -> None:
    """Anthropic's first call with marked context pays a surcharge: that is a saving below zero, and is said so."""
    written = PRICES.cost("anthropic", "claude-haiku-4-5", Usage(input_tokens=10, cache_write_tokens=10), START)
    read = PRICES.cost("anthropic", "claude-haiku-4-5", Usage(input_tokens=10, cached_tokens=10), START)
    assert written is not None
    assert read is not None
    assert (written.cache_saved_nano_usd, read.cache_saved_nano_usd) == (-2_500, 9_000)


@given(nano=st.integers(0, 10**18))
def test_dollars_are_written_exactly(nano: int) -> None:
    """The text of a rate is read back as the same number, without idle zeros or an exponent."""
    text = as_dollars(nano)
    assert nano_usd(text) == nano
    assert "E" not in text
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("provider", "model", "usage", "nano"),
    [
        ("openai", "gpt-4o-mini", Usage(input_tokens=1_000_000), 150_000_000),
        ("openai", "gpt-4o-mini", Usage(output_tokens=1), 600),
        ("openai", "gpt-4o-mini", Usage(), 0),
        ("openai", "gpt-4o-mini", Usage(input_tokens=1, output_tokens=10, reasoning_tokens=10), 6_150),
        ("anthropic", "claude-3-5-haiku-latest", Usage(input_tokens=10, cached_tokens=10), 800),
        ("anthropic", "claude-haiku-4-5", Usage(input_tokens=10, cache_write_tokens=10), 12_500),
    ],
)
def test_known_prices(provider: str, model: str, usage: Usage, nano: int) -> None:
    """A few prices as the vendors publish them."""
    cost = PRICES.cost(provider, model, usage, START)

    assert cost is not None
    assert cost.nano_usd == nano


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("openai", ""),
        ("compatible", "gpt-4o-mini"),
        ("local", "smollm2"),
        ("anthropic", "gpt-4o-mini"),
    ],
)
def test_what_is_unknown_is_unpriced(provider: str, model: str) -> None:
    """An unknown model, and a server whose prices nobody knows, has no cost: that is not to cost nothing."""
    assert PRICES.cost(provider, model, Usage(input_tokens=1), START) is None


def test_the_price_is_frozen_with_its_source() -> None:
    """What is kept on an attempt says which rates of which release were applied."""
    cost = PRICES.cost("openai", "gpt-4o-mini-2024-07-18", Usage(input_tokens=1), START)

    assert cost is not None
    assert cost.price.as_dict() == {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "input_usd_per_mtok": "0.15",
        "cached_usd_per_mtok": "0.075",
        "cache_write_usd_per_mtok": "0.15",
        "output_usd_per_mtok": "0.6",
        "source": f"genai-prices {version('genai-prices')}",
        "date": START.date().isoformat(),
    }


def test_a_price_is_the_one_of_its_day() -> None:
    """A call is priced as on the day it was made, so that history is not re-priced."""
    for model in ("o3", "gpt-4o-mini"):
        for at in (START, START - timedelta(days=500)):
            cost = PRICES.cost("openai", model, Usage(input_tokens=1_000_000), at)
            assert cost is not None
            assert cost.nano_usd == asked("openai", model, Usage(input_tokens=1_000_000), at)
    before, after = (
        PRICES.cost("openai", "o3", Usage(input_tokens=1_000_000), datetime(2025, 6, day, tzinfo=UTC))
        for day in (1, 20)
    )
    assert before is not None
    assert after is not None
    assert before.nano_usd > after.nano_usd


@given(parts=st.lists(usages(10_000), max_size=5))
def test_usages_add_up(parts: list[Usage]) -> None:
    """A sum counts every kind of token, and is an estimate as soon as one part is."""
    total = sum(parts, Usage())

    assert total.input_tokens == sum(part.input_tokens for part in parts)
    assert total.cached_tokens == sum(part.cached_tokens for part in parts)
    assert total.cache_write_tokens == sum(part.cache_write_tokens for part in parts)
    assert total.output_tokens == sum(part.output_tokens for part in parts)
    assert not total.estimated
    assert (total + Usage(estimated=True)).estimated


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [("0", 0), ("1", NANO), ("0.000000001", 1), ("0.0000000001", 1), (Decimal("19.99"), 19_990_000_000)],
)
def test_dollars_become_nano_dollars(dollars: str | Decimal, nano: int) -> None:
    """Dollars are exact to the nano-dollar, and what is finer is rounded up."""
    assert nano_usd(dollars) == nano


def test_unknown_stays_unknown() -> None:
    """Unpriced is not shown as zero."""
    assert usd(None) is None
    assert usd(1_500_000_000) == 1.5

"""What we know of genai-prices and build around. A new version that changes one of these fails here."""

from __future__ import annotations

from datetime import UTC, datetime

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices
from genai_prices.update_prices import wait_prices_updated_sync

from core.pricing import PriceBook, Usage, listed
from tests.conftest import START

TIERED = "claude-sonnet-4-5"


def asked(model: str, provider: str = "anthropic", at: datetime = START, **usage: int) -> float:
    """Return what the library says, in dollars."""
    found = genai_prices.calc_price(
        genai_prices.Usage(**usage), model, provider_id=provider, genai_request_timestamp=at
    )
    return float(found.total_price)


def test_an_unknown_model_is_a_lookup_error() -> None:
    """It is not priced 0: that is how peers' budgets go blind."""
    with pytest.raises(LookupError):
        asked("no-such-model", "openai", input_tokens=1)


def test_cached_tokens_are_a_part_of_the_input() -> None:
    """As OpenAI counts. Handing it Anthropic's figures, which exclude them, would bill too little."""
    assert asked("gpt-4o-mini", "openai", input_tokens=1_000_000, cache_read_tokens=1_000_000) == 0.075
    assert asked("gpt-4o-mini", "openai", input_tokens=1_000_000) == 0.15


def test_a_tier_prices_every_token_of_a_call_above_its_start() -> None:
    """The cliff: one token more and all are dearer, output too. Exactly at the start it is not yet reached."""
    at, above = (asked(TIERED, input_tokens=count, output_tokens=1_000) for count in (200_000, 200_001))
    assert at == pytest.approx(0.2 * 3 + 0.015)
    assert above == pytest.approx(0.200001 * 6 + 0.0225)


def test_pricing_a_sum_would_climb_into_a_tier() -> None:
    """Two calls of half the size are cheaper than one: so each attempt is priced alone."""
    alone = 2 * asked(TIERED, input_tokens=150_000)
    assert asked(TIERED, input_tokens=300_000) == pytest.approx(2 * alone)
    book = PriceBook()
    one = book.cost("anthropic", TIERED, Usage(input_tokens=150_000), START)
    assert one is not None
    assert 2 * one.nano_usd == pytest.approx(alone * 1e9)


def test_only_input_decides_the_tier() -> None:
    """A long answer to a short question is not a long context."""
    assert asked(TIERED, input_tokens=1, output_tokens=1_000_000) == pytest.approx(15.000003)


def test_a_price_has_a_day() -> None:
    """The library knows since when a price holds: a call is priced as of its own day."""
    before, after = (
        asked("o3", "openai", datetime(2025, 6, day, tzinfo=UTC), input_tokens=1_000_000) for day in (1, 20)
    )
    assert (before, after) == (10, 2)


def test_prices_do_not_change_beneath_us() -> None:
    """The list is that of the installed release: nobody started the updater, which would fetch another."""
    PriceBook().cost("openai", "gpt-4o-mini", Usage(input_tokens=1), START)
    assert not get_snapshot().from_auto_update
    assert not wait_prices_updated_sync(0)


def test_every_tier_of_our_vendors_is_of_a_kind_that_we_read() -> None:
    """Rates are numbers or numbers with tiers; a third kind would be read as something it is not."""
    kinds = {"input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok"}
    for provider in get_snapshot().providers:
        if provider.id not in ("openai", "anthropic"):
            continue
        for model in provider.models:
            price = model.get_prices(START)
            for name, value in vars(price).items():
                if name in kinds and value is not None:
                    number = value.base if isinstance(value, TieredPrices) else value
                    assert number >= 0


def test_a_rate_is_whole_in_nano_dollars() -> None:
    """No rate of the list is finer than a nano-dollar per million tokens, so that our whole numbers are exact."""
    terms = listed("openai", "gpt-4o-mini", START.date())
    assert terms is not None
    assert (terms.base.fresh, terms.base.cached, terms.base.output) == (150_000_000, 75_000_000, 600_000_000)

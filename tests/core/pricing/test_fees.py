"""Tools that a vendor runs: what they cost, who says so, and what is said where nobody does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.errors import Invalid
from core.pricing import PossibleBilling, PriceBook, Prices, Usage, billing
from core.principals import LOCAL_OPERATOR
from core.store import Store
from tests import builders
from tests.conftest import START

ANSWER = Usage(input_tokens=1000, output_tokens=100)
CENT = 10_000_000


def fee_of(book: PriceBook, provider: str, model: str, **uses: int) -> tuple[int, str]:
    """Return what these uses cost, in nano-dollars, and which of them have no price."""
    plain = book.cost(provider, model, ANSWER, START)
    cost = book.cost(provider, model, replace(ANSWER, tool_uses=tuple(uses.items())), START)
    assert plain is not None
    assert cost is not None
    return cost.nano_usd - plain.nano_usd + plain.fees_nano_usd, cost.price.unpriced_uses


@pytest.mark.parametrize(
    ("provider", "model", "uses", "nano_usd", "unpriced"),
    [
        ("anthropic", "claude-haiku-4-5", {"web_search": 2, "web_fetch": 5}, 2 * CENT, ""),
        ("anthropic-eu", "claude-haiku-4-5", {"web_search": 2}, 2 * CENT, ""),
        ("anthropic", "claude-haiku-4-5", {"code_execution": 1, "web_search": 1}, CENT, "code_execution"),
        ("openai", "gpt-5", {"web_search": 3, "file_search": 4}, 4 * CENT, ""),
        ("openai", "gpt-4.1", {"web_search_preview": 2}, 5 * CENT, ""),
        ("openai", "gpt-5", {"web_search_preview": 2}, 2 * CENT, ""),
        ("openai", "gpt-5", {"code_interpreter": 1, "code_interpreter_4g": 1}, 15 * CENT, ""),
        ("openai", "gpt-5", {"image_generation": 1}, 0, "image_generation"),
        ("openai", "gpt-5", {"mcp": 7}, 0, ""),
        ("xai", "grok-4", {"x_search": 4}, 2 * CENT, ""),
        ("azure", "gpt-5", {"web_search": 1}, 0, "web_search"),
        ("vertex-claude", "claude-haiku-4-5", {"web_search": 1}, 0, "web_search"),
    ],
)
def test_a_use_costs_what_is_published(
    provider: str, model: str, uses: dict[str, int], nano_usd: int, unpriced: str
) -> None:
    """By kind of provider, by tool, and where it matters by model; what stands nowhere is named, never 0."""
    assert fee_of(PriceBook(), provider, model, **uses) == (nano_usd, unpriced)


def test_a_model_that_searches_by_itself_is_billed_for_every_call() -> None:
    """Nothing of its answer tells so."""
    cost = PriceBook().cost("openai", "gpt-5-search-api", ANSWER, START)
    assert cost is None or cost.fees_nano_usd == CENT
    [found] = [one for one in ["gpt-4o-search-preview"] if PriceBook().terms("openai", one, START)]
    searched = PriceBook().cost("openai", found, ANSWER, START)
    assert searched is not None
    assert searched.fees_nano_usd == CENT * 5 // 2


@given(
    used=st.dictionaries(st.sampled_from(["web_search", "file_search", "code_interpreter"]), st.integers(0, 50)),
    spare=st.integers(0, 3),
)
def test_what_is_held_covers_as_many_uses_as_are_possible(used: dict[str, int], spare: int) -> None:
    """However many of them run."""
    book = PriceBook()
    possible = PossibleBilling(tool_uses=tuple((use, count + spare) for use, count in used.items()))
    held = book.worst_nano_usd("openai", "gpt-5", 1000, 100, START, possible=possible)
    cost = book.cost("openai", "gpt-5", replace(ANSWER, tool_uses=tuple(used.items())), START)
    assert held is not None
    assert cost is not None
    assert cost.nano_usd <= held


def test_what_was_told_is_kept() -> None:
    """On the attempt stand the uses, and on its price what each costs and who says so."""
    usage = replace(ANSWER, tool_uses=(("image_generation", 1), ("web_search", 2)))
    cost = PriceBook().cost("openai", "gpt-5", usage, START)
    assert cost is not None
    assert billing(usage, cost) == {"tool_uses": {"image_generation": 1, "web_search": 2}}
    price = cost.price.as_dict()
    assert price["fees"].startswith("web_search $10 per 1,000 (OpenAI's prices as others quote them, unverified)")
    assert price["unpriced_uses"] == "image_generation"


@pytest.fixture
def prices(store: Store, clock: ManualClock) -> Prices:
    """The prices of an empty database."""
    return Prices(store, clock)


def test_an_operator_s_word_goes_before_what_is_published(prices: Prices, store: Store) -> None:
    """From its time on, a tenant's own before that for all; and it is no model among the models in use."""
    builders.save(store, acme := builders.tenant("Acme", START))
    given_fees = (("web_search", "4", None), ("web_search", "3", acme), ("image_generation", "40", None))
    for name, dollars, tenant in given_fees:
        prices.set(LOCAL_OPERATOR, "openai", f"tool:{name}", usd_per_1000_uses=dollars, tenant=tenant, from_at=START)
    everyone, own = prices.book(LOCAL_OPERATOR), prices.book(LOCAL_OPERATOR, acme.id)
    assert fee_of(everyone, "openai", "gpt-5", web_search=10, image_generation=1) == (8 * CENT, "")
    assert fee_of(own, "openai", "gpt-5", web_search=10) == (3 * CENT, "")
    prices.set(
        LOCAL_OPERATOR, "openai", "tool:web_search", back_to_list=True, tenant=acme, from_at=START - timedelta(1)
    )
    assert fee_of(own, "openai", "gpt-5", web_search=10) == (3 * CENT, "")
    again = prices.set(LOCAL_OPERATOR, "openai", "tool:web_search", back_to_list=True, from_at=START + timedelta(1))
    book = prices.book(LOCAL_OPERATOR)
    later = book.fee("openai", "gpt-5", "web_search", again.from_at)
    assert later is not None
    assert later.nano_usd == CENT
    assert not [one for one in prices.in_use(LOCAL_OPERATOR, START) if "tool:" in one.model]


@pytest.mark.parametrize(
    ("model", "said", "why"),
    [
        ("tool:web_search", {"rates": {"input_usd_per_mtok": "1", "output_usd_per_mtok": "1"}}, "Give either what"),
        ("tool:web_search", {"usd_per_1000_uses": "1", "discount_percent": "5"}, "rates and discounts are of models"),
        ("tool:web_search", {"usd_per_1000_uses": "many"}, "an amount of dollars per 1,000 uses"),
        ("tool:web_search", {"usd_per_1000_uses": "0.0000001"}, "at most 6 decimals"),
        ("tool:Web Search", {"usd_per_1000_uses": "1"}, "The model is the name"),
        ("tool:WEB", {"usd_per_1000_uses": "1"}, "A tool is named"),
        ("tool:image_generation", {"back_to_list": True}, "nothing to go back to"),
        ("gpt-5", {"usd_per_1000_uses": "1"}, "belongs to a tool"),
    ],
)
def test_what_cannot_be_is_told(prices: Prices, model: str, said: dict[str, Any], why: str) -> None:
    """In one sentence."""
    with pytest.raises(Invalid, match=why):
        prices.set(LOCAL_OPERATOR, "openai", model, **said)

"""What calls cost is what their vendors bill, by a table that a person can check."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce

import pytest

from core.pricing import PriceBook, Usage, billing
from core.providers._usage import anthropic_usage, chat_usage, most_told, region_of, responses_usage
from tests.core.pricing.bills import BILLS, Bill

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def told(bill: Bill) -> Usage:
    """Return the usage of a bill, as the provider reads it."""
    pieces = bill.told if isinstance(bill.told, list) else [bill.told]
    if bill.model.startswith("anthropic/"):
        read = [anthropic_usage(piece) for piece in pieces]
    else:
        usage = responses_usage if bill.responses else chat_usage
        read = [usage({**piece, "service_tier": bill.tier}, region_of(bill.base_url)) for piece in pieces]
    most = reduce(most_told, read)
    assert most is not None
    return most


@pytest.mark.parametrize("bill", BILLS, ids=[f"{one.model}: {one.what}" for one in BILLS])
def test_a_call_costs_what_its_vendor_bills(bill: Bill) -> None:
    """The cost is the arithmetic of the bill to the nano-dollar, and what a person should look at is marked."""
    parts = [part.split(" x ") for part in bill.sum.split(" + ")]
    by_hand = sum(int(tokens) * Decimal(rate) * 1000 for tokens, rate in parts)
    assert by_hand == bill.nano_usd, "the arithmetic gives the figure beside it"
    provider, _, model = bill.model.partition("/")
    usage = told(bill)

    cost = PriceBook().cost(provider, model, usage, NOW, answered=bill.answered)

    assert cost is not None
    assert cost.nano_usd == bill.nano_usd
    assert bool((billing(usage, cost) or {}).get("remark")) is bill.is_marked


def test_the_table_is_long_enough() -> None:
    """Both vendors' tiers, caches, reasoning, long context, names and odd payloads are in it."""
    assert len(BILLS) >= 60
    assert len({bill.model for bill in BILLS}) > 20

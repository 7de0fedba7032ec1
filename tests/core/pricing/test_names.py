"""A model's names: whatever is set for one of them holds for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from core.budgets import BudgetTerms, Scope
from core.pricing import (
    NANO,
    OverrideKind,
    OverridingPrice,
    PossibleBilling,
    PriceBook,
    Rates,
    Usage,
    canonical_name,
    family_name,
    family_of,
)
from core.pricing._families import known_model
from tests.conftest import START
from tests.examples import many

GPT_4O = ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "GPT-4o", "openai/gpt-4o", "gpt-4o-latest")
FLAT = Rates(fresh=NANO, cached=NANO, written=NANO, output=NANO)


def override(model: str, *, rates: Rates | None = FLAT, percent: int | None = None) -> OverridingPrice:
    """Return what an operator says that a model of OpenAI costs."""
    return OverridingPrice(
        id=f"{model} {percent}",
        tenant_id="",
        provider="openai",
        model=model,
        from_at=START - timedelta(days=1),
        kind=OverrideKind.RATES if percent is None else OverrideKind.DISCOUNT,
        base=rates if percent is None else None,
        discount_percent=None if percent is None else Decimal(percent),
        created_at=START,
    )


@pytest.mark.parametrize(
    ("name", "family"),
    [
        *((f"openai/{name}", "openai/gpt-4o") for name in (*GPT_4O, "gpt-4o-2024-05-13", "gpt-4o-20240806")),
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openai/gpt-4-0613", "openai/gpt-4"),
        ("openai/gpt-5-4-2026-03-05", "openai/gpt-5.4"),
        ("openai/gpt-4-turbo-preview", "openai/gpt-4-turbo"),
        ("openai/gpt-4-0125-preview", "openai/gpt-4-turbo"),
        ("openai/GPT-4-1106-Preview", "openai/gpt-4-turbo"),
        ("openai/gpt-5-chat-latest", "openai/gpt-5"),
        ("openai/gpt-3.5-turbo-0301", "openai/gpt-3.5-turbo"),
        ("openai/gpt-35-turbo", "openai/gpt-3.5-turbo"),
        ("openai/ft:gpt-4o-mini-2024-07-18:Acme::ABC", "openai/ft:gpt-4o-mini-2024-07-18:acme::abc"),
        ("anthropic/claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5"),
        ("anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4-5"),
        ("anthropic/claude-4-opus-20250514", "anthropic/claude-opus-4"),
        ("anthropic/claude-opus-4-0", "anthropic/claude-opus-4"),
        ("anthropic/claude-3-5-haiku-latest", "anthropic/claude-3-5-haiku"),
        ("compatible/mistral-large-2407", "compatible/mistral-large-2407"),
        ("compatible/vendor/Model:latest", "compatible/vendor/model"),
    ],
)
def test_every_name_leads_to_one(name: str, family: str) -> None:
    """Dates, capitals, paths and aliases lead to the family; a version that is part of a name stays."""
    assert family_of(name) == family
    assert family_of(family) == family, "and there it ends"


def spelled_out(match: Any) -> Iterator[str]:
    """Yield names that a model's match takes: those that stand there, and one that goes on from each beginning."""
    if (name := getattr(match, "equals", None)) is not None:
        yield name
    if (name := getattr(match, "starts_with", None)) is not None:
        yield from (name, f"{name}-x")
    for one in getattr(match, "or_", ()):
        yield from spelled_out(one)


LISTED = [
    (provider.id, model.id, name)
    for provider in providers
    if provider.id in ("openai", "anthropic")
    for model in provider.models
    for name in dict.fromkeys((model.id, *spelled_out(model.match)))
    if not name.startswith("ft:")
]
"""Every name of every model of the price list, with the model."""


def test_what_the_list_prices_as_one_model_is_one_family() -> None:
    """Each name that the price package has for a model is of that model's family, and its price is kept by that.

    So a budget, an override and a discount for either hold for the other, unless the list has one of them apart.
    """
    assert len(LISTED) > 200
    for provider, model, name in LISTED:
        found = known_model(provider, name)
        assert found is not None, name
        if found.id != model:  # the beginning of a name that another model has whole
            continue
        assert family_name(provider, name) == family_name(provider, model), (provider, model, name)
        assert canonical_name(provider, name) == canonical_name(provider, model), (provider, model, name)
        assert family_name(provider, family_name(provider, name)) == family_name(provider, name), name


@pytest.mark.parametrize("set_for", ["gpt-4-turbo", "gpt-4-0125-preview"])
@pytest.mark.parametrize("called", ["gpt-4-turbo", "gpt-4-turbo-preview", "gpt-4-1106-preview"])
def test_an_alias_that_looks_like_another_model_is_none(set_for: str, called: str) -> None:
    """What is set for one name of a priced model holds for a call by a name that no spelling leads there."""
    usage = Usage(input_tokens=1000, output_tokens=100)
    own = PriceBook([override(set_for)]).cost("openai", called, usage, START)
    less = PriceBook([override(set_for, percent=50)]).cost("openai", called, usage, START)
    assert own is not None
    assert less is not None
    assert (own.nano_usd, less.nano_usd) == (1_100_000, 6_500_000)
    subject = Scope.MODEL.subject(model=f"openai/{called}", schema="", route="", payer="")
    assert subject == Scope.MODEL.named(f"openai/{set_for}")


@pytest.mark.parametrize("set_for", GPT_4O)
@pytest.mark.parametrize("called", GPT_4O)
def test_what_is_set_for_one_name_holds_for_all(set_for: str, called: str) -> None:
    """Own rates, a discount and a budget for any name of a model hold for a call by any other."""
    usage = Usage(input_tokens=1000, output_tokens=100)
    own = PriceBook([override(set_for)]).cost("openai", called, usage, START)
    less = PriceBook([override(set_for, percent=50)]).cost("openai", called, usage, START)
    scope = Scope.MODEL
    terms = BudgetTerms(
        budget_id="b",
        tenant_id="t",
        tenant="Acme",
        timezone="UTC",
        limit_nano_usd=1,
        scope=scope,
        scope_name=scope.named(f"openai/{set_for}"),
    )

    assert own is not None
    assert less is not None
    assert (own.nano_usd, less.nano_usd) == (1_100_000, 1_750_000)
    assert terms.pays_for(f"openai/{called}")
    assert not terms.pays_for("openai/gpt-4o-mini")


def test_a_date_that_the_list_has_apart_keeps_its_own_price() -> None:
    """Rates for an old snapshot are no rates for the model; the model's hold for the snapshot that has none."""
    usage = Usage(input_tokens=1000, output_tokens=100)
    old = "gpt-4o-2024-05-13"
    assert canonical_name("openai", old) == old
    apart, whole = PriceBook([override(old)]), PriceBook([override("gpt-4o")])
    costs = [book.cost("openai", name, usage, START) for book in (apart, whole) for name in ("gpt-4o", old)]
    assert [one.nano_usd for one in costs if one] == [3_500_000, 1_100_000, 1_100_000, 1_100_000]


def test_an_operator_s_own_rates_go_before_who_answered() -> None:
    """Own rates for the name that was asked hold whoever answers; a discount is taken off the price of who did."""
    usage, old = Usage(input_tokens=1000, output_tokens=100), "gpt-4o-2024-05-13"
    own = PriceBook([override("gpt-4o")]).cost("openai", "gpt-4o", usage, START, answered=old)
    less = PriceBook([override("gpt-4o", percent=50)]).cost("openai", "gpt-4o", usage, START, answered=old)
    assert own is not None
    assert less is not None
    assert (own.nano_usd, less.nano_usd) == (1_100_000, 3_250_000)


@settings(max_examples=many(300), deadline=None)
@given(
    who=st.sampled_from(
        [
            ("openai", "gpt-5.4"),
            ("openai", "gpt-4o"),
            ("openai", "gpt-6-sol"),
            ("openai", "ft:gpt-4.1-2025-04-14:a::b"),
            ("anthropic", "claude-opus-4-8"),
            ("anthropic", "claude-haiku-5-5"),
            ("anthropic", "claude-sonnet-4-5"),
        ]
    ),
    parts=st.tuples(*[st.integers(0, 150_000)] * 4),
    output=st.integers(0, 100_000),
    tier=st.sampled_from(["", "priority", "flex", "fast", "batch", "scale", "unheard-of"]),
    geo=st.sampled_from(["", "us", "eu", "mars"]),
    percent=st.sampled_from([None, 10]),
)
def test_the_bound_is_above_every_tier_and_region(  # noqa: PLR0917 what a usage is made of
    who: tuple[str, str], parts: tuple[int, ...], output: int, tier: str, geo: str, percent: int | None
) -> None:
    """What is held is no less than a call costs in any tier and region, however its input was cached."""
    fresh, cached, minutes, hour = parts
    usage = Usage(
        input_tokens=fresh + cached + minutes + hour,
        cached_tokens=cached,
        cache_write_tokens=minutes + hour,
        cache_write_1h_tokens=hour,
        output_tokens=output,
        reasoning_tokens=output // 2,
        tier=tier,
        geo=geo,
    )
    book = PriceBook([] if percent is None else [override("*", percent=percent)])
    cost = book.cost(*who, usage, START)
    worst = book.worst_nano_usd(*who, usage.input_tokens, output, START)
    assert cost is not None
    assert worst is not None
    assert cost.nano_usd <= worst
    only = PossibleBilling(
        tiers=frozenset({tier}), regions=frozenset({geo}), most_written=minutes + hour, for_an_hour=hour > 0
    )
    tight = book.worst_nano_usd(*who, usage.input_tokens, output, START, possible=only)
    assert tight is not None
    assert cost.nano_usd <= tight <= worst, "also where it is known how it may be billed, and then it is no more"

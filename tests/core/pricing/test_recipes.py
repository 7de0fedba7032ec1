"""What a model of each kind of provider costs, by the names that the provider has for it."""

from __future__ import annotations

import pytest

from core.pricing import PriceBook, family_of
from core.servers import RECIPES
from tests.conftest import START

PRICED: dict[str, tuple[str, ...]] = {
    "openai": ("gpt-4o-mini", "gpt-5.4", "gpt-4o-2024-08-06", "ft:gpt-4o:acme::1", "o3"),
    "anthropic": ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-7"),
    "azure": ("gpt-4o", "gpt-4o-mini", "gpt-5-mini"),
    "gemini": ("gemini-2.5-flash", "models/gemini-2.5-pro", "gemini-2.5-flash-lite"),
    "vertex": ("google/gemini-2.5-flash", "google/gemini-2.5-pro"),
    "vertex-claude": ("claude-sonnet-4-5@20250929", "claude-haiku-4-5", "claude-opus-4-1@20250805"),
    "bedrock": (
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "openrouter": (
        "openai/gpt-4o",
        "anthropic/claude-sonnet-4.5",
        "google/gemini-2.5-pro",
        "meta-llama/llama-3.3-70b-instruct",
        "meta-llama/llama-3.3-70b-instruct:free",
        "deepseek/deepseek-chat",
    ),
    "groq": ("llama-3.3-70b-versatile", "openai/gpt-oss-120b", "llama-3.1-8b-instant"),
    "mistral": ("mistral-large-latest", "mistral-small-latest", "codestral-latest", "mistral-medium-2508"),
    "xai": ("grok-4", "grok-4-fast-reasoning", "grok-3-mini", "grok-4-latest"),
    "deepseek": ("deepseek-chat", "deepseek-reasoner"),
}
UNPRICED = {
    "compatible/any": "whoever runs the server knows what it costs",
    "vllm/Qwen/Qwen3-8B": "whoever runs the server knows what it costs",
    "ollama/llama3.2": "whoever runs the server knows what it costs",
    "local/smollm2": "it sends no bill",
    "azure/our-deployment": "the name of a deployment says nothing of its model",
    "vertex/meta/llama-3.3-70b-instruct-maas": "the list has Google's own models alone",
    "openrouter/openai/gpt-4o:nitro": "whoever is the fastest serves it, at a price of his own",
    "openrouter/openai/gpt-4o:online": "searches are billed beside its tokens",
    "openrouter/openrouter/auto": "it is whichever model is chosen",
    "groq/groq/compound": "it is billed as the models that it asks",
}
"""Names that no list has a price for, and why; an operator may set one."""


def test_every_kind_has_a_price_or_a_reason() -> None:
    """A kind of provider that is added stands in one of the tables."""
    assert {*PRICED, *(name.partition("/")[0] for name in UNPRICED)} == set(RECIPES)


@pytest.mark.parametrize(("provider", "model"), [(kind, one) for kind, names in PRICED.items() for one in names])
def test_its_own_names_have_a_price(provider: str, model: str) -> None:
    """Of a server of the kind as well, and whatever the case."""
    terms = PriceBook().terms(provider, model, START)
    assert terms is not None
    assert terms.base.output >= terms.base.fresh >= 0
    server = PriceBook().terms(f"{provider}-eu", model.upper() if provider != "openai" else model, START)
    assert server is not None
    assert server.base == terms.base


@pytest.mark.parametrize("name", UNPRICED)
def test_what_nobody_knows_is_unpriced(name: str) -> None:
    """And not free."""
    provider, _, model = name.partition("/")
    assert PriceBook().terms(provider, model, START) is None


def test_a_path_that_no_list_has_makes_no_other_model() -> None:
    """So a price or a budget for a model holds however it is named."""
    assert family_of("gemini/models/gemini-2.5-pro") == family_of("gemini/gemini-2.5-pro")
    assert family_of("vertex/google/gemini-2.5-flash") == family_of("vertex/gemini-2.5-flash")

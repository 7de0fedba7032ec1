"""Which names are one model's: all dates, spellings and aliases that people, vendors and the price list have for it.

Whoever sets a price or a budget for one of them means the model. What the price list prices as one model is one, by the
list's own word: ``gpt-4-0125-preview`` is a ``gpt-4-turbo``, ``gpt-5-chat-latest`` a ``gpt-5``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import genai_prices
from genai_prices.types import ClauseEquals, ModelInfo

from core.pricing._names import bare_name, undated_name
from core.servers import recipe_of


def has_list(provider: str) -> bool:
    """Whether some list knows what the models of *provider* cost."""
    recipe = recipe_of(provider)
    return recipe is not None and bool(recipe.prices)


@lru_cache(maxsize=8192)
def known_model(provider: str, model: str) -> ModelInfo | None:
    """Return the model of the price list that *model* is priced as, by this very name or else without its date."""
    bare = bare_name(provider, model)
    return _listed_as(provider, bare) or _listed_as(provider, undated_name(provider, bare))


def known_context(provider: str, model: str) -> int | None:
    """Return how many tokens *model* takes in all, as far as the price list knows."""
    found = known_model(provider, model)
    return None if found is None else found.context_window


@lru_cache(maxsize=8192)
def family_name(provider: str, model: str) -> str:
    """Return the one name of *model*: of all its dates, spellings and aliases. A fine-tuned model is its own."""
    undated = undated_name(provider, model)
    if not has_list(provider) or undated.startswith("ft:"):
        return undated
    listed = _listed_as(provider, undated) or _listed_as(provider, bare_name(provider, model))
    if listed is None:
        return undated
    names = dict.fromkeys(undated_name(provider, name) for name in (listed.id, *_names_in(listed.match)))
    return next((name for name in names if _listed_as(provider, name) is not None), undated_name(provider, listed.id))


@lru_cache(maxsize=8192)
def family_of(model: str) -> str:
    """Return the same of ``provider/name``: what budgets for a model are compared by."""
    provider, slash, name = model.partition("/")
    return f"{provider}/{family_name(provider, name)}" if slash else model


@lru_cache(maxsize=8192)
def canonical_name(provider: str, model: str) -> str:
    """Return the name that a model's price is kept by: its family's, unless the list has this very date apart.

    ``gpt-4o-2024-08-06`` is ``gpt-4o``; ``gpt-4o-2024-05-13`` costs something else and stays itself.
    """
    bare, family = bare_name(provider, model), family_name(provider, model)
    if bare == family or not has_list(provider):
        return family
    dated, undated = known_model(provider, bare), known_model(provider, family)
    return dated.id if dated is not None and undated is not None and dated.id != undated.id else family


@lru_cache(maxsize=8192)
def _listed_as(provider: str, name: str) -> ModelInfo | None:
    recipe = recipe_of(provider)
    for vendor in recipe.prices if recipe else ():
        with suppress(LookupError):
            return genai_prices.calc_price(genai_prices.Usage(), name, provider_id=vendor).model
    return None


def _names_in(match: Any) -> Iterator[str]:
    """Yield the names that the list spells out for a model."""
    if isinstance(match, ClauseEquals):
        yield match.equals.lower()
    for one in getattr(match, "or_", ()):
        yield from _names_in(one)

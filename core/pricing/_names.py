"""How a model's name is spelled, brought to one spelling.

There are dated names (``gpt-4o-2024-08-06``, ``claude-haiku-4-5-20251001``), names in capitals, behind a path
(``openai/gpt-4o``), as ``-latest``, with a dash for a dot.
"""

from __future__ import annotations

import re
from functools import lru_cache

from core.servers import recipe_of

_DATE = re.compile(r"[-@]20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])$")
_SHORT_DATE = re.compile(r"(?<=[a-z\d])-(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")
"""A month and a day, as OpenAI's first models had them: ``gpt-4-0613``."""
_LATEST = re.compile(r"[-:]latest$")
_OPENAI_DASHED = re.compile(r"^gpt-(\d+)-(\d)(?=-|$)")
_CLAUDE_TURNED = re.compile(r"^claude-([4-9]|[1-9]\d)(?:-(\d))?-(opus|sonnet|haiku|fable|mythos)(?=-|$)")
_CLAUDE_ZERO = re.compile(r"^(claude-[a-z]+-\d+)-0$")


MOST_NAMES = 20
"""Of models that no route and no override names, as many have a row of their own; callers may invent any number."""


def other_names(count: int) -> str:
    """Return what stands for so many names that have no row of their own; no model is called so, as it has no ``/``."""
    return f"other names ({count:,})"


@lru_cache(maxsize=8192)
def bare_name(provider: str, model: str) -> str:
    """Return *model* in small letters, without a path before it where the lists of the provider's models have none."""
    lowered = model.strip().lower()
    if (recipe := recipe_of(provider)) is not None and recipe.name_path:
        return lowered.removeprefix(recipe.name_path)
    path, _, name = lowered.rpartition("/")
    return name if maker_of(provider) and "ft:" not in path else lowered


@lru_cache(maxsize=8192)
def undated_name(provider: str, model: str) -> str:
    """Return *model* in the one spelling of all its dates. A fine-tuned model is its own."""
    name = bare_name(provider, model)
    if name.startswith("ft:"):
        return name
    name = _LATEST.sub("", name)
    name = _DATE.sub("", name)
    if not maker_of(provider):
        return name
    name = _SHORT_DATE.sub("", name)
    if maker_of(provider) == "anthropic":
        name = _CLAUDE_TURNED.sub(
            lambda found: "-".join(filter(None, ("claude", found[3], found[1], found[2]))), name.replace(".", "-")
        )
        return _CLAUDE_ZERO.sub(r"\1", name)
    return _OPENAI_DASHED.sub(r"gpt-\1.\2", name)


def fine_tuned_from(name: str) -> str:
    """Return the model that a fine-tuned one was made of; empty where *name* is not one's.

    ``ft:gpt-4o-mini-2024-07-18:acme::abc`` was made of ``gpt-4o-mini-2024-07-18``.
    """
    return name.split(":")[1] if name.startswith("ft:") else ""


@lru_cache(maxsize=1024)
def maker_of(provider: str) -> str:
    """Return who made the models of *provider*, where they have their maker's own names; else an empty text.

    What a cloud calls Claude is its own: ``eu.anthropic.claude-haiku-4-5-20251001-v1:0`` has a price of its own there.
    """
    recipe = recipe_of(provider)
    return recipe.rules if recipe is not None and recipe.has_makers_names else ""

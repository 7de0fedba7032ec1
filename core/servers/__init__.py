"""Whom we can call: what everybody knows of each kind of provider, and the servers that a deployment names beside them.

A provider's name says its kind: ``groq``, or ``groq-eu`` for a second one. So prices, families and rules follow from
the name alone, in every process, and go on holding for calls whose server is no longer set up.
"""

from core.servers._addresses import is_same_address
from core.servers._named import Server, keys_of, named_servers
from core.servers._recipes import EVERY_MODE, EVERY_PART, Authentication, Dialect, Recipe
from core.servers._vendors import (
    PROVIDERS,
    RECIPES,
    REMOTE,
    ModelName,
    is_provider,
    kind_of,
    provider_of,
    provider_word,
    recipe_of,
)

__all__ = [
    "EVERY_MODE",
    "EVERY_PART",
    "PROVIDERS",
    "RECIPES",
    "REMOTE",
    "Authentication",
    "Dialect",
    "ModelName",
    "Recipe",
    "Server",
    "is_provider",
    "is_same_address",
    "keys_of",
    "kind_of",
    "named_servers",
    "provider_of",
    "provider_word",
    "recipe_of",
]

"""Whether a provider can be reached and accepts our key: asked when a person wants to know, for nothing.

It is asked for its list of models, which no vendor charges for, with our own key; where it has none, a connection is
opened and closed again. So a check is no generation: nothing of it is recorded, and no breaker counts it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import urlsplit

import orjson

from core.capabilities import Cards, cards_told
from core.clock import Clock
from core.errors import NotFound
from core.providers import Listing, Provider, ProviderError
from core.providers.loop import Loop
from core.servers import REMOTE, kind_of, recipe_of
from core.settings import Settings

MOST_SECONDS = 5.0
"""How long one may take."""
HOLDS_SECONDS = 2.0
"""Who asks again so soon is told the same: many who press at once are one check."""
_CONNECT_SECONDS = 3.0
_NO_LIST = (404, 405, 501)
_LISTS_TO_ALL = ("openrouter",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCheck:
    """What one check found."""

    at: datetime
    is_well: bool
    """Whether it answered and, where that can be told for nothing, accepts our key."""
    sentence: str
    """What it found; no text of ours and no key is in it."""


class ProviderChecks:
    """The providers of this process, as they were last checked."""

    def __init__(
        self, *, settings: Settings, providers: Mapping[str, Provider], cards: Cards, loop: Loop, clock: Clock
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._cards = cards
        self._loop = loop
        self._clock = clock
        self._found: dict[str, tuple[float, ProviderCheck]] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def last(self, name: str) -> ProviderCheck | None:
        """Return what the last check of the provider *name* found; ``None`` if this process made none."""
        return self._found[name][1] if name in self._found else None

    def check(self, name: str) -> ProviderCheck:
        """Look how the provider *name* is, for at most five seconds; what it tells of its models is learned.

        Raises:
            NotFound: no provider of that name is set up, or it is the local model, which tells by itself how it is.

        """
        if name not in self._providers or name == "local":
            raise NotFound(f"No provider {name[:60]!r} is set up that could be checked.")
        with self._locks[name]:
            began = self._clock.monotonic()
            if name in self._found and began - self._found[name][0] < HOLDS_SECONDS:
                return self._found[name][1]
            is_well, sentence = self._looked(name, began)
            found = ProviderCheck(at=self._clock.now(), is_well=is_well, sentence=sentence)
            self._found[name] = (self._clock.monotonic(), found)
            return found

    def _looked(self, name: str, began: float) -> tuple[bool, str]:
        provider, recipe = self._providers[name], recipe_of(name)
        if not hasattr(provider, "models") or (recipe is not None and not recipe.lists_models):
            return self._connected(name)
        try:
            answered = self._loop.run(cast("Listing", provider).models(MOST_SECONDS))
        except ProviderError as error:
            if error.answer.http_status in _NO_LIST:
                return True, "It answers, but has no list of models: whether it accepts our key is not known."
            return False, error.message
        took = f"It answered in {(self._clock.monotonic() - began) * 1000:.0f} ms"
        try:
            told = cards_told(orjson.loads(answered.body), name)
        except ValueError:
            return False, f"{took}, but with no JSON: another server may stand at its address."
        self._cards.learn(name, told)
        lists = f"lists {len(told):,} {'model' if len(told) == 1 else 'models'}"
        if self._asks_for_key(name):
            return True, f"{took}, accepts our key and {lists}."
        return True, f"{took} and {lists}; whether it looks at a key for that is not known."

    def _asks_for_key(self, name: str) -> bool:
        """Whether it is known to list its models to none but its customers: at their own address most vendors do."""
        recipe = recipe_of(name)
        if recipe is None or kind_of(name) in _LISTS_TO_ALL or self._settings.address(name) != recipe.address:
            return False
        return recipe.wants_key or name in REMOTE

    def _connected(self, name: str) -> tuple[bool, str]:
        if self._loop.run(connects(*host_of(self._settings.address(name)))):
            return True, "It can be reached. It has no free list of models, so whether it accepts our key is not known."
        return False, "No connection to its address could be opened."


def host_of(address: str) -> tuple[str, int]:
    """Return host and port of a provider's *address*."""
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


async def connects(host: str, port: int) -> bool:
    """Return whether a connection can be opened within three seconds; it is closed at once, and nothing is sent."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

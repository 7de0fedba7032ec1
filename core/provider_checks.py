"""Whether a provider can be reached and accepts our key: asked when a person wants to know, for nothing.

It is asked for its list of models, which no vendor charges for, with our own key; where it has none, a connection is
opened and closed again. So a check is no generation: nothing of it is recorded, and no breaker counts it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

from core.capabilities import Listings, ProviderCheck, cards_told
from core.clock import Clock
from core.errors import NotFound
from core.providers import Listing, Provider, ProviderError
from core.providers.loop import Loop
from core.servers import REMOTE, kind_of, recipe_of
from core.settings import Settings
from core.telemetry import log

MOST_SECONDS = 5.0
"""How long one may take."""
AT_ONCE = 8
"""How many are checked side by side."""
HOLDS_SECONDS = 2.0
"""Who asks again so soon is told the same: many who press at once are one check."""
_CONNECT_SECONDS = 3.0
_NO_LIST = (404, 405, 501)
_LISTS_TO_ALL = ("openrouter",)


class ProviderChecks:
    """The providers, as they were last checked, by a person or the chore, in whatever process."""

    def __init__(
        self, *, settings: Settings, providers: Mapping[str, Provider], listings: Listings, loop: Loop, clock: Clock
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._listings = listings
        self._loop = loop
        self._clock = clock
        self._found: dict[str, tuple[float, ProviderCheck]] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def last(self, name: str) -> ProviderCheck | None:
        """Return what the last check of the provider *name* found; ``None`` if none is known of."""
        own, kept = self._found[name][1] if name in self._found else None, self._listings.last(name)
        return kept if own is None or (kept is not None and kept.at > own.at) else own

    def check_all(self) -> None:
        """Check every provider that is set up, some at once: a slow one keeps nobody. Who fails is written down.

        Each is checked whatever becomes of the others; what is no finding about a provider is raised when all are done.

        Raises:
            Unavailable: the database does not answer.

        """
        names = [name for name in self._providers if name != "local"]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="provider-check") as pool:
            checked = [pool.submit(self._check_and_tell, name) for name in names]
        if failed := next(filter(None, (one.exception() for one in checked)), None):
            raise failed

    def _check_and_tell(self, name: str) -> None:
        before = self.last(name)
        found = self.check(name)
        if not found.is_well and (before is None or before.sentence != found.sentence):
            log().warning("provider_check_failed", provider=name, reason=found.sentence)

    def look(self, name: str) -> tuple[bool, str]:
        """Return whether the provider *name* is well, and what was found; nothing of it is kept or learned."""
        is_well, sentence, _ = self._looked(name, self._clock.monotonic())
        return is_well, sentence

    def check(self, name: str) -> ProviderCheck:
        """Look how the provider *name* is, for at most five seconds; what it tells of its models is learned.

        Raises:
            NotFound: no provider of that name is set up, or it is the local model, which tells by itself how it is.
            Unavailable: the database does not answer.

        """
        if name not in self._providers or name == "local":
            raise NotFound(f"No provider {name[:60]!r} is set up that could be checked.")
        with self._locks[name]:
            began = self._clock.monotonic()
            if name in self._found and began - self._found[name][0] < HOLDS_SECONDS:
                return self._found[name][1]
            is_well, sentence, body = self._looked(name, began)
            found = ProviderCheck(at=self._clock.now(), is_well=is_well, sentence=sentence)
            self._found[name] = (self._clock.monotonic(), found)
            told = None if body is None else cards_told(body, name)
            self._listings.keep(name, found, told, is_whole=body is not None and not body.get("has_more"))
            return found

    def _looked(self, name: str, began: float) -> tuple[bool, str, Mapping[str, Any] | None]:
        """Return whether it is well, what was found, and its list of models, if it told one."""
        provider, recipe = self._providers[name], recipe_of(name)
        if not hasattr(provider, "models") or (recipe is not None and not recipe.lists_models):
            return *self._connected(name), None
        try:
            answered = self._loop.run(cast("Listing", provider).models(MOST_SECONDS))
        except ProviderError as error:
            if error.answer.http_status in _NO_LIST:
                return True, "It answers, but has no list of models: whether it accepts our key is not known.", None
            return False, error.message, None
        took = f"It answered in {(self._clock.monotonic() - began) * 1000:.0f} ms"
        try:
            body: Any = orjson.loads(answered.body)
        except ValueError:
            return False, f"{took}, but with no JSON: another server may stand at its address.", None
        listed: Any = cast("dict[str, Any]", body).get("data") if isinstance(body, dict) else None
        if not isinstance(listed, list):
            return False, f"{took}, but with no list of models: another server may stand at its address.", None
        count = len(cast("list[Any]", listed))
        lists = f"lists {count:,} {'model' if count == 1 else 'models'}"
        if self._asks_for_key(name):
            return True, f"{took}, accepts our key and {lists}.", cast("dict[str, Any]", body)
        sentence = f"{took} and {lists}; whether it looks at a key for that is not known."
        return True, sentence, cast("dict[str, Any]", body)

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

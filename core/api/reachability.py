"""Whether the providers can be reached from here: a connection opened and closed now and then, never for a request.

No key is used and nothing is sent, so it costs nothing; it tells a closed network from an open one, not whether a
provider answers well. That the breakers know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.clock import Clock
from core.provider_checks import connects, host_of
from core.settings import Settings

EVERY_SECONDS = 30.0
HOLDS_SECONDS = 60.0
"""What was found longer ago is not called known."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What the last probe of one provider found."""

    status: str
    """``reachable``, ``unreachable``, or ``unknown`` where no probe has ended within the minute."""
    checked_at: datetime | None


_UNKNOWN = Reached("unknown", None)


class Reachability:
    """The providers of this deployment, as they were last reached."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._addresses = _addresses(settings)
        self._found: dict[str, Reached] = {}
        self._began: float | None = None
        self._probing: asyncio.Task[None] | None = None

    def now(self) -> Mapping[str, Reached]:
        """Return what is known. If that is old, begin to look again; whoever asks next will know."""
        now = self._clock.monotonic()
        is_old = self._began is None or now - self._began >= EVERY_SECONDS
        if is_old and (self._probing is None or self._probing.done()):
            self._began = now
            self._probing = asyncio.get_running_loop().create_task(self._probe())
        return {name: self._known(name) for name in self._addresses}

    def _known(self, name: str) -> Reached:
        found = self._found.get(name, _UNKNOWN)
        if found.checked_at is not None and (self._clock.now() - found.checked_at).total_seconds() > HOLDS_SECONDS:
            return Reached("unknown", found.checked_at)
        return found

    async def wait(self) -> None:
        """Wait for the probe that is under way, if any."""
        if self._probing is not None:
            await self._probing

    async def _probe(self) -> None:
        found = await asyncio.gather(*(connects(*address) for address in self._addresses.values()))
        for name, is_reachable in zip(self._addresses, found, strict=True):
            self._found[name] = Reached("reachable" if is_reachable else "unreachable", self._clock.now())


def _addresses(settings: Settings) -> Mapping[str, tuple[str, int]]:
    return {name: host_of(settings.address(name)) for name in settings.remote_providers if settings.has_provider(name)}

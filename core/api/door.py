"""The front door: who calls is known before anything of the request is read.

Every live key stands in a dictionary, by its digest, as of a revision that is about a second old at most. So a known
key costs a look into it; whether the key still holds is asked again in the corridor, of the database. An unknown one
may have been made a moment ago: before it is refused the revision is looked at once more, in a thread of the door's
own, and one look serves everybody who waits for it. For an address that has sent too many unknown keys nothing is
looked up any more for a while; the keys that are known pass from there all the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request

from core.addresses import caller_network
from core.api.keys_in_addresses import SAID, names_key
from core.clock import Clock
from core.errors import Overloaded, TooManyWrongKeys, Unauthenticated, Unavailable
from core.telemetry import Metrics
from core.tenants import Caller, digest, unknown_key

FRESH_SECONDS = 1.0
"""A look older than this is made anew, behind the answer."""
LOOK_EVERY_SECONDS = 0.05
"""Looks follow each other at least so far apart, however many unknown keys come."""
LONGEST_LOOK_SECONDS = 10.0
"""How long a key waits to be looked up: what a loaded machine takes to begin a look is no fault of the database."""
_MOST_ASKING = 1000
"""How many may wait for a look at once."""
_MINUTE = 60.0
_MOST_ADDRESSES = 10_000


class Door:
    """The keys as they were lately, and who tries to guess one."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        *,
        revision: Callable[[], object],
        callers: Callable[[], Mapping[str, Caller]],
        wrong_keys_per_min: int,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._read_revision = revision
        self._read_callers = callers
        self._wrong = WrongKeys(clock, wrong_keys_per_min)
        self._thread = ThreadPoolExecutor(1, "door")
        self._callers: Mapping[str, Caller] = {}
        self._revision: object = None
        self._looked_at = -math.inf
        """When the last look that has succeeded began."""
        self._began_at = -math.inf
        self._looking: asyncio.Task[None] | None = None
        self._asking = 0

    async def caller(self, request: Request) -> Caller:
        """Return who sends *request*, before its body is read.

        Raises:
            Unauthenticated: it brings no key, or one that opens no door.
            TooManyWrongKeys: its address has sent too many of these.
            Overloaded: too many unknown keys wait to be looked at.
            Unavailable: the key is unknown, and the database does not answer.

        """
        hashed = digest(secret_in(request))
        caller = self._callers.get(hashed) if hashed else None
        is_old = self._clock.monotonic() - self._looked_at > FRESH_SECONDS
        if caller is not None:
            if is_old:
                self._look()
            return caller
        address = caller_network(request.client.host if request.client else "")
        if seconds := self._wrong.seconds_left(address):
            if is_old:
                self._look()
            self._metrics.wrong_keys.inc()
            raise TooManyWrongKeys(
                f"Too many unknown keys came from this address. Send a key that is known, or come back in "
                f"{seconds:.0f} s.",
                retry_after_seconds=seconds,
            )
        if hashed:
            caller = await self._looked(hashed)
        if caller is None:
            self._wrong.count(address)
            self._metrics.wrong_keys.inc()
            raise unknown_key()
        return caller

    def close(self) -> None:
        """End the door's thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _looked(self, hashed: str) -> Caller | None:
        """Return who holds a key as soon as a look knows it; nobody only after a look that began later than this."""
        if self._asking >= _MOST_ASKING:
            self._metrics.shed.labels("").inc()  # nobody knows whose it is
            raise Overloaded("Too many unknown keys come at once. Send it again in a moment.", retry_after_seconds=1.0)
        came = self._clock.monotonic()
        self._asking += 1
        try:
            async with asyncio.timeout(LONGEST_LOOK_SECONDS):
                while self._looked_at < came and hashed not in self._callers:
                    await asyncio.shield(self._look())
        except TimeoutError:
            raise Unavailable("The database does not answer, so this key cannot be looked up.") from None
        finally:
            self._asking -= 1
        return self._callers.get(hashed)

    def _look(self) -> asyncio.Task[None]:
        """Return the look that is under way; begin one if there is none."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._refresh())
            self._looking.add_done_callback(_noted)
        return self._looking

    async def _refresh(self) -> None:
        pause = self._began_at + LOOK_EVERY_SECONDS - self._clock.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        self._began_at = began = self._clock.monotonic()
        loop = asyncio.get_running_loop()
        revision = await loop.run_in_executor(self._thread, self._read_revision)
        if revision != self._revision:
            self._callers = await loop.run_in_executor(self._thread, self._read_callers)
            self._revision = revision
        self._looked_at = began


class WrongKeys:
    """How many unknown keys came from which address in the minute under way."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._counts: dict[str, tuple[float, int]] = {}
        """When the minute of an address began, and how many it has sent in it."""

    def count(self, address: str) -> None:
        """Count one more. Of too many addresses the one that has been there longest is forgotten."""
        now = self._clock.monotonic()
        began, count = self._counts.pop(address, (now, 0))
        if now - began >= _MINUTE:
            began, count = now, 0
        elif not count and len(self._counts) >= _MOST_ADDRESSES:
            del self._counts[next(iter(self._counts))]
        self._counts[address] = (began, count + 1)

    def seconds_left(self, address: str) -> float:
        """Return for how long *address* has no further unknown key looked at; 0 if it has."""
        began, count = self._counts.get(address, (0.0, 0))
        return max(0.0, began + _MINUTE - self._clock.monotonic()) if count >= self._most else 0.0


def secret_in(request: Request) -> str:
    """Return the key that a request brings: as a bearer, as most programs do, or as ``x-api-key``, as some SDKs do.

    Raises:
        Unauthenticated: it brings none, or one in its address, or two that differ: whose rights would hold, nobody
            could know.

    """
    if request.scope.get("query_string") and _stands_in_address(request):
        raise Unauthenticated(SAID)
    secrets = set(_secrets(request))
    if len(secrets) > 1:
        raise Unauthenticated("Two different keys were sent. Send one, as 'Authorization: Bearer proctor_…'.")
    if not secrets:
        raise Unauthenticated(
            "No key was sent. Send a tenant key as 'Authorization: Bearer proctor_…'; "
            "an operator makes one with 'proctor key create TENANT'."
        )
    return secrets.pop()


def _stands_in_address(request: Request) -> bool:
    asked = request.query_params.multi_items()
    return names_key(asked) or any(value.startswith("proctor_") for _, value in asked)


def _secrets(request: Request) -> Iterator[str]:
    for value in request.headers.getlist("authorization"):
        scheme, _, secret = value.partition(" ")
        if scheme.lower() == "bearer" and (secret := secret.strip()):
            yield secret
    for value in request.headers.getlist("x-api-key"):
        if secret := value.strip():
            yield secret


def _noted(look: asyncio.Task[None]) -> None:
    """Take note of a look that failed and that nobody waits for; the next one tells whether it lasts."""
    if not look.cancelled():
        look.exception()

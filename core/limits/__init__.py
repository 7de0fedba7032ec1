"""How fast: requests, tokens and generations in flight, of a tenant and of each of its keys.

With Redis all processes share the counts, and the counting is the ``limits`` library's; without, or while it is down,
each counts its own by the same rules: limits protect, they do not decide about money.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from core.clock import Clock, SystemClock
from core.errors import RateLimited
from core.limits._local import LocalCounts
from core.limits._recorded import recorded_use
from core.limits._redis import RedisCounts
from core.limits._terms import NO_USE, Full, Limited, LimitLeft, Quota, QuotaScope, QuotaUse
from core.messages import Message, media_of, text_bytes
from core.shared import Shared

if TYPE_CHECKING:
    from redis import Redis

__all__ = [
    "NO_USE",
    "LimitLeft",
    "Limited",
    "Limits",
    "Permit",
    "Quota",
    "QuotaScope",
    "QuotaUse",
    "estimated_tokens",
    "recorded_use",
]

WINDOW_SECONDS = 60
LEAST_WAIT_SECONDS = 0.001
ROOM = "limit"
BYTES_PER_TOKEN = 4
"""Of English prose. The true usage is counted as soon as it is known."""
_PAGE_TOKENS = 1500
"""Of an image, or of a page of a document."""


class Permit:
    """One generation that was let in. What it took of the limits in flight it gives back as its block ends."""

    __slots__ = ("_is_shared", "_lease", "_left", "_limits", "_quotas", "_taken", "_used")

    def __init__(
        self,
        limits: Limits,
        quotas: Sequence[Quota],
        lease: str,
        taken: int,
        *,
        is_shared: bool,
        left: Sequence[LimitLeft] = (),
    ) -> None:
        self._limits = limits
        self._left = left
        self._quotas = quotas
        self._lease = lease
        self._taken = taken
        self._used = taken
        self._is_shared = is_shared

    def used(self, tokens: int) -> None:
        """Say how many tokens it has used so far; until then it is what was estimated at the door."""
        self._used = tokens

    def left(self, used: int | None = None) -> Sequence[LimitLeft]:
        """Return what is left of each kind of limit, of tenant and key whichever has less; as it was at the door.

        Of the tokens it is what is left once *used* are counted, in the place of those that were estimated.
        """
        tightest: dict[Limited, LimitLeft] = {}
        for one in self._left:
            if one.what not in tightest or one.left < tightest[one.what].left:
                tightest[one.what] = one
        if used is not None and (tokens := tightest.get(Limited.TOKENS)):
            now = min(max(0, tokens.left + self._taken - used), tokens.most)
            tightest[Limited.TOKENS] = tokens._replace(left=now)
        return tuple(tightest.values())

    def end(self) -> None:
        """Give back what it took, once."""
        self._limits.settle(self._quotas, self._lease, self._used - self._taken, is_shared=self._is_shared)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Limits:
    """The rate limits of one process, or of all that share a Redis."""

    def __init__(self, shared: Shared, window_seconds: int = WINDOW_SECONDS, clock: Clock | None = None) -> None:
        self._shared = shared
        self._window_seconds = window_seconds
        self._local = LocalCounts(clock or SystemClock(), window_seconds)
        self._redis: RedisCounts | None = None
        self._owner = f"{os.urandom(8).hex()}-"
        self._leases = itertools.count()

    def admitted(self, quotas: Sequence[Quota], tokens: int, seconds: float) -> Permit:
        """Count one generation of about *tokens* input tokens, in all of *quotas* or in none; return its permit.

        *seconds* is the longest it may take: a process that dies meanwhile gives back its place when they are over.

        Raises:
            RateLimited: a limit has no room. ``limit`` and ``scope`` say which, ``retry_after_seconds`` when to come
                back: ``None`` if it asks for more than its limit ever gives.

        """
        lease = f"{self._owner}{next(self._leases)}"
        tokens = max(1, tokens)
        is_shared, (full, left) = self._admit(quotas, lease, tokens, seconds)
        if full:
            raise _refusal(max(full, key=_patience), tokens)
        return Permit(self, quotas, lease, tokens, is_shared=is_shared, left=left)

    def settle(self, quotas: Sequence[Quota], lease: str, tokens: int, *, is_shared: bool) -> None:
        """Give back the places of *lease* and count *tokens* more or fewer, where they were counted."""
        if not is_shared:
            self._local.settle(quotas, lease=lease, tokens=tokens)
        elif any(quota.concurrent or (quota.tokens_per_min and tokens) for quota in quotas):
            with self._shared.redis(ROOM) as redis:
                if redis is not None:
                    self._in(redis).settle(quotas, lease=lease, tokens=tokens)

    def use(self, quotas: Sequence[Quota]) -> Sequence[QuotaUse]:
        """Return what of each of *quotas* is used now: by all processes, or without a Redis by this one."""
        if self._shared.is_up:  # who only looks must not be counted among those who were let through
            with self._shared.redis(ROOM) as redis:
                if redis is not None:
                    return self._in(redis).use(quotas)
        return self._local.use(quotas)

    def _admit(
        self, quotas: Sequence[Quota], lease: str, tokens: int, seconds: float
    ) -> tuple[bool, tuple[Sequence[Full], Sequence[LimitLeft]]]:
        """Count one generation; return whether all processes count it, the limits without room, or what is left."""
        with self._shared.redis(ROOM) as redis:
            if redis is not None:
                return True, self._in(redis).admit(quotas, lease=lease, tokens=tokens, seconds=seconds)
        return False, self._local.admit(quotas, lease=lease, tokens=tokens, seconds=seconds)

    def _in(self, redis: Redis) -> RedisCounts:
        if self._redis is None:
            self._redis = RedisCounts(redis, self._window_seconds)
        return self._redis


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Return about how many tokens *messages* have, for the door: what is written down later is what counts."""
    pages = sum(one.pages or 1 for one in media_of(messages))
    return text_bytes(messages) // BYTES_PER_TOKEN + pages * _PAGE_TOKENS + 1


def _patience(full: Full) -> float:
    return float("inf") if full.seconds is None else full.seconds


def _refusal(full: Full, tokens: int) -> RateLimited:
    """Return what the caller reads about the limit that keeps it waiting longest."""
    who = "This key" if full.quota.scope is QuotaScope.KEY else "This tenant"
    seconds = None if full.seconds is None else max(LEAST_WAIT_SECONDS, full.seconds)
    again = f"{_when(seconds)}, or ask an operator for a higher limit."
    facts: dict[str, object] = {"limit": full.what.value, "scope": full.quota.scope.value}
    match full.what:
        case Limited.REQUESTS:
            most = full.quota.requests_per_min or 0
            facts["limit_per_min"] = most
            sentence = f"{who} may start {_counted(most, 'generation')} per minute and has done so. {again}"
        case Limited.TOKENS:
            most = full.quota.tokens_per_min or 0
            facts |= {"limit_per_min": most, "tokens": tokens}
            may = f"{who} may use {_counted(most, 'token')} per minute"
            needs = f"this one needs about {_counted(tokens, 'token')} for its input"
            spent = "" if seconds is None else f" and has used {full.used:,}"
            sentence = f"{may}{spent}; {needs}. {again}"
        case Limited.CONCURRENCY:
            most = full.quota.concurrent or 0
            facts["limit_concurrent"] = most
            sentence = (
                f"{who} may have {_counted(most, 'generation')} in flight at once and has. Try again when one has "
                "ended, or ask an operator for a higher limit."
            )
    refusal = RateLimited(sentence, retry_after_seconds=seconds, **facts)
    refusal.about = LimitLeft(full.what, most, max(0, most - full.used), seconds or 0.0)
    return refusal


def _when(seconds: float | None) -> str:
    return "Shorten it" if seconds is None else f"Try again in {math.ceil(seconds * 10) / 10:.1f} s"


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"

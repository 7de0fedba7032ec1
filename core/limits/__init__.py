"""How fast: requests, tokens and generations in flight, of a tenant and of each of its keys.

The counting is the ``limits`` library's. With Redis all processes share it; without, or while it is down, each counts
its own: limits protect, they do not decide about money.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from core.errors import RateLimited
from core.limits._memory import Here
from core.limits._recorded import recorded_use
from core.limits._redis import Together
from core.limits._terms import NO_USE, Counts, Full, Limited, Pace, Scope, Use
from core.shared import Shared

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["NO_USE", "Limited", "Limits", "Pace", "Scope", "Ticket", "Use", "estimated_tokens", "recorded_use"]

WINDOW_SECONDS = 60
LEAST_WAIT_SECONDS = 0.001
ROOM = "limit"
BYTES_PER_TOKEN = 4
"""Of English prose. The true usage is counted as soon as it is known."""


class Ticket:
    """One generation that was let in. What it took of the limits in flight it gives back as its block ends."""

    __slots__ = ("_lease", "_paces", "_settle", "_taken", "_used")

    def __init__(
        self, settle: Callable[[Sequence[Pace], str, int], None], paces: Sequence[Pace], lease: str, taken: int
    ) -> None:
        self._settle = settle
        self._paces = paces
        self._lease = lease
        self._taken = taken
        self._used = taken

    def used(self, tokens: int) -> None:
        """Say how many tokens it has used so far; until then it is what was estimated at the door."""
        self._used = tokens

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Give back what it took, once."""
        self._settle(self._paces, self._lease, self._used - self._taken)


class Limits:
    """The rate limits of one process, or of all that share a Redis."""

    def __init__(self, shared: Shared, window_seconds: int = WINDOW_SECONDS) -> None:
        self._shared = shared
        self._window_seconds = window_seconds
        self._here = Here(window_seconds)
        self._together: Together | None = None
        self._owner = f"{os.urandom(8).hex()}-"
        self._leases = itertools.count()

    def admitted(self, paces: Sequence[Pace], tokens: int, seconds: float) -> Ticket:
        """Count one generation of about *tokens* input tokens, in all of *paces* or in none; give back the ticket.

        *seconds* is the longest it may take: a process that dies meanwhile gives back its place when they are over.

        Raises:
            RateLimited: a limit has no room. ``limit`` and ``scope`` say which, ``retry_after_seconds`` when to come
                back: ``None`` if it asks for more than its limit ever gives.

        """
        lease = f"{self._owner}{next(self._leases)}"
        tokens = max(1, tokens)
        counts, full = self._shared.ask(
            ROOM,
            lambda redis: self._admit(self._in(redis), paces, lease, tokens, seconds),
            lambda: self._admit(self._here, paces, lease, tokens, seconds),
        )
        if full:
            raise _refusal(max(full, key=_patience), tokens)
        return Ticket(self._settle_here if counts is self._here else self._settle_together, paces, lease, tokens)

    def use(self, paces: Sequence[Pace]) -> Sequence[Use]:
        """Return what of each of *paces* is used now: by all processes, or without a Redis by this one."""
        if not self._shared.is_up:  # who only looks must not be counted among those who were let through
            return self._here.use(paces)
        return self._shared.ask(ROOM, lambda redis: self._in(redis).use(paces), lambda: self._here.use(paces))

    @staticmethod
    def _admit(
        counts: Counts, paces: Sequence[Pace], lease: str, tokens: int, seconds: float
    ) -> tuple[Counts, Sequence[Full]]:
        return counts, counts.admit(paces, lease=lease, tokens=tokens, seconds=seconds)

    def _settle_here(self, paces: Sequence[Pace], lease: str, tokens: int) -> None:
        self._here.settle(paces, lease=lease, tokens=tokens)

    def _settle_together(self, paces: Sequence[Pace], lease: str, tokens: int) -> None:
        if any(pace.concurrent or (pace.tokens_per_min and tokens) for pace in paces):
            self._shared.ask(
                ROOM, lambda redis: self._in(redis).settle(paces, lease=lease, tokens=tokens), lambda: None
            )

    def _in(self, redis: Redis) -> Together:
        if self._together is None:
            self._together = Together(redis, self._window_seconds)
        return self._together


def estimated_tokens(messages: Iterable[Mapping[str, Any]]) -> int:
    """Return about how many tokens *messages* have, for the door: what is written down later is what counts."""
    return sum(len(message["content"].encode()) for message in messages) // BYTES_PER_TOKEN + 1


def _patience(full: Full) -> float:
    return float("inf") if full.seconds is None else full.seconds


def _refusal(full: Full, tokens: int) -> RateLimited:
    """Return what the caller reads about the limit that keeps it waiting longest."""
    who = "This key" if full.pace.scope is Scope.KEY else "This tenant"
    seconds = None if full.seconds is None else max(LEAST_WAIT_SECONDS, full.seconds)
    again = f"{_when(seconds)}, or ask an operator for a higher limit."
    facts: dict[str, object] = {"limit": full.what.value, "scope": full.pace.scope.value}
    match full.what:
        case Limited.REQUESTS:
            most = full.pace.requests_per_min or 0
            facts["limit_per_min"] = most
            sentence = f"{who} may start {_counted(most, 'generation')} per minute and has done so. {again}"
        case Limited.TOKENS:
            most = full.pace.tokens_per_min or 0
            facts |= {"limit_per_min": most, "tokens": tokens}
            may = f"{who} may use {_counted(most, 'token')} per minute"
            needs = f"this one needs about {_counted(tokens, 'token')} for its input"
            spent = "" if seconds is None else f" and has used {full.used:,}"
            sentence = f"{may}{spent}; {needs}. {again}"
        case Limited.CONCURRENCY:
            most = full.pace.concurrent or 0
            facts["limit_concurrent"] = most
            sentence = (
                f"{who} may have {_counted(most, 'generation')} in flight at once and has. Try again when one has "
                "ended, or ask an operator for a higher limit."
            )
    return RateLimited(sentence, retry_after_seconds=seconds, **facts)


def _when(seconds: float | None) -> str:
    return "Shorten it" if seconds is None else f"Try again in {seconds:.1f} s"


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"

"""What a fire drill does to a call: a fault on purpose, met by a share of the calls until the drill's end.

A drill lies between the walk and the provider, so that everything above it (re-asks, retries, fallback, records)
meets the fault as it would meet a true one; breakers alone, which belong to every tenant, are not told. Such a call
never goes out and costs nothing; but a slow one waits first, and goes out then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.clock import Clock
from core.pricing import Usage
from core.providers import Answer, Exchange, Failed, Garbled, ProviderError, Throttled
from core.providers.forwarded import Forwarded

_NO_OBJECT = "A fire drill took the place of this answer: it is no JSON, so no schema accepts it."


class Fault(StrEnum):
    """What goes wrong on purpose."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    SLOW = "slow"
    INVALID = "invalid"

    @property
    def label(self) -> str:
        """What it is called."""
        return _LABELS[self]

    @property
    def effect(self) -> str:
        """What a call that meets it sees: the end of a sentence that begins with whose calls they are."""
        return _EFFECTS[self]


_LABELS = {
    Fault.RATE_LIMIT: "Rate limit (429)",
    Fault.SERVER_ERROR: "Server error (500)",
    Fault.SLOW: "Slowness",
    Fault.INVALID: "Invalid answers",
}
_EFFECTS = {
    Fault.RATE_LIMIT: "are turned away as if the provider were asked too often",
    Fault.SERVER_ERROR: "fail as if the provider had broken down",
    Fault.SLOW: "wait before they go out",
    Fault.INVALID: "get an answer that no schema accepts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A fire drill as calls meet it."""

    id: str
    fault: Fault
    share: float
    """Above 0, at most 1: the part of the calls that meet the fault."""
    seconds: float = 0.0
    """How long slowness lasts."""
    provider: str = ""
    """Only calls to this provider; empty for all. So for the model."""
    model: str = ""
    starts_at: datetime
    ends_at: datetime

    def concerns(self, provider: str, model: str, now: datetime) -> bool:
        """Whether a call to *model* of *provider* may meet it at *now*."""
        is_named = self.provider in ("", provider) and self.model in ("", model)
        return is_named and self.starts_at <= now < self.ends_at


class InjectedFault:
    """The fault that one call meets, by a drill."""

    __slots__ = ("drill", "went_out")

    def __init__(self, drill: Drill) -> None:
        self.drill = drill
        self.went_out = False
        """Whether the provider was called all the same."""

    def told(self, detail: str | None) -> str | None:
        """Return what went wrong with the call in words that name the drill; ``None`` where nothing did."""
        if detail is None or detail.startswith(_MARK) or self.went_out:
            return detail
        return f"{_MARK} {detail}"

    def paid(self, usage: Usage | None) -> Usage | None:
        """Return what of *usage* was used: nothing, unless the call went out."""
        return usage if self.went_out else None


_MARK = "fire drill:"


def met(drills: Sequence[Drill], provider: str, model: str, clock: Clock) -> InjectedFault | None:
    """Return the fault that this call meets; ``None`` for none. Each drill that concerns it draws its lot."""
    if not drills:
        return None
    now = clock.now()
    for drill in drills:
        if drill.concerns(provider, model, now) and clock.chance() < drill.share:
            return InjectedFault(drill)
    return None


def with_fault(exchange: Exchange, injected: InjectedFault | None, *, is_relayed: bool = False) -> Exchange:
    """Return what to send for one call: *exchange*, or one that meets the fault first."""
    return exchange if injected is None else _FaultyExchange(exchange, injected, is_relayed=is_relayed)


class _FaultyExchange(Forwarded):
    """An exchange whose next call meets a fault."""

    def __init__(self, exchange: Exchange, injected: InjectedFault, *, is_relayed: bool) -> None:
        super().__init__(exchange)
        self._is_relayed = is_relayed
        self._injected = injected
        self._waited = 0.0

    @property
    def lines(self) -> None:
        """None: it may wait, on the loop."""
        return

    @property
    def so_far(self) -> Answer:
        """What the wire told, if it was asked at all: what it told of an earlier call is not of this one."""
        return self._late(self._exchange.so_far) if self._injected.went_out else Answer()

    async def send(self, on_piece: Callable[[Any], Any] | None) -> Answer:
        """Meet the fault; after slowness, call the provider.

        Raises:
            ProviderError: the fault is one, or the provider's own.

        """
        drill = self._injected.drill
        match drill.fault:
            case Fault.RATE_LIMIT:
                raise Throttled(f"{_MARK} too many requests (429), on purpose.", answer=Answer(http_status=429))
            case Fault.SERVER_ERROR:
                raise Failed(f"{_MARK} it failed on its side (500), on purpose.", answer=Answer(http_status=500))
            case Fault.INVALID if self._is_relayed:  # there are no bytes of a vendor's to pass on
                raise Garbled(f"{_MARK} an answer that is none, on purpose.", answer=Answer(http_status=200))
            case Fault.INVALID:
                if on_piece is not None:
                    on_piece(_NO_OBJECT)
                return Answer(text=_NO_OBJECT, http_status=200)
            case Fault.SLOW:
                return await self._send_late(drill.seconds, on_piece)

    async def _send_late(self, seconds: float, on_piece: Callable[[Any], Any] | None) -> Answer:
        clock = asyncio.get_running_loop()
        began = clock.time()
        await asyncio.sleep(seconds)
        self._waited = clock.time() - began
        self._injected.went_out = True
        try:
            return self._late(await self._exchange.send(on_piece))
        except ProviderError as error:
            error.answer = self._late(error.answer)
            raise

    def _late(self, answer: Answer) -> Answer:
        """Return *answer* as the caller saw it: its first token came later by the wait."""
        if answer.ttft_seconds is None:
            return answer
        return replace(answer, ttft_seconds=answer.ttft_seconds + self._waited)

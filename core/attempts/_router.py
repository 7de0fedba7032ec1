"""The way along a route: whom to ask next, and what the walk needs of the rest of the house."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from core.attempts._calls import Call, Piece, Record, Reply
from core.attempts._terms import Candidate, RouteTerms
from core.attempts._walk import Walk
from core.breakers import Breakers
from core.clock import Clock
from core.pricing import Cost, Prices, Usage
from core.providers import Abandoned, Answer, Ask, Conversation, Provider, ProviderError
from core.providers._loop import Cancellation, Loop


class Router:
    """Walks a route."""

    def __init__(
        self, *, clock: Clock, prices: Prices, providers: Mapping[str, Provider], breakers: Breakers, loop: Loop
    ) -> None:
        self._clock = clock
        self._prices = prices
        self._providers = providers
        self._breakers = breakers
        self._loop = loop

    def answer(
        self,
        route: RouteTerms,
        response_model: type[BaseModel],
        messages: Sequence[Mapping[str, Any]],
        *,
        record: Record,
        cancellation: Cancellation,
        stream: bool = False,
        example: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Generator[Piece, None, Reply]:
        """Yield the answer as it grows, if it is to be streamed; return the valid object.

        Raises:
            Exhausted: no candidate gave a valid object; ``outcome`` is how the last attempt ended.
            BudgetExceeded: the budget does not cover the next attempt.
            Cancelled: the caller left.

        """
        walk = Walk(self, route, record, cancellation)
        last = max((place for place, one in enumerate(route.candidates) if one.provider in self._providers), default=-1)
        for place, candidate in enumerate(route.candidates):
            provider = self._providers.get(candidate.provider)
            if provider is None:
                record.note("skipped", f"{candidate.name}: the provider {candidate.provider} is not set up here.")
                continue
            if not self._breakers.admit(candidate.provider, candidate.model):
                record.note("skipped", f"{candidate.name}: its breaker is open after too many failures.")
                continue
            admitted = self._clock.monotonic()
            try:
                conversation = provider.open(
                    Ask(
                        model=candidate.model,
                        response_model=response_model,
                        messages=messages,
                        mode=candidate.mode,
                        max_tokens=candidate.max_tokens,
                        stream=stream,
                        example=example,
                    )
                )
                reply = yield from walk.at(
                    candidate, conversation, stream=stream, is_fallback=place > 0, is_last=place == last
                )
            finally:  # a probe that never went out blocks nobody
                self._breakers.release(candidate.provider, candidate.model, admitted)
            if reply is not None:
                return reply
            if walk.is_over:
                break
        raise walk.exhausted()

    # The walk's view of what it needs.

    @property
    def clock(self) -> Clock:
        """Time and chance."""
        return self._clock

    def call(
        self, conversation: Conversation, seconds: float, cancellation: Cancellation, *, stream: bool
    ) -> Generator[str, None, Answer]:
        """Send once, on the provider loop."""
        return self._loop.call(conversation, seconds, cancellation, stream=stream)

    def cost(self, candidate: Candidate, usage: Usage, at: datetime) -> Cost | None:
        """Return what *usage* costs at *candidate*."""
        return self._prices.cost(candidate.provider, candidate.model, usage, at)

    def worst(self, candidate: Candidate, input_tokens: int, at: datetime) -> int | None:
        """Return the most nano-dollars that so much input and the longest answer can cost at *candidate*."""
        kinds = (Usage(input_tokens=input_tokens), Usage(input_tokens=input_tokens, cache_write_tokens=input_tokens))
        costs = [self.cost(candidate, kind + Usage(output_tokens=candidate.max_tokens), at) for kind in kinds]
        return max((cost.nano_usd for cost in costs if cost), default=None)

    def tell_breaker(self, call: Call, error: ProviderError | None) -> None:
        """Tell the breaker of the one who was called how the call ended."""
        candidate = call.candidate
        if isinstance(error, Abandoned):
            self._breakers.release(candidate.provider, candidate.model, call.began)
        else:
            healthy = error is None or not error.trips_breaker
            self._breakers.note(candidate.provider, candidate.model, healthy=healthy, began=call.began)

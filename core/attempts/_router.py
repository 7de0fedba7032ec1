"""The way along a route: whom to ask next, and what the walk needs of the rest of the house."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from core.attempts._calls import Call, Piece, Record, Reply
from core.attempts._terms import Candidate, RouteTerms
from core.attempts._walk import Walk
from core.breakers import Breakers
from core.clock import Clock
from core.errors import Unpriced
from core.pricing import PriceBook
from core.providers import Abandoned, Answer, Ask, Conversation, Provider, ProviderError
from core.providers._loop import Cancellation, Loop


class Router:
    """Walks a route."""

    def __init__(self, *, clock: Clock, providers: Mapping[str, Provider], breakers: Breakers, loop: Loop) -> None:
        self._clock = clock
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
        prices: PriceBook,
        refuses_unpriced: bool = False,
        stream: bool = False,
        example: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Generator[Piece, None, Reply]:
        """Yield the answer as it grows, if it is to be streamed; return the valid object.

        Raises:
            Exhausted: no candidate gave a valid object; ``outcome`` is how the last attempt ended.
            Unpriced: no candidate has a price, and *refuses_unpriced*.
            BudgetExceeded: the budget does not cover the next attempt.
            Cancelled: the caller left.

        """
        walk = Walk(self, route, record, cancellation, prices)
        unpriced = self._unpriced(route, prices) if refuses_unpriced else ()
        askable = [one for one in route.candidates if one.provider in self._providers and one not in unpriced]
        last = max((place for place, one in enumerate(route.candidates) if one in askable), default=-1)
        for place, candidate in enumerate(route.candidates):
            provider = self._providers.get(candidate.provider)
            if provider is None:
                record.note("skipped", f"{candidate.name}: the provider {candidate.provider} is not set up here.")
                continue
            if candidate in unpriced:
                record.note(
                    "skipped", f"{candidate.name}: it has no price, and calls without a price are refused here."
                )
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
        if unpriced and not askable:
            raise Unpriced(
                f"No model of this route that could be asked has a price ({', '.join(one.name for one in unpriced)}), "
                "and calls without a price are refused here. An operator can set a price, or allow them.",
                models=[one.name for one in unpriced],
            )
        raise walk.exhausted()

    def _unpriced(self, route: RouteTerms, prices: PriceBook) -> tuple[Candidate, ...]:
        """Return the candidates that could be asked and that nobody knows a price for."""
        now = self._clock.now()
        return tuple(
            one
            for one in route.candidates
            if one.provider in self._providers and prices.terms(one.provider, one.model, now) is None
        )

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

    def tell_breaker(self, call: Call, error: ProviderError | None) -> None:
        """Tell the breaker of the one who was called how the call ended."""
        candidate = call.candidate
        if isinstance(error, Abandoned):
            self._breakers.release(candidate.provider, candidate.model, call.began)
        else:
            healthy = error is None or not error.trips_breaker
            self._breakers.note(candidate.provider, candidate.model, healthy=healthy, began=call.began)

"""The way along a route, as the rest of the house sees it: it gives a walk all that it needs."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from core.attempts._calls import Call, Piece, Record, Reply
from core.attempts._estimates import AnswerLengths
from core.attempts._terms import Candidate, RouteTerms
from core.attempts._walk import Walk
from core.breakers import Breakers, Refusal
from core.clock import Clock
from core.pricing import PriceBook
from core.providers import Abandoned, Answer, Ask, Conversation, Provider, ProviderError, TimedOut
from core.providers.loop import Cancellation, Flight, Loop


class Router:
    """Walks a route."""

    def __init__(self, *, clock: Clock, providers: Mapping[str, Provider], breakers: Breakers, loop: Loop) -> None:
        self.clock = clock
        self.providers = providers
        self.lengths = AnswerLengths()
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
        cache_key: str = "",
        began: float | None = None,
    ) -> Generator[Piece, None, Reply]:
        """Yield the answer as it grows, if it is to be streamed; return the valid object.

        The route's deadline counts from *began*, on the clock's monotonic time; ``None`` is now.

        Raises:
            Exhausted: no candidate gave a valid object; ``outcome`` is how the last attempt ended.
            Unpriced: no candidate has a price, and *refuses_unpriced*.
            BudgetExceeded: the budget does not cover the next attempt.
            Cancelled: the caller left.

        """
        ask = Ask(
            model="",
            response_model=response_model,
            messages=messages,
            marks_cache=route.marks_cache,
            cache_key=cache_key,
            stream=stream,
            example=example,
        )
        ends = (self.clock.monotonic() if began is None else began) + route.deadline_seconds
        walk = Walk(self, route, ask, record, cancellation, prices, ends=ends, refuses_unpriced=refuses_unpriced)
        return (yield from walk.reply())

    # What a walk asks for. Breakers are met in these three places only.

    def refusal(self, route: RouteTerms, candidate: Candidate) -> Refusal | None:
        """Return why the candidate's breaker lets no call through, or an operator; ``None`` if it does."""
        who = (candidate.provider, candidate.model)
        return self._breakers.refusal(*who, route.schema, route.overrides.get(who))

    def release(self, route: RouteTerms, candidate: Candidate, admitted: float) -> None:
        """End a turn that was admitted: a probe that never went out blocks nobody."""
        self._breakers.release(candidate.provider, candidate.model, route.schema, began=admitted)

    def tell_breaker(
        self, route: RouteTerms, call: Call, told: Answer | ProviderError, *, valid: bool | None = None
    ) -> None:
        """Tell the breaker of the one who was called how the call ended, and whether its answer was *valid*.

        Breakers are everybody's: a caller who leaves, or who has no time, or whom a fire drill strikes, must not open
        one for all others.
        """
        candidate, took = call.candidate, self.clock.monotonic() - call.began
        enough = min(candidate.timeout_seconds, self._breakers.rule.slow_from(candidate.timeout_seconds))
        has_run_out = route.is_hurried and isinstance(told, TimedOut) and took < enough
        if has_run_out or call.strike is not None or isinstance(told, Abandoned):
            self._breakers.release(candidate.provider, candidate.model, route.schema, began=call.began)
            return
        error, answer = (None, told) if isinstance(told, Answer) else (told, told.answer)
        self._breakers.note(
            candidate.provider,
            candidate.model,
            route.schema,
            healthy=error is None or not error.trips_breaker,
            seconds=took if answer.ttft_seconds is None else answer.ttft_seconds,
            timeout_seconds=candidate.timeout_seconds,
            valid=valid,
            began=call.began,
        )

    def open(self, candidate: Candidate, ask: Ask) -> Conversation:
        """Begin a conversation with *candidate*."""
        return self.providers[candidate.provider].open(
            replace(
                ask,
                model=candidate.model,
                mode=candidate.mode,
                max_tokens=candidate.max_tokens,
                parameters=candidate.parameters,
            )
        )

    def call(
        self, conversation: Conversation, seconds: float, cancellation: Cancellation, *, stream: bool
    ) -> Generator[str, None, Answer]:
        """Send once, on the provider loop, and wait."""
        return self._loop.call(conversation, seconds, cancellation, stream=stream)

    @property
    def races(self) -> bool:
        """Whether two calls of a walk can be out at once."""
        return self._loop.races

    def start(self, conversation: Conversation, seconds: float, cancellation: Cancellation) -> Flight:
        """Send once, on the provider loop, and do not wait."""
        return self._loop.start(conversation, seconds, cancellation)

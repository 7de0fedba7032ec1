"""Walks over a route with scripted providers, on a clock that stands still: for tests of the attempt loop alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from core.attempts import AnswerLengths, Attempt, Candidate, FramedInquiry, ProviderCall, Reply, RouteTerms, Walk
from core.breakers import Breakers
from core.clock import ManualClock
from core.errors import BudgetExceeded, Exhausted
from core.pricing import PossibleBilling, PriceBook, Usage
from core.providers import NO_MEDIA, Answer, Ask, Provider, ProviderError
from core.providers.loop import Cancellation, Loop
from core.schema_forms import form_for
from core.validation import Effort
from tests.conftest import START
from tests.messages import as_messages

USAGE = Usage(input_tokens=100, output_tokens=10)
SIZE_BYTES = 3000
Step = Callable[[ManualClock], Answer | ProviderError]


class Number(BaseModel):
    """What is asked for."""

    value: int


def good(_: ManualClock) -> Answer:
    """Answer with a number."""
    return Answer(text='{"value": 7}', usage=USAGE, http_status=200)


def bad(_: ManualClock) -> Answer:
    """Answer with something else."""
    return Answer(text='{"value": "seven"}', usage=USAGE, http_status=200)


def ends(error: ProviderError) -> Step:
    """End without an answer."""
    return lambda _: error


def late(step: Step, seconds: float) -> Step:
    """Do the same after a while."""

    def waited(clock: ManualClock) -> Answer | ProviderError:
        clock.advance(seconds)
        return step(clock)

    return waited


class Scripted:
    """A provider, and its one conversation, that follow a script; its last step repeats."""

    mode = "tools"
    form = form_for({"type": "object", "properties": {}}, "compatible", "tools")
    size_bytes = SIZE_BYTES
    texts: Sequence[str] = ()
    media_tokens = NO_MEDIA
    possible_billing = PossibleBilling()

    def __init__(self, clock: ManualClock, *steps: Step) -> None:
        self.name = "scripted"
        self.asks: list[Ask] = []
        self.calls = 0
        self.asked_again = 0
        self.allowed: list[int] = []
        self._clock = clock
        self._steps = list(steps)

    def open(self, ask: Ask) -> Scripted:
        self.asks.append(ask)
        return self

    async def close(self) -> None:
        return

    @property
    def so_far(self) -> Answer:
        return Answer()

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        self.calls += 1
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        came = step(self._clock)
        if isinstance(came, ProviderError):
            raise came
        return came

    def read(self, answer: Answer, effort: Effort | None = None) -> BaseModel:
        return TypeAdapter(Number).validate_json(answer.text)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        self.asked_again += 1
        return [{"role": "user", "content": "Again."}]

    def allow(self, max_tokens: int) -> None:
        self.allowed.append(max_tokens)


class Noted:
    """A record that keeps everything in memory."""

    def __init__(self, most_nano_usd: int = 10**15) -> None:
        self.covered: list[int] = []
        self.attempts: list[Attempt] = []
        self.notes: list[tuple[str, str]] = []
        self._most = most_nano_usd

    def cover(self, call: ProviderCall) -> float:
        nano_usd = call.worst_nano_usd or 0
        if sum(self.covered) + nano_usd > self._most:
            raise BudgetExceeded("Too much.")
        self.covered.append(nano_usd)
        return 0.0

    def ended(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def note(self, verdict: str, reason: str) -> None:
        self.notes.append((verdict, reason))


class Waiting(ManualClock):
    """A manual clock that notes what it was asked to wait."""

    def __init__(self) -> None:
        super().__init__(START)
        self.waits: list[float] = []

    def wait(self, woken: Any, seconds: float) -> bool:
        self.waits.append(seconds)
        return super().wait(woken, seconds)


class Walked:
    """One walk after the other, on a clock that stands still."""

    def __init__(self, loop: Loop) -> None:
        self.clock = Waiting()
        self.record = Noted()
        self.breakers = Breakers(self.clock)
        self._loop = loop

    def walk(
        self,
        providers: Mapping[str, Provider],
        *candidates: Candidate,
        cancellation: Cancellation | None = None,
        example: tuple[str, Mapping[str, Any]] | None = None,
        began: float | None = None,
        stopped: Callable[[Candidate], str] = lambda _: "",
        **limits: Any,
    ) -> Reply:
        """Walk over *candidates*, by default one for each provider; return the reply."""
        route = RouteTerms(
            **{
                "name": "r",
                "candidates": candidates or tuple(Candidate(provider=name, model="gpt-4o-mini") for name in providers),
                "max_reasks": 2,
                "max_retries": 1,
                "deadline_seconds": 60.0,
            }
            | limits
        )
        walk = Walk(
            route,
            FramedInquiry(
                Ask(
                    model="",
                    response_model=Number,
                    messages=as_messages({"role": "user", "content": "A number."}),
                    marks_cache=route.marks_cache,
                    example=example,
                )
            ),
            clock=self.clock,
            providers=providers,
            breakers=self.breakers,
            loop=self._loop,
            prices=PriceBook(),
            lengths=AnswerLengths(),
            bookkeeper=self.record,
            cancellation=cancellation or Cancellation(),
            stopped=stopped,
            ends=(self.clock.monotonic() if began is None else began) + route.deadline_seconds,
        ).reply()
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return end.value

    def ends(self, providers: Mapping[str, Provider], *candidates: Candidate, **more: Any) -> Exhausted:
        """Walk in vain; return how it ended."""
        with pytest.raises(Exhausted) as ended:
            self.walk(providers, *candidates, **more)
        return ended.value

    @property
    def kinds(self) -> list[str]:
        """The kinds of the attempts, in order."""
        return [attempt.kind.value for attempt in self.record.attempts]

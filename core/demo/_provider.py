"""The scripted provider: both vendors' adapters, with a script where the wire would be.

What an adapter makes of a request (its size) and of an invalid answer (the words of a re-ask) is the real adapter's
doing. What comes back, how long it takes and what goes wrong is drawn from the seed, on the manual clock.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel
from typing_extensions import override

from core.demo._chance import DemoClock, Dice
from core.demo._seed import Model, Seed
from core.dialects import Beside, RelayRequest
from core.messages import Message, text_bytes
from core.pricing import Usage
from core.providers import (
    Answer,
    Ask,
    Broken,
    Exchange,
    Failed,
    Filtered,
    Framed,
    Provider,
    ProviderError,
    Refused,
    Relayed,
    Throttled,
    TimedOut,
    Truncated,
    Unreachable,
    Unreadable,
)
from core.providers.forwarded import Forwarded
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.validation import Effort

_BYTES_PER_TOKEN_IN = 3.8
_BYTES_PER_TOKEN_OUT = 3.6
_LEAST_CACHED_TOKENS = 1024
_CACHED_STEP = 128
_CACHE_SECONDS = 480.0
_PIECES = 9
_UNANSWERED = ("failed", "throttled", "unreachable", "hung")
_OUTAGE = {"failed": 0.72, "unreachable": 0.2, "hung": 0.08}


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in which a provider, or one model of it, is not itself."""

    whom: str
    """``provider`` or ``provider/model``."""
    starts_at: datetime
    ends_at: datetime
    factor: float | None = None
    """How much longer answers take; ``None`` where none come at all."""

    def holds(self, provider: str, model: str, at: datetime) -> bool:
        """Whether it concerns that model at that time."""
        return self.whom in (provider, f"{provider}/{model}") and self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class Scene:
    """What the next generation is about."""

    schema: str
    truth: Mapping[str, Any]
    """The right answer."""
    habit: Callable[[dict[str, Any]], None] | None = None
    """How a model writes one field by habit: it changes an answer in place."""
    habit_chance: float = 0.0
    stubborn: str | None = None
    """The mishap that meets whoever reads this text."""


class ScriptedStage:
    """What the scripted providers share: the time, the dice, the scene."""

    def __init__(self, seed: Seed, clock: DemoClock, spells: tuple[Spell, ...]) -> None:
        self.clock = clock
        self.dice = Dice(clock)
        self.scene = Scene("", {})
        self._models = {model.name: model for model in seed.models}
        self._mishaps = seed.mishaps.per_call()
        self._slips = seed.slips
        self._spells = spells
        self._prompts: dict[tuple[str, int], float] = {}

    def model(self, provider: str, name: str) -> Model:
        """Return how a model answers."""
        return self._models[f"{provider}/{name}"]

    def slowness(self, provider: str, model: str) -> float:
        """Return how much longer than usual answers take now."""
        now = self.clock.now()
        factors = [spell.factor for spell in self._spells if spell.factor and spell.holds(provider, model, now)]
        return max(factors, default=1.0)

    def mishap(self, provider: str, model: str) -> str | None:
        """Return what goes wrong with this call, if anything does."""
        now = self.clock.now()
        if any(spell.factor is None and spell.holds(provider, model, now) for spell in self._spells):
            return self.dice.weighed(_OUTAGE)
        drawn = self.dice.chance()
        for name, chance in self._mishaps.items():
            drawn -= chance
            if drawn < 0:
                return name
        return self.scene.stubborn

    def answer(self, model: Model, *, is_reask: bool) -> str:
        """Return what the model writes."""
        scene, dice = self.scene, self.dice
        value = orjson.loads(orjson.dumps(scene.truth))
        if scene.habit and dice.happens(scene.habit_chance * (0.35 if is_reask else 1)):
            scene.habit(value)
        if scene.stubborn == "invalid" or dice.happens(model.again if is_reask else model.slip):
            slip = dice.pick([slip for slip in self._slips if slip.schema_name == scene.schema])
            slip.break_(value, dice.pick(slip.instead))
        return orjson.dumps(value).decode()

    def cached(self, model: str, prefix: bytes, tokens: int) -> int:
        """Return how many of the *tokens* of a prompt's beginning the provider still had from the last time."""
        if tokens < _LEAST_CACHED_TOKENS:
            return 0
        key, now = (model, hash(prefix)), self.clock.monotonic()
        seen, self._prompts[key] = self._prompts.get(key), now
        return tokens // _CACHED_STEP * _CACHED_STEP if seen is not None and now - seen < _CACHE_SECONDS else 0


class ScriptedProvider:
    """A vendor whose answers are scripted."""

    def __init__(self, name: str, stage: ScriptedStage) -> None:
        self.name = name
        self._stage = stage
        self._adapter: Provider = OpenAI(name=name, api_key="unused")
        self.dialects = self._adapter.dialects

    def open(self, ask: Ask) -> Framed:
        """Begin a conversation."""
        return ScriptedConversation(self.name, self._stage, ask, self._adapter.open(ask))

    def relay(
        self,
        request: RelayRequest,  # noqa: ARG002 it takes none
        *,
        model: str,  # noqa: ARG002
        max_tokens: int,  # noqa: ARG002
        messages: Sequence[Message],  # noqa: ARG002
        beside: Beside,  # noqa: ARG002
        may_store: bool = True,  # noqa: ARG002
    ) -> Relayed:
        """Take none: there is nobody to relay to."""
        raise Unreadable("this scripted provider takes no relays")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class _Take:
    """One answer as it is about to be played."""

    model: Model
    mishap: str | None
    text: str
    usage: Usage
    first_seconds: float
    """Until the first piece of a stream."""
    seconds: float
    """Until the end."""


class ScriptedConversation(Forwarded):
    """An exchange whose answers are scripted. Time passes on the stage's clock."""

    def __init__(self, provider: str, stage: ScriptedStage, ask: Ask, adapter: Framed) -> None:
        super().__init__(adapter)
        self.form = adapter.form
        self._provider = provider
        self._stage = stage
        self._ask = ask
        self._adapter = adapter
        self._is_reask = False
        self._so_far = Answer()

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out."""
        return self._so_far

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        """Play one call, without a deadline."""
        call = self.play(float("inf"), stream=on_text is not None)
        while True:
            try:
                piece = next(call)
            except StopIteration as end:
                return end.value
            if on_text is not None:
                on_text(piece)

    def play(self, seconds: float, *, stream: bool) -> Generator[str, None, Answer]:
        """Play one call with *seconds* to live: yield the pieces of its text, return its answer.

        Raises:
            ProviderError: as the script says.

        """
        request_id = f"req_{self._stage.dice.hex(24)}"
        mishap = self._stage.mishap(self._provider, self._ask.model)
        self._so_far = Answer()
        if mishap in _UNANSWERED:
            raise self._unanswered(mishap, request_id, seconds)
        take = self._take(mishap, seconds)
        self._so_far = Answer(
            http_status=200,
            provider_request_id=request_id,
            model=take.model.answers_as,
            ttft_seconds=take.first_seconds if stream and take.text else None,
        )
        if stream and take.text:
            yield from self._written(take)
        else:
            self._stage.clock.advance(take.seconds)
        return self._answered(take, seconds, stream=stream)

    def read(self, answer: Answer, effort: Effort | None = None) -> BaseModel:
        """Return the valid object, or raise pydantic's ValidationError."""
        return self._adapter.read(answer, effort)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        self._is_reask = True
        added = self._adapter.ask_again(answer, error)
        return _in_blocks(added) if self._provider == "anthropic" else added

    def _unanswered(self, mishap: str | None, request_id: str, seconds: float) -> ProviderError:
        """Let the time of a failing call pass; return its error."""
        stage, who = self._stage, self._provider
        if mishap == "hung":
            stage.clock.advance(min(seconds, 600.0))
            return TimedOut(f"No whole answer within {seconds:.3g} s.", answer=Answer())
        stage.clock.advance(min(seconds, stage.dice.around(0.7, 0.6)))
        if mishap == "unreachable":
            gone = Unreachable(f"The connection to {who} was refused: nobody listens at that address.")
            gone.was_sent = False
            return gone
        if mishap == "throttled":
            told = Answer(http_status=429, provider_request_id=request_id)
            code = "rate_limit_exceeded" if who == "openai" else "rate_limit_error"
            wait = stage.dice.whole(1, 3) / 2
            return Throttled(f"{who} answered 429 ({code}): too many requests.", answer=told, retry_after_seconds=wait)
        status = stage.dice.pick((500, 503, 503) if who == "openai" else (500, 529))
        told = Answer(http_status=status, provider_request_id=request_id)
        return Failed(f"{who} answered {status}: it failed on its side.", answer=told)

    def _take(self, mishap: str | None, seconds: float) -> _Take:
        """Draw an answer and the time that it takes."""
        stage, dice = self._stage, self._stage.dice
        model = stage.model(self._provider, self._ask.model)
        if mishap == "filtered" and self._provider != "openai":
            mishap = "refused"  # Anthropic has no other word for it
        text = "" if mishap == "refused" else stage.answer(model, is_reask=self._is_reask)
        if mishap == "filtered":
            text = text[: len(text) // 2]
        if mishap == "truncated":  # it goes on and on
            most = int(self._ask.max_tokens * _BYTES_PER_TOKEN_OUT)
            text = (text[:-1] + text[len(text) // 2 : -1] * (most // max(1, len(text) // 3)))[:most]
        usage = self._usage(text)
        slowness = stage.slowness(self._provider, self._ask.model)
        first = dice.around(model.first_token_seconds, 0.32) * slowness
        whole = first + usage.output_tokens / dice.around(model.tokens_per_second, 0.18) * slowness
        if whole >= seconds:
            return _Take(model, "late", text, usage, min(first, seconds), seconds)
        return _Take(model, mishap, text, usage, first, whole)

    def _written(self, take: _Take) -> Generator[str]:
        """Yield the pieces of an answer, as time passes."""
        clock, text = self._stage.clock, take.text
        clock.advance(take.first_seconds)
        each = (take.seconds - take.first_seconds) / _PIECES
        is_cut = take.mishap in ("late", "broken")
        pieces = self._stage.dice.whole(1, _PIECES - 2) if is_cut else _PIECES
        step = -(-len(text) // _PIECES)
        for number in range(pieces):
            clock.advance(each)
            self._so_far = replace(self._so_far, text=text[: (number + 1) * step])
            if piece := text[number * step : (number + 1) * step]:
                yield piece
        clock.advance(each * (_PIECES - pieces))

    def _answered(self, take: _Take, seconds: float, *, stream: bool) -> Answer:
        """Return the whole answer, or raise what it means."""
        who, mishap = self._provider, take.mishap
        if mishap == "late":
            raise TimedOut(f"No whole answer within {seconds:.3g} s.", answer=self._so_far)
        if mishap == "broken" and stream:
            raise Broken(f"{who} ended its stream in the middle.", answer=self._so_far)
        if mishap == "broken":
            raise Unreachable(f"The connection to {who} broke off before the answer was whole.", answer=self._so_far)
        usual, cut, refused = ("stop", "length", "stop") if who == "openai" else ("tool_use", "max_tokens", "refusal")
        reasons = {"truncated": cut, "refused": refused, "filtered": "content_filter"}
        reason = reasons.get(mishap or "", usual)
        function = {"name": self._ask.response_model.__name__, "arguments": take.text}
        call = {"id": f"call_{self._stage.dice.hex(24)}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer = self._so_far = replace(
            self._so_far,
            text=take.text,
            finish_reason=reason,
            usage=take.usage,
            raw={"choices": [{"index": 0, "finish_reason": reason, "message": message}]},
        )
        if mishap == "refused":
            raise Refused("The model declined to answer.", answer=answer)
        if mishap == "filtered":
            raise Filtered("The provider's content filter stopped the answer.", answer=answer)
        if mishap == "truncated":
            raise Truncated(f"The answer ran into the limit of {self._ask.max_tokens} tokens.", answer=answer)
        return answer

    def _usage(self, text: str) -> Usage:
        asked = self._ask.messages
        size, last = self.size_bytes, text_bytes(asked[-1:])
        tokens = round(size / _BYTES_PER_TOKEN_IN)
        cached = 0
        if self._provider == "openai":
            prefix = str(asked[:-1]).encode()
            cached = self._stage.cached(self._ask.model, prefix, round((size - last) / _BYTES_PER_TOKEN_IN))
        written = min(self._ask.max_tokens, round(len(text.encode()) / _BYTES_PER_TOKEN_OUT) + 8)
        return Usage(input_tokens=tokens, cached_tokens=min(cached, tokens), output_tokens=written)


class ScriptedLoop(Loop):
    """Plays calls where they are asked: there is no I/O, and the time that passes is not real."""

    races = False

    @override
    def call(
        self, exchange: Exchange, seconds: float, cancellation: Cancellation, *, stream: bool
    ) -> Generator[str, None, Answer]:
        """Play *exchange* once."""
        if not isinstance(exchange, ScriptedConversation):
            raise TypeError("Only scripted conversations are played.")
        return exchange.play(seconds, stream=stream)


def _in_blocks(added: Any) -> list[dict[str, Any]]:
    """Return the messages of a re-ask in the shape that Anthropic has for them."""
    blocks: list[dict[str, Any]] = []
    for message in added:
        if calls := message.get("tool_calls"):
            call = calls[0]
            use = {"type": "tool_use", "id": call["id"], "name": call["function"]["name"]}
            blocks.append({"role": "assistant", "content": [use | {"input": _object(call["function"]["arguments"])}]})
        else:
            result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "is_error": True}
            blocks.append({"role": "user", "content": [result | {"content": message.get("content")}]})
    return blocks


def _object(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text

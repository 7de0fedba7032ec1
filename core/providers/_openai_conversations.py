"""One schema and one model in OpenAI's dialect, and asked again: over chat completions, or over responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import orjson
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider as Vendor
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from core.pricing import PossibleBilling, Usage
from core.providers import Answer, Ask, Filtered, Refused, Truncated, TurnedAway
from core.providers._calling import body_told, in_spite_of
from core.providers._dialect import MODES, ask_again, frame, in_messages
from core.providers._families import wants_completion_tokens
from core.providers._media import media_tokens
from core.providers._messages import in_chat, in_responses, messages_of, sent_by, unpaid_bytes
from core.providers._told import Told, without_answer
from core.providers._usage import chat_usage, most_told, responses_usage
from core.providers._wire import Wire, turns_away_options
from core.providers.reading.chat_message import CUT, ChatMessage, choice_of, read_choice, usage_in
from core.providers.reading.growth import Contents, Growth
from core.providers.reading.parts import word
from core.providers.reading.response_output import ResponseOutput, read_response, usage_told
from core.providers.reading.verdict import read_as
from core.schema_forms import SchemaForm
from core.servers import RECIPES, Recipe
from core.validation import Effort


def _named(response_model: type[BaseModel], form: SchemaForm, *, is_openai: bool) -> dict[str, Any]:
    """Return the schema as the wire names it; only who decodes to OpenAI's rules is known to know ``strict``."""
    strict = {"strict": form.is_enforced} if is_openai else {}
    return {"name": response_model.__name__, **strict, "schema": form.body}


@lru_cache(maxsize=1024)
def _tool(response_model: type[BaseModel], form: SchemaForm) -> Mapping[str, Any]:
    """Return the frame of a call of a tool, whose parameters are those of *form*."""
    framed = frame(Vendor.OPENAI, Mode.TOOLS, response_model)
    parameters = {name: part for name, part in form.body.items() if name not in ("title", "description")}
    function = {**framed["tools"][0]["function"], "parameters": parameters}
    return {**framed, "tools": [{"type": "function", "function": function}]}


_TIERS: Mapping[Any, frozenset[str]] = {
    "default": frozenset(),
    "flex": frozenset({"flex"}),
    "priority": frozenset({"priority", "fast"}),
    "fast": frozenset({"priority", "fast"}),
}
"""Which service tiers may serve a call that asks for one; the standard one always may."""


def possible_billing(tier: str | None, recipe: Recipe, geo: str) -> PossibleBilling:
    """Return how a call may be billed that asks for *tier*; ``None``: without a word a project can have any by default.

    A region is told by the address. Behind another address than OpenAI's somebody else may change the tier.
    """
    asked = tier if recipe.rules == "openai" else None
    return PossibleBilling(tiers=_TIERS.get(asked), regions=frozenset(filter(None, (geo,))))


class ChatConversation:
    """An exchange over ``/chat/completions``."""

    _written = staticmethod(in_chat)
    _parameters = ("temperature", "top_p", "seed", "reasoning_effort", "verbosity", "service_tier")

    @property
    def _limit(self) -> str:
        """The name of the most tokens of an answer."""
        is_known = self._is_openai or wants_completion_tokens(self._ask.model)
        return "max_completion_tokens" if is_known else "max_tokens"

    def __init__(self, wire: Wire, ask: Ask, form: SchemaForm, *, path: str, recipe: Recipe, geo: str = "") -> None:
        self.form = form
        self._path = path
        self.mode = form.mode
        self._wire = wire
        self._ask = ask
        self._instructor_mode = MODES[form.mode]
        self._told = Told()
        self._quoted = sent_by(ask)
        self._recipe = recipe
        self._is_openai = recipe.rules == "openai"
        self._geo = geo
        self._messages = messages_of(ask, self._written)
        self._body = self._settled() | self._frame()
        if recipe is RECIPES["openai"] and ask.cache_key:
            self._body["prompt_cache_key"] = ask.cache_key
        self._content = self._encode()
        wish = {name: self._body[name] for name in ("stream", "stream_options") if name in self._body}
        self._unpaid = (len(orjson.dumps(wish)) - 1 if wish else 0) + unpaid_bytes(ask)
        self.media_tokens = media_tokens(ask.messages, "openai" if self._is_openai else "compatible", ask.model)

    @property
    def possible_billing(self) -> PossibleBilling:
        """In the tier that is asked for, or, without a word, in any."""
        return possible_billing(self._ask.parameters.get("service_tier"), self._recipe, self._geo)

    def _settled(self) -> dict[str, Any]:
        """Return what has nothing to do with messages and schema: who is asked, how, and how much it may say."""
        given = self._ask.parameters
        names = [name for name in self._parameters if name in given and name in self._recipe.parameters]
        named = {self._recipe.renamed.get(name, name): given[name] for name in names}
        return {"model": self._ask.model, self._limit: self._ask.max_tokens} | named

    def _frame(self) -> dict[str, Any]:
        body: dict[str, Any] = {"store": False} if "chat" in self._recipe.stores else {}
        model = self._ask.response_model
        if self._instructor_mode in (Mode.JSON, Mode.MD_JSON):
            prepared = in_messages(Vendor.OPENAI, self._instructor_mode, model, self._messages)
            self._messages = prepared.pop("messages")
            body |= prepared
        elif self._instructor_mode is Mode.JSON_SCHEMA:
            named = _named(model, self.form, is_openai=self._is_openai)
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        else:
            body |= _tool(model, self.form)
        if self._ask.stream:
            body["stream"] = True
            if self._recipe.takes_stream_options and self._wire.takes_stream_options(self._ask.model):
                body["stream_options"] = {"include_usage": True}
        return body

    def _encode(self) -> bytes:
        return orjson.dumps({**self._body, "messages": self._messages})

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out."""
        return self._told.answer()

    @property
    def size_bytes(self) -> int:
        """Bytes of the next request's body, but for media and for those that only say that it is to be streamed."""
        return len(self._content) - self._unpaid

    @property
    def texts(self) -> Sequence[str]:
        """What was said, and the schema."""
        return *self._quoted, orjson.dumps(self.form.body).decode()

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        """Call once; see :class:`core.providers.Framed`."""
        try:
            return await self._sent(on_text)
        except TurnedAway as error:
            if "stream_options" not in self._body or not turns_away_options(error):
                raise
        del self._body["stream_options"]
        self._content = self._encode()
        answer = await self._sent(on_text)
        return replace(answer, remark=f"{answer.remark} {self._wire.turned_away_options(self._ask.model)}".strip())

    async def _sent(self, on_text: Callable[[str], None] | None) -> Answer:
        told = self._told = Told(hidden=(*self._wire.keys.secrets, *self._quoted))
        raw = await body_told(
            self._wire,
            self._path,
            self._content,
            told,
            growth=self._growth(),
            reader=self._reading,
            usage_of=self._usage,
            on_text=on_text,
        )
        return self._answer(raw, told)

    def _growth(self) -> Growth:
        return ChatMessage(in_calls=self._instructor_mode is Mode.TOOLS)

    def _reading(self, raw: dict[str, Any]) -> Contents | None:
        return read_choice(choice_of(raw), self._ask.response_model.__name__)

    def _usage(self, usage: Mapping[str, Any]) -> Usage | None:
        return chat_usage(usage, self._geo)

    def _answer(self, raw: dict[str, Any], told: Told) -> Answer:
        told.model = word(raw, "model") or told.model
        told.usage = most_told(told.usage, self._usage(usage_in(raw)))
        choice = choice_of(raw)
        reading = self._reading(raw)
        error = raw.get("error") or choice.get("error")
        if error and (reading is None or not reading.is_whole):
            told.pieces = [reading.texts[0]] if reading and reading.texts[0] else []
            raise in_spite_of(self._wire.failed({"error": error}, told), reading, told)
        if reading is None:
            raise without_answer(f"{self._wire.name} answered without a choice.", told)
        return self._read_off(reading, told)

    def _read_off(self, reading: Contents, told: Told) -> Answer:
        told.finish_reason = reading.finish_reason
        answer = told.read(reading)
        if reading.is_refused:
            raise Refused("The model declined to answer.", answer=answer)
        _stop_if_cut(told.finish_reason, self._ask.max_tokens, answer)
        return answer

    def read(self, answer: Answer, effort: Effort | None = None) -> BaseModel:
        """Return the valid object, or raise pydantic's ValidationError."""
        return read_as(self.form, self._ask.response_model, answer, effort)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        added = ask_again(Vendor.OPENAI, self._instructor_mode, self._messages, self._instructor_view(answer), error)
        self._messages = [*self._messages, *added]
        self._quoted = (*self._quoted, answer.text)
        self._content = self._encode()
        return added

    def allow(self, max_tokens: int) -> None:
        """Let the next answer be *max_tokens* long."""
        self._ask = replace(self._ask, max_tokens=max_tokens)
        self._body[self._limit] = max_tokens
        self._content = self._encode()

    def _instructor_view(self, answer: Answer) -> Any:
        message = answer.raw or {"role": "assistant", "content": answer.text}  # without, where no wire told it
        return ChatCompletion.construct(choices=[{"message": message}])


class ResponsesConversation(ChatConversation):
    """An exchange over ``/responses``."""

    _written = staticmethod(in_responses)
    _parameters = ("temperature", "top_p", "service_tier")

    @property
    def _limit(self) -> str:
        return "max_output_tokens"

    def _frame(self) -> dict[str, Any]:
        given = self._ask.parameters
        body: dict[str, Any] = {"store": False}  # what a tenant sends is not to be kept by the vendor
        if "reasoning_effort" in given and "reasoning_effort" in self._recipe.parameters:
            body["reasoning"] = {"effort": given["reasoning_effort"]}
        if "verbosity" in given and "verbosity" in self._recipe.parameters:
            body["text"] = {"verbosity": given["verbosity"]}
        model = self._ask.response_model
        if self._instructor_mode is Mode.TOOLS:
            function = _tool(model, self.form)["tools"][0]["function"]
            body["tools"] = [{"type": "function", "strict": False, **function}]
            body["tool_choice"] = {"type": "function", "name": function["name"]}
        elif self._instructor_mode is Mode.JSON_SCHEMA:
            named = _named(model, self.form, is_openai=self._is_openai)
            body.setdefault("text", {})["format"] = {"type": "json_schema", **named}
        else:
            prepared = in_messages(Vendor.OPENAI, self._instructor_mode, model, self._messages)
            self._messages = [_in_input(message) for message in prepared["messages"]]
        if self._ask.stream:
            body["stream"] = True
        return body

    def _encode(self) -> bytes:
        return orjson.dumps({**self._body, "input": self._messages})

    def _growth(self) -> Growth:
        return ResponseOutput(in_calls=self._instructor_mode is Mode.TOOLS)

    def _reading(self, raw: dict[str, Any]) -> Contents | None:
        return read_response(raw, self._ask.response_model.__name__)

    def _usage(self, usage: Mapping[str, Any]) -> Usage | None:
        return responses_usage(usage, self._geo)

    def _answer(self, raw: dict[str, Any], told: Told) -> Answer:
        told.model = word(raw, "model") or told.model
        told.usage = most_told(told.usage, self._usage(usage_told(raw)))
        reading = self._reading(raw)
        has_failed = raw.get("status") == "failed" or raw.get("error")
        if has_failed and (reading is None or not reading.is_whole):
            told.finish_reason = word(raw, "status")
            told.pieces = [reading.texts[0]] if reading and reading.texts[0] else []
            raise in_spite_of(self._wire.failed({"error": raw.get("error") or {}}, told), reading, told)
        if reading is None:
            raise without_answer(f"{self._wire.name} answered without an output.", told)
        return self._read_off(reading, told)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        if self._instructor_mode is Mode.TOOLS:
            view = SimpleNamespace(output=[SimpleNamespace(**answer.raw)] if answer.raw else [])
            added = ask_again(Vendor.OPENAI, Mode.RESPONSES_TOOLS, self._messages, view, error)
        else:
            message = {"role": "assistant", "content": answer.text}
            view = ChatCompletion.construct(choices=[{"message": message}])
            added = ask_again(Vendor.OPENAI, self._instructor_mode, self._messages, view, error)
        self._messages = [*self._messages, *added]
        self._quoted = (*self._quoted, answer.text)
        self._content = self._encode()
        return added


def _in_input(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with the texts that Instructor wrote among parts as the Responses API names them."""
    if isinstance(message["content"], str):
        return message
    kind = "output_text" if message["role"] == "assistant" else "input_text"
    content: list[dict[str, Any]] = message["content"]
    return {**message, "content": [{**one, "type": kind} if one["type"] == "text" else one for one in content]}


def _stop_if_cut(finish_reason: str | None, max_tokens: int, answer: Answer) -> None:
    if finish_reason in CUT:
        cut = Truncated(f"The answer ran into the limit of {max_tokens} tokens.", answer=answer)
        cut.may_be_whole = True
        raise cut
    if finish_reason == "content_filter":
        raise Filtered("The provider's content filter stopped the answer.", answer=answer)

"""OpenAI, and every server that speaks its dialect: chat completions, or the Responses API by setting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import openai
import orjson
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider as Vendor
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from core.pricing import Usage
from core.providers import Answer, Ask, Broken, Conversation, Filtered, Garbled, Refused, Truncated
from core.providers._dialect import (
    MODES,
    NO_TIMEOUT,
    Told,
    Wire,
    ask_again,
    count,
    credible,
    frame,
    in_messages,
    json_in,
    messages_of,
    part,
    parts,
    read_as,
    schema_form,
    text,
    word,
)
from core.providers._failures import broken_off
from core.providers._families import wants_completion_tokens
from core.schema_forms import SchemaForm
from core.settings import Settings


class OpenAI:
    """A server that speaks OpenAI's dialect."""

    def __init__(
        self,
        *,
        name: str = "openai",
        api_key: str,
        base_url: str | None = None,
        responses: bool = False,
        default_mode: str = "tools",
    ) -> None:
        self.name = name
        self._responses = responses
        self._default_mode = default_mode
        self._is_openai = base_url is None
        """Only OpenAI itself is known to enforce strict schemas, and to want ``max_completion_tokens`` for all."""
        self._vendor = "openai" if self._is_openai else name if name == "local" else "compatible"
        """Whose rules for schemas hold."""
        self._wire = Wire(
            name,
            openai,
            lambda http: openai.AsyncOpenAI(
                api_key=api_key, base_url=base_url, max_retries=0, timeout=NO_TIMEOUT, http_client=http
            ),
            "x-request-id",
        )

    def open(self, ask: Ask) -> Conversation:
        """Begin a conversation."""
        form = schema_form(ask.response_model, self._vendor, ask.mode or self._default_mode)
        kind = _ResponsesConversation if self._responses else _ChatConversation
        return kind(self._wire, ask, form, is_openai=self._is_openai)

    async def close(self) -> None:
        """Close its connections."""
        await self._wire.close()


def provider(settings: Settings) -> OpenAI:
    """Return OpenAI as *settings* describe it."""
    key = settings.openai_api_key
    return OpenAI(
        api_key=key.get_secret_value() if key else "unused",
        base_url=settings.openai_base_url,
        responses=settings.openai_api == "responses",
    )


def _named(response_model: type[BaseModel], form: SchemaForm, *, is_openai: bool) -> dict[str, Any]:
    """Return the schema as the wire names it; only OpenAI is known to know ``strict``."""
    strict = {"strict": form.is_enforced} if is_openai else {}
    return {"name": response_model.__name__, **strict, "schema": form.body}


@lru_cache(maxsize=1024)
def _tool(response_model: type[BaseModel], form: SchemaForm) -> Mapping[str, Any]:
    """Return the frame of a call of a tool, whose parameters are those of *form*."""
    framed = frame(Vendor.OPENAI, Mode.TOOLS, response_model)
    parameters = {name: part for name, part in form.body.items() if name not in ("title", "description")}
    function = {**framed["tools"][0]["function"], "parameters": parameters}
    return {**framed, "tools": [{"type": "function", "function": function}]}


class _ChatConversation:
    """An exchange over ``/chat/completions``."""

    _path = "/chat/completions"
    _parameters = ("temperature", "top_p", "seed", "reasoning_effort", "verbosity")

    @property
    def _limit(self) -> str:
        """The name of the most tokens of an answer."""
        is_known = self._is_openai or wants_completion_tokens(self._ask.model)
        return "max_completion_tokens" if is_known else "max_tokens"

    def __init__(self, wire: Wire, ask: Ask, form: SchemaForm, *, is_openai: bool) -> None:
        self.form = form
        self.mode = form.mode
        self._wire = wire
        self._ask = ask
        self._instructor_mode = MODES[form.mode]
        self._told = Told()
        self._is_openai = is_openai
        self._messages = messages_of(ask)
        self._body = self._settled() | self._frame()
        if is_openai and ask.cache_key:
            self._body["prompt_cache_key"] = ask.cache_key
        self._content = self._encode()

    def _settled(self) -> dict[str, Any]:
        """Return what has nothing to do with messages and schema: who is asked, how, and how much it may say."""
        given = self._ask.parameters
        named = {name: given[name] for name in self._parameters if name in given}
        return {"model": self._ask.model, self._limit: self._ask.max_tokens} | named

    def _frame(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
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
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def _encode(self) -> bytes:
        return orjson.dumps({**self._body, "messages": self._messages})

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out."""
        return self._told.answer()

    @property
    def size_bytes(self) -> int:
        """Bytes of the next request's body."""
        return len(self._content)

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        """Call once; see :class:`core.providers.Conversation`."""
        told = self._told = Told()
        if on_text is None:
            raw = await self._wire.post(self._path, self._content, told)
        else:
            raw = await self._stream(told, on_text)
        return self._answer(raw, told)

    async def _stream(self, told: Told, on_text: Callable[[str], None]) -> dict[str, Any]:
        started = asyncio.get_running_loop().time()
        call: dict[str, Any] = {"id": "call", "type": "function", "function": {"name": "", "arguments": ""}}
        refusal: list[str] = []
        is_call = False

        def take(event: Any) -> None:
            nonlocal is_call
            told.model = word(event, "model") or told.model
            told.usage = _chat_usage(part(event, "usage")) or told.usage
            for choice in parts(event, "choices"):
                delta = part(choice, "delta")
                told.finish_reason = word(choice, "finish_reason") or told.finish_reason
                refusal.append(text(delta, "refusal"))
                piece = text(delta, "content")
                for piece_of_call in parts(delta, "tool_calls"):
                    is_call = True
                    function = part(piece_of_call, "function")
                    call["id"] = word(piece_of_call, "id") or call["id"]
                    call["function"]["name"] += text(function, "name")
                    piece += text(function, "arguments")
                if piece:
                    if told.ttft_seconds is None:
                        told.ttft_seconds = asyncio.get_running_loop().time() - started
                    told.pieces.append(piece)
                    on_text(piece)

        await self._wire.stream(self._path, self._content, told, take)
        if told.finish_reason is None:
            raise Broken(f"{self._wire.name} ended its stream in the middle.", answer=told.answer())
        written = "".join(told.pieces)
        message: dict[str, Any] = {"role": "assistant", "content": None if is_call else written}
        if is_call:
            call["function"]["arguments"] = written
            message["tool_calls"] = [call]
        message["refusal"] = "".join(refusal)
        return {"choices": [{"finish_reason": told.finish_reason, "message": message}]}

    def _answer(self, raw: dict[str, Any], told: Told) -> Answer:
        told.model = word(raw, "model") or told.model
        told.usage = _chat_usage(part(raw, "usage")) or told.usage
        choices = parts(raw, "choices")
        message = part(choices[0], "message") if choices else None
        if not message:
            raise Garbled(f"{self._wire.name} answered without a choice.", answer=told.answer(text=""))
        calls = parts(message, "tool_calls")
        told.finish_reason = word(choices[0], "finish_reason")
        if calls:
            function = part(calls[0], "function")
            written = text(function, "arguments")
            named = {"name": text(function, "name"), "arguments": written}
            called = [{"id": word(calls[0], "id") or "call", "type": "function", "function": named}]
            answer = told.answer({"role": "assistant", "content": None, "tool_calls": called}, written)
        else:
            content = text(message, "content")
            answer = told.answer({"role": "assistant", "content": content}, json_in(content))
        if text(message, "refusal") or told.finish_reason == "refusal":
            raise Refused("The model declined to answer.", answer=answer)
        _stop_if_cut(told.finish_reason, self._ask.max_tokens, answer)
        return answer

    def read(self, answer: Answer) -> BaseModel:
        """Return the valid object, or raise pydantic's ValidationError."""
        return read_as(self.form, self._ask.response_model, answer.text)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        added = ask_again(Vendor.OPENAI, self._instructor_mode, self._messages, self._instructor_view(answer), error)
        self._messages = [*self._messages, *added]
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


class _ResponsesConversation(_ChatConversation):
    """An exchange over ``/responses``."""

    _path = "/responses"
    _parameters = ("temperature", "top_p")

    @property
    def _limit(self) -> str:
        return "max_output_tokens"

    def _frame(self) -> dict[str, Any]:
        given = self._ask.parameters
        body: dict[str, Any] = {"store": False}  # what a tenant sends is not to be kept by the vendor
        if "reasoning_effort" in given:
            body["reasoning"] = {"effort": given["reasoning_effort"]}
        if "verbosity" in given:
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
            self._messages = prepared["messages"]
        if self._ask.stream:
            body["stream"] = True
        return body

    def _encode(self) -> bytes:
        return orjson.dumps({**self._body, "input": self._messages})

    async def _stream(self, told: Told, on_text: Callable[[str], None]) -> dict[str, Any]:
        started = asyncio.get_running_loop().time()
        final: dict[str, Any] = {}

        def take(event: Any) -> None:
            kind = event.get("type")
            if kind in ("response.function_call_arguments.delta", "response.output_text.delta"):
                if told.ttft_seconds is None:
                    told.ttft_seconds = asyncio.get_running_loop().time() - started
                told.pieces.append(text(event, "delta"))
                on_text(text(event, "delta"))
            elif kind in ("response.completed", "response.incomplete", "response.failed"):
                final.update(part(event, "response"))
            elif kind == "error":
                raise broken_off(self._wire.name, event, told.answer())

        await self._wire.stream(self._path, self._content, told, take)
        if not final:
            raise Broken(f"{self._wire.name} ended its stream in the middle.", answer=told.answer())
        return final

    def _answer(self, raw: dict[str, Any], told: Told) -> Answer:
        told.model = word(raw, "model") or told.model
        told.usage = _responses_usage(part(raw, "usage")) or told.usage
        if not isinstance(raw.get("output"), list):
            raise Garbled(f"{self._wire.name} answered without an output.", answer=told.answer(text=""))
        output = parts(raw, "output")
        called = next((one for one in output if one.get("type") == "function_call"), None)
        content = [piece for one in output if one.get("type") == "message" for piece in parts(one, "content")]
        refused = any(piece.get("type") == "refusal" for piece in content)
        written = text(called, "arguments") if called else json_in("".join(text(piece, "text") for piece in content))
        told.finish_reason = word(part(raw, "incomplete_details"), "reason") or word(raw, "status")
        view = called and {
            "type": "function_call",
            "call_id": text(called, "call_id"),
            "name": text(called, "name"),
            "arguments": written,
        }
        answer = told.answer(view, written)
        if refused:
            raise Refused("The model declined to answer.", answer=answer)
        if told.finish_reason == "failed":
            raise broken_off(self._wire.name, part(raw, "error"), answer)
        _stop_if_cut(told.finish_reason, self._ask.max_tokens, answer)
        return answer

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
        self._content = self._encode()
        return added


def _stop_if_cut(finish_reason: str | None, max_tokens: int, answer: Answer) -> None:
    if finish_reason in ("length", "max_output_tokens", "max_tokens"):
        raise Truncated(f"The answer ran into the limit of {max_tokens} tokens.", answer=answer)
    if finish_reason == "content_filter":
        raise Filtered("The provider's content filter stopped the answer.", answer=answer)


def _chat_usage(usage: Mapping[str, Any]) -> Usage | None:
    prompt = part(usage, "prompt_tokens_details")
    completion = part(usage, "completion_tokens_details")
    return credible(
        Usage(
            input_tokens=count(usage, "prompt_tokens"),
            cached_tokens=count(prompt, "cached_tokens"),
            cache_write_tokens=count(prompt, "cache_write_tokens"),
            output_tokens=count(usage, "completion_tokens"),
            reasoning_tokens=count(completion, "reasoning_tokens"),
        )
    )


def _responses_usage(usage: Mapping[str, Any]) -> Usage | None:
    given = part(usage, "input_tokens_details")
    made = part(usage, "output_tokens_details")
    return credible(
        Usage(
            input_tokens=count(usage, "input_tokens"),
            cached_tokens=count(given, "cached_tokens"),
            cache_write_tokens=count(given, "cache_write_tokens"),
            output_tokens=count(usage, "output_tokens"),
            reasoning_tokens=count(made, "reasoning_tokens"),
        )
    )

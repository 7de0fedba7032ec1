"""Anthropic: the messages API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import anthropic
import orjson
from anthropic.types import Message
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider as Vendor
from pydantic import BaseModel

from core.pricing import Usage
from core.providers import Answer, Ask, Broken, Conversation, Garbled, Refused, Truncated
from core.providers._dialect import (
    LIMITS,
    MODES,
    NO_TIMEOUT,
    Told,
    Wire,
    ask_again,
    frame,
    in_messages,
    json_in,
    messages_of,
    part,
)
from core.settings import Settings


class Anthropic:
    """Anthropic, or a server that speaks its dialect."""

    name = "anthropic"

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._wire = Wire(
            self.name,
            lambda: anthropic.AsyncAnthropic(
                api_key=api_key,
                base_url=base_url,
                max_retries=0,
                timeout=NO_TIMEOUT,
                http_client=anthropic.DefaultAioHttpClient(limits=LIMITS, timeout=NO_TIMEOUT),
            ),
            anthropic,
            "request-id",
        )

    def open(self, ask: Ask) -> Conversation:
        """Begin a conversation."""
        return _Conversation(self._wire, ask, ask.mode or "tools")

    async def close(self) -> None:
        """Close its connections."""
        await self._wire.close()


def provider(settings: Settings) -> Anthropic:
    """Return Anthropic as *settings* describe it."""
    key = settings.anthropic_api_key
    return Anthropic(api_key=key.get_secret_value() if key else "unused", base_url=settings.anthropic_base_url)


@lru_cache(maxsize=1024)
def _output_format(response_model: type[BaseModel]) -> Mapping[str, Any]:
    """Return what makes Anthropic decode to the schema.

    Instructor 1.17 looks for a parameter that anthropic 2 no longer has and falls back to a prompt; so this is ours.
    """
    schema = anthropic.transform_schema(response_model.model_json_schema())
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


class _Conversation:
    """An exchange over ``/v1/messages``."""

    def __init__(self, wire: Wire, ask: Ask, mode: str) -> None:
        self.mode = mode
        self._wire = wire
        self._ask = ask
        self._instructor_mode = Mode.JSON if mode == "md_json" else MODES[mode]  # Instructor has no MD_JSON here
        self._told = Told()
        self._body: dict[str, Any] = {"model": ask.model, "max_tokens": ask.max_tokens}
        given = messages_of(ask)
        system = [{"type": "text", "text": message["content"]} for message in given if message["role"] == "system"]
        self._messages = [message for message in given if message["role"] != "system"]
        if self._instructor_mode is Mode.JSON:
            prepared = in_messages(Vendor.ANTHROPIC, Mode.JSON, ask.response_model, given)
            self._messages = prepared.pop("messages")
            self._body |= prepared
        else:
            if system:
                self._body["system"] = system
            if self._instructor_mode is Mode.JSON_SCHEMA:
                self._body |= _output_format(ask.response_model)
            else:
                self._body |= frame(Vendor.ANTHROPIC, Mode.TOOLS, ask.response_model)
        if ask.stream:
            self._body["stream"] = True
        self._content = self._encode()

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
            raw = await self._wire.post("/v1/messages", self._content, told)
        else:
            raw = await self._stream(told, on_text)
        return self._answer(raw, told)

    async def _stream(  # noqa: C901 one case per kind of event
        self, told: Told, on_text: Callable[[str], None]
    ) -> dict[str, Any]:
        started = asyncio.get_running_loop().time()
        message: dict[str, Any] = {}
        blocks: dict[int, dict[str, Any]] = {}
        written: dict[int, list[str]] = {}
        usage: dict[str, Any] = {}
        ended = False

        def take(event: Any) -> None:
            nonlocal ended
            match event.get("type"):
                case "message_start":
                    message.update(event["message"])
                    told.model = message.get("model")
                    usage.update(_present(part(message, "usage")))
                    told.usage = _usage(usage)
                case "content_block_start":
                    blocks[event["index"]] = dict(event["content_block"])
                    written[event["index"]] = []
                case "content_block_delta":
                    delta = event["delta"]
                    piece = delta.get("partial_json") or delta.get("text") or ""
                    if piece:
                        if told.ttft_seconds is None:
                            told.ttft_seconds = asyncio.get_running_loop().time() - started
                        written[event["index"]].append(piece)
                        told.pieces.append(piece)
                        on_text(piece)
                case "message_delta":
                    told.finish_reason = event["delta"].get("stop_reason") or told.finish_reason
                    usage.update(_present(part(event, "usage")))
                    told.usage = _usage(usage)
                case "message_stop":
                    ended = True
                case _:
                    pass

        await self._wire.stream("/v1/messages", self._content, told, take)
        if not ended and told.finish_reason is None:
            raise Broken("anthropic ended its stream in the middle.", answer=told.answer())
        for index, block in blocks.items():
            text = "".join(written[index])
            if block.get("type") == "tool_use":
                block["input"] = _parsed(text)
                block["partial_json"] = text
            elif block.get("type") == "text":
                block["text"] = text
        return {**message, "content": list(blocks.values()), "stop_reason": told.finish_reason, "usage": usage}

    def _answer(self, raw: dict[str, Any], told: Told) -> Answer:
        told.model = raw.get("model") or told.model
        if usage := raw.get("usage"):
            told.usage = _usage(usage)
        try:
            content = raw["content"]
            calls = [block for block in content if block["type"] == "tool_use"]
            texts = [block["text"] for block in content if block["type"] == "text"]
            if calls:
                text = calls[0].pop("partial_json", None) or orjson.dumps(calls[0]["input"]).decode()
            else:
                text = json_in(texts[-1] if texts else "")
        except (LookupError, TypeError, AttributeError):
            raise Garbled("anthropic answered without content.", answer=told.answer(text="")) from None
        told.finish_reason = raw.get("stop_reason")
        answer = told.answer(raw, text)
        if told.finish_reason == "refusal":
            raise Refused("The model declined to answer.", answer=answer)
        if told.finish_reason in ("max_tokens", "model_context_window_exceeded"):
            raise Truncated(f"The answer ran into the limit of {self._ask.max_tokens} tokens.", answer=answer)
        return answer

    def read(self, answer: Answer) -> BaseModel:
        """Return the valid object, or raise pydantic's ValidationError."""
        return self._ask.response_model.model_validate_json(answer.text)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        view = Message.construct(**answer.raw)
        mode = Mode.TOOLS if self._instructor_mode is Mode.TOOLS else Mode.JSON
        added = ask_again(Vendor.ANTHROPIC, mode, self._messages, view, error)
        self._messages = [*self._messages, *added]
        self._content = self._encode()
        return added


def _present(usage: Any) -> dict[str, Any]:
    return {name: value for name, value in usage.items() if value is not None}


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return {}


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Return usage as OpenAI counts: Anthropic's ``input_tokens`` leave out cache reads and writes."""
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    details = part(usage, "output_tokens_details")
    return Usage(
        input_tokens=(usage.get("input_tokens") or 0) + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=usage.get("output_tokens") or 0,
        reasoning_tokens=details.get("thinking_tokens") or 0,
    )

"""The vendors' own SDKs, brought to one shape: what would a real client see?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import orjson

from tests.wire.ledger import Tokens
from tests.wire.server import WireServer

WAYS = ("chat", "chat-stream", "responses", "responses-stream", "messages", "messages-stream")
"""Every path, in one piece and streamed."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


@dataclass(slots=True)
class Seen:
    """What came of one call."""

    text: str = ""
    """The object's JSON text, be it a tool's input or content."""
    finish: str | None = None
    refusal: str | None = None
    tokens: Tokens | None = None
    request_id: str | None = None
    parts: list[Any] = field(default_factory=list)
    """The SDK's objects: one answer, or the events of a stream."""


def is_whole(seen: Seen) -> bool:
    """Whether the valid object of ``SCHEMA`` came, all of it."""
    return orjson.loads(seen.text) == {"name": "some name", "age": 1, "tags": ["some tags", "some tags 2"]}


class Sdks:
    """Both SDKs on one fake, without retries of their own."""

    def __init__(self, server: WireServer, *, key: str = "sk-test", timeout: float = 5.0) -> None:
        options: dict[str, Any] = {"api_key": key, "max_retries": 0, "timeout": timeout}
        self.openai = openai.OpenAI(base_url=server.openai_url, **options)
        self.anthropic = anthropic.Anthropic(base_url=server.anthropic_url, **options)

    def close(self) -> None:
        """Close every connection."""
        self.openai.close()
        self.anthropic.close()

    def ask(self, way: str, prompt: str, *, model: str = "gpt-4o-mini", max_tokens: int = 500) -> Seen:
        """Ask for an object of ``SCHEMA`` as a forced tool and read the whole answer."""
        seen = Seen()
        for part in self.parts(way, prompt, model=model, max_tokens=max_tokens, seen=seen):
            seen.parts.append(part)
            _READ[way.partition("-")[0]](part, seen)
        return seen

    def parts(self, way: str, prompt: str, *, model: str, max_tokens: int, seen: Seen) -> Iterable[Any]:
        """Yield the answer, or the events of the stream as they come."""
        messages: Any = [{"role": "user", "content": prompt}]
        path, _, stream = way.partition("-")
        tool: dict[str, Any] = {"name": "Person", "parameters": SCHEMA}
        common: dict[str, Any] = {"model": model}
        if path == "chat":
            create: Any = self.openai.chat.completions.with_raw_response.create
            common |= {"messages": messages, "max_tokens": max_tokens}
            common["tools"] = [{"type": "function", "function": tool}]
            common["tool_choice"] = {"type": "function", "function": {"name": "Person"}}
            if stream:
                common["stream_options"] = {"include_usage": True}
        elif path == "responses":
            create = self.openai.responses.with_raw_response.create
            common |= {"input": messages, "max_output_tokens": max_tokens, "tools": [{"type": "function", **tool}]}
            common["tool_choice"] = {"type": "function", "name": "Person"}
        else:
            create = self.anthropic.messages.with_raw_response.create
            common |= {"messages": messages, "max_tokens": max_tokens}
            common["tools"] = [{"name": "Person", "input_schema": SCHEMA}]
            common["tool_choice"] = {"type": "tool", "name": "Person"}
        raw = create(**common, **({"stream": True} if stream else {}))
        seen.request_id = raw.headers.get("request-id" if path == "messages" else "x-request-id")
        answer = raw.parse()
        yield from answer if stream else (answer,)


def _chat(part: Any, seen: Seen) -> None:
    for choice in part.choices:
        said = choice.delta if hasattr(choice, "delta") else choice.message
        for call in said.tool_calls or ():
            seen.text += call.function.arguments or ""
        seen.text += said.content or ""
        if said.refusal:
            seen.refusal = (seen.refusal or "") + said.refusal
        seen.finish = choice.finish_reason or seen.finish
    if part.usage:
        seen.tokens = Tokens(
            input_tokens=part.usage.prompt_tokens,
            cached_tokens=part.usage.prompt_tokens_details.cached_tokens,
            cache_write_tokens=part.usage.prompt_tokens_details.cache_write_tokens,
            output_tokens=part.usage.completion_tokens,
            reasoning_tokens=part.usage.completion_tokens_details.reasoning_tokens,
        )


def _responses(part: Any, seen: Seen) -> None:
    kind = getattr(part, "type", None)
    if kind in ("response.function_call_arguments.delta", "response.output_text.delta"):
        seen.text += part.delta
    elif kind == "response.refusal.delta":
        seen.refusal = (seen.refusal or "") + part.delta
    elif kind in (None, "response.completed", "response.incomplete"):
        whole = part if kind is None else part.response
        seen.finish = whole.incomplete_details.reason if whole.incomplete_details else whole.status
        seen.tokens = Tokens(
            input_tokens=whole.usage.input_tokens,
            cached_tokens=whole.usage.input_tokens_details.cached_tokens,
            cache_write_tokens=whole.usage.input_tokens_details.cache_write_tokens,
            output_tokens=whole.usage.output_tokens,
            reasoning_tokens=whole.usage.output_tokens_details.reasoning_tokens,
        )
        if kind is None:
            for item in whole.output:
                _output_item(item, seen)


def _output_item(item: Any, seen: Seen) -> None:
    if item.type == "function_call":
        seen.text += item.arguments
    elif item.type == "message":
        for piece in item.content:
            if piece.type == "refusal":
                seen.refusal = piece.refusal
            else:
                seen.text += piece.text


def _messages(part: Any, seen: Seen) -> None:
    if part.type == "message":
        for block in part.content:
            if block.type == "tool_use":
                seen.text += orjson.dumps(block.input).decode()
            elif block.type == "text":
                seen.text += block.text
        _ended(part, seen)
        seen.tokens = _anthropic_tokens(part.usage, Tokens())
    elif part.type == "message_start":
        seen.tokens = _anthropic_tokens(part.message.usage, Tokens())
    elif part.type == "content_block_delta" and part.delta.type in ("input_json_delta", "text_delta"):
        seen.text += part.delta.partial_json if part.delta.type == "input_json_delta" else part.delta.text
    elif part.type == "message_delta":
        _ended(part.delta, seen)
        seen.tokens = _anthropic_tokens(part.usage, seen.tokens or Tokens())


def _ended(part: Any, seen: Seen) -> None:
    seen.finish = part.stop_reason
    if part.stop_details:
        seen.refusal = part.stop_details.explanation


def _anthropic_tokens(usage: Any, before: Tokens) -> Tokens:
    """Return the usage in Proctor's counting; what the end of a stream does not restate stays as it began."""
    cached, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    restated = usage.input_tokens is not None
    details = usage.output_tokens_details
    return Tokens(
        input_tokens=usage.input_tokens + (cached or 0) + (written or 0) if restated else before.input_tokens,
        cached_tokens=before.cached_tokens if cached is None else cached,
        cache_write_tokens=before.cache_write_tokens if written is None else written,
        output_tokens=usage.output_tokens,
        reasoning_tokens=details.thinking_tokens if details else 0,
    )


_READ = {"chat": _chat, "responses": _responses, "messages": _messages}

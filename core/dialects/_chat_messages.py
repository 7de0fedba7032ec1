"""The messages of a chat completion, as everybody else here knows messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.dialects._body import Path
from core.dialects._openai import arguments_of, data_url
from core.dialects._parts import Placed, opaque
from core.dialects._values import dicts, mapping, objects, word
from core.errors import Invalid
from core.messages import Message, Part, Reasoning, Text, ToolCall, ToolResult
from core.messages.media import media_as_sent

_KNOWN = ("role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call", "tool_call_id")
_INERT = ("id", "status", "annotations", "cache_control", "index", "weight", "prefix")
"""Members of a message that no model reads."""


def chat_messages(values: Mapping[str, Any]) -> Iterator[tuple[Message, list[Path]]]:
    """Yield each message of a body, with the place of each of its leaves.

    Raises:
        Invalid: what stands there are no messages.

    """
    given = objects(values, "messages")
    if not given:
        raise Invalid("'messages' is a list of at least one message.", param="messages")
    for place, message in enumerate(given):
        at: Path = ("messages", place)
        role = message.get("role")
        if not isinstance(role, str) or not role:
            raise Invalid(f"'messages[{place}].role' is a text, such as 'user'.", param=f"messages[{place}].role")
        placed = [*_contents(message.get("content"), (*at, "content")), *_said(message, at)]
        leaves = tuple(leaf for leaf, _ in placed)
        parts: tuple[Part, ...] = leaves
        if role in ("tool", "function"):
            parts = (ToolResult(word(message, "tool_call_id"), leaves, word(message, "name")),)
        yield Message(role, parts), [path for _, path in placed]


def _said(message: Mapping[str, Any], at: Path) -> Iterator[Placed]:
    """Yield what a message holds beside its content."""
    for name in ("refusal", "reasoning_content", "reasoning"):
        if isinstance(text := message.get(name), str) and text:
            yield (Text(text) if name == "refusal" else Reasoning(text)), (*at, name)
    for place, call in enumerate(dicts(message.get("tool_calls"))):
        function, custom = mapping(call.get("function")), mapping(call.get("custom"))
        if "arguments" in function:
            called = ToolCall(word(call, "id"), word(function, "name"), arguments_of(function["arguments"]))
            yield called, (*at, "tool_calls", place, "function", "arguments")
        if "input" in custom:
            called = ToolCall(word(call, "id"), word(custom, "name"), custom["input"])
            yield called, (*at, "tool_calls", place, "custom", "input")
    if "arguments" in (function := mapping(message.get("function_call"))):
        called = ToolCall("", word(function, "name"), arguments_of(function["arguments"]))
        yield called, (*at, "function_call", "arguments")
    for name, value in message.items():
        if name not in _KNOWN and name not in _INERT and isinstance(value, str | dict | list) and value:
            if message.get("role") == "tool" and name == "name":
                continue
            yield opaque(name, value), (*at, name)


def _contents(content: Any, at: Path) -> Iterator[Placed]:
    if isinstance(content, str):
        yield Text(content), at
    elif isinstance(content, list):
        for place, part in enumerate(cast("list[Any]", content)):
            yield _part(part, (*at, place))
    elif content is not None:
        yield opaque("content", content), at


def _part(part: Any, at: Path) -> Placed:
    where = f"{at[0]}[{at[1]}].content[{at[-1]}]"
    match part:
        case {"type": "text", "text": str(text)}:
            return Text(text), (*at, "text")
        case {"type": "refusal", "refusal": str(text)}:
            return Text(text), (*at, "refusal")
        case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
            media_type, data = data_url(url)
            link, detail = "" if data else url, word(mapping(part["image_url"]), "detail")
            shown = media_as_sent("image", f"'{where}'", media_type=media_type, data=data, url=link, detail=detail)
            return shown, ()
        case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
            return media_as_sent("audio", f"'{where}'", media_type=f"audio/{audio.get('format')}", data=data), ()
        case {"type": "file", "file": {"file_id": str(file_id)}}:
            return media_as_sent("document", f"'{where}'", file_id=file_id), ()
        case {"type": "file", "file": {"file_data": str(url)} as file}:
            media_type, data = data_url(url)
            name = word(file, "filename")
            media = media_as_sent("document", f"'{where}'", media_type=media_type, data=data or url, name=name)
            return media, (*at, "file", "filename") if name else ()
        case _:
            return opaque(str(mapping(part).get("type") or "part"), part), at

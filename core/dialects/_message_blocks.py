"""The blocks of Anthropic's messages, as everybody else here knows messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.dialects._body import Path
from core.dialects._openai import arguments_of
from core.dialects._parts import Placed, opaque
from core.dialects._values import mapping, objects, word
from core.errors import Invalid
from core.messages import Message, Part, Reasoning, Text, ToolCall, ToolResult
from core.messages.media import media_as_sent


def block_messages(values: Mapping[str, Any]) -> Iterator[tuple[Message, list[Path]]]:
    """Yield the system's text and each message of a body, with the place of each of its leaves.

    Raises:
        Invalid: what stands there are no messages.

    """
    if values.get("system") is not None:
        yield _message("system", values["system"], ("system",))
    given = objects(values, "messages")
    if not given:
        raise Invalid("'messages' is a list of at least one message.", param="messages")
    for place, message in enumerate(given):
        role = message.get("role")
        if not isinstance(role, str) or not role:
            raise Invalid(f"'messages[{place}].role' is a text, such as 'user'.", param=f"messages[{place}].role")
        yield _message(role, message.get("content"), ("messages", place, "content"))


def _message(role: str, content: Any, at: Path) -> tuple[Message, list[Path]]:
    parts: list[Part] = []
    paths: list[Path] = []
    for part, places in _parts(content, at):
        parts.append(part)
        paths += places
    return Message(role, tuple(parts)), paths


def _parts(content: Any, at: Path) -> Iterator[tuple[Part, list[Path]]]:
    for place, block in enumerate(cast("list[Any]", content) if isinstance(content, list) else ()):
        if mapping(block).get("type") in ("tool_result", "mcp_tool_result"):
            placed = list(_leaves(block.get("content"), (*at, place, "content")))
            leaves = tuple(leaf for leaf, _ in placed)
            result = ToolResult(word(block, "tool_use_id"), leaves, is_error=block.get("is_error") is True)
            yield result, [path for _, path in placed]
        else:
            for leaf, path in _block(block, (*at, place)):
                yield leaf, [path]
    if not isinstance(content, list):
        for leaf, path in _leaves(content, at):
            yield leaf, [path]


def _leaves(content: Any, at: Path) -> Iterator[Placed]:
    if isinstance(content, str):
        yield Text(content), at
    elif isinstance(content, list):
        for place, block in enumerate(cast("list[Any]", content)):
            yield from _block(block, (*at, place))
    elif content is not None:
        yield opaque("content", content), at


def _block(block: Any, at: Path) -> Iterator[Placed]:
    match block:
        case {"type": "text", "text": str(text)}:
            yield Text(text), (*at, "text")
        case {"type": "thinking", "thinking": str(text)}:
            yield Reasoning(text, word(block, "signature")), (*at, "thinking")
        case {"type": "redacted_thinking", "data": str(data)}:
            yield Reasoning("", data), ()
        case {"type": "tool_use" | "server_tool_use" | "mcp_tool_use", "name": str(name), "input": given}:
            yield ToolCall(word(block, "id"), name, arguments_of(given)), (*at, "input")
        case {"type": "image" | "document", "source": source}:
            yield from _source(block, mapping(source), at)
        case _:
            yield opaque(str(mapping(block).get("type") or "block"), block), at


def _source(block: Mapping[str, Any], source: Mapping[str, Any], at: Path) -> Iterator[Placed]:
    """Yield what an image or a document is read from, and what is said about it."""
    kind, where = str(block["type"]), "'" + ".".join(map(str, at)) + ".source'"
    title = word(block, "title")
    named: Path = (*at, "title") if title else ()
    match source:
        case {"type": "base64", "data": str(data)}:
            media_type = word(source, "media_type")
            yield media_as_sent(kind, where, media_type=media_type, data=data, name=title), named
        case {"type": "url", "url": str(url)}:
            yield media_as_sent(kind, where, url=url, name=title), named
        case {"type": "file", "file_id": str(file_id)}:
            yield media_as_sent(kind, where, file_id=file_id, name=title), named
        case {"type": "text", "data": str(text)}:
            yield Text(text), (*at, "source", "data")
            if title:
                yield Text(title), named
        case {"type": "content", "content": content}:
            yield from _leaves(content, (*at, "source", "content"))
            if title:
                yield Text(title), named
        case _:
            yield opaque(kind, block), at
            return
    if context := word(block, "context"):
        yield Text(context), (*at, "context")

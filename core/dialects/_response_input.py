"""The input of the Responses API, as everybody else here knows messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.dialects._body import Path
from core.dialects._openai import arguments_of, data_url
from core.dialects._parts import Placed, opaque
from core.dialects._values import dicts, mapping, objects, word
from core.errors import Invalid
from core.messages import Message, Reasoning, Text, ToolCall, ToolResult
from core.messages.media import media_as_sent

Said = tuple[Message, list[Path]]
"""A message, and the place of each of its leaves."""


def input_messages(values: Mapping[str, Any]) -> Iterator[Said]:
    """Yield what a body says, an item a message, with the place of each of its leaves.

    Raises:
        Invalid: what stands there are no items.

    """
    if (instructions := values.get("instructions")) is not None:
        yield _message("system", list(_contents(instructions, ("instructions",))))
    if variables := mapping(values.get("prompt")).get("variables"):
        yield _message("user", [(opaque("prompt", variables), ("prompt", "variables"))])
    given = values.get("input")
    if isinstance(given, str):
        yield Message.of("user", given), [("input",)]
        return
    if given is None and any(values.get(name) for name in ("prompt", "previous_response_id", "conversation")):
        return
    items = objects(values, "input")
    if not items:
        raise Invalid("'input' is a text, or a list of at least one item.", param="input")
    for place, item in enumerate(items):
        yield _said(item, ("input", place))


def _said(item: Mapping[str, Any], at: Path) -> Said:
    kind = word(item, "type") or "message"
    match kind:
        case "message" if isinstance(item.get("role"), str):
            return _message(item["role"], list(_contents(item.get("content"), (*at, "content"))))
        case "function_call":
            called = ToolCall(word(item, "call_id"), word(item, "name"), arguments_of(item.get("arguments") or ""))
            return _message("assistant", [(called, (*at, "arguments") if "arguments" in item else ())])
        case "custom_tool_call":
            called = ToolCall(word(item, "call_id"), word(item, "name"), item.get("input") or "")
            return _message("assistant", [(called, (*at, "input") if "input" in item else ())])
        case "function_call_output" | "custom_tool_call_output":
            placed = list(_contents(item.get("output"), (*at, "output")))
            leaves = tuple(leaf for leaf, _ in placed)
            result = ToolResult(word(item, "call_id"), leaves, word(item, "name"))
            return Message("tool", (result,)), [path for _, path in placed]
        case "reasoning":
            return _message("assistant", list(_thoughts(item, at)))
        case _:
            role = "tool" if kind.endswith(("_output", "_response")) else "assistant"
            return _message(role, [(opaque(kind, item), at)])


def _message(role: str, placed: list[Placed]) -> Said:
    return Message(role, tuple(leaf for leaf, _ in placed)), [path for _, path in placed]


def _thoughts(item: Mapping[str, Any], at: Path) -> Iterator[Placed]:
    for name in ("summary", "content"):
        for place, one in enumerate(dicts(item.get(name))):
            if text := word(one, "text"):
                yield Reasoning(text), (*at, name, place, "text")
    if sealed := word(item, "encrypted_content"):
        yield Reasoning("", sealed), ()


def _contents(content: Any, at: Path) -> Iterator[Placed]:
    if isinstance(content, str):
        yield Text(content), at
    elif isinstance(content, list):
        for place, part in enumerate(cast("list[Any]", content)):
            yield _part(part, (*at, place))
    elif content is not None:
        yield opaque("content", content), at


def _part(part: Any, at: Path) -> Placed:
    where = "'" + ".".join(map(str, at)) + "'"
    match part:
        case {"type": "input_text" | "output_text" | "text" | "summary_text", "text": str(text)}:
            return Text(text), (*at, "text")
        case {"type": "refusal", "refusal": str(text)}:
            return Text(text), (*at, "refusal")
        case {"type": "input_image", "image_url": str(url)}:
            media_type, data = data_url(url)
            link, detail = "" if data else url, word(part, "detail")
            return media_as_sent("image", where, media_type=media_type, data=data, url=link, detail=detail), ()
        case {"type": "input_image" | "input_file" as kind, "file_id": str(file_id)}:
            shown = "image" if kind == "input_image" else "document"
            return media_as_sent(shown, where, file_id=file_id, detail=word(part, "detail")), ()
        case {"type": "input_file"}:
            media_type, data = data_url(word(part, "file_data"))
            name, url = word(part, "filename"), word(part, "file_url")
            data = data or word(part, "file_data")
            media = media_as_sent("document", where, media_type=media_type, data=data, url=url, name=name)
            return media, (*at, "filename") if name else ()
        case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
            return media_as_sent("audio", where, media_type=f"audio/{audio.get('format')}", data=data), ()
        case _:
            return opaque(word(mapping(part), "type") or "part", part), at

"""Whole answers, from either dialect into the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.translation._words import (
    Untranslatable,
    arguments_of,
    arguments_text,
    chat_usage,
    finish_reason,
    mapping,
    messages_usage,
    objects,
    stop_reason,
)


def chat_answer(message: Mapping[str, Any], *, created: int, format_tool: str | None = None) -> dict[str, Any]:
    """Return a message as a chat completion made at *created*, in seconds since 1970.

    A call of *format_tool* is the content that the response format asked for.

    Raises:
        Untranslatable: the message holds a block that a completion cannot.

    """
    said: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    formed: str | None = None
    for block in objects(message.get("content"), "The answer's content"):
        match block.get("type"):
            case "text":
                texts.append(str(block.get("text") or ""))
            case "tool_use":
                arguments = arguments_text(block.get("input"))
                if block.get("name") == format_tool:
                    formed = arguments
                else:
                    function = {"name": block.get("name"), "arguments": arguments}
                    calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "thinking" | "redacted_thinking":
                pass  # never turned into words that are shown
            case kind:
                raise Untranslatable(f"The answer holds a block of the type '{str(kind)[:40]}'.")
    reason = finish_reason(message.get("stop_reason"))
    said["content"] = formed if formed is not None else "".join(texts) or None
    if calls:
        said["tool_calls"] = calls
    if formed is not None and reason == "tool_calls":
        reason = "stop"
    if message.get("stop_reason") == "refusal":
        said["refusal"] = refusal_of(message.get("stop_details"))
    return {
        "id": message.get("id"),
        "object": "chat.completion",
        "created": created,
        "model": message.get("model"),
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": reason}],
        "usage": chat_usage(mapping(message.get("usage"))),
    }


def messages_answer(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat completion as a message.

    Raises:
        Untranslatable: it has no choice, does not say why it ended, or holds what a message cannot.

    """
    choices = objects(completion.get("choices"), "The answer's choices")
    if not choices:
        raise Untranslatable("The answer holds no choice.")
    said = mapping(choices[0].get("message"))
    blocks: list[dict[str, Any]] = []
    if isinstance(text := said.get("content"), str) and text:
        blocks.append({"type": "text", "text": text})
    for call in objects(said.get("tool_calls") or [], "The answer's calls"):
        function = mapping(call.get("function"))
        given = arguments_of(function.get("arguments"), "A call of the answer")
        blocks.append({"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given})
    refusal = said.get("refusal")
    reason = "refusal" if refusal else stop_reason(choices[0].get("finish_reason"), calls=bool(said.get("tool_calls")))
    message: dict[str, Any] = {
        "id": completion.get("id"),
        "type": "message",
        "role": "assistant",
        "model": completion.get("model"),
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": messages_usage(mapping(completion.get("usage"))),
    }
    if reason == "refusal":
        message["stop_details"] = stop_details(refusal)
    return message


def refusal_of(details: Any) -> str:
    """Return what a refusal says, in words for whoever asked."""
    return str(mapping(details).get("explanation") or "The model declined to answer.")


def stop_details(refusal: Any) -> dict[str, Any]:
    """Return a refusal as a message tells it."""
    return {"type": "refusal", "category": None, "explanation": refusal if isinstance(refusal, str) else None}

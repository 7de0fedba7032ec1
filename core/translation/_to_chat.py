"""A request for Anthropic's messages as one for a chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.translation._words import Translated, Untranslatable, arguments_text, mapping, named, objects, says

_TUNING = ("metadata", "service_tier", "speed", "top_k", "cache_control", "diagnostics", "user_profile_id")
"""What only tunes an answer: left out with a notice."""
_KNOWN = frozenset(
    {
        *("model", "messages", "system", "stream", "max_tokens", "temperature", "top_p", "stop_sequences", "tools"),
        *("tool_choice", "thinking", "output_config"),
    }
)
_MOST_STOPS = 4
_CACHE = "cache_control"


def chat_request(messages: Mapping[str, Any], *, limit: str = "max_completion_tokens") -> Translated:
    """Return a request for Anthropic's messages as a chat completion's; *limit* is how its server names the limit.

    ``model`` and ``stream`` are taken over as they are.

    Raises:
        Untranslatable: what is asked cannot be said there, or would mean another thing.

    """
    notices = {name for name in _TUNING if says(messages.get(name))}
    lost = {name for name, value in messages.items() if name not in _KNOWN and name not in _TUNING and says(value)}
    if len(messages.get("stop_sequences") or ()) > _MOST_STOPS:
        lost.add("stop_sequences")
    if lost:
        raise Untranslatable(f"A chat completion cannot be asked with {named(lost)}.")
    body: dict[str, Any] = {"model": messages.get("model"), limit: messages.get("max_tokens")}
    body |= {name: messages[name] for name in ("temperature", "top_p") if messages.get(name) is not None}
    if stops := messages.get("stop_sequences"):
        body["stop"] = stops
    if messages.get("stream"):
        body["stream"] = True
    if mapping(messages.get("thinking")).get("type") not in (None, "disabled"):
        notices.add("thinking")
    _tools(messages, body, notices)
    _output(mapping(messages.get("output_config")), body, notices)
    said = _said(messages.get("system"), notices)
    for place, message in enumerate(objects(messages.get("messages"), "'messages'")):
        said += _message(message, f"messages[{place}]", notices)
    if not said or said[-1]["role"] == "assistant":
        raise Untranslatable("The conversation ends with an assistant's message, which a completion does not continue.")
    body["messages"] = said
    return Translated(body, tuple(sorted(notices)))


def _tools(messages: Mapping[str, Any], body: dict[str, Any], notices: set[str]) -> None:
    tools: list[dict[str, Any]] = []
    for tool in objects(messages.get("tools") or [], "'tools'"):
        if tool.get("type") not in (None, "custom"):
            raise Untranslatable(f"A chat completion has no tool of the type '{str(tool.get('type'))[:40]}'.")
        _note_cache(tool, notices)
        function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
        function |= {name: tool[name] for name in ("description",) if says(tool.get(name))}
        tools.append({"type": "function", "function": function})
    if not tools:
        return
    body["tools"] = tools
    choice = mapping(messages.get("tool_choice"))
    match choice.get("type"):
        case None:
            pass
        case "auto" | "none":
            body["tool_choice"] = choice["type"]
        case "any":
            body["tool_choice"] = "required"
        case "tool":
            body["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
        case kind:
            raise Untranslatable(f"A chat completion knows no choice of the type '{str(kind)[:40]}'.")
    if choice.get("disable_parallel_tool_use"):
        body["parallel_tool_calls"] = False


def _output(config: Mapping[str, Any], body: dict[str, Any], notices: set[str]) -> None:
    if says(config.get("effort")):
        notices.add("output_config.effort")
    if not (asked := mapping(config.get("format"))):
        return
    if asked.get("type") != "json_schema":
        raise Untranslatable("A chat completion knows no such 'output_config.format'.")
    named_schema = {"name": "answer", "schema": asked.get("schema")}
    body["response_format"] = {"type": "json_schema", "json_schema": named_schema}


def _said(system: Any, notices: set[str]) -> list[dict[str, Any]]:
    if not system:
        return []
    return [{"role": "system", "content": _texts(system, "'system'", notices)}]


def _message(message: Mapping[str, Any], where: str, notices: set[str]) -> list[dict[str, Any]]:
    content, role = message.get("content"), message.get("role")
    if role == "system":
        return [{"role": "system", "content": _texts(content, where, notices)}]
    if role not in ("user", "assistant"):
        raise Untranslatable(f"{where} is of the role '{str(role)[:40]}'.")
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    blocks = objects(content, f"{where}.content")
    for block in blocks:
        _note_cache(block, notices)
    return _assistant(blocks, where, notices) if role == "assistant" else _user(blocks, where, notices)


def _user(blocks: list[Mapping[str, Any]], where: str, notices: set[str]) -> list[dict[str, Any]]:
    """Return the results of tools first, each a message of its own, and behind them what the user says."""
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if block.get("type") == "tool_result":
            if block.get("is_error"):
                notices.add("tool_result.is_error")
            content = _texts(block.get("content") or "", where, notices)
            results.append({"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content})
        else:
            parts.append(_part(block, where))
    return [*results, {"role": "user", "content": parts}] if parts else results


def _part(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    match block:
        case {"type": "text"}:
            return {"type": "text", "text": block.get("text")}
        case {"type": "image", "source": {"type": "base64", "media_type": str(kind), "data": str(data)}}:
            return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return {"type": "image_url", "image_url": {"url": url}}
        case {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": str(data)}}:
            if says(block.get("citations")) or says(block.get("context")):
                raise Untranslatable(f"{where} holds a document with citations or a context.")
            name = block.get("title") or "document.pdf"
            return {"type": "file", "file": {"filename": name, "file_data": f"data:application/pdf;base64,{data}"}}
        case _:
            raise Untranslatable(f"{where} holds a block of the type '{str(block.get('type'))[:40]}'.")


def _assistant(blocks: list[Mapping[str, Any]], where: str, notices: set[str]) -> list[dict[str, Any]]:
    """Return one message. What was thought is neither shown nor sent to another vendor, whose signature it is not."""
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        match block.get("type"):
            case "text":
                texts.append(str(block.get("text") or ""))
            case "tool_use":
                function = {"name": block.get("name"), "arguments": arguments_text(block.get("input"))}
                calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "thinking" | "redacted_thinking":
                notices.add("messages.thinking")
            case kind:
                raise Untranslatable(f"{where} holds a block of the type '{str(kind)[:40]}'.")
    if not texts and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    return [message | ({"tool_calls": calls} if calls else {})]


def _texts(content: Any, where: str, notices: set[str]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for block in objects(content, where):
        _note_cache(block, notices)
        if block.get("type") != "text":
            raise Untranslatable(f"{where} holds a block of the type '{str(block.get('type'))[:40]}'.")
        parts.append({"type": "text", "text": block.get("text")})
    return parts


def _note_cache(block: Mapping[str, Any], notices: set[str]) -> None:
    if says(block.get(_CACHE)):
        notices.add(_CACHE)

"""A chat completion's request as one for Anthropic's messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.translation._words import (
    FORMAT_TOOL,
    Translated,
    Untranslatable,
    arguments_of,
    mapping,
    named,
    objects,
    says,
)

_TUNING = (
    "seed", "presence_penalty", "frequency_penalty", "service_tier", "user", "metadata", "store", "verbosity",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "safety_identifier",
)  # fmt: skip
"""What only tunes an answer, or where and how it is kept: left out with a notice."""
_KNOWN = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"),
        *("top_p", "stop", "n", "modalities", "tools", "tool_choice", "parallel_tool_calls", "response_format"),
    }
)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,", re.IGNORECASE)
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def messages_request(chat: Mapping[str, Any], *, max_tokens: int) -> Translated:
    """Return a chat completion's request for Anthropic's messages; *max_tokens* hold where it sets no limit.

    ``model`` and ``stream`` are taken over as they are.

    Raises:
        Untranslatable: what is asked cannot be said there, or would mean another thing.

    """
    notices = {name for name in _TUNING if says(chat.get(name))}
    lost = {name for name, value in chat.items() if name not in _KNOWN and name not in _TUNING and says(value)}
    if (chat.get("n") or 1) != 1:
        lost.add("n")
    if set(chat.get("modalities") or ()) - {"text"}:
        lost.add("modalities")
    if (chat.get("temperature") or 0) > 1:
        lost.add("temperature")
    stops = [chat["stop"]] if isinstance(chat.get("stop"), str) else chat.get("stop") or []
    if any(not str(one).strip() for one in stops):
        lost.add("stop")
    if lost:
        raise Untranslatable(f"Anthropic's messages cannot be asked with {named(lost)}.")
    limit = chat.get("max_completion_tokens") or chat.get("max_tokens") or max_tokens
    body: dict[str, Any] = {"model": chat.get("model"), "max_tokens": limit}
    body |= {name: chat[name] for name in ("temperature", "top_p") if chat.get(name) is not None}
    if stops:
        body["stop_sequences"] = stops
    if chat.get("stream"):
        body["stream"] = True
    format_tool = _tools(chat, body, notices)
    _messages(objects(chat.get("messages"), "'messages'"), body, notices)
    return Translated(body, tuple(sorted(notices)), format_tool)


# ── Tools, and formats that become one ────────────────────────────────────────────────────────────────────────────────


def _tools(chat: Mapping[str, Any], body: dict[str, Any], notices: set[str]) -> str | None:
    tools = [_tool(one, notices) for one in objects(chat.get("tools") or [], "'tools'")]
    choice = _choice(chat.get("tool_choice"))
    asked = mapping(chat.get("response_format"))
    format_tool = None
    if asked.get("type") not in (None, "text"):
        if tools:
            raise Untranslatable("Anthropic's messages cannot be asked for a response format beside tools.")
        tool = _format_tool(asked)
        tools, format_tool = [tool], tool["name"]
        choice = {"type": "tool", "name": format_tool, "disable_parallel_tool_use": True}
    if not tools:
        return None
    if chat.get("parallel_tool_calls") is False and (choice or {}).get("type") != "none":
        choice = {"type": "auto"} | (choice or {}) | {"disable_parallel_tool_use": True}
    body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice
    return format_tool


def _tool(tool: Mapping[str, Any], notices: set[str]) -> dict[str, Any]:
    function = mapping(tool.get("function"))
    if tool.get("type") != "function" or not isinstance(function.get("name"), str):
        raise Untranslatable(f"Anthropic's messages have no tools of the type '{str(tool.get('type'))[:40]}'.")
    if function.get("strict"):
        notices.add("tools.strict")
    made = {"name": function["name"], "input_schema": _input_schema(function.get("parameters"), "A tool's parameters")}
    if function.get("description"):
        made["description"] = function["description"]
    return made


def _format_tool(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tool whose call is the object that a response format asks for."""
    given = mapping(asked.get("json_schema"))
    if asked.get("type") != "json_schema" or "schema" not in given:
        raise Untranslatable("Anthropic's messages have no response format without a schema.")
    name = str(given.get("name"))
    made: dict[str, Any] = {
        "name": name if _TOOL_NAME.fullmatch(name) else FORMAT_TOOL,
        "description": str(given.get("description") or "Answer with this object, and with nothing else."),
        "input_schema": _input_schema(given["schema"], "The response format"),
    }
    return made


def _input_schema(schema: Any, what: str) -> dict[str, Any]:
    if schema is None or schema == {}:
        return {"type": "object", "properties": {}}
    found = mapping(schema)
    if found.get("type") != "object":
        raise Untranslatable(f"{what} is no object at its root, and Anthropic's tools take nothing else.")
    return dict(found)


def _choice(choice: Any) -> dict[str, Any] | None:
    match choice:
        case None:
            return None
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "tool", "name": name}
        case _:
            raise Untranslatable("Anthropic's messages cannot be asked with this 'tool_choice'.")


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _messages(given: list[Mapping[str, Any]], body: dict[str, Any], notices: set[str]) -> None:
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for place, message in enumerate(given):
        where, role = f"messages[{place}]", message.get("role")
        if message.get("name"):
            notices.add("messages.name")
        match role:
            case "system" | "developer" if not turns:
                system += _texts(message.get("content"), where)
            case "user":
                _add(turns, "user", _user(message.get("content"), where, notices))
            case "assistant":
                _add(turns, "assistant", _assistant(message, where, notices))
            case "tool":
                _add(turns, "user", [_result(message, where)])
            case "system" | "developer":
                raise Untranslatable(f"{where} is of the role {role}, and stands behind the beginning.")
            case _:
                raise Untranslatable(f"{where} is of the role '{str(role)[:40]}'.")
    if not turns or turns[-1]["role"] == "assistant":
        raise Untranslatable("The conversation ends with an assistant's message, which Anthropic would continue.")
    if system:
        body["system"] = system
    body["messages"] = turns


def _add(turns: list[dict[str, Any]], role: str, blocks: list[dict[str, Any]]) -> None:
    """Add blocks to the turn of *role* that is under way, or as the next one; an empty turn is none."""
    if blocks and turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _texts(content: Any, where: str) -> list[dict[str, Any]]:
    """Return texts as blocks, without those that are blank, which Anthropic does not take."""
    if isinstance(content, str) or content is None:
        return [_text(content)] if (content or "").strip() else []
    blocks: list[dict[str, Any]] = []
    for part in objects(content, f"{where}.content"):
        if part.get("type") not in ("text", "refusal"):
            raise Untranslatable(f"{where} holds a part of the type '{str(part.get('type'))[:40]}'.")
        blocks += _texts(str(part.get("text") or part.get("refusal") or ""), where)
    return blocks


def _text(text: str | None) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _user(content: Any, where: str, notices: set[str]) -> list[dict[str, Any]]:
    if isinstance(content, str) or content is None:
        blocks = _texts(content, where)
    else:
        blocks = [block for part in objects(content, f"{where}.content") for block in _part(part, where, notices)]
    if not blocks:
        raise Untranslatable(f"{where} is empty, and Anthropic takes no empty message.")
    return blocks


def _part(part: Mapping[str, Any], where: str, notices: set[str]) -> list[dict[str, Any]]:
    match part:
        case {"type": "text"}:
            return _texts(part.get("text"), where)
        case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
            if rest.get("detail") not in (None, "auto"):
                notices.add("image_url.detail")
            return [{"type": "image", "source": _source(url)}]
        case {"type": "file", "file": {"file_data": str(url), **rest}}:
            source = _source(url)
            if source.get("media_type") != "application/pdf":
                raise Untranslatable(f"{where} holds a file that is no PDF.")
            title = {"title": rest["filename"]} if rest.get("filename") else {}
            return [{"type": "document", "source": source, **title}]
        case _:
            raise Untranslatable(f"{where} holds a part of the type '{str(part.get('type'))[:40]}'.")


def _source(url: str) -> dict[str, Any]:
    if found := _DATA_URL.match(url):
        return {"type": "base64", "media_type": found[1].lower(), "data": url[found.end() :]}
    return {"type": "url", "url": url}


def _assistant(message: Mapping[str, Any], where: str, notices: set[str]) -> list[dict[str, Any]]:
    if says(message.get("audio")) or says(message.get("function_call")):
        raise Untranslatable(f"{where} holds audio or a function call of the old form.")
    if says(message.get("reasoning_content")) or says(message.get("reasoning")):
        notices.add("messages.reasoning")
    blocks = _texts(message.get("content"), where) or _texts(message.get("refusal"), where)
    for call in objects(message.get("tool_calls") or [], f"{where}.tool_calls"):
        function = mapping(call.get("function"))
        if call.get("type", "function") != "function":
            raise Untranslatable(f"{where} holds a call of the type '{str(call.get('type'))[:40]}'.")
        given = arguments_of(function.get("arguments"), where)
        blocks.append({"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given})
    return blocks


def _result(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.get("tool_call_id")}
    if content := _texts(message.get("content"), where):
        result["content"] = content[0]["text"] if isinstance(message.get("content"), str) else content
    return result

"""What both ways share: how a translation ends, why an answer stopped, what it used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

FORMAT_TOOL = "answer"
"""The tool by which a response format is asked for, where the format has no name that a tool can have."""
_CHAT_OF = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_MESSAGES_OF = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class Untranslatable(Exception):
    """The other dialect cannot say it. The message is a sentence for whoever asked; it holds nothing of the content."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in the other dialect."""

    body: dict[str, Any]
    notices: tuple[str, ...] = ()
    """The fields that were left out, since they only tune the answer, each once."""
    format_tool: str | None = None
    """The name of the tool that stands for the response format: its call is the answer's content."""


def finish_reason(stop_reason: Any) -> str:
    """Return the reason of a chat completion; one that nobody knows is never told as an answer that ended well."""
    return _CHAT_OF.get(stop_reason, "content_filter")


def stop_reason(reason: Any, *, calls: bool) -> str:
    """Return the reason of a message, of which *calls* says whether it calls a tool.

    A completion that calls the tool that it was told to has stopped; a message that waits for a result says so.

    Raises:
        Untranslatable: the completion has none, or one that nobody knows.

    """
    if reason not in _MESSAGES_OF:
        raise Untranslatable("The answer does not say why it ended.")
    return "tool_use" if calls and reason == "stop" else _MESSAGES_OF[reason]


def chat_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message's usage as a completion's: its input counts what was read from and written to the cache."""
    read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    given, answered = count(usage, "input_tokens") + read + written, count(usage, "output_tokens")
    told: dict[str, Any] = {
        "prompt_tokens": given,
        "completion_tokens": answered,
        "total_tokens": given + answered,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }
    if (thought := count(mapping(usage.get("output_tokens_details")), "thinking_tokens")) > 0:
        told["completion_tokens_details"] = {"reasoning_tokens": thought}
    return told


def messages_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a completion's usage as a message's, whose input is what the cache has no part in.

    A vendor that tells more cached tokens than prompt has left them out of it already.
    """
    details = mapping(usage.get("prompt_tokens_details"))
    given, read = count(usage, "prompt_tokens"), count(details, "cached_tokens")
    written = count(details, "cache_write_tokens")
    fresh = given - read - written
    return {
        "input_tokens": fresh if fresh >= 0 else given,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": count(usage, "completion_tokens"),
    }


def count(usage: Mapping[str, Any], name: str) -> int:
    """Return a count of *usage*; 0 where it is not told."""
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def mapping(value: Any) -> Mapping[str, Any]:
    """Return *value* if it is an object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list.

    Raises:
        Untranslatable: it is no list, or something in it is no object.

    """
    found = cast("list[Any]", value) if isinstance(value, list) else None
    if found is None or not all(isinstance(one, Mapping) for one in found):
        raise Untranslatable(f"{where} is a list of objects.")
    return cast("list[Mapping[str, Any]]", found)


def says(value: Any) -> bool:
    """Whether a field says anything: null, false, 0 and what is empty is what a vendor takes where it is missing."""
    return value not in (None, False, 0, "", [], {})


def arguments_of(text: Any, where: str) -> dict[str, Any]:
    """Return the arguments of a call, which are a text in one dialect, as the object that they are in the other.

    Raises:
        Untranslatable: they are no JSON object.

    """
    if text in (None, ""):
        return {}
    try:
        value = json.loads(text, parse_float=_exact, parse_int=_exact, parse_constant=_no_number)
        orjson.dumps(value)  # no text in UTF-8 holds half of a character
    except (ValueError, TypeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Untranslatable(f"{where} holds arguments that are no JSON object.")
    return cast("dict[str, Any]", value)


def arguments_text(value: Any) -> str:
    """Return the arguments of a call as the text that they are in the other dialect; a text is that already."""
    try:
        return value if isinstance(value, str) else orjson.dumps(value or {}).decode()
    except TypeError:  # a whole number of more than 64 bits, or half of a character
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def named(names: Iterable[str]) -> str:
    """Return names in a sentence."""
    return ", ".join(f"'{name[:40]}'" for name in sorted(names))


def _exact(digits: str) -> orjson.Fragment:
    """Return a number as it stands: what it is, is for whoever is called to say."""
    return orjson.Fragment(digits)


def _no_number(name: str) -> Any:
    raise ValueError(name)

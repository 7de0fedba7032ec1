"""The answer of Anthropic's messages API: how it grows from a stream's events, and where its object stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson

from core.providers.reading.growth import Contents, GrowingMembers, Grown, called_first, contents
from core.providers.reading.parts import count, merge, part, parts, text, word

WRITTEN = "partial_json"
"""Where a block of a stream keeps the text of its input, which need not be JSON yet, or ever."""
_KINDS: Mapping[str, str] = {"input_json_delta": "tool_use", "text_delta": "text", "thinking_delta": "thinking"}
"""The kind of a block whose beginning was lost, by what it goes on with."""


class MessageBlocks:
    """A message that grows."""

    def __init__(self, *, in_calls: bool) -> None:
        """Begin with nothing; *in_calls* says whether the object is asked for as the input of a tool."""
        self._in_calls = in_calls
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._texts = GrowingMembers()
        self._is_stopped = False
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}
        self.is_usage_final = False

    @property
    def is_ended(self) -> bool:
        """Whether it was told that the message ends, or why."""
        return self._is_stopped or self.finish_reason is not None

    def take(self, event: Mapping[str, Any]) -> Grown:
        """Take in an event."""
        match event.get("type"):
            case "message_start":
                self._message.update(part(event, "message"))
                self.model = word(self._message, "model") or self.model
                merge(self.usage, part(self._message, "usage"))
            case "content_block_start":
                self._blocks[count(event, "index")] = dict(part(event, "content_block"))
            case "content_block_delta":
                return self._grow(count(event, "index"), part(event, "delta"))
            case "message_delta":
                self.finish_reason = word(part(event, "delta"), "stop_reason") or self.finish_reason
                told = part(event, "usage")
                self.is_usage_final |= count(told, "output_tokens") > 0
                merge(self.usage, told)
            case "message_stop":
                self._is_stopped = True
            case _:
                pass
        return Grown()

    def _grow(self, index: int, delta: Mapping[str, Any]) -> Grown:
        """Add *delta* to the block that it belongs to."""
        block = self._blocks.setdefault(index, {"type": _KINDS.get(text(delta, "type"))})
        for name in ("thinking", "signature"):
            if delta.get(name):
                self._texts.add(block, name, text(delta, name))
        if piece := text(delta, "partial_json"):
            self._texts.add(block, WRITTEN, piece)
            called = [at for at, one in self._blocks.items() if one.get("type") == "tool_use"]
            return Grown(piece, piece if self._in_calls and called and index == min(called) else "")
        if piece := text(delta, "text"):
            self._texts.add(block, "text", piece)
        return Grown(piece, "" if self._in_calls else piece)

    def body(self) -> dict[str, Any]:
        """Return the message so far."""
        self._texts.write_in()
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        return {**self._message, "content": blocks, "stop_reason": self.finish_reason, "usage": self.usage}


def with_inputs(message: dict[str, Any]) -> dict[str, Any]:
    """Return a *message* of a stream as it would have come whole: what was written of a call is its input.

    A text stands there that is no JSON, as where the answer was cut.
    """
    blocks = [_with_input(block) if WRITTEN in block else block for block in parts(message, "content")]
    return {**message, "content": blocks}


def _with_input(block: Mapping[str, Any]) -> dict[str, Any]:
    written = text(block, WRITTEN)
    try:
        given = json.loads(written)  # keeps whole numbers of any length as they are
    except (ValueError, RecursionError):
        given = written
    return {name: value for name, value in block.items() if name != WRITTEN} | {"input": given}


def read_message(message: Mapping[str, Any], tool: str) -> Contents | None:
    """Return what a *message* says to the call of *tool*; ``None`` if it has no content.

    Of several calls those of *tool* come first, in their order, then the others, then what was said beside them.
    """
    if not isinstance(message.get("content"), list):
        return None
    content = parts(message, "content")
    finish_reason = word(message, "stop_reason")
    blocks = [text(block, "text") for block in content if block.get("type") == "text"]
    calls = [block for block in content if block.get("type") == "tool_use"]
    order = called_first([(text(one, "name"), "") for one in calls], tool)
    kept = [one for one in content if one.get("type") != "tool_use" or one is calls[order[0]]]  # each needs a result
    said = [view for block in kept if (view := _block_again(block))]
    written = [_written(calls[place]) for place in order]
    return contents(written, blocks, said=said, finish_reason=finish_reason, is_refused=finish_reason == "refusal")


def _written(called: Mapping[str, Any]) -> str:
    """Return the input of a call as text."""
    if written := text(called, WRITTEN):
        return written
    given = called.get("input")
    if isinstance(given, str):
        return given if given.strip() else "{}"
    return "{}" if given is None else orjson.dumps(given).decode()


def _block_again(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a block of an answer as it may be sent back in a re-ask; ``None`` for what may not."""
    match block.get("type"):
        case "tool_use":
            given = _parsed(text(block, WRITTEN)) if WRITTEN in block else part(block, "input")
            named = {"id": word(block, "id") or "call", "name": word(block, "name") or "answer"}
            return {"type": "tool_use", **named, "input": given}
        case "text" if text(block, "text"):
            return {"type": "text", "text": text(block, "text")}
        case "thinking" if text(block, "signature"):
            return {"type": "thinking", "thinking": text(block, "thinking"), "signature": text(block, "signature")}
        case _:
            return None


def _parsed(written: str) -> dict[str, Any]:
    """Return the input that a stream wrote; the API takes only objects back, so what is none becomes an empty one."""
    try:
        found = orjson.loads(written)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

"""The answer of the Responses API: how it grows from a stream's events, and where its object stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.providers.reading.chat_message import CUT, arguments_of
from core.providers.reading.growth import Contents, GrowingMembers, Grown, called_first, contents
from core.providers.reading.parts import count, merge, part, parts, text, word

_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done")


class ResponseOutput:
    """A response that grows. What its last event says of it holds; where that says nothing, what came before."""

    is_usage_final = True

    def __init__(self, *, in_calls: bool) -> None:
        """Begin with nothing; *in_calls* says whether the object is asked for as the arguments of a call."""
        self._in_calls = in_calls
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}
        self.is_ended = False
        self._final: dict[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}
        self._texts = GrowingMembers()

    def take(self, event: Mapping[str, Any]) -> Grown:
        """Take in an event."""
        kind, response = text(event, "type"), part(event, "response")
        self.model = word(response, "model") or self.model
        merge(self.usage, usage_told(response))
        if kind in _ENDS:
            self._final, self.is_ended = dict(response), True
            self.finish_reason = finish_reason_in(response)
            return Grown()
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._items[count(event, "output_index")] = _kept(part(event, "item"))
            return Grown()
        return self._grow(kind, event)

    def _grow(self, kind: str, event: Mapping[str, Any]) -> Grown:
        piece, index = text(event, "delta"), count(event, "output_index")
        match kind:
            case "response.function_call_arguments.delta":
                item = self._entry(index, "function_call")
                self._texts.add(item, "arguments", piece)
                is_first = all(one.get("type") != "function_call" for at, one in self._items.items() if at < index)
                return Grown(piece, piece if self._in_calls and is_first else "")
            case "response.function_call_arguments.done":
                self._texts.write_in()
                item = self._entry(index, "function_call")
                item["arguments"] = arguments_of(event.get("arguments")) or text(item, "arguments")
                item["name"] = text(item, "name") or text(event, "name")
            case "response.output_text.delta" | "response.refusal.delta":
                key = "refusal" if "refusal" in kind else "text"
                content = self._content(index, event, "refusal" if key == "refusal" else "output_text")
                self._texts.add(content, key, piece)
                return Grown(piece, "" if self._in_calls or key == "refusal" else piece)
            case "response.output_text.done" | "response.refusal.done":
                self._texts.write_in()
                key = "refusal" if "refusal" in kind else "text"
                content = self._content(index, event, "refusal" if key == "refusal" else "output_text")
                content[key] = text(event, key) or text(content, key)
            case _:
                pass
        return Grown()

    def _entry(self, index: int, kind: str) -> dict[str, Any]:
        return self._items.setdefault(index, {"type": kind})

    def _content(self, index: int, event: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Return the part of a message that *event* goes on with, which may not have been told to begin."""
        item = self._entry(index, "message")
        content = item.setdefault("content", [])
        place = min(count(event, "content_index"), len(content))
        if place == len(content):
            content.append({"type": kind})
        return content[place]

    def body(self) -> dict[str, Any]:
        """Return the response so far."""
        self._texts.write_in()
        told = [self._items[index] for index in sorted(self._items)]
        if self._final:
            return {**self._final, "output": self._final.get("output") or told, "usage": self.usage}
        return {"model": self.model, "output": told, "usage": self.usage} if told else {}


def usage_told(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of a response, with the service tier that it stands beside."""
    tier = word(response, "service_tier")
    return {**part(response, "usage"), **({"service_tier": tier} if tier else {})}


def _kept(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return *item* as one that may grow."""
    kept = dict(item)
    if "content" in kept or kept.get("type") == "message":
        kept["content"] = [dict(one) for one in parts(item, "content")]
    return kept


def finish_reason_in(response: Mapping[str, Any]) -> str | None:
    """Return why a response ended: what it is incomplete for, or its status."""
    return word(part(response, "incomplete_details"), "reason") or word(response, "status")


def read_response(response: Mapping[str, Any], tool: str) -> Contents | None:
    """Return what a *response* says to the call of *tool*; ``None`` if it has no output.

    Of several calls those of *tool* come first, in their order, then the others, then what was said beside them. A
    message that is told twice counts once; of several, comments apart, the last is the answer.
    """
    if not isinstance(response.get("output"), list):
        return None
    output = parts(response, "output")
    finish_reason = finish_reason_in(response)
    messages = [one for one in output if one.get("type") == "message"]
    final = [one for one in messages if one.get("phase") != "commentary"] or messages
    content = [parts(one, "content") for one in final]
    is_refused = any(piece.get("type") == "refusal" for one in content for piece in one)
    blocks = ["".join(text(piece, "text") for piece in one) for one in content]
    calls = [one for one in output if one.get("type") == "function_call"]
    if not calls:
        return contents((), blocks, said=None, finish_reason=finish_reason, is_refused=is_refused)
    order = called_first([(text(one, "name"), "") for one in calls], tool)
    spare = "" if finish_reason in CUT else "{}"
    written = [arguments_of(calls[place].get("arguments")).strip() or spare for place in order]
    first = calls[order[0]]
    named = {"call_id": text(first, "call_id"), "name": text(first, "name"), "arguments": written[0]}
    said = {"type": "function_call", **named}
    return contents(written, blocks, said=said, finish_reason=finish_reason, is_refused=is_refused)

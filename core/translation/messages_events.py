"""The chunks of a chat completion as the events of a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.translation._words import mapping, messages_usage, objects, stop_reason
from core.translation.answers import stop_details


class MessagesEvents:
    """One stream of a completion while it is read.

    A message has one block at a time, and a completion may write several calls in turns; so a call that is not the one
    under way waits until the message ends.
    """

    def __init__(self) -> None:
        self._has_begun = False
        self._blocks = 0
        """How many blocks have been begun."""
        self._open: int | str | None = None
        """What the block under way is: ``"text"``, or the index of a call."""
        self._waiting: dict[int, dict[str, Any]] = {}
        """Calls that came while another was under way: id, name, and the pieces of their arguments."""
        self._places: dict[Any, int] = {}
        """The index of a call by its id, for servers that send none."""
        self._has_called = False
        self._late: list[str] = []
        """What was said once a call had begun."""
        self._reason: str | None = None
        self._refusal: list[str] = []
        self._usage: Mapping[str, Any] = {}

    def of(self, chunk: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the events that *chunk* is."""
        if not self._has_begun and not (chunk.get("choices") or chunk.get("usage")):
            return  # what stands before an answer, as a filter's word on the prompt, names no model yet
        if not self._has_begun:
            self._has_begun = True
            yield {"type": "message_start", "message": self._head(chunk)}
        self._usage = mapping(chunk.get("usage")) or self._usage
        for choice in objects(chunk.get("choices") or [], "A chunk's choices")[:1]:
            delta = mapping(choice.get("delta"))
            if isinstance(refusal := delta.get("refusal"), str):
                self._refusal.append(refusal)
            text = delta.get("content")
            if isinstance(text, str) and text and isinstance(self._open, int):
                self._late.append(text)
            elif isinstance(text, str) and text:
                yield from self._begin("text", {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": text})
            for call in objects(delta.get("tool_calls") or [], "A chunk's calls"):
                yield from self._call(call)
            self._reason = choice.get("finish_reason") or self._reason

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield how the message ends; to be called when the completion has come to its end.

        Raises:
            Untranslatable: the completion never said why it ended.

        """
        reason = "refusal" if self._refusal else stop_reason(self._reason, calls=self._has_called)
        for place in sorted(self._waiting):
            waiting = self._waiting[place]
            yield from self._begin(place, _tool_use(waiting))
            yield self._delta({"type": "input_json_delta", "partial_json": "".join(waiting["pieces"])})
        if self._late:
            yield from self._begin("text", {"type": "text", "text": ""})
            yield self._delta({"type": "text_delta", "text": "".join(self._late)})
        yield from self._close()
        delta: dict[str, Any] = {"stop_reason": reason, "stop_sequence": None}
        if reason == "refusal":
            delta["stop_details"] = stop_details("".join(self._refusal) or None)
        yield {"type": "message_delta", "delta": delta, "usage": messages_usage(self._usage)}
        yield {"type": "message_stop"}

    def _call(self, call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._has_called = True
        function = mapping(call.get("function"))
        place, text = self._place(call), function.get("arguments") or ""
        if place in self._waiting or (isinstance(self._open, int) and self._open != place):
            waiting = self._waiting.setdefault(place, {"id": None, "name": None, "pieces": []})
            waiting["id"] = call.get("id") or waiting["id"]
            waiting["name"] = function.get("name") or waiting["name"]
            waiting["pieces"].append(text)
            return
        yield from self._begin(place, _tool_use({"id": call.get("id"), "name": function.get("name")}))
        if text:
            yield self._delta({"type": "input_json_delta", "partial_json": text})

    def _place(self, call: Mapping[str, Any]) -> int:
        """Return which call a piece belongs to; without an index a new id begins a new call."""
        place, name = call.get("index"), call.get("id")
        if not isinstance(place, int):
            latest = max(self._places.values(), default=-1)
            place = self._places.get(name, latest + 1) if name else max(latest, 0)
        if name:
            self._places.setdefault(name, place)
        return place

    def _begin(self, what: int | str, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Make *what* the block under way."""
        if self._open == what:
            return
        yield from self._close()
        self._open = what
        yield {"type": "content_block_start", "index": self._blocks, "content_block": block}
        self._blocks += 1

    def _close(self) -> Iterator[dict[str, Any]]:
        if self._open is not None:
            yield {"type": "content_block_stop", "index": self._blocks - 1}
            self._open = None

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._blocks - 1, "delta": delta}

    @staticmethod
    def _head(chunk: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": chunk.get("id"),
            "type": "message",
            "role": "assistant",
            "model": chunk.get("model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": messages_usage({}),
        }


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call["id"], "name": call["name"], "input": {}}

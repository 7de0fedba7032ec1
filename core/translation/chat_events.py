"""The events of a message as the chunks of a chat completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.translation._words import Untranslatable, chat_usage, finish_reason, mapping
from core.translation.answers import refusal_of


class ChatEvents:
    """One stream of a message while it is read."""

    def __init__(self, *, created: int, tells_usage: bool, format_tool: str | None = None) -> None:
        """Begin with nothing; *tells_usage* if a last chunk is to tell what was used, as the caller asked."""
        self._created = created
        self._tells_usage = tells_usage
        self._format_tool = format_tool
        self._head: dict[str, Any] = {}
        self._calls: dict[Any, int | None] = {}
        """By the index of a block that calls a tool: the call's own; ``None`` if it is the response format's."""
        self._usage: dict[str, Any] = {}
        self._has_formed = False
        self._texts: list[str] = []
        """What was written in words where an object was asked for: it is the content if no object comes."""
        self.has_ended = False
        """Whether the message has come to its end."""

    def of(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the chunks that *event* is.

        Raises:
            Untranslatable: it is one that a completion cannot say.

        """
        match event.get("type"):
            case "message_start":
                message = mapping(event.get("message"))
                self._head = {"id": message.get("id"), "model": message.get("model")}
                self._take(message.get("usage"))
                yield self._chunk({"role": "assistant", "content": "", "refusal": None})
            case "content_block_start":
                yield from self._begun(event.get("index"), mapping(event.get("content_block")))
            case "content_block_delta":
                yield from self._grown(event.get("index"), mapping(event.get("delta")))
            case "message_delta":
                self._take(event.get("usage"))
                yield from self._ended(mapping(event.get("delta")))
            case "message_stop":
                self.has_ended = True
                if self._tells_usage:
                    yield self._chunk(None) | {"usage": chat_usage(self._usage)}
            case _:
                pass  # pings, ends of blocks, and events to come: an unknown one is to be passed over, says the vendor

    def _begun(self, index: Any, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        match block.get("type"):
            case "text":
                yield from self._said(block.get("text"))
            case "tool_use" if block.get("name") == self._format_tool:
                self._calls[index], self._has_formed = None, True
            case "tool_use":
                place = sum(1 for one in self._calls.values() if one is not None)
                self._calls[index] = place
                function = {"name": block.get("name"), "arguments": ""}
                call = {"index": place, "id": block.get("id"), "type": "function", "function": function}
                yield self._chunk({"tool_calls": [call]})
            case "thinking" | "redacted_thinking":
                pass
            case kind:
                raise Untranslatable(f"The answer holds a block of the type '{str(kind)[:40]}'.")

    def _grown(self, index: Any, delta: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        match delta.get("type"):
            case "text_delta":
                yield from self._said(delta.get("text"))
            case "input_json_delta":
                place, text = self._calls.get(index), delta.get("partial_json") or ""
                if place is not None:
                    yield self._chunk({"tool_calls": [{"index": place, "function": {"arguments": text}}]})
                elif text:
                    yield self._chunk({"content": text})
            case _:
                pass  # thoughts, signatures and citations are not told in this dialect

    def _said(self, text: Any) -> Iterator[dict[str, Any]]:
        if text and self._format_tool:
            self._texts.append(text)
        elif text:
            yield self._chunk({"content": text})

    def _ended(self, delta: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if (why := delta.get("stop_reason")) is None:
            return
        reason = finish_reason(why)
        if self._texts and not self._has_formed:
            yield self._chunk({"content": "".join(self._texts)})
        if self._has_formed and reason == "tool_calls":
            reason = "stop"
        if why == "refusal":
            yield self._chunk({"refusal": refusal_of(delta.get("stop_details"))})
        yield self._chunk({}, reason)

    def _chunk(self, delta: dict[str, Any] | None, reason: str | None = None) -> dict[str, Any]:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
        told = {"object": "chat.completion.chunk", "created": self._created, **self._head, "choices": choices}
        return told | ({"usage": None} if self._tells_usage else {})

    def _take(self, usage: Any) -> None:
        """Take in what is used so far, which each event tells from the beginning."""
        self._usage |= {name: value for name, value in mapping(usage).items() if value is not None}

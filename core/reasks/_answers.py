"""By what an answer is known again where a client sends it back, or speaks of it: never the words themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from core.dialects import Dialect
from core.messages import Message, Text, ToolCall, ToolResult, texts_of
from core.reasks._conversation import Conversation, Split, bare

_IDS = ("id", "call_id", "tool_use_id")
_MOST_IDS = 64


@dataclass(frozen=True, slots=True)
class AnswerMarks:
    """What is kept of an answer that was found invalid."""

    calls: Sequence[tuple[str, str]] = ()
    """Id, and digest of name and arguments, of each call of a tool."""
    texts: Sequence[tuple[int, str]] = ()
    """Length and digest of the text of each choice."""
    ids: Sequence[str] = ()
    """Of the answer and its parts, as a client may quote them."""

    @classmethod
    def of(cls, dialect: Dialect, body: Mapping[str, Any]) -> Self:
        """Return the marks of a whole answer; raises Invalid where it cannot be read."""
        turns = dialect.turns(body)
        calls = [mark for turn in turns for mark in _calls(turn)]
        texts = [_text_mark(text) for turn in turns if (text := _text(turn))]
        return cls(calls[:_MOST_IDS], texts[:_MOST_IDS], list(dict.fromkeys(_ids(body)))[:_MOST_IDS])

    def stored(self) -> Mapping[str, Any]:
        """Return them as JSON."""
        return {"calls": self.calls, "texts": self.texts, "ids": self.ids}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return what :meth:`stored` told."""
        pairs = {name: [tuple(one) for one in stored[name]] for name in ("calls", "texts")}
        return cls(cast("Any", pairs["calls"]), cast("Any", pairs["texts"]), stored["ids"])

    def likeness(self, conversation: Conversation, split: Split) -> int | None:
        """Return how surely *conversation* asks again for this answer, 2 at most; ``None`` where it does not.

        Calls that are sent back, or answered, are this answer's own by their ids, or by what they say where they have
        none; without calls the text is. Where nothing is sent back, what quotes this answer goes before what does not.
        """
        echo = conversation.messages[split.at : split.feedback]
        feedback = conversation.messages[split.feedback :]
        answered = {part.call_id for message in feedback for part in message.parts if isinstance(part, ToolResult)}
        known = {call_id for call_id, _ in self.calls if call_id}
        if not answered - {""} <= known:
            return None
        if called := list(_calls(echo)):
            is_same = all(
                call_id in known if call_id and known else any(mark == said for _, said in self.calls)
                for call_id, mark in called
            )
            return 2 if is_same else None
        if text := _text(echo):
            return 2 if _text_mark(text) in self.texts else None
        return 1 if self._is_quoted(feedback) else 0

    def _is_quoted(self, feedback: Sequence[Message]) -> bool:
        for text in texts_of(feedback):
            if any(one in text for one in self.ids):
                return True
            if any(_text_mark(text.strip()[-length:]) == (length, mark) for length, mark in self.texts):
                return True
        return False


def _calls(turn: Sequence[Message]) -> Iterator[tuple[str, str]]:
    for message in turn:
        for part in message.parts:
            if isinstance(part, ToolCall):
                source = json.dumps([part.name, bare(part.arguments)], sort_keys=True)
                yield part.id, hashlib.sha256(source.encode()).hexdigest()[:32]


def _text(turn: Sequence[Message]) -> str:
    return "".join(part.text for message in turn for part in message.parts if isinstance(part, Text)).strip()


def _text_mark(text: str) -> tuple[int, str]:
    return len(text), hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in cast("Mapping[str, Any]", value).items():
            if name in _IDS and isinstance(inner, str) and inner:
                yield inner
            elif name not in ("input", "arguments"):
                yield from _ids(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _ids(inner)

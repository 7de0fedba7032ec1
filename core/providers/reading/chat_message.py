"""The answer of a chat completion: how it grows from a stream's chunks, and where its object stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import orjson

from core.object_texts import is_object
from core.providers.reading.growth import Contents, GrowingText, Grown, called_first, contents
from core.providers.reading.parts import NOTHING, count, merge, part, parts, text, word

CUT = ("length", "max_tokens", "max_output_tokens")
"""Reasons to stop that mean a limit of tokens."""
_CONTENT: Any = {"content"}
_CALLS: Any = {"tool_calls"}


class _CallPiece(NamedTuple):
    """What one message or delta says of a call."""

    id: str
    name: str
    arguments: str
    place: int | None


@dataclass(slots=True)
class _ToolCall:
    """A call of a tool that grows."""

    id: str = ""
    name: str = ""
    arguments: GrowingText = field(default_factory=GrowingText)
    index: int | None = None


@dataclass(slots=True)
class _Choice:
    """One choice, as far as it has come."""

    content: GrowingText = field(default_factory=GrowingText)
    thoughts: GrowingText = field(default_factory=GrowingText)
    refusal: GrowingText = field(default_factory=GrowingText)
    finish_reason: str | None = None
    error: Any = None
    calls: list[_ToolCall] = field(default_factory=list[_ToolCall])

    def grow(self, delta: Mapping[str, Any]) -> tuple[str, str]:
        """Take in *delta*; return what it adds to the content, and to the arguments of the first call."""
        content, arguments = _content(delta), ""
        self.content.add(content)
        if delta.keys() == _CONTENT and isinstance(delta["content"], str):  # nearly every event of a text
            return content, arguments
        if delta.keys() != _CALLS:  # as it is in nearly every event of a call
            self.thoughts.add(text(delta, "reasoning_content") or text(delta, "reasoning"))
            self.refusal.add(_refusal(delta))
        for piece in _calls(delta):
            call = self._called(piece)
            call.id = call.id or piece.id
            call.name += "" if piece.name == call.name else piece.name
            call.arguments.add(piece.arguments)
            if call is self.calls[0]:
                arguments += piece.arguments
        return content, arguments

    def _called(self, piece: _CallPiece) -> _ToolCall:
        """Return the call that *piece* goes on with, or a new one.

        It is known by its index, unless another call begins under the same one; without an index, by its id; and what
        has neither goes on with the last.
        """
        begins = bool(piece.id and piece.name)
        for call in reversed(self.calls):
            is_other = begins and call.id not in ("", piece.id)
            if piece.place is None:
                if not is_other and piece.id in ("", call.id):
                    return call
                if not piece.id:
                    return call
            elif call.index == piece.place and not is_other:
                return call
        self.calls.append(_ToolCall(index=piece.place))
        return self.calls[-1]


class ChatMessage:
    """A chat completion that grows. Of several choices the first by its index is the answer."""

    is_usage_final = True

    def __init__(self, *, in_calls: bool) -> None:
        """Begin with nothing; *in_calls* says whether the object is asked for as the arguments of a call."""
        self._in_calls = in_calls
        self.model: str | None = None
        self.usage: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}

    @property
    def _first(self) -> _Choice:
        return self._choices[min(self._choices)] if self._choices else _Choice()

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, as far as that was told."""
        return self._first.finish_reason

    @property
    def is_ended(self) -> bool:
        """Whether it was told why the model stopped."""
        return self.finish_reason is not None

    def take(self, event: Mapping[str, Any]) -> Grown:
        """Take in a chunk."""
        if event.get("model") != self.model:
            self.model = word(event, "model") or self.model
        tells_usage = event.get("usage") or event.get("service_tier") != self.usage.get("service_tier")
        tells_usage = tells_usage or "x_groq" in event
        written, shown = "", ""
        for place, told in enumerate(parts(event, "choices")):
            index, delta = _index(told, place), part(told, "delta")
            tells_usage = tells_usage or "usage" in told
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            choice.error = told.get("error") or choice.error
            choice.finish_reason = word(told, "finish_reason") or choice.finish_reason
            if not delta and part(told, "message"):  # the whole message, in one event or once again
                grown = _Choice(finish_reason=choice.finish_reason, error=choice.error)
                content, arguments = grown.grow(part(told, "message"))
                if choice.content or choice.calls:
                    content = arguments = ""  # it has been shown
                self._choices[index] = grown
            else:
                content, arguments = choice.grow(delta)
            if len(self._choices) == 1 or index == min(self._choices):
                written += content + arguments
                shown += arguments if self._in_calls else content
        if tells_usage:
            merge(self.usage, usage_in(event))
        return Grown(written, shown)

    def body(self) -> dict[str, Any]:
        """Return the completion so far."""
        choices = [{"index": index, **_said(choice)} for index, choice in self._choices.items()]
        return {"model": self.model, "choices": choices, "usage": self.usage}


def _said(choice: _Choice) -> dict[str, Any]:
    calls = [{"id": one.id, "function": {"name": one.name, "arguments": str(one.arguments)}} for one in choice.calls]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": str(choice.content),
        "reasoning_content": str(choice.thoughts),
        "refusal": str(choice.refusal),
        "tool_calls": calls,
    }
    return {"message": message, "finish_reason": choice.finish_reason, "error": choice.error}


def choice_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the choice of a completion that is the answer, or an empty one."""
    choices = parts(body, "choices")
    places = sorted(range(len(choices)), key=lambda place: _index(choices[place], place))
    return choices[places[0]] if places else NOTHING


def usage_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of a completion or a chunk, wherever its server tells it, and the service tier beside it."""
    found: dict[str, Any] = {}
    if "x_groq" in body:
        merge(found, part(part(body, "x_groq"), "usage"))
    for one in parts(body, "choices"):
        if "usage" in one:
            merge(found, part(one, "usage"))
    merge(found, part(body, "usage"))
    if tier := word(body, "service_tier"):
        found["service_tier"] = tier
    return found


def read_choice(choice: Mapping[str, Any], tool: str) -> Contents | None:
    """Return what a *choice* says to the call of *tool*; ``None`` if it has no message.

    Of several calls those of *tool* come first, in their order, then the others, then what was said beside them.
    """
    message = part(choice, "message")
    if not message:
        return None
    finish_reason = word(choice, "finish_reason")
    is_cut = finish_reason in CUT
    calls, content = _calls(message), _content(message)
    is_refused = bool(_refusal(message)) or finish_reason == "refusal"
    if calls:
        order = called_first([(one.name, one.arguments) for one in calls], tool)
        written = [calls[place].arguments.strip() or ("" if is_cut else "{}") for place in order]
        first = calls[order[0]]
        function = {"name": first.name, "arguments": written[0]}
        said = [{"id": word({"id": first.id}, "id") or "call", "type": "function", "function": function}]
        beside = (content,) if content.strip() else ()
        view = {"role": "assistant", "content": None, "tool_calls": said}
        return Contents(tuple(dict.fromkeys((*written, *beside))), (), view, finish_reason, is_refused)
    view = {"role": "assistant", "content": content}
    thoughts = text(message, "reasoning_content") or text(message, "reasoning")
    # Some servers take all of an answer for its thoughts; of one that was cut, they may be just that.
    if not content.strip() and not is_cut and is_object(thoughts):
        return Contents((thoughts, content), (), view, finish_reason, is_refused)
    return contents((), [content], said=view, finish_reason=finish_reason, is_refused=is_refused)


def _index(choice: Mapping[str, Any], place: int) -> int:
    index = choice.get("index")
    return (count(choice, "index") if index else 0) if isinstance(index, int) else place


def _content(message: Mapping[str, Any]) -> str:
    """Return the text of a message's content, which may be a text or parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        listed = cast("list[Any]", content)
        return "".join(one if isinstance(one, str) else _text_of(one) for one in listed)
    return _text_of(cast("Any", content))


def _text_of(piece: Any) -> str:
    if not isinstance(piece, dict):
        return ""
    typed = cast("dict[str, Any]", piece)
    return text(typed, "text") if typed.get("type") in (None, "text", "output_text") else ""


def _refusal(message: Mapping[str, Any]) -> str:
    said = text(message, "refusal")
    if isinstance(message.get("content"), list):
        said += "".join(text(one, "refusal") for one in parts(message, "content") if one.get("type") == "refusal")
    return said


def _calls(message: Mapping[str, Any]) -> list[_CallPiece]:
    """Return the calls of a message or its delta, also one in the older form."""
    told = [_call(one, part(one, "function")) for one in parts(message, "tool_calls")]
    older = part(message, "function_call")
    return told if told or not older else [_call({"index": -1}, older)]


def _call(told: Mapping[str, Any], function: Mapping[str, Any]) -> _CallPiece:
    index = told.get("index")
    return _CallPiece(
        id=word(told, "id") or "",
        name=text(function, "name"),
        arguments=arguments_of(function.get("arguments")),
        place=index if isinstance(index, int) and not isinstance(index, bool) else None,
    )


def arguments_of(given: Any) -> str:
    """Return the arguments of a call as text, also where a server sends the object itself."""
    if isinstance(given, str):
        return given
    return orjson.dumps(given).decode() if isinstance(given, dict | list) else ""

"""Chat completions, as OpenAI has them and many others speak them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import orjson

from core.dialects._body import Path, read_body
from core.dialects._chat_messages import chat_messages
from core.dialects._frames import Frame, Frames
from core.dialects._openai import OpenAIErrors, openai_error
from core.dialects._parts import files_in
from core.dialects._places import OPENAI
from core.dialects._request import (
    MOST_CHOICES,
    AnswerFormat,
    AnswerObject,
    ChoiceEnd,
    DialectName,
    RelayRequest,
    checked_members,
)
from core.dialects._stored import KeptState, StoredByChat, named_by_tools
from core.dialects._values import dicts, flag, mapping, number, objects, word
from core.errors import Invalid
from core.messages import Message

_CUT = ("length", "max_tokens")
_REFUSED = ("content_filter", "refusal")
_USUAL_NO_USAGE = b',"usage":null'
_NO_USAGE = re.compile(rb',\s*"usage"\s*:\s*null')


class ChatFrames(Frames):
    """A stream of chunks. It has ended with ``[DONE]``, or once every choice has said why it stopped."""

    ends = frozenset({"error"})

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self._finished: dict[int, bool] = {}
        self._is_done = False

    def kind_of(self, name: str, event: dict[str, Any]) -> str:
        """Return ``error`` or ``chunk``."""
        return "error" if event.get("error") or name == "error" else "chunk"

    def told(self, kind: str, event: dict[str, Any]) -> None:
        """Take in which choices have stopped."""
        if kind == "error":
            error = event.get("error")
            self.error = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error or event}
            return
        for place, choice in enumerate(dicts(event.get("choices"))):
            index = choice.get("index")
            at = index if isinstance(index, int) else place
            if choice.get("finish_reason"):
                self._finished[at] = True
            else:
                self._finished.setdefault(at, False)
        self.has_ended = self._is_done or (bool(self._finished) and False not in self._finished.values())

    def told_done(self) -> None:
        """Take in that no more is to come."""
        self.has_ended = self._is_done = True

    def closing(self) -> bytes:
        """Return the last word, where the vendor left it out."""
        return b"" if self._is_done else b"data: [DONE]\n\n"

    def failing(self, status: int, code: str, sentence: str) -> bytes:
        """Return an error as the SDKs look for one in a stream: a member ``error`` of its data."""
        return b"data: " + orjson.dumps({"error": openai_error(status, code, sentence)}) + b"\n\n"


class Chat(OpenAIErrors):
    """``POST /v1/chat/completions``."""

    name = DialectName.CHAT
    path = "/chat/completions"
    limit = "max_completion_tokens"
    weighed: Sequence[str] = ("tools", "functions", "response_format", "prediction")
    turns_member = "messages"
    places = OPENAI
    keep_alive = b": keep-alive\n"  # one line's end: with an empty line OpenAI's SDK takes it for an event

    def read(self, body: bytes) -> RelayRequest:
        """Read a caller's body; raises Invalid."""
        source = read_body(body)
        values = source.values
        checked_members(values)
        placed = list(chat_messages(values))
        messages = [message for message, _ in placed]
        limits = [number(values, "max_tokens"), number(values, "max_completion_tokens")]
        choices = number(values, "n") or 1
        if choices > MOST_CHOICES:
            raise Invalid(f"'n' is at most {MOST_CHOICES}.", param="n")
        streams = flag(values, "stream")
        options = values.get("stream_options")
        if options is not None and not isinstance(options, dict):
            raise Invalid("'stream_options' is an object.", param="stream_options")
        return RelayRequest(
            dialect=self,
            source=source,
            body=body,
            model=values["model"],
            streams=streams,
            messages=messages,
            places=[path for _, paths in placed for path in paths],
            max_tokens=max((one for one in limits if one is not None), default=None),
            choices=choices,
            formats=tuple(_formats(values)),
            must_call=_must_call(values),
            wants_usage=bool(cast("dict[str, Any]", options or {}).get("include_usage")),
            state=(*files_in(messages, "messages"), *_state(values)),
            keeps=values.get("store") is True,
        )

    def asking_usage(self, request: RelayRequest) -> list[tuple[Path, str]]:
        """Ask for the usage at the stream's end, and leave the other options as they are."""
        if request.wants_usage:
            return []
        if request.source.values.get("stream_options") is None:
            return [(("stream_options",), '{"include_usage":true}')]
        return [(("stream_options", "include_usage"), "true")]

    def frames(self) -> ChatFrames:
        """Return a reader of one stream."""
        return ChatFrames()

    def outward(self, frame: Frame, request: RelayRequest) -> bytes:
        """Return *frame* without the usage, where the caller did not ask for it."""
        raw = frame.outward
        if request.wants_usage or frame.kind != "chunk" or frame.event is None or "usage" not in frame.event:
            return raw
        if frame.event["usage"] is not None:
            return raw if frame.event.get("choices") else b""
        return _without_usage(raw)

    def answer_objects(self, body: Mapping[str, Any]) -> Sequence[AnswerObject]:
        """Return the arguments of each call, or else the text, of each choice that was not refused."""
        found: list[AnswerObject] = []
        for place, choice in enumerate(dicts(body.get("choices"))):
            message = mapping(choice.get("message"))
            calls = [call["function"] for call in dicts(message.get("tool_calls")) if mapping(call.get("function"))]
            calls += [call] if (call := mapping(message.get("function_call"))) else []
            found += [AnswerObject(word(call, "name"), _arguments(call), place) for call in calls]
            text = _content(message)
            if not calls and text and not message.get("refusal"):
                found.append(AnswerObject(None, text, place))
        return found

    def ends(self, body: Mapping[str, Any]) -> Sequence[ChoiceEnd]:
        """Return how each choice ended."""
        found: list[ChoiceEnd] = []
        for place, choice in enumerate(dicts(body.get("choices"))):
            reason, refusal = choice.get("finish_reason"), mapping(choice.get("message")).get("refusal")
            found.append(ChoiceEnd(place, reason in _CUT, bool(refusal) or reason in _REFUSED))
        return found

    def stored_by(self, request: RelayRequest) -> StoredByChat | None:
        """Return what collects what is stored: what is spoken, where that was asked for."""
        return StoredByChat(is_kept=request.keeps) if "audio" in request.source.values else None

    def turns(self, body: Mapping[str, Any]) -> Sequence[Sequence[Message]]:
        """Return the message of each choice; raises Invalid."""
        said = [{**mapping(choice.get("message")), "role": "assistant"} for choice in dicts(body.get("choices"))]
        return [[message for message, _ in chat_messages({"messages": [one]})] for one in said]

    def asking_again(self, body: Mapping[str, Any], said: str) -> Sequence[Mapping[str, Any]]:
        """Return the assistant's message, without what is not taken back, and a result of each call, or a message."""
        message = mapping(mapping(next(iter(dicts(body.get("choices"))), None)).get("message"))
        calls = [_call_again(call, place) for place, call in enumerate(dicts(message.get("tool_calls")))]
        echo: dict[str, Any] = {"role": "assistant", "content": _content(message) or None}
        results: list[dict[str, Any]] = []
        if calls:
            echo["tool_calls"] = calls
            results = [{"role": "tool", "tool_call_id": call["id"], "content": said} for call in calls]
        elif older := mapping(message.get("function_call")):
            echo["function_call"] = older
            results = [{"role": "function", "name": word(older, "name"), "content": said}]
        elif echo["content"] is None:
            return [{"role": "user", "content": said}]
        return [echo, *(results or [{"role": "user", "content": said}])]


def _call_again(call: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Return a call as it is sent back: with an id, and without its place in a stream."""
    kept = {name: value for name, value in call.items() if name != "index"}
    return {"type": "function", **kept, "id": word(call, "id") or f"call_{place + 1}"}


def _state(values: Mapping[str, Any]) -> Iterator[KeptState]:
    """Yield everything by which a body names what the vendor keeps, beside files."""
    for place, message in enumerate(dicts(values.get("messages"))):
        if isinstance(audio := message.get("audio"), dict) and (name := word(mapping(audio), "id")):
            yield KeptState(f"messages[{place}].audio", "audio", name)
    yield from named_by_tools(values.get("tools"))


def _formats(values: Mapping[str, Any]) -> Iterator[AnswerFormat]:
    match values.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema} as told}:
            yield AnswerFormat(word(told, "name"), schema, "format", _strict(told))
        case _:
            pass
    tools = [mapping(tool.get("function")) for tool in objects(values, "tools") if tool.get("type") == "function"]
    for function in (*tools, *objects(values, "functions")):
        schema = function.get("parameters")
        if name := word(function, "name"):
            yield AnswerFormat(name, {"type": "object"} if schema is None else schema, "tool", _strict(function))


def _must_call(values: Mapping[str, Any]) -> str | None:
    match values.get("tool_choice"), values.get("function_call"):
        case (("required" | {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}), _):
            return ""
        case {"function": {"name": str(name)}}, _:
            return name
        case None, {"name": str(name)}:
            return name
        case _:
            return None


def _strict(told: Mapping[str, Any]) -> bool | None:
    strict = told.get("strict")
    return strict if isinstance(strict, bool) else None


def _without_usage(raw: bytes) -> bytes:
    """Return a chunk without its ``usage``, which is null.

    Quotes that no backslash stands before are JSON's own, so a name that is there once is the member's.
    """
    if raw.count(b'"usage"') == 1:
        if raw.count(_USUAL_NO_USAGE) == 1:  # as OpenAI writes it
            return raw.replace(_USUAL_NO_USAGE, b"")
        if found := _NO_USAGE.search(raw):
            return raw[: found.start()] + raw[found.end() :]
    begins, ends = raw.index(b"{"), raw.rindex(b"}") + 1
    try:
        body = read_body(raw[begins:ends])
    except Invalid:
        return raw
    return raw[:begins] + body.patched((), ("usage",)) + raw[ends:]


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(word(part, "text") for part in dicts(content))


def _arguments(call: Mapping[str, Any]) -> str:
    arguments = call.get("arguments")
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()

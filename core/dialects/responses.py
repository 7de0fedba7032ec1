"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from core.dialects._body import Path, read_body
from core.dialects._frames import Frame, Frames
from core.dialects._openai import OpenAIErrors, openai_error
from core.dialects._parts import files_in
from core.dialects._places import OPENAI
from core.dialects._request import (
    AnswerFormat,
    AnswerObject,
    ChoiceEnd,
    DialectName,
    RelayRequest,
    checked_members,
)
from core.dialects._response_input import input_messages
from core.dialects._stored import KeptState, StoredByResponse, named_by_input, named_by_tools
from core.dialects._values import dicts, flag, mapping, number, objects, word
from core.errors import Invalid
from core.messages import Message


class ResponseFrames(Frames):
    """A stream of a response. It has ended with the event that says what became of the response."""

    ends = frozenset({
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "error",
    })  # fmt: skip

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self._sequence = -1

    def kind_of(self, name: str, event: dict[str, Any]) -> str:
        """Return the event's type; ``error`` for an error that does not say what it is."""
        return super().kind_of(name, event) or ("error" if event.get("error") else "")

    def told(self, kind: str, event: dict[str, Any]) -> None:
        """Take in how far the count has come, and an error."""
        sequence = event.get("sequence_number")
        if isinstance(sequence, int) and not isinstance(sequence, bool):
            self._sequence = max(self._sequence, sequence)
        if kind == "error":
            self.error = mapping(event.get("error")) or event
        elif kind == "response.failed":
            self.error = mapping(mapping(event.get("response")).get("error")) or {"message": "The response failed."}

    def failing(self, status: int, code: str, sentence: str) -> bytes:
        """Return an error in both forms: one is yielded to who reads events, the other is what the SDK raises."""
        error = openai_error(status, code, sentence)
        flat = {"type": "error", "sequence_number": self._sequence + 1, "code": error["code"], "message": sentence}
        return b"event: error\ndata: " + orjson.dumps({**flat, "param": None, "error": error}) + b"\n\n"


class Responses(OpenAIErrors):
    """``POST /v1/responses``."""

    name = DialectName.RESPONSES
    path = "/responses"
    limit = "max_output_tokens"
    weighed: Sequence[str] = ("tools", "text")
    turns_member = "input"
    places = OPENAI
    keep_alive = b": keep-alive\n"

    def read(self, body: bytes) -> RelayRequest:
        """Read a caller's body; raises Invalid."""
        source = read_body(body)
        values = source.values
        checked_members(values)
        if flag(values, "background"):
            raise Invalid(
                "'background' is not taken here: what it costs would be told to nobody. Leave it out.",
                param="background",
            )
        placed = list(input_messages(values))
        messages = [message for message, _ in placed]
        flag(values, "store")
        return RelayRequest(
            dialect=self,
            source=source,
            body=body,
            model=values["model"],
            streams=flag(values, "stream"),
            messages=messages,
            places=[path for _, paths in placed for path in paths],
            max_tokens=number(values, "max_output_tokens"),
            formats=tuple(_formats(values)),
            must_call=_must_call(values),
            state=(*_state(values), *files_in(messages, "input")),
            keeps=values.get("store") is not False,
        )

    def asking_usage(self, request: RelayRequest) -> list[tuple[Path, str]]:  # noqa: ARG002 it is told in any case
        """Change nothing: a response's last event tells its usage."""
        return []

    def frames(self) -> ResponseFrames:
        """Return a reader of one stream."""
        return ResponseFrames()

    def outward(self, frame: Frame, request: RelayRequest) -> bytes:  # noqa: ARG002 nothing was asked for in his name
        """Return all of *frame*."""
        return frame.outward

    def answer_objects(self, body: Mapping[str, Any]) -> Sequence[AnswerObject]:
        """Return the arguments of each call, or else the text of the answer, unless it was refused."""
        output = dicts(body.get("output"))
        calls = [one for one in output if one.get("type") == "function_call"]
        if calls:
            return [AnswerObject(word(one, "name"), _arguments(one)) for one in calls]
        messages = [one for one in output if one.get("type") == "message"]
        said = [one for one in messages if one.get("phase") != "commentary"] or messages
        parts = [part for one in said for part in dicts(one.get("content"))]
        text = "".join(word(part, "text") for part in parts)
        return [AnswerObject(None, text)] if text and all(part.get("type") != "refusal" for part in parts) else []

    def ends(self, body: Mapping[str, Any]) -> Sequence[ChoiceEnd]:
        """Return how the response ended."""
        reason = mapping(body.get("incomplete_details")).get("reason")
        parts = [part for one in dicts(body.get("output")) for part in dicts(one.get("content"))]
        is_refused = reason == "content_filter" or any(part.get("type") == "refusal" for part in parts)
        return [ChoiceEnd(0, reason in ("max_output_tokens", "max_tokens"), is_refused)]

    def stored_by(self, request: RelayRequest) -> StoredByResponse | None:
        """Return what collects what is stored: nothing is where the caller forbids it and names no tool that stores."""
        values = request.source.values
        is_asked = any(tool.get("type") != "function" for tool in dicts(values.get("tools"))) or values.get("include")
        return StoredByResponse(is_kept=request.keeps) if request.keeps or is_asked else None

    def turns(self, body: Mapping[str, Any]) -> Sequence[Sequence[Message]]:
        """Return the items of the answer; raises Invalid."""
        output = dicts(body.get("output"))
        return [[message for message, _ in input_messages({"input": output})]] if output else []

    def asking_again(self, body: Mapping[str, Any], said: str) -> Sequence[Mapping[str, Any]]:
        """Return a message that quotes the answer: items of it name thoughts that only the vendor may have kept."""
        quoted = "\n".join(one.text for one in self.answer_objects(body))
        return [{"role": "user", "content": f"{said}\n\n{quoted}".rstrip()}]


def _arguments(call: Mapping[str, Any]) -> str:
    arguments = call.get("arguments")
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()


def _formats(values: Mapping[str, Any]) -> Iterator[AnswerFormat]:
    match mapping(values.get("text")).get("format"):
        case {"type": "json_schema", "schema": schema} as told:
            yield AnswerFormat(word(told, "name"), schema, "format", _strict(told))
        case _:
            pass
    for tool in objects(values, "tools"):
        if tool.get("type") == "function" and (name := word(tool, "name")):
            schema = tool.get("parameters")
            yield AnswerFormat(name, {"type": "object"} if schema is None else schema, "tool", _strict(tool))


def _strict(told: Mapping[str, Any]) -> bool | None:
    strict = told.get("strict")
    return strict if isinstance(strict, bool) else None


def _must_call(values: Mapping[str, Any]) -> str | None:
    match values.get("tool_choice"):
        case "required" | {"type": "allowed_tools", "mode": "required"}:
            return ""
        case {"type": "function", "name": str(name)}:
            return name
        case _:
            return None


def _state(values: Mapping[str, Any]) -> Iterator[KeptState]:
    """Yield everything by which a body names what the vendor keeps."""
    if before := word(values, "previous_response_id"):
        yield KeptState("previous_response_id", "response", before)
    match values.get("conversation"):
        case str(name) | {"id": str(name)}:
            yield KeptState("conversation", "conversation", name)
        case _:
            pass
    if prompt := word(mapping(values.get("prompt")), "id"):
        yield KeptState("prompt", "prompt", prompt)
    yield from named_by_input(values.get("input"))
    yield from named_by_tools(values.get("tools"))

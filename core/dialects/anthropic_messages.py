"""Anthropic's messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.dialects._body import Path, read_body
from core.dialects._frames import Frame, Frames
from core.dialects._message_blocks import block_messages
from core.dialects._parts import files_in
from core.dialects._places import ANTHROPIC
from core.dialects._refusals import outward_status, waiting
from core.dialects._request import (
    AnswerFormat,
    AnswerObject,
    ChoiceEnd,
    DialectName,
    ErrorResponse,
    LimitHeaders,
    RelayRequest,
    checked_members,
)
from core.dialects._stored import KeptState, StoredByMessage, named_by_tools, named_container
from core.dialects._values import dicts, flag, mapping, number, objects, word
from core.dialects._vendor_errors import parsed, said_in
from core.messages import Message

_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessageFrames(Frames):
    """A stream of a message. It has ended with ``message_stop``; the reason to stop, told before, is not its end."""

    ends = frozenset({"message_stop", "error"})

    def told(self, kind: str, event: dict[str, Any]) -> None:
        """Take in an error."""
        if kind == "error":
            self.error = mapping(event.get("error")) or event

    def failing(self, status: int, code: str, sentence: str) -> bytes:
        """Return an error as the SDK looks for one in a stream: an event of this name."""
        return b"event: error\ndata: " + orjson.dumps(_error(status, code, sentence)) + b"\n\n"


class Messages:
    """``POST /v1/messages``."""

    name = DialectName.MESSAGES
    path = "/messages"
    limit = "max_tokens"
    weighed: Sequence[str] = ("tools", "output_config", "output_format")
    request_id_header = "request-id"
    turns_member = "messages"
    places = ANTHROPIC
    keep_alive = b": keep-alive\n"

    def read(self, body: bytes) -> RelayRequest:
        """Read a caller's body; raises Invalid."""
        source = read_body(body)
        values = source.values
        checked_members(values)
        placed = list(block_messages(values))
        messages = [message for message, _ in placed]
        return RelayRequest(
            dialect=self,
            source=source,
            body=body,
            model=values["model"],
            streams=flag(values, "stream"),
            messages=messages,
            places=[path for _, paths in placed for path in paths],
            max_tokens=number(values, "max_tokens"),
            formats=tuple(_formats(values)),
            must_call=_must_call(values),
            state=(*_state(values), *files_in(messages, "messages")),
            keeps=values.get("thread") is not None,
        )

    def asking_usage(self, request: RelayRequest) -> list[tuple[Path, str]]:  # noqa: ARG002 it is told in any case
        """Change nothing: a message's stream tells its usage."""
        return []

    def frames(self) -> MessageFrames:
        """Return a reader of one stream."""
        return MessageFrames()

    def outward(self, frame: Frame, request: RelayRequest) -> bytes:  # noqa: ARG002 nothing was asked for in his name
        """Return all of *frame*."""
        return frame.outward

    def refusal(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        param: str | None = None,
        request_id: str,
        retry: bool = False,
        wait_seconds: float | None = None,
    ) -> ErrorResponse:
        """Return one of our errors."""
        status = outward_status(status, code)
        headers = {"content-type": "application/json", self.request_id_header: request_id}
        headers |= waiting(status, retry=retry, wait_seconds=wait_seconds)
        if code == "not_found" and param == "thread":
            code = "thread_not_found"  # of which the SDK has a class; for others this dialect has no place
        body = {**_error(status, code, sentence), "request_id": request_id}
        return ErrorResponse(status, headers, orjson.dumps(body))

    def limit_headers(self, kind: str) -> LimitHeaders:
        """Return in which headers programs look for a limit."""
        return LimitHeaders(*(f"anthropic-ratelimit-{kind}-{what}" for what in ("limit", "remaining", "reset")))

    def limit_reset(self, seconds: float, now: datetime) -> str:
        """Return it as Anthropic does: the time, in whole seconds."""
        return (now + timedelta(seconds=math.ceil(seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def vendor_error(self, status: int, body: bytes) -> bytes:
        """Return a vendor's error as this dialect has it."""
        told = parsed(body)
        error: Any = mapping(told).get("error")
        if word(mapping(told), "type") == "error" and word(mapping(error), "type"):
            return body
        sentence, _ = said_in(status, told)
        return orjson.dumps({"type": "error", "error": {"type": _kind(status), "message": sentence}})

    def answer_objects(self, body: Mapping[str, Any]) -> Sequence[AnswerObject]:
        """Return the input of each tool that is used, or else the text, unless it was refused."""
        blocks = dicts(body.get("content"))
        used = [one for one in blocks if one.get("type") == "tool_use"]
        if used:
            return [AnswerObject(word(one, "name"), _input(one)) for one in used]
        text = "".join(word(one, "text") for one in blocks if one.get("type") == "text")
        return [AnswerObject(None, text)] if text and body.get("stop_reason") != "refusal" else []

    def ends(self, body: Mapping[str, Any]) -> Sequence[ChoiceEnd]:
        """Return how the message ended."""
        reason = body.get("stop_reason")
        return [ChoiceEnd(0, reason in ("max_tokens", "model_context_window_exceeded"), reason == "refusal")]

    def stored_by(self, request: RelayRequest) -> StoredByMessage | None:
        """Return what collects what is stored: a thread, or what code leaves behind that is run there."""
        values = request.source.values
        runs_code = any("code_execution" in word(tool, "type") for tool in dicts(values.get("tools")))
        is_asked = request.keeps or runs_code or values.get("container") is not None
        return StoredByMessage(is_kept=request.keeps) if is_asked else None

    def turns(self, body: Mapping[str, Any]) -> Sequence[Sequence[Message]]:
        """Return the message; raises Invalid."""
        said = [{"role": "assistant", "content": body.get("content")}]
        return [[message for message, _ in block_messages({"messages": said})]]

    def asking_again(self, body: Mapping[str, Any], said: str) -> Sequence[Mapping[str, Any]]:
        """Return the message's blocks, thoughts and their signatures included, and a result for each tool that is used.

        An input that is no object is not taken back, nor is an empty text: such an answer is quoted.
        """
        blocks = [
            _block_again(one) for one in dicts(body.get("content")) if one.get("type") != "text" or one.get("text")
        ]
        used = [one for one in blocks if one.get("type") == "tool_use"]
        if not blocks or any(not isinstance(one.get("input"), dict) for one in used):
            quoted = "\n".join(one.text for one in self.answer_objects(body))
            return [{"role": "user", "content": f"{said}\n\n{quoted}".rstrip()}]
        results = [
            {"type": "tool_result", "tool_use_id": word(one, "id"), "content": said, "is_error": True} for one in used
        ]
        return [{"role": "assistant", "content": blocks}, {"role": "user", "content": results or said}]


def _block_again(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None}


def _error(status: int, code: str, sentence: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _kind(status), "message": sentence, "details": {"error_code": code}}}


def _kind(status: int) -> str:
    return _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")


def _input(block: Mapping[str, Any]) -> str:
    """Return the input of a tool as text; of a stream that was put together it stands beside the empty one."""
    given = block.get("partial_json") or block.get("input")
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _formats(values: Mapping[str, Any]) -> Iterator[AnswerFormat]:
    for asked in (mapping(values.get("output_config")).get("format"), values.get("output_format")):
        match asked:
            case {"type": "json_schema", "schema": schema}:
                yield AnswerFormat(word(asked, "name"), schema, "format", None)
            case _:
                pass
    for tool in objects(values, "tools"):
        if "input_schema" in tool and (name := word(tool, "name")):
            strict = tool.get("strict")
            yield AnswerFormat(name, tool["input_schema"], "tool", strict if isinstance(strict, bool) else None)


def _must_call(values: Mapping[str, Any]) -> str | None:
    match values.get("tool_choice"):
        case {"type": "any"}:
            return ""
        case {"type": "tool", "name": str(name)}:
            return name
        case _:
            return None


def _state(values: Mapping[str, Any]) -> Iterator[KeptState]:
    yield from named_container(values.get("container"), "container")
    yield from named_by_tools(values.get("tools"))
    if before := word(mapping(values.get("thread")), "previous_message_id"):
        yield KeptState("thread", "thread", before)

"""What the vendor says to a program: answers of the three dialects, whole and streamed, down to their bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from tests.wire.scripted import Scripted, events

Answer = Callable[[Mapping[str, Any]], Scripted]
"""An answer by what is asked."""
Call = tuple[str, str]
"""A tool's name, and its arguments as JSON."""

_CHAT_USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 9,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_RESPONSE_USAGE = {
    "input_tokens": 21,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 30,
}
_MESSAGE_USAGE = {"input_tokens": 21, "output_tokens": 9, "service_tier": "standard"}
_HEADERS = {"x-request-id": "req_vendor_1", "request-id": "req_vendor_1", "openai-version": "2020-10-01"}


def whole(body: Any, status: int = 200, **headers: str) -> Answer:
    """Return an answer in one piece."""
    told = {**_HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda _: Scripted(orjson.dumps(body), status=status, headers=told)


def streamed(body: bytes) -> Answer:
    """Return an answer as events, in pieces that end where no event does."""
    cuts = range(0, len(body), 37)
    return lambda _: Scripted(body, "text/event-stream; charset=utf-8", headers=_HEADERS, cuts=cuts)


def gated(body: bytes, rest: bytes, *, is_broken_off: bool = False) -> Answer:
    """Return an answer whose *rest*, and whose end, come once the program has seen something of it."""
    answer = Scripted(body + rest, "text/event-stream", headers=_HEADERS, cuts=(len(body),))
    return lambda _: replace(answer, gate=threading.Event(), is_broken_off=is_broken_off)


def silence() -> Answer:
    """Return an answer that never comes."""
    return lambda _: Scripted(is_silent=True)


def hung_up() -> Answer:
    """Return an answer that is none: the connection is closed."""
    return lambda _: Scripted(hangs_up=True)


def either(one: Answer, stream: Answer) -> Answer:
    """Return *stream* to who asks for one, else *one*."""
    return lambda body: (stream if body.get("stream") else one)(body)


# ── Chat ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def chat(*texts: str | None, calls: Sequence[Call] = (), finish: str = "stop", **more: Any) -> Answer:
    """Return a chat completion with a choice for each text, each with the *calls*; streamed if that is asked."""
    texts = texts or (None,)
    return either(whole(_completion(texts, calls, finish, more)), lambda body: _chunks(texts, calls, finish, body))


def chat_tools(*calls: Call) -> Answer:
    """Return a chat completion that calls tools."""
    return chat(calls=calls, finish="tool_calls")


def _completion(texts: Sequence[str | None], calls: Sequence[Call], finish: str, more: Mapping[str, Any]) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": text}}
            for place, (name, text) in enumerate(calls)
        ]
    choices = [
        {"index": place, "message": {**message, "content": text}, "logprobs": None, "finish_reason": finish} | more
        for place, text in enumerate(texts)
    ]
    return _chat_head("chat.completion") | {"choices": choices, "usage": _CHAT_USAGE, "x_unknown": {"kept": [1, None]}}


def _chat_head(kind: str) -> dict[str, Any]:
    told = {"id": "chatcmpl-1", "object": kind, "created": 1790000000, "model": "gpt-4o-mini-2024-07-18"}
    return {**told, "service_tier": "default", "system_fingerprint": "fp_1"}


def chat_deltas(
    texts: Sequence[str | None], calls: Sequence[Call] = (), finish: str | None = "stop", *, usage: bool = False
) -> list[dict[str, Any]]:
    """Return the chunks of a stream; without *finish* it never says why it stopped."""
    chunks: list[dict[str, Any]] = []

    def add(place: int, delta: Any, reason: str | None = None) -> None:
        choice = {"index": place, "delta": delta, "logprobs": None, "finish_reason": reason}
        null = {"usage": None} if usage else {}
        chunks.append(_chat_head("chat.completion.chunk") | {"choices": [choice]} | null)

    for place, text in enumerate(texts):
        add(place, {"role": "assistant", "content": None if calls else "", "refusal": None})
        for start in range(0, len(text or ""), 7):
            add(place, {"content": (text or "")[start : start + 7]})
        for index, (name, arguments) in enumerate(calls):
            function = {"name": name, "arguments": ""}
            add(
                place,
                {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]},
            )
            for start in range(0, len(arguments), 7):
                piece = {"arguments": arguments[start : start + 7]}
                add(place, {"tool_calls": [{"index": index, "function": piece}]})
        if finish is not None:
            add(place, {}, finish)
    if usage:
        chunks.append(_chat_head("chat.completion.chunk") | {"choices": [], "usage": _CHAT_USAGE})
    return chunks


def _chunks(texts: Sequence[str | None], calls: Sequence[Call], finish: str, body: Mapping[str, Any]) -> Scripted:
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return streamed(events(*chat_deltas(texts, calls, finish, usage=usage)))(body)


# ── Responses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def response(text: str | None = None, *, calls: Sequence[Call] = ()) -> Answer:
    """Return a response; streamed if that is asked."""
    output = [_output(place, name, arguments) for place, (name, arguments) in enumerate(calls)]
    if text is not None:
        output.append(_said("msg_1", text))
    return either(whole(_response(output)), streamed(events(*response_events(output), done=False)))


def _said(name: str, text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"id": name, "type": "message", "role": "assistant", "status": "completed", "content": content}


def _output(place: int, name: str, arguments: str) -> dict[str, Any]:
    told = {"id": f"fc_{place}", "type": "function_call", "status": "completed"}
    return {**told, "call_id": f"call_{place}", "name": name, "arguments": arguments}


def _response(output: Sequence[Any], status: str = "completed") -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1790000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-4o-mini-2024-07-18",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "moderation": {"x": 1},
        "usage": _RESPONSE_USAGE if status == "completed" else None,
    }


def response_events(output: Sequence[Any], *, ends: bool = True) -> list[dict[str, Any]]:
    """Return the events of a streamed response; without an end it is cut after its last piece."""
    told: list[dict[str, Any]] = []

    def add(kind: str, **more: Any) -> None:
        told.append({"type": kind, "sequence_number": len(told), **more})

    add("response.created", response=_response([], "in_progress"))
    add("response.in_progress", response=_response([], "in_progress"))
    for place, one in enumerate(output):
        where = {"item_id": one["id"], "output_index": place}
        if one["type"] == "function_call":
            add(
                "response.output_item.added", output_index=place, item={**one, "arguments": "", "status": "in_progress"}
            )
            for start in range(0, len(one["arguments"]), 7):
                piece = one["arguments"][start : start + 7]
                add("response.function_call_arguments.delta", **where, delta=piece)
            named = {"arguments": one["arguments"], "name": one["name"]}
            add("response.function_call_arguments.done", **where, **named)
        else:
            content = one["content"][0]
            add("response.output_item.added", output_index=place, item={**one, "content": [], "status": "in_progress"})
            add("response.content_part.added", **where, content_index=0, part={**content, "text": ""})
            for start in range(0, len(content["text"]), 7):
                piece = content["text"][start : start + 7]
                add("response.output_text.delta", **where, content_index=0, delta=piece, logprobs=[])
            add("response.output_text.done", **where, content_index=0, text=content["text"], logprobs=[])
            add("response.content_part.done", **where, content_index=0, part=content)
        add("response.output_item.done", output_index=place, item=one)
    if ends:
        add("response.completed", response=_response(output))
    return told


def cut_response(text: str) -> list[dict[str, Any]]:
    """Return the events of a response that lacks its end."""
    return response_events([_said("msg_1", text)], ends=False)


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def message(*blocks: Mapping[str, Any], stop: str = "end_turn") -> Answer:
    """Return a message; streamed if that is asked."""
    return either(whole(_message(blocks, stop)), streamed(events(*message_events(blocks, stop), done=False)))


def text_block(text: str) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": text}


def use_block(name: str, value: Any, place: int = 0) -> dict[str, Any]:
    """Return a block that uses a tool."""
    return {"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": value}


THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "EqQBCgIYAhIM=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3=="}


def message_tools(*uses: tuple[str, Any]) -> Answer:
    """Return a message that uses tools."""
    return message(*(use_block(name, value, place) for place, (name, value) in enumerate(uses)), stop="tool_use")


def _message(blocks: Sequence[Mapping[str, Any]], stop: str | None) -> dict[str, Any]:
    told = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001"}
    usage = _MESSAGE_USAGE | {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    return {**told, "content": list(blocks), "stop_reason": stop, "stop_sequence": None, "usage": usage}


def message_events(
    blocks: Sequence[Mapping[str, Any]], stop: str = "end_turn", *, ends: bool = True
) -> list[dict[str, Any]]:
    """Return the events of a streamed message; without an end it is cut within its last block."""
    begun = _message([], None)
    begun["usage"] = {**begun["usage"], "output_tokens": 1}
    told: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for place, block in enumerate(blocks):
        told += _block_events(place, block)
    if ends:
        delta = {"stop_reason": stop, "stop_sequence": None}
        told += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]
    return told if ends else told[:-1]


def _block_events(place: int, block: Mapping[str, Any]) -> list[dict[str, Any]]:
    match block["type"]:
        case "text":
            start, deltas = {**block, "text": ""}, _deltas("text_delta", "text", block["text"])
        case "tool_use":
            text = orjson.dumps(block["input"]).decode()
            start, deltas = {**block, "input": {}}, _deltas("input_json_delta", "partial_json", text)
        case "thinking":
            start = {**block, "thinking": "", "signature": ""}
            deltas = _deltas("thinking_delta", "thinking", block["thinking"])
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case _:
            start, deltas = dict(block), []
    told: list[dict[str, Any]] = [{"type": "content_block_start", "index": place, "content_block": start}]
    told += [{"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas]
    return [*told, {"type": "content_block_stop", "index": place}]


def _deltas(kind: str, name: str, text: str) -> list[dict[str, Any]]:
    return [{"type": kind, name: text[start : start + 7]} for start in range(0, len(text), 7)]


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def openai_no(status: int, kind: str, code: str | None, **headers: str) -> Answer:
    """Return an error as OpenAI words it."""
    error = {"message": f"The vendor's own sentence for {status}.", "type": kind, "param": None, "code": code}
    return whole({"error": error}, status, **headers)


def anthropic_no(status: int, kind: str, **headers: str) -> Answer:
    """Return an error as Anthropic words it."""
    error = {"type": kind, "message": f"The vendor's own sentence for {status}."}
    return whole({"type": "error", "error": error, "request_id": "req_vendor_1"}, status, **headers)

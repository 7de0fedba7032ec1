"""OpenAI's Responses, in one piece and as a stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from tests.core.schema_forms import rules
from tests.wire import media, openai_chat
from tests.wire.caches import Caches, Found
from tests.wire.exchange import (
    Asked,
    Body,
    Event,
    Failure,
    Finish,
    Said,
    bad_tool_name,
    frame,
    objection_to_schema,
    pieces,
    schema_in,
    texts_of,
)

PATH: str = "/v1/responses"
VENDOR: str = openai_chat.VENDOR
REQUEST_ID_HEADER: str = openai_chat.REQUEST_ID_HEADER
FAILURES: Mapping[int, Failure] = openai_chat.FAILURES
FILTERED: Failure | None = None
TOO_LONG: Failure = Failure(
    400,
    "invalid_request_error",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "context_length_exceeded",
)

error = openai_chat.error


def objection(body: Body) -> str | None:
    """Return why OpenAI would turn this request away, if it would."""
    if not body.get("input"):
        return "Missing required parameter: 'input'."
    if found := media.in_responses(body["input"]):
        return found
    for foreign in ("messages", "response_format", "max_tokens", "stream_options"):
        if foreign in body and not (foreign == "stream_options" and body.get("stream")):
            return f"Unsupported parameter: '{foreign}'."
    functions = _functions(body)
    if found := bad_tool_name([function.get("name") for function in functions]):
        return f"Invalid 'tools[].name': {found}."
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("name") not in [function.get("name") for function in functions]:
        return f"Tool choice '{choice.get('name')}' not found in 'tools' parameter."
    wanted = _format(body)
    for strict in (*functions, wanted):
        schema = strict.get("parameters") or strict.get("schema")
        rule = rules.openai_strict if strict.get("strict") else rules.listless
        if found := objection_to_schema(schema, rule):
            return f"Invalid schema for {strict.get('name')!r}: {found}."
    return _objection_to_turns(_input(body))


def _objection_to_turns(messages: list[Any]) -> str | None:
    called = {one.get("call_id") for one in messages if one.get("type") == "function_call"}
    answered = {one.get("call_id") for one in messages if one.get("type") == "function_call_output"}
    if missing := called - answered:
        return f"No tool output found for function call {min(missing)}."
    if missing := answered - called:
        return f"No tool call found for function call output with call_id {min(missing)}."
    return None


def _functions(body: Body) -> list[Body]:
    return [tool for tool in body.get("tools") or () if tool.get("type") == "function"]


def _format(body: Body) -> Body:
    return (body.get("text") or {}).get("format") or {}


def _input(body: Body) -> list[Any]:
    given = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def asked(body: Body) -> Asked:
    """Return what the request asks."""
    messages = _input(body)
    user_texts = texts_of(messages, "user")
    functions, choice, wanted = _functions(body), body.get("tool_choice", "auto"), _format(body)
    tool = schema = None
    if functions and choice != "none":
        tool = choice["name"] if isinstance(choice, dict) else functions[0]["name"]
        schema = next(function.get("parameters") or {} for function in functions if function["name"] == tool)
    else:
        schema = wanted.get("schema")
    if schema is None:
        told = (*texts_of(messages, "system", "developer"), body.get("instructions") or "", *user_texts)
        schema = next((found for text in told if (found := schema_in(text))), None)
    return Asked(
        model=body["model"],
        user_texts=user_texts,
        schema=schema,
        tool=tool,
        is_forced=isinstance(choice, dict),
        is_json=schema is not None or wanted.get("type") in ("json_schema", "json_object"),
        max_tokens=body.get("max_output_tokens"),
        stream=bool(body.get("stream")),
    )


def found(body: Body, caches: Caches, account: str, now: float) -> Found:
    """Return what the cache knows of the prompt."""
    del now
    return openai_chat.prefix_found(body, _input(body), _format(body), caches, account)


def answer(said: Said) -> Body:
    """Return the response."""
    reason = _incomplete(said)
    status = "completed" if reason is None else "incomplete"
    return _response(said, status, [*_thoughts(said), _answer_item(said, status)])


def _response(said: Said, status: str, output: list[Body]) -> Body:
    reason = _incomplete(said) if status == "incomplete" else None
    return {
        "id": f"resp_{said.number:08d}",
        "object": "response",
        "created_at": said.created_at,
        "status": status,
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": None,
        "max_output_tokens": said.asked.max_tokens,
        "metadata": {},
        "model": said.asked.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None if status == "in_progress" else _usage(said),
    }


def _incomplete(said: Said) -> str | None:
    return {Finish.LENGTH: "max_output_tokens", Finish.FILTERED: "content_filter"}.get(said.finish)


def _thoughts(said: Said) -> list[Body]:
    return [{"type": "reasoning", "id": f"rs_{said.number:08d}", "summary": []}] if said.tokens.reasoning_tokens else []


def _answer_item(said: Said, status: str) -> Body:
    text = "" if status == "in_progress" else said.text
    if said.asked.tool is not None and said.finish is not Finish.REFUSED:
        return {
            "type": "function_call",
            "id": f"fc_{said.number:08d}",
            "call_id": f"call_{said.number:08d}",
            "name": said.asked.tool,
            "arguments": text,
            "status": status,
        }
    content = [] if status == "in_progress" else [_part(said, text)]
    return {
        "type": "message",
        "id": f"msg_{said.number:08d}",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _part(said: Said, text: str) -> Body:
    if said.finish is Finish.REFUSED:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def events(said: Said) -> Iterator[Event]:
    """Return the events of a streamed response."""
    numbers = itertools.count()

    def event(kind: str, shown: int, *, tells: bool = False, **data: Any) -> Event:
        return Event(frame({"type": kind, "sequence_number": next(numbers), **data}, kind), shown, tells)

    begun = _response(said, "in_progress", [])
    yield event("response.created", 0, response=begun)
    yield event("response.in_progress", 0, response=begun)
    for thought in _thoughts(said):
        yield event("response.output_item.added", 0, output_index=0, item=thought)
        yield event("response.output_item.done", 0, output_index=0, item=thought)
    index, everything = len(_thoughts(said)), len(said.text)
    whole = answer(said)
    item = whole["output"][index]
    yield event("response.output_item.added", 0, output_index=index, item=_answer_item(said, "in_progress"))
    if item["type"] == "function_call":
        place: Body = {"item_id": item["id"], "output_index": index}
        for piece, shown in pieces(said.text):
            yield event("response.function_call_arguments.delta", shown, delta=piece, **place)
        yield event(
            "response.function_call_arguments.done", everything, name=item["name"], arguments=said.text, **place
        )
    else:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        is_refusal = said.finish is Finish.REFUSED
        kind, key = ("response.refusal", "refusal") if is_refusal else ("response.output_text", "text")
        spare: Body = {} if is_refusal else {"logprobs": []}
        yield event("response.content_part.added", 0, part=_part(said, ""), **place)
        for piece, shown in pieces(said.text):
            yield event(f"{kind}.delta", shown, delta=piece, **place, **spare)
        yield event(f"{kind}.done", everything, **{key: said.text}, **place, **spare)
        yield event("response.content_part.done", everything, part=_part(said, said.text), **place)
    yield event("response.output_item.done", everything, output_index=index, item=item)
    yield event(f"response.{whole['status']}", everything, tells=True, response=whole)


def _usage(said: Said) -> Body:
    tokens = said.tokens
    return {
        "input_tokens": tokens.input_tokens,
        "input_tokens_details": {
            "cached_tokens": tokens.cached_tokens,
            "cache_write_tokens": tokens.cache_write_tokens,
        },
        "output_tokens": tokens.output_tokens,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning_tokens},
        "total_tokens": tokens.input_tokens + tokens.output_tokens,
    }


def error_event(failure: Failure, request_id: str) -> bytes:
    """Return an error that arrives in the middle of a stream: an event of its own kind, without an ``error`` key."""
    del request_id
    body = {"type": "error", "code": failure.code or failure.kind, "message": failure.message, "param": None}
    return frame({**body, "sequence_number": 999}, "error")

"""Anthropic's messages, in one piece and as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jiter
import orjson

from tests.core.schema_forms import rules
from tests.wire import media
from tests.wire.caches import MOST_MARKS, Block, Caches, Found
from tests.wire.exchange import (
    Asked,
    Body,
    Event,
    Failure,
    Finish,
    Said,
    bad_tool_name,
    blocks_of,
    frame,
    is_fence_wanted,
    objection_to_schema,
    pieces,
    schema_in,
    texts,
    texts_of,
)
from tests.wire.ledger import Tokens

PATH: str = "/v1/messages"
VENDOR: str = "anthropic"
REQUEST_ID_HEADER: str = "request-id"
FILTERED: Failure | None = Failure(400, "invalid_request_error", "Output blocked by content filtering policy")
TOO_LONG: Failure = Failure(400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum")

FAILURES: Mapping[int, Failure] = {
    400: Failure(400, "invalid_request_error", "The request is invalid."),
    401: Failure(401, "authentication_error", "invalid x-api-key"),
    403: Failure(403, "permission_error", "Your API key does not have permission to use this model."),
    404: Failure(404, "not_found_error", "The requested model could not be found."),
    429: Failure(429, "rate_limit_error", "This request would exceed your rate limit."),
    500: Failure(500, "api_error", "Internal server error"),
    529: Failure(529, "overloaded_error", "Overloaded"),
}

_THOUGHT = "The user wants an object. I shall fill in every field."


def objection(body: Body) -> str | None:
    """Return why Anthropic would turn this request away, if it would."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    if strange := [role for message in messages if (role := message.get("role")) not in ("user", "assistant")]:
        return f"messages: Unexpected role {strange[0]!r}; the Messages API takes a top-level `system` parameter"
    names = [tool.get("name") for tool in body.get("tools") or ()]
    if found := bad_tool_name(names, longest=128):
        return f"tools: name {found}"
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "tool" and choice.get("name") not in names:
        return f"tool_choice: tool {choice.get('name')!r} not found in provided tools"
    wanted = (body.get("output_config") or {}).get("format") or {}
    for tool in body.get("tools") or ():
        if found := objection_to_schema(tool.get("input_schema"), rules.bad_names):
            return f"tools.0.custom.input_schema.properties: {found}"
    if wanted and (found := objection_to_schema(wanted.get("schema"), rules.anthropic_output)):
        return f"output_config.format.schema: {found}"
    return media.in_messages(messages) or _objection_to_marks(body) or _objection_to_turns(messages)


def _blocks(body: Body) -> list[Block]:
    """Return the prompt in the order in which Anthropic reads it: tools, system, messages."""
    parts: list[Any] = [*(body.get("tools") or ())]
    system = body.get("system") or ()
    parts.extend([{"type": "text", "text": system}] if isinstance(system, str) else system)
    for message in body["messages"]:
        content = message["content"]
        listed = [{"type": "text", "text": content}] if isinstance(content, str) else content
        parts.extend({**part, "role": message["role"]} for part in listed)
    return blocks_of(parts)


def _objection_to_marks(body: Body) -> str | None:
    marks = sum(block.is_marked for block in _blocks(body))
    if marks > MOST_MARKS:
        return f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {marks}."
    return None


def found(body: Body, caches: Caches, account: str, now: float) -> Found:
    """Return what the cache knows of the prompt up to its marks."""
    return caches.marked(account, body["model"].split(":")[0], _blocks(body), now)


def _objection_to_turns(messages: list[Any]) -> str | None:
    awaited: set[str] = set()
    for place, message in enumerate(messages):
        blocks = message["content"] if isinstance(message.get("content"), list) else []
        if not blocks and not message.get("content"):
            return f"messages.{place}: content must not be empty"
        answered = {block.get("tool_use_id", "") for block in blocks if block.get("type") == "tool_result"}
        if missing := awaited - answered:
            return f"messages.{place}: `tool_use` ids were found without `tool_result` blocks after: {min(missing)}"
        if unknown := answered - awaited:
            return f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {min(unknown)}"
        awaited = {block.get("id", "") for block in blocks if block.get("type") == "tool_use"}
        if any(not isinstance(block.get("input"), dict) for block in blocks if block.get("type") == "tool_use"):
            return f"messages.{place}: tool_use.input: Input should be a valid dictionary"
    if awaited:
        return f"messages: `tool_use` ids were found without `tool_result` blocks after: {min(awaited)}"
    return None


def asked(body: Body) -> Asked:
    """Return what the request asks."""
    messages = body["messages"]
    user_texts = texts_of(messages, "user")
    tools, choice = body.get("tools") or (), body.get("tool_choice") or {}
    wanted = (body.get("output_config") or {}).get("format") or {}
    tool = schema = None
    if tools and choice.get("type") != "none":
        tool = choice.get("name") or tools[0]["name"]
        schema = next(one.get("input_schema", {}) for one in tools if one["name"] == tool)
    else:
        schema = wanted.get("schema")
    if schema is None:
        told = (*texts(body.get("system")), *user_texts)
        schema = next((found for text in told if (found := schema_in(text))), None)
    return Asked(
        model=body["model"],
        user_texts=user_texts,
        schema=schema,
        tool=tool,
        is_forced=choice.get("type") == "tool",
        is_json=schema is not None,
        is_fenced=tool is None and not wanted and is_fence_wanted(user_texts),
        max_tokens=body["max_tokens"],
        stream=bool(body.get("stream")),
    )


def answer(said: Said) -> Body:
    """Return the message."""
    return {
        **_opening(said),
        "content": [*_thoughts(said), *_content(said)],
        **_ending(said),
        "usage": {**_input_usage(said.tokens), **_output_usage(said.tokens)},
    }


def _opening(said: Said) -> Body:
    return {"id": f"msg_{said.number:08d}", "type": "message", "role": "assistant", "model": said.asked.model}


def _thoughts(said: Said) -> list[Body]:
    return [{"type": "thinking", "thinking": _THOUGHT, "signature": "c2ln"}] if said.tokens.reasoning_tokens else []


def _content(said: Said) -> list[Body]:
    if said.finish is Finish.REFUSED:
        return []
    if said.asked.tool is None:
        return [{"type": "text", "text": said.text, "citations": None}]
    return [{**_tool_use(said), "input": _input(said)}]


def _tool_use(said: Said) -> Body:
    return {"type": "tool_use", "id": f"toolu_{said.number:08d}", "name": said.asked.tool, "input": {}}


def _input(said: Said) -> Any:
    """Return the tool's input, always an object on this wire: of an unfinished answer what was complete by then.

    Broken JSON cannot be put on it as such, only streamed; it comes under a key that no schema knows.
    """
    if said.finish is Finish.LENGTH:
        return jiter.from_json(said.text.encode(), partial_mode=True) if said.text else {}
    try:
        return orjson.loads(said.text)
    except orjson.JSONDecodeError:
        return {"INVALID_JSON": said.text}


def _ending(said: Said) -> Body:
    reason = "end_turn" if said.asked.tool is None else "tool_use"
    details = None
    if said.finish is Finish.LENGTH:
        reason = "max_tokens"
    elif said.finish is Finish.REFUSED:
        reason, details = "refusal", {"type": "refusal", "category": None, "explanation": said.text}
    return {"stop_reason": reason, "stop_sequence": None, "stop_details": details}


def _input_usage(tokens: Tokens) -> Body:
    """Return the input as Anthropic counts it: ``input_tokens`` leaves out what was cached and written."""
    return {
        "input_tokens": tokens.input_tokens - tokens.cached_tokens - tokens.cache_write_tokens,
        "cache_read_input_tokens": tokens.cached_tokens,
        "cache_creation_input_tokens": tokens.cache_write_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.cache_write_tokens, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def _output_usage(tokens: Tokens) -> Body:
    counted: Body = {"output_tokens": tokens.output_tokens}
    if tokens.reasoning_tokens:
        counted["output_tokens_details"] = {"thinking_tokens": tokens.reasoning_tokens}
    return counted


def events(said: Said) -> Iterator[Event]:
    """Return the events of a streamed message."""
    # A first count of the output comes with the opening; the one at the end is the total, not an addition to it.
    begun = {**_opening(said), "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    opening_usage = {**_input_usage(said.tokens), "output_tokens": 1}
    yield _event("message_start", 0, message={**begun, "usage": opening_usage})
    yield _event("ping", 0)
    index, everything = 0, len(said.text)
    for thought in _thoughts(said):
        yield _event("content_block_start", 0, index=0, content_block={**thought, "thinking": "", "signature": ""})
        for key, kind in (("thinking", "thinking_delta"), ("signature", "signature_delta")):
            yield _event("content_block_delta", 0, index=0, delta={"type": kind, key: thought[key]})
        yield _event("content_block_stop", 0, index=0)
        index = 1
    if said.finish is not Finish.REFUSED:
        yield from _block(said, index)
    usage = _output_usage(said.tokens)
    if said.tokens.cached_tokens:
        # Some answers restate the input at the end, cumulatively; readers must cope with both.
        restated = _input_usage(said.tokens)
        usage |= {key: restated[key] for key in restated if key.endswith("input_tokens")}
    yield _event("message_delta", everything, tells=True, delta=_ending(said), usage=usage)
    yield _event("message_stop", everything, tells=True)


def _block(said: Said, index: int) -> Iterator[Event]:
    if said.asked.tool is None:
        block, kind, key = {"type": "text", "text": ""}, "text_delta", "text"
    else:
        block, kind, key = _tool_use(said), "input_json_delta", "partial_json"
    yield _event("content_block_start", 0, index=index, content_block=block)
    for piece, shown in pieces(said.text):
        yield _event("content_block_delta", shown, index=index, delta={"type": kind, key: piece})
    yield _event("content_block_stop", len(said.text), index=index)


def _event(kind: str, shown: int, *, tells: bool = False, **data: Any) -> Event:
    return Event(frame({"type": kind, **data}, kind), shown, tells)


def error(failure: Failure, request_id: str) -> Body:
    """Return the body of an error."""
    return {
        "type": "error",
        "error": {"type": failure.kind, "message": failure.message},
        "request_id": request_id,
    }


def error_event(failure: Failure, request_id: str) -> bytes:
    """Return an error that arrives in the middle of a stream."""
    return frame(error(failure, request_id), "error")

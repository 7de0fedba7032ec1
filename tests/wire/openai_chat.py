"""OpenAI's chat completions, in one piece and as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.core.schema_forms import rules
from tests.wire import media
from tests.wire.caches import Caches, Found
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
    texts_of,
)
from tests.wire.ledger import Tokens

PATH: str = "/v1/chat/completions"
VENDOR: str = "openai"
REQUEST_ID_HEADER: str = "x-request-id"
FILTERED: Failure | None = None
TOO_LONG: Failure = Failure(
    400,
    "invalid_request_error",
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. "
    "Please reduce the length of the messages.",
    "context_length_exceeded",
)

FAILURES: Mapping[int, Failure] = {
    400: Failure(400, "invalid_request_error", "The request is invalid."),
    401: Failure(401, "invalid_request_error", "Incorrect API key provided.", "invalid_api_key"),
    403: Failure(403, "permission_error", "The project has no access to this model.", "model_not_allowed"),
    404: Failure(404, "invalid_request_error", "The model does not exist or you have no access.", "model_not_found"),
    429: Failure(429, "requests", "Rate limit reached for requests.", "rate_limit_exceeded"),
    500: Failure(500, "server_error", "The server had an error while processing your request."),
    529: Failure(503, "server_error", "The engine is currently overloaded."),
}


def objection(body: Body) -> str | None:
    """Return why OpenAI would turn this request away, if it would."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "'messages' must be an array that is not empty."
    if body.get("stream_options") is not None and not body.get("stream"):
        return "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    if found := media.in_chat(messages):
        return found
    return _objection_to_tools(body) or _objection_to_format(body, messages) or _objection_to_turns(messages)


def _objection_to_tools(body: Body) -> str | None:
    functions = [tool.get("function", {}) for tool in body.get("tools") or ()]
    if found := bad_tool_name([function.get("name") for function in functions]):
        return f"Invalid 'tools[].function.name': {found}."
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        wanted = choice.get("function", {}).get("name")
        if wanted not in [function.get("name") for function in functions]:
            return f"Tool choice '{wanted}' not found in 'tools' parameter."
    for function in functions:
        rule = rules.openai_strict if function.get("strict") else rules.listless
        if found := objection_to_schema(function.get("parameters"), rule):
            return f"Invalid schema for function {function.get('name')!r}: {found}."
    return None


def _objection_to_format(body: Body, messages: list[Any]) -> str | None:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        named = wanted.get("json_schema", {})
        if found := bad_tool_name([named.get("name")]):
            return f"Invalid 'response_format.json_schema.name': {found}."
        rule = rules.openai_strict if named.get("strict") else rules.listless
        if found := objection_to_schema(named.get("schema"), rule):
            return f"Invalid schema for response_format {named.get('name')!r}: {found}."
    said = texts_of(messages, "system", "developer", "user", "assistant")
    if wanted.get("type") == "json_object" and not any("json" in text.lower() for text in said):
        return "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
    return None


def _objection_to_turns(messages: list[Any]) -> str | None:
    awaited: set[str] = set()
    for message in messages:
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in awaited:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            awaited.discard(message["tool_call_id"])
            continue
        if awaited:
            break
        awaited = {call.get("id", "") for call in message.get("tool_calls") or ()}
    if awaited:
        return "An assistant message with 'tool_calls' must be followed by a tool message for each 'tool_call_id'."
    return None


def asked(body: Body) -> Asked:
    """Return what the request asks."""
    messages = body["messages"]
    user_texts = texts_of(messages, "user")
    tool, schema = _tool(body)
    wanted = body.get("response_format") or {}
    if tool is None:
        schema = wanted.get("json_schema", {}).get("schema")
    if schema is None:
        system_texts = texts_of(messages, "system", "developer")
        schema = next((found for text in (*system_texts, *user_texts) if (found := schema_in(text))), None)
    return Asked(
        model=body["model"],
        user_texts=user_texts,
        schema=schema,
        tool=tool,
        is_forced=isinstance(body.get("tool_choice"), dict),
        is_json=tool is not None or schema is not None or wanted.get("type") in ("json_schema", "json_object"),
        is_fenced=tool is None and not wanted and is_fence_wanted(user_texts),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stream=bool(body.get("stream")),
        tells_usage=not body.get("stream") or bool((body.get("stream_options") or {}).get("include_usage")),
    )


def _tool(body: Body) -> tuple[str | None, Any]:
    functions = [tool["function"] for tool in body.get("tools") or ()]
    choice = body.get("tool_choice", "auto")
    if not functions or choice == "none":
        return None, None
    wanted = choice["function"]["name"] if isinstance(choice, dict) else functions[0]["name"]
    return wanted, next(function.get("parameters", {}) for function in functions if function["name"] == wanted)


def found(body: Body, caches: Caches, account: str, now: float) -> Found:
    """Return what the cache knows of the prompt: tools and schema, then the messages."""
    del now  # it is not known how long OpenAI keeps what nobody asks for
    return prefix_found(body, body["messages"], body.get("response_format"), caches, account)


def prefix_found(body: Body, messages: list[Any], wanted: Any, caches: Caches, account: str) -> Found:
    """Return what the cache knows of *messages* after the tools and the format *wanted*."""
    parts = [{"tools": body.get("tools")}, {"format": wanted}, *messages]
    space = f"{account} {body['model']} {body.get('prompt_cache_key')}"
    return caches.automatic(space, blocks_of(parts))


def answer(said: Said) -> Body:
    """Return the completion."""
    message: Body = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if said.finish is Finish.REFUSED:
        message["refusal"] = said.text
    elif said.asked.tool is None:
        message["content"] = said.text
    else:
        called = {"name": said.asked.tool, "arguments": said.text}
        message["tool_calls"] = [{"id": f"call_{said.number:08d}", "type": "function", "function": called}]
    return {
        "id": f"chatcmpl-{said.number:08d}",
        "object": "chat.completion",
        "created": said.created_at,
        "model": said.asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(said)}],
        "service_tier": "default",
        "system_fingerprint": None,
        "usage": usage(said.tokens),
    }


def events(said: Said) -> Iterator[Event]:
    """Return the chunks of a streamed completion."""
    common: Body = {
        "id": f"chatcmpl-{said.number:08d}",
        "object": "chat.completion.chunk",
        "created": said.created_at,
        "model": said.asked.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }
    if said.asked.tells_usage:
        common["usage"] = None

    def chunk(delta: Body, shown: int, finish_reason: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return Event(frame({**common, "choices": [choice]}), shown)

    is_tool = said.asked.tool is not None and said.finish is not Finish.REFUSED
    first: Body = {"role": "assistant", "content": None if is_tool else "", "refusal": None}
    if is_tool:
        called = {"name": said.asked.tool, "arguments": ""}
        first["tool_calls"] = [{"index": 0, "id": f"call_{said.number:08d}", "type": "function", "function": called}]
    yield chunk(first, 0)
    kind = "refusal" if said.finish is Finish.REFUSED else "content"
    for piece, shown in pieces(said.text):
        yield chunk(
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if is_tool else {kind: piece}, shown
        )
    everything = len(said.text)
    yield chunk({}, everything, _finish_reason(said))
    if said.asked.tells_usage:
        yield Event(frame({**common, "choices": [], "usage": usage(said.tokens)}), everything, tells=True)
    yield Event(b"data: [DONE]\n\n", everything, tells=said.asked.tells_usage)


def _finish_reason(said: Said) -> str:
    if said.finish is Finish.LENGTH:
        return "length"
    if said.finish is Finish.FILTERED:
        return "content_filter"
    # OpenAI says "tool_calls" only where the model was free to choose; a named tool ends with "stop".
    is_chosen = said.finish is Finish.DONE and said.asked.tool is not None and not said.asked.is_forced
    return "tool_calls" if is_chosen else "stop"


def usage(tokens: Tokens) -> Body:
    """Return the usage as chat completions count it: cached and written input are part of the prompt."""
    return {
        "prompt_tokens": tokens.input_tokens,
        "completion_tokens": tokens.output_tokens,
        "total_tokens": tokens.input_tokens + tokens.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached_tokens,
            "cache_write_tokens": tokens.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error(failure: Failure, request_id: str) -> Body:
    """Return the body of an error."""
    del request_id  # it stands in the header only
    return {"error": {"message": failure.message, "type": failure.kind, "param": None, "code": failure.code}}


def error_event(failure: Failure, request_id: str) -> bytes:
    """Return an error that arrives in the middle of a stream."""
    return frame(error(failure, request_id))

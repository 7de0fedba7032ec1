"""Answers in the other dialect, whole and as events: what strict clients take, and alike either way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from core.translation import ChatEvents, MessagesEvents, Untranslatable, chat_answer, messages_answer

STOPS = ("end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal", "model_context_window_exceeded")
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "content_filter",
    "something_new": "content_filter",
}
USED = {"input_tokens": 100, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 50, "output_tokens": 10}
TOLD = {
    "prompt_tokens": 1050,
    "completion_tokens": 10,
    "total_tokens": 1060,
    "prompt_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 50},
}


def message(*blocks: Mapping[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    """Return a message as Anthropic answers it."""
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks)}
    return made | {"stop_reason": stop, "stop_sequence": None, "usage": USED} | more


def completion(said: Mapping[str, Any], reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    """Return a completion as OpenAI answers it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": None} | said, "finish_reason": reason}
    made = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt"}
    return made | {"choices": [choice], "usage": TOLD} | more


TEXT = {"type": "text", "text": "Hi"}
USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}
CALL = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}


@pytest.mark.parametrize(("stop", "reason"), REASONS.items())
def test_why_it_ended_in_a_completions_words(stop: str, reason: str) -> None:
    """What nobody knows is never told as an answer that ended well; a refusal says so in words."""
    told = chat_answer(message(TEXT, stop=stop, stop_details={"type": "refusal", "explanation": "No."}), created=1)
    assert told["choices"][0]["finish_reason"] == reason
    assert told["choices"][0]["message"]["refusal"] == ("No." if stop == "refusal" else None)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("function_call", "tool_use"),
     ("content_filter", "refusal")],
)  # fmt: skip
def test_why_it_ended_in_a_messages_words(reason: str, stop: str) -> None:
    """Each reason has one word there."""
    assert messages_answer(completion({"content": "Hi"}, reason))["stop_reason"] == stop


@pytest.mark.parametrize("reason", [None, "", "something_new"])
def test_an_answer_without_a_known_end_is_none(reason: str | None) -> None:
    """An answer that was cut must not pass for a whole one."""
    with pytest.raises(Untranslatable):
        messages_answer(completion({"content": "Hi"}, reason))
    events = MessagesEvents()
    list(
        events.of(
            {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": reason}]}
        )
    )
    with pytest.raises(Untranslatable):
        list(events.end())


def test_the_same_use_in_both_words() -> None:
    """Cached input is a part of the one's prompt and beside the other's input: neither is counted twice."""
    assert chat_answer(message(TEXT), created=1)["usage"] == TOLD
    assert messages_answer(completion({"content": "Hi"}))["usage"] == USED
    odd = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}, "completion_tokens": 1}
    told = messages_answer(completion({"content": "Hi"}, usage=odd))["usage"]
    assert (told["input_tokens"], told["cache_read_input_tokens"]) == (5, 9)


def test_a_forced_tool_is_the_content() -> None:
    """A response format was asked for by a tool; its call comes back as the object, and the answer ended well."""
    formed = message({"type": "text", "text": "Here:"}, USE, stop="tool_use")
    told = chat_answer(formed, created=1, format_tool="weather")["choices"][0]
    assert (told["message"]["content"], told["finish_reason"]) == ('{"city":"Bern"}', "stop")
    assert "tool_calls" not in told["message"]


def test_an_empty_list_of_calls_opens_no_block() -> None:
    """Pieces of text that also carry an empty list of calls are pieces of one text."""
    events = MessagesEvents()
    came = [
        event
        for text in ("Hel", "lo")
        for event in events.of({"id": "1", "model": "m", "choices": [{"delta": {"content": text, "tool_calls": []}}]})
    ]
    assert [event["type"] for event in came] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_delta",
    ]  # fmt: skip
    assert [event["delta"]["text"] for event in came[2:]] == ["Hel", "lo"]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    """Some servers send whole calls, each without an index."""
    events = MessagesEvents()
    calls = [CALL | {"id": "a"}, CALL | {"id": "b"}]
    came = list(events.of({"id": "1", "model": "m", "choices": [{"delta": {"tool_calls": calls}}]}))
    came += events.of({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    came += events.end()
    assert [block.id for block in accumulated(came).content if block.type == "tool_use"] == ["a", "b"]


def accumulated(events: list[dict[str, Any]]) -> Message:
    """Return the message that Anthropic's SDK makes of *events*."""
    bufs: dict[int, bytes] = {}
    found = None
    for event in events:
        found = accumulate_event(event=cast("Any", event), current_snapshot=found, json_bufs=bufs)
    return cast("Message", found)


def completed(chunks: list[dict[str, Any]]) -> ChatCompletion:
    """Return the completion that OpenAI's SDK makes of *chunks*, each of which its strict model takes."""
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
    return state.current_completion_snapshot


_WORDS = st.text(min_size=1, max_size=12)
_INPUTS = st.dictionaries(_WORDS, st.integers() | _WORDS | st.lists(st.booleans(), max_size=2), max_size=3)
_CUTS = st.integers(1, 5)


@given(
    thoughts=st.booleans(),
    texts=st.lists(_WORDS, max_size=2),
    calls=st.lists(st.tuples(_WORDS, _INPUTS), max_size=3),
    stop=st.sampled_from(STOPS),
    cut=_CUTS,
    is_formed=st.booleans(),
)
def test_a_message_is_the_same_completion_whole_and_as_events(
    *, thoughts: bool, texts: list[str], calls: list[Any], stop: str, cut: int, is_formed: bool
) -> None:
    """Content, calls, reason, refusal and usage agree, in forms that the SDK's strict models take."""
    blocks: list[dict[str, Any]] = [{"type": "thinking", "thinking": "hm", "signature": "s"}] if thoughts else []
    blocks += [{"type": "text", "text": text} for text in texts]
    blocks += [
        {"type": "tool_use", "id": f"t{n}", "name": name, "input": given} for n, (name, given) in enumerate(calls)
    ]
    tool = calls[0][0] if calls and is_formed and len(calls) == 1 else None
    whole = message(*blocks, stop=stop)
    told = ChatCompletion.model_validate(chat_answer(whole, created=1, format_tool=tool), strict=True)
    stream = ChatEvents(created=1, tells_usage=True, format_tool=tool)
    chunks = [chunk for event in events_of(whole, cut) for chunk in stream.of(event)]
    assert stream.has_ended
    streamed = completed(chunks)
    one, other = told.choices[0], streamed.choices[0]
    assert (other.message.content or None) == one.message.content
    assert (other.message.refusal or None) == one.message.refusal
    assert other.finish_reason == one.finish_reason
    assert streamed.usage == told.usage
    assert _calls(other.message) == _calls(one.message)


@given(
    text=st.none() | _WORDS,
    calls=st.lists(st.tuples(_WORDS, _INPUTS), max_size=3),
    cut=_CUTS,
    weave=st.booleans(),
    text_last=st.booleans(),
)
def test_a_completion_is_the_same_message_whole_and_as_events(
    *, text: str | None, calls: list[Any], cut: int, weave: bool, text_last: bool
) -> None:
    """However pieces of calls are woven into each other, each call is one block with its own arguments."""
    made = [
        {"id": f"t{n}", "type": "function", "function": {"name": name, "arguments": _dumped(given)}}
        for n, (name, given) in enumerate(calls)
    ]
    said = {"content": text} | ({"tool_calls": made} if made else {})
    whole = json.loads(orjson.dumps(messages_answer(completion(said, "tool_calls" if made else "stop"))))
    Message.model_validate(whole, strict=True)
    events = MessagesEvents()
    came = [
        event for chunk in chunks_of(text, made, cut, weave=weave, text_last=text_last) for event in events.of(chunk)
    ]
    came += events.end()
    streamed = accumulated(came)
    assert [event["type"] for event in came if "content_block" not in event["type"]] == [
        "message_start", "message_delta", "message_stop",
    ]  # fmt: skip
    by_kind = sorted((block.to_dict() for block in streamed.content), key=lambda one: (one["type"], str(one.get("id"))))
    assert by_kind == sorted(whole["content"], key=lambda one: (one["type"], str(one.get("id"))))
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole["stop_reason"], 10)
    assert streamed.usage.cache_read_input_tokens == 900


def events_of(whole: dict[str, Any], cut: int) -> list[dict[str, Any]]:
    """Return a message as Anthropic streams it, in pieces of *cut* characters."""
    start = whole | {"content": [], "stop_reason": None, "usage": USED | {"output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        empty = {"text": {"text": ""}, "tool_use": {"input": {}}, "thinking": {"thinking": "", "signature": ""}}
        events.append({"type": "content_block_start", "index": index, "content_block": block | empty[block["type"]]})
        match block["type"]:
            case "text":
                deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], cut)]
            case "tool_use":
                text = _dumped(block["input"])
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(text, cut)]]
            case _:
                deltas = [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "s"}]
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": USED["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]


def chunks_of(text: str | None, calls: list[Any], cut: int, *, weave: bool, text_last: bool) -> list[dict[str, Any]]:
    """Return a completion as OpenAI streams it; *weave* lets calls take turns, and words may come behind them."""
    texts = [{"content": piece} for piece in pieces(text or "", cut)]
    by_call: list[list[dict[str, Any]]] = []
    for index, call in enumerate(calls):
        first = {"index": index, **call, "function": call["function"] | {"arguments": ""}}
        rest = [{"index": index, "function": {"arguments": one}} for one in pieces(call["function"]["arguments"], cut)]
        by_call.append([{"tool_calls": [piece]} for piece in (first, *rest)])
    said = _woven(by_call) if weave else [delta for deltas in by_call for delta in deltas]
    deltas = [*said, *texts] if text_last else [*texts, *said]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt"}
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
    return [*chunks, head | {"choices": [end]}, head | {"choices": [], "usage": TOLD}]


def _woven(deltas: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    longest = max(map(len, deltas), default=0)
    return [one[n] for n in range(longest) for one in deltas if n < len(one)]


def pieces(text: str, cut: int) -> list[str]:
    """Return *text* in pieces of *cut* characters."""
    return [text[n : n + cut] for n in range(0, len(text), cut)]


def _calls(said: Any) -> list[tuple[str, str, str]]:
    return [(one.id, one.function.name, one.function.arguments) for one in said.tool_calls or []]


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

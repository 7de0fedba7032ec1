"""Names of tools and formats that a vendor does not take: others go out, and the caller's come back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName, other_names, renamed_body, renamed_frame, renamed_request
from core.servers import RECIPES

OPENAI, ANTHROPIC, GEMINI = (RECIPES[kind].tool_names for kind in ("openai", "anthropic", "gemini"))
EVERYWHERE = re.compile("[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
ODD = "wetter.für Bern/2"
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=140) | st.from_regex(
    r"[a-z]{1,3}[.:_-]?[a-z]{0,2}", fullmatch=True
)


def request_of(dialect: DialectName, named: Sequence[str]) -> dict[str, Any]:
    """Return a request that names each as a tool, the first as the one to be called, and each in what was said."""
    first = named[0]
    match dialect:
        case DialectName.CHAT:
            calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": name}} for name in named]
            return {
                "model": "m",
                "messages": [
                    {"role": "user", "name": first, "content": first},
                    {"role": "assistant", "content": None, "tool_calls": calls},
                    {"role": "tool", "tool_call_id": first, "content": "x"},
                ],
                "tools": [{"type": "function", "function": {"name": name, "description": name}} for name in named],
                "tool_choice": {"type": "function", "function": {"name": first}},
                "response_format": {"type": "json_schema", "json_schema": {"name": first, "schema": {"title": first}}},
            }
        case DialectName.MESSAGES:
            uses = [{"type": "tool_use", "id": name, "name": name, "input": {"name": name}} for name in named]
            results = [{"type": "tool_result", "tool_use_id": name, "content": name} for name in named]
            said = [
                {"role": "user", "content": first},
                {"role": "assistant", "content": uses},
                {"role": "user", "content": results},
            ]
            return {
                "model": "m",
                "max_tokens": 9,
                "messages": said,
                "tools": [{"name": name, "input_schema": {"type": "object", "title": name}} for name in named],
                "tool_choice": {"type": "tool", "name": first},
            }
        case DialectName.RESPONSES:
            calls = [{"type": "function_call", "call_id": name, "name": name, "arguments": name} for name in named]
            return {
                "model": "m",
                "input": [{"role": "user", "content": first}, *calls],
                "tools": [{"type": "function", "name": name, "parameters": {"title": name}} for name in named],
                "tool_choice": {"type": "function", "name": first},
                "text": {"format": {"type": "json_schema", "name": first, "schema": {"title": first}}},
            }


def answers_of(dialect: DialectName, named: Sequence[str]) -> list[dict[str, Any]]:
    """Return a whole answer that calls each, and the events that do."""
    match dialect:
        case DialectName.CHAT:
            calls = [{"id": "c", "type": "function", "function": {"name": name, "arguments": "a.b"}} for name in named]
            return [{"choices": [{"index": 0, said: {"tool_calls": calls}}]} for said in ("message", "delta")]
        case DialectName.MESSAGES:
            uses = [{"type": "tool_use", "id": "a.b", "name": name, "input": {"name": "a.b"}} for name in named]
            return [{"content": uses}, *({"type": "content_block_start", "content_block": use} for use in uses)]
        case DialectName.RESPONSES:
            calls = [{"type": "function_call", "name": name, "arguments": "a.b"} for name in named]
            whole = {"output": calls, "tools": [{"type": "function", "name": name} for name in named]}
            done = [{"type": "response.output_item.done", "item": call} for call in calls]
            return [whole, {"type": "response.completed", "response": whole}, *done]


@pytest.mark.parametrize("dialect", DialectName)
@given(named=st.lists(names, min_size=1, max_size=6, unique=True), taken=st.sampled_from([OPENAI, ANTHROPIC, GEMINI]))
def test_every_name_fits_there_and_is_the_callers_again(dialect: DialectName, named: list[str], taken: str) -> None:
    """No two become one, what fits stays, and nothing but names is touched: not what a text or a schema says."""
    made = other_names(DIALECTS[dialect].read(json.dumps(request_of(dialect, named)).encode()), taken)
    assert made.keys() == {name for name in named if not re.fullmatch(taken, name)}
    given_names = [*named, *made.values()]  # as of a caller whose own names are those that were made
    asked = DIALECTS[dialect].read(json.dumps(request_of(dialect, given_names)).encode())
    made = other_names(asked, taken)
    there = [made.get(name, name) for name in given_names]
    assert all(re.fullmatch(taken, name) for name in there)
    assert all(EVERYWHERE.fullmatch(name) for name in made.values())
    assert len(set(there)) == len(given_names)
    sent = renamed_request(asked, asked.messages, made)
    back = {new: old for old, new in made.items()}
    assert _named_in(sent.source.values) == there
    assert _with(sent.source.values, back) == asked.source.values
    for answer, told in zip(answers_of(dialect, there), answers_of(dialect, given_names), strict=True):
        assert json.loads(renamed_body(dialect, json.dumps(answer).encode(), back)) == told
        [frame] = DIALECTS[dialect].frames().feed(b"event: x\ndata: " + json.dumps(answer).encode() + b"\n\n")
        renamed = renamed_frame(dialect, frame, back)
        assert renamed.event == told
        [again] = DIALECTS[dialect].frames().feed(renamed.raw)
        assert (again.event, again.raw[:9]) == (told, b"event: x\n")


def _named_in(request: dict[str, Any]) -> list[str]:
    """Return the names of the tools of a request."""
    return [tool.get("function", tool)["name"] for tool in request["tools"]]


def _with(value: Any, back: dict[str, str]) -> Any:
    """Return *value* with the caller's names, wherever the new ones stand as a whole text."""
    if isinstance(value, dict):
        return {name: _with(inner, back) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with(inner, back) for inner in value]
    return back.get(value, value) if isinstance(value, str) else value


def test_a_name_becomes_the_same_whatever_stands_beside_it() -> None:
    """What a vendor caches of a beginning is found again when a tool is added behind it."""
    alone, beside = (
        other_names(DIALECTS[DialectName.CHAT].read(json.dumps(request_of(DialectName.CHAT, named)).encode()), OPENAI)
        for named in ([ODD], ["a b", ODD, "plain"])
    )
    assert alone[ODD] == beside[ODD]


def test_two_names_that_read_alike_stay_two() -> None:
    """Signs that no vendor takes all become the same one."""
    named = request_of(DialectName.CHAT, ["a.b", "a b", "a/b", "a_b"])
    made = other_names(DIALECTS[DialectName.CHAT].read(json.dumps(named).encode()), OPENAI)
    assert len({*made.values(), "a_b"}) == 4


@pytest.mark.parametrize("number", ["1e400", "-0", "0.10", "1E5", "9" * 40, "9" * 5000, "1e-400"])
def test_numbers_beside_a_name_stay_as_they_are(number: str) -> None:
    """What is written anew for a name says the same number, of whatever size."""
    body = f'{{"content": [{{"type": "tool_use", "name": "x", "input": {{"n": {number}, "s": "\\u00e9"}}}}]}}'.encode()
    told = renamed_body(DialectName.MESSAGES, body, {"x": ODD})
    value = json.loads(told, parse_float=Decimal, parse_int=Decimal)["content"][0]
    assert value == {"type": "tool_use", "name": ODD, "input": {"n": Decimal(number), "s": "é"}}


def test_an_event_with_half_of_a_character_is_renamed_too() -> None:
    """Such an event is passed on as it came but for that, which no text in UTF-8 can hold."""
    event = rb'{"type":"content_block_start","content_block":{"type":"tool_use","name":"x","id":"\ud800"}}'
    [frame] = DIALECTS[DialectName.MESSAGES].frames().feed(b"event: a\r\ndata: " + event + b"\r\n\r\n")
    told = renamed_frame(DialectName.MESSAGES, frame, {"x": ODD})
    assert told.event is not None
    assert told.event["content_block"] == {"type": "tool_use", "name": ODD, "id": "\ufffd"}

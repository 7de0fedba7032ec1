"""Requests in the other dialect: translated whole, or refused by the name of what would be lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.translation import Untranslatable, chat_request, messages_request

ASKED = [{"role": "user", "content": "Where?"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}


def chat(**fields: Any) -> dict[str, Any]:
    """Return a chat completion's request."""
    return {"model": "m", "messages": ASKED} | fields


def asked(**fields: Any) -> dict[str, Any]:
    """Return a request for messages."""
    return {"model": "m", "max_tokens": 10, "messages": ASKED} | fields


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"temperature": 1.7}, "temperature"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"functions": [{"name": "old"}]}, "functions"),
        ({"stop": ["a", " "]}, "stop"),
        ({"some_new_field": 1}, "some_new_field"),
        ({"response_format": {"type": "json_object"}}, "without a schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}}},
            "root",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "custom"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "beside tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "{"}]}, "ends with an assistant's"),
        ({"messages": [{"role": "user", "content": ""}]}, r"messages\[0\] is empty"),
        ({"messages": [*ASKED, {"role": "system", "content": "B"}, *ASKED]}, r"messages\[1\] is of the role system"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "input_audio"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "file"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "function"),
        ({"messages": ["x"]}, "list of objects"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL | {"function": {"arguments": "[1"}}]}]},
            "no JSON object",
        ),
    ],
)
def test_what_messages_cannot_say_is_refused_by_name(fields: dict[str, Any], lost: str) -> None:
    """Nothing that changes what an answer is, or how many there are, is dropped in silence."""
    with pytest.raises(Untranslatable, match=lost):
        messages_request(chat(**fields), max_tokens=10)


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"stop_sequences": list("abcde")}, "stop_sequences"),
        ({"container": "c"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"mcp_servers": [{"url": "u"}]}, "mcp_servers"),
        ({"tools": [{"type": "web_search_20260209", "name": "web_search"}]}, "web_search"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "{"}]}, "ends with an assistant's"),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "url"}}]}]}, "document"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]}, "image"),
        ({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}, "server_tool_use"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool"),
    ],
)
def test_what_a_completion_cannot_say_is_refused_by_name(fields: dict[str, Any], lost: str) -> None:
    """As the other way round: a tool of the vendor's, a file that it keeps, where it is to be worked out."""
    with pytest.raises(Untranslatable, match=lost):
        chat_request(asked(**fields))


def test_what_only_tunes_is_left_out_with_a_notice() -> None:
    """Neither vendor fails for what it does not know, and whoever asked is told of each once."""
    tuned = chat(seed=7, presence_penalty=0.5, service_tier="flex", user="u", reasoning_effort="low")
    made = messages_request(tuned, max_tokens=10)
    assert made.notices == ("presence_penalty", "reasoning_effort", "seed", "service_tier", "user")
    assert set(made.body) == {"model", "max_tokens", "messages"}
    back = chat_request(asked(top_k=5, thinking={"type": "adaptive"}, output_config={"effort": "low"}))
    assert back.notices == ("output_config.effort", "thinking", "top_k")
    assert set(back.body) == {"model", "max_completion_tokens", "messages"}


def test_what_says_nothing_is_no_loss() -> None:
    """Clients send nulls, empty lists and the values that hold anyway."""
    neutral = {"n": 1, "logprobs": False, "logit_bias": {}, "presence_penalty": 0, "stop": None, "tools": []}
    made = messages_request(chat(**neutral, modalities=["text"], response_format={"type": "text"}), max_tokens=10)
    assert (made.notices, made.format_tool) == ((), None)


def test_a_conversation_with_tools_becomes_messages() -> None:
    """System words go to their field, results of tools come first in one turn, and nothing empty is sent."""
    said = [
        {"role": "developer", "content": "A"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://i"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL, CALL | {"id": "c2"}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "tool", "tool_call_id": "c2", "content": "rain"},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": " \n"},
    ]
    made = messages_request(
        chat(messages=said, tools=[TOOL], tool_choice="required", parallel_tool_calls=False), max_tokens=10
    )
    use = {"type": "tool_use", "name": "weather", "input": {}}
    assert made.body["system"] == [{"type": "text", "text": "A"}]
    assert made.body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert made.body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "source": {"type": "url", "url": "https://i"}},
            ],
        },
        {"role": "assistant", "content": [use | {"id": "c1"}, use | {"id": "c2"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "rain"},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]


def test_a_response_format_is_a_tool_that_must_be_called() -> None:
    """It is named as the format is, if a tool can be named so; its call is the answer's content."""
    for name, tool in (("City", "City"), ("a city", "answer")):
        made = messages_request(
            chat(response_format={"type": "json_schema", "json_schema": {"name": name, "schema": CITY}}), max_tokens=10
        )
        assert made.format_tool == tool
        assert made.body["tool_choice"] == {"type": "tool", "name": tool, "disable_parallel_tool_use": True}
        assert [one["input_schema"] for one in made.body["tools"]] == [CITY]


def test_the_callers_limit_and_stops_hold() -> None:
    """Anthropic wants a limit: the caller's, by either name, else the one that is given."""
    assert messages_request(chat(), max_tokens=7).body["max_tokens"] == 7
    assert messages_request(chat(max_tokens=5), max_tokens=7).body["max_tokens"] == 5
    assert messages_request(chat(max_completion_tokens=6), max_tokens=7).body["max_tokens"] == 6
    assert messages_request(chat(stop="a"), max_tokens=7).body["stop_sequences"] == ["a"]
    assert messages_request(chat(stop=list("abcde")), max_tokens=7).body["stop_sequences"] == list("abcde")
    assert chat_request(asked(stop_sequences=["a"]), limit="max_tokens").body["max_tokens"] == 10


def test_what_was_thought_goes_to_nobody_else() -> None:
    """Thoughts and their signatures are one vendor's: the other gets neither, and the caller is told."""
    thought = {"type": "thinking", "thinking": "secret", "signature": "s"}
    said = [*ASKED, {"role": "assistant", "content": [thought, {"type": "text", "text": "Hm"}]}, *ASKED]
    made = chat_request(asked(messages=said))
    assert made.notices == ("messages.thinking",)
    assert "secret" not in str(made.body)
    assert made.body["messages"][1] == {"role": "assistant", "content": "Hm"}


def test_whole_numbers_of_any_length_stay_what_they_are() -> None:
    """Arguments are a text in one dialect and an object in the other; a long id must survive both ways."""
    call = CALL | {"function": {"name": "f", "arguments": '{"id": 123456789012345678901234567890}'}}
    said = [*ASKED, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "x"}]
    there = messages_request(chat(messages=said), max_tokens=10).body
    back = chat_request(there).body
    assert back["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"id":123456789012345678901234567890}'


_WORDS = st.text(min_size=1, max_size=8).filter(str.strip)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS, lambda of: st.lists(of, max_size=2), max_leaves=4
)
_CALLS = st.lists(st.tuples(_WORDS, st.dictionaries(_WORDS, _VALUES, max_size=2)), max_size=2)


@given(
    system=st.none() | _WORDS,
    turns=st.lists(st.tuples(_WORDS, st.none() | _WORDS, _CALLS, st.booleans()), min_size=1, max_size=3),
    last=_WORDS,
)
def test_there_and_back_says_the_same(system: str | None, turns: list[Any], last: str) -> None:
    """What both dialects can say comes back as it was: who says what in which order, each call and its result."""
    said: list[dict[str, Any]] = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
    for place, (text, answer, calls, has_more) in enumerate(turns):
        said.append({"role": "user", "content": [{"type": "text", "text": text}]})
        made = messages_request({"model": "m", "messages": said}, max_tokens=10)
        assistant: dict[str, Any] = {"role": "assistant", "content": answer}
        if calls:
            assistant["tool_calls"] = [
                {"id": f"{place}-{n}", "type": "function", "function": {"name": name, "arguments": _dumped(given)}}
                for n, (name, given) in enumerate(calls)
            ]
        if answer or calls:
            said.append(assistant)
            said += [{"role": "tool", "tool_call_id": f"{place}-{n}", "content": "ok"} for n in range(len(calls))]
        if has_more or not (answer or calls):
            break
    if said[-1]["role"] != "user":
        said.append({"role": "user", "content": [{"type": "text", "text": last}]})
    made = messages_request({"model": "m", "messages": said}, max_tokens=10)
    assert chat_request(made.body).body["messages"] == said


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

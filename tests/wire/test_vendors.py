"""The fake reads requests as the vendors do: which scenario, which schema, which mistakes they turn away."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import instructor
import openai
import pytest
from pydantic import BaseModel

from tests.wire.clients import WAYS, Sdks, is_whole
from tests.wire.server import WireServer


@pytest.mark.parametrize(
    ("model", "mark", "scenario"),
    [
        ("gpt-4o-mini", "", "ok"),
        ("refused", "", "refused"),
        ("gpt-4o-mini:refused", "", "refused"),
        ("ok:abc", "", "ok"),
        ("refused:abc", "", "refused"),
        ("llama3:8b", "", "ok"),
        ("gpt-4o-mini:refused", "[[truncated]]", "truncated"),
        ("gpt-4o-mini", "[[refused@openai]]", "refused"),
        ("gpt-4o-mini", "[[refused@anthropic]]", "ok"),
        ("gpt-4o-mini", "[[failed@gpt-4o]] [[refused@gpt-4o-mini]]", "refused"),
        ("gpt-4o-mini", "[[slow-0.01s+refused]]", "slow-0.01s+refused"),
    ],
)
def test_choice(*, model: str, mark: str, scenario: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """The scenario is chosen by a mark in the prompt, else by a part of the model's name, else it is ok."""
    sdks.ask("chat", prompt + mark, model=model)
    assert (server.ledger.calls()[-1].scenario, server.ledger.calls()[-1].model) == (scenario, model)


def test_unknown_scenario(sdks: Sdks, prompt: str) -> None:
    """A mark that names no scenario is turned away: a typing error must not pass as ok."""
    with pytest.raises(openai.BadRequestError, match="trottled"):
        sdks.ask("chat", f"{prompt} [[trottled]]")


def test_sequence(sdks: Sdks, prompt: str) -> None:
    """Scenarios joined by a plus follow one another, and the last one stays."""
    sequence = f"{prompt} [[failed+truncated+ok]]"
    with pytest.raises(anthropic.InternalServerError):
        sdks.ask("messages", sequence)
    assert [sdks.ask("messages", sequence).finish for _ in range(3)] == ["max_tokens", "tool_use", "tool_use"]


@pytest.mark.parametrize("way", WAYS)
def test_given_objects(way: str, sdks: Sdks, prompt: str) -> None:
    """A prompt may say what the model answers, call by call."""
    asked = f'{prompt} <<{{"name": "open"}} <<{{"name": null}}>> and then <<{{"name": "Zoë", "nested": {{"a": [1]}}}}>>'
    objects = [json.loads(sdks.ask(way, asked).text) for _ in range(3)]
    assert objects == [{"name": None}, *[{"name": "Zoë", "nested": {"a": [1]}}] * 2]


def test_conversations_apart(sdks: Sdks, prompt: str) -> None:
    """Conversations with other prompts, models or paths count for themselves."""
    asks = [("chat", "a", "m1"), ("chat", "b", "m1"), ("chat", "a", "m2"), ("messages", "a", "m1")]
    for valid in (False, True):
        for way, text, model in asks:
            seen = sdks.ask(way, f"{prompt} {text} [[invalid-once]]", model=model)
            assert is_whole(seen) is valid


USER: dict[str, Any] = {"role": "user", "content": "Make a person."}
CALLED: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "a", "input": {}}
OPEN: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "Two words", "parameters": {}}}
MISTAKES: dict[str, tuple[str, dict[str, Any]]] = {
    "no messages": ("chat/completions", {"messages": []}),
    "usage of no stream": ("chat/completions", {"messages": [USER], "stream_options": {"include_usage": True}}),
    "JSON unsaid": ("chat/completions", {"messages": [USER], "response_format": {"type": "json_object"}}),
    "a tool's name with a space": ("chat/completions", {"messages": [USER], "tools": [FUNCTION]}),
    "an unknown choice": (
        "chat/completions",
        {"messages": [USER], "tool_choice": {"type": "function", "function": {"name": "b"}}},
    ),
    "a strict schema with an optional property": (
        "chat/completions",
        {
            "messages": [USER],
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": OPEN}},
        },
    ),
    "a call without its result": (
        "chat/completions",
        {"messages": [USER, {"role": "assistant", "tool_calls": [{"id": "c1"}]}, USER]},
    ),
    "messages to Responses": ("responses", {"messages": [USER]}),
    "a strict format that is open": (
        "responses",
        {"input": "a", "text": {"format": {"type": "json_schema", "name": "a", "strict": True, "schema": OPEN}}},
    ),
    "no limit": ("messages", {"messages": [USER]}),
    "a system message": ("messages", {"max_tokens": 9, "messages": [{"role": "system", "content": "a"}, USER]}),
    "another tool's name": (
        "messages",
        {"max_tokens": 9, "messages": [USER], "tools": [{"name": "a"}], "tool_choice": {"type": "tool", "name": "b"}},
    ),
    "a use without its result": (
        "messages",
        {"max_tokens": 9, "messages": [USER, {"role": "assistant", "content": [CALLED]}, USER]},
    ),
    "an open format": (
        "messages",
        {
            "max_tokens": 9,
            "messages": [USER],
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        },
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str, server: WireServer) -> None:
    """What the real APIs turn away, the fake turns away: it must not hide a defect of ours."""
    path, body = MISTAKES[mistake]
    headers = {"authorization": "Bearer k"}
    reply = httpx2.post(f"{server.url}/v1/{path}", json={"model": "m", **body}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    good: dict[str, Any] = {"input": "a"} if path == "responses" else {"messages": [USER], "max_tokens": 9}
    assert httpx2.post(f"{server.url}/v1/{path}", json={"model": "m", **good}, headers=headers).status_code == 200


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    nickname: str | None = None


MODES = {
    "chat": [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.JSON, instructor.Mode.MD_JSON],
    "responses": [instructor.Mode.RESPONSES_TOOLS],
    "messages": [instructor.Mode.TOOLS, instructor.Mode.JSON],
}


@pytest.mark.parametrize(("path", "mode"), [(path, mode) for path, modes in MODES.items() for mode in modes])
@pytest.mark.parametrize("scenario", ["invalid-twice", "broken-json-once"])
def test_instructor(
    *, path: str, mode: instructor.Mode, scenario: str, server: WireServer, sdks: Sdks, prompt: str
) -> None:
    """Instructor finds its object in every mode, and its re-asks satisfy the vendors' rules."""
    is_anthropic = path == "messages"
    client: Any = (
        instructor.from_anthropic(sdks.anthropic, mode=mode)
        if is_anthropic
        else instructor.from_openai(sdks.openai, mode=mode)
    )
    person = client.create(
        response_model=Person,
        model="m",
        messages=[{"role": "user", "content": f"{prompt} [[{scenario}]]"}],
        max_retries=3,
        max_tokens=300,
    )
    calls = 3 if scenario == "invalid-twice" else 2
    assert (person.name, person.nickname) == ("some name", "some nickname")
    assert [call.status for call in server.ledger.calls()[-calls:]] == [200] * calls
    assert [call.turn for call in server.ledger.calls()[-calls:]] == list(range(calls))


SUM: dict[str, Any] = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}},
    "required": ["sum"],
    "additionalProperties": False,
}


def test_output_format(sdks: Sdks, prompt: str) -> None:
    """The schema is also taken from Anthropic's output format."""
    message = sdks.anthropic.messages.create(
        model="m",
        max_tokens=99,
        messages=[{"role": "user", "content": prompt}],
        output_config={"format": {"type": "json_schema", "schema": SUM}},
    )
    assert [block.text for block in message.content if block.type == "text"] == ['{"sum":1}']
    assert message.stop_reason == "end_turn"


def test_text_format(sdks: Sdks, prompt: str) -> None:
    """The schema is also taken from the text format of Responses, whose events for text are the SDK's own."""
    wanted: Any = {"format": {"type": "json_schema", "name": "Sum", "strict": True, "schema": SUM}}
    assert sdks.openai.responses.create(model="m", input=prompt, text=wanted).output_text == '{"sum":1}'
    with sdks.openai.responses.create(model="m", input=prompt, text=wanted, stream=True) as events:
        parts = list(events)
    assert "".join(part.delta for part in parts if part.type == "response.output_text.delta") == '{"sum":1}'
    for part in parts:
        assert type(part).model_validate_json(part.model_dump_json(exclude_unset=True)) == part


def test_plain_text(sdks: Sdks, prompt: str) -> None:
    """Who asks for no object gets a sentence, and may choose a tool freely."""
    messages: Any = [{"role": "user", "content": prompt}]
    free: Any = [{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "properties": {}}}}]
    plain = sdks.openai.chat.completions.create(model="m", messages=messages).choices[0]
    chosen = sdks.openai.chat.completions.create(model="m", messages=messages, tools=free).choices[0]
    assert (plain.message.content, plain.finish_reason) == ("This is some answer.", "stop")
    assert chosen.finish_reason == "tool_calls"

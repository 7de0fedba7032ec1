"""Servers that do not take what we add, ask not to be asked again, or are only written differently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from core.providers import load
from core.servers import named_servers
from core.settings import Settings
from tests.core.api.conftest import CITY, House, api_settings, built
from tests.wire.scripted import Scripted, ScriptedServer, events
from tests.wire.server import WireServer

HELLO = [{"role": "user", "content": "Hello"}]
TEXT = '{"name": "Bern", "people": 1}'


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """Return one chunk of a chat stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


STREAM = Scripted.streamed(events(chunk({"role": "assistant", "content": TEXT}), chunk({}, "stop")))
WHOLE = Scripted.whole({"object": "chat.completion", "choices": [{"index": 0, "message": {"content": TEXT}}]})
UNKNOWN = Scripted.whole({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, 400)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server that speaks OpenAI's dialect."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def house(sqlite_url: str, server: ScriptedServer) -> Iterator[House]:
    """A Proctor that asks it."""
    server.answers = None
    with WireServer() as wire:
        there = {"MISTRAL_API_KEY": "k", "MISTRAL_BASE_URL": server.openai_url}
        named: dict[str, Any] = {"providers": named_servers("mistral", there.get)}
        more = named | {"openai_base_url": server.openai_url, "deadline_seconds": 60.0, "attempt_timeout_seconds": 30.0}
        with built(api_settings(sqlite_url, wire).model_copy(update=more), wire) as house:
            yield house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    """The API, called as the tenant."""
    with TestClient(house.app, headers=house.headers) as client:
        client.get("/v1/openapi.json")
        yield client


def test_who_takes_no_stream_options_is_asked_without_from_then_on(client: TestClient, server: ScriptedServer) -> None:
    """No caller sees the refusal of what we added; usage is estimated; of each model it is found out once."""
    server.plays()
    server.answers = lambda asked: UNKNOWN if "stream_options" in asked else STREAM
    relayed = {"model": "openai/mine", "messages": HELLO, "stream": True}
    for _ in range(2):
        answer = client.post("/v1/chat/completions", json=relayed)
        assert (answer.status_code, answer.text.encode()) == (200, STREAM.body)
    assert ["stream_options" in asked for asked in server.asked] == [True, False, False]
    told = client.get(f"/v1/generations/{answer.headers['x-proctor-generation-id']}").json()
    assert told["usage"]["output_tokens"] > 0
    assert told["attempts"][0]["estimated"]

    framed = {"schema": CITY, "input": "Bern", "model": "openai/other"}
    for _ in range(2):
        answer = client.post("/v1/generate", json=framed | {"stream": True})
        assert (answer.status_code, "Bern" in answer.text) == (200, True), answer.text
    assert ["stream_options" in asked for asked in server.asked[3:]] == [True, False, False]

    own = client.post("/v1/chat/completions", json=relayed | {"stream_options": {"include_usage": True}})
    assert own.status_code == 400
    assert "stream_options" in own.text


def test_a_stream_without_a_type_is_one_where_one_was_asked_for(client: TestClient, server: ScriptedServer) -> None:
    """As the SDKs take it; where none was asked for it is a whole answer."""
    server.plays(replace(STREAM, media=""))
    asked = {"model": "openai/mine", "messages": HELLO}
    answer = client.post("/v1/chat/completions", json=asked | {"stream": True})
    assert (answer.status_code, answer.text.encode()) == (200, STREAM.body)
    framed = {"schema": CITY, "input": "Bern", "model": "openai/mine", "stream": True}
    assert "Bern" in client.post("/v1/generate", json=framed).text
    server.plays(replace(WHOLE, media=""))
    assert client.post("/v1/chat/completions", json=asked).json() == json.loads(WHOLE.body)


def test_mistral_is_sent_ids_of_calls_that_it_takes(client: TestClient, server: ScriptedServer) -> None:
    """Nine letters and digits, the same in a call and its result and from request to request; its own stay."""
    server.answers = None
    told = {"role": "assistant", "content": None, "tool_calls": [{"id": "aB3dE6gH9", "type": "function"}]}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"} | {
        "choices": [{"index": 0, "message": told, "finish_reason": "tool_calls"}]
    }
    server.plays(Scripted.whole(answer))

    def call(name: str) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}

    calls = {
        "role": "assistant",
        "content": "",
        "tool_calls": [call("call_PTLP8xhu3uwZk4l3nlnrrJha"), call("aB3dE6gH9")],
    }
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "1"} for one in calls["tool_calls"]]
    body = {"model": "mistral/mistral-large-latest", "messages": [*HELLO, calls, *results]}
    for _ in range(2):
        passed = client.post("/v1/chat/completions", json=body)
        assert passed.json() == answer, passed.text
    for asked in server.asked:
        _, said, first, second = asked["messages"]
        ids = [one["id"] for one in said["tool_calls"]]
        assert ids == [first["tool_call_id"], second["tool_call_id"]]
        assert re.fullmatch("[a-zA-Z0-9]{9}", ids[0])
        assert ids[1] == "aB3dE6gH9"
    assert server.asked[0] == server.asked[1]


@pytest.mark.parametrize("stream", [False, True])
def test_who_tells_no_usage_is_charged_an_estimate_of_every_choice(
    client: TestClient, server: ScriptedServer, *, stream: bool
) -> None:
    """Of all texts and arguments that came, and of all that was sent; it is marked, and no usage is invented."""
    said = {"role": "assistant", "content": "word " * 60}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": "word " * 60})}}
    called = {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call}]}
    choices = [{"index": n, "finish_reason": "stop"} for n in range(2)]
    server.answers = None
    if stream:
        pieces = [
            {**chunk({}), "choices": [{**one, "delta": d}]} for one, d in zip(choices, (said, called), strict=True)
        ]
        server.plays(Scripted.streamed(events(*pieces)))
    else:
        both = [{**one, "message": message} for one, message in zip(choices, (said, called), strict=True)]
        server.plays(
            Scripted.whole({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": both})
        )
    body = {"model": "openai/mine", "messages": HELLO, "n": 2, "stream": stream}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert "usage" not in answer.text
    [attempt] = client.get(f"/v1/generations/{answer.headers['x-proctor-generation-id']}").json()["attempts"]
    assert attempt["estimated"]
    assert 150 <= attempt["usage"]["output_tokens"] <= 300
    assert attempt["usage"]["input_tokens"] >= len("Hello") // 3


def test_who_asks_not_to_be_asked_again_is_not(client: TestClient, house: House, server: ScriptedServer) -> None:
    """A vendor says so by a header, whatever the status: the next candidate is asked at once."""
    server.plays(Scripted.whole({"error": {"message": "no"}}, 500, x_should_retry="false"), STREAM)
    candidates = [{"model": "openai/first"}, {"model": "openai/second"}]
    house.runtime.routes.set(LOCAL_OPERATOR, "both", candidates, max_retries=3)
    answer = client.post("/v1/generate", json={"schema": CITY, "input": "Bern", "route": "both", "stream": True})
    assert answer.status_code == 200
    assert [asked["model"] for asked in server.asked] == ["first", "second"]


@pytest.mark.parametrize(
    "url", ["https://api.openai.com/v1", "HTTPS://API.OpenAI.com:443/v1/", "https://api.openai.com./v1"]
)
def test_the_usual_address_is_the_usual_one_however_it_is_written(url: str) -> None:
    """OpenAI's own wires, rules, prices and list of models hold there; a name for a second account has it as well."""
    settings = Settings(openai_api_key="k", openai_base_url=url)
    there = {"OPENAI_EU_API_KEY": "k", "OPENAI_EU_BASE_URL": url}
    named = Settings(providers=named_servers("openai-eu", there.get))
    assert settings.openai_base_url is None
    for found, provider in ((settings, "openai"), (named, "openai-eu")):
        assert found.address(provider) == "https://api.openai.com"
        made = load(provider, found)
        assert made.dialects == ("chat", "responses")
        assert str(made._wire.client.base_url) == "https://api.openai.com/v1/"
    assert Settings(anthropic_base_url="https://api.anthropic.com/").anthropic_base_url is None
    assert Settings(openai_base_url="https://api.openai.example/v1").openai_base_url

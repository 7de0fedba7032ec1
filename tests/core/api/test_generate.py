"""``POST /v1/generate``: the contract, as JSON and as events."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.api import bodies
from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import CITY, House, events
from tests.patched import applied

ANSWER = {
    "id", "value", "outcome", "schema", "schema_version", "model", "attempts", "usage", "cost_usd", "cost_nano_usd",
    "estimated", "answered_from", "reask_of", "not_judged", "saved_nano_usd", "media", "trace", "duration_ms",
    "ttft_ms", "queue_ms",
}  # fmt: skip
ATTEMPT = {
    "n", "kind", "provider", "model", "mode", "started_at", "duration_ms", "ttft_ms", "http_status",
    "provider_request_id", "finish_reason", "outcome", "usage", "estimated", "cost_nano_usd", "price", "drill_id",
    "field_errors", "answered_model", "billing",
}  # fmt: skip
TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def generated(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    """Ask, and return the answer: the JSON document or the final event."""
    response = client.post("/v1/generate", json=body)
    assert response.status_code == 200, response.text
    return events(response)[-1][1] if body.get("stream") else response.json()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
def test_valid(model: str, *, stream: bool, client: TestClient, house: House) -> None:
    """A valid object comes with every field of the contract, the provider's own usage, and its price."""
    answer = generated(client, house.ask(model=model, stream=stream))
    assert set(answer) == ANSWER
    assert (answer["outcome"], answer["schema"], answer["schema_version"]) == ("valid_first_try", "city", None)
    assert (answer["model"], answer["estimated"]) == (model, False)
    assert set(answer["value"]) == {"name", "people"}
    [attempt] = answer["attempts"]
    assert set(attempt) == ATTEMPT
    assert (attempt["n"], attempt["kind"], attempt["http_status"]) == (1, "first", 200)
    assert f"{attempt['provider']}/{attempt['model']}" == model
    [call] = house.wire.ledger.calls()
    assert attempt["provider_request_id"] == call.request_id
    assert attempt["usage"] == answer["usage"] == {kind: getattr(call.usage, kind) for kind in TOKENS}
    assert attempt["cost_nano_usd"] == answer["cost_nano_usd"] > 0
    assert answer["cost_usd"] == pytest.approx(answer["cost_nano_usd"] / 1e9)
    assert (attempt["ttft_ms"] is not None) is stream
    assert attempt["price"]["provider"] == model.partition("/")[0]


def test_reasks(client: TestClient, house: House) -> None:
    """Each provider call is an attempt with its own tokens and field errors; usage is their sum."""
    answer = generated(client, house.ask("invalid-twice"))
    assert answer["outcome"] == "valid_after_reask"
    assert [attempt["kind"] for attempt in answer["attempts"]] == ["first", "re-ask", "re-ask"]
    assert [attempt["outcome"] for attempt in answer["attempts"]] == ["invalid", "invalid", "valid_after_reask"]
    errors = answer["attempts"][0]["field_errors"]
    assert sorted((error["path"], len(error)) for error in errors) == [("$.name", 3), ("$.people", 3)]
    assert set(errors[0]) == {"path", "type", "message"}
    assert answer["attempts"][2]["field_errors"] == []
    told = house.wire.ledger.told()
    assert answer["usage"] == {kind: getattr(told, kind) for kind in TOKENS}


def test_nothing_paid_is_null(client: TestClient, house: House) -> None:
    """An attempt that cost nothing has no usage and no cost, rather than zeros."""
    answer = generated(client, house.ask("failed-once"))
    failed, good = answer["attempts"]
    assert (failed["http_status"], failed["usage"], failed["cost_nano_usd"], failed["price"]) == (500, None, None, None)
    assert (good["kind"], answer["cost_nano_usd"]) == ("retry", good["cost_nano_usd"])


def test_unpriced_is_null(client: TestClient, house: House) -> None:
    """A model without a known price costs null, never 0; its tokens are known all the same."""
    answer = generated(client, house.ask(model="openai/brand-new-model"))
    assert (answer["cost_usd"], answer["cost_nano_usd"], answer["attempts"][0]["cost_nano_usd"]) == (None, None, None)
    assert answer["usage"]["input_tokens"] > 0


def test_registered_schema(client: TestClient, house: House) -> None:
    """A registered schema is named with its version."""
    answer = generated(client, house.ask(schema="invoice@production"))
    assert (answer["schema"], answer["schema_version"]) == ("invoice", 1)


def test_messages(client: TestClient, house: House) -> None:
    """A conversation reaches the provider in its order."""
    messages = [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": "What is Bern?"},
        {"role": "assistant", "content": "A city."},
        {"role": "user", "content": "Bern has 134 000 inhabitants."},
    ]
    generated(client, {"schema": CITY, "messages": messages})
    [call] = house.wire.ledger.calls()
    assert call.request is not None
    assert call.request["messages"] == messages


def test_the_answer_is_as_documented(client: TestClient, house: House) -> None:
    """What is answered fits the models that the OpenAPI shows, and leaves out none of their fields."""
    answer = generated(client, house.ask("invalid-once"))
    documented = bodies.Generation.model_validate(answer)
    assert set(documented.model_dump(by_alias=True)) == set(answer)
    for shown, attempt in zip(answer["attempts"], documented.attempts, strict=True):
        assert set(attempt.model_dump()) == set(shown)


def test_stream(client: TestClient, house: House) -> None:
    """A stream shows the object as it grows, names the attempt that writes it, and ends with the whole answer."""
    response = client.post("/v1/generate", json=house.ask("slow-stream", stream=True))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    found = events(response)
    assert {name for name, _ in found[:-1]} == {"partial"}
    partials = [document for _, document in found[:-1]]
    assert len(partials) > 1
    assert all(set(partial) == {"value", "attempt"} and partial["attempt"] == 1 for partial in partials)
    name, answer = found[-1]
    assert (name, set(answer)) == ("final", ANSWER)
    assert partials[-1]["value"].keys() <= answer["value"].keys()


def test_stream_starts_anew(client: TestClient, house: House) -> None:
    """A second attempt is told apart by its number."""
    response = client.post("/v1/generate", json=house.ask("invalid+slow-stream", stream=True))
    numbers = [document["attempt"] for name, document in events(response) if name == "partial"]
    assert numbers == sorted(numbers)
    assert set(numbers) == {1, 2}


def test_stream_of_patches(client: TestClient, house: House) -> None:
    """Patches are told in events of their own; applied in order they give the object, anew with each attempt."""
    response = client.post("/v1/generate", json=house.ask("invalid+slow-stream", stream=True, partials="patch"))
    *told, (name, answer) = events(response)
    assert name == "final"
    document = None
    for name, event in told:
        assert name == "patch"
        assert bodies.Patch.model_validate(event).model_dump() == event
        document = applied(document, event["patch"])
    assert {event["attempt"] for _, event in told} == {1, 2}
    assert document == answer["value"]


def test_partials_of_another_kind(client: TestClient, house: House) -> None:
    """What is neither whole nor a patch is refused with a sentence."""
    response = client.post("/v1/generate", json=house.ask(stream=True, partials="diff"))
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert "'partials'" in response.json()["detail"]


def test_stream_that_fails_in_its_middle(client: TestClient, house: House) -> None:
    """An error after the first event is an event, and holds the same problem that a JSON caller would read."""
    response = client.post("/v1/generate", json=house.ask("cut-stream", stream=True))
    assert response.status_code == 200
    name, problem = events(response)[-1]
    assert name == "error"
    assert (problem["status"], problem["code"], problem["outcome"]) == (502, "exhausted", "provider_error")
    assert problem["generation_id"]
    assert problem["attempts"]


def test_an_envelope_is_read_and_said_so(client: TestClient, house: House) -> None:
    """A schema in a provider's envelope is the schema in it; the trace says where it stood."""
    answer = generated(client, house.ask() | {"schema": {"name": "city", "strict": True, "schema": CITY}})
    assert set(answer["value"]) == {"name", "people"}
    assert answer["schema"] == "city"
    [step] = [step for step in answer["trace"] if step["verdict"] == "schema read"]
    assert step["reason"] == "$.schema is the schema; it came in OpenAI's envelope."
    bare = generated(client, house.ask() | {"schema": CITY})
    assert all(step["verdict"] != "schema read" for step in bare["trace"])


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (
            {"type": "object", "propertys": {"s": {}}},
            "$.propertys is no keyword of JSON Schema; 'properties' was meant",
        ),
        ({"name": "Ann", "age": 3}, "looks like an example, not a schema"),
        ({"components": {"schemas": {"A": {}, "B": {}}}}, "an OpenAPI document with 2 schemas: A, B"),
    ],
    ids=["misspelt", "an example", "several"],
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any], says: str, client: TestClient, house: House) -> None:
    """What was pasted for a schema and is none is turned away, with what was meant; no provider is asked."""
    response = client.post("/v1/generate", json=house.ask() | {"schema": schema})
    assert response.status_code == 422
    assert says in response.json()["detail"]
    assert house.wire.ledger.calls() == []


def test_a_name_said_twice_is_refused(client: TestClient) -> None:
    """Of two entries of one name the last would win without a word: the body says where the second stands."""
    body = b'{"schema": {"type": "object",\n "properties": {"a": {}, "a": {"type": "string"}}}, "input": "x"}'
    response = client.post("/v1/generate", content=body)
    assert response.status_code == 422
    assert "The body says 'a' twice in one object, at line 2, column" in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"schema": "no_such_schema"}, 404, "not_found"),
        ({"route": "no-such-route"}, 404, "not_found"),
        ({"schema": {"type": "banana"}}, 422, "invalid"),
        ({"input": ""}, 422, "invalid"),
        ({"timeout_seconds": 0}, 422, "invalid"),
        ({"timeout_seconds": True}, 422, "invalid"),
        ({"timeout_seconds": "5"}, 422, "invalid"),
    ],
)
def test_refused_before_the_first_event(
    change: dict[str, Any], status: int, code: str, client: TestClient, house: House
) -> None:
    """A stream that is refused before it begins is an ordinary problem with its own status."""
    response = client.post("/v1/generate", json=house.ask(stream=True) | change)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


def test_failed_before_the_first_event(client: TestClient, house: House) -> None:
    """A stream whose provider never answers is an ordinary problem too."""
    response = client.post("/v1/generate", json=house.ask("unauthorized", stream=True))
    assert (response.status_code, response.json()["code"]) == (502, "exhausted")


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_s_own_time(*, stream: bool, client: TestClient, house: House) -> None:
    """A request that may take half a second is answered with a timeout after half a second."""
    began = time.monotonic()
    response = client.post("/v1/generate", json=house.ask("hang", stream=stream, timeout_seconds=0.5))
    assert 0.5 <= time.monotonic() - began < 10
    assert response.json()["outcome"] == "timeout"
    assert response.json()["trace"][-2]["reason"] == "The deadline of 0.5 s has passed."


def test_user_and_metadata(client: TestClient, house: House) -> None:
    """Metadata is kept as it is, the user's id as a hash."""
    answer = generated(client, house.ask(user="jo@example.com", metadata={"order": 7}))
    call = house.runtime.reports.call(LOCAL_OPERATOR, answer["id"])
    assert call.caller_metadata == {"order": 7}
    assert call.user_hash
    assert "jo@" not in call.user_hash

"""Secrets that can be recognised, in every place of a request and of an answer, at every door: looked for everywhere.

What a caller writes is looked for in what reaches the vendor; what a model writes in what reaches anybody, and stays.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.servers import named_servers
from core.settings import Settings
from tests.core.api.conftest import CITY, House, api_settings
from tests.wire.server import WireServer
from tests.wire.vendors import LEAKS

SECRET = "ghp_zZ9yY8xX7wW6vV5uU4tT3sS2rR1qQ0pP9oO8"
LEAK = LEAKS["%token%"]
HELD = f"my token is {SECRET}."
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": HELD,
    "properties": {"name": {"type": "string", "description": HELD, "examples": [HELD], "default": HELD}},
}
ARGUMENTS = {"note": HELD, SECRET: 1, "inner": ["\n" + HELD]}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
MODELS = {"chat": "gpt-4o-mini", "responses": "openai-responses/gpt-4o-mini", "messages": "claude-haiku-4-5"}
WORDS = b64encode(HELD.encode()).decode()


def _chat() -> dict[str, Any]:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps(ARGUMENTS, separators=(",", ":"))},
    }
    file = {"filename": f"{SECRET}.txt", "file_data": f"data:text/plain;base64,{WORDS}"}
    return {
        "messages": [
            {"role": "system", "content": HELD},
            {"role": "developer", "content": HELD},
            {"role": "user", "content": HELD, "name": f"n-{SECRET}"},
            {"role": "assistant", "content": HELD, "refusal": HELD, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": HELD}]},
            {"role": "user", "content": [{"type": "text", "text": f"{HELD} [[ok]]"}, {"type": "file", "file": file}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": HELD, "parameters": SCHEMA}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA, "description": HELD}},
        "prediction": {"type": "content", "content": HELD},
        "metadata": {"note": HELD, f"key {SECRET}": "1"},
        "user": HELD,
        "safety_identifier": HELD,
        "stop": [HELD],
        "new_member": [{"new": HELD}],
    }


def _responses() -> dict[str, Any]:
    return {
        "instructions": HELD,
        "input": [
            {"role": "user", "content": HELD},
            {
                "type": "function_call",
                "call_id": "c",
                "name": "f",
                "arguments": json.dumps(ARGUMENTS, separators=(",", ":")),
            },
            {"type": "function_call_output", "call_id": "c", "output": HELD},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": HELD},
            {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": HELD}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": HELD}]},
            {"role": "user", "content": [{"type": "input_text", "text": f"{HELD} [[ok]]"}]},
        ],
        "tools": [{"type": "function", "name": "f", "description": HELD, "parameters": SCHEMA}],
        "text": {"format": {"type": "json_schema", "name": "r", "schema": SCHEMA, "description": HELD}},
        "metadata": {"note": HELD},
        "user": HELD,
        "store": False,
    }


def _messages() -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": HELD}
    return {
        "max_tokens": 100,
        "system": [{"type": "text", "text": HELD}],
        "messages": [
            {"role": "user", "content": HELD},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": ARGUMENTS}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": HELD}]},
            {"role": "assistant", "content": "Go on."},
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": source, "title": HELD, "context": HELD},
                    {"type": "text", "text": f"{HELD} [[ok]]"},
                ],
            },
        ],
        "tools": [{"name": "f", "description": HELD, "input_schema": SCHEMA}],
        "metadata": {"user_id": HELD},
        "stop_sequences": [HELD],
    }


REQUESTS: Mapping[str, Callable[[], dict[str, Any]]] = {"chat": _chat, "responses": _responses, "messages": _messages}


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """A second server speaks OpenAI's responses; the log tells all that it can."""
    there = {"OPENAI_RESPONSES_BASE_URL": f"{wire.openai_url}", "OPENAI_RESPONSES_API_KEY": "sk-r"}
    there["OPENAI_RESPONSES_DIALECT"] = "responses"
    servers = named_servers("openai-responses", there.get)
    return api_settings(sqlite_url, wire).model_copy(update={"providers": servers, "log_level": "DEBUG"})


def _kept(house: House) -> bytes:
    """Return all that the database's files hold, what is free in them included."""
    path = Path(house.runtime.settings.database_url.removeprefix("sqlite:///"))
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("door", PATHS)
def test_no_place_of_a_request_reaches_a_vendor(
    client: TestClient, house: House, logged: Callable[[], str], door: str, *, stream: bool
) -> None:
    """A secret in any place goes out as a mark, and stays nowhere: neither in the record nor in the log."""
    body = {"model": MODELS[door], **REQUESTS[door](), "stream": stream}
    assert body != json.loads(json.dumps(body).replace(SECRET, ""))

    answer = client.post(PATHS[door], content=json.dumps(body).encode())

    [call] = house.wire.ledger.calls()
    sent = json.dumps(call.request)
    assert SECRET not in sent
    assert WORDS not in sent
    told = json.dumps(body).replace(SECRET, "[redacted: a GitHub token]")
    told = told.replace(WORDS, b64encode(HELD.replace(SECRET, "[redacted: a GitHub token]").encode()).decode())
    expected = json.loads(told) | {"model": call.request["model"]}
    assert {name: call.request[name] for name in body if name != "stream_options"} == expected
    for where in (answer.text, logged(), client.get("/metrics").text, _kept(house).decode("latin-1")):
        assert SECRET not in where


def test_no_place_of_our_own_requests_reaches_a_vendor(
    client: TestClient, house: House, logged: Callable[[], str]
) -> None:
    """Nor does one in what is sent to ``/v1/generate``: its schema, its messages and what is kept beside them."""
    body = {
        "schema": {**SCHEMA, "title": "city"},
        "messages": [{"role": "system", "content": HELD}, {"role": "user", "content": f"{HELD} [[ok]]"}],
        "metadata": {"note": HELD, f"key {SECRET}": [HELD]},
        "user": HELD,
    }
    answer = client.post("/v1/generate", json=body, headers={"X-Request-Id": SECRET, "Idempotency-Key": SECRET})
    assert answer.status_code == 200
    assert SECRET not in json.dumps(house.wire.ledger.calls()[-1].request)
    told = client.get(f"/v1/generations/{answer.json()['id']}").json()
    assert "key [redacted: a GitHub token]" in _kept(house).decode("latin-1"), "notes are kept, and their names"
    for where in (answer.text, str(answer.headers), logged(), json.dumps(told), _kept(house).decode("latin-1")):
        assert SECRET not in where


VALID = '<<{"name": "see %token%.", "people": 3}>>'
NAMED = '<<{"name": "a", "people": 3, "%token%": 1}>>'
INVALID = '<<{"name": "see %token%.", "people": "many", "%token%": 1}>>'
SCENARIOS = {
    "valid": VALID,
    "named": NAMED,
    "asked again": f"{INVALID} <<{{}}>> {VALID}",
    "never valid": INVALID,
    "turned away": "[[bad-request]] %token%",
    "cut": f"[[truncated]] {VALID}",
    "broken": f"[[broken-json]] {VALID}",
    "cut stream": f"[[cut-stream]] {VALID}",
    "error in stream": f"[[error-in-stream]] {VALID}",
}


def _asked(door: str, said: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    text = {"role": "user", "content": f"Bern. {said}"}
    if door == "native":
        return "/v1/generate", {"schema": CITY, "messages": [text], "stream": stream}
    body: dict[str, Any] = {"model": MODELS[door], "stream": stream}
    if door == "chat":
        body |= {"messages": [text], "response_format": {"type": "json_schema", "json_schema": {"name": "c"}}}
        body["response_format"]["json_schema"]["schema"] = CITY
    elif door == "responses":
        body |= {"input": [text], "text": {"format": {"type": "json_schema", "name": "c", "schema": CITY}}}
    else:
        body |= {"messages": [text], "max_tokens": 200, "tools": [{"name": "c", "input_schema": CITY}]}
        body["tool_choice"] = {"type": "tool", "name": "c"}
    return PATHS[door], body


def _flights() -> Iterator[tuple[str, str, bool, bool]]:
    for door in ("native", *PATHS):
        for scenario in SCENARIOS:
            for stream in (False, True):
                yield door, scenario, stream, False
        yield door, "asked again", False, True
        yield door, "never valid", True, True


def test_no_secret_of_a_model_stays_anywhere(client: TestClient, house: House, logged: Callable[[], str]) -> None:
    """What a model writes is met in no answer, no later question to it, no record and no log, however the call ends."""
    answers: dict[tuple[str, str, bool, bool], str] = {}
    for flight in _flights():
        door, scenario, stream, is_asked_again = flight
        path, body = _asked(door, SCENARIOS[scenario], stream=stream)
        headers = {"X-Proctor-Reask": "2"} if is_asked_again else {}
        if not is_asked_again and not stream:
            headers["Idempotency-Key"] = f"{door}-{scenario}"
        answers[flight] = client.post(path, json=body, headers=headers).text
        if "Idempotency-Key" in headers:
            answers[flight] += client.post(path, json=body, headers=headers).text
    assert any("[redacted: a GitHub token]" in told for told in answers.values())
    assert not [flight for flight, told in answers.items() if LEAK in told]

    asked = [json.dumps(call.request) for call in house.wire.ledger.calls()]
    assert not [one[:300] for one in asked if LEAK in one], "what was invalid is sent back without it"
    assert any("[redacted: a GitHub token]" in one for one in asked), "and it is sent back"
    with house.runtime.store.reading() as session:
        ids = [row[0] for row in session.connection().exec_driver_sql("SELECT id FROM generation")]
    assert len(ids) >= len(answers)
    told = [client.get(f"/v1/generations/{one}").text for one in ids]
    for where in (logged(), client.get("/metrics").text, *told):
        assert LEAK not in where
    kept = _kept(house).decode("latin-1")
    assert "[redacted: a GitHub token]" in kept
    assert LEAK not in kept

"""Tools that ran at the vendor: what its answers show of them, whole, streamed and cut, is on the attempt and paid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from core.dialects import DIALECTS, DialectName
from core.servers import named_servers
from tests.core.api.conftest import api_settings, built
from tests.wire.scripted import Scripted, ScriptedServer, events
from tests.wire.server import WireServer

CENT = 10_000_000
USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
OPENED = {**SEARCH, "action": {"type": "open_page", "url": "https://a.example"}}
FAILED = {**SEARCH, "status": "failed"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Found."}]}


def code(container: str) -> dict[str, Any]:
    """Return an item that ran code in *container*."""
    return {"type": "code_interpreter_call", "id": "ci", "status": "completed", "container_id": container}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A vendor."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(sqlite_url: str, server: ScriptedServer) -> Iterator[TestClient]:
    """The API, called as the tenant, over a Proctor that asks it in each dialect."""
    there = {"OPENAI_R_API_KEY": "k", "OPENAI_R_BASE_URL": server.openai_url, "OPENAI_R_DIALECT": "responses"}
    with WireServer() as wire:
        named: dict[str, Any] = {"providers": named_servers("openai-r", there.get)}
        more = {**named, "openai_base_url": server.openai_url, "anthropic_base_url": server.anthropic_url}
        settings = api_settings(sqlite_url, wire).model_copy(update=more)
        with built(settings, wire) as house, TestClient(house.app, headers=house.headers) as running:
            yield running


def attempt_of(client: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the attempt that the call of *body* became."""
    answer = client.post(path, json=body)
    [attempt] = client.get(f"/v1/generations/{answer.headers['x-proctor-generation-id']}").json()["attempts"]
    return attempt


@pytest.mark.parametrize("how", ["whole", "streamed", "cut"])
def test_what_a_response_shows_is_paid(client: TestClient, server: ScriptedServer, how: str) -> None:
    """Searches, not the pages that are opened; a container once, however often it ran; what has no price is named."""
    items = [SEARCH, OPENED, FAILED, SEARCH, code("a"), code("a"), code("b"), {"type": "image_generation_call"}, SAID]
    response = {"id": "r", "object": "response", "model": "gpt-5", "status": "completed", "output": items}
    done = [
        {"type": "response.output_item.done", "output_index": place, "item": item} for place, item in enumerate(items)
    ]
    ended = {"type": "response.completed", "response": {**response, "usage": USAGE}}
    match how:
        case "whole":
            server.plays(Scripted.whole({**response, "usage": USAGE}))
        case "streamed":
            server.plays(Scripted.streamed(events(*done, ended, done=False)))
        case _:
            server.plays(Scripted.streamed(events(*done, done=False)))
    tools = [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}]
    body = {"model": "openai-r/gpt-5", "input": "Hi", "tools": tools, "stream": how != "whole"}
    attempt = attempt_of(client, "/v1/responses", body)
    assert attempt["billing"]["tool_uses"] == {"code_interpreter_4g": 2, "image_generation": 1, "web_search": 2}
    assert attempt["price"]["unpriced_uses"] == "image_generation"
    assert attempt["cost_nano_usd"] >= 2 * 12 * CENT + 2 * CENT
    if how != "cut":
        assert attempt["cost_nano_usd"] == 26 * CENT + 1000 * 1250 + 100 * 10_000
        assert not attempt["estimated"]


@pytest.mark.parametrize("how", ["whole", "streamed", "cut"])
def test_what_a_message_tells_is_paid(client: TestClient, server: ScriptedServer, how: str) -> None:
    """Anthropic counts searches in its usage; that it ran code its blocks show."""
    usage = {"input_tokens": 1000, "output_tokens": 100, "server_tool_use": {"web_search_requests": 3}}
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "bash_code_execution", "input": {}},
        {"type": "server_tool_use", "id": "t", "name": "bash_code_execution", "input": {}},
        {"type": "text", "text": "Found."},
    ]
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "stop_reason": "end_turn",
    }
    begun = [{"type": "message_start", "message": {**message, "content": [], "usage": {**usage, "output_tokens": 1}}}]
    for place, block in enumerate(blocks):
        begun.append({"type": "content_block_start", "index": place, "content_block": block})
        begun.append({"type": "content_block_stop", "index": place})
    ended = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}, {"type": "message_stop"}]
    match how:
        case "whole":
            server.plays(Scripted.whole({**message, "content": blocks, "usage": usage}))
        case "streamed":
            server.plays(Scripted.streamed(events(*begun, *ended, done=False)))
        case _:
            server.plays(Scripted.streamed(events(*begun, done=False)))
    tools = [{"type": "web_search_20250305", "name": "web_search"}, {"type": "code_execution_20250825", "name": "code"}]
    body = {
        "model": "anthropic/claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "Hi"}],
        "tools": tools, "stream": how != "whole",
    }  # fmt: skip
    attempt = attempt_of(client, "/v1/messages", body)
    assert attempt["billing"]["tool_uses"] == {"code_execution": 1, "web_search": 3}
    assert attempt["price"]["unpriced_uses"] == "code_execution"
    assert attempt["cost_nano_usd"] >= 3 * CENT + 1000 * 1000


@pytest.mark.parametrize(
    ("door", "body", "most"),
    [
        (
            DialectName.MESSAGES,
            {"tools": [{"type": "web_search_20250305", "max_uses": 2}]},
            {"web_search": 2},
        ),
        (DialectName.MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "w"}]}, {"web_search": None}),
        (DialectName.MESSAGES, {"tools": [{"name": "f", "input_schema": {}}, {"type": "bash_20250124"}]}, {}),
        (
            DialectName.MESSAGES,
            {"tools": [{"type": "code_execution_20260120"}, {"type": "web_fetch_20260209", "max_uses": 1}]},
            {"web_fetch": 1},
        ),
        (
            DialectName.RESPONSES,
            {"tools": [{"type": "web_search_preview_2025_03_11"}, {"type": "file_search"}], "max_tool_calls": 3},
            {"web_search_preview": 3, "file_search": 3},
        ),
        (
            DialectName.RESPONSES,
            {"tools": [{"type": "code_interpreter", "container": "c"}]},
            {"code_interpreter": None},
        ),
        (
            DialectName.RESPONSES,
            {"tools": [{"type": "shell", "environment": {"type": "container_auto", "memory_limit": "16g"}}]},
            {"code_interpreter_16g": None},
        ),
        (DialectName.RESPONSES, {"tools": [{"type": "shell"}, {"type": "local_shell"}]}, {}),
        (DialectName.RESPONSES, {"tools": [{"type": "Odd Kind!"}]}, {"other_tool": None}),
        (DialectName.CHAT, {"web_search_options": {}}, {"web_search_options": 1}),
        (DialectName.CHAT, {"plugins": [{"id": "web"}]}, {"web": None}),
    ],
)
def test_how_often_a_tool_may_run_is_read_from_the_request(
    door: DialectName, body: dict[str, Any], most: dict[str, int | None]
) -> None:
    """By the tool's kind without its date; a tool that the caller runs is none."""
    asked: dict[str, Any] = {"model": "m", "max_tokens": 5, **body}
    asked["input" if door is DialectName.RESPONSES else "messages"] = [{"role": "user", "content": "Hi"}]
    assert DIALECTS[door].read(orjson.dumps(asked)).uses_asked_for == most

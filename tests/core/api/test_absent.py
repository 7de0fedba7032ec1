"""What is not served below ``/v1`` says so at once, in the dialect of whoever asks, with what there is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import uvicorn
from starlette.testclient import TestClient

from tests.core.api.conftest import House, api_settings, built, served
from tests.wire.server import WireServer

SDK = {"x-stainless-lang": "python"}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
VERSION = {"anthropic-version": "2026-10-21"}


@pytest.fixture(scope="module")
def quiet_house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, wire: WireServer) -> Iterator[House]:
    """One house for all of these: what is asked for changes nothing in it."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("absent") / "proctor.db")
    with built(api_settings(f"sqlite:///{path}", wire), wire) as house:
        yield house


@pytest.fixture(scope="module")
def client(quiet_house: House) -> Iterator[TestClient]:
    """The API in this process, called as the tenant."""
    with TestClient(quiet_house.app, headers=quiet_house.headers) as client:
        client.get("/v1/openapi.json")  # answered once everything has started
        yield client


def kind_of(answer: Any) -> str:
    """Return whose error *answer* is."""
    if answer.headers["content-type"] == "application/problem+json":
        assert answer.json()["code"]
        return "problem"
    body = answer.json()
    if body.get("type") == "error":
        assert body["error"]["type"]
        assert answer.headers["request-id"]
        return "anthropic"
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-proctor-request-id"]
    return "openai"


@pytest.mark.parametrize(
    ("path", "headers", "kind"),
    [
        ("embeddings", {}, "openai"),
        ("responses/resp_1/nothing/of/this", {}, "openai"),
        ("batches", {}, "openai"),
        ("chat/completions/chatcmpl-1", {}, "openai"),
        ("files", {}, "openai"),
        ("files", VERSION, "anthropic"),
        ("messages/batches", {}, "anthropic"),
        ("complete", {}, "anthropic"),
        ("something/new", VERSION | SDK, "anthropic"),
        ("something/new", SDK, "openai"),
        ("something/new", {}, "problem"),
        ("generate/more", {}, "problem"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address(path: str, headers: dict[str, str], kind: str, method: str, client: TestClient) -> None:
    """It is 404 in the shape that the program reads; a vendor's program is told what is served in its place."""
    answer = client.request(method, f"/v1/{path}", headers=headers)
    assert answer.status_code == 404
    assert kind_of(answer) == kind
    assert ("POST /v1/chat/completions" in answer.text) is (kind != "problem")
    assert "GET /v1/openapi.json" in answer.text
    assert "x-should-retry" not in answer.headers, "no SDK asks again after 404 in any case"


@pytest.mark.parametrize(
    ("path", "taken", "kind"),
    [
        ("chat/completions", "POST", "openai"),
        ("responses", "POST", "openai"),
        ("messages", "POST", "anthropic"),
        ("messages/count_tokens", "POST", "anthropic"),
        ("models", "GET, HEAD", "openai"),
        ("models/openai/gpt-4o-mini", "GET, HEAD", "openai"),
        ("generate", "POST", "problem"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method(path: str, taken: str, kind: str, method: str, client: TestClient) -> None:
    """It is 405 with those that the address takes, in the dialect of the address."""
    if method in taken:
        return
    answer = client.request(method, f"/v1/{path}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == taken
    if method != "HEAD":
        assert kind_of(answer) == kind
        assert taken in answer.text


def test_the_sdks_raise_their_own_classes(house: House, url: str) -> None:
    """What an SDK can ask for that is not served raises its class for that, once."""
    with openai.OpenAI(api_key=house.key, base_url=f"{url}/v1") as sdk, pytest.raises(openai.NotFoundError) as unknown:
        sdk.embeddings.create(model="m", input="x")
    assert "POST /v1/chat/completions" in str(unknown.value)
    with anthropic.Anthropic(api_key=house.key, base_url=url) as sdk, pytest.raises(anthropic.NotFoundError) as absent:
        sdk.messages.batches.list()
    assert absent.value.type == "not_found_error"


@pytest.mark.parametrize(
    "path",
    [
        *("chat/completions", "responses", "messages", "models", "v1/v1/chat/completions", "v1/v1/messages"),
        *("openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", "openai/v1/responses"),
    ],
)
def test_a_wrong_base_url(path: str, client: TestClient) -> None:
    """Whose SDK looks for a door at another address is told how its own begins; who looks for anything else is not."""
    told = client.post(f"/{path}", headers=SDK)
    assert told.status_code == 404
    assert "base_url of OpenAI's SDK ends with /v1" in told.text
    assert "base_url" not in client.post(f"/{path.partition('?')[0]}/more", headers=SDK).text


@pytest.mark.parametrize("speaks", ["websockets-sansio", "none"])
@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("responses", 426, "openai"),
        ("chat/completions", 426, "openai"),
        ("messages", 426, "anthropic"),
        ("generate", 426, "problem"),
        ("realtime", 404, "openai"),
        ("nothing", 404, "problem"),
    ],
)
def test_a_websocket(
    path: str, status: int, kind: str, *, speaks: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that tries one is told at once that there are none, whether or not the server speaks them."""
    plain = uvicorn.Config

    def config(app: Any, **options: Any) -> uvicorn.Config:
        return plain(app, **{**options, "ws": speaks})

    monkeypatch.setattr(uvicorn, "Config", config)
    with served(house.app) as url:
        httpx2.get(f"{url}/v1/openapi.json", timeout=60)
        told = httpx2.get(f"{url}/v1/{path}", headers=HANDSHAKE, timeout=60)
    assert told.status_code == status
    assert kind_of(told) == kind
    assert told.headers.get("upgrade") == ("HTTP/1.1" if status == 426 else None)
    assert len(told.headers.get_list("x-request-id")) == 1

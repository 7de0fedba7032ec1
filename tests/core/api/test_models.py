"""``GET /v1/models``: what a key may name, by the vendors' own SDKs and in their shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from core.servers import named_servers
from core.settings import Settings
from tests.core.api.conftest import House, api_settings, built
from tests.wire.server import WireServer

ANTHROPIC = {"anthropic-version": "2026-10-21"}
SERVERS = {
    "DEEPSEEK_API_KEY": "k",
    "DEEPSEEK_MODELS": "deepseek-chat",
    "VLLM_BASE_URL": "http://127.0.0.1:9/v1",
}


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """Two servers beside the usual: one says which models it has, the other does not."""
    servers = named_servers("deepseek,vllm", SERVERS.get)
    return api_settings(sqlite_url, wire).model_copy(update={"providers": servers})


@contextmanager
def openai_at(house: House, url: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK."""
    with openai.OpenAI(api_key=house.key, base_url=f"{url}/v1", max_retries=0) as sdk:
        yield sdk


@contextmanager
def anthropic_at(house: House, url: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK."""
    with anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0) as sdk:
        yield sdk


def names(client: TestClient, house: House) -> list[str]:
    """Return what the list names."""
    answer = client.get("/v1/models", headers=house.headers)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


def test_both_sdks_list_and_retrieve(house: House, url: str) -> None:
    """Routes stand first, then models; each SDK finds every one of them again under its name, slashes and all."""
    house.runtime.routes.set(LOCAL_OPERATOR, "invoices", [{"model": "anthropic/claude-haiku-4-5"}], description="Bills")
    every = ["default", "invoices", "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "deepseek/deepseek-chat"]
    with openai_at(house, url) as sdk:
        assert [one.id for one in sdk.models.list()] == every
        assert [sdk.models.retrieve(name).id for name in every] == every
        assert sdk.models.retrieve("openai/gpt-4o-mini").owned_by == "openai"
        assert sdk.models.retrieve("gpt-4o-mini").id == "openai/gpt-4o-mini"
        with pytest.raises(openai.NotFoundError) as unknown:
            sdk.models.retrieve("nope")
        assert unknown.value.code == "model_not_found"
    with anthropic_at(house, url) as sdk:
        assert [one.id for one in sdk.models.list(limit=2)] == every, "its pages follow each other"
        assert [sdk.models.retrieve(name).id for name in every] == every
        assert sdk.models.retrieve("invoices").display_name == "Bills"
        assert sdk.models.retrieve("claude-haiku-4-5").id == "anthropic/claude-haiku-4-5"
        with pytest.raises(anthropic.NotFoundError) as absent:
            sdk.models.retrieve("nope")
        assert absent.value.type == "not_found_error"
    answer = httpx2.get(f"{url}/v1/models/openai/gpt-4o-mini", headers=house.headers)
    assert answer.json()["id"] == "openai/gpt-4o-mini"


def test_a_route_goes_before_a_vendor_s_model_of_its_name(house: House, client: TestClient) -> None:
    """In the list, when it is looked up and when it is asked, the name is the route's."""
    house.runtime.routes.set(LOCAL_OPERATOR, "gpt-4o-mini", [{"model": "openai/gpt-4o"}])
    assert "gpt-4o-mini" in names(client, house)
    assert client.get("/v1/models/gpt-4o-mini", headers=house.headers).json()["owned_by"] == "proctor"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Bern. [[ok]]"}]}
    answer = client.post("/v1/chat/completions", json=body, headers=house.headers)
    assert answer.headers["x-proctor-model"] == "openai/gpt-4o"


@pytest.mark.parametrize(
    ("asked", "shown", "has_more"),
    [
        ({}, [0, 1, 2], False),
        ({"limit": 1}, [0], True),
        ({"limit": 2, "after_id": "default"}, [1, 2], False),
        ({"limit": 1, "after_id": "default"}, [1], True),
        ({"limit": 1, "before_id": "deepseek/deepseek-chat"}, [1], True),
        ({"limit": 5, "before_id": "deepseek/deepseek-chat"}, [0, 1], False),
        ({"after_id": "deepseek/deepseek-chat"}, [], False),
    ],
)
def test_anthropic_s_pages(
    asked: dict[str, Any], shown: list[int], *, has_more: bool, client: TestClient, house: House
) -> None:
    """A page begins behind one model or ends before another, and says whether there are more that way."""
    every = ["default", "openai/gpt-4o-mini", "deepseek/deepseek-chat"]
    told = client.get("/v1/models", params=asked, headers=house.headers | ANTHROPIC).json()
    found = [one["id"] for one in told["data"]]
    assert found == [every[place] for place in shown]
    assert told["has_more"] is has_more
    assert [told["first_id"], told["last_id"]] == ([found[0], found[-1]] if found else [None, None])


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": "9" * 5000},
        {"limit": "²"},
        {"after_id": "nope"},
        {"before_id": "nope"},
        {"after_id": "default", "before_id": "default"},
    ],
    ids=lambda asked: str(asked)[:30],
)
def test_a_page_that_cannot_be(asked: dict[str, str], client: TestClient, house: House) -> None:
    """What no page can be asked by is refused in the dialect, with the name of what is wrong."""
    answer = client.get("/v1/models", params=asked, headers=house.headers | ANTHROPIC)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert next(iter(asked)) in answer.json()["error"]["message"]


def test_who_asks_decides_the_dialect(client: TestClient, house: House) -> None:
    """Anthropic's version, or a key where its SDK puts it, is answered in its shape; anybody else in OpenAI's."""
    assert client.get("/v1/models", headers=house.headers).json()["object"] == "list"
    client.headers.pop("authorization")
    assert client.get("/v1/models", headers={"x-api-key": house.key}).json()["has_more"] is False
    refused = client.get("/v1/models", headers={"x-api-key": "prk_wrong"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
    assert refused.headers["request-id"]
    refused = client.get("/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert refused.headers["www-authenticate"]


def test_only_what_the_policy_lets_a_key_name(wire: WireServer, sqlite_url: str) -> None:
    """With ANY_MODEL=routes a named server's models are there where a route names them; a switched-off one never is."""
    servers = named_servers("deepseek", SERVERS.get)
    chosen = api_settings(sqlite_url, wire).model_copy(
        update={"providers": servers, "any_model": "routes", "local_model": "auto"}
    )
    with built(chosen, wire) as house, TestClient(house.app) as client:
        assert names(client, house) == ["default", "openai/gpt-4o-mini"]
        assert client.get("/v1/models/deepseek/deepseek-chat", headers=house.headers).status_code == 404
        house.runtime.routes.set(
            LOCAL_OPERATOR, "cheap", [{"model": "deepseek/deepseek-chat"}, {"model": "local/smollm2"}]
        )
        assert names(client, house) == ["default", "cheap", "openai/gpt-4o-mini", "deepseek/deepseek-chat"]


@pytest.mark.parametrize("model", ["deepseek/other", "groq/llama", "nope/x"])
def test_a_named_server_is_asked_for_what_it_has(model: str, client: TestClient, house: House) -> None:
    """A server that is not set up, or does not have the model, is asked by nobody who names it; at every door."""
    asked = {"model": model, "messages": [{"role": "user", "content": "Bern. [[ok]]"}], "max_tokens": 10}
    for path in ("chat/completions", "messages"):
        answer = client.post(f"/v1/{path}", json=asked)
        assert answer.status_code == 404, answer.text
        assert model in answer.json()["error"]["message"]
    assert client.post("/v1/chat/completions", json=asked).json()["error"]["code"] == "model_not_found"
    answer = client.post("/v1/generate", json=house.ask(model=model))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert not house.wire.ledger.calls()


def test_a_server_that_says_no_models_is_asked_for_any(client: TestClient) -> None:
    """Where the settings do not say which models a server has, nobody here knows better than it."""
    asked = {"model": "vllm/anything", "messages": [{"role": "user", "content": "Bern. [[ok]]"}]}
    assert client.post("/v1/chat/completions", json=asked).status_code != 404

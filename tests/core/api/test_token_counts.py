"""``POST /v1/messages/count_tokens``: an estimate that is marked as one, and that nobody is asked for."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from sqlmodel import func, select
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from core.tables import GenerationRow, LedgerEntry
from tests.core.api.conftest import CITY, House

ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "messages": [{"role": "user", "content": "Bern has many inhabitants."}],
}
TOOL = {"name": "city", "description": "A city.", "input_schema": CITY}


def counted(client: TestClient, **more: Any) -> int:
    """Return the count of a request."""
    answer = client.post("/v1/messages/count_tokens", json=ASKED | more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-proctor-estimated"] == "true"
    assert set(answer.json()) == {"input_tokens"}
    return answer.json()["input_tokens"]


def test_the_sdk_reads_it(house: House, url: str) -> None:
    """Anthropic's SDK, also its beta call, gets a number; nobody is asked, nothing is recorded or paid."""
    with anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0) as sdk:
        assert sdk.messages.count_tokens(**ASKED).input_tokens > 0
        assert sdk.beta.messages.count_tokens(**ASKED).input_tokens > 0
        told = sdk.messages.with_raw_response.count_tokens(**ASKED)
        assert told.headers["x-proctor-estimated"] == "true"
    assert not house.wire.ledger.calls()
    with house.runtime.store.reading() as session:
        for table in (GenerationRow, LedgerEntry):
            assert session.exec(select(func.count()).select_from(table)).one() == 0


def test_everything_that_is_sent_is_counted(client: TestClient) -> None:
    """The system's text, tools, formats, pictures and every message make it more; a text is not counted too low."""
    bare = counted(client)
    text = "Bern is the seat of the government. " * 100
    assert counted(client, system=text) >= bare + len(text) / 4
    assert counted(client, messages=[*ASKED["messages"], {"role": "user", "content": text}]) >= bare + len(text) / 4
    assert counted(client, tools=[TOOL]) > bare + 300, "a vendor adds its own words about tools"
    assert counted(client, output_config={"format": {"type": "json_schema", "schema": CITY}}) > bare
    image = {"type": "base64", "media_type": "image/gif", "data": "R0lGODdhAQABAIABAAAAAP///ywAAAAAAQABAAACAkQBADs="}
    assert counted(client, messages=[{"role": "user", "content": [{"type": "image", "source": image}]}]) > 0


WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}},
        "required": ["location"],
    },
}


@pytest.mark.parametrize(
    ("published", "more"),
    [
        (14, {"system": "You are a scientist", "messages": [{"role": "user", "content": "Hello, Claude"}]}),
        (
            403,
            {
                "tools": [WEATHER],
                "messages": [{"role": "user", "content": "What's the weather like in San Francisco?"}],
            },
        ),
    ],
)
def test_it_is_within_twice_of_the_vendors_own(published: int, more: dict[str, Any], client: TestClient) -> None:
    """Anthropic's page "Token counting" shows what its own count of these is."""
    assert published / 2 <= counted(client, **more) <= published * 2


@pytest.mark.parametrize(
    ("more", "status", "kind"),
    [
        ({"model": "nope/x"}, 404, "not_found_error"),
        ({"messages": []}, 400, "invalid_request_error"),
        ({"api_base": "http://x"}, 400, "invalid_request_error"),
    ],
)
def test_what_could_not_be_asked_is_not_counted(
    more: dict[str, Any], status: int, kind: str, client: TestClient
) -> None:
    """The same is refused as at the door itself, in the same words."""
    there, here = (client.post(f"/v1/{path}", json=ASKED | more) for path in ("messages", "messages/count_tokens"))
    assert (here.status_code, here.json()["error"]["type"]) == (status, kind)
    assert here.json()["error"] == there.json()["error"]


def test_it_is_limited_like_any_request(client: TestClient, house: House) -> None:
    """It counts as a request, and takes none of the tokens that the tenant may use."""
    house.runtime.tenants.edit(
        LOCAL_OPERATOR, house.tenant.id, house.tenant.version, rate_limit_per_min=2, tokens_per_min=2000
    )
    long = [{"role": "user", "content": "word " * 4000}]
    assert counted(client, messages=long) > 2000
    counted(client)
    refused = client.post("/v1/messages/count_tokens", json=ASKED)
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    assert refused.headers["retry-after"]
    wrong = client.post("/v1/messages/count_tokens", json=ASKED, headers={"Authorization": "Bearer prk_wrong"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "authentication_error")

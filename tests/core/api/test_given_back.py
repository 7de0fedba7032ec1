"""What was replaced in a request, in what its caller gets: at every door, once and again, and in nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.api import repeats
from core.api.relay_doors import GUARDRAILS
from core.dialects import DialectName
from core.principals import LOCAL_OPERATOR
from core.servers import named_servers
from core.settings import Settings
from tests.core.api.conftest import CITY, House, api_settings, events
from tests.core.test_guardrail_places import rules
from tests.core.test_screened_frames import written
from tests.wire.server import WireServer

JANE = "jane@example.org"
KEY = {"Idempotency-Key": "order-1"}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
SAYS = json.dumps({"name": JANE, "people": 3})


@pytest.fixture
def settings(database_url: str, wire: WireServer) -> Settings:
    """On either database; one server more, which speaks OpenAI's newer dialect."""
    given = {"COMPATIBLE_NEW_BASE_URL": wire.openai_url, "COMPATIBLE_NEW_DIALECT": "responses"}
    return api_settings(database_url, wire).model_copy(update={"providers": named_servers("compatible-new", given.get)})


@pytest.fixture(autouse=True)
def replacing(house: House) -> None:
    """Personal data are replaced, and put back."""
    settings = {"restore": True}
    house.runtime.guardrails.set(LOCAL_OPERATOR, "people", house.tenant, "personal", "replace", settings=settings)


def body_of(dialect: str, *, as_tool: bool = False, **more: Any) -> dict[str, Any]:
    """Return a request for a city, to which the model answers with the name that it is given."""
    said = [{"role": "user", "content": f"It is {JANE}. <<{SAYS}>>"}]
    tool: dict[str, Any] = {"name": "city", "description": "A city."}
    match dialect:
        case "chat":
            asked = {"model": "gpt-4o-mini", "messages": said, "max_tokens": 300}
            if as_tool:
                function = {"type": "function", "function": {**tool, "parameters": CITY}}
                choice = {"type": "function", "function": {"name": "city"}}
                return asked | {"tools": [function], "tool_choice": choice} | more
            form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
            return asked | {"response_format": form} | more
        case "responses":
            asked = {"model": "compatible-new/gpt-4o-mini", "input": said, "max_output_tokens": 300}
            if as_tool:
                function = {**tool, "type": "function", "parameters": CITY}
                return asked | {"tools": [function], "tool_choice": {"type": "function", "name": "city"}} | more
            return asked | {"text": {"format": {"type": "json_schema", "name": "city", "schema": CITY}}} | more
        case _:
            asked = {"model": "claude-haiku-4-5", "messages": said, "max_tokens": 300}
            choice = {"type": "tool", "name": "city"}
            return asked | {"tools": [{**tool, "input_schema": CITY}], "tool_choice": choice} | more


def kept(house: House) -> str:
    """Return all that the database holds."""
    tables = ("generation", "attempt", "finding", "payload", "claim", "policy_snapshot", "field_error", "audit_entry")
    found: list[Any] = []
    with house.runtime.store.reading() as session:
        for table in tables:
            found += session.connection().exec_driver_sql(f"SELECT * FROM {table}").fetchall()  # noqa: S608
    return f"{found}"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_under_a_key_is_restored_again_and_kept_without(
    *, stream: bool, client: TestClient, house: House
) -> None:
    """The body is the same again, byte for byte, and what lies between holds placeholders."""
    asked = house.ask(stream=stream) | {"input": f"It is {JANE}.", "schema": CITY}
    asked["input"] += f" <<{SAYS}>>"
    first = client.post("/v1/generate", json=asked, headers=KEY)
    assert JANE not in kept(house)
    again = client.post("/v1/generate", json=asked, headers=KEY)
    assert (first.status_code, again.status_code) == (200, 200)
    last = events(first)[-1][1] if stream else first.json()
    assert last["value"] == {"name": JANE, "people": 3}, last
    assert (events(again)[-1][1] == last) if stream else again.content == first.content
    assert len(house.wire.ledger.calls()) == 1
    assert JANE not in f"{house.wire.ledger.calls()[0].request}"
    stored = client.get(f"/v1/generations/{first.headers['x-proctor-generation-id']}")
    assert "example.invalid" in stored.text
    assert JANE not in stored.text


@pytest.mark.parametrize("as_tool", [False, True])
@pytest.mark.parametrize("dialect", sorted(PATHS))
def test_a_door_gives_back_what_its_vendor_never_saw(
    dialect: str, *, as_tool: bool, client: TestClient, house: House
) -> None:
    """In texts that are JSON and in arguments of tools alike; asked again it is the same, and nothing else has it."""
    asked = body_of(dialect, as_tool=as_tool)
    first = client.post(PATHS[dialect], json=asked, headers=KEY)
    assert first.status_code == 200, first.text
    assert JANE in first.text
    assert "example.invalid" not in first.text
    assert JANE not in kept(house)
    again = client.post(PATHS[dialect], json=asked, headers=KEY)
    assert again.content == first.content
    assert len(house.wire.ledger.calls()) == 1
    assert JANE not in f"{house.wire.ledger.calls()[0].request}"


@pytest.mark.parametrize("as_tool", [False, True])
@pytest.mark.parametrize("dialect", sorted(PATHS))
def test_a_door_gives_it_back_in_a_stream(dialect: str, *, as_tool: bool, client: TestClient, house: House) -> None:
    """However its vendor cuts a placeholder, in text and arguments; again it is the same, and nothing else has it."""
    asked = body_of(dialect, as_tool=as_tool, stream=True)
    first = client.post(PATHS[dialect], json=asked, headers=KEY)
    names = {"chat": DialectName.CHAT, "responses": DialectName.RESPONSES, "messages": DialectName.MESSAGES}
    assert json.loads("".join(written(names[dialect], first.content))) == json.loads(SAYS), first.text
    assert "example.invalid" not in first.text
    assert JANE not in kept(house)
    again = client.post(PATHS[dialect], json=asked, headers=KEY)
    assert again.content == first.content
    assert len(house.wire.ledger.calls()) == 1
    assert JANE not in f"{house.wire.ledger.calls()[0].request}"


@pytest.mark.parametrize("path", ["/v1/generate", PATHS["chat"]])
def test_what_a_caller_has_replaced_is_given_back(path: str, client: TestClient, house: House) -> None:
    """By a rule that he adds to his call, once and again under a key, where the tenant has none that replaces."""
    house.runtime.guardrails.remove(LOCAL_OPERATOR, "people", house.tenant)
    rules = [{"check": "personal", "action": "replace", "settings": {"restore": True}}]
    asked, headers = body_of("chat"), {**KEY, GUARDRAILS: json.dumps(rules)}
    if path == "/v1/generate":
        asked = house.ask() | {"input": f"It is {JANE}. <<{SAYS}>>", "schema": CITY, "guardrails": rules}
        headers = KEY
    first = client.post(path, json=asked, headers=headers)
    assert JANE in first.text
    assert client.post(path, json=asked, headers=headers).content == first.content
    [call] = house.wire.ledger.calls()
    assert JANE not in f"{call.request}{kept(house)}"


@pytest.mark.parametrize(("allowed", "status"), [(r".*@example\.org", 200), (r".*invalid", 400)])
def test_a_call_of_a_tool_is_judged_as_it_is_given_back(
    allowed: str, status: int, client: TestClient, house: House
) -> None:
    """Rules about tools hold for what its caller is to run, in a stream too."""
    settings = {"arguments": {"city": {"$.name": {"pattern": allowed}}}}
    house.runtime.guardrails.set(LOCAL_OPERATOR, "tools", house.tenant, "tools", "block", settings=settings)
    told = client.post(PATHS["chat"], json=body_of("chat", as_tool=True))
    assert told.status_code == status, told.text
    streamed = client.post(PATHS["chat"], json=body_of("chat", as_tool=True, stream=True))
    assert ("by the guardrail tools" in streamed.text) == (status != 200), streamed.text
    assert (JANE in written(DialectName.CHAT, streamed.content)[1]) == (status == 200)


def test_what_a_stream_says_is_judged_and_not_its_syntax() -> None:
    """What one member is called proves nothing of another's number; a card, and an address, do not go on."""
    guardrails = rules("personal")

    def stands(told: str) -> bool:
        return repeats._stands(f"event: result\ndata: {told}\n\n".encode(), guardrails)

    assert stands('{"ssn":"none","value":{"order":536904399}}')
    assert not stands('{"value":{"a":4111111111111111}}')
    assert not stands('{"value":{"a":"' + JANE + '"}}')

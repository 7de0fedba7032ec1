"""``Idempotency-Key`` at the front doors, by the vendors' own SDKs: answered alike, and paid once."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2
import openai
import pytest

from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter
from core.servers import named_servers
from core.settings import Settings
from tests.core.api.conftest import CITY, House, api_settings, eventually
from tests.wire.server import WireServer

KEY = {"Idempotency-Key": "order-1"}
SAID = "Bern has many inhabitants. [[{}]]"
PATHS = {"chat": "chat/completions", "responses": "responses", "messages": "messages"}
DIALECTS = sorted(PATHS)


@pytest.fixture
def settings(database_url: str, wire: WireServer) -> Settings:
    """On either database; one server more, which speaks OpenAI's newer dialect."""
    given = {"COMPATIBLE_NEW_BASE_URL": wire.openai_url, "COMPATIBLE_NEW_DIALECT": "responses"}
    servers = named_servers("compatible-new", given.get)
    patience = {"attempt_timeout_seconds": 300.0, "deadline_seconds": 300.0}
    return api_settings(database_url, wire).model_copy(update={"providers": servers, **patience})


@pytest.fixture
def clients(house: House, url: str) -> Iterator[dict[str, Any]]:
    """Both SDKs at Proctor, with their own retries."""
    with (
        openai.OpenAI(api_key=house.key, base_url=f"{url}/v1") as first,
        anthropic.Anthropic(api_key=house.key, base_url=url) as second,
    ):
        yield {"chat": first, "responses": first, "messages": second}


def body_of(dialect: str, scenario: str = "ok") -> dict[str, Any]:
    """Return a request for a city."""
    said = [{"role": "user", "content": SAID.format(scenario)}]
    match dialect:
        case "chat":
            form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
            return {"model": "gpt-4o-mini", "messages": said, "max_tokens": 300, "response_format": form}
        case "responses":
            form = {"type": "json_schema", "name": "city", "schema": CITY}
            return {
                "model": "compatible-new/gpt-4o-mini",
                "input": said,
                "max_output_tokens": 300,
                "text": {"format": form},
            }
        case _:
            tool = {"name": "city", "description": "A city.", "input_schema": CITY}
            choice = {"type": "tool", "name": "city"}
            asked = {"model": "claude-haiku-4-5", "messages": said, "max_tokens": 300}
            return asked | {"tools": [tool], "tool_choice": choice}


def create(clients: dict[str, Any], dialect: str, *, stream: bool = False, scenario: str = "ok") -> Any:
    """Ask with the SDK of *dialect*; return all that came of it, as JSON."""
    client = clients[dialect]
    door = {"chat": lambda: client.chat.completions, "responses": lambda: client.responses}.get(
        dialect, lambda: client.messages
    )()
    asked = body_of(dialect, scenario)
    if stream:
        return [one.model_dump_json() for one in door.create(**asked, stream=True, extra_headers=KEY)]
    return door.create(**asked, extra_headers=KEY).model_dump_json()


def post(house: House, url: str, dialect: str, headers: dict[str, str], scenario: str = "ok", **more: Any) -> Any:
    """Return the answer to a request without an SDK."""
    sent = {"json": body_of(dialect, scenario) | more, "headers": house.headers | headers, "timeout": 30}
    return httpx2.post(f"{url}/v1/{PATHS[dialect]}", **sent)


def count(house: House) -> int:
    """Return how many generations there are."""
    now = house.runtime.clock.now()
    window = CallFilter(starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    return len(house.runtime.reports.calls(LOCAL_OPERATOR, window).calls)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_again_is_the_same_answer(
    dialect: str, clients: dict[str, Any], house: House, *, stream: bool
) -> None:
    """Every SDK reads the same of a replay, of a stream every event; the vendor was asked once, and one is recorded."""
    first = create(clients, dialect, stream=stream)
    assert create(clients, dialect, stream=stream) == first
    assert len(house.wire.ledger.calls()) == 1
    assert count(house) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_replay_is_byte_for_byte_what_was_sent(dialect: str, house: House, url: str, *, stream: bool) -> None:
    """Status, body and what the headers say of the answer are the first one's; one more says that it is a replay."""
    more: dict[str, Any] = {"stream": True} if stream else {}
    first, again = (post(house, url, dialect, KEY, **more) for _ in range(2))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["content-type"].split(";")[0] == first.headers["content-type"].split(";")[0]
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert again.headers["x-proctor-generation-id"]
    if not stream:
        assert again.headers["x-proctor-generation-id"] == first.headers["x-proctor-generation-id"]
    assert not [name for name in again.headers if "ratelimit" in name]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_another_body_is_told_so_and_no_sdk_asks_again(
    dialect: str, clients: dict[str, Any], house: House, url: str
) -> None:
    """It is 422 in the dialect's own shape, for the same request as a stream too."""
    create(clients, dialect)
    kind = anthropic.UnprocessableEntityError if dialect == "messages" else openai.UnprocessableEntityError
    for other in ({"scenario": "invalid-once"}, {"stream": True}):
        with pytest.raises(kind):
            create(clients, dialect, **other)  # pyright: ignore[reportArgumentType] one of each
    assert post(house, url, dialect, KEY, "other").json()["error"]["message"].startswith("This Idempotency-Key")
    assert len(house.wire.ledger.calls()) == 1


def test_each_door_and_each_tenant_has_keys_of_its_own(house: House, url: str) -> None:
    """The same key at another door, or of another tenant, is another one."""
    other = house.runtime.tenants.create(LOCAL_OPERATOR, "Borealis")
    secret = house.runtime.tenants.create_key(LOCAL_OPERATOR, other).secret
    asked = [post(house, url, dialect, KEY) for dialect in DIALECTS]
    asked.append(post(house, url, "chat", KEY | {"Authorization": f"Bearer {secret}"}))
    assert all(one.status_code == 200 and "idempotent-replayed" not in one.headers for one in asked)
    assert len(house.wire.ledger.calls()) == 4


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_sdk_that_asks_while_the_first_is_out_waits_for_its_answer(
    dialect: str, clients: dict[str, Any], house: House
) -> None:
    """The SDKs ask twice more after a 409; they are told when that is of use, and get the answer of the first."""
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(create(clients, dialect, scenario="slow-1s")))
    first.start()
    assert eventually(lambda: bool(house.wire.ledger.calls()), 60)
    clients = {dialect: clients[dialect].with_options(max_retries=20)}
    answers.append(create(clients, dialect, scenario="slow-1s"))
    first.join()
    assert answers[0] == answers[1]
    assert len(house.wire.ledger.calls()) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_not_kept_is_refused_for_good(dialect: str, clients: dict[str, Any], house: House, url: str) -> None:
    """Where a tenant keeps no answers no SDK asks in vain: one request, one refusal."""
    house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, house.tenant.version, payload_retention_days=0)
    other = {"Idempotency-Key": "other"}
    _, refused = (post(house, url, dialect, other) for _ in range(2))
    assert (refused.status_code, refused.headers["x-should-retry"]) == (409, "false")
    create(clients, dialect)
    kind = anthropic.ConflictError if dialect == "messages" else openai.ConflictError
    with pytest.raises(kind):
        create(clients, dialect)
    assert len(house.wire.ledger.calls()) == 2


def test_an_error_that_may_have_cost_is_given_again_and_one_that_did_not_is_not(house: House, url: str) -> None:
    """A refused request may be sent again; a stream that broke ends again as it did."""
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 1)
    assert post(house, url, "chat", KEY).status_code == 402
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 10**9)
    assert post(house, url, "chat", KEY).status_code == 200
    cut = {"Idempotency-Key": "cut"}
    first, again = (post(house, url, "chat", cut, "cut-stream", stream=True) for _ in range(2))
    assert b'"error"' in first.content
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


def test_what_was_throttled_may_be_asked_again_under_its_key(house: House, url: str) -> None:
    """A vendor's 429 cost nothing, so the key is free: the same request goes out again."""
    asked = [post(house, url, "messages", KEY, "throttled") for _ in range(2)]
    assert [one.status_code for one in asked] == [429, 429]
    assert not any("idempotent-replayed" in one.headers for one in asked)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("key", ["", "x" * 256])
def test_what_is_no_key_is_refused_in_the_dialect(key: str, dialect: str, house: House, url: str) -> None:
    """One sentence names the header, before anybody is asked."""
    refused = post(house, url, dialect, {"Idempotency-Key": key})
    assert refused.status_code == 400
    assert "Idempotency-Key" in refused.json()["error"]["message"]
    assert not house.wire.ledger.calls()


def test_a_long_stream_is_not_given_again_in_part(house: House, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is longer than is kept is passed on whole, and refused to whoever asks again."""
    _keep_at_most(monkeypatch, 200)
    first = post(house, url, "chat", KEY, stream=True)
    assert first.content.endswith(b"data: [DONE]\n\n")
    assert len(first.content) > 200
    assert post(house, url, "chat", KEY, stream=True).status_code == 409


def _keep_at_most(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    patch: Callable[[str, int], None] = monkeypatch.setattr
    patch("core.idempotency.MOST_KEPT_BYTES", size)
    patch("core.api.relay_answer.MOST_KEPT_BYTES", size)


def test_a_caller_who_left_learns_that_and_pays_once(house: House, url: str) -> None:
    """Who hangs up ends his call; asked again under its key he is told so, and no vendor is asked."""
    asked = json.dumps(body_of("chat", "hang")).encode()
    where = urlsplit(url)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.key}\r\n"
        f"Idempotency-Key: order-1\r\nContent-Length: {len(asked)}\r\n\r\n"
    )
    with socket.create_connection((where.hostname, where.port), 10) as connection:
        connection.sendall(head.encode() + asked)
        assert eventually(lambda: bool(house.wire.ledger.calls()), 60)
    answers: list[Any] = []

    def is_known() -> bool:
        headers = house.headers | KEY
        answers.append(httpx2.post(f"{url}/v1/chat/completions", content=asked, headers=headers, timeout=60))
        return answers[-1].status_code != 409

    assert eventually(is_known, 60)
    assert (answers[-1].status_code, answers[-1].headers["idempotent-replayed"]) == (499, "true")
    assert len(house.wire.ledger.calls()) == 1

"""A service that judges texts, at the doors: nothing is sent or shown before it has spoken, or as the rule says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.addresses import read_networks
from core.errors import Invalid
from core.guardrails import NOT_JUDGED
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter
from core.settings import Settings
from tests.core.api.conftest import House, api_settings, events
from tests.wire.guards import GuardServer
from tests.wire.server import WireServer

Judging = tuple[TestClient, House, GuardServer]
EVER = CallFilter(starts_at=datetime(2000, 1, 1, tzinfo=UTC), ends_at=datetime(2200, 1, 1, tzinfo=UTC))
DOORS = ("/v1/generate", "/v1/chat/completions")


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """A webhook on this machine may be asked."""
    return api_settings(sqlite_url, wire).model_copy(update={"outgoing_networks": read_networks("127.0.0.1")})


@pytest.fixture
def guard() -> Iterator[GuardServer]:
    """A service that judges."""
    with GuardServer() as server:
        yield server


@pytest.fixture
def judging(client: TestClient, house: House, guard: GuardServer) -> Judging:
    """All three."""
    return client, house, guard


def ruled(house: House, guard: GuardServer, stage: str, **settings: Any) -> None:
    """Set a rule that asks it on one side."""
    given = {"url": f"{guard.url}/", "seconds": 10, **settings}
    house.runtime.guardrails.set(
        LOCAL_OPERATOR, "house rules", house.tenant, "webhook", "block", stages=[stage], settings=given
    )


def asked(client: TestClient, house: House, door: str, *, stream: bool) -> tuple[int, str]:
    """Return the status, and all that came."""
    chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Bern [[ok]]"}], "stream": stream}
    response = client.post(door, json=house.ask(stream=stream) if door == DOORS[0] else chat)
    return response.status_code, response.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("stage", "answer"), [*itertools.product(["input", "output"], ["objects", "fails", "fails open", "passes"])]
)
def test_what_a_service_says_holds_at_the_doors(
    judging: Judging, answer: str, stage: str, door: str, *, stream: bool
) -> None:
    """Whole and streamed: refused before anything is sent or shown, or gone on and told as not judged."""
    client, house, guard = judging
    guard.answer = (500, b"Bern stands in this traceback") if answer.startswith("fails") else None
    guard.words = ("",) if answer == "objects" else ()
    ruled(house, guard, stage, **({"on_failure": "pass"} if answer == "fails open" else {}))
    status, text = asked(client, house, door, stream=stream)
    listed = house.runtime.reports.calls(LOCAL_OPERATOR, EVER)
    call = house.runtime.reports.call(LOCAL_OPERATOR, str(listed.calls["id"][0]))
    assert guard.asked
    assert "traceback" not in text
    if answer in {"passes", "fails open"}:
        assert (status, call.outcome) in {(200, "valid_first_try"), (200, "unchecked")}
        assert {one.kind for one in call.findings} == ({NOT_JUDGED} if answer == "fails open" else set())
        return
    code = "guardrail_blocked" if answer == "objects" else "guardrail_unavailable"
    assert code in text
    assert call.outcome == "blocked_guardrail"
    assert bool(house.wire.ledger.calls()) is (stage == "output")
    if stage == "input" or not stream:
        assert status == (503 if answer == "fails" else 422 if door == DOORS[0] else 400)


def test_a_stream_shows_nothing_before_it_is_judged(client: TestClient, house: House, guard: GuardServer) -> None:
    """Its object comes whole: a service is asked once, about all of its texts."""
    ruled(house, guard, "output")
    response = client.post("/v1/generate", json=house.ask("slow-stream", stream=True))
    told = [name for name, _ in events(response)]
    assert "partial" not in told
    assert len(guard.asked) == 1


def test_an_address_that_may_not_be_asked_is_refused_as_it_is_saved(house: House, guard: GuardServer) -> None:
    """With what to do, and nothing of where it leads; so is a provider that is not set up."""
    for url in ("http://10.0.0.5/", "https://127.1/", "https://user@a.example/"):
        with pytest.raises(Invalid, match="OUTGOING_NETWORKS"):
            ruled(house, guard, "input", url=url)
    with pytest.raises(Invalid, match="groq is not set up here"):
        house.runtime.guardrails.draft("m", "moderation", "block", settings={"provider": "groq"})


@pytest.mark.parametrize("door", DOORS)
def test_a_service_never_sees_what_is_replaced(judging: Judging, door: str) -> None:
    """It judges placeholders on both sides, and is not asked again about a request that is only answered again."""
    client, house, guard = judging
    for stage in ("input", "output"):
        house.runtime.guardrails.set(
            LOCAL_OPERATOR, stage, house.tenant, "webhook", "block", stages=[stage], settings={"url": f"{guard.url}/"}
        )
    house.runtime.guardrails.set(
        LOCAL_OPERATOR, "people", house.tenant, "personal", "replace", settings={"restore": True}
    )
    said = 'Write to jane@example.org. <<{"to": "jane@example.org"}>>'
    form = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
    body: dict[str, Any] = house.ask() | {"input": said, "schema": form}
    if door != DOORS[0]:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": said}]}
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "to", "schema": form}}
    first = client.post(door, json=body, headers={"Idempotency-Key": "one"})
    assert "jane@example.org" in first.text, first.text
    assert {one["stage"] for one in guard.asked} == {"input", "output"}
    asked_before = len(guard.asked)
    assert client.post(door, json=body, headers={"Idempotency-Key": "one"}).content == first.content
    assert "redacted-" in f"{guard.texts}"
    assert "jane" not in f"{guard.asked}"
    assert {one["stage"] for one in guard.asked[asked_before:]} <= {"output"}

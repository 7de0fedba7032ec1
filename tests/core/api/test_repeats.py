"""``Idempotency-Key``: the same request sent twice is answered alike, and paid once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from core import runtime as running
from core.api.startup import Startup, serve
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter
from core.settings import Settings
from tests.core.api.conftest import House, api_settings, events
from tests.wire.server import WireServer


def keyed(key: str = "order-1") -> dict[str, str]:
    """Return the header."""
    return {"Idempotency-Key": key}


@pytest.fixture
def settings(database_url: str, wire: WireServer) -> Settings:
    """On either database."""
    return api_settings(database_url, wire)


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_again_is_answered_alike_and_paid_once(*, stream: bool, client: TestClient, house: House) -> None:
    """The second answer is the first one, says that it is, and no provider was asked for it."""
    first = client.post("/v1/generate", json=house.ask(stream=stream), headers=keyed())
    again = client.post("/v1/generate", json=house.ask(stream=stream), headers=keyed())
    assert (first.status_code, again.status_code) == (200, 200)
    assert events(again)[-1] == events(first)[-1] if stream else again.content == first.content
    assert len(house.wire.ledger.calls()) == 1
    assert "idempotent-replayed" not in first.headers
    if not stream:
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["x-proctor-generation-id"] == first.json()["id"]
    assert len(house.runtime.reports.calls(LOCAL_OPERATOR, _today(house)).calls) == 1


def test_another_request_under_the_key_is_refused(client: TestClient, house: House) -> None:
    """Another body, or the same one streamed, is never given the first one's answer."""
    client.post("/v1/generate", json=house.ask(), headers=keyed())
    for other in (house.ask("invalid-once"), house.ask(stream=True)):
        refused = client.post("/v1/generate", json=other, headers=keyed())
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert len(house.wire.ledger.calls()) == 1


def test_keys_are_the_tenants_own(client: TestClient, house: House) -> None:
    """Another tenant's key of the same name is another one; another key of the same tenant's is not."""
    other = house.runtime.tenants.create(LOCAL_OPERATOR, "Borealis")
    secrets = [house.runtime.tenants.create_key(LOCAL_OPERATOR, one).secret for one in (other, house.tenant)]
    client.post("/v1/generate", json=house.ask(), headers=keyed())
    replayed = [
        "idempotent-replayed"
        in client.post(
            "/v1/generate", json=house.ask(), headers=keyed() | {"Authorization": f"Bearer {secret}"}
        ).headers
        for secret in secrets
    ]
    assert replayed == [False, True]
    assert len(house.wire.ledger.calls()) == 2


def test_what_cost_nothing_is_not_remembered(client: TestClient, house: House) -> None:
    """A request that was refused before any call may be sent again under its key; what was paid for may not."""
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 1)
    assert client.post("/v1/generate", json=house.ask(), headers=keyed()).status_code == 402
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 10**9)
    assert client.post("/v1/generate", json=house.ask(), headers=keyed()).status_code == 200
    assert client.post("/v1/generate", json=house.ask("refused"), headers=keyed("b")).status_code == 502
    calls = len(house.wire.ledger.calls())
    again = client.post("/v1/generate", json=house.ask("refused"), headers=keyed("b"))
    assert (again.status_code, again.headers["idempotent-replayed"]) == (502, "true")
    assert len(house.wire.ledger.calls()) == calls


def test_answers_that_are_not_kept_are_not_repeated_and_not_paid_again(client: TestClient, house: House) -> None:
    """A tenant that keeps no answers learns which generation it was, and SDKs are told not to ask on."""
    house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, house.tenant.version, payload_retention_days=0)
    first = client.post("/v1/generate", json=house.ask(), headers=keyed())
    again = client.post("/v1/generate", json=house.ask(), headers=keyed())
    assert (again.status_code, again.json()["code"]) == (409, "answer_not_kept")
    assert again.json()["generation_id"] == first.json()["id"]
    assert again.headers["x-should-retry"] == "false"
    assert len(house.wire.ledger.calls()) == 1


def test_while_the_first_is_out_the_second_is_told_when_to_come(url: str, house: House) -> None:
    """It is not asked twice; the time to come back is one that SDKs keep."""
    asked = house.ask("slow-1s")
    answers: list[httpx2.Response] = []

    def ask() -> None:
        answers.append(httpx2.post(f"{url}/v1/generate", json=asked, headers=house.headers | keyed(), timeout=30))

    first = threading.Thread(target=ask)
    first.start()
    while not house.wire.ledger.calls():
        first.join(0.02)
    ask()
    first.join()
    early, late = answers
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (
        409,
        "idempotency_key_in_use",
        "2",
    )
    assert late.status_code == 200
    assert len(house.wire.ledger.calls()) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "kéy".encode(), "a\tb"])
def test_what_is_no_key_is_refused(key: Any, client: TestClient, house: House) -> None:
    """One sentence names the header; nothing was asked."""
    refused = client.post("/v1/generate", json=house.ask(), headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_header")
    assert "Idempotency-Key" in refused.json()["detail"]
    assert not house.wire.ledger.calls()


def test_two_keys_are_none(client: TestClient, house: House) -> None:
    """Nobody could know which holds."""
    headers = httpx2.Headers([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    refused = client.post("/v1/generate", json=house.ask(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_header")


def test_quoted_and_bare_are_one_key(client: TestClient, house: House) -> None:
    """The draft of the standard quotes it, everybody else does not."""
    client.post("/v1/generate", json=house.ask(), headers=keyed("abc"))
    again = client.post("/v1/generate", json=house.ask(), headers=keyed('"abc"'))
    assert again.headers["idempotent-replayed"] == "true"
    assert len(house.wire.ledger.calls()) == 1


def test_after_a_restart_the_answer_is_still_there(settings: Settings, house: House) -> None:
    """The answer is in the database, not in a process."""
    with TestClient(house.app, headers=house.headers) as client:
        first = client.post("/v1/generate", json=house.ask(), headers=keyed())
    with built_again(settings, house.key) as client:
        assert client.post("/v1/generate", json=house.ask(), headers=keyed()).content == first.content
    assert len(house.wire.ledger.calls()) == 1


@contextmanager
def built_again(settings: Settings, key: str) -> Iterator[TestClient]:
    """Yield the API of another process over the same database."""
    runtime = running.build(settings, SystemClock())
    app = serve(Startup(lambda: runtime), settings)
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}) as client:
        client.get("/v1/openapi.json")
        yield client


def _today(house: House) -> CallFilter:
    now = house.runtime.clock.now()
    return CallFilter(starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))

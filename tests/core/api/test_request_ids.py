"""Every request has an id that stands on its answer, in its record and on its log lines."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House, events


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "x" * 128])
def test_kept(given: str, client: TestClient, house: House) -> None:
    """A usable id is taken over: on the answer and in the record."""
    response = client.post("/v1/generate", json=house.ask(), headers={"X-Request-ID": given})
    assert response.headers.get_list("x-request-id") == [given]
    assert house.runtime.reports.call(LOCAL_OPERATOR, response.json()["id"]).request_id == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "né", "a/b", "<script>", "a,b"])
def test_replaced(given: str, client: TestClient) -> None:
    """Anything else is replaced by an id of ours."""
    response = client.get("/v1/schemas", headers=[(b"X-Request-ID", given.encode())])
    [shown] = response.headers.get_list("x-request-id")
    assert shown != given
    assert len(shown) == 32


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/v1/openapi.json", "/v1/nothing", "/nothing"])
def test_everywhere(path: str, client: TestClient) -> None:
    """Every answer has one, errors too."""
    assert client.get(path, headers={"X-Request-ID": "one"}).headers["x-request-id"] == "one"


def test_streams(url: str, house: House) -> None:
    """A stream has one as well."""
    response = httpx2.post(
        f"{url}/v1/generate", json=house.ask(stream=True), headers=house.headers | {"X-Request-ID": "s-1"}
    )
    assert response.headers["x-request-id"] == "s-1"
    assert house.runtime.reports.call(LOCAL_OPERATOR, events(response)[-1][1]["id"]).request_id == "s-1"


def test_logged(client: TestClient, house: House, logged: Callable[[], str]) -> None:
    """The log lines of a request bear its id, those of a refusal without a record too."""
    client.post("/v1/generate", json=house.ask("invalid-once"), headers={"X-Request-ID": "log-1"})
    client.get("/v1/nothing", headers={"X-Request-ID": "log-2"})
    lines = logged().splitlines()
    assert [line for line in lines if '"event":"generation"' in line and '"request_id":"log-1"' in line]
    assert [line for line in lines if '"event":"request_refused"' in line and '"request_id":"log-2"' in line]

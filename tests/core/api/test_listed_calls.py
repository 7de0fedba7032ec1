"""A tenant's calls as its programs list them: by the search, the orders and the pages of the console."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from core.api import calls
from core.principals import LOCAL_OPERATOR
from tests import builders
from tests.core.api.conftest import House


@pytest.fixture
def world(house: House) -> None:
    """Five calls of the tenant, one of them of nobody's schema and without a price, and one of another's."""
    at, mine = datetime.now(UTC) - timedelta(hours=1), house.tenant.id
    other = house.runtime.tenants.create(LOCAL_OPERATOR, "Other")
    failed = builders.generation(at, mine, "invalid", schema_name="", schema_version=None, cost_nano_usd=None)
    plain = [builders.generation(at, mine, duration_ms=100.0 + n, cost_nano_usd=n) for n in range(4)]
    builders.save(house.runtime.store, failed, plain, builders.generation(at, other.id))


def test_pages_by_a_search_in_an_order(client: TestClient, world: None) -> None:
    """As documented: each call once, on and back by what the answer tells, and of no other tenant."""
    first = client.get("/v1/calls", params={"q": "latency:<200ms", "sort": "latency", "limit": 3}).json()
    calls.ListedCalls.model_validate(first)
    assert [one["duration_ms"] for one in first["calls"]] == [100.0, 101.0, 102.0]
    assert (first["total"], first["total_is_exact"], first["previous"]) == (4, True, None)
    asked = {"q": "latency:<200ms", "sort": "latency", "limit": 3, "ends_at": first["ends_at"]}
    second = client.get("/v1/calls", params=asked | {"after": first["next"]}).json()
    assert [one["cost_nano_usd"] for one in second["calls"]] == [3]
    assert second["next"] is None
    back = client.get("/v1/calls", params=asked | {"before": second["previous"]}).json()
    assert back["calls"] == first["calls"]
    assert client.get("/v1/calls").json()["total"] == 5
    [failed] = client.get("/v1/calls", params={"q": "outcome:invalid"}).json()["calls"]
    assert (failed["schema"], failed["schema_version"], failed["cost_nano_usd"], failed["unpriced"]) == (
        None, None, None, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("q=tenat:acme", "Did you mean 'tenant'?"),
        ("q=user:a*", "a hash is kept"),
        ("sort=colour", "nothing to sort by"),
        ("after=x", "no place in the list"),
        ("after=x&before=y", "either"),
        ("limit=0", "from 1 to 100"),
        ("limit=00001000000", "from 1 to 100"),
        ("before=", "no place in the list"),
        ("after=", "no place in the list"),
        ("starts_at=yesterday", "no time with a zone"),
        ("starts_at=2026-02-01T00:00:00Z&ends_at=2026-01-01T00:00:00Z", "empty"),
        ("starts_at=2020-01-01T00:00:00Z&ends_at=2026-01-01T00:00:00Z", "too long"),
        ("tenant=other", "not a parameter"),
    ],
)
def test_what_cannot_be_listed(client: TestClient, query: str, said: str) -> None:
    """It is refused with a sentence that names what is wrong, and no filter is left out."""
    response = client.get(f"/v1/calls?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert said in response.json()["detail"]

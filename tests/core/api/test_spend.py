"""What a program may ask about its tenant's money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from core.api import spend
from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House


def test_the_month_under_way(client: TestClient, house: House) -> None:
    """Without a window it is the month so far, as documented: a valid call, one asked again, one that failed."""
    for scenario in ("ok", "invalid-once", "refused"):
        client.post("/v1/generate", json=house.ask(scenario))
    answer = client.get("/v1/spend").json()
    spend.Spend.model_validate(answer)
    assert (answer["tenant"], answer["calls"], answer["valid_objects"]) == ("Acme", 3, 2)
    assert answer["attempts"] == 4
    assert answer["spend_nano_usd"] == answer["useful_nano_usd"] + answer["discarded_nano_usd"] > 0
    assert answer["spend_usd"] == pytest.approx(answer["spend_nano_usd"] / 1e9)
    for part in ("by_model", "by_schema"):
        assert sum(line["spend_nano_usd"] for line in answer[part]) == answer["spend_nano_usd"]
    assert sum(one["nano_usd"] for one in answer["discarded_by"]) == answer["discarded_nano_usd"]


def test_a_window(client: TestClient, house: House) -> None:
    """A call stands in the window and the month in which it began, and in no other."""
    client.post("/v1/generate", json=house.ask())
    now = datetime.now(UTC)
    asked = {
        "inside": {"starts_at": f"{now - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"},
        "before": {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-02-01T00:00:00+02:00"},
        "month": {"month": f"{now:%Y-%m}"},
        "an old month": {"month": "2020-01"},
    }
    found = {name: client.get("/v1/spend", params=window).json()["calls"] for name, window in asked.items()}
    assert found == {"inside": 1, "before": 0, "month": 1, "an old month": 0}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("month=2026-13", "no month"),
        ("month=9999-01", "no month"),
        ("month=9000-01", "not begun"),
        ("month=2026-11&starts_at=2026-11-01T00:00:00Z", "either"),
        ("ends_at=2026-11-01T00:00:00Z", "'starts_at' is missing"),
        ("starts_at=yesterday", "no time with a zone"),
        ("starts_at=2026-11-01T00:00:00", "no time with a zone"),
        ("starts_at=0001-01-01T00:00:00%2B14:00", "no time with a zone"),
        ("starts_at=2026-02-01T00:00:00Z&ends_at=2026-01-01T00:00:00Z", "empty"),
        ("starts_at=2020-01-01T00:00:00Z&ends_at=2026-01-01T00:00:00Z", "too long"),
        ("tenant=other", "not a parameter"),
    ],
)
def test_what_cannot_be_asked(client: TestClient, query: str, said: str) -> None:
    """A window that cannot be used is refused with a sentence that names what is wrong."""
    response = client.get(f"/v1/spend?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert said in response.json()["detail"]


def test_other_tenants_stay_apart(client: TestClient, house: House) -> None:
    """A key sees its own tenant's money only; without a key there is none."""
    client.post("/v1/generate", json=house.ask())
    other = house.runtime.tenants.create(LOCAL_OPERATOR, "Other", "Asia/Kathmandu")
    headers = {"Authorization": f"Bearer {house.runtime.tenants.create_key(LOCAL_OPERATOR, other).secret}"}
    answer = client.get("/v1/spend", headers=headers).json()
    assert (answer["tenant"], answer["timezone"], answer["calls"], answer["spend_nano_usd"]) == (
        "Other",
        "Asia/Kathmandu",
        0,
        0,
    )
    assert client.get("/v1/spend", headers={"Authorization": ""}).status_code == 401

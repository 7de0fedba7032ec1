"""A tenant's figures as its programs ask for them: any of them, by anything, over any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from core.api import figures
from core.principals import LOCAL_OPERATOR
from core.reports.measures import MEASURES
from tests import builders
from tests.core.api.conftest import House


@pytest.fixture
def world(house: House) -> None:
    """Three calls of the tenant, one of which failed, and one of another's."""
    at, mine = datetime.now(UTC) - timedelta(hours=1), house.tenant.id
    other = house.runtime.tenants.create(LOCAL_OPERATOR, "Other")
    made = (("invalid", "slow"), ("valid_first_try", "slow"), ("valid_first_try", "fast"))
    rows = [
        builders.generation(at + timedelta(seconds=n), mine, outcome, route=route)
        for n, (outcome, route) in enumerate(made)
    ]
    builders.save(house.runtime.store, rows, [builders.attempt(one) for one in rows], builders.generation(at, other.id))


def test_any_figure_by_anything(client: TestClient, world: None) -> None:
    """As documented: the whole, the groups, all others and each step, of no other tenant."""
    asked = {"measures": "errors,error_rate", "by": "time,route", "limit": "1", "step": "60", "range": "6h"}
    answer = client.get("/v1/query", params=asked).json()
    told = figures.QueriedFigures.model_validate(answer)
    assert [one.name for one in told.measures] == ["errors", "error_rate"]
    assert told.total.figures == {"errors": 1, "error_rate": 1 / 3}
    assert [(one.values, one.figures) for one in told.groups] == [({"route": "slow"}, {"errors": 1, "error_rate": 0.5})]
    assert told.others is not None
    assert (told.others_count, told.others.figures, told.others.names) == (
        1, {"errors": 0, "error_rate": 0}, {"route": "All others"},
    )  # fmt: skip
    assert told.times is not None
    assert [len(one.over_time or ()) for one in (told.total, told.others, *told.groups)] == 3 * [len(told.times)]
    assert told.filling_from == told.times[-1]
    tenants = client.get("/v1/query", params={"by": "tenant"}).json()["groups"]
    assert [one["figures"] for one in tenants] == [{"calls": 3}]
    of_attempts = [name for name in MEASURES if not name.startswith("queue")]
    everything = client.get("/v1/query", params={"measures": ",".join(of_attempts), "by": "model"}).json()
    assert everything["of_attempts"]
    assert set(everything["total"]["figures"]) == {*of_attempts}
    refused = client.get("/v1/query", params={"measures": "queue", "by": "model"})
    assert (refused.status_code, "'queue' is not known by model" in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("measures=speed", "no measure 'speed'"),
        ("measures=,", "no measure ''"),
        ("by=planet", "no dimension 'planet'"),
        ("q=latency:>2s", "No figures are kept by"),
        ("q=outcome:nonsense", "outcome"),
        ("range=2h", "'range' is none"),
        ("range=7d&starts_at=2026-01-01T00:00:00Z", "either"),
        ("ends_at=2026-01-01T00:00:00Z", "'starts_at' is missing"),
        ("starts_at=2020-01-01T00:00:00Z", "366 days"),
        ("zone=Mars", "no time zone"),
        ("step=0", "'step'"),
        ("step=1&by=time&range=30d", "steps"),
        ("limit=101", "from 1 to 100"),
        ("by=time,key&step=15&range=7d&limit=100", "too many at once"),
        ("by=outcome&measures=tokens", "not known by outcome"),
        ("tenant=other", "not a parameter"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(client: TestClient, query: str, said: str) -> None:
    """In one sentence, with what there is instead."""
    response = client.get(f"/v1/query?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid"), response.text
    assert said in response.json()["detail"], response.json()["detail"]

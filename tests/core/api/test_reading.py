"""What can be read again: generations of one's own tenant, and the schemas."""

from __future__ import annotations

from starlette.testclient import TestClient

from core.api import bodies
from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from tests.builders import person
from tests.core.api.conftest import CITY, House, events


def test_read_again(client: TestClient, house: House) -> None:
    """A stored generation reads exactly as it was answered, to the last token and microsecond."""
    for body in (house.ask("invalid-once"), house.ask("cached", stream=True), house.ask(schema="invoice")):
        response = client.post("/v1/generate", json=body)
        answer = events(response)[-1][1] if body.get("stream") else response.json()
        assert client.get(f"/v1/generations/{answer['id']}").json() == answer


def test_value_not_kept(client: TestClient, house: House) -> None:
    """Where payloads are not kept the value is null, and all else is there."""
    house.runtime.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, house.tenant, False)
    answer = client.post("/v1/generate", json=house.ask()).json()
    assert client.get(f"/v1/generations/{answer['id']}").json() == answer | {"value": None}


def test_other_tenants_see_nothing(client: TestClient, house: House) -> None:
    """Another tenant's generation is answered as if it did not exist."""
    answer = client.post("/v1/generate", json=house.ask()).json()
    other = house.runtime.tenants.create(LOCAL_OPERATOR, "Other")
    headers = {"Authorization": f"Bearer {house.runtime.tenants.create_key(LOCAL_OPERATOR, other).secret}"}
    theirs = client.get(f"/v1/generations/{answer['id']}", headers=headers)
    unknown = client.get(f"/v1/generations/{'0' * 32}", headers=headers)
    assert (theirs.status_code, theirs.json()) == (404, unknown.json())


def test_unusable_ids(client: TestClient) -> None:
    """An id that none can have is not found, whatever it holds."""
    for identifier in ("x", "%00", "a" * 5000, "..%2f..", "%F0%9F%98%80"):
        response = client.get(f"/v1/generations/{identifier}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_schemas(client: TestClient, house: House) -> None:
    """Every schema is listed with its versions, labels and JSON Schemas, as documented."""
    house.runtime.schemas.add(person("operator"), "city", CITY)
    house.runtime.schemas.add(person("operator"), "city", CITY | {"required": ["name"]}, label="candidate")
    answer = client.get("/v1/schemas").json()
    bodies.Schemas.model_validate(answer)
    names = [schema["name"] for schema in answer["schemas"]]
    assert names == sorted(names)
    assert {"invoice", "support_ticket"} <= set(names)
    [city] = [schema for schema in answer["schemas"] if schema["name"] == "city"]
    assert (city["latest"], city["labels"]) == (2, {"production": 1, "candidate": 2})
    assert [(version["version"], version["labels"]) for version in city["versions"]] == [
        (2, ["candidate"]),
        (1, ["production"]),
    ]
    assert city["versions"][1]["schema"] == CITY

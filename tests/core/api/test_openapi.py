"""The OpenAPI tells the truth: what it allows is answered as it says, and nothing breaks the server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from core.api import create_api
from core.api.manage.endpoints import ENDPOINTS
from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House, api_settings, built, served
from tests.examples import few
from tests.wire.server import WireServer

RELAYS = {"/chat/completions", "/responses", "/messages"}
STORED = "/responses/{response_id}"
DOORS = RELAYS | {"/messages/count_tokens", "/models", "/models/{model}"}
DOORS |= {STORED, f"{STORED}/input_items", f"{STORED}/cancel"}
MANAGED = {one.address for one in ENDPOINTS}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_document(client: TestClient) -> None:
    """The document names the key, every operation, and a problem for every way of failing; every reference leads."""
    document = client.get("/v1/openapi.json").json()
    assert document["security"] == [{"tenant_key": []}, {"tenant_key_header": []}]
    assert document["components"]["securitySchemes"]["tenant_key"]["scheme"] == "bearer"
    assert document["servers"] == [{"url": "/v1"}]
    ours = {"/generate", "/generations/{generation_id}", "/schemas", "/spend", "/calls", "/query"}
    assert set(document["paths"]) == ours | DOORS | MANAGED
    ours |= MANAGED
    for name, path in document["paths"].items():
        kind = "application/problem+json" if name in ours else "application/json"
        for operation in path.values():
            refusals = {status: told for status, told in operation["responses"].items() if status[0] != "2"}
            assert {"401", "403", "500", "503"} <= set(refusals)
            assert all(list(told["content"]) == [kind] for told in refusals.values())
            assert (name in DOORS) is ("externalDocs" in operation)
    for reference in references(document):
        here: Any = document
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


def test_examples(client: TestClient) -> None:
    """The examples in the document can be sent as they are."""
    document = client.get("/v1/openapi.json").json()
    examples = document["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        response = client.post("/v1/generate", json=example["value"])
        assert response.status_code == 200, response.text


def test_it_serves_nothing_foreign(house: House) -> None:
    """There are no pages that would load scripts from elsewhere."""
    api = create_api(house.runtime)
    assert (api.docs_url, api.redoc_url) == (None, None)


def references(node: Any) -> Iterator[str]:
    """Yield every ``$ref`` in *node*."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from references(part)
    elif isinstance(node, list):
        for part in node:
            yield from references(part)


@pytest.fixture(scope="module")
def open_house(wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Proctor for many requests."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("openapi") / "proctor.db")
    chosen = api_settings(f"sqlite:///{path}", wire).model_copy(update={"rate_limit_per_min": 1_000_000})
    with built(chosen, wire) as house:
        yield house


@pytest.fixture(scope="module")
def described(open_house: House) -> Iterator[Any]:
    """The API as its own document describes it."""
    with served(open_house.app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json", wait_for_schema=10)
        schema.config.update(base_url=f"{url}/v1")
        yield schema


@pytest.mark.parametrize(
    ("operation", "examples"),
    [
        ("POST /generate", 30),
        ("GET /generations/{generation_id}", 25),
        ("GET /schemas", 5),
        ("GET /spend", 40),
        ("GET /calls", 40),
        ("GET /models", 25),
        ("GET /models/{model}", 25),
        ("POST /messages/count_tokens", 40),
        ("POST /chat/completions", 25),
        ("POST /responses", 25),
        ("POST /messages", 25),
        (f"GET {STORED}", 10),
        (f"DELETE {STORED}", 5),
        (f"GET {STORED}/input_items", 10),
        (f"POST {STORED}/cancel", 5),
    ],
)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_as_documented(operation: str, examples: int, mode: GenerationMode, described: Any, open_house: House) -> None:
    """Whatever is sent, right or wrong, is answered with a status, a type and a body that the document promises."""
    method, path = operation.split()

    @given(case=described[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=few(examples), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def answers_as_promised(case: Any) -> None:
        case.call_and_validate(headers=open_house.headers, checks=CHECKS)

    answers_as_promised()


@pytest.mark.parametrize("operation", [f"{one.method} {one.address}" for one in ENDPOINTS])
def test_management_is_as_documented(operation: str, described: Any, open_house: House) -> None:
    """So is whatever is sent to the management API, with a key of the deployment."""
    method, path = operation.split()
    key = open_house.runtime.tenants.create_key(LOCAL_OPERATOR, None).secret

    @given(case=described[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(max_examples=few(8), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def answers_as_promised(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

    answers_as_promised()

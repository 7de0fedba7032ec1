"""Every way of saying no has one status, one stable code and one shape, and gives nothing away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from core import errors
from core.api import bodies, problems
from core.api.sent_bodies import MOST_BODY_BYTES
from core.errors import BudgetExceeded, Exhausted, Misconfigured, ProctorError, RateLimited, Unauthenticated
from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from core.reports import Outcome
from tests.core.api.conftest import CITY, PROVIDER_KEY, House, events

SHAPE = {"type", "title", "status", "code", "detail", "generation_id", "outcome", "trace"}
ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProctorError)]
EXPECTED = {
    "Unauthenticated": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Crossed": 409,
    "NotAsSeen": 412,
    "UnseenChange": 428,
    "BadHeader": 400,
    "Answering": 409,
    "OtherRequest": 422,
    "NotRepeatable": 409,
    "FeatureDisabled": 403,
    "RateLimited": 429,
    "BudgetHeld": 402,
    "Unbudgeted": 402,
    "Unpriced": 402,
    "GuardrailUnavailable": 503,
    "Exhausted": 502,
    "Stopped": 503,
    "Overloaded": 503,
    "TooManyWrongKeys": 429,
    "Misconfigured": 503,
}


def leaves() -> Iterator[type[ProctorError]]:
    """Yield the classes of error that have no subclass."""
    yield from (kind for kind in ALL if not kind.__subclasses__())


def document(problem: problems.Problem) -> dict[str, Any]:
    """Return what the caller reads."""
    return orjson.loads(problem.body)


def test_every_leaf_has_a_status() -> None:
    """No class of error is left to chance: each leaf stands in the table itself, with the status it was given."""
    assert {leaf.__name__: problems.STATUSES[leaf][0] for leaf in leaves()} == EXPECTED


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_shape(kind: type[ProctorError]) -> None:
    """Every problem has the whole shape, in the words of its class, as documented."""
    answer = problems.problem(kind("Something is so. Do this."))
    told = document(answer)
    assert set(told) == SHAPE
    assert (told["status"], told["code"], told["detail"]) == (
        answer.status_code,
        kind.code,
        "Something is so. Do this.",
    )
    assert answer.headers["content-type"] == "application/problem+json"
    bodies.Problem.model_validate(told)


def test_facts() -> None:
    """Facts that a caller can act on are told, those that are no JSON are not; waiting is rounded up to a second."""
    resets_at = datetime(2026, 4, 1, tzinfo=UTC)
    told = document(problems.problem(BudgetExceeded("No.", resets_at=resets_at, thing=object())))
    assert told["resets_at"] == "2026-04-01T00:00:00Z"
    assert "thing" not in told
    limited = problems.problem(RateLimited("No.", retry_after_seconds=2.1))
    assert (document(limited)["retry_after_seconds"], limited.headers["retry-after"]) == (2.1, "3")
    assert problems.problem(RateLimited("No.", retry_after_seconds=0.01)).headers["retry-after"] == "1"
    assert problems.problem(Unauthenticated("No.")).headers["www-authenticate"].startswith("Bearer")


def test_out_of_time_is_504() -> None:
    """A walk that ended in a timeout is told apart from one that ended otherwise."""
    assert problems.problem(Exhausted("No.", outcome=Outcome.TIMEOUT)).status_code == 504
    assert problems.problem(Exhausted("No.", outcome=Outcome.INVALID)).status_code == 502


def test_a_subclass_speaks_for_its_parent() -> None:
    """A class of error that is added later has its parent's status until it is given one."""
    later = type("Later", (Misconfigured,), {})
    assert problems.problem(later("No.")).status_code == 503


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(client: TestClient, body: Any, status: int, code: str, **more: Any) -> dict[str, Any]:
    """Send *body* to be refused, and return the problem."""
    response = client.post(
        "/v1/generate", **({"json": body} if not isinstance(body, bytes) else {"content": body}), **more
    )
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]
    assert set(response.json()) >= SHAPE
    return response.json()


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer  ", "Bearer prk_unknown", "Bearer \u00e9"])
@pytest.mark.parametrize("path", ["POST /v1/generate", "GET /v1/generations/1", "GET /v1/schemas"])
def test_no_key(path: str, header: str | None, house: House) -> None:
    """Without a key that is known, every door is shut, and the answer says what to send."""
    method, address = path.split()
    with TestClient(house.app) as client:
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        response = client.request(method, address, headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="proctor"'
    assert "Authorization: Bearer" in response.json()["detail"]


def test_revoked_key(client: TestClient, house: House) -> None:
    """A revoked key opens nothing from the next request on."""
    assert client.get("/v1/schemas").status_code == 200
    [key] = house.runtime.tenants.keys(LOCAL_OPERATOR, house.tenant)
    house.runtime.tenants.revoke_key(LOCAL_OPERATOR, key.id)
    assert client.get("/v1/schemas").status_code == 401
    refused(client, house.ask(), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"", "empty"),
        (b"{", "line 1, column 2"),
        (b'{"schema": "\xff"}', "not JSON in UTF-8"),
        (b"[1]", "not an object"),
        ({"input": "x"}, "'schema' is missing"),
        ({"schema": 7, "input": "x"}, "'schema'"),
        ({"schema": "city", "input": 7}, "'input'"),
        ({"schema": "city"}, "'input'"),
        ({"schema": "a city", "input": "x"}, "'schema' cannot be used"),
        ({"schema": "c" * 201, "input": "x"}, "'schema' cannot be used"),
        ({"schema": "city", "input": "x", "messages": []}, "'messages'"),
        ({"schema": "city", "messages": [{"role": "robot", "content": "SECRET"}]}, "'messages[0].role'"),
        ({"schema": "city", "messages": [{"role": "user", "content": ["SECRET"]}]}, "'messages[0].content'"),
        ({"schema": "city", "input": "x", "stream": "yes"}, "'stream'"),
        ({"schema": "city", "input": "x", "shcema": "SECRET"}, "'shcema' is not a field"),
        ({"schema": "city", "input": "x", "route": "a b"}, "'route'"),
        ({"schema": "city", "input": "x", "model": "gpt\x00"}, "'model'"),
        ({"schema": "city", "input": "x", "metadata": [1]}, "'metadata'"),
        ({"schema": "city", "input": "x", "metadata": {"x": "y" * 20_000}}, "'metadata' has"),
        ({"schema": "city", "input": "x", "user": "u" * 600}, "'user'"),
    ],
)
def test_bad_requests(body: Any, names: str, client: TestClient) -> None:
    """A request that cannot be used is refused in one sentence that names the field and shows no value."""
    told = refused(client, body, 422, "invalid")
    assert names in told["detail"]
    assert told["detail"].endswith(".")
    assert "SECRET" not in str(told)
    assert (told["generation_id"], told["outcome"], told["trace"]) == (None, None, [])


def test_deep_metadata(client: TestClient, house: House) -> None:
    """What could be read but never be written is refused before anything is paid."""
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    refused(client, house.ask(metadata={"x": deep}), 422, "invalid")
    assert not house.wire.ledger.calls()


def test_huge_numbers(client: TestClient, house: House) -> None:
    """A number beyond 64 bits does not break the record."""
    body = orjson.dumps(house.ask()).replace(b'"schema"', b'"metadata":{"n":' + b"9" * 40 + b'},"schema"', 1)
    assert client.post("/v1/generate", content=body).status_code == 200


def test_too_large(client: TestClient) -> None:
    """A body beyond the limit is refused, announced or not."""
    refused(client, b" " * (MOST_BODY_BYTES + 1), 413, "too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(9):
            yield b" " * 1_000_000

    response = client.post("/v1/generate", content=pieces())
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/generate/more", "/v1/generations/"])
def test_unknown_path(path: str, client: TestClient) -> None:
    """Where there is nothing, that is said as a problem."""
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.headers["content-type"] == "application/problem+json"


def test_wrong_method(client: TestClient) -> None:
    """A method that is not taken is refused with those that are."""
    response = client.get("/v1/generate")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    assert "POST" in response.json()["detail"]


def test_rate_limit(client: TestClient, house: House) -> None:
    """Too fast: when to come back stands in the header and the body, and the refusal is recorded."""
    house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, house.tenant.version, rate_limit_per_min=1)
    assert client.post("/v1/generate", json=house.ask()).status_code == 200
    response = client.post("/v1/generate", json=house.ask())
    told = response.json()
    assert (response.status_code, told["code"], told["outcome"]) == (429, "rate_limited", "blocked_rate")
    assert 1 <= int(response.headers["retry-after"]) <= 61
    assert told["retry_after_seconds"] <= int(response.headers["retry-after"])
    assert house.runtime.reports.call(LOCAL_OPERATOR, told["generation_id"]).outcome == "blocked_rate"
    assert [step["room"] for step in told["trace"]][-1] == "limit"


def test_budget(client: TestClient, house: House) -> None:
    """Too much: the budget is not overspent, and the answer says when it resets."""
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 1)
    told = refused(client, house.ask(), 402, "budget_exceeded")
    assert told["outcome"] == "blocked_budget"
    assert datetime.fromisoformat(told["resets_at"]).tzinfo
    assert (told["attempts"], told["cost_nano_usd"]) == ([], 0)
    assert not house.wire.ledger.calls()


def test_flag(client: TestClient, house: House) -> None:
    """Switched off: the flag is named, in a stream as in JSON."""
    house.runtime.flags.set(LOCAL_OPERATOR, Flag.STREAMING, house.tenant, False)
    told = refused(client, house.ask(stream=True), 403, "feature_disabled")
    assert (told["flag"], told["outcome"]) == (Flag.STREAMING.value, "blocked_flag")
    assert client.post("/v1/generate", json=house.ask()).status_code == 200


def test_guardrail(client: TestClient, house: House) -> None:
    """Forbidden content: said which guardrail and on which side, without repeating it."""
    told = refused(client, house.ask(input="SECRET " * 300_000), 422, "guardrail_blocked")
    assert (told["guardrail"], told["stage"], told["outcome"]) == ("length", "input", "blocked_guardrail")
    assert "SECRET" not in str(told)


@pytest.mark.parametrize(
    ("scenario", "status", "outcome"),
    [
        ("never-valid", 502, "invalid"),
        ("refused", 502, "refused"),
        ("truncated", 502, "truncated"),
        ("content-filter", 502, "content_filtered"),
        ("unauthorized", 502, "provider_error"),
        ("hang", 504, "timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_exhausted(scenario: str, status: int, outcome: str, *, stream: bool, client: TestClient, house: House) -> None:
    """No valid object: how the last attempt ended, what every attempt did, and what it cost."""
    response = client.post("/v1/generate", json=house.ask(scenario, stream=stream))
    told = events(response)[-1][1] if response.status_code == 200 else response.json()
    assert (told["status"], told["code"], told["outcome"]) == (status, "exhausted", outcome)
    assert "generation" not in told
    assert len(told["attempts"]) == len(house.wire.ledger.calls()) > 0
    bodies.Problem.model_validate(told)
    stored = client.get(f"/v1/generations/{told['generation_id']}").json()
    assert (stored["outcome"], stored["value"], stored["attempts"]) == (outcome, None, told["attempts"])
    assert stored["trace"] == told["trace"]


def test_a_fault_of_ours(
    client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    """What nobody foresaw is a 500 that shows nothing, and the log names the kind of error and the place only."""

    def broken(*_args: Any, **_more: Any) -> None:
        raise LookupError("the prompt was SECRET")

    for part, path in (("generator.generate", "generate"), ("schemas.catalogue", "schemas")):
        owner, name = part.split(".")
        monkeypatch.setattr(type(getattr(house.runtime, owner)), name, broken)
        response = client.post("/v1/generate", json=house.ask()) if path == "generate" else client.get("/v1/schemas")
        assert (response.status_code, response.json()["code"]) == (500, "internal_error")
        assert "SECRET" not in response.text
        assert response.headers["x-request-id"]
    lines = logged()
    assert lines.count('"event":"internal_error"') == 2
    assert '"error":"LookupError"' in lines
    assert "SECRET" not in lines
    assert "Traceback" not in lines


def test_no_key_in_any_answer(client: TestClient, house: House, logged: Callable[[], str]) -> None:
    """Neither the tenant's key nor the provider's stands in an answer, a header or the log, whatever happened."""
    answers = [
        client.post("/v1/generate", json=body)
        for body in (
            house.ask(),
            house.ask(stream=True),
            house.ask("unauthorized"),
            house.ask("html"),
            house.ask(model=f"openai/{house.key}x"),
            house.ask(schema=CITY | {"type": 7}),
        )
    ]
    answers += [client.get(path) for path in ("/v1/schemas", "/v1/openapi.json", "/metrics", "/ready", "/v1/nothing")]
    answers.append(client.get(f"/v1/generations/{answers[0].json()['id']}"))
    said = "".join(answer.text + str(answer.headers) for answer in answers if f"{house.key}x" not in answer.text)
    lines = logged().replace(f"{house.key}x", "")
    for key in (house.key, PROVIDER_KEY):
        assert key not in said
        assert key not in lines


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("x-api-key", "{key}")], 200),
        ([("X-API-Key", " {key} ")], 200),
        ([("authorization", "bearer {key}")], 200),
        ([("authorization", "Bearer {key}"), ("x-api-key", "{key}")], 200),
        ([("authorization", "Basic abc"), ("x-api-key", "{key}")], 200),
        ([("authorization", "Bearer {key}"), ("x-api-key", "prk_other")], 401),
        ([("authorization", "Bearer prk_other"), ("x-api-key", "{key}")], 401),
        ([("authorization", "Bearer {key}"), ("authorization", "Bearer prk_other")], 401),
        ([("x-api-key", "")], 401),
        ([("x-goog-api-key", "{key}")], 401),
    ],
)
def test_a_key_in_either_header(headers: list[tuple[str, str]], status: int, house: House) -> None:
    """A key is read from both headers that SDKs use; two that differ are refused, whichever of them is known."""
    with TestClient(house.app) as client:
        sent = [(name, value.replace("{key}", house.key)) for name, value in headers]
        assert client.get("/v1/schemas", headers=sent).status_code == status
        assert client.get(f"/v1/schemas?key={house.key}").status_code == 401

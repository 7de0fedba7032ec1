"""The management API: who may ask what of it, and that nobody overwrites what he has not seen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from core.api import manage
from core.api.manage.endpoints import ENDPOINTS, EndpointKind
from core.api.pieces import UnderWay
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import METADATA, AuditEntry, Tenant
from tests.core.api.conftest import House, api_settings, built
from tests.wire.server import WireServer

GPT = "openai/gpt-4o-mini"
SHAPE = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
NEXT_WEEK = datetime.now(UTC) + timedelta(days=7)
RATES = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}

ELSEWHERE = tuple(one.path for one in ENDPOINTS if one.address == one.path)
"""What is not below ``/manage``."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a key, and the ids that are asked for."""

    client: TestClient
    key: str

    def __call__(self, method: str, path: str, json: Any = None, **headers: str | bytes | None) -> httpx2.Response:
        """Send a request."""
        named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        return self.client.request(
            method,
            f"/v1{'' if path.startswith(ELSEWHERE) else '/manage'}{path}",
            json=json,
            headers={"Authorization": f"Bearer {self.key}", **named},
        )

    def seen(self, path: str) -> tuple[dict[str, Any], str]:
        """Return what is at *path*, and its ETag."""
        found = self("GET", path)
        assert found.status_code == 200, found.text
        return found.json(), found.headers["etag"]


@dataclass(frozen=True, slots=True)
class Managed:
    """A house with two tenants, and a key of each kind."""

    house: House
    other: Tenant
    program: Callable[[str], Holder]


@dataclass(frozen=True, slots=True)
class Furnished:
    """A database in which all that stands already, to be copied."""

    path: Path
    tenant: Tenant
    key: str
    other: Tenant
    keys: dict[str, str]


@pytest.fixture(scope="module")
def furnished(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, wire: WireServer) -> Furnished:
    """Two tenants with a key, a budget and a rule each; a route and a schema."""
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("managed") / "proctor.db"))
    with built(api_settings(f"sqlite:///{path}", wire), wire) as house:
        on = house.runtime
        other = on.tenants.create(LOCAL_OPERATOR, "Zyx")
        on.schemas.add(LOCAL_OPERATOR, "place", SHAPE)
        on.routes.set(LOCAL_OPERATOR, "fast", [{"model": GPT}])
        on.guardrails.set(LOCAL_OPERATOR, "long", None, "length", "note")
        for tenant in (house.tenant, other):
            on.budgets.set(LOCAL_OPERATOR, tenant, 10**9)
            on.guardrails.set(LOCAL_OPERATOR, "long", tenant, "length", "note")
        return Furnished(path, house.tenant, house.key, other, keys_of(house, other))


def keys_of(house: House, other: Tenant) -> dict[str, str]:
    """Return a new key of each kind."""
    on = house.runtime
    return {
        "of the deployment": on.tenants.create_key(LOCAL_OPERATOR, None).secret,
        "of the tenant": on.tenants.create_key(LOCAL_OPERATOR, house.tenant, scopes=["manage"]).secret,
        "of whoever exports": on.tenants.create_key(LOCAL_OPERATOR, house.tenant, scopes=["manage", "read"]).secret,
        "of another": on.tenants.create_key(LOCAL_OPERATOR, other, scopes=["manage"]).secret,
        "generate": on.tenants.create_key(LOCAL_OPERATOR, house.tenant, scopes=["generate"]).secret,
        "read": on.tenants.create_key(LOCAL_OPERATOR, house.tenant, scopes=["read"]).secret,
        "nobody": "proctor_" + "0" * 38,
    }


@pytest.fixture
def house(furnished: Furnished, tmp_path: Path, wire: WireServer) -> Iterator[House]:
    """A Proctor on a copy of that database."""
    wire.reset()
    url = f"sqlite:///{shutil.copy(furnished.path, tmp_path / 'proctor.db')}"
    with built(api_settings(url, wire), wire, (furnished.tenant, furnished.key)) as house:
        yield house


@pytest.fixture
def managed(furnished: Furnished, house: House, client: TestClient) -> Managed:
    """What stands there, and who asks for it by a key of each kind."""
    return Managed(house, furnished.other, lambda name: Holder(client, furnished.keys[name]))


def rows_of(house: House) -> str:
    """Return every decision that is kept, as text; when keys were used is none."""
    with house.runtime.store.snapshot() as connection:
        names = ("tenant", "api_key", "budget", "budget_raise", "flag_rule", "route", "schema", "schema_version")
        names += ("guardrail_rule", "schema_label", "price_override", "audit_entry")
        tables = [METADATA.tables[name] for name in names]
        return "\n".join(repr(row) for table in tables for row in connection.execute(table.select()).all())


def address(path: str, of: Managed, tenant: Tenant) -> str:
    """Return *path* with the ids of what belongs to *tenant*; what is the same for all is named."""
    on = of.house.runtime
    budget = on.budgets.show(LOCAL_OPERATOR, tenant)
    key = next(
        one
        for one in on.tenants.keys(LOCAL_OPERATOR, tenant)
        if one.is_live and ("manage" not in one.scopes or tenant != of.house.tenant)
    )
    named = {"tenant": tenant.id, "key": key.id, "budget": budget.budget_id, "raise": "0" * 32, "price": "0" * 32}
    return path.format(
        **named, flag="streaming.enabled", guardrail="long", route="fast", schema="place", label="production"
    )


BODIES: dict[str, Any] = {
    "/tenants": {"name": "New"},
    "/tenants/{tenant}": {"rate_limit_per_min": 7},
    "/tenants/{tenant}/erasures": {"user": "ann"},
    "/tenants/{tenant}/exports": {"user": "ann"},
    "/keys": {"name": "made"},
    "/keys/{key}": {"name": "changed"},
    "/keys/{key}/rotate": {"overlap_hours": 1},
    "/keys/revoke-by-text": {"text": "proctor_nothing"},
    "/tenants/{tenant}/budgets": {"limit_usd": "5", "scope": "route", "scope_name": "fast"},
    "/tenants/{tenant}/budgets/{budget}": {"limit_usd": "7.5"},
    "/tenants/{tenant}/budgets/{budget}/raises": {"extra_usd": 1, "ends_at": SOON, "reason": "more"},
    "/flags/{flag}": {"is_on": False},
    "/guardrails/{guardrail}": {"check": "length", "action": "block"},
    "/routes/{route}": {"candidates": [{"model": "openai/gpt-4o"}]},
    "/schemas": {"name": "other", "body": SHAPE},
    "/schemas/{schema}/labels/{label}": {"version": 1},
    "/prices": {"provider": "openai", "model": "gpt-4o", "rates": RATES, "reason": "agreed"},
    "/changes": {"what": "v2 went out"},
}
FOR_ALL = ("/routes", "/schemas", "/prices")
"""What belongs to no tenant: whose key manages one tenant reads it, and changes nothing."""
NAMED = ("/keys", "/changes")
"""What names its tenant in the body."""
ABSENT = ("/tenants/{tenant}/budgets/{budget}/raises/{raise}", "/prices/{price}")
"""Of what there is none here: found by nobody."""
UNCHANGED = ("DELETE /flags/{flag}", "PUT /schemas/{schema}/labels/{label}")
"""What finds nothing to be changed here."""
NAMES = [f"{one.method} {one.path}" for one in ENDPOINTS]


@pytest.mark.parametrize("name", NAMES)
def test_who_may_ask_what(managed: Managed, name: str) -> None:
    """Each endpoint by each kind of key, with its own ids and another tenant's: who may not changes nothing.

    What is another's is as what is not there. A new endpoint that takes a body fails here until it has one.
    """
    method, path = name.split()
    [endpoint] = [one for one in ENDPOINTS if (one.method, one.path) == (method, path)]
    assert endpoint.body is None or path in BODIES
    before = rows_of(managed.house)

    def asked(who: str, tenant: Tenant, *, seen: bool = True) -> httpx2.Response:
        body = None if endpoint.body is None else dict(BODIES[path])
        if path in NAMED and body is not None:
            body["tenant"] = tenant.id
        query = f"?tenant={tenant.id}" if endpoint.query else ""
        match = "*" if endpoint.kind.needs_match and seen else None
        return managed.program(who)(method, address(path, managed, tenant) + query, body, If_Match=match)

    mine, other = managed.house.tenant, managed.other
    assert asked("nobody", mine).status_code == 401
    for who in ("generate", "read"):
        refused = asked(who, mine)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), who
    if "{tenant}" in path or "{key}" in path or endpoint.query or path in NAMED:
        foreign = asked("of the tenant", other)
        assert foreign.status_code == 404, foreign.text
        assert other.name not in foreign.text
    if endpoint.kind.needs_match and path not in ABSENT:
        unseen = asked("of the deployment", mine, seen=False)
        assert (unseen.status_code, unseen.json()["code"]) == (428, "precondition_required")
    changes = endpoint.kind not in {EndpointKind.LIST, EndpointKind.READ}
    if changes and (path.startswith(FOR_ALL) or path == "/tenants"):
        assert asked("of the tenant", mine).status_code == (404 if path in ABSENT else 403)
    assert rows_of(managed.house) == before

    who = "of the deployment" if path.startswith(FOR_ALL) or path == "/tenants" else "of the tenant"
    if endpoint.kind is EndpointKind.GIVE_OUT:  # to manage is not to see calls
        assert asked(who, mine).json()["permission"] == "generations.read"
        who = "of whoever exports"
    done = asked(who, mine)
    expected = {404} if path in {*ABSENT, "/keys/revoke-by-text"} else {200, 201, 204}
    assert done.status_code in expected, done.text
    if endpoint.kind is EndpointKind.GIVE_OUT:
        assert done.headers["content-type"] == "application/x-ndjson"
        assert done.text.splitlines()[-1] == '{"type":"end","calls":0}'
    assert (rows_of(managed.house) != before) is (changes and expected != {404} and name not in UNCHANGED)


def test_exports_take_turns(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ended, or was refused, is none any more; of one tenant there are two at once, and of all four."""
    at = f"/tenants/{managed.house.tenant.id}/exports"
    may, may_not = managed.program("of whoever exports"), managed.program("of the tenant")
    assert [may_not("POST", at, {"user": "ann"}).status_code for _ in range(3)] == [403] * 3
    assert [may("POST", at, {"user": "ann"}).status_code for _ in range(3)] == [200] * 3
    places = UnderWay(4, 2)
    assert [places.begin(whose) for whose in "aaabcc"] == [True, True, False, True, True, False]
    places.end("a")
    assert [places.begin(whose) for whose in "ca"] == [True, False]
    monkeypatch.setattr(UnderWay, "begin", lambda _self, _whose: False)
    before = rows_of(managed.house)
    refused = may("POST", at, {"user": "ann"})
    assert (refused.status_code, refused.headers["retry-after"], rows_of(managed.house)) == (503, "5", before)


@pytest.mark.parametrize(
    "path",
    ["/tenants/{tenant}", "/keys/{key}", "/tenants/{tenant}/budgets/{budget}", "/routes/{route}", "/flags/{flag}"],
)
def test_what_was_read_can_be_put_back(managed: Managed, path: str) -> None:
    """It changes nothing and is no entry of the audit trail; with an old ETag it is refused with what is there."""
    ask, at = managed.program("of the deployment"), address(path, managed, managed.house.tenant)
    method = "PUT" if path in {"/routes/{route}", "/flags/{flag}"} else "PATCH"
    if path == "/flags/{flag}":
        ask("PUT", at, {"is_on": False}, If_Match="*")
    document, etag = ask.seen(at)
    before = rows_of(managed.house)
    again = ask(method, at, document, If_Match=etag)
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, document, etag)
    assert rows_of(managed.house) == before

    change = {"/flags/{flag}": {"is_on": True}}.get(path, BODIES[path])
    changed = ask(method, at, change, If_Match=f'"other", {etag}')
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] != etag
    late = ask(method, at, change, If_Match=etag)
    assert (late.status_code, late.json()["code"], late.headers["etag"]) == (
        412,
        "precondition_failed",
        changed.headers["etag"],
    )
    assert late.json()["present"] == changed.json()
    first = next(iter(document))  # its id or name
    fixed = ask(method, at, document | {first: "another"}, If_Match="*")
    assert fixed.status_code == 422
    odd = ask(method, at, {"metadata": {"models": ["*"]}} | change, If_Match="*")
    assert odd.status_code == 422
    assert ask.seen(at)[1] == changed.headers["etag"]


def test_money_has_one_form(managed: Managed) -> None:
    """As text or number, with more digits or fewer: it is read back in one form, and the same amount is no change."""
    ask = managed.program("of the tenant")
    at = address("/tenants/{tenant}/budgets/{budget}", managed, managed.house.tenant)
    etags = set[str]()
    for written in ("5", 5, "5.00", 5.0):
        done = ask("PATCH", at, {"limit_usd": written}, If_Match="*")
        assert done.json()["limit_usd"] == "5"
        etags.add(done.headers["etag"])
    assert len(etags) == 1
    for wrong in ("-1", "much", None, True, "1e99"):
        assert ask("PATCH", at, {"limit_usd": wrong}, If_Match="*").status_code == 422, wrong


def test_a_key_is_made_rotated_and_revoked(managed: Managed) -> None:
    """Its text is told once; under one Idempotency-Key it is made once, and the second answer is without the text."""
    ask, tenant = managed.program("of the deployment"), managed.house.tenant
    wanted = {"tenant": "Acme", "name": "nightly", "models": [GPT], "ends_at": "2099-01-01T01:00:00+01:00"}
    made, again = (ask("POST", "/keys", wanted, Idempotency_Key="one") for _ in range(2))
    assert (made.status_code, again.status_code, again.headers["idempotent-replayed"]) == (201, 201, "true")
    secret = made.json()["key"]
    assert again.json() == {**made.json(), "key": None}
    assert ask("POST", "/keys", {**wanted, "name": "other"}, Idempotency_Key="one").status_code == 422
    assert made.json()["ends_at"] == "2099-01-01T00:00:00Z"
    assert (
        len([one for one in managed.house.runtime.tenants.keys(LOCAL_OPERATOR, tenant) if one.name == "nightly"]) == 1
    )
    at = f"/keys/{made.json()['id']}"
    document, etag = ask.seen(at)
    assert (document | {"key": secret}, etag) == (made.json(), made.headers["etag"])

    rotated = ask("POST", f"{at}/rotate", {"overlap_hours": 1}, If_Match=etag)
    assert rotated.json()["key"] not in {secret, None}
    assert ask("POST", f"{at}/rotate", {"scopes": ["manage"]}, If_Match="*").status_code == 422, "it takes no grants"
    for other in (made.json()["id"], made.json()["prefix"], rotated.json()["prefix"], secret[:-1]):
        assert ask("POST", "/keys/revoke-by-text", {"text": other}).status_code == 404, "it has no version to match"
    leaked = ask("POST", "/keys/revoke-by-text", {"text": secret})
    assert (leaked.status_code, leaked.json()["id"]) == (200, made.json()["id"])
    assert secret not in leaked.text
    assert ask("DELETE", at, If_Match="*").status_code == 404
    kept = rows_of(managed.house)
    assert secret not in kept
    assert rotated.json()["key"] not in kept


@pytest.mark.parametrize(
    "path", [one.path for one in ENDPOINTS if one.method == "POST" and one.kind is not EndpointKind.GIVE_OUT]
)
def test_what_is_sent_twice_under_a_key_is_done_once(
    managed: Managed, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same again is the same answer, however it stands by then; meanwhile 409, and 422 for another body."""
    ask, on = managed.program("of the deployment"), managed.house.runtime
    at, body = address(path, managed, managed.house.tenant), BODIES[path]
    if path == "/keys/revoke-by-text":
        body = {"text": on.tenants.create_key(LOCAL_OPERATOR, managed.house.tenant).secret}
    elif path == "/keys":
        body = {**body, "tenant": "Acme"}
    refused = ask("POST", at, {"no such": "field"}, Idempotency_Key='"7"', If_Match="*")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), "which leaves the key free"
    meanwhile: list[httpx2.Response] = []
    done = manage._done  # pyright: ignore[reportPrivateUsage]

    def slowly(*given: Any) -> Any:
        meanwhile.append(ask("POST", at, body, Idempotency_Key="7", If_Match="*"))
        return done(*given)

    with monkeypatch.context() as patch:
        patch.setattr(manage, "_done", slowly)
        first = ask("POST", at, body, Idempotency_Key="7", If_Match="*")
    assert first.status_code in {200, 201}, first.text
    assert [(one.status_code, one.headers["retry-after"]) for one in meanwhile] == [(409, "2")]
    kept = rows_of(managed.house)
    again = ask("POST", at, body, Idempotency_Key="7", If_Match='"of before"')
    assert (again.status_code, again.headers["idempotent-replayed"]) == (first.status_code, "true")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.json() == first.json() | ({"key": None} if "key" in first.json() else {})
    other = ask("POST", at, body | {"reason": "other"}, Idempotency_Key="7", If_Match="*")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert ask("POST", at, body, Idempotency_Key="", If_Match="*").status_code == 400
    assert rows_of(managed.house) == kept


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"tenant": "Zyx"}, 404),
        ({}, 201),
        ({"models": ["openai/gpt-4o"]}, 403),
        ({"models": []}, 403),
        ({"ends_at": None}, 403),
        ({"scopes": ["manage"]}, 403),
        ({"rate_limit_per_min": 100}, 403),
        ({"budget": "50"}, 422),
        ({"kind": "management"}, 422),
        ({"tenant_id": "x"}, 422),
    ],
    ids=repr,
)
def test_a_key_makes_none_that_is_bigger(
    managed: Managed, client: TestClient, fields: dict[str, Any], status: int
) -> None:
    """Whatever field would give more is refused; what is left out is as of the key that makes it."""
    own: dict[str, Any] = {"models": [GPT], "rate_limit_per_min": 60}
    terms = {"name": "maker", "tenant": "Acme", **own, "scopes": ["manage"], "ends_at": "2099-01-01T00:00:00Z"}
    maker = managed.program("of the deployment")("POST", "/keys", terms).json()
    asked = Holder(client, maker["key"])
    before = rows_of(managed.house)
    made = asked("POST", "/keys", {"tenant": "Acme", **fields})
    assert made.status_code == status, made.text
    if status == 201:
        document = made.json()
        assert {field: document[field] for field in own} == own
        assert document["ends_at"] == terms["ends_at"]
    else:
        assert rows_of(managed.house) == before
    itself = asked("PATCH", f"/keys/{maker['id']}", {"name": "me"}, If_Match="*")
    assert (itself.status_code, "does not change itself" in itself.text) == (403, True)


def test_lists_have_an_end_and_lose_nothing(managed: Managed) -> None:
    """Page by page each is told once, though one is revoked between two; a page has a bound."""
    ask = managed.program("of the deployment")
    ids = [ask("POST", "/keys", {"tenant": "Acme", "name": str(n)}).json()["id"] for n in range(7)]
    for path in ("/keys?tenant=Acme", "/routes?", "/tenants?", "/flags?", "/schemas?", "/prices?"):
        found, after = list[str](), ""
        while True:
            page = ask("GET", f"{path}&limit=2&after={after}").json()
            assert len(page["items"]) <= 2
            found += [str(next(iter(one.values()))) for one in page["items"]]
            if path.startswith("/keys") and not after:
                ask("DELETE", f"/keys/{ids[-1]}", If_Match="*")
            if (after := page["next"]) is None:
                break
        assert len(found) == len(set(found))
        assert not path.startswith("/keys") or set(ids) <= set(found)
    for limit in ("0", "201", "x", "-1", "²"):
        assert ask("GET", f"/keys?limit={limit}").status_code == 422


BAD_BODIES = (
    b'{"tokens_per_min": 1, "tokens_per_min": 9}',
    b'{"name": "a", "payload_retention_days": 3, "name": "b"}',
    b'{"tokens_per_min": 1e400}',
    b'{"tokens_per_min": NaN}',
    b'{"name": "\\ud800"}',
    b'{"name": "\xff"}',
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"[]",
    b"null",
    b'{"is_demo": true}',
)


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:40]))
def test_a_body_that_says_no_one_thing_changes_nothing(managed: Managed, body: bytes) -> None:
    """It is refused in a sentence, which of what is no field names the fields of this very body."""
    ask, before = managed.program("of the deployment"), rows_of(managed.house)
    headers = {"Authorization": f"Bearer {ask.key}", "If-Match": "*"}
    refused = ask.client.patch(f"/v1/manage/tenants/{managed.house.tenant.id}", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert ("is_demo" not in refused.text) or ("without_budget" in refused.text and "messages" not in refused.text)
    assert rows_of(managed.house) == before


@pytest.mark.parametrize("query", ["tenant=Acme&tenant=Zyx", "tennant=Acme", "limit=1&limit=2", "after=&after="])
def test_an_address_asks_each_thing_once(managed: Managed, query: str) -> None:
    """Which of two counted, or that a word is none, whoever asks would not see: he would take others' for his."""
    refused = managed.program("of the deployment")("GET", f"/keys?{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_a_revoked_key_manages_nothing(managed: Managed) -> None:
    """It is looked up each time: the next request is refused, whatever it asks."""
    ask = managed.program("of the deployment")
    assert ask("GET", "/tenants").status_code == 200
    [key] = managed.house.runtime.tenants.keys(LOCAL_OPERATOR, None)
    managed.house.runtime.tenants.revoke_key(LOCAL_OPERATOR, key.id)
    assert {ask("GET", path).status_code for path in ("/tenants", "/keys", "/routes")} == {401}


def test_what_is_not_there_is_made(managed: Managed) -> None:
    """With If-None-Match: *; where it is there already, that is told, and an If-Match of nothing makes nothing."""
    ask = managed.program("of the deployment")
    body = {"candidates": [{"model": GPT}]}
    assert ask("PUT", "/routes/new", body, If_Match="*").status_code == 412
    assert ask("PUT", "/routes/new", body, If_None_Match="*").status_code == 201
    there = ask("PUT", "/routes/new", body, If_None_Match="*")
    assert (there.status_code, there.json()["present"]["name"]) == (412, "new")
    label = ask("PUT", "/schemas/place/labels/next", {"version": 1}, If_None_Match="*")
    assert (label.status_code, label.json()["version"]) == (201, 1)
    assert ask("DELETE", "/schemas/place/labels/next", If_Match=label.headers["etag"]).status_code == 204
    assert ask("GET", "/schemas/place/labels/next").status_code == 404
    made = ask("POST", "/prices", BODIES["/prices"])
    assert made.status_code == 201, made.text
    gone = f"/prices/{made.json()['id']}"
    assert [ask("DELETE", gone, If_Match="*").status_code for _ in range(2)] == [204, 404]


def test_a_flag_says_for_whom_and_how_long(managed: Managed) -> None:
    """What was read is sent back with one field changed, and the others stay; a name with a slash is one."""
    ask = managed.program("of the deployment")
    at = "/flags/model:openai/gpt-4o?tenant=Acme"
    seen = ask("GET", at)
    assert (seen.json()["is_on"], seen.json()["is_set"]) == (True, False)

    body = seen.json() | {"is_on": False, "percent": 30, "ends": "2099-01-01T00:00", "zone": "Asia/Tokyo"}
    made = ask("PUT", at, body, If_Match=seen.headers["ETag"])
    assert made.status_code == 200, made.text
    again = ask("PUT", at, {"percent": 40}, If_Match=made.headers["ETag"])

    expected = {"is_on": False, "is_set": True, "percent": 40, "ends": "2099-01-01T00:00", "zone": "Asia/Tokyo"}
    assert expected.items() <= again.json().items()
    assert "model:openai/gpt-4o" in {one["flag"] for one in ask("GET", "/flags?tenant=Acme").json()["items"]}
    assert ask("GET", "/flags/streaming").status_code == 404


MEANWHILE: dict[str, Callable[[Runtime, Tenant], object]] = {
    "/tenants/{tenant}": lambda on, of: on.tenants.edit(LOCAL_OPERATOR, of.id, of.version, tokens_per_min=11),
    "/keys/{key}": lambda on, of: [
        on.tenants.edit_key(LOCAL_OPERATOR, one.id, name="meanwhile") for one in on.tenants.keys(LOCAL_OPERATOR, of)
    ],
    "/tenants/{tenant}/budgets/{budget}": lambda on, of: on.budgets.raise_limit(
        LOCAL_OPERATOR, of, on.budgets.show(LOCAL_OPERATOR, of).budget_id, 5, ends_at=NEXT_WEEK, reason="meanwhile"
    ),
    "/flags/{flag}": lambda on, of: on.flags.set(LOCAL_OPERATOR, "streaming.enabled", of, True, percent=7),
    "/guardrails/{guardrail}": lambda on, of: on.guardrails.set(
        LOCAL_OPERATOR, "long", of, "length", "note", position=7
    ),
    "/routes/{route}": lambda on, _: on.routes.set(LOCAL_OPERATOR, "fast", [{"model": "openai/gpt-4.1"}]),
    "/schemas/{schema}/labels/{label}": lambda on, _: on.schemas.promote(LOCAL_OPERATOR, "place", 2, "production"),
}
"""What somebody else does to each thing; the longest address with which another begins is that of its thing."""


@pytest.mark.parametrize("name", [f"{one.method} {one.path}" for one in ENDPOINTS if one.kind.needs_match])
def test_who_is_overtaken_between_look_and_change_is_told(
    managed: Managed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The state that was seen is compared where it is changed, and not before alone: nothing is overwritten."""
    method, path = name.split()
    [endpoint] = [one for one in ENDPOINTS if (one.method, one.path) == (method, path)]
    if path in ABSENT:
        return  # what ends once: the second finds nothing, in tests of their own
    on, of, ask = managed.house.runtime, managed.house.tenant, managed.program("of the deployment")
    on.schemas.add(LOCAL_OPERATOR, "place", SHAPE | {"title": "2"}, label=None)
    on.flags.set(LOCAL_OPERATOR, "streaming.enabled", of, False, ends="2099-01-01T00:00")
    at = address(path, managed, of) + (f"?tenant={of.id}" if endpoint.query else "")
    _, etag = ask.seen(at.removesuffix("/rotate").removesuffix("/raises"))
    decide = MEANWHILE[max((one for one in MEANWHILE if path.startswith(one)), key=len)]
    looked = manage._require_seen  # pyright: ignore[reportPrivateUsage] the moment between look and change
    after: list[str] = []

    def overtaken(*given: Any) -> None:
        looked(*given)
        decide(on, of)
        after.append(rows_of(managed.house))

    monkeypatch.setattr(manage, "_require_seen", overtaken)
    told = ask(method, at, BODIES.get(path), If_Match=etag)
    assert (told.status_code, told.json()["code"]) == (412, "precondition_failed"), told.text
    assert [rows_of(managed.house)] == after


@pytest.mark.parametrize("path", ["/flags/a%0Ab", "/flags/model:a%0Ab"])
def test_an_address_with_a_line_end_is_not_there(managed: Managed, path: str) -> None:
    """No route of ours takes one: what the document describes stands behind them, and says so."""
    ask = managed.program("of the deployment")
    assert [ask(how, path, {"is_on": True}, If_Match="*").status_code for how in ("GET", "PUT")] == [404, 404]
    assert ask.client.get("/v1/models/a%0Ab", headers={"Authorization": f"Bearer {ask.key}"}).status_code == 404


def newest_of(managed: Managed) -> str:
    """Return the id of the newest entry of the audit trail."""
    with managed.house.runtime.store.reading() as session:
        return session.exec(select(AuditEntry.id).order_by(col(AuditEntry.seq).desc())).first() or ""


def test_a_change_is_told_why(managed: Managed) -> None:
    """Each decision keeps the reason of its header as it was sent, whatever its letters; a body's own goes first."""
    on = managed.house.runtime
    why = "Weil das Ende näher rückt 🚀"
    told: dict[str, str] = {}
    for one in ENDPOINTS:
        if not one.kind.changes or one.path in {*ABSENT, "/keys/revoke-by-text"}:
            continue
        body = None if one.body is None else dict(BODIES[one.path])
        if one.path in NAMED and body is not None:
            body["tenant"] = managed.house.tenant.id
        ask = managed.program("of whoever exports" if one.kind is EndpointKind.GIVE_OUT else "of the deployment")
        match, before = "*" if one.kind.needs_match else None, newest_of(managed)
        at = address(one.path, managed, managed.house.tenant)
        done = ask(one.method, at, body, If_Match=match, X_Proctor_Reason=why.encode())
        assert done.is_success, done.text
        if (entry := newest_of(managed)) != before:
            told[f"{one.method} {one.path}"] = on.reports.change(LOCAL_OPERATOR, entry).reason
        if one.path == "/tenants/{tenant}/budgets/{budget}" and one.method == "DELETE":
            on.budgets.set(LOCAL_OPERATOR, managed.house.tenant, 10**9)
    own = {"/prices": "agreed", "/tenants/{tenant}/budgets/{budget}/raises": "more"}
    assert told == {name: own.get(name.split()[1], why) for name in told}
    assert len(told) > 14


def test_a_reason_without_end_changes_nothing(managed: Managed) -> None:
    """It is refused with what is wrong of it."""
    ask, before = managed.program("of the deployment"), rows_of(managed.house)
    at = f"/tenants/{managed.house.tenant.id}"
    refused = ask("PATCH", at, {"tokens_per_min": 9}, If_Match="*", X_Proctor_Reason="x" * 501)
    assert (refused.status_code, "at most 500" in refused.text) == (422, True)
    assert rows_of(managed.house) == before


def test_a_reason_is_a_line_that_reads_as_it_was_written(managed: Managed) -> None:
    """What turns its direction, and what nobody sees, is not kept; nor of what is noted, whose answer says the same."""
    on, ask = managed.house.runtime, managed.program("of the deployment")
    why = "paid\u202e05\u2066 on\u0085time"
    done = ask(
        "PATCH",
        f"/tenants/{managed.house.tenant.id}",
        {"tokens_per_min": 9},
        If_Match="*",
        X_Proctor_Reason=why.encode(),
    )
    assert done.status_code == 200
    assert on.reports.change(LOCAL_OPERATOR, newest_of(managed)).reason == "paid 05 on time"
    noted = ask("POST", "/changes", {"what": why, "link": "https://ci.example/7"}).json()
    assert (noted["what"], on.reports.change(LOCAL_OPERATOR, noted["id"]).summary) == ("paid 05 on time",) * 2


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u202eb", "x" * 3000])
def test_a_name_is_one_line_of_letters(managed: Managed, name: str) -> None:
    """Wherever a name may be of what is not there yet: it is refused with a sentence, and nothing is saved."""
    ask, of = managed.program("of the deployment"), managed.house.tenant.id
    before = rows_of(managed.house)
    asked = [
        ask("POST", f"/tenants/{of}/budgets", {"limit_usd": "1", "scope": scope, "scope_name": name})
        for scope in ("route", "schema", "model")
    ]
    asked.append(ask("POST", "/keys", {"tenant": of, "routes": [name]}))
    asked.append(ask("POST", "/keys", {"tenant": of, "models": [f"openai/{name}"]}))
    asked.append(ask("PUT", "/routes/fast", {"candidates": [{"model": f"openai/{name}"}]}, If_Match="*"))
    asked.append(ask("POST", "/changes", {"what": "w", "link": f"https://ci.example/{name}"}))
    assert [one.status_code for one in asked] == [422] * len(asked)
    assert rows_of(managed.house) == before


def test_what_happened_elsewhere_is_told_once(managed: Managed) -> None:
    """A deploy that is told again under its key is one change; a tenant's key tells of its tenant alone."""
    on, ask = managed.house.runtime, managed.program("of the tenant")
    body = {"what": "v2 went out", "link": "https://ci.example/7", "kind": "config"}
    body["at"] = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    asked = [ask("POST", "/changes", body, Idempotency_Key="7") for _ in range(2)]
    assert [one.status_code for one in asked] == [201, 201]
    assert asked[0].json() == asked[1].json()
    told = on.reports.change(LOCAL_OPERATOR, asked[0].json()["id"])
    assert (told.summary, told.kind, told.tenant) == (body["what"], "config", "Acme")
    assert told.after == {"link": body["link"]}
    assert told.actor.startswith("key proctor_")
    assert len(rows_of(managed.house).split("v2 went out")) == 2

    over_all = managed.program("of the deployment")
    assert over_all("POST", "/changes", {"what": "v3"}).json()["tenant_id"] is None
    for wrong in ({"what": ""}, {"kind": "party"}, {"link": "ftp://a"}, {"at": SOON}, {"at": "2020-01-01T00:00:00Z"}):
        assert over_all("POST", "/changes", {"what": "x", **wrong}).status_code == 422
    assert ask("POST", "/changes", {"what": "x", "tenant": managed.other.name}).status_code == 404

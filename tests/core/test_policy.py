"""Policy: what operators decided holds with the next generation, in every process, and every flag is honoured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.attempts import Candidate, RouteTerms
from core.breakers import Breakers, Rule
from core.capabilities import ModelCard
from core.errors import FeatureDisabled, Forbidden, Invalid, NotFound, ProctorError, Unauthenticated
from core.faults import Fault
from core.flags import Flag
from core.policy import Policy
from core.policy._cache import RevisionCache
from core.policy._relay_terms import most_written, relay_terms
from core.principals import LOCAL_OPERATOR, Principal
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Outcome, Tenant
from tests.builders import decisions, person
from tests.corridor import ANTHROPIC, OPENAI, PERSON, Rig, program, question, rig
from tests.statements import counted
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def here(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url, model_fallback=ANTHROPIC) as running:
        yield running


@pytest.fixture
def elsewhere(here: Rig, wire: WireServer, database_url: str) -> Iterator[Runtime]:
    """Another process's Proctor on the same database, through which operators decide."""
    with rig(wire, database_url) as running:
        yield running.runtime


def resolved(on: Rig | Runtime, tenant: Tenant, **asked: Any) -> Policy:
    """Return the policy of a generation that begins now."""
    runtime = on.runtime if isinstance(on, Rig) else on
    wanted: dict[str, Any] = {"schema": "person", "route": "default", "model": None, "stream": False} | asked
    return runtime.policies.snapshot(tenant.id).resolve(program(tenant), **wanted)


CHANGES: dict[str, tuple[Callable[[Runtime, Tenant], Any], Callable[[Policy], Any], Any]] = {
    # what an operator does elsewhere; what is looked at here; what it then is
    "the budget": (
        lambda there, tenant: there.budgets.set(LOCAL_OPERATOR, tenant, 77),
        lambda policy: policy.budgets and policy.budgets[0].limit_nano_usd,
        77,
    ),
    "the rate limit": (
        lambda there, tenant: there.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, rate_limit_per_min=3),
        lambda policy: policy.tenant.rate_limit_per_min,
        3,
    ),
    "the time zone": (
        lambda there, tenant: there.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, timezone="Asia/Kathmandu"),
        lambda policy: policy.tenant.timezone,
        "Asia/Kathmandu",
    ),
    "the retention": (
        lambda there, tenant: there.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, payload_retention_days=1),
        lambda policy: policy.tenant.payload_retention_days,
        1,
    ),
    "the route": (
        lambda there, _: there.routes.set(LOCAL_OPERATOR, "default", [{"model": "openai/gpt-4o"}]),
        lambda policy: [candidate.name for candidate in policy.route.candidates],
        ["openai/gpt-4o"],
    ),
    "the tenant's own route": (
        lambda there, tenant: (
            there.routes.set(LOCAL_OPERATOR, "own", [{"model": ANTHROPIC}]),
            there.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, route="own"),
        ),
        lambda policy: (policy.route.name, [candidate.name for candidate in policy.route.candidates]),
        ("own", [ANTHROPIC]),
    ),
    "the schema": (
        lambda there, _: there.schemas.add(person("elsewhere"), "person", PERSON | {"description": "Other."}),
        lambda policy: policy.schema.version,
        2,
    ),
    "a flag for all": (
        lambda there, _: there.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, None, False),
        lambda policy: policy.tenant.flags[Flag.PAYLOADS].value,
        False,
    ),
    "a flag of the tenant": (
        lambda there, tenant: there.flags.set(LOCAL_OPERATOR, Flag.FALLBACK, tenant, False),
        lambda policy: len(policy.route.candidates),
        1,
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_decision_elsewhere_holds_with_the_next_generation(what: str, here: Rig, elsewhere: Runtime) -> None:
    """What an operator changes in another process is what the next policy says, and was not what the last one said."""
    decide, look, expected = CHANGES[what]
    tenant = here.tenant(None)
    before = resolved(here, tenant)
    assert look(before) != expected

    decide(elsewhere, tenant)

    after = resolved(here, tenant)
    assert look(after) == expected
    assert after.revision > before.revision
    assert look(before) != expected, "a policy is frozen"


@pytest.mark.parametrize("schema", ["person", PERSON], ids=["registered", "inline"])
def test_between_decisions_one_statement_is_asked(
    schema: str | dict[str, Any], wire: WireServer, database_url: str
) -> None:
    """At the same revision nothing but the revision is read, once for the key and once for the policy, as one row."""
    with counted() as statements, rig(wire, database_url) as here:
        tenant = here.tenant()
        secret = here.runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret

        def look() -> tuple[Principal, Policy]:
            return here.runtime.policies.authenticate(secret), resolved(here, tenant, schema=deepcopy(schema))

        first = look()
        statements.clear()
        again = [look() for _ in range(5)]

        assert len(statements) == 10
        assert all("tenant_revision" in sql for sql in statements.sent)
        assert all(one[0] is first[0] and one[1] is first[1] for one in again)


ELSEWHERE: dict[str, Callable[[Runtime, Tenant], Any]] = {
    "a budget": lambda there, other: there.budgets.set(LOCAL_OPERATOR, other, 77),
    "an edit": lambda there, other: there.tenants.edit(LOCAL_OPERATOR, other.id, 1, rate_limit_per_min=3),
    "a key": lambda there, other: there.tenants.create_key(LOCAL_OPERATOR, other),
    "a flag": lambda there, other: there.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, other, False),
    "a price": lambda there, other: there.prices.set(
        LOCAL_OPERATOR, "openai", "gpt-4o-mini", tenant=other, discount_percent="5", reason="A test."
    ),
    "a drill": lambda there, other: there.drills.start(
        LOCAL_OPERATOR, other, Fault.SLOW, share=1, minutes=5, reason="A test."
    ),
}
"""Decisions that concern one tenant alone."""


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_decision_about_one_tenant_leaves_the_others_alone(what: str, wire: WireServer, database_url: str) -> None:
    """What is decided about one tenant holds for it at once, and costs the next generation of another nothing."""
    with counted() as statements, rig(wire, database_url) as here, rig(wire, database_url) as there:
        tenant, other = here.tenant(), here.tenant()
        mine, theirs = resolved(here, tenant), resolved(here, other)
        ELSEWHERE[what](there.runtime, other)
        statements.clear()

        assert resolved(here, tenant) is mine
        assert len(statements) == 1
        assert resolved(here, other).revision > theirs.revision


@pytest.mark.parametrize("schema", ["person", PERSON], ids=["registered", "inline"])
def test_of_many_callers_one_reads_anew(schema: str | dict[str, Any], wire: WireServer, database_url: str) -> None:
    """After a decision for all, 64 threads that come at once make one policy between them, and each gets it."""
    with counted() as statements, rig(wire, database_url) as here:
        tenant = here.tenant()
        resolved(here, tenant, schema=schema)
        barrier, found, threads = threading.Barrier(64), list[Policy](), list[threading.Thread]()

        def resolve() -> None:
            barrier.wait()
            found.append(resolved(here, tenant, schema=schema))

        here.runtime.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, None, False)
        statements.clear()
        for _ in range(64):
            threads.append(threading.Thread(target=resolve))
            threads[-1].start()
        for thread in threads:
            thread.join()

        reads = [sql for sql in statements.sent if "tenant_revision" not in sql]
        assert len(reads) == len(set(reads)), "nothing is read twice"
        assert len({id(policy) for policy in found}) == 1
        assert len(found) == 64


def test_a_refusal_that_many_wait_for_is_everybody_s_own() -> None:
    """Whoever waits for a value that cannot be made hears why, in an error to which others add nothing."""
    cache: RevisionCache[str] = RevisionCache(10)
    barrier, heard = threading.Barrier(8), list[NotFound]()

    def make() -> str:
        time.sleep(0.05)
        raise NotFound("There is none.", known=[])

    def ask() -> None:
        barrier.wait()
        try:
            cache.get("it", 1, make)
        except NotFound as error:
            error.facts["generation_id"] = len(heard)
            heard.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(error.facts) for error in heard}) == 8
    assert len(cache) == 0


def test_a_revoked_key_is_out_at_once(here: Rig, elsewhere: Runtime) -> None:
    """A key that is revoked in another process opens no door with the next request."""
    tenant = here.tenant()
    key = here.runtime.tenants.create_key(LOCAL_OPERATOR, tenant)
    assert here.runtime.policies.authenticate(key.secret).tenant_id == tenant.id

    elsewhere.tenants.revoke_key(LOCAL_OPERATOR, key.id)

    with pytest.raises(Unauthenticated):
        here.runtime.policies.authenticate(key.secret)


def test_a_new_key_works_at_once(here: Rig, elsewhere: Runtime) -> None:
    """That a key was unknown a moment ago is not remembered against it."""
    tenant = here.tenant()
    with pytest.raises(Unauthenticated):
        here.runtime.policies.authenticate("prk_unknown")
    key = elsewhere.tenants.create_key(LOCAL_OPERATOR, tenant)

    assert here.runtime.policies.authenticate(key.secret).key_id == key.id


def test_what_is_kept_holds_no_key(here: Rig) -> None:
    """The memory of who holds which key does not hold the keys."""
    secret = here.runtime.tenants.create_key(LOCAL_OPERATOR, here.tenant()).secret
    here.runtime.policies.authenticate(secret)

    assert secret not in repr(vars(here.runtime.policies.kept))


def test_the_policy_is_recorded_with_the_generation(here: Rig) -> None:
    """Long after, a generation still says under which decisions it ran."""
    tenant = here.tenant(5_000_000)
    written = here.written(here.ask(tenant).generation.id)

    with here.runtime.store.snapshot() as connection:
        revision = decisions(connection)
    policy = here.runtime.reports.call(LOCAL_OPERATOR, written.generation.id).policy
    assert policy is not None
    budget = {"scope": "tenant", "scope_name": "", "period": "month", "mode": "hard", "limit_nano_usd": 5_000_000}
    expected = {
        "revision": revision,
        "rate_limit_per_min": 100_000,
        "without_budget": "allow",
        "without_price": "unless-budgeted",
        "vendor_storage": "caller",
        "budgets": [budget],
        "payload_retention_days": 30,
        "flags": {flag.value: True for flag in Flag},
    }
    assert {name: policy[name] for name in expected} == expected
    route = {
        "name": "default",
        "candidates": [OPENAI, ANTHROPIC],
        "max_reasks": 2,
        "max_retries": 1,
        "deadline_seconds": 60.0,
    }
    assert {name: policy["route"][name] for name in route} == route


# ── Flags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def off(on: Rig, flag: Flag, tenant: Tenant | None = None) -> None:
    """Turn a flag off, for everyone or for one tenant."""
    on.runtime.flags.set(LOCAL_OPERATOR, flag, tenant, False)


@pytest.mark.parametrize("stream", [False, True])
def test_without_generation_every_call_is_refused(*, stream: bool, here: Rig) -> None:
    """While generation is off, nothing is asked, nothing is paid, and the refusal is recorded."""
    tenant, other = here.tenant(), here.tenant()
    off(here, Flag.GENERATION, tenant)
    calls = len(here.wire.ledger.calls())

    heard = here.ask(tenant, stream=stream)

    assert heard.generation.outcome is Outcome.BLOCKED_FLAG
    assert isinstance(heard.error, FeatureDisabled)
    assert f"switched off for {tenant.name} by the tenant's own rule" in heard.error.message
    assert heard.error.facts["flag"] == "generation.enabled"
    written = here.written(heard.generation.id)
    assert (written.generation.outcome, written.attempts, written.payloads) == ("blocked_flag", [], [])
    assert written.generation.trace[-1]["room"] == "policy"
    assert len(here.wire.ledger.calls()) == calls
    assert here.ask(other).generation.outcome is Outcome.VALID_FIRST_TRY


def test_without_streaming_whole_answers_go_on(here: Rig) -> None:
    """While streaming is off, streams are refused and whole answers are given."""
    tenant = here.tenant()
    off(here, Flag.STREAMING)

    assert here.ask(tenant, stream=True).generation.outcome is Outcome.BLOCKED_FLAG
    assert here.ask(tenant).generation.outcome is Outcome.VALID_FIRST_TRY


def test_without_fallback_only_the_first_model_is_asked(here: Rig) -> None:
    """While fallback is off, a primary that cannot answer ends the generation."""
    tenant = here.tenant()
    assert here.ask(tenant, "failed@openai").generation.outcome is Outcome.VALID_AFTER_FALLBACK
    off(here, Flag.FALLBACK, tenant)
    heard = here.ask(tenant, "failed@openai")

    assert heard.generation.outcome is Outcome.PROVIDER_ERROR
    assert {attempt.provider for attempt in heard.generation.attempts} == {"openai"}


def test_without_the_local_model_a_route_does_without_it(here: Rig) -> None:
    """While the local model is off it is left out; a route with no other model refuses, and records that."""
    tenant = here.tenant()
    mixed, alone = here.route("local/smollm2", OPENAI), here.route("local/smollm2")
    assert len(resolved(here, tenant, route=mixed).route.candidates) == 2
    off(here, Flag.LOCAL_MODEL)

    heard = here.ask(tenant, route=mixed)
    assert [attempt.provider for attempt in heard.generation.attempts] == ["openai"]
    refused = here.ask(tenant, route=alone)
    assert refused.generation.outcome is Outcome.BLOCKED_FLAG
    assert refused.error is not None
    assert refused.error.facts["flag"] == "local_model.allowed"


def test_without_payloads_no_text_is_kept(here: Rig) -> None:
    """While payloads are off neither prompt nor answer is kept; figures, outcomes and field errors are."""
    tenant, other = here.tenant(), here.tenant()
    off(here, Flag.PAYLOADS, tenant)

    written = here.written(here.ask(tenant, "invalid-once").generation.id)
    assert written.payloads == []
    assert (len(written.attempts), len(written.field_errors)) == (2, 1)
    assert written.generation.cost_nano_usd
    assert [one.n for one in here.written(here.ask(other, "invalid-once").generation.id).payloads] == [0, 1, 2]


def test_every_flag_is_honoured() -> None:
    """The flags that the tests above turn off are all the flags there are."""
    assert set(Flag) == {Flag.GENERATION, Flag.STREAMING, Flag.FALLBACK, Flag.LOCAL_MODEL, Flag.PAYLOADS}


# ── What never was a generation ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "kind", "sentence"),
    [
        ({"schema": "nobody"}, NotFound, "There is no schema 'nobody'"),
        ({"schema": "person@9"}, NotFound, "has no version 9"),
        ({"schema": "Person!"}, Invalid, "is no schema"),
        ({"schema": {"type": "nonsense"}}, Invalid, "The schema is not valid"),
        ({"route": "nowhere"}, NotFound, "There is no route 'nowhere'"),
        ({"model": "llama"}, Invalid, "does not name a provider"),
    ],
)
def test_what_names_nothing_is_turned_away(
    asked: dict[str, Any], kind: type[ProctorError], sentence: str, here: Rig
) -> None:
    """A request for what is not there is told so, costs nothing, and is not recorded as a generation."""
    tenant = here.tenant()
    with pytest.raises(kind, match=sentence) as refused:
        here.ask(tenant, **asked)

    assert "generation_id" not in refused.value.facts
    with here.runtime.store.snapshot() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM generation").scalar() == 0


def test_nobody_generates_in_another_s_tenant(here: Rig) -> None:
    """A key's own tenant is the only one it generates in; an operator names one."""
    mine, other = here.tenant(), here.tenant()
    heard = here.corridor().generate(question(tenant_id=other.id), program(mine))
    assert heard.tenant_id == mine.id

    with pytest.raises(Invalid, match="Name the tenant"):
        here.corridor().generate(question(), LOCAL_OPERATOR)
    assert here.corridor().generate(question(tenant_id=other.id), LOCAL_OPERATOR).tenant_id == other.id
    snapshot = here.runtime.policies.snapshot(other.id)
    with pytest.raises(Forbidden):
        snapshot.resolve(program(mine), schema="person", route="default", model=None, stream=False)


def test_a_tenant_that_is_gone_is_told(here: Rig) -> None:
    """A principal of a tenant that no longer exists is turned away."""
    with pytest.raises(NotFound, match="no longer exists"):
        here.corridor().generate(question(), Principal.of_key("key", "gone", "prk_key"))


# ── What is kept ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_kept_is_bounded(here: Rig) -> None:
    """However many schemas, routes and models are named, what is remembered of them is bounded."""
    tenant = here.tenant(None)
    kept = here.runtime.policies.kept
    for number in range(9000):
        assert kept.get(("policy", tenant.id, f"schema-{number}"), 1, lambda: tenant) is tenant

    assert len(kept) <= 8192
    assert resolved(here, tenant).tenant.id == tenant.id


def test_schemas_that_callers_send_are_kept_within_bounds(here: Rig) -> None:
    """However many large schemas come with requests, those that are kept stand for a bounded amount of text."""
    tenant = here.tenant(None)
    for number in range(60):
        large = PERSON | {"description": f"{number} " + "x" * 180_000}
        assert resolved(here, tenant, schema=large).schema.version is None

    assert here.runtime.policies.inline.weight <= 8_000_000
    assert len(here.runtime.policies.inline) > 1


@given(revisions=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_what_is_kept_is_what_was_made_at_its_revision(revisions: list[tuple[int, int]]) -> None:
    """Whatever is asked in whatever order, an answer is never of another revision or key, nor is there too much."""
    cache: RevisionCache[tuple[int, int]] = RevisionCache(4)
    for key, revision in revisions:
        assert cache.get(key, revision, lambda made=(key, revision): made) == (key, revision)
        assert cache.peek(key) == (key, revision)
        assert len(cache) == cache.weight <= 4


# ── Breakers of schemas that come with a request ──────────────────────────────────────────────────────────────────────


def test_an_inline_schema_has_a_breaker(here: Rig) -> None:
    """A model whose answers never satisfy a schema that comes with requests is no longer asked for it, but for others.

    The schema is known by its content: how its keywords are ordered makes no difference.
    """
    corridor = here.corridor(breakers=Breakers(here.clock, rule=Rule(least_calls=1)))
    tenant, route = here.tenant(), here.route(OPENAI)
    again = dict(reversed(PERSON.items()))
    for _ in range(3):
        here.ask(tenant, "invalid", corridor=corridor, route=route, schema=PERSON)

    refused = here.ask(tenant, corridor=corridor, route=route, schema=again)
    assert refused.generation.outcome is Outcome.PROVIDER_ERROR
    assert refused.generation.attempts == ()
    assert here.ask(tenant, corridor=corridor, route=route).generation.outcome is Outcome.VALID_FIRST_TRY
    other = PERSON | {"description": "Somebody else."}
    assert here.ask(tenant, corridor=corridor, route=route, schema=other).generation.outcome is Outcome.VALID_FIRST_TRY


def test_inline_schemas_share_a_bounded_number_of_breakers(here: Rig) -> None:
    """However many schemas callers send, their breakers have at most 64 names; each schema always has the same."""
    tenant = here.tenant(None)
    sent = [PERSON | {"description": f"Number {number}."} for number in range(200)]
    names = [resolved(here, tenant, schema=schema).route.schema for schema in sent]

    assert 32 < len(set(names)) <= 64
    assert names == [resolved(here, here.tenant(None), schema=schema).route.schema for schema in sent]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"route": None, "schema": PERSON}, "own"),
        ({"route": "default"}, "own"),
        ({"route": None}, "listed"),
        ({"route": "listed"}, "listed"),
        ({"route": None, "schema": PERSON, "model": OPENAI}, "own"),
    ],
    ids=str,
)
def test_a_tenants_own_route_stands_in_the_place_of_the_default_one(
    asked: dict[str, Any], expected: str, here: Rig
) -> None:
    """A schema's route, and one that is named, go before it; the trace tells, and others have theirs."""
    on, tenant, other = here.runtime, here.tenant(), here.tenant()
    on.routes.set(LOCAL_OPERATOR, "own", [{"model": ANTHROPIC}])
    on.routes.set(LOCAL_OPERATOR, "listed", [{"model": ANTHROPIC}], schemas=["person"])
    on.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, route="own")

    found = resolved(here, tenant, **asked)

    assert found.route.name == expected
    assert [verdict for verdict, _ in found.remarks] == (["own route"] if expected == "own" else [])
    assert resolved(here, other, **asked).route.name == expected.replace("own", "default")


@pytest.mark.parametrize("routes", [["default"], ["own"]])
def test_a_key_for_the_default_route_may_ask_what_stands_in_its_place(routes: list[str], here: Rig) -> None:
    """It is named by either name."""
    on, tenant = here.runtime, here.tenant()
    on.routes.set(LOCAL_OPERATOR, "own", [{"model": ANTHROPIC}])
    on.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, route="own")
    who = on.policies.authenticate(on.tenants.create_key(LOCAL_OPERATOR, tenant, routes=routes).secret)

    found = on.policies.snapshot(tenant.id).resolve(who, schema=PERSON, route=None, model=None, stream=False)

    assert found.route.name == "own"


def test_a_refusal_without_fallback_says_whose_word_it_is(here: Rig) -> None:
    """Trace and sentence name who was not asked, and the flag; so does a walk that breakers stopped."""
    tenant = here.tenant()
    off(here, Flag.FALLBACK, tenant)
    by = "by the tenant's own rule of the flag fallback.enabled"
    why = f"{ANTHROPIC}: Fallback is switched off for {tenant.name} {by}."

    heard = here.ask(tenant, "failed@openai")

    trace = here.written(heard.generation.id).generation.trace
    told = [(step["verdict"], step["reason"]) for step in trace]
    assert ("flags", "fallback.enabled is off by the tenant's own rule (TARGETING_MATCH).") in told
    assert ("not asked", why) in told
    assert any(verdict == "stopped" and f"nobody further may be asked. {why}" in said for verdict, said in told)
    assert heard.error is not None
    assert heard.error.message.endswith(why)


STOPPED: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    # the flag's name; what is asked, on a route of its own; what the refusal begins with
    "schema:person": (lambda route: {"route": route}, "Schema person is switched off"),
    "route:ROUTE": (lambda route: {"route": route}, "Route ROUTE is switched off"),
    f"model:{OPENAI}": (lambda route: {"route": route}, f"Model {OPENAI} is switched off"),
}


@pytest.mark.parametrize("flag", STOPPED)
def test_whatever_has_a_name_can_be_stopped(flag: str, here: Rig, elsewhere: Runtime) -> None:
    """By another process, with the next generation, for one tenant alone; nobody is asked, and it is recorded."""
    tenant, other, route = here.tenant(), here.tenant(), here.route(OPENAI)
    asked, begins = STOPPED[flag]
    assert here.ask(tenant, **asked(route)).generation.outcome is Outcome.VALID_FIRST_TRY
    calls = len(here.wire.ledger.calls())

    elsewhere.flags.set(LOCAL_OPERATOR, flag.replace("ROUTE", route), tenant, False)
    heard = here.ask(tenant, **asked(route))

    assert heard.generation.outcome is Outcome.BLOCKED_FLAG
    assert heard.error is not None
    assert heard.error.message.startswith(begins.replace("ROUTE", route))
    assert len(here.wire.ledger.calls()) == calls
    assert here.ask(other, **asked(route)).generation.outcome is Outcome.VALID_FIRST_TRY


def test_a_model_that_is_stopped_gives_way_to_the_next(here: Rig) -> None:
    """Where the route has another one, that is asked, and the trace says why the first was not."""
    tenant = here.tenant()
    here.runtime.flags.set(LOCAL_OPERATOR, f"model:{OPENAI}", None, False)

    heard = here.ask(tenant)

    assert [one.provider for one in heard.generation.attempts] == ["anthropic"]
    assert any(OPENAI in step["reason"] and step["verdict"] == "not asked" for step in heard.generation.trace)


MEANWHILE: dict[str, tuple[dict[str, Any], Outcome, list[str]]] = {
    # what an operator turns off while a first call is in trouble; for how many; how it ends, and who was asked
    "generation.enabled": ({}, Outcome.BLOCKED_FLAG, ["openai"]),
    "schema:person": ({}, Outcome.BLOCKED_FLAG, ["openai"]),
    "route:ROUTE": ({}, Outcome.BLOCKED_FLAG, ["openai"]),
    f"model:{OPENAI}": ({}, Outcome.VALID_AFTER_FALLBACK, ["openai", "anthropic"]),
    f"model:{ANTHROPIC}": ({}, Outcome.PROVIDER_ERROR, ["openai", "openai", "openai"]),
    "fallback.enabled": ({}, Outcome.PROVIDER_ERROR, ["openai", "openai", "openai"]),
    "schema:other": ({}, Outcome.VALID_AFTER_FALLBACK, ["openai", "openai", "openai", "anthropic"]),
    "payloads.kept": ({}, Outcome.VALID_AFTER_FALLBACK, ["openai", "openai", "openai", "anthropic"]),
    "route:ROUTE for a share": ({"percent": 100}, Outcome.VALID_AFTER_FALLBACK, ["openai"] * 3 + ["anthropic"]),
    "route:ROUTE for a while": ({"ends": "2199-01-01T00:00"}, Outcome.BLOCKED_FLAG, ["openai"]),
    "route:ROUTE later": ({"starts": "2199-01-01T00:00"}, Outcome.VALID_AFTER_FALLBACK, ["openai"] * 3 + ["anthropic"]),
}


def test_what_is_stopped_meanwhile_is_asked_no_more(
    here: Rig, elsewhere: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generation that is under way makes no further call to what was switched off for every call since it began.

    What it has drawn or begun with else stays: a share, what is kept of it, what is said for later.
    """
    waits, pending = here.clock.wait, list[Callable[[], Any]]()

    def meanwhile(woken: threading.Event, seconds: float) -> bool:
        while pending:
            pending.pop()()
        return waits(woken, seconds)

    monkeypatch.setattr(here.clock, "wait", meanwhile)
    for case, (limits, outcome, providers) in MEANWHILE.items():
        tenant, route = here.tenant(), here.route(OPENAI, ANTHROPIC, max_retries=2)
        flag = case.partition(" ")[0].replace("ROUTE", route)
        pending.append(partial(elsewhere.flags.set, LOCAL_OPERATOR, flag, tenant, False, **limits))
        heard = here.ask(tenant, "failed@openai", route=route)

        assert not pending, "there was a pause"
        found = heard.generation.outcome, [one.provider for one in heard.generation.attempts]
        assert found == (outcome, providers), case
        if outcome is Outcome.BLOCKED_FLAG:
            assert heard.error is not None
            assert heard.error.message.endswith("An operator can turn it on.")
    assert here.is_settled()


def test_a_share_is_drawn_once_for_a_generation_and_alike_for_a_user(here: Rig) -> None:
    """Of many calls so many are on, policy and trace say the same of each, and one user always gets the same."""
    tenant = here.tenant()
    here.runtime.flags.set(LOCAL_OPERATOR, Flag.FALLBACK, tenant, False, percent=30)

    def of(unit: str) -> Policy:
        return (
            here.runtime.policies.snapshot(tenant.id)
            .deciding(unit)
            .deciding("someone else")
            .resolve(program(tenant), schema="person", route="default", model=None, stream=False)
        )

    found = [of(f"user {number}") for number in range(1000)]

    off = [one for one in found if len(one.route.candidates) == 1]
    assert abs(len(off) - 300) <= 60
    assert all(one.described["flags"]["fallback.enabled"] is (len(one.route.candidates) == 2) for one in found)
    assert {one.described["flag_reasons"]["fallback.enabled"] for one in found} == {"SPLIT"}
    assert len({id(one) for one in found}) == 2, "what was decided alike is made once"
    assert [len(of(f"user {number}").route.candidates) for number in range(50)] == [
        len(one.route.candidates) for one in found[:50]
    ]


def test_a_rule_begins_and_ends_by_itself(here: Rig) -> None:
    """Nobody decides anything, and what is kept holds for as long as it says."""
    tenant, clock = here.tenant(), here.runtime.clock
    day = clock.now().date()
    here.runtime.flags.set(
        LOCAL_OPERATOR, Flag.STREAMING, tenant, False, ends=f"{day.replace(year=day.year + 1)}T00:00"
    )
    here.runtime.flags.set(
        LOCAL_OPERATOR, Flag.GENERATION, tenant, False, starts=f"{day.replace(year=day.year + 1)}T00:00"
    )

    assert here.ask(tenant, stream=True).generation.outcome is Outcome.BLOCKED_FLAG
    assert here.ask(tenant).generation.outcome is Outcome.VALID_FIRST_TRY


@pytest.mark.parametrize(
    ("timeouts", "deadline", "then"),
    [
        ([30], 60, ([600], 630)),
        ([30, 30], 45, ([600, 600], 615)),
        ([30, 7], 60, ([600, 7], 630)),
        ([7, 8], 60, ([7, 8], 60)),
        ([30], 9, ([600], 9)),
        ([700], 60, ([700], 60)),
    ],
)
def test_relayed_calls_have_their_own_time_where_nobody_set_one(
    timeouts: list[float], deadline: float, then: tuple[list[float], float]
) -> None:
    """A candidate's usual time becomes that of front doors, and the usual deadline so much longer."""
    asked = [Candidate(provider="openai", model=f"m{n}", timeout_seconds=one) for n, one in enumerate(timeouts)]
    route = RouteTerms(name="r", candidates=tuple(asked), max_reasks=1, max_retries=1, deadline_seconds=deadline)
    found = relay_terms(route, Settings(deadline_seconds=45), lambda *_: ModelCard())
    assert ([one.timeout_seconds for one in found.candidates], found.deadline_seconds) == then
    quick = Settings(relay_seconds=10)
    assert relay_terms(route, quick, lambda *_: ModelCard()) == route, "never less than the route has"


@pytest.mark.parametrize(
    ("context", "output", "most"),
    [
        (128_000, 16_384, 16_384),
        (400_000, 128_000, 16_384),
        (8_192, 8_192, 2_048),
        (None, 4_096, 4_096),
        (128_000, None, 0),
    ],
)
def test_an_answer_may_be_as_long_as_its_model_writes(context: int | None, output: int | None, most: int) -> None:
    """No more than a model takes as its limit beside a long prompt; and of one that nobody knows nothing is said."""
    assert most_written(ModelCard(context=context, output=output), 16_384) == most


def test_relayed_answers_are_long_where_nobody_set_a_limit() -> None:
    """A route's own limit holds, and so does the usual one of a model that is not known."""
    limits = {"usual": 1_024, "set": 500, "doubled": 1_024, "unknown": 1_024}
    asked = [
        Candidate(provider="openai", model=name, max_tokens=limit, most_tokens=4_096 if name == "doubled" else None)
        for name, limit in limits.items()
    ]
    route = RouteTerms(name="r", candidates=tuple(asked), max_reasks=1, max_retries=1, deadline_seconds=60)
    found = relay_terms(route, Settings(), lambda _, model: ModelCard(output=None if model == "unknown" else 9_000))
    assert [one.max_tokens for one in found.candidates] == [9_000, 500, 1_024, 1_024]

"""Policy: what operators decided holds with the next generation, in every process, and every flag is honoured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from core import audit
from core.errors import FeatureDisabled, Forbidden, Invalid, NotFound, ProctorError, Unauthenticated
from core.flags import Flag
from core.policy import Policy
from core.principals import LOCAL_OPERATOR, Principal, Role
from core.runtime import Runtime
from core.tables import Outcome, Tenant
from tests.corridor import ANTHROPIC, OPENAI, PERSON, Rig, program, question, rig
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
    standing = runtime.policies.standing()
    wanted: dict[str, Any] = {"schema": "person", "route": "default", "model": None, "stream": False} | asked
    return standing.resolve(program(tenant), standing.tenant(tenant.id), **wanted)


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
    "the schema": (
        lambda there, _: there.schemas.add("elsewhere", "person", PERSON | {"description": "Other."}),
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


def test_between_decisions_one_number_is_read(here: Rig) -> None:
    """At the same revision nothing but the revision is read again, neither for the policy nor for the key."""
    tenant = here.tenant()
    secret = here.runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret
    first = (here.runtime.policies.authenticate(secret), resolved(here, tenant))
    statements: list[str] = []
    event.listen(here.runtime.store.engine, "before_cursor_execute", lambda _c, _u, sql, *_: statements.append(sql))

    again = [(here.runtime.policies.authenticate(secret), resolved(here, tenant)) for _ in range(5)]

    assert statements == []
    assert all(one[0] is first[0] and one[1] is first[1] for one in again)


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

    assert secret not in repr(vars(here.runtime.policies.standing()))


def test_the_policy_is_recorded_with_the_generation(here: Rig) -> None:
    """Long after, a generation still says under which decisions it ran."""
    tenant = here.tenant(5_000_000)
    written = here.written(here.ask(tenant).generation.id)

    with here.runtime.store.snapshot() as connection:
        revision = audit.revision(connection)
    policy = written.generation.policy
    budget = {"scope": "tenant", "scope_name": "", "period": "month", "mode": "hard", "limit_nano_usd": 5_000_000}
    expected = {
        "revision": revision,
        "rate_limit_per_min": 100_000,
        "without_budget": "allow",
        "without_price": "allow",
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
    standing = here.runtime.policies.standing()
    with pytest.raises(Forbidden):
        standing.resolve(
            program(mine), standing.tenant(other.id), schema="person", route="default", model=None, stream=False
        )


def test_a_tenant_that_is_gone_is_told(here: Rig) -> None:
    """A principal of a tenant that no longer exists is turned away."""
    with pytest.raises(NotFound, match="no longer exists"):
        here.corridor().generate(question(), Principal("key", Role.TENANT_KEY, tenant_id="gone"))


def test_what_is_kept_is_bounded(here: Rig) -> None:
    """However many schemas, routes and models are named, what is remembered of them is bounded."""
    tenant = here.tenant(None)
    standing = here.runtime.policies.standing()
    terms = standing.tenant(tenant.id)
    for number in range(4500):
        found = standing._once(("policy", tenant.id, f"schema-{number}"), lambda: terms)
        assert found is terms

    assert len(standing._kept) <= 4096
    assert resolved(here, tenant).tenant.id == tenant.id

"""Keys: what each may do and ask, until when, who may hand out what, and how one is replaced without a break."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlmodel import select

from core import runtime as running
from core.budgets import Budgets
from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound, ProctorError, Unauthenticated
from core.limits import QuotaScope
from core.principals import LOCAL_OPERATOR, KeyScope, Permission, Principal
from core.store import Store
from core.tables import ApiKey, AuditEntry, ChangeEvent, Tenant
from core.tenants import NewKey, Tenants, digest
from tests.conftest import START
from tests.corridor import ANTHROPIC, Rig, rig, settings
from tests.wire.server import WireServer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GPT, CLAUDE = "openai/gpt-4o-mini", ANTHROPIC


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still."""
    return ManualClock(START)


@pytest.fixture
def tenants(store: Store, clock: ManualClock) -> Tenants:
    """The tenants of an empty database."""
    return Tenants(store, clock)


@pytest.fixture
def acme(tenants: Tenants) -> Tenant:
    """A tenant."""
    return tenants.create(LOCAL_OPERATOR, "Acme")


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def here(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url, model_fallback=CLAUDE) as running:
        yield running


# ── The text ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_letter_is_known_without_a_look(tenants: Tenants, acme: Tenant) -> None:
    """The last six characters follow from the others: what was mistyped or made up has no digest at all."""
    secret = tenants.create_key(LOCAL_OPERATOR, acme).secret
    assert re.fullmatch(r"proctor_[0-9A-Za-z]{38}", secret)
    assert digest(secret)
    for place in range(len("proctor_"), len(secret)):
        other = secret[:place] + ("0" if secret[place] != "0" else "1") + secret[place + 1 :]
        assert digest(other) is None, place


def test_a_key_of_an_older_release_is_as_good(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """``prk_`` and its chance open the door as they did, and say by the same scopes what they may."""
    new, old = tenants.create_key(LOCAL_OPERATOR, acme), "prk_" + "a" * 43
    with store.writing() as session:
        row = session.get(ApiKey, new.id)
        assert row is not None
        row.hash, row.prefix = digest(old) or "", old[:10]
    principal = tenants.authenticate(old)
    assert (principal.key_id, principal.may(Permission.GENERATIONS_WRITE)) == (new.id, True)
    rotated = tenants.rotate_key(LOCAL_OPERATOR, new.id, HOUR)
    assert {tenants.authenticate(one).key_id for one in (old, rotated.secret)} == {new.id}


# ── What it may ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": "read"},
        {"scopes": ["own"]},
        {"models": ["gpt-4o"]},
        {"models": ["openai/"]},
        {"models": "openai/gpt-4o"},
        {"models": [GPT] * 2 + [f"openai/m{n}" for n in range(100)]},
        {"routes": [""]},
        {"routes": ["a b"]},
        {"ends_at": START},
        {"ends_at": START.replace(tzinfo=None) + DAY},
        {"ends_at": "tomorrow"},
        {"ends_at": datetime.max.replace(tzinfo=timezone(-DAY / 2))},
        {"ends_at": datetime.min.replace(tzinfo=timezone(DAY / 2))},
        {"ends_at": datetime(2200, 1, 1, tzinfo=UTC)},
        {"tokens_per_min": 0},
        {"tenant_id": "other"},
        {"hash": "x"},
        {"metadata": {"models": []}},
    ],
    ids=repr,
)
def test_what_a_key_cannot_be_is_said(tenants: Tenants, acme: Tenant, fields: dict[str, Any]) -> None:
    """Neither made nor changed into, with a sentence; nothing is written."""
    key = tenants.create_key(LOCAL_OPERATOR, acme)
    before = tenants.find_key(LOCAL_OPERATOR, key.id)
    with pytest.raises(Invalid):
        tenants.create_key(LOCAL_OPERATOR, acme, **fields)
    with pytest.raises(Invalid):
        tenants.edit_key(LOCAL_OPERATOR, key.id, **fields)
    assert tenants.keys(LOCAL_OPERATOR, acme) == [before]


def test_what_is_set_comes_back_and_set_again_changes_nothing(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Every field, in one form; the same once more is no change and no entry of the audit trail."""
    wanted: dict[str, Any] = {
        "name": "nightly",
        "scopes": ["read", "generate"],
        "models": [GPT, CLAUDE],
        "routes": ["fast"],
        "ends_at": START + DAY,
        "rate_limit_per_min": 5,
    }
    key = tenants.create_key(LOCAL_OPERATOR, acme)
    tenants.edit_key(LOCAL_OPERATOR, key.id, 1, **wanted)
    found = tenants.find_key(LOCAL_OPERATOR, key.id)
    assert (found.scopes, found.models, found.routes) == (("generate", "read"), (GPT, CLAUDE), ("fast",))
    assert (found.name, found.ends_at, found.rate_limit_per_min, found.version) == ("nightly", START + DAY, 5, 2)
    with store.reading() as session:
        entries = len(session.exec(select(AuditEntry)).all())
    assert tenants.edit_key(LOCAL_OPERATOR, key.id, 2, **wanted) == found
    with store.reading() as session:
        assert len(session.exec(select(AuditEntry)).all()) == entries
    with pytest.raises(Conflict, match="Local operator changed key"):
        tenants.edit_key(LOCAL_OPERATOR, key.id, 1, name="late")


def test_a_key_of_the_deployment_manages_and_nothing_else(tenants: Tenants, acme: Tenant) -> None:
    """It is of no tenant, so it cannot call; only people make it, and no page of one tenant's keys shows it."""
    new = tenants.create_key(LOCAL_OPERATOR, None, "terraform")
    program = tenants.authenticate(new.secret)
    assert (program.tenant_id, program.may_over(Permission.TENANTS_WRITE, None)) == (None, True)
    assert not program.may(Permission.GENERATIONS_WRITE)
    assert not program.may(Permission.GENERATIONS_READ)
    assert tenants.keys(LOCAL_OPERATOR, acme) == []
    assert [one.id for one in tenants.keys(LOCAL_OPERATOR, None)] == [new.id]
    with pytest.raises(Invalid, match="manages, and nothing else"):
        tenants.create_key(LOCAL_OPERATOR, None, scopes=["generate", "manage"])
    with pytest.raises(Forbidden, match="an owner does at the command line"):
        tenants.create_key(program, None)
    assert tenants.create_key(program, acme, scopes=["manage"])


# ── Nobody makes a bigger one ─────────────────────────────────────────────────────────────────────────────────────────

MAKER: dict[str, Any] = {
    "scopes": ["manage"],
    "models": [GPT],
    "routes": ["fast"],
    "ends_at": START + 30 * DAY,
    "rate_limit_per_min": 60,
}
BIGGER = [
    {"scopes": ["manage"]},
    {"models": []},
    {"models": [GPT, CLAUDE]},
    {"models": [GPT + "-2"]},
    {"routes": []},
    {"routes": ["fast-2"]},
    {"ends_at": None},
    {"ends_at": START + 31 * DAY},
    {"rate_limit_per_min": None},
    {"rate_limit_per_min": 61},
]


@pytest.mark.parametrize("fields", BIGGER, ids=repr)
def test_a_key_makes_none_that_is_bigger(tenants: Tenants, acme: Tenant, fields: dict[str, Any]) -> None:
    """Whatever field would give more than it has is refused, when a key is made as when it is changed; and itself."""
    maker = tenants.create_key(LOCAL_OPERATOR, acme, **MAKER)
    program = tenants.authenticate(maker.secret)
    own = tenants.create_key(program, acme)
    before = tenants.keys(LOCAL_OPERATOR, acme)
    for attempt in (
        lambda: tenants.create_key(program, acme, **fields),
        lambda: tenants.edit_key(program, own.id, **fields),
        lambda: tenants.edit_key(program, maker.id, **fields),
        lambda: tenants.edit_key(program, maker.id, name="mine"),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert tenants.keys(LOCAL_OPERATOR, acme) == before


def test_a_key_hands_on_its_own_bounds(tenants: Tenants, acme: Tenant, store: Store, clock: ManualClock) -> None:
    """What is not said of a key that a key makes is as of that one, its purse included; less may be said."""
    maker = tenants.create_key(LOCAL_OPERATOR, acme, **MAKER)
    budgets = Budgets(store, clock, owner="test")
    budgets.set(LOCAL_OPERATOR, acme, 500, scope="key", scope_name=maker.id)
    program = tenants.authenticate(maker.secret)

    made = tenants.find_key(program, tenants.create_key(program, acme, ends_at=START + DAY).id)
    assert (made.scopes, made.models, made.routes) == (("generate", "read"), (GPT,), ("fast",))
    assert (made.ends_at, made.rate_limit_per_min, made.payer_id) == (START + DAY, 60, maker.id)
    with pytest.raises(Invalid, match="paid by the budget of the key that made it"):
        budgets.set(LOCAL_OPERATOR, acme, 5000, scope="key", scope_name=made.id)
    state = budgets.show(LOCAL_OPERATOR, acme, "key", maker.id)
    for attempt in (
        lambda: budgets.set(program, acme, 5000, scope="key", scope_name=maker.id),
        lambda: budgets.remove(program, acme, state.budget_id),
        lambda: budgets.raise_limit(program, acme, state.budget_id, 5, ends_at=START + DAY, reason="more"),
    ):
        with pytest.raises(Forbidden, match="the budget that pays for it"):
            attempt()


def test_a_key_knows_of_no_bigger_one(tenants: Tenants, acme: Tenant) -> None:
    """What it could not make it neither lists nor finds, changes, rotates or revokes: as if it were not there."""
    bigger = tenants.create_key(LOCAL_OPERATOR, acme)
    maker = tenants.create_key(LOCAL_OPERATOR, acme, **MAKER)
    program = tenants.authenticate(maker.secret)
    small = tenants.create_key(program, acme)
    assert {one.id for one in tenants.keys(program, acme)} == {maker.id, small.id}
    assert {one.id for one in tenants.key_page(program)[0]} == {maker.id, small.id}
    more = [tenants.create_key(LOCAL_OPERATOR, acme) for _ in range(5)]
    page, following = tenants.key_page(program, most=2)
    assert ({one.id for one in page}, following) == ({maker.id, small.id}, ""), "no key that it may not see is named"
    last = tenants.create_key(program, acme)
    page, following = tenants.key_page(program, most=2)
    assert following == page[-1].id
    rest, end = tenants.key_page(program, after=following, most=2)
    assert ({one.id for one in (*page, *rest)}, end) == ({maker.id, small.id, last.id}, "")
    assert len(more) == 5
    for attempt in (
        lambda: tenants.find_key(program, bigger.id),
        lambda: tenants.find_key(program, bigger.secret),
        lambda: tenants.edit_key(program, bigger.id, name="mine"),
        lambda: tenants.rotate_key(program, bigger.id, HOUR),
        lambda: tenants.revoke_key(program, bigger.id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert tenants.rotate_key(program, maker.id, HOUR).id == maker.id, "which grants nothing"


def test_a_key_that_was_revoked_meanwhile_decides_nothing(tenants: Tenants, acme: Tenant) -> None:
    """Whoever still holds the principal of a revoked key is refused by the row, in the transaction of the decision."""
    maker = tenants.create_key(LOCAL_OPERATOR, acme, scopes=["manage"])
    program = tenants.authenticate(maker.secret)
    tenants.revoke_key(LOCAL_OPERATOR, maker.id)
    with pytest.raises(Unauthenticated):
        tenants.create_key(program, acme)
    with pytest.raises(Unauthenticated):
        tenants.keys(program, acme)


# ── Rotation, end, use ────────────────────────────────────────────────────────────────────────────────────────────────


def refused(ask: Callable[[], object]) -> str:
    """Return the sentence with which a text is refused."""
    with pytest.raises(Unauthenticated) as error:
        ask()
    return error.value.message


def test_a_rotated_key_is_the_same_key(tenants: Tenants, acme: Tenant, clock: ManualClock) -> None:
    """Both texts are one principal until the overlap is over; a further rotation ends the oldest at once."""
    first = tenants.create_key(LOCAL_OPERATOR, acme, rate_limit_per_min=60)
    second = tenants.rotate_key(LOCAL_OPERATOR, first.id, DAY)
    assert (second.id, second.ended) == (first.id, "")
    old, new = tenants.authenticate(first.secret), tenants.authenticate(second.secret)
    assert (old.key_id, old.payer_id, old.ends_at) == (new.key_id, new.payer_id, START + DAY)
    assert set(tenants.callers()) == {digest(first.secret), digest(second.secret)}

    third = tenants.rotate_key(LOCAL_OPERATOR, first.id, HOUR)
    assert third.ended == first.prefix
    assert "not known here" in refused(lambda: tenants.authenticate(first.secret))
    assert tenants.authenticate(second.secret).ends_at == START + HOUR

    clock.advance(3601)
    assert "was rotated on 2026-03-04 and ended at 2026-03-04 13:00 UTC" in refused(
        lambda: tenants.authenticate(second.secret)
    )
    assert tenants.authenticate(third.secret).ends_at is None
    tenants.revoke_key(LOCAL_OPERATOR, first.id)
    for one in (second, third):
        assert "not known here" in refused(lambda one=one: tenants.authenticate(one.secret))
    with pytest.raises(Conflict, match="revoked already"):
        tenants.rotate_key(LOCAL_OPERATOR, first.id, HOUR)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=91)])
def test_an_overlap_has_bounds(tenants: Tenants, acme: Tenant, overlap: timedelta) -> None:
    """An old text cannot stay for ever."""
    key = tenants.create_key(LOCAL_OPERATOR, acme)
    with pytest.raises(Invalid, match="0 to 90 days"):
        tenants.rotate_key(LOCAL_OPERATOR, key.id, overlap)


def test_a_key_is_found_by_its_text(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Who has only what leaked finds and revokes it by that, by the old text too; it is written nowhere."""
    first = tenants.create_key(LOCAL_OPERATOR, acme, "nightly")
    second = tenants.rotate_key(LOCAL_OPERATOR, first.id, DAY)
    for text in (first.secret, second.secret, f"  {second.secret}\n"):
        assert tenants.find_key(LOCAL_OPERATOR, text).id == first.id
    tenants.revoke_key(LOCAL_OPERATOR, first.secret)
    assert not tenants.find_key(LOCAL_OPERATOR, first.id).is_live
    with store.reading() as session:
        kept = repr([session.exec(select(table)).all() for table in (ApiKey, AuditEntry, ChangeEvent)])
    for one in (first, second):
        assert one.secret not in kept
        assert one.secret.removeprefix(one.prefix) not in kept


def test_last_used_is_written_once_a_minute(tenants: Tenants, acme: Tenant, clock: ManualClock, store: Store) -> None:
    """However often a key is used, the chore writes one time for each text; another process' later time stays."""
    key = tenants.create_key(LOCAL_OPERATOR, acme)
    new = tenants.rotate_key(LOCAL_OPERATOR, key.id, DAY)
    other = Tenants(store, ManualClock(START + HOUR))
    other.uses.note(digest(new.secret) or "")
    other.uses.write()
    for secret in (key.secret, new.secret):
        for _ in range(3):
            clock.advance(1)
            tenants.uses.note(digest(secret) or "")
    tenants.uses.write()
    found = tenants.find_key(LOCAL_OPERATOR, key.id)
    assert found.old is not None
    assert (found.used_at, found.old.used_at) == (START + HOUR, START + timedelta(seconds=3))
    version = tenants.revision()
    tenants.uses.write()
    assert tenants.revision() == version, "it is no decision"


# ── In the corridor ───────────────────────────────────────────────────────────────────────────────────────────────────


def key_of(here: Rig, tenant: Tenant, **fields: Any) -> tuple[NewKey, Principal]:
    """Return a new key, and who holds it."""
    new = here.runtime.tenants.create_key(LOCAL_OPERATOR, tenant, **fields)
    return new, here.runtime.policies.authenticate(new.secret)


def candidates(here: Rig, who: Principal, **asked: Any) -> list[str]:
    """Return whom a generation may ask."""
    wanted: dict[str, Any] = {"schema": "person", "route": "default", "model": None, "stream": False} | asked
    policy = here.runtime.policies.snapshot(who.tenant_id or "").resolve(who, **wanted)
    return [one.name for one in policy.route.candidates]


def test_a_key_asks_the_models_and_routes_that_it_may(here: Rig) -> None:
    """Of a route it asks those of its models, by whole names; what it may not is refused, and what it may is said."""
    tenant = here.tenant(None)
    _, free = key_of(here, tenant)
    _, bound = key_of(here, tenant, models=[CLAUDE])
    _, near = key_of(here, tenant, models=[CLAUDE + "-2", GPT[:-1]])
    _, routed = key_of(here, tenant, routes=["defaul", "default-2"])
    assert (candidates(here, free), candidates(here, bound)) == ([GPT, CLAUDE], [CLAUDE])
    assert candidates(here, bound, model=CLAUDE) == [CLAUDE]
    for who, asked, sentence in (
        (bound, {"model": GPT}, f"may not ask {GPT}; it may ask {CLAUDE}."),
        (near, {}, f"may not ask the route default; it may ask {CLAUDE}-2, "),
        (routed, {}, "may not ask the route default; it may ask defaul, default-2."),
    ):
        with pytest.raises(Forbidden) as error:
            candidates(here, who, **asked)
        assert sentence in error.value.message
    names = [one.name for one in here.runtime.policies.snapshot(tenant.id).models(bound)]
    assert CLAUDE in names
    assert GPT not in names


def test_a_change_of_a_key_holds_with_the_next_call(here: Rig) -> None:
    """Scopes and bounds are read with the key, at the revision of the tenant."""
    tenant = here.tenant(None)
    new, _ = key_of(here, tenant)
    here.runtime.tenants.edit_key(LOCAL_OPERATOR, new.id, scopes=["read"])
    who = here.runtime.policies.authenticate(new.secret)
    with pytest.raises(Forbidden, match="needs the permission generations"):
        candidates(here, who)
    assert KeyScope.READ.role.permissions == {Permission.GENERATIONS_READ, Permission.SCHEMAS_READ}


def test_both_texts_of_a_key_share_one_quota_and_one_purse(here: Rig) -> None:
    """In an overlap limits and budget are counted for the key, whatever text is sent; and for those that it made."""
    tenant = here.tenant(None)
    new, _ = key_of(here, tenant, rate_limit_per_min=60)
    here.runtime.budgets.set(LOCAL_OPERATOR, tenant, 500, scope="key", scope_name=new.id)
    other = key_of(here, tenant)[1]
    second = here.runtime.tenants.rotate_key(LOCAL_OPERATOR, new.id, DAY)
    quotas, purses = set[Any](), set[Any]()
    for secret in (new.secret, second.secret):
        who = here.runtime.policies.authenticate(secret)
        snapshot = here.runtime.policies.snapshot(tenant.id)
        quotas |= {one for one in snapshot.quotas(who) if one.scope is QuotaScope.KEY}
        policy = snapshot.resolve(who, schema="person", route=None, model=None, stream=False)
        purses.add(tuple(one.scope_name for one in policy.budgets))
    assert ([one.id for one in quotas], purses) == ([new.id], {(new.id,)})
    theirs = here.runtime.policies.snapshot(tenant.id).resolve(
        other, schema="person", route=None, model=None, stream=False
    )
    assert theirs.budgets == ()


def test_a_key_ends_without_a_decision(wire: WireServer, database_url: str) -> None:
    """What was kept of it is good until then, at the same revision, and one moment later it is refused with its end."""
    clock = ManualClock(START)
    with closing(running.build(settings(wire, database_url), clock)) as proctor:
        tenant = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
        new = proctor.tenants.create_key(LOCAL_OPERATOR, tenant, "trial", ends_at=START + HOUR)
        clock.advance(3599)
        assert proctor.policies.authenticate(new.secret).key_id == new.id
        clock.advance(1)
        said = refused(lambda: proctor.policies.authenticate(new.secret))
        assert said.startswith(f"Key {new.prefix}… (trial) ended at 2026-03-04 13:00 UTC.")
        assert new.secret not in said


def test_the_deployments_key_calls_as_no_tenant(here: Rig) -> None:
    """At the doors of tenants it is refused with what it is."""
    new = here.runtime.tenants.create_key(LOCAL_OPERATOR, None)
    with pytest.raises(ProctorError, match="calls as no tenant"):
        here.runtime.policies.authenticate(new.secret)


def test_a_row_that_is_taken_away_by_sql_moves_what_doors_look_at(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Nobody counts that as a decision; the number of keys tells it with the next look."""
    key = tenants.create_key(LOCAL_OPERATOR, acme)
    before = tenants.revision()
    with store.writing() as session:
        session.delete(session.get_one(ApiKey, key.id))
    assert tenants.revision() != before
    assert tenants.callers() == {}

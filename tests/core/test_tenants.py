"""Tenants and keys: who there is, who is calling, and what was written down about it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import col, select

from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound, ProctorError, Unauthenticated
from core.principals import LOCAL_OPERATOR, KeyScope, Permission, Principal, Role
from core.store import Store
from core.tables import METADATA, ApiKey, AuditEntry, ChangeEvent, Tenant
from core.tenants import Caller, Tenants, digest
from tests.builders import decisions, person
from tests.conftest import START


@pytest.fixture
def tenants(store: Store, clock: ManualClock) -> Tenants:
    """The tenants of an empty database."""
    return Tenants(store, clock)


@pytest.fixture
def acme(tenants: Tenants) -> Tenant:
    """A tenant."""
    return tenants.create(LOCAL_OPERATOR, "Acme", "Asia/Kathmandu", 60)


def _entries(store: Store) -> list[AuditEntry]:
    with store.reading() as session:
        return list(session.exec(select(AuditEntry).order_by(col(AuditEntry.at))))


def _revision(store: Store) -> int:
    with store.snapshot() as connection:
        return decisions(connection)


def _everything_kept(store: Store) -> str:
    with store.snapshot() as connection:
        return "\n".join(str(row) for table in METADATA.sorted_tables for row in connection.execute(table.select()))


# ── Tenants ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_tenant_is_found_by_name_and_by_id(tenants: Tenants, acme: Tenant) -> None:
    """A tenant answers to its id and to its name, however that is capitalised."""
    assert tenants.find(LOCAL_OPERATOR, "acme") == tenants.find(LOCAL_OPERATOR, acme.id) == acme
    assert (acme.timezone, acme.rate_limit_per_min, acme.is_demo, acme.version) == ("Asia/Kathmandu", 60, False, 1)


def test_tenants_are_listed_by_name(tenants: Tenants) -> None:
    """The order of the list does not depend on capitals or on age."""
    for name in ("beta", "Alpha", "gamma 2"):
        tenants.create(LOCAL_OPERATOR, name)

    assert [tenant.name for tenant in tenants.list(LOCAL_OPERATOR)] == ["Alpha", "beta", "gamma 2"]


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "a/b", "-a", "<b>", "a\nb", "a'; drop table tenant; --"])
def test_a_name_that_could_confuse_is_refused(tenants: Tenants, name: str) -> None:
    """A name is short, readable and cannot be mistaken for an option or for markup."""
    with pytest.raises(Invalid, match="letters, digits"):
        tenants.create(LOCAL_OPERATOR, name)

    assert tenants.list(LOCAL_OPERATOR) == []


@pytest.mark.parametrize("name", ["Acme", "Ärzte_24.de", "東京 2", "a" * 64, " padded "])
def test_a_name_in_any_script_is_fine(tenants: Tenants, name: str) -> None:
    """Letters of every language are letters; space around a name is not part of it."""
    assert tenants.create(LOCAL_OPERATOR, name).name == name.strip()


@pytest.mark.parametrize(
    ("zone", "example"),
    [("Kathmandu", "Asia/Kathmandu"), ("new york", "America/New_York"), ("Mars/Olympus", "Europe/Berlin"), ("", "")],
)
def test_an_unknown_time_zone_is_refused_with_one_that_works(tenants: Tenants, zone: str, example: str) -> None:
    """The error shows how a time zone is written, with the one that was probably meant."""
    with pytest.raises(Invalid, match=f"not a time zone we know.*{example}"):
        tenants.create(LOCAL_OPERATOR, "Acme", zone)


def test_a_time_zone_is_kept_as_it_is_written_in_the_database_of_zones(tenants: Tenants) -> None:
    """Careless capitals are mended, so that every reader of the row can open the zone."""
    assert tenants.create(LOCAL_OPERATOR, "Acme", "europe/berlin").timezone == "Europe/Berlin"


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "60"])
def test_a_rate_limit_is_a_whole_number_above_zero(tenants: Tenants, limit: object) -> None:
    """What is no limit is refused, whatever its type."""
    with pytest.raises(Invalid, match="whole number"):
        tenants.create(LOCAL_OPERATOR, "Acme", "UTC", limit)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["Acme", "ACME", " acme "])
def test_a_taken_name_is_refused(tenants: Tenants, acme: Tenant, name: str) -> None:
    """Two tenants whose names differ by capitals only would be taken for each other."""
    with pytest.raises(Conflict, match=f"already a tenant {acme.name}"):
        tenants.create(LOCAL_OPERATOR, name)


def test_of_many_who_want_a_name_at_once_one_gets_it(tenants: Tenants) -> None:
    """A race for a name has one winner, and the rest are told so in our own words."""

    def claim(_: int) -> str:
        try:
            tenants.create(LOCAL_OPERATOR, "Acme")
        except Conflict as error:
            return error.code
        return "created"

    with ThreadPoolExecutor(8) as pool:
        ends = sorted(pool.map(claim, range(8)))

    assert ends == ["conflict"] * 7 + ["created"]


@pytest.mark.parametrize(
    ("others", "wanted", "hint"),
    [
        ([], "Acme", "There are no tenants yet"),
        (["Acme", "Globex"], "Acne", "Did you mean Acme?"),
        (["Acme", "Globex"], "zzz", "There are: Acme, Globex."),
        (["a1", "b1", "c1", "d1", "e1", "f1", "g1"], "zzz", "There are: a1, b1, c1, d1, e1 and 2 more."),
    ],
)
def test_a_missing_tenant_is_answered_with_what_there_is(
    tenants: Tenants, others: list[str], wanted: str, hint: str
) -> None:
    """Whoever mistypes a name is shown the names that come near."""
    for name in others:
        tenants.create(LOCAL_OPERATOR, name)

    with pytest.raises(NotFound) as caught:
        tenants.find(LOCAL_OPERATOR, wanted)
    assert str(caught.value).startswith(f"There is no tenant {wanted!r}. {hint}")


def test_an_edit_changes_what_it_names_and_raises_the_version(tenants: Tenants, acme: Tenant) -> None:
    """What an edit does not name stays as it was."""
    edited = tenants.edit(LOCAL_OPERATOR, acme.id, 1, name="Acme Ltd", rate_limit_per_min=None)

    assert edited == tenants.find(LOCAL_OPERATOR, "acme ltd")
    assert (edited.name, edited.rate_limit_per_min, edited.timezone, edited.version) == (
        "Acme Ltd",
        None,
        "Asia/Kathmandu",
        2,
    )


def test_an_edit_of_an_older_version_saves_nothing(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """The second of two people who edit the same tenant is told, and overwrites nothing."""
    tenants.edit(LOCAL_OPERATOR, acme.id, 1, timezone="UTC")
    before = _everything_kept(store)

    with pytest.raises(Conflict, match="Local operator changed tenant Acme meanwhile") as caught:
        tenants.edit(LOCAL_OPERATOR, acme.id, 1, timezone="Europe/Berlin")
    assert caught.value.facts["expected"] == 2
    assert _everything_kept(store) == before


def test_an_edit_that_changes_nothing_leaves_no_trace(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Saving what is there already is no change: no version, no audit entry, no stale policies."""
    before = _everything_kept(store)

    assert tenants.edit(LOCAL_OPERATOR, acme.id, 1, name="Acme", rate_limit_per_min=60).version == 1
    assert _everything_kept(store) == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"timezone": "Nowhere"},
        {"rate_limit_per_min": 0},
        {"tokens_per_min": 0},
        {"tokens_per_min": 2**31},
        {"concurrent_limit": -1},
        {"concurrent_limit": True},
        {"without_budget": "deny"},
        {"without_price": ""},
        {"vendor_storage": "refuse"},
        {"route": ""},
        {"route": "nowhere"},
        {"payload_retention_days": -1},
        {"payload_retention_days": 5000},
        {"is_demo": True},
        {"version": 9},
    ],
)
def test_an_edit_cannot_make_what_a_creation_could_not(
    tenants: Tenants, acme: Tenant, change: dict[str, object]
) -> None:
    """Every value is checked here, whatever form it came through; other fields cannot be named."""
    with pytest.raises(Invalid):
        tenants.edit(LOCAL_OPERATOR, acme.id, 1, **change)

    assert tenants.find(LOCAL_OPERATOR, acme.id) == acme


def test_a_tenant_may_change_the_capitals_of_its_name_but_not_take_another_s(tenants: Tenants, acme: Tenant) -> None:
    """A tenant's own name is not taken, its neighbour's is."""
    tenants.create(LOCAL_OPERATOR, "Globex")

    assert tenants.edit(LOCAL_OPERATOR, acme.id, 1, name="ACME").name == "ACME"
    with pytest.raises(Conflict, match="already a tenant Globex"):
        tenants.edit(LOCAL_OPERATOR, acme.id, 2, name="globex")


def test_an_edit_of_nobody_is_not_found(tenants: Tenants) -> None:
    """An id that no tenant has is named in the error."""
    with pytest.raises(NotFound, match="'nobody'"):
        tenants.edit(LOCAL_OPERATOR, "nobody", 1, timezone="UTC")


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_opens_the_door_for_its_tenant_only(tenants: Tenants, acme: Tenant) -> None:
    """A key makes its holder a principal of its tenant, known by id and by the key's first characters."""
    new = tenants.create_key(LOCAL_OPERATOR, acme)

    principal = tenants.authenticate(new.secret)

    assert principal == Principal.of_key(new.id, acme.id, new.prefix)


def test_the_secret_is_nowhere_but_in_the_hand_of_who_made_it(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Neither the database nor a printed value holds the key; only its hash is kept."""
    new = tenants.create_key(LOCAL_OPERATOR, acme, "billing job")

    kept = _everything_kept(store)
    assert new.secret not in kept
    assert new.secret.removeprefix(new.prefix) not in kept
    assert hashlib.sha256(new.secret.encode()).hexdigest() in kept
    assert new.secret not in repr(new)
    assert new.secret not in repr(tenants.keys(LOCAL_OPERATOR, acme))
    assert "hash" not in {field.name for field in dataclasses.fields(tenants.keys(LOCAL_OPERATOR, acme)[0])}


def test_keys_are_long_and_never_alike(store: Store, acme: Tenant) -> None:
    """A key holds 190 bits between marker and checksum, and owes nothing to the clock's seeded chance."""
    first, second = ManualClock(START, seed=1), ManualClock(START, seed=1)
    secrets = {Tenants(store, first).create_key(LOCAL_OPERATOR, acme).secret}
    second.advance(1)  # the same chance at another time: ids differ, chance does not
    secrets |= {Tenants(store, second).create_key(LOCAL_OPERATOR, acme).secret for _ in range(5)}

    assert len(secrets) == 6
    assert all(re.fullmatch(r"proctor_[0-9A-Za-z]{38}", secret) for secret in secrets)


def test_a_revoked_key_is_no_key(tenants: Tenants, acme: Tenant) -> None:
    """From the moment of revocation a key opens nothing; another key of the tenant still does."""
    lost, kept = tenants.create_key(LOCAL_OPERATOR, acme), tenants.create_key(LOCAL_OPERATOR, acme)

    revoked = tenants.revoke_key(LOCAL_OPERATOR, lost.id)

    assert revoked.revoked_at is not None
    assert not revoked.is_live
    with pytest.raises(Unauthenticated):
        tenants.authenticate(lost.secret)
    assert tenants.authenticate(kept.secret).key_id == kept.id


def test_what_is_no_key_gets_one_sentence_that_tells_nothing(tenants: Tenants, acme: Tenant) -> None:
    """Unknown, revoked and malformed keys are refused in the same words, which never repeat what was sent."""
    revoked = tenants.create_key(LOCAL_OPERATOR, acme)
    tenants.revoke_key(LOCAL_OPERATOR, revoked.id)
    tried = [
        revoked.secret,
        "prk_" + "A" * 43,
        "",
        "prk_",
        "sk-live",
        "prk_" + "x" * 10_000,
        revoked.prefix,
        "prk_ü",
        "proctor_ü",
    ]

    messages = set()
    for secret in tried:
        with pytest.raises(Unauthenticated) as caught:
            tenants.authenticate(secret)
        messages.add(str(caught.value))
        assert not secret or len(secret) < 5 or secret not in str(caught.value)
    assert len(messages) == 1


def test_a_key_can_be_revoked_by_the_characters_that_are_shown(tenants: Tenants, acme: Tenant) -> None:
    """What the list shows is enough to name a key, with or without its dots."""
    first, second = tenants.create_key(LOCAL_OPERATOR, acme), tenants.create_key(LOCAL_OPERATOR, acme)

    tenants.revoke_key(LOCAL_OPERATOR, first.prefix)
    tenants.revoke_key(LOCAL_OPERATOR, f"{second.prefix}…")

    assert [key.is_live for key in tenants.keys(LOCAL_OPERATOR, acme)] == [False, False]


def test_a_prefix_that_two_keys_share_revokes_neither(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Where a name fits two keys nobody guesses."""
    first, second = tenants.create_key(LOCAL_OPERATOR, acme), tenants.create_key(LOCAL_OPERATOR, acme)
    with store.writing() as session:
        twin = session.get(ApiKey, second.id)
        assert twin is not None
        twin.prefix = first.prefix

    with pytest.raises(Conflict, match="Several keys"):
        tenants.revoke_key(LOCAL_OPERATOR, first.prefix)
    assert all(key.is_live for key in tenants.keys(LOCAL_OPERATOR, acme))


def test_a_key_is_revoked_once(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """Revoking twice says when it happened, and does not move that time."""
    new = tenants.create_key(LOCAL_OPERATOR, acme)
    tenants.revoke_key(LOCAL_OPERATOR, new.id)
    before = _everything_kept(store)

    with pytest.raises(Conflict, match="revoked already, at 2026-03-04 12:00 UTC"):
        tenants.revoke_key(LOCAL_OPERATOR, new.id)
    assert _everything_kept(store) == before


def test_callers_are_who_hold_a_live_key(tenants: Tenants, acme: Tenant) -> None:
    """By the digest of its key each caller is who it is for authenticate, with the name of its tenant."""
    other = tenants.create(LOCAL_OPERATOR, "Borealis")
    first, second, revoked = (tenants.create_key(LOCAL_OPERATOR, one) for one in (acme, other, acme))
    tenants.revoke_key(LOCAL_OPERATOR, revoked.id)
    expected = {
        digest(key.secret): Caller(tenants.authenticate(key.secret), name)
        for key, name in ((first, "Acme"), (second, "Borealis"))
    }
    assert tenants.callers() == expected


def test_whatever_moves_a_key_moves_the_revision(tenants: Tenants, acme: Tenant) -> None:
    """A key made or revoked, a tenant made or renamed: each is seen by whoever kept the callers; looking is not."""
    seen = [tenants.revision()]

    def moved() -> None:
        seen.append(tenants.revision())
        assert tenants.revision() == seen[-1]

    key = tenants.create_key(LOCAL_OPERATOR, acme)
    moved()
    tenants.revoke_key(LOCAL_OPERATOR, key.id)
    moved()
    tenants.create(LOCAL_OPERATOR, "Borealis")
    moved()
    tenants.edit(LOCAL_OPERATOR, acme.id, 1, name="Apex")
    moved()
    assert len(set(seen)) == len(seen)


def test_an_unknown_key_cannot_be_revoked(tenants: Tenants) -> None:
    """The error does not repeat what was typed: it may have been a whole key."""
    with pytest.raises(NotFound) as caught:
        tenants.revoke_key(LOCAL_OPERATOR, "prk_something-secret")
    assert "something-secret" not in str(caught.value)


def test_keys_are_listed_newest_first_for_their_own_tenant(tenants: Tenants, acme: Tenant, clock: ManualClock) -> None:
    """A tenant's list holds its own keys, and the one just made is on top."""
    globex = tenants.create(LOCAL_OPERATOR, "Globex")
    tenants.create_key(LOCAL_OPERATOR, globex)
    old = tenants.create_key(LOCAL_OPERATOR, acme, "  night   job ")
    clock.advance(60)
    new = tenants.create_key(LOCAL_OPERATOR, acme)

    assert [(key.id, key.name) for key in tenants.keys(LOCAL_OPERATOR, acme)] == [(new.id, ""), (old.id, "night job")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens_per_min", 100_000),
        ("concurrent_limit", 4),
        ("without_budget", "refuse"),
        ("without_price", "allow"),
        ("vendor_storage", "off"),
    ],
)
def test_a_limit_can_be_set_and_taken_away(tenants: Tenants, acme: Tenant, field: str, value: object) -> None:
    """Without one the deployment's default holds again."""
    assert getattr(acme, field) is None
    assert getattr(tenants.edit(LOCAL_OPERATOR, acme.id, 1, **{field: value}), field) == value
    assert getattr(tenants.edit(LOCAL_OPERATOR, acme.id, 2, **{field: None}), field) is None


def test_a_key_has_limits_of_its_own(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """By id or by prefix, one at a time, each change audited; what is not named stays."""
    new = tenants.create_key(LOCAL_OPERATOR, acme)
    first = tenants.edit_key(LOCAL_OPERATOR, new.id, rate_limit_per_min=60, tokens_per_min=1000)
    second = tenants.edit_key(LOCAL_OPERATOR, f"{new.prefix}…", concurrent_limit=2, rate_limit_per_min=None)
    before = _everything_kept(store)
    third = tenants.edit_key(LOCAL_OPERATOR, new.id, tokens_per_min=1000)

    assert (first.rate_limit_per_min, first.tokens_per_min, first.concurrent_limit) == (60, 1000, None)
    assert (second.rate_limit_per_min, second.tokens_per_min, second.concurrent_limit) == (None, 1000, 2)
    assert third == second == tenants.keys(LOCAL_OPERATOR, acme)[0]
    assert _everything_kept(store) == before
    assert [(one.action, one.before, one.after) for one in _entries(store)][-2:] == [
        (
            "key.edit",
            {"rate_limit_per_min": None, "tokens_per_min": None},
            {"rate_limit_per_min": 60, "tokens_per_min": 1000},
        ),
        (
            "key.edit",
            {"concurrent_limit": None, "rate_limit_per_min": 60},
            {"concurrent_limit": 2, "rate_limit_per_min": None},
        ),
    ]


@pytest.mark.parametrize("limits", [{"tokens_per_min": 0}, {"concurrent_limit": "2"}, {"payload_retention_days": 3}])
def test_a_key_has_no_other_limits(tenants: Tenants, acme: Tenant, store: Store, limits: dict[str, Any]) -> None:
    """A value that is no limit, or a field that is none, changes nothing."""
    new = tenants.create_key(LOCAL_OPERATOR, acme)
    before = _everything_kept(store)

    with pytest.raises(Invalid):
        tenants.edit_key(LOCAL_OPERATOR, new.id, **limits)
    assert _everything_kept(store) == before


def test_a_key_s_name_has_an_end(tenants: Tenants, acme: Tenant) -> None:
    """A name is for people to read."""
    with pytest.raises(Invalid, match="at most 64 characters; this one has 65"):
        tenants.create_key(LOCAL_OPERATOR, acme, "x" * 65)


# ── Permission and record ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_owner_may_do_everything_and_a_key_may_only_generate() -> None:
    """A role is exactly its set of permissions."""
    assert Role.OWNER.permissions == set(Permission)
    assert {one: one.role.permissions for one in KeyScope if one is not KeyScope.MANAGE} == {
        KeyScope.GENERATE: {Permission.GENERATIONS_WRITE},
        KeyScope.READ: {Permission.GENERATIONS_READ, Permission.SCHEMAS_READ},
    }
    assert not {one for one in KeyScope.MANAGE.role.permissions if one.startswith("generations")}


def test_a_principal_of_one_tenant_may_do_nothing_in_another() -> None:
    """Holding a permission says nothing about somebody else's tenant."""
    key = Principal.of_key("key", "a", "prk_abc")

    assert key.may(Permission.GENERATIONS_READ)
    assert key.may(Permission.GENERATIONS_READ, "a")
    assert not key.may(Permission.GENERATIONS_READ, "b")
    with pytest.raises(Forbidden, match="another tenant"):
        key.require(Permission.GENERATIONS_READ, "b")
    with pytest.raises(
        Forbidden, match=r"needs the permission budgets\.write, which the roles generate_key and read_key do not have"
    ):
        key.require(Permission.BUDGETS_WRITE, "a")


def test_nobody_without_the_permission_changes_anything(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """A tenant's key can neither make nor change tenants or keys, its own included."""
    new = tenants.create_key(LOCAL_OPERATOR, acme)
    key = tenants.authenticate(new.secret)
    before = _everything_kept(store)

    for attempt in (
        lambda: tenants.create(key, "Mine"),
        lambda: tenants.edit(key, acme.id, 1, rate_limit_per_min=None),
        lambda: tenants.create_key(key, acme),
        lambda: tenants.revoke_key(key, new.id),
        lambda: tenants.edit_key(key, new.id, tokens_per_min=None),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert _everything_kept(store) == before


def test_every_change_says_who_changed_what_from_what_to_what(
    tenants: Tenants, store: Store, clock: ManualClock
) -> None:
    """Each command leaves one audit entry and one event for the charts, and makes cached policies stale."""
    ann = person("ann")
    acme = tenants.create(ann, "Acme")
    clock.advance(1)
    tenants.edit(ann, acme.id, 1, timezone="Europe/Berlin", rate_limit_per_min=9)
    clock.advance(1)
    new = tenants.create_key(ann, acme, "billing")
    clock.advance(1)
    tenants.revoke_key(ann, new.id)

    assert [(entry.actor, entry.action, entry.subject, entry.before, entry.after) for entry in _entries(store)] == [
        (
            "ann",
            "tenant.create",
            "Acme",
            None,
            {
                "name": "Acme",
                "timezone": "UTC",
                "rate_limit_per_min": None,
                "tokens_per_min": None,
                "concurrent_limit": None,
                "without_budget": None,
                "without_price": None,
                "vendor_storage": None,
                "route": None,
                "payload_retention_days": 30,
                "payload_percent": 100,
                "call_days": None,
            },
        ),
        (
            "ann",
            "tenant.edit",
            "Acme",
            {"timezone": "UTC", "rate_limit_per_min": None},
            {"timezone": "Europe/Berlin", "rate_limit_per_min": 9},
        ),
        ("ann", "key.create", new.prefix, None, {"prefix": new.prefix, "name": "billing"}),
        ("ann", "key.revoke", new.prefix, {"revoked": False}, {"revoked": True}),
    ]
    assert {entry.tenant_id for entry in _entries(store)} == {acme.id}
    with store.reading() as session:
        events = session.exec(select(ChangeEvent).order_by(col(ChangeEvent.at))).all()
    assert [(event.kind, event.summary) for event in events] == [
        ("tenant", "Tenant Acme was created."),
        ("tenant", "Tenant Acme was changed: timezone, rate_limit_per_min."),
        ("key", f"Key {new.prefix}… of Acme was created."),
        ("key", f"Key {new.prefix}… of Acme was revoked."),
    ]
    assert _revision(store) == 4


def test_a_refused_change_leaves_nothing_behind(tenants: Tenants, acme: Tenant, store: Store) -> None:
    """What was not saved was not audited either."""
    before = _everything_kept(store)

    with pytest.raises(ProctorError):
        tenants.create(LOCAL_OPERATOR, acme.name)
    assert _everything_kept(store) == before

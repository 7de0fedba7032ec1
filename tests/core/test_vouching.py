"""People on another's word: who is let in, as whom, what groups decide, and what nobody can become."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Unauthenticated
from core.identities import GivenRole, VouchedIdentity
from core.people import People
from core.people._passwords import Passwords
from core.principals import LOCAL_OPERATOR, Principal, Role
from core.store import Store
from core.tenants import Tenants

PASSWORD = "correct horse battery"
HERE = "198.51.100.1"
A, B = "https://a.example", "https://b.example"
QUICK = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


def of(subject: str, issuer: str = A, **more: Any) -> VouchedIdentity:
    """Return somebody for whom Lab vouches."""
    facts: dict[str, Any] = {"issuer": issuer, "subject": subject, "how": "lab", "title": "Lab", "name": "Ada"} | more
    return VouchedIdentity(**facts)


def grouped(subject: str, gives: Role | None, **more: Any) -> VouchedIdentity:
    """Return somebody whose groups give a role in all tenants, or none."""
    return of(subject, is_by_groups=True, gives=() if gives is None else (GivenRole(gives),), **more)


@pytest.fixture
def people(store: Store, clock: ManualClock) -> People:
    """The people of a process, with an owner called Grace, who has a password."""
    found = People(store, clock, passwords=Passwords(QUICK))
    found.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    return found


def invited(people: People, name: str, role: Role = Role.VIEWER) -> str:
    """Invite somebody; return what of the link is secret."""
    return people.invite(LOCAL_OPERATOR, name, role).path.rpartition("/")[2]


def behind(people: People, token: str) -> Principal | None:
    """Return who is behind a cookie."""
    visitor = people.visitor(token)
    return visitor and visitor.principal


def roles(people: People, name: str) -> list[Role]:
    """Return what somebody has."""
    return [grant.role for grant in people.find(LOCAL_OPERATOR, name).grants]


def trail(store: Store) -> list[tuple[str, str]]:
    """Return what was decided about whom, in order."""
    with store.snapshot() as connection:
        rows = connection.exec_driver_sql("SELECT action, subject FROM audit_entry ORDER BY seq").all()
    return [(row[0], row[1]) for row in rows]


def test_an_invitation_binds_an_identity(people: People) -> None:
    """Who opens the link as somebody is known as that from then on, and as nobody else's; the link is used up."""
    link = invited(people, "Bob")
    session = people.accept_as(link, of("7", name="Robert"))
    who = behind(people, session.token)
    assert who
    assert (who.name, [grant.role for grant in who.grants]) == ("Bob", [Role.VIEWER])
    again = people.enter(of("7", name="Another"), HERE)
    assert behind(people, again.token) == who
    with pytest.raises(Unauthenticated):
        people.accept_as(link, of("8"))


@pytest.mark.parametrize(
    "stranger",
    [
        of("1", B, name="Grace", email="grace@example.org"),
        of("7", email="bob@example.org"),
        of("7", name="Bob", email="bob@example.org"),
        of("7", B),
    ],
    ids=["another issuer", "an invited address", "an invited name", "a known subject elsewhere"],
)
def test_nobody_is_known_by_a_name_or_an_address(stranger: VouchedIdentity, people: People) -> None:
    """An address and a name are what others may write: they let nobody in, and bind nothing."""
    people.create(LOCAL_OPERATOR, "Carl", PASSWORD, Role.VIEWER, email="grace@example.org")
    people.invite(LOCAL_OPERATOR, "Bob", Role.ADMIN, email="bob@example.org")
    people.accept_as(invited(people, "Ada"), of("1"))
    with pytest.raises(Forbidden, match="nobody has invited you"):
        people.enter(stranger, HERE)
    assert people.find(LOCAL_OPERATOR, "Bob").how == "invited"


def test_an_account_is_one_persons(people: People) -> None:
    """An invitation is not used for an account that is somebody's already; it still opens for another."""
    people.accept_as(invited(people, "Ada"), of("1"))
    link = invited(people, "Bob")
    with pytest.raises(Conflict, match="is Ada's here"):
        people.accept_as(link, of("1"))
    assert people.accept_as(link, of("2")).person_id == people.find(LOCAL_OPERATOR, "Bob").id


def test_a_removed_person_stays_out_until_invited(people: People) -> None:
    """Neither the account nor its groups let him in; an invitation does, as somebody new."""
    session = people.enter(grouped("1", Role.ADMIN), HERE)
    people.remove(LOCAL_OPERATOR, session.person_id)
    assert behind(people, session.token) is None
    for told in (of("1"), grouped("1", Role.ADMIN)):
        with pytest.raises(Forbidden, match="You were removed here"):
            people.enter(told, HERE)
    people.accept_as(invited(people, "Ada again"), of("1"))
    again = behind(people, people.enter(of("1"), HERE).token)
    assert again
    assert again.name == "Ada again"


def test_the_address_follows_the_provider(people: People, store: Store) -> None:
    """He is the same person under another address; the trail tells that it changed, and not what it is."""
    people.accept_as(invited(people, "Ada"), of("1", email="ada@example.org"))
    people.enter(of("1", email="new@example.org"), HERE)
    people.enter(of("1", email="new@example.org"), HERE)
    people.enter(of("1", email="no address"), HERE)
    assert people.find(LOCAL_OPERATOR, "Ada").email == "new@example.org"
    assert trail(store).count(("person.email", "Ada")) == 2


def test_groups_let_in_whoever_is_new_and_decide_each_time(people: People, store: Store) -> None:
    """The first sign-in adds him, each later one gives what his groups give by then, and writes only what changed."""
    first = people.enter(grouped("1", Role.VIEWER), HERE)
    people.enter(grouped("1", Role.VIEWER), HERE)
    assert roles(people, "Ada") == [Role.VIEWER]
    people.enter(grouped("1", Role.ADMIN), HERE)
    who = behind(people, first.token)
    assert who
    assert [grant.role for grant in who.grants] == [Role.ADMIN]
    people.grant(LOCAL_OPERATOR, first.person_id, Role.PRODUCT)
    people.enter(grouped("1", Role.ADMIN), HERE)
    assert roles(people, "Ada") == [Role.ADMIN]
    told = [action for action, subject in trail(store) if subject == "Ada"]
    assert told == ["person.create", "person.grant", "person.grant", "person.grant"]


def test_groups_give_roles_where_they_hold(people: People, store: Store, clock: ManualClock) -> None:
    """In all tenants or in named ones, by name or id, whatever its letters; one that is not there gives nothing."""
    acme, globex = (Tenants(store, clock).create(LOCAL_OPERATOR, name) for name in ("Acme", "Globex"))

    def grants(*given: tuple[Role, str]) -> list[tuple[Role, frozenset[str] | None]]:
        told = of("1", is_by_groups=True, gives=tuple(GivenRole(*one) for one in given))
        session = people.enter(told, HERE)
        who = behind(people, session.token)
        assert who
        return [(grant.role, grant.scope.ids) for grant in who.grants]

    assert grants((Role.OPERATOR, "acme")) == [(Role.OPERATOR, frozenset({acme.id}))]
    assert grants((Role.VIEWER, ""), (Role.ADMIN, globex.id)) == [
        (Role.ADMIN, frozenset({globex.id})),
        (Role.VIEWER, None),
    ]
    assert grants((Role.VIEWER, "Acme"), (Role.VIEWER, "GLOBEX"), (Role.ADMIN, "gone")) == [
        (Role.VIEWER, frozenset({acme.id, globex.id}))
    ]
    with pytest.raises(Forbidden, match="None of your groups at Lab"):
        grants((Role.OWNER, "gone"))
    assert roles(people, "Ada") == []
    with pytest.raises(Forbidden, match="None of your groups at Lab"):
        people.enter(of("2", is_by_groups=True, gives=(GivenRole(Role.OWNER, "gone"),)), HERE)


def test_who_is_in_no_group_any_more_is_out_everywhere(people: People) -> None:
    """He is refused, and what he had is gone, in other browsers too; who never was in one is not added."""
    session = people.enter(grouped("1", Role.ADMIN), HERE)
    with pytest.raises(Forbidden, match="None of your groups at Lab"):
        people.enter(grouped("1", None), HERE)
    assert behind(people, session.token) is None
    assert roles(people, "Ada") == []
    with pytest.raises(Forbidden, match="None of your groups at Lab"):
        people.enter(grouped("2", None), HERE)
    assert len(people.list(LOCAL_OPERATOR)) == 2
    people.enter(grouped("1", Role.VIEWER), HERE)
    assert roles(people, "Ada") == [Role.VIEWER]


@pytest.mark.parametrize("gives", [Role.VIEWER, None])
def test_the_last_owner_is_not_lost_by_a_group(gives: Role | None, people: People) -> None:
    """His role stays, whatever his groups say; only where these give none he is refused for now."""
    people.enter(grouped("1", Role.OWNER), HERE)
    people.remove(LOCAL_OPERATOR, people.find(LOCAL_OPERATOR, "Grace").id)
    if gives is None:
        with pytest.raises(Forbidden):
            people.enter(grouped("1", gives), HERE)
    else:
        people.enter(grouped("1", gives), HERE)
    assert roles(people, "Ada") == [Role.OWNER]
    people.create(LOCAL_OPERATOR, "Grace the second", PASSWORD, Role.OWNER)
    people.enter(grouped("1", Role.VIEWER), HERE)
    assert roles(people, "Ada") == [Role.VIEWER]


def test_the_first_person_by_a_group(store: Store, clock: ManualClock) -> None:
    """He has to be an owner, as every first person."""
    people = People(store, clock)
    with pytest.raises(Conflict, match="first person must be an owner"):
        people.enter(grouped("1", Role.ADMIN), HERE)
    assert not people.must_sign_in()
    assert behind(people, people.enter(grouped("1", Role.OWNER), HERE).token)


@pytest.mark.parametrize(
    ("told", "called"),
    [
        ("Grace", "Grace 2"),
        ("  GRACE ", "GRACE 2"),
        ("Ada <b>Lovelace</b>", "Ada b Lovelace b"),
        ("x" * 200, "x" * 60),
        ("🙂", "Lab"),
        ("", "Lab"),
    ],
)
def test_what_whoever_is_new_is_called(told: str, called: str, people: People) -> None:
    """A name that is told takes nobody's place, and is one that a person can have."""
    people.enter(grouped("1", Role.VIEWER, name=told), HERE)
    assert {one.name for one in people.list(LOCAL_OPERATOR)} == {"Grace", called}


def test_a_session_is_as_every_other(people: People, store: Store, clock: ManualClock) -> None:
    """It takes the place of the browser's older one, and tells by what it began."""
    tenant = Tenants(store, clock).create(LOCAL_OPERATOR, "Acme")
    people.grant(LOCAL_OPERATOR, people.find(LOCAL_OPERATOR, "Grace").id, Role.VIEWER, [tenant])
    mine = people.sign_in("Grace", PASSWORD, HERE)
    new = people.enter(grouped("1", Role.VIEWER), HERE, mine.token)
    assert behind(people, mine.token) is None
    visitor = people.visitor(new.token)
    assert visitor
    assert visitor.vouched == ("lab", "1")
    assert [one.how for one in people.sessions(LOCAL_OPERATOR, new.person_id)] == ["lab"]
    people.end_sessions(visitor.principal, new.person_id)
    assert behind(people, new.token) is None
    assert "token" not in repr(dataclasses.replace(new))

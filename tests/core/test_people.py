"""People: who comes in, with what, for how long; who decides about whom; and that a revocation holds everywhere."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from core.audit import Trail
from core.claims import Claims
from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound, ProctorError, RateLimited, Unauthenticated
from core.people import NewLink, People
from core.people import _links as links
from core.people._passwords import AT_ONCE, MOST_BYTES, Passwords, chosen, normal
from core.people._sessions import KNOWN_SECONDS, MOST_OF_ONE, SEEN_EVERY, digest_of
from core.people._throttle import PER_ADDRESS, PER_NAME_AND_ADDRESS
from core.principals import LOCAL_OPERATOR, Permission, Principal, Role
from core.store import Store
from core.tables import AuditEntry, Tenant
from core.tenants import Tenants
from tests.builders import person
from tests.forks import Forked

PASSWORD, OTHER = "correct horse battery", "staple a second time"
HERE, THERE = "198.51.100.1", "203.0.113.9"
IDLE, LONGEST = timedelta(hours=24), timedelta(days=30)
QUICK = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
"""Tests wait for no work that is meant to be hard."""


def people_on(store: Store, clock: ManualClock) -> People:
    """Return the people of a process on *store*."""
    return People(store, clock, idle=IDLE, longest=LONGEST, passwords=Passwords(QUICK))


@pytest.fixture
def people(store: Store, clock: ManualClock) -> People:
    """The people of a process, with an owner called Grace."""
    found = people_on(store, clock)
    found.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    return found


@pytest.fixture
def elsewhere(store: Store, clock: ManualClock) -> People:
    """Those of another process on the same database."""
    return people_on(store, clock)


@pytest.fixture
def acme(store: Store, clock: ManualClock) -> Tenant:
    """A tenant."""
    return Tenants(store, clock).create(LOCAL_OPERATOR, "Acme")


def token_of(link: NewLink) -> str:
    """Return what of a link is secret."""
    return link.path.rpartition("/")[2]


def behind(people: People, token: str) -> Principal | None:
    """Return who is behind a cookie."""
    visitor = people.visitor(token)
    return visitor and visitor.principal


def actions(store: Store) -> list[str]:
    """Return what was decided, in order."""
    with store.snapshot() as connection:
        return list(connection.exec_driver_sql("SELECT action FROM audit_entry ORDER BY seq").scalars())


# ── Who comes in ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cookie_leads_to_the_person_and_his_roles(people: People, acme: Tenant) -> None:
    """The principal is the person's, with his roles as they are now."""
    ada = people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.VIEWER, [acme])
    session = people.sign_in("  ADA ", PASSWORD, HERE)
    who = behind(people, session.token)
    assert who
    assert (who.name, who.door, who.person_id) == ("Ada", "the console", ada.id)
    assert who.may(Permission.GENERATIONS_READ, acme.id)
    assert not who.may(Permission.GENERATIONS_READ, "other")
    assert not who.may(Permission.FLAGS_WRITE)
    people.grant(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    who = behind(people, session.token)
    assert who
    assert who.may_over(Permission.FLAGS_WRITE, None)
    assert session.token not in repr(session)


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "a" * 42 + "\0", "ä" * 43])
def test_a_cookie_that_nobody_was_given(people: People, token: str) -> None:
    """It opens nothing."""
    assert people.visitor(token) is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("Grace", "wrong horse battery"), ("Nobody", PASSWORD), ("Gracie", PASSWORD), ("Grace", PASSWORD.upper())],
)
def test_a_wrong_name_and_a_wrong_password_are_told_alike(people: People, name: str, password: str) -> None:
    """The sentence says of neither whether it is known; as much is hashed for either."""
    with pytest.raises(Unauthenticated) as refused:
        people.sign_in(name, password, HERE)
    assert refused.value.message == "Name or password is not right."


def test_as_much_is_hashed_for_a_name_that_nobody_has(store: Store, clock: ManualClock) -> None:
    """Each try that is not throttled costs one comparison, whether or not there is such a person."""
    compared: list[str] = []

    class Counting(Passwords):
        def verified(self, password: str, kept: str | None) -> tuple[bool, str | None]:
            compared.append("known" if kept else "unknown")
            return super().verified(password, kept)

    people = People(store, clock, passwords=Counting(QUICK))
    people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    for name in ("Grace", "Nobody") * (PER_NAME_AND_ADDRESS + 1):
        with pytest.raises((Unauthenticated, RateLimited)):
            people.sign_in(name, OTHER, HERE)
    assert compared == ["known", "unknown"] * PER_NAME_AND_ADDRESS


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("   ", PASSWORD),
        ("a\0b", PASSWORD),
        ("x" * 65, PASSWORD),
        ("x" * 5_000, PASSWORD),
        ("<b>", PASSWORD),
        ("Grace", ""),
        ("Grace", "a\0b"),
        ("Grace", "x" * (MOST_BYTES + 1)),
        ("Grace", "é" * MOST_BYTES),
    ],
)
def test_what_nobody_can_have_is_not_looked_at(people: People, name: str, password: str) -> None:
    """It is refused with a sentence of its own, before it is counted or hashed."""
    for _ in range(PER_ADDRESS + 1):
        with pytest.raises(Invalid):
            people.sign_in(name, password, HERE)
    assert people.sign_in("Grace", PASSWORD, HERE)


def test_letters_are_what_they_look_like(people: People) -> None:
    """A composed letter and its parts are one password, and one name; 4,096 bytes are not cut."""
    long = "é" * (MOST_BYTES // 4) + "abc!"
    people.create(LOCAL_OPERATOR, "René", long, Role.VIEWER)
    assert people.sign_in("Rene\u0301", long.replace("é", "e\u0301"), HERE)
    with pytest.raises(Unauthenticated):
        people.sign_in("René", long[:-1], HERE)
    assert normal("\u212b") == "Å"


@pytest.mark.parametrize("password", ["", "short", "eleven char", "grace hopper", "aaaaaaaaaaaaaaaa", "abababababab"])
def test_a_new_password_that_nobody_should_choose(password: str) -> None:
    """It says what is wrong with it."""
    with pytest.raises(Invalid):
        chosen(password, "Grace Hopper")


def test_two_hashes_are_made_at_once() -> None:
    """The third waits: each takes 64 MiB."""
    running, most, gate = 0, 0, threading.Barrier(AT_ONCE)
    counting = threading.Lock()

    class Slow:
        def hash(self, password: str) -> str:
            nonlocal running, most
            with counting:
                running += 1
                most = max(most, running)
            gate.wait(5)
            with counting:
                running -= 1
            return password

    passwords = Passwords()
    passwords.__dict__["_hash"] = Slow()
    threads = [threading.Thread(target=passwords.hashed, args=("x",)) for _ in range(3 * AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == AT_ONCE


def test_a_hash_that_has_become_weak_is_made_anew(store: Store, clock: ManualClock) -> None:
    """Whoever signs in rightly gets a hash of today's strength, and the old password still holds."""
    people_on(store, clock).create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    stronger = People(store, clock, passwords=Passwords(PasswordHash((Argon2Hasher(2, 16, 1),))))
    for expected in ("t=1", "t=2", "t=2"):
        with store.snapshot() as connection:
            kept: Any = connection.exec_driver_sql("SELECT password_hash FROM person").scalar()
        assert expected in kept
        stronger.sign_in("Grace", PASSWORD, HERE)


# ── The throttle ──────────────────────────────────────────────────────────────────────────────────────────────────────


def tries(people: People, count: int, address: str, name: str = "Grace") -> list[str]:
    """Try a wrong password; return how each ended."""
    ends: list[str] = []
    for _ in range(count):
        with pytest.raises((Unauthenticated, RateLimited)) as refused:
            people.sign_in(name, OTHER, address)
        ends.append(type(refused.value).__name__)
    return ends


def test_guessing_is_throttled_and_locks_nobody_out(people: People, clock: ManualClock) -> None:
    """60 wrong ones from one address: five are looked at. From another address she gets in, and a minute later here."""
    ends = tries(people, 60, HERE)
    assert ends.count("Unauthenticated") == PER_NAME_AND_ADDRESS
    assert people.sign_in("Grace", PASSWORD, THERE)
    with pytest.raises(RateLimited) as refused:
        people.sign_in("Grace", PASSWORD, HERE)
    assert refused.value.facts["retry_after_seconds"] == 60
    clock.advance(60)
    assert people.sign_in("Grace", PASSWORD, HERE)


def test_an_address_that_tries_many_names_is_throttled(people: People) -> None:
    """Names do not matter where an address tries one after the other."""
    ends = [end for number in range(PER_ADDRESS + 5) for end in tries(people, 1, HERE, f"name {number}")]
    assert ends == ["Unauthenticated"] * PER_ADDRESS + ["RateLimited"] * 5


def test_right_ones_are_not_counted(people: People) -> None:
    """Whoever signs in rightly, however often, is not throttled; and is forgiven what he mistyped before."""
    for _ in range(3):
        tries(people, PER_NAME_AND_ADDRESS - 1, HERE)
        people.sign_in("Grace", PASSWORD, HERE)
    for _ in range(2 * PER_ADDRESS):
        people.sign_in("Grace", PASSWORD, HERE)


def test_what_was_tried_is_kept_for_a_minute(store: Store, people: People, clock: ManualClock) -> None:
    """Neither name nor address stands in what is counted; who is refused adds nothing; and it is swept."""
    ends = tries(people, PER_NAME_AND_ADDRESS, HERE)
    counted = claims(store)
    assert len(counted) == 3
    assert not any(word in repr(counted).lower() for word in ("grace", HERE))
    assert {*ends, *tries(people, 40, HERE)} == {"Unauthenticated", "RateLimited"}
    assert claims(store) == counted
    clock.advance(61)
    assert Claims(store, clock).sweep() == 3
    assert claims(store) == []


def claims(store: Store) -> list[Any]:
    """Return what is counted."""
    with store.snapshot() as connection:
        return list(connection.exec_driver_sql("SELECT * FROM claim ORDER BY key").all())


GUESSING = """
import sys
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from core.clock import SystemClock
from core.errors import ProctorError
from core.people import People
from core.people._passwords import Passwords
from core.store import Store

quick = Passwords(PasswordHash((Argon2Hasher(1, 8, 1),)))
people = People(Store(sys.argv[1]), SystemClock(), passwords=quick)
print("ready", flush=True)
sys.stdin.readline()
for number in range(12):
    try:
        people.sign_in("Grace", "something else entirely", "192.0.2.7")
    except ProctorError as error:
        print(type(error).__name__, flush=True)
"""


def test_all_processes_count_together(database_url: str) -> None:
    """Three that are tried at once look at as many passwords as one would."""
    with ExitStack() as stack:
        processes = [stack.enter_context(Forked("-c", GUESSING, database_url)) for _ in range(3)]
        for one in processes:
            assert one.stdout.readline() == "ready\n"
        for one in processes:
            one.stdin.write("\n")
            one.stdin.flush()
        ends = [end for one in processes for end in one.stdout.read().split()]
    counted = Counter(one for one in ends if one in {"Unauthenticated", "RateLimited"})
    assert counted == {"Unauthenticated": PER_NAME_AND_ADDRESS, "RateLimited": 36 - PER_NAME_AND_ADDRESS}


# ── How long ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_ends_by_itself(people: People, clock: ManualClock) -> None:
    """After a day without a look, and after thirty however much it is used: never past that."""
    idle = people.sign_in("Grace", PASSWORD, HERE)
    used = people.sign_in("Grace", PASSWORD, HERE)
    assert used.seconds == LONGEST.total_seconds()
    clock.advance(IDLE.total_seconds() / 2)
    assert behind(people, used.token)
    clock.advance(IDLE.total_seconds() / 2)
    assert behind(people, idle.token) is None
    for _ in range(58):
        assert behind(people, used.token)
        clock.advance(IDLE.total_seconds() / 2)
    assert behind(people, used.token) is None


def test_that_somebody_is_there_is_written_once_a_minute(people: People, clock: ManualClock, store: Store) -> None:
    """However often he looks."""
    token = people.sign_in("Grace", PASSWORD, HERE).token
    began = clock.now()
    for seconds in (20, 20, 19):
        clock.advance(seconds)
        assert behind(people, token)
    [seen] = people.sessions(LOCAL_OPERATOR, people.find(LOCAL_OPERATOR, "Grace").id)
    assert seen.seen_at == began
    clock.advance(1)
    assert behind(people, token)
    assert people.find(LOCAL_OPERATOR, "Grace").seen_at == began + SEEN_EVERY


def test_one_person_has_a_bounded_number_of_sessions(people: People, clock: ManualClock) -> None:
    """The oldest ends when one more begins."""
    tokens: list[str] = []
    for _ in range(MOST_OF_ONE + 2):
        tokens.append(people.sign_in("Grace", PASSWORD, HERE).token)
        clock.advance(1)
    assert [bool(behind(people, token)) for token in tokens] == [False] * 2 + [True] * MOST_OF_ONE


def test_signing_in_anew_ends_what_was_there(people: People, elsewhere: People, clock: ManualClock) -> None:
    """The cookie that a browser had before opens nothing after."""
    old = people.sign_in("Grace", PASSWORD, HERE).token
    new = people.sign_in("Grace", PASSWORD, HERE, instead_of=old).token
    assert behind(people, old) is None
    assert behind(elsewhere, old) is None
    assert behind(elsewhere, new)


# ── A revocation holds everywhere ─────────────────────────────────────────────────────────────────────────────────────

GRACE = person("Grace")
REVOKED: dict[str, Callable[[People, str, str], object]] = {
    "removed": lambda people, ada, token: people.remove(GRACE, ada),
    "signed out": lambda people, ada, token: people.leave(token),
    "all ended": lambda people, ada, token: people.end_sessions(GRACE, ada),
    "one ended": lambda people, ada, token: people.end_sessions(GRACE, ada, people.sessions(GRACE, ada)[0].id),
    "another password": lambda people, ada, token: people.change_password(GRACE, ada, OTHER),
}


@pytest.mark.parametrize("how", REVOKED)
def test_what_is_revoked_opens_nothing_in_any_process(
    people: People, elsewhere: People, clock: ManualClock, how: str
) -> None:
    """At once where it was decided, within a second elsewhere; whoever copied the cookie has nothing."""
    ada = people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.OWNER)
    token = people.sign_in("Ada", PASSWORD, HERE).token
    assert behind(people, token)
    assert behind(elsewhere, token)
    REVOKED[how](people, ada.id, token)
    assert behind(people, token) is None
    clock.advance(KNOWN_SECONDS)
    assert behind(elsewhere, token) is None


def test_a_role_that_is_taken_away_is_gone_in_any_process(
    people: People, elsewhere: People, clock: ManualClock, acme: Tenant
) -> None:
    """The session lives on with what is left, a tenant less or none."""
    ada = people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.ADMIN)
    people.grant(LOCAL_OPERATOR, ada.id, Role.VIEWER, [acme])
    token = people.sign_in("Ada", PASSWORD, HERE).token
    assert behind(elsewhere, token)
    people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    clock.advance(KNOWN_SECONDS)
    for process in (people, elsewhere):
        who = behind(process, token)
        assert who
        assert not who.may(Permission.FLAGS_WRITE)
        assert who.scope_of(Permission.GENERATIONS_READ).ids == {acme.id}
    people.take_away(LOCAL_OPERATOR, ada.id, Role.VIEWER, [acme])
    who = behind(people, token)
    assert who
    assert not who.grants


def test_from_the_first_person_on_one_signs_in(store: Store, clock: ManualClock) -> None:
    """In every process, and for ever: the last owner cannot go."""
    here, there = people_on(store, clock), people_on(store, clock)
    assert not here.must_sign_in()
    assert not there.must_sign_in()
    here.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    assert here.must_sign_in()
    clock.advance(KNOWN_SECONDS)
    assert there.must_sign_in()


# ── Links ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invitation_is_used_once(people: People, acme: Tenant, store: Store) -> None:
    """It names who is invited, lets him choose a password and signs him in; then it is dead, as is what it was not."""
    link = people.invite(LOCAL_OPERATOR, "Ada", Role.VIEWER, [acme], email="ada@example.org")
    assert people.find(LOCAL_OPERATOR, "Ada").how == "invited"
    assert people.invited(token_of(link)) == "Ada"
    with pytest.raises(Invalid):
        people.accept(token_of(link), "short")
    who = behind(people, people.accept(token_of(link), OTHER).token)
    assert who
    assert who.name == "Ada"
    for token in (token_of(link), "x" * 43, ""):
        with pytest.raises(Unauthenticated):
            people.accept(token, OTHER)
    assert token_of(link) not in repr(link)
    with store.snapshot() as connection:
        assert token_of(link) not in str(connection.exec_driver_sql("SELECT * FROM audit_entry").all())


def test_an_invitation_ends(people: People, clock: ManualClock) -> None:
    """After a week, when a newer one is made, and when whoever was invited is removed."""
    first = people.invite(LOCAL_OPERATOR, "Ada", Role.VIEWER)
    ada = people.find(LOCAL_OPERATOR, "Ada")
    second = people.invite_again(LOCAL_OPERATOR, ada.id)
    with pytest.raises(Unauthenticated):
        people.invited(token_of(first))
    clock.advance(links.INVITED_FOR.total_seconds())
    with pytest.raises(Unauthenticated):
        people.accept(token_of(second), OTHER)
    third = people.invite_again(LOCAL_OPERATOR, ada.id)
    people.remove(LOCAL_OPERATOR, ada.id)
    with pytest.raises(Unauthenticated):
        people.accept(token_of(third), OTHER)


def both(*acts: Callable[[], object]) -> list[str]:
    """Do two things at the same moment; return how each ended."""
    begin, ends = threading.Barrier(len(acts)), list[str]()

    def act(one: Callable[[], object]) -> None:
        begin.wait(5)
        try:
            one()
        except ProctorError as error:
            ends.append(type(error).__name__)
        else:
            ends.append("done")

    threads = [threading.Thread(target=act, args=(one,)) for one in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return sorted(ends)


def test_of_two_first_owners_there_is_one(store: Store, clock: ManualClock) -> None:
    """Two browsers that send the link at the same moment, in two processes: one is made, the other is told."""
    here, there = people_on(store, clock), people_on(store, clock)
    link = here.open_first_once()
    assert link
    assert there.open_first_once() is None, "one process tells it"
    token = token_of(link)
    ends = both(
        lambda: here.become_first_owner(token, "Ada", PASSWORD), lambda: there.become_first_owner(token, "Bob", OTHER)
    )
    assert ends in (["Conflict", "done"], ["Unauthenticated", "done"])
    assert len(here.list(LOCAL_OPERATOR)) == 1
    assert here.open_first_once() is None
    clock.advance(KNOWN_SECONDS)
    for act in (here.require_first, lambda token: here.become_first_owner(token, "Eve", PASSWORD)):
        with pytest.raises(Conflict):
            act(token)


def test_the_first_owners_link_ends(store: Store, clock: ManualClock) -> None:
    """After a day, after which a start makes a new one; and when an operator makes a newer one."""
    people = people_on(store, clock)
    old = people.open_first_once()
    assert old
    clock.advance(links.FIRST_FOR.total_seconds())
    with pytest.raises(Unauthenticated):
        people.become_first_owner(token_of(old), "Eve", PASSWORD)
    at_start = people.open_first_once()
    assert at_start
    by_hand = people.open_first(LOCAL_OPERATOR)
    with pytest.raises((Unauthenticated, Conflict)):
        people.become_first_owner(token_of(at_start), "Eve", PASSWORD)
    who = behind(people, people.become_first_owner(token_of(by_hand), "Ada", PASSWORD).token)
    assert who
    assert who.may_over(Permission.PEOPLE_WRITE, None)


def test_the_first_person_is_an_owner(store: Store, clock: ManualClock, acme: Tenant) -> None:
    """Else nobody could let another in."""
    people = people_on(store, clock)
    for role, tenants in ((Role.ADMIN, None), (Role.OWNER, [acme])):
        with pytest.raises(Conflict):
            people.create(LOCAL_OPERATOR, "Ada", PASSWORD, role, tenants)
    assert not people.must_sign_in()
    link = people.open_first_once()
    assert link
    people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.OWNER)
    with pytest.raises(Conflict):
        people.become_first_owner(token_of(link), "Eve", PASSWORD)


# ── Who decides about whom ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_owner_stays(people: People, acme: Tenant) -> None:
    """He is neither removed nor lowered while nobody else is an owner who can sign in; later he may."""
    grace = people.find(LOCAL_OPERATOR, "Grace")
    people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.OWNER)
    people.take_away(LOCAL_OPERATOR, people.find(LOCAL_OPERATOR, "Ada").id, Role.OWNER)
    link = people.invite(LOCAL_OPERATOR, "Bob", Role.OWNER)
    for act in (people.remove, lambda who, one: people.take_away(who, one, Role.OWNER)):
        with pytest.raises(Conflict):
            act(LOCAL_OPERATOR, grace.id)
    people.accept(token_of(link), OTHER)
    people.remove(LOCAL_OPERATOR, grace.id)
    with pytest.raises(NotFound):
        people.find(LOCAL_OPERATOR, "Grace")


def test_of_two_owners_who_remove_each_other_one_stays(people: People, elsewhere: People) -> None:
    """At the same moment in two processes."""
    ada = people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.OWNER)
    grace = people.find(LOCAL_OPERATOR, "Grace")
    ends = both(lambda: people.remove(person("Grace"), ada.id), lambda: elsewhere.remove(person("Ada"), grace.id))
    assert ends == ["Conflict", "done"]
    assert len(people.list(LOCAL_OPERATOR)) == 1


def test_nobody_gives_or_touches_more_than_he_has(people: People, acme: Tenant) -> None:
    """An owner of one tenant decides about nobody; neither does an admin, who only sees who there is."""
    grace = people.find(LOCAL_OPERATOR, "Grace").id
    for who in (person("Ada", Role.OWNER, acme.id), person("Bob", Role.ADMIN)):
        for act in (
            lambda who=who: people.create(who, "New", PASSWORD, Role.VIEWER),
            lambda who=who: people.invite(who, "New", Role.VIEWER, [acme]),
            lambda who=who: people.grant(who, grace, Role.OWNER),
            lambda who=who: people.remove(who, grace),
            lambda who=who: people.end_sessions(who, grace),
        ):
            with pytest.raises(Forbidden):
                act()
    assert people.list(person("Bob", Role.ADMIN))
    with pytest.raises(Forbidden):
        people.list(person("Ada", Role.OWNER, acme.id))


def test_everybody_may_end_his_own_sessions_and_change_his_password(people: People) -> None:
    """With the current password, tries at which are throttled; and of nobody else's."""
    ada = people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.VIEWER)
    session = people.sign_in("Ada", PASSWORD, HERE)
    who = behind(people, session.token)
    assert who
    assert len(people.sessions(who, ada.id)) == 1
    for _ in range(PER_NAME_AND_ADDRESS):
        with pytest.raises(Unauthenticated):
            people.change_password(who, ada.id, OTHER, current="wrong", address=THERE)
    with pytest.raises(RateLimited):
        people.change_password(who, ada.id, OTHER, current=PASSWORD, address=THERE)
    people.change_password(who, ada.id, OTHER, current=PASSWORD, address=HERE)
    assert behind(people, session.token) is None
    people.sign_in("Ada", OTHER, HERE)
    assert people.end_sessions(who, ada.id) == 1
    for act in (people.sessions, people.end_sessions):
        with pytest.raises(Forbidden):
            act(who, people.find(LOCAL_OPERATOR, "Grace").id)


@pytest.mark.parametrize("role", ["tenant_key", "king", ""])
def test_a_role_that_no_person_has(people: People, role: str) -> None:
    """It is none."""
    with pytest.raises(Invalid):
        people.invite(LOCAL_OPERATOR, "Ada", role)


def test_a_name_stays_one_persons(people: People) -> None:
    """Nobody else gets it, also after its bearer was removed: the trail calls him so."""
    people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.VIEWER)
    ada = people.find(LOCAL_OPERATOR, " ada ")
    people.remove(LOCAL_OPERATOR, ada.id)
    with pytest.raises(Conflict):
        people.invite(LOCAL_OPERATOR, "ADA", Role.VIEWER)
    with pytest.raises(Unauthenticated):
        people.sign_in("Ada", PASSWORD, HERE)


def test_each_decision_is_in_the_trail_without_a_secret(
    people: People, store: Store, clock: ManualClock, acme: Tenant
) -> None:
    """Whoever decided it, what he had before and after; the chain holds."""
    ada = people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.VIEWER, [acme], email="ada@example.org")
    people.grant(LOCAL_OPERATOR, ada.id, Role.PRODUCT)
    people.grant(LOCAL_OPERATOR, ada.id, Role.PRODUCT)  # changes nothing, and is no entry
    people.take_away(LOCAL_OPERATOR, ada.id, Role.PRODUCT)
    people.change_password(LOCAL_OPERATOR, ada.id, OTHER)
    session = people.sign_in("Ada", OTHER, HERE)
    people.end_sessions(LOCAL_OPERATOR, ada.id)
    people.remove(LOCAL_OPERATOR, ada.id)
    assert actions(store)[2:] == [
        "person.create",
        "person.grant",
        "person.take_away",
        "person.password",
        "person.sign_out",
        "person.remove",
    ]
    with store.snapshot() as connection:
        said = str(connection.execute(sqlalchemy.select(AuditEntry.__table__)).all())  # pyright: ignore[reportAttributeAccessIssue]
    for secret in (PASSWORD, OTHER, session.token, digest_of(session.token), "ada@example.org", "argon2"):
        assert secret not in said
    assert "viewer of Acme" in said
    assert Trail(store, clock).verify(LOCAL_OPERATOR).ok

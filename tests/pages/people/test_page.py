"""People: who there is, what each may do, and what can be decided about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import Unauthenticated
from core.people import PersonView
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.tables import Tenant
from tests.pages.conftest import Open, Tab, decisions

PASSWORD, ADDRESS = "correct horse battery", "127.0.0.1"


@pytest.fixture
def grace(proctor: Runtime, tab: Tab) -> PersonView:
    """The only owner, who looks."""
    found = proctor.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    tab.token = proctor.people.sign_in("Grace", PASSWORD, ADDRESS).token
    return found


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant whose name Markdown would read otherwise, beside another."""
    proctor.tenants.create(LOCAL_OPERATOR, "Borealis")
    return proctor.tenants.create(LOCAL_OPERATOR, "Acme_1")


@pytest.fixture
def ada(proctor: Runtime, grace: PersonView, acme: Tenant) -> PersonView:
    """A viewer of one tenant, in two browsers."""
    found = proctor.people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.VIEWER, [acme], email="ada@example.org")
    for _ in range(2):
        proctor.people.sign_in("Ada", PASSWORD, ADDRESS)
    return found


def told(page: AppTest) -> str:
    """Return what a page says."""
    shown = (*page.markdown, *page.header, *page.caption, *page.error, *page.warning, *page.success, *page.code)
    return " ".join(str(one.value) for one in shown)


# ── What it shows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_yet(open_page: Open) -> None:
    """It says what holds until there is somebody, and how the first one comes."""
    page = open_page("people")
    assert not page.exception
    assert "Nobody signs in yet" in told(page)
    assert page.button(key="invite")


def test_who_there_is(open_page: Open, ada: PersonView) -> None:
    """Each with roles and where they hold; of one the browsers, which can be ended."""
    page = open_page("people", person="Ada")
    assert not page.exception
    table = page.table[0].value
    assert list(table["Name"]) == ["**[Ada](/people?person=Ada)**", "**[Grace](/people?person=Grace)**"]
    assert "viewer" in table["Roles"][0]
    assert "Acme" in table["Roles"][0]
    assert "all tenants" in table["Roles"][1]
    assert "2 browsers" in told(page)


def test_many_are_shown_a_page_at_a_time(open_page: Open, proctor: Runtime, grace: PersonView, acme: Tenant) -> None:
    """With one tenant of a role by its name; each can be chosen, on whatever page he is."""
    tenants = list(proctor.tenants.list(LOCAL_OPERATOR))
    for number in range(30):
        proctor.people.invite(LOCAL_OPERATOR, f"Person {number:02}", Role.VIEWER, tenants)
    page = open_page("people", person="Person 29")
    assert not page.exception
    assert len(page.table[0].value) == 25
    assert "and 1 more" in page.table[0].value["Roles"][1]
    assert page.selectbox(key="person").value == "Person 29"


@pytest.mark.parametrize(
    ("key", "asks"),
    [("roles", "confirm_role"), ("new_link", "confirm_link"), ("remove_person", "confirm_remove_person")],
)
def test_a_button_only_asks(open_page: Open, proctor: Runtime, ada: PersonView, key: str, asks: str) -> None:
    """It opens its dialog, about whoever is chosen, and changes nothing."""
    before = state(proctor)
    page = open_page("people", person="Ada")
    page.button(key=key).click().run()
    assert page.button(key=asks)
    assert "**Ada**" in told(page)
    assert state(proctor) == before


def test_who_only_sees_is_offered_nothing(
    open_page: Open, ada: PersonView, proctor: Runtime, tab: Tab, acme: Tenant
) -> None:
    """An admin sees who there is; an owner of one tenant is told that people are not a tenant's."""
    proctor.people.create(LOCAL_OPERATOR, "Bob", PASSWORD, Role.ADMIN)
    tab.token = proctor.people.sign_in("Bob", PASSWORD, ADDRESS).token
    page = open_page("people", person="Ada")
    assert page.table
    assert not page.button
    proctor.people.create(LOCAL_OPERATOR, "Eve", PASSWORD, Role.OWNER, [acme])
    tab.token = proctor.people.sign_in("Eve", PASSWORD, ADDRESS).token
    page = open_page("people", person="Ada")
    assert not page.table
    assert "not to a tenant" in told(page)


# ── What it decides ───────────────────────────────────────────────────────────────────────────────────────────────────


def _opened(dialog: str, whom: str) -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.people import dialogs

    visit = open_page("Test", "A dialog.", needs=Permission.PEOPLE_READ)
    people = list(visit.runtime.people.list(visit.principal))
    person = next((one for one in people if one.name == whom), None)
    if dialog == "invite":
        dialogs.invite(visit, is_first=not people)
    elif person and dialog == "roles":
        dialogs.roles(visit, person, {one.id: one.name for one in visit.runtime.tenants.list(visit.principal)})
    elif person:
        getattr(dialogs, dialog)(visit, person)


def opened(dialog: str, whom: str = "Ada") -> AppTest:
    """Open a dialog by itself: the stand-in for a browser closes one as soon as anything in it is pressed."""
    page = AppTest.from_function(_opened, args=(dialog, whom), default_timeout=60).run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> str:
    """Press a button, and return what the page says then."""
    page.button(key=key).click().run()
    assert not page.exception
    return told(page)


def state(proctor: Runtime) -> dict[str, tuple[Any, ...]]:
    """Return all that can be decided about people, and how many decisions were written."""
    people = proctor.people.list(LOCAL_OPERATOR)
    found: dict[str, tuple[Any, ...]] = {
        one.name: (one.grants, one.how, {found.id for found in proctor.people.sessions(LOCAL_OPERATOR, one.id)})
        for one in people
    }
    return found | {"decisions": (decisions(proctor),)}


def link_in(page: AppTest) -> str:
    """Return the token of the link that is shown."""
    [shown] = [one.value for one in page.code if "/invitation/" in one.value]
    return shown.rpartition("/")[2]


def test_the_first_one_is_an_owner(proctor: Runtime, tab: Tab) -> None:
    """He is asked for no role, told what follows, and holds his everywhere."""
    page = opened("invite")
    assert "From then on everybody signs in" in told(page)
    assert "invited_role" not in {choice.key for choice in page.selectbox}
    page.text_input(key="invited_name").set_value("Grace")
    press(page, "confirm_invite")
    token = link_in(page)
    assert proctor.people.invited(token) == "Grace"
    proctor.people.accept(token, PASSWORD)
    [grace] = proctor.people.list(LOCAL_OPERATOR)
    assert [(grant.role, grant.scope.ids) for grant in grace.grants] == [(Role.OWNER, None)]


def test_an_invitation_is_shown_once(proctor: Runtime, ada: PersonView, acme: Tenant) -> None:
    """With the roles that were chosen; where no tenant is named it is refused with a sentence."""
    page = opened("invite")
    page.text_input(key="invited_name").set_value("Bob")
    page.selectbox(key="invited_role").set_value(Role.OPERATOR)
    before = state(proctor)
    assert "Name a tenant" in press(page, "confirm_invite")
    assert state(proctor) == before
    page.multiselect(key="invited_tenants").set_value([acme])
    assert "cannot be shown again" in press(page, "confirm_invite")
    token = link_in(page)
    assert proctor.people.invited(token) == "Bob"
    [grant] = proctor.people.find(LOCAL_OPERATOR, "Bob").grants
    assert (grant.role, grant.scope.ids) == (Role.OPERATOR, {acme.id})
    assert token not in told(page.run())
    page.text_input(key="invited_name").set_value("bob")
    page.segmented_control(key="invited_where").set_value("in all tenants").run()
    assert "bob" in press(page, "confirm_invite").lower()
    assert page.warning
    assert not page.code


def test_a_new_link_takes_the_place_of_older_ones(proctor: Runtime, ada: PersonView) -> None:
    """Shown once as well; the password holds until it is used."""
    page = opened("new_link")
    press(page, "confirm_link")
    older = link_in(page)
    assert older not in told(page.run())
    press(page, "confirm_link")
    newer = link_in(page)
    assert proctor.people.invited(newer) == "Ada"
    assert proctor.people.sign_in("Ada", PASSWORD, ADDRESS)
    with pytest.raises(Unauthenticated):
        proctor.people.invited(older)


def test_roles_are_given_and_taken(proctor: Runtime, ada: PersonView, acme: Tenant) -> None:
    """Each by its own button, where it was chosen."""
    page = opened("roles")
    page.selectbox(key="given_role").set_value(Role.ADMIN)
    page.segmented_control(key="given_where").set_value("in all tenants").run()
    press(page, "confirm_role")
    grants = proctor.people.find(LOCAL_OPERATOR, "Ada").grants
    assert [(one.role, one.scope.ids) for one in grants] == [(Role.ADMIN, None), (Role.VIEWER, {acme.id})]
    press(page, f"take_viewer_{acme.id}")
    press(page, "take_admin_all")
    assert not proctor.people.find(LOCAL_OPERATOR, "Ada").grants


def test_what_is_shown_as_one_is_taken_as_one(proctor: Runtime, ada: PersonView, acme: Tenant) -> None:
    """A role in all tenants hides that in one of them; taken away it is away there as well."""
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.VIEWER)
    page = opened("roles")
    assert f"take_viewer_{acme.id}" not in {button.key for button in page.button}
    press(page, "take_viewer_all")
    assert not proctor.people.find(LOCAL_OPERATOR, "Ada").grants


@pytest.mark.parametrize(("dialog", "key"), [("roles", "take_owner_all"), ("remove", "confirm_remove_person")])
def test_the_last_owner_stays(proctor: Runtime, ada: PersonView, dialog: str, key: str) -> None:
    """With the reason, and nothing is changed."""
    before = state(proctor)
    assert "last owner" in press(opened(dialog, "Grace"), key)
    assert state(proctor) == before


def test_removal_names_what_follows(proctor: Runtime, ada: PersonView) -> None:
    """And is done after that alone."""
    page = opened("remove")
    assert "signed out everywhere" in told(page)
    assert "Ada" in state(proctor)
    press(page, "confirm_remove_person")
    assert "Ada" not in state(proctor)


def test_sessions_are_ended(open_page: Open, ada: PersonView, proctor: Runtime) -> None:
    """One, then all."""
    page = open_page("people", person="Ada")
    first, second = proctor.people.sessions(LOCAL_OPERATOR, ada.id)
    press(page, f"end_{first.id}")
    assert [one.id for one in proctor.people.sessions(LOCAL_OPERATOR, ada.id)] == [second.id]
    proctor.people.sign_in("Ada", PASSWORD, ADDRESS)
    page.run()
    assert "nowhere" in press(page, "end_all")
    assert not proctor.people.sessions(LOCAL_OPERATOR, ada.id)


@dataclass(frozen=True)
class Pressed:
    """What is pressed in a dialog that was opened before."""

    dialog: str
    key: str
    fill: Callable[[AppTest], object] = lambda page: page


def _everywhere(page: AppTest, key: str) -> None:
    page.segmented_control(key=key).set_value("in all tenants").run()


def _invited(page: AppTest) -> None:
    page.text_input(key="invited_name").set_value("Bob")
    _everywhere(page, "invited_where")


WRITES = (
    Pressed("invite", "confirm_invite", _invited),
    Pressed("new_link", "confirm_link"),
    Pressed(
        "roles",
        "confirm_role",
        lambda page: _everywhere(page, "given_where"),
    ),
    Pressed("roles", "take_viewer_all"),
    Pressed("remove", "confirm_remove_person"),
)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.key)
def test_whoever_may_not_any_more_is_refused(
    proctor: Runtime, grace: PersonView, ada: PersonView, write: Pressed
) -> None:
    """Whose role was lowered while a dialog was open is told so when he confirms, and nothing is written."""
    proctor.people.create(LOCAL_OPERATOR, "Other owner", PASSWORD, Role.OWNER)
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.VIEWER)
    page = opened(write.dialog)
    write.fill(page)
    proctor.people.grant(LOCAL_OPERATOR, grace.id, Role.ADMIN)
    proctor.people.take_away(LOCAL_OPERATOR, grace.id, Role.OWNER)
    before = state(proctor)
    assert "people.write" in press(page, write.key).replace("\\", "")
    assert page.error
    assert not page.code
    assert state(proctor) == before


def test_whoever_may_not_any_more_ends_nothing(
    open_page: Open, proctor: Runtime, grace: PersonView, ada: PersonView
) -> None:
    """The buttons that were drawn before are gone in the run that they would have been pressed in."""
    proctor.people.create(LOCAL_OPERATOR, "Other owner", PASSWORD, Role.OWNER)
    page = open_page("people", person="Ada")
    proctor.people.grant(LOCAL_OPERATOR, grace.id, Role.ADMIN)
    proctor.people.take_away(LOCAL_OPERATOR, grace.id, Role.OWNER)
    before = state(proctor)
    press(page, "end_all")
    assert state(proctor) == before
    assert not page.button

"""Who looks is asked of the session's row at every run: a role, tenant or session that is gone is gone in open tabs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import Forbidden
from core.people import PersonView
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.tables import Tenant
from tests.console import FRAME
from tests.pages.conftest import Open, Tab, decisions

PASSWORD, ADDRESS = "correct horse battery", "127.0.0.1"


@pytest.fixture
def acme(proctor: Runtime, tab: Tab) -> Tenant:
    """A tenant beside another, and an owner."""
    proctor.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    proctor.tenants.create(LOCAL_OPERATOR, "Borealis")
    return proctor.tenants.create(LOCAL_OPERATOR, "Acme")


@pytest.fixture
def ada(proctor: Runtime, acme: Tenant, tab: Tab) -> PersonView:
    """An admin, who is signed in."""
    found = proctor.people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.ADMIN)
    tab.token = proctor.people.sign_in("Ada", PASSWORD, ADDRESS).token
    return found


def told(page: AppTest) -> str:
    """Return what a page shows."""
    return " ".join(str(one.value) for one in (*page.markdown, *page.title, *page.header, *page.error, *page.caption))


def shown(page: AppTest) -> str:
    """Return all that is drawn, tables too."""
    return f"{page.main}{page.sidebar}"


def test_a_page_is_shown_to_whoever_is_signed_in(open_page: Open, ada: PersonView, tab: Tab) -> None:
    """With his name in the frame, and the way out; to nobody else is anything shown but that one has to sign in."""
    page = open_page("tenants")
    assert not page.exception
    assert "Ada" in told(page)
    assert "Borealis" in str(page)
    tab.token = "x" * 43
    page = open_page("tenants")
    assert not page.exception
    assert "You are signed out" in told(page)
    assert "Borealis" not in str(page)
    assert not page.button


GONE: dict[str, Callable[[Runtime, str], object]] = {
    "removed": lambda on, one: on.people.remove(LOCAL_OPERATOR, one),
    "signed out everywhere": lambda on, one: on.people.end_sessions(LOCAL_OPERATOR, one),
    "another password": lambda on, one: on.people.change_password(LOCAL_OPERATOR, one, "staple a second time"),
}


@pytest.mark.parametrize("how", GONE)
def test_whoever_is_out_sees_nothing_more_in_an_open_tab(
    open_page: Open, proctor: Runtime, ada: PersonView, how: str
) -> None:
    """The next press draws one sentence, no figure, no menu and no button, and does nothing."""
    page = open_page("flags")
    GONE[how](proctor, ada.id)
    before = proctor.flags.rules(LOCAL_OPERATOR)
    page.button(key="turn").click().run()
    assert not page.exception
    assert "You are signed out" in told(page)
    assert not page.button
    assert not page.table
    assert proctor.flags.rules(LOCAL_OPERATOR) == before


def _turning() -> None:
    from core.flags import Flag
    from core.principals import Permission
    from pages.flags import dialogs
    from pages.kit.page import open_page

    visit = open_page("Test", "A dialog.", needs=Permission.FLAGS_READ)
    dialogs.turn(visit, Flag.STREAMING, None, True, [], expected="")


def test_a_role_that_is_taken_away_in_an_open_tab(open_page: Open, proctor: Runtime, ada: PersonView) -> None:
    """What a dialog asks that was opened before is refused, and nothing is written; the page offers it no more.

    The dialog is opened by itself: the stand-in for a browser closes one as soon as anything in it is pressed.
    """
    page = open_page("flags")
    dialog = AppTest.from_function(_turning, default_timeout=60).run()
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.VIEWER)
    proctor.people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    before = proctor.flags.rules(LOCAL_OPERATOR), decisions(proctor)
    dialog.button(key="confirm_turn").click().run()
    assert not dialog.exception
    assert "Ada" in told(dialog)
    assert "flags.write" in told(dialog).replace("\\", "")
    assert (proctor.flags.rules(LOCAL_OPERATOR), decisions(proctor)) == before
    assert "turn" in {button.key for button in page.button}
    page.run()
    assert "turn" not in {button.key for button in page.button}


def test_the_same_dialog_turns_for_whoever_may(proctor: Runtime, ada: PersonView) -> None:
    """What is refused without the role is written with it."""
    AppTest.from_function(_turning, default_timeout=60).run().button(key="confirm_turn").click().run()
    assert [rule.name for rule in proctor.flags.rules(LOCAL_OPERATOR)] == ["streaming.enabled"]


def test_a_tenant_that_is_taken_away_in_an_open_tab(
    open_page: Open, proctor: Runtime, ada: PersonView, acme: Tenant
) -> None:
    """Nothing of it is there in the next run."""
    page = open_page("tenants")
    assert "Borealis" in shown(page)
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.ADMIN, [acme])
    proctor.people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.ADMIN, [acme])
    page.run()
    assert not page.exception
    assert "Acme" in shown(page)
    assert "Borealis" not in shown(page)


def test_a_part_that_is_drawn_anew_by_itself_asks_anew(
    open_page: Open, proctor: Runtime, ada: PersonView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a visit says of who looks is true at every access, and not as it was when the page was opened."""
    from pages.kit import page as kit

    seen: list[kit.Visit] = []
    opened = kit.open_page
    monkeypatch.setattr(kit, "open_page", lambda *given, **more: seen.append(opened(*given, **more)) or seen[-1])
    open_page("flags")
    assert seen[0].principal.name == "Ada"
    proctor.people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    with pytest.raises(Forbidden):
        seen[0].principal.require_over(kit.Permission.FLAGS_WRITE, None)


def test_a_tab_that_comes_back_under_another_person(
    open_page: Open, proctor: Runtime, ada: PersonView, tab: Tab
) -> None:
    """Of the state that was there before nothing is left: no draft, no secret, no choice."""
    page = open_page("tenants")
    page.session_state["draft"] = "of Ada"
    page.run()
    assert page.session_state["draft"] == "of Ada"
    proctor.people.create(LOCAL_OPERATOR, "Bob", PASSWORD, Role.VIEWER)
    tab.token = proctor.people.sign_in("Bob", PASSWORD, ADDRESS).token
    page.run()
    assert not page.exception
    assert "draft" not in page.session_state
    assert "Bob" in told(page)
    assert "Ada" not in told(page)


def test_while_nobody_signs_in_it_says_so(open_page: Open, tab: Tab) -> None:
    """The frame marks a console that is open."""
    assert "Nobody signs in" in told(open_page("tenants"))


def test_what_decides_who_may_come_does_not_answer(open_page: Open, ada: PersonView, proctor: Runtime) -> None:
    """Then nobody is let in, and the sentence says why."""
    assert FRAME.exists()
    proctor.people._forget()
    proctor.store.close()
    path = proctor.store.url.database
    assert path
    from pathlib import Path

    Path(path).unlink()
    page = AppTest.from_file(str(FRAME), default_timeout=60).run()
    assert not page.exception
    assert not page.table
    assert page.error

"""People as a browser meets them: they come by links, sign in and out, and lose a role or all in a tab that is open."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from core import runtime as running
from core.people._sessions import KNOWN_SECONDS
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import Settings
from tests.e2e.console import Console, make_run
from tests.e2e.screen import PATIENCE_MS, settle

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console in which there is nobody."""
    with make_run(tmp_path_factory.mktemp("people"), DEMO="false", LOCAL_MODEL="off") as started:
        yield started


@pytest.fixture(scope="module")
def base_url(console: Console) -> str:
    """Let ``page.goto("/")`` mean this console."""
    return console.url


@pytest.fixture(scope="module")
def beside(console: Console) -> Iterator[Runtime]:
    """Another process's Proctor on the same database: what is decided there is to hold in the console."""
    settings = Settings(database_url=console.environment["DATABASE_URL"], demo=False, local_model="off")
    runtime = running.build(settings)
    yield runtime
    runtime.close()


def enter(page: Page, name: str, password: str) -> None:
    """Fill in the form and send it."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def wait_until_it_holds(page: Page) -> None:
    """Let that time pass for which a process may go by what it knew of a session."""
    page.wait_for_timeout(KNOWN_SECONDS * 1000 + 100)


def test_the_first_owner(page: Page, console: Console, beside: Runtime, browser: Browser) -> None:
    """He comes by the link that is made for him, once; signed out, his cookie opens nothing, copied or not.

    A wrong password is told in one sentence, and the view that was asked for is there once he has signed in.
    """
    page.goto("/flags")
    expect(page.get_by_text("Nobody signs in")).to_be_visible(timeout=PATIENCE_MS)
    link = beside.people.open_first(LOCAL_OPERATOR).path
    page.goto(link)
    page.get_by_label("Name").fill("Grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Become the owner").click()
    expect(page.get_by_text("Grace", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    [cookie] = [one for one in page.context.cookies() if one.get("name") == "proctor_session"]
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Lax")
    assert "proctor_session" not in page.evaluate("document.cookie")

    page.goto("/sign-out")
    page.get_by_role("button", name="Sign out everywhere").click()
    copied = browser.new_context(base_url=console.url)
    copied.add_cookies([cookie])  # pyright: ignore[reportArgumentType] it is one, as the browser gave it
    stranger = copied.new_page()
    stranger.goto("/flags")
    assert urlsplit(stranger.url).path == "/sign-in"
    stranger.goto(link)
    expect(stranger.get_by_role("button", name="Become the owner")).to_have_count(0)
    copied.close()

    page.goto("/flags?flag=Streaming")
    enter(page, "Grace", "wrong horse battery")
    expect(page.get_by_role("alert")).to_have_text("Name or password is not right.")
    enter(page, "Grace", PASSWORD)
    page.wait_for_url("**/flags?flag=Streaming")
    expect(page.get_by_role("button", name="Turn off…")).to_be_visible(timeout=PATIENCE_MS)


def test_what_is_taken_away_is_gone_in_an_open_tab(page: Page, beside: Runtime) -> None:
    """Of a role the next press in a dialog that is open is refused, and nothing is written; of all there is no page."""
    if not beside.people.list(LOCAL_OPERATOR):
        beside.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    page.goto(beside.people.invite(LOCAL_OPERATOR, "Ada", Role.ADMIN).path)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Choose it and sign in").click()
    page.wait_for_url(lambda url: "/invitation/" not in url)
    page.goto("/flags")
    page.get_by_role("button", name="Turn off…").click(timeout=PATIENCE_MS)
    confirm = page.get_by_role("dialog").get_by_role("button", name="Turn off")
    expect(confirm).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    ada = beside.people.find(LOCAL_OPERATOR, "Ada")
    beside.people.grant(LOCAL_OPERATOR, ada.id, Role.VIEWER)
    beside.people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    wait_until_it_holds(page)
    confirm.click()
    expect(page.get_by_text("flags.write").first).to_be_visible(timeout=PATIENCE_MS)
    assert not beside.flags.rules(LOCAL_OPERATOR)

    beside.people.remove(LOCAL_OPERATOR, ada.id)
    wait_until_it_holds(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Calls").click()
    expect(page.get_by_text("You are signed out")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Home")).to_have_count(0)
    page.get_by_role("link", name="Sign in").click()
    enter(page, "Ada", PASSWORD)
    expect(page.get_by_role("alert")).to_have_text("Name or password is not right.")

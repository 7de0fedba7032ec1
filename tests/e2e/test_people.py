"""People as a browser meets them: they come by links, sign in and out, and lose a role or all in a tab that is open."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core import runtime as running
from core.api.cookies import SESSION
from core.people._sessions import KNOWN_SECONDS
from core.pricing import NANO
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from tests import builders, servers
from tests.e2e.console import START_SECONDS, Console, make_run
from tests.e2e.screen import PATIENCE_MS, settle, visit

PASSWORD = "correct horse battery"
OPERATE = ["Home", "Traffic", "Calls", "Spend", "Fire drills", "Changes"]
CONFIGURE = ["Tenants", "Flags", "Guardrails", "Routes", "Providers", "Prices", "Store"]
ALL = [*OPERATE, *CONFIGURE[:3], "Privacy", *CONFIGURE[3:-1], "People", "Store", "Schemas", "Playground"]
MENUS = {
    Role.OWNER: ALL,
    Role.ADMIN: ALL,
    Role.OPERATOR: [*OPERATE, *CONFIGURE, "Schemas", "Playground"],
    Role.PRODUCT: [*OPERATE, *CONFIGURE, "Schemas", "Playground"],
    Role.VIEWER: [*OPERATE, *CONFIGURE, "Schemas"],
}
"""What stands in the menu of whoever has one role in all tenants."""
Enter = Callable[..., Page]
"""``come_in("Ada", Role.ADMIN)``: a tab of somebody with these roles, in a browser of his own."""


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
    until = time.monotonic() + START_SECONDS
    while not servers.is_ready(console.url) and time.monotonic() < until:
        time.sleep(0.05)  # its tables are made behind its first answers
    runtime = running.build(settings)
    yield runtime
    runtime.close()


@pytest.fixture
def come_in(browser: Browser, beside: Runtime, console: Console) -> Iterator[Enter]:
    """Makes people and lets them in by their cookie: how one comes by it is for other tests."""
    contexts: list[BrowserContext] = []

    def opened(name: str, *roles: Role | tuple[Role, Tenant]) -> Page:
        if not beside.people.list(LOCAL_OPERATOR):
            beside.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
        first, *others = (one if isinstance(one, tuple) else (one, None) for one in roles)
        known = {one.name: one for one in beside.people.list(LOCAL_OPERATOR)}
        within = [first[1]] if first[1] else None
        who = known.get(name) or beside.people.create(LOCAL_OPERATOR, name, PASSWORD, first[0], within)
        for role, tenant in others:
            beside.people.grant(LOCAL_OPERATOR, who.id, role, [tenant] if tenant else None)
        session = beside.people.sign_in(name, PASSWORD, "127.0.0.1")
        context = browser.new_context(base_url=console.url, viewport={"width": 1440, "height": 1000})
        context.add_cookies([{"name": SESSION, "value": session.token, "url": console.url}])
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


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


def menu(page: Page) -> list[str]:
    """Return what stands in the menu."""
    expect(page.get_by_test_id("stSidebarNavLink").first).to_be_visible(timeout=PATIENCE_MS)
    return page.get_by_test_id("stSidebarNavLink").all_inner_texts()


@pytest.mark.parametrize("role", MENUS)
def test_the_menu_of_each_role(come_in: Enter, role: Role) -> None:
    """It shows the ways that lead somewhere for it, and no other."""
    page = come_in(f"An {role}", role)
    visit(page, "/flags")
    assert [one.splitlines()[-1] for one in menu(page)] == MENUS[role]


def test_a_list_that_is_searched_and_sorted_is_kept_as_a_view(come_in: Enter, beside: Runtime) -> None:
    """Searched by a text and sorted in the database, it is kept under a name, and is there again in another tab.

    Back takes the view away, and what it had chosen.
    """
    tenant = beside.tenants.create(LOCAL_OPERATOR, "Kept")
    at = beside.clock.now() - timedelta(minutes=9)
    rows = [builders.generation(at, tenant.id, id=f"kept-{n}", duration_ms=1000.0 * n) for n in (2, 1, 9)]
    builders.save(beside.store, rows)
    page = come_in("Keeper", Role.OPERATOR)
    visit(page, "/calls?tenant=Kept")
    search, counted = page.locator(".st-key-q input"), page.get_by_text(re.compile(r"^[\d,]+ calls ·"))
    expect(counted).to_contain_text("3 calls", timeout=PATIENCE_MS)
    search.fill("latency:<3s")
    search.press("Enter")
    expect(counted).to_contain_text("2 calls", timeout=PATIENCE_MS)
    settle(page)
    page.locator(".st-key-order input").click()
    page.get_by_role("option", name="Fastest first").click()
    expect(page).to_have_url(re.compile("sort=latency"))
    settle(page)
    expect(page.locator("[role=gridcell][aria-colindex='6']")).to_have_text(["1", "2"], timeout=PATIENCE_MS)
    page.get_by_role("button", name="Views").click()
    name = page.get_by_label("Keep this list as")
    name.fill("Fast ones")
    name.press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("view="))

    visit(page, "/calls?tenant=Kept")
    expect(counted).to_contain_text("3 calls", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Fast ones").click()
    expect(counted).to_contain_text("2 calls", timeout=PATIENCE_MS)
    expect(search).to_have_value("latency:<3s")
    settle(page)
    page.go_back()
    expect(counted).to_contain_text("3 calls", timeout=PATIENCE_MS)
    expect(search).to_have_value("")


def test_two_roles_of_one_person(come_in: Enter, beside: Runtime) -> None:
    """Each holds where it was given: what one may in one tenant is not offered in the other, and a third is not there.

    Signed out everywhere by somebody else, the next press in the open tab leads out.
    """
    seen, run, _ = (beside.tenants.create(LOCAL_OPERATOR, name) for name in ("Seen", "Run", "Unseen"))
    page = come_in("Two", (Role.VIEWER, seen), (Role.ADMIN, run))
    visit(page, f"/tenants?tenant={run.name}")
    expect(page.get_by_role("button", name="New key…")).to_be_visible(timeout=PATIENCE_MS)
    assert "People" not in "".join(menu(page))
    visit(page, f"/tenants?tenant={seen.name}")
    expect(page.get_by_role("link", name="Its calls")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="New key…")).to_have_count(0)
    visit(page, "/tenants?tenant=Unseen")
    expect(page.get_by_text("is left out")).to_be_visible(timeout=PATIENCE_MS)

    beside.people.end_sessions(LOCAL_OPERATOR, beside.people.find(LOCAL_OPERATOR, "Two").id)
    wait_until_it_holds(page)
    page.get_by_role("link", name="Flags").click()
    expect(page.get_by_text("You are signed out")).to_be_visible(timeout=PATIENCE_MS)


def cross(first: Page, second: Page, opened: str, begun: Callable[[Page], None], saved: str) -> None:
    """Let two begin the same edit, the first save it, and the second be told of both, and save his on top."""
    for one in (first, second):
        one.get_by_role("button", name=opened, exact=True).first.click(timeout=PATIENCE_MS)
        expect(one.get_by_role("dialog")).to_be_visible(timeout=PATIENCE_MS)
        settle(one)
        begun(one)
        settle(one)
    first.get_by_role("dialog").get_by_role("button", name=saved, exact=True).click()
    expect(first.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)
    second.get_by_role("dialog").get_by_role("button", name=saved, exact=True).click()
    told = second.get_by_role("dialog").locator("[class*=st-key-crossed_]")
    expect(told).to_contain_text("First", timeout=PATIENCE_MS)
    expect(told.get_by_role("columnheader", name="With yours on top")).to_be_visible()
    told.get_by_role("button", name="Save mine on top").click()
    expect(second.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)


def fill(page: Page, label: str, value: str) -> None:
    """Write into a field of the dialog and enter it."""
    field = page.get_by_role("dialog").get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")


def choose(page: Page, label: str, option: re.Pattern[str]) -> None:
    """Choose from a list of the dialog."""
    page.get_by_role("dialog").get_by_label(label).click()
    page.get_by_role("option", name=option).click()


def limit(page: Page) -> None:
    """Let a flag be so for half of the calls."""
    page.get_by_role("dialog").get_by_text("For a share of the calls, or for a while").click()
    fill(page, "Of 100 calls", "50")


def test_two_who_cross_lose_nothing(come_in: Enter, beside: Runtime) -> None:
    """On a budget, a route and a flag: the second is told who was first, sees both, and each one's part stands."""
    shared = beside.tenants.create(LOCAL_OPERATOR, "Shared")
    beside.budgets.set(LOCAL_OPERATOR, shared, 10 * NANO)
    beside.routes.set(LOCAL_OPERATOR, "shared", [{"model": "openai/gpt-4o-mini"}])
    first, second = come_in("First", Role.ADMIN), come_in("Second", Role.ADMIN)

    for one in (first, second):
        visit(one, f"/tenants?tenant={shared.name}")
    softer = {
        first: lambda: fill(first, "Limit, USD", "20"),
        second: lambda: choose(second, "At the limit", re.compile("^Soft")),
    }
    cross(first, second, "Edit", lambda one: softer[one](), "Save budget")
    [budget] = beside.budgets.all(LOCAL_OPERATOR, [shared])[shared.id]
    assert (budget.terms.limit_nano_usd, budget.terms.mode) == (20 * NANO, "soft")

    for one in (first, second):
        visit(one, "/routes?route=shared")
    mine = {first: ("Description", "from the first"), second: ("Deadline, s", "33")}
    cross(first, second, "Edit", lambda one: fill(one, *mine[one]), "Save route")
    route = beside.routes.find(LOCAL_OPERATOR, "shared")
    assert (route.description, route.terms.deadline_seconds) == ("from the first", 33)

    for one in (first, second):
        visit(one, f"/flags?flag=Streaming&tenant={shared.name}")
    cross(first, second, "Turn off…", lambda one: limit(one) if one is first else None, "Turn off")
    [rule] = beside.flags.rules(LOCAL_OPERATOR)
    assert (rule.is_on, rule.percent) == (False, 50)


def test_guessing_is_slowed_down(page: Page, beside: Runtime, come_in: Enter) -> None:
    """After a few wrong passwords none is looked at for a while, the right one included, and the page says how long."""
    come_in("Guessed", Role.VIEWER).close()
    page.goto("/sign-in")
    for _ in range(5):
        enter(page, "Guessed", "wrong horse battery")
        expect(page.get_by_role("alert")).to_have_text("Name or password is not right.")
    enter(page, "Guessed", PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("Too many wrong passwords were tried. Wait")

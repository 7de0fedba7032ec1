"""Signing in by a real OpenID provider, in a browser: there and back, and whom and what it does not let in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from core import runtime as running
from core.people._sessions import KNOWN_SECONDS
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import Settings
from tests import servers
from tests.e2e import openid
from tests.e2e.console import START_SECONDS, Console, make_run
from tests.e2e.screen import PATIENCE_MS, settle


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console whose people real providers may vouch for: one whom it invites, and one by whose groups they come."""
    if missing := openid.install():
        pytest.skip(missing)
    folder, port = tmp_path_factory.mktemp("openid"), servers.free_port()
    back = f"http://127.0.0.1:{port}/oidc"
    with (
        openid.openid_provider(f"{back}/lab/callback", folder) as provider,
        openid.openid_provider(f"{back}/team/callback", folder) as team,
    ):
        settings = {
            "PORT": str(port),
            "DEMO": "false",
            "LOCAL_MODEL": "off",
            "OIDC_PROVIDERS": "lab,team",
            "OIDC_TEAM_ISSUER": team.url,
            "OIDC_TEAM_CLIENT_ID": "proctor",
            "OIDC_TEAM_CLIENT_SECRET": openid.CLIENT_SECRET,
            "OIDC_TEAM_ROLES": "ops=admin@Acme,ops=viewer@Borealis,everybody=viewer",
            "OIDC_LAB_ISSUER": provider.url,
            "OIDC_LAB_CLIENT_ID": "proctor",
            "OIDC_LAB_CLIENT_SECRET": openid.CLIENT_SECRET,
        }
        with make_run(folder, **settings) as started:
            yield started


@pytest.fixture(scope="module")
def base_url(console: Console) -> str:
    """Let ``page.goto("/")`` mean this console."""
    return console.url


@pytest.fixture(scope="module")
def beside(console: Console) -> Iterator[Runtime]:
    """Another process's Proctor on the same database, with an owner."""
    settings = Settings(database_url=console.environment["DATABASE_URL"], demo=False, local_model="off")
    until = time.monotonic() + START_SECONDS
    while not servers.is_ready(console.url) and time.monotonic() < until:
        time.sleep(0.05)  # its tables are made behind its first answers
    runtime = running.build(settings)
    runtime.people.create(LOCAL_OPERATOR, "Grace", "correct horse battery", Role.OWNER)
    yield runtime
    runtime.close()


def prove(page: Page, name: str, provider: str = "Lab") -> None:
    """Sign in at the provider, and let it tell who one is."""
    name_oneself(page, name, provider)
    page.get_by_role("button", name="Continue").click()


def name_oneself(page: Page, name: str, provider: str = "Lab") -> None:
    """Sign in at the provider, up to where it asks whether it may tell."""
    page.get_by_role("link", name=f"Sign in with {provider}").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible(timeout=PATIENCE_MS)


def test_there_and_back(page: Page, beside: Runtime, console: Console) -> None:
    """Who is invited comes in by the provider, at the page that he wanted; nothing of it is kept but our own session.

    Signed out he is out, and removed he is out in the tab that he has open.
    """
    callbacks: list[str] = []
    page.on("request", lambda one: callbacks.append(one.url) if "/oidc/lab/callback" in one.url else None)
    page.goto(beside.people.invite(LOCAL_OPERATOR, "Bob", Role.VIEWER).path)
    prove(page, "bob")
    page.wait_for_url(lambda url: url.startswith(f"{console.url}/") and "/oidc/" not in url)
    settle(page)
    expect(page.get_by_text("Bob", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    ours = {one.get("name") for one in page.context.cookies(console.url) if "proctor" in str(one.get("name"))}
    assert ours == {"proctor_session", "proctor_form"}
    bob = beside.people.find(LOCAL_OPERATOR, "Bob")
    assert bob.how == console.environment["OIDC_LAB_ISSUER"]
    assert [one.how for one in beside.people.sessions(LOCAL_OPERATOR, bob.id)] == ["lab"]

    page.goto(callbacks[0])  # as the back button and a reload do
    settle(page)
    expect(page.get_by_text("Bob", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert "code=" not in console.log.read_text(errors="replace")
    page.goto("/sign-out")
    page.get_by_role("button", name="Sign out here").click()
    page.goto("/flags?flag=Streaming")
    assert urlsplit(page.url).path == "/sign-in"
    page.get_by_role("link", name="Sign in with Lab").click()
    page.wait_for_url("**/flags?flag=Streaming")
    settle(page)
    expect(page.get_by_text("Bob", exact=True)).to_be_visible(timeout=PATIENCE_MS)

    beside.people.remove(LOCAL_OPERATOR, bob.id)
    page.wait_for_timeout(1000 * KNOWN_SECONDS + 200)
    page.get_by_role("link", name="Calls").click()
    expect(page.get_by_text("You are signed out")).to_be_visible(timeout=PATIENCE_MS)
    page.goto("/oidc/lab")
    expect(page.get_by_text("You were removed here")).to_be_visible(timeout=PATIENCE_MS)


def test_who_is_not_invited(page: Page, beside: Runtime) -> None:
    """The provider knows him, and that is all."""
    page.goto("/sign-in")
    prove(page, "mallory")
    expect(page.get_by_text("nobody has invited you here")).to_be_visible(timeout=PATIENCE_MS)
    page.goto("/flags")
    assert urlsplit(page.url).path == "/sign-in"
    assert {one.name for one in beside.people.list(LOCAL_OPERATOR)} <= {"Grace", "Carl", "ops of Lab"}


def test_a_callback_in_another_browser(page: Page, beside: Runtime, console: Console, browser: Browser) -> None:
    """It signs nobody in there, nor, once it was used, whoever has copied the cookie of the way as well."""
    page.goto(beside.people.invite(LOCAL_OPERATOR, "Carl", Role.VIEWER).path)
    name_oneself(page, "carl")
    kept = [one for one in page.context.cookies(console.url) if one.get("name") == "proctor_oidc"]
    page.context.clear_cookies(name="proctor_oidc")  # as another browser would be without it
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("begun in another browser")).to_be_visible(timeout=PATIENCE_MS)
    address = page.url
    holder = browser.new_context(base_url=console.url)
    holder.add_cookies(kept)  # pyright: ignore[reportArgumentType] they are, as the browser gave them
    other = holder.new_page()
    other.goto(address)
    settle(other)
    expect(other.get_by_text("Carl", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    holder.close()
    page.context.add_cookies(kept)  # pyright: ignore[reportArgumentType] as above
    page.goto(address)
    expect(page.get_by_text("proves nobody's identity")).to_be_visible(timeout=PATIENCE_MS)
    page.goto("/flags")
    assert urlsplit(page.url).path == "/sign-in"


def test_groups_give_roles_in_named_tenants(page: Page, beside: Runtime) -> None:
    """Who is in a group comes in by himself, with its role in each tenant that it names, and sees no other.

    Who is in none of them does not.
    """
    for name in ("Acme", "Borealis", "Cumulus"):
        beside.tenants.create(LOCAL_OPERATOR, name)
    page.goto("/sign-in?next=/tenants%3Ftenant%3DAcme")
    prove(page, "ops", "Team")
    page.wait_for_url("**/tenants?tenant=Acme")
    settle(page)
    names = {tenant.id: tenant.name for tenant in beside.tenants.list(LOCAL_OPERATOR)}
    grants = beside.people.find(LOCAL_OPERATOR, "ops of Lab").grants
    held = {(one.role, names[tenant_id]) for one in grants for tenant_id in one.scope.ids or ()}
    assert held == {(Role.ADMIN, "Acme"), (Role.VIEWER, "Borealis")}
    expect(page.get_by_role("button", name="New key…")).to_be_visible(timeout=PATIENCE_MS)
    page.goto("/tenants?tenant=Borealis")
    expect(page.get_by_role("link", name="Its calls")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    expect(page.get_by_role("button", name="New key…")).to_have_count(0)
    expect(page.get_by_text("Cumulus")).to_have_count(0)

    page.context.clear_cookies()
    page.goto("/sign-in")
    prove(page, "nobody", "Team")
    expect(page.get_by_text("None of your groups at Team gives you a role here")).to_be_visible(timeout=PATIENCE_MS)

"""Signing in by what a proxy says, in a browser, with a proxy that is a process of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from core import runtime as running
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import Settings
from tests import servers
from tests.e2e.console import START_SECONDS, Console, make_run
from tests.e2e.openid import NODE
from tests.e2e.screen import PATIENCE_MS, settle

PROXY = "127.0.0.2"
"""From where the proxy calls, which no browser of this machine does."""
HEADER = "X-Forwarded-User"
SCRIPT = Path(__file__).with_name("signing_proxy.mjs")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console that believes one proxy."""
    settings = {
        "DEMO": "false",
        "LOCAL_MODEL": "off",
        "TRUSTED_PROXIES": PROXY,
        "SIGN_IN_HEADER": HEADER,
        "SIGN_IN_HEADER_FROM": PROXY,
    }
    with make_run(tmp_path_factory.mktemp("proxy"), **settings) as started:
        yield started


@pytest.fixture(scope="module")
def base_url(console: Console) -> Iterator[str]:
    """Let ``page.goto("/")`` mean this console by way of its proxy."""
    port = servers.free_port()
    process = subprocess.Popen([NODE, SCRIPT, str(port), str(console.port), PROXY], stdin=subprocess.DEVNULL)
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    while not servers.is_ready(url) and time.monotonic() < until:
        time.sleep(0.05)
    yield url
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def beside(console: Console, base_url: str) -> Iterator[Runtime]:
    """Another process's Proctor on the same database, with an owner."""
    runtime = running.build(Settings(database_url=console.environment["DATABASE_URL"], demo=False, local_model="off"))
    runtime.people.create(LOCAL_OPERATOR, "Grace", "correct horse battery", Role.OWNER)
    yield runtime
    runtime.close()


def test_who_the_proxy_knows_comes_in(page: Page, beside: Runtime, base_url: str, console: Console) -> None:
    """By an invitation once and by the proxy's word from then on, the page's socket included; as long as it says so.

    Whoever tells the name himself, through the proxy or past it, is nobody.
    """
    link = beside.people.invite(LOCAL_OPERATOR, "Bob", Role.VIEWER).path
    page.goto("/as/bob-17")
    page.goto(link)
    page.get_by_role("button", name="Sign in as bob-17").click()
    page.wait_for_url(f"{base_url}/")
    settle(page)
    expect(page.get_by_text("Bob", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert beside.people.find(LOCAL_OPERATOR, "Bob").how == "proxy"

    page.goto("/as/mallory")
    page.goto("/flags")
    assert urlsplit(page.url).path == "/sign-in"
    page.goto("/as/bob-17")
    page.goto("/flags?flag=Streaming")
    page.wait_for_url("**/flags?flag=Streaming")
    settle(page)
    expect(page.get_by_text("Bob", exact=True)).to_be_visible(timeout=PATIENCE_MS)

    said = {HEADER: "bob-17"}
    assert httpx2.get(f"{console.url}/calls", headers=said).status_code == 401
    assert httpx2.get(f"{base_url}/calls", headers=said | {"Accept": "text/html"}).status_code == 303

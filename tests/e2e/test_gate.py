"""The gate as a browser meets it: pages of other sites get nothing, and the console's own break no rule of theirs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page

from core.settings import ROOT
from tests.e2e.console import Console, make_run
from tests.e2e.screen import settle

PAGES = sorted({path.parent.name for path in ROOT.glob("pages/*/page.py")} - {"home"})
TOLD = """
document.addEventListener('securitypolicyviolation', told => {
  (window.violations ??= []).push(`${told.violatedDirective} ${told.blockedURI}`)
})
"""
LOOKS = """async url => {
  const read = await fetch(url + '/metrics').then(answer => answer.text(), () => 'nothing');
  const drawn = await new Promise(done => {
    const picture = new Image();
    picture.onload = () => done('a picture'); picture.onerror = () => done('nothing');
    picture.src = url + '/favicon.png';
  });
  const socket = await new Promise(done => {
    const opened = new WebSocket(url.replace('http', 'ws') + '/_stcore/stream', ['streamlit', 'x']);
    opened.onopen = () => done('open'); opened.onclose = () => done('nothing');
  });
  return {read, drawn, socket};
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console with nothing in it."""
    with make_run(tmp_path_factory.mktemp("gate"), DEMO="false", LOCAL_MODEL="off") as running:
        yield running


@pytest.fixture(scope="module")
def base_url(console: Console) -> str:
    """Let ``page.goto("/")`` mean this console."""
    return console.url


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    """A site of somebody else on another port of this machine, which a browser takes for the same site."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>stranger</title>")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_ports_page_gets_nothing(page: Page, console: Console, stranger: str) -> None:
    """It can neither read metrics, nor show a picture, nor open the console's socket."""
    page.goto(stranger)
    assert page.evaluate(LOOKS, console.url) == {"read": "nothing", "drawn": "nothing", "socket": "nothing"}


def test_another_sites_frame_shows_nothing(page: Page, console: Console, stranger: str, tmp_path: Path) -> None:
    """A frame of the console in a page of another site holds nothing that could be seen or clicked."""
    page.goto(stranger)
    page.evaluate(
        "url => new Promise(done => { const frame = document.createElement('iframe'); frame.src = url;"
        " frame.onload = done; document.body.append(frame) })",
        f"{console.url}/tenants",
    )
    [frame] = [frame for frame in page.frames if frame != page.main_frame]
    assert frame.locator("[data-testid='stApp']").count() == 0
    assert frame.locator("button").count() == 0


def test_our_own_pages_break_no_rule_of_theirs(page: Page, console: Console) -> None:
    """Whatever a page loads, draws or runs, its policy allows it; the browser refuses nothing."""
    page.add_init_script(TOLD)
    for name in ("", *PAGES):
        page.goto(f"/{name}")
        settle(page)
        assert page.evaluate("window.violations ?? []") == [], name


def test_an_address_that_is_not_there(page: Page, console: Console) -> None:
    """It says so in a page, and is not the console, to which it leads."""
    answer = page.goto("/no-page")
    assert answer
    assert answer.status == 404
    assert page.locator("h1").inner_text() == "No such page"
    assert page.locator("[data-testid='stApp']").count() == 0
    assert page.get_by_role("link", name="To the console").get_attribute("href") == "/"

"""A text full of markup in every name, error and answer: pages show its characters, and nothing is made of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page

from core import runtime as running
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import ROOT, Settings
from core.tables import Outcome, Tenant
from tests import builders
from tests.e2e.screen import visit
from tests.grounds import RATES
from tests.servers import free_port

EVIL = "evil.example"
HOSTILE = (
    f"<img src=x onerror=alert(1)> ![p](https://{EVIL}/p.png) [l](https://{EVIL}) https://{EVIL}/x www.{EVIL} a@{EVIL} "
    "$\\frac{1}{2}$ :red[x] :material/rocket_launch: :material_rocket_launch: :streamlit: **b** `c` ~~s~~\n\n"
    "# h\n\n---\n\n    four\n> q | a | -> \u202edcba <script>alert(1)</script>"
)
PAGES = sorted(path.parent.name for path in ROOT.glob("pages/*/page.py"))
MADE = """() => {
    const main = document.querySelector("[data-testid=stApp]"), found = [];
    for (const [what, where] of Object.entries({
        link: "a[href^='http'][href*='evil'], a[href^='mailto:']",
        picture: "img[src*='evil'], img[src='x'], img[alt*='Streamlit']",
        formula: ".katex", script: ".stMarkdown script", struck: "del", rule: ".stMarkdown hr", quote: "blockquote",
    })) for (const one of main.querySelectorAll(where)) found.push(what + ": " + one.outerHTML.slice(0, 120));
    for (const one of main.querySelectorAll("[translate=no], [data-testid=stIconMaterial]"))
        if (one.textContent.trim() === "rocket_launch") found.push("icon: " + one.parentElement.outerHTML.slice(0, 80));
    for (const one of main.querySelectorAll("strong, h1, h2, h3"))
        if (["b", "h"].includes(one.textContent.trim())) found.push(one.tagName + ": " + one.outerHTML.slice(0, 120));
    return found;
}"""
"""What a page has made of such a text."""


def _filled(on: Runtime) -> str:
    """Call everything so, past the checks of names; return the id of a call."""
    now = on.clock.now()
    tenant = Tenant(id="f" * 32, name=HOSTILE, timezone="UTC", created_at=now)
    builders.save(on.store, tenant)
    named = {"schema_name": HOSTILE, "route": HOSTILE, "model": HOSTILE, "principal": HOSTILE, "request_id": HOSTILE}
    step = {"room": HOSTILE, "verdict": HOSTILE, "reason": HOSTILE, "at_ms": 1.0}
    call = builders.generation(now - timedelta(minutes=5), tenant.id, Outcome.INVALID, trace=[step], **named)
    call.error_code, call.error_detail, call.caller_metadata = HOSTILE, HOSTILE, {HOSTILE: HOSTILE}
    paid = builders.attempt(
        call, outcome=Outcome.INVALID, model=HOSTILE, answered_model=HOSTILE, mode=HOSTILE, finish_reason=HOSTILE,
        error_code=HOSTILE, error_detail=HOSTILE, price=None, cost_nano_usd=None,
    )  # fmt: skip
    asked = [
        {"role": HOSTILE, "content": [{"type": "tool_call", "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}]},
        {"role": "user", "content": HOSTILE},
    ]
    kept = builders.payload(call, 0, asked, HOSTILE, now + timedelta(days=1))
    builders.save(on.store, call, paid, kept)
    builders.save(on.store, builders.finding(call, guardrail=HOSTILE, place=HOSTILE, kind=HOSTILE))
    builders.save(on.store, builders.change(now - timedelta(minutes=4), "flag", HOSTILE, HOSTILE, tenant.id))
    who = LOCAL_OPERATOR
    on.flags.set(who, "route:x", None, False, reason=HOSTILE)
    on.tenants.create_key(who, tenant, name=HOSTILE[:60])
    on.budgets.set(who, tenant, 10**9, reason=HOSTILE)
    on.guardrails.set(who, "no-such-word", tenant, "length", "note", reason=HOSTILE)
    on.prices.set(who, "openai", "x-1", tenant=tenant, rates=RATES, reason=HOSTILE)
    return call.id


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A console on such a database: its address, and the id of a call."""
    folder = tmp_path_factory.mktemp("foreign")
    url, port = f"sqlite:///{folder / 'proctor.db'}", free_port()
    on = running.build(Settings(database_url=url, demo=False, local_model="off"), SystemClock())
    on.store.migrate()
    call_id = _filled(on)
    on.close()
    environment = {
        "PATH": os.environ["PATH"], "DATABASE_URL": url, "LOCAL_MODEL": "off", "DEMO": "false", "HOST": "127.0.0.1",
        "PORT": str(port), "OPENAI_API_KEY": "sk-fake",
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("proctor")), "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with suppress(httpx2.TransportError):
                if httpx2.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", call_id
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def base_url(house: tuple[str, str]) -> str:
    """Let ``page.goto("/")`` mean this console."""
    return house[0]


def test_nothing_is_made_of_a_text(page: Page, house: tuple[str, str]) -> None:
    """On no page is there a link, picture, formula, icon, colour or heading of it; no other host is asked."""
    url, call_id = house
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    made: dict[str, Any] = {}
    shown = ""
    own = ["/", f"/calls?call={call_id}", "/calls?field=%0a%0a![x](https://evil.example/F)%0a:streamlit:"]
    for path in [*(f"/{name}" for name in PAGES if name != "home"), *own]:
        visit(page, path)
        made[path] = page.evaluate(MADE)
        shown += page.inner_text("[data-testid=stApp]")
    assert {path: found for path, found in made.items() if found} == {}
    assert [one for one in asked if not one.startswith((url, url.replace("http", "ws"), "data:", "blob:"))] == []
    assert shown.count("\\frac{1}{2}") > 10, "it was there"

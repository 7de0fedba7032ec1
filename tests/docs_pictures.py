"""Takes the pictures of the documentation anew: ``python -m tests.docs_pictures``.

It starts Proctor as ``make run`` does, waits for its demo world and its local model, and photographs what a reader of
the documentation would see. Look at the pictures before you commit them.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from core.settings import ROOT
from tests.e2e import browser
from tests.e2e.console import Console, make_run
from tests.e2e.screen import settle, visit

PICTURES = ROOT / "docs" / "img"
PATIENCE_SECONDS = 600.0
SIZE = {"width": 1440, "height": 980}
_TWISTED = (
    "SELECT id FROM generation WHERE outcome = 'valid_after_fallback' "
    "AND id IN (SELECT generation_id FROM field_error) ORDER BY attempts, started_at DESC"
)

_REROUTED = "SELECT id FROM audit_entry WHERE action = 'route.set' AND subject = 'demo-payables' ORDER BY at DESC"


def main() -> int:
    """Take every picture."""
    found = browser.find()
    if found is None:
        print("No browser was found; 'make browser' installs one.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, make_run(Path(folder), LOCAL_MODEL="on") as console:
        database = Path(folder) / "proctor.db"
        _wait_for_demo(database)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=str(found.path), args=list(found.arguments), env=os.environ | found.environment
            )
            for scheme in ("light", "dark"):
                page = chromium.new_page(
                    base_url=console.url,
                    viewport=SIZE,
                    device_scale_factor=2,
                    color_scheme=scheme,
                    reduced_motion="reduce",
                    locale="en-US",
                    timezone_id="UTC",
                )
                _home(page, scheme)
                if scheme == "light":
                    _call(page, database)
                    _playground(page, console)
                    _incidents(page, database)
            chromium.close()
    return 0


def _home(page: Page, scheme: str) -> None:
    visit(page, "/?range=7d&live=false")
    _keep(page, f"home-{scheme}")


def _call(page: Page, database: Path) -> None:
    with sqlite3.connect(database) as connection:
        (call,) = connection.execute(_TWISTED).fetchone()
    visit(page, f"/calls?call={call}")
    _keep(page, "call")


def _playground(page: Page, console: Console) -> None:
    visit(page, "/playground")
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_enabled(timeout=PATIENCE_SECONDS * 1000)
    run.click()
    expect(page.get_by_role("link", name="Open in Calls").last).to_be_visible(timeout=60_000)
    settle(page)
    _keep(page, "playground")


def _incidents(page: Page, database: Path) -> None:
    page.set_viewport_size({"width": 1120, "height": 700})
    visit(page, "/?range=30d&live=false")
    _keep(page, "incident-home", scale=2)
    page.locator(".st-key-clusters a").first.click()
    expect(page.get_by_text("How calls ended")).to_be_visible(timeout=60_000)
    _keep(page, "incident", scale=2)
    with sqlite3.connect(database) as connection:
        (change,) = connection.execute(_REROUTED).fetchone()
    visit(page, f"/changes?change={change}")
    _keep(page, "incident-change", scale=2)


def _keep(page: Page, name: str, *, scale: int = 1) -> None:
    """Keep what is seen, by so many times smaller."""
    page.wait_for_timeout(3000)  # charts are drawn after the script has ended
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB").reduce(scale)
    picture.quantize(256, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


def _wait_for_demo(database: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with sqlite3.connect(database) as connection:
            try:
                if connection.execute("SELECT 1 FROM audit_entry WHERE action = 'demo.make'").fetchone():
                    return
            except sqlite3.OperationalError:
                pass  # it is not migrated yet
        time.sleep(1)
    raise TimeoutError("The demo world did not come.")


if __name__ == "__main__":
    raise SystemExit(main())

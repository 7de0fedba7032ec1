"""What every end-to-end test asks of a page before it looks."""

from __future__ import annotations

from playwright.sync_api import Page, expect

PATIENCE_MS = 30_000


def settle(page: Page) -> None:
    """Wait until Streamlit has run the page's script to its end, and make sure that it did not break."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def visit(page: Page, path: str = "/") -> None:
    """Open a page of the console, ``/calls`` for one, and wait until it stands."""
    page.goto(path)
    settle(page)

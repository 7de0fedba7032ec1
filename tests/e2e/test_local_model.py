"""No key, one command: the local model answers in the console."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.e2e.console import Console
from tests.e2e.screen import settle, visit

ANSWER_MS = 120_000
"""Long enough to fetch the model first, and for two cores that also make the demo world."""

MESSAGE = "The export button on the report page crashes my browser every time. I need the figures by Friday."


def test_it_answers_a_support_ticket(page: Page, console: Console) -> None:
    """In the playground the local model fills support_ticket: every field is valid, and the call is on record."""
    _open_playground(page)
    expect(page.get_by_role("combobox", name="Name")).to_have_value("support_ticket")
    message = page.get_by_role("textbox", name="Input")
    message.fill(MESSAGE)
    message.press("Control+Enter")
    settle(page)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("What it took")).to_be_visible(timeout=ANSWER_MS)
    settle(page)
    for field in ("summary", "category", "priority", "sentiment", "needs_human"):
        row = page.get_by_role("row").filter(has_text=re.compile(rf"^\s*{field}"))
        expect(row).to_contain_text("valid")
        expect(row).not_to_contain_text("invalid")
    expect(page.get_by_test_id("stMain")).to_contain_text("local/smollm2")
    expect(page.get_by_test_id("stMain")).to_contain_text("unpriced")
    with closing(sqlite3.connect(urlsplit(console.environment["DATABASE_URL"]).path)) as database:
        asked = database.execute(
            "SELECT model, outcome, input_tokens > 0, output_tokens > 0, cost_nano_usd "
            "FROM attempt WHERE provider = 'local'"
        ).fetchall()
    assert asked == [("smollm2", "valid_first_try", 1, 1, None)]


def _open_playground(page: Page) -> None:
    """Open it as soon as there is a tenant to pay: the demo world brings the first within seconds."""
    for _ in range(60):
        visit(page, "/playground")
        if page.get_by_role("button", name="Run").count():
            return
        page.wait_for_timeout(1000)
    raise AssertionError("the demo world brought no tenant within a minute")

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
    page.get_by_role("button", name="Run", exact=True).click()
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
        if page.get_by_role("button", name="Run", exact=True).count():
            return
        page.wait_for_timeout(1000)
    raise AssertionError("the demo world brought no tenant within a minute")


SOURCE = """import openai
from pydantic import BaseModel, field_validator

client = openai.OpenAI()


class Mood(BaseModel):
    happy: bool


class Contact(BaseModel):
    name: str
    wants_a_call: bool

    @field_validator("name")
    @classmethod
    def check_name(cls, value: str) -> str:
        return value.strip()
"""


def test_a_pasted_model_is_asked_saved_asked_by_name_and_a_failure_is_asked_again(page: Page) -> None:
    """From a file as people have it to a registered schema, and from a failed call back to its question."""
    _open_playground(page)
    page.get_by_role("radio", name="Pydantic").click()
    settle(page)
    _write(page, "Source", SOURCE)
    root = page.get_by_role("combobox", name="Root")
    expect(root).to_have_value("Contact")
    expect(page.get_by_test_id("stAlert").filter(has_text="Not checked here")).to_contain_text("1 validator")
    _write(page, "Input", "This is Ann Lee. Please call me back today.")
    _run(page)
    for field in ("name", "wants_a_call"):
        expect(page.get_by_role("row").filter(has_text=re.compile(rf"^\s*{field}"))).to_contain_text("valid")

    page.get_by_role("button", name="Save as…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox", name="Name")).to_have_value("contact")
    dialog.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Ask by its name").click()
    settle(page)
    expect(page.get_by_role("combobox", name="Name")).to_have_value("contact")

    _write(page, "Input", "This is Bo Ek. Do not call me.")
    page.get_by_text("System text and parameters").click()
    limit = page.get_by_role("spinbutton", name="Most tokens of an answer")
    limit.fill("1")
    limit.press("Enter")
    settle(page)
    _run(page)
    expect(page.get_by_role("alert").filter(has_text="No valid object")).to_be_visible()
    page.get_by_role("link", name="Open in Calls").click()
    expect(page.get_by_role("heading", level=1, name="Call", exact=True)).to_be_visible(timeout=ANSWER_MS)
    settle(page)
    page.get_by_role("link", name="Open in playground").click()
    expect(page.get_by_text("From call")).to_be_visible(timeout=ANSWER_MS)
    settle(page)

    expect(page.get_by_role("combobox", name="Name")).to_have_value("contact")
    expect(page.get_by_role("textbox", name="Input")).to_have_value("This is Bo Ek. Do not call me.")
    _run(page)
    expect(page.get_by_role("row").filter(has_text=re.compile(r"^\s*wants_a_call"))).to_contain_text("valid")


def _write(page: Page, label: str, text: str) -> None:
    box = page.get_by_role("textbox", name=label, exact=True)
    box.fill(text)
    box.press("Control+Enter")
    settle(page)


def _run(page: Page) -> None:
    """Press Run and wait for its end."""
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=ANSWER_MS)
    expect(page.get_by_text("What it took")).to_be_visible(timeout=ANSWER_MS)
    settle(page)

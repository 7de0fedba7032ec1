"""No key, one command: the local model answers in the console."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.e2e.console import Console
from tests.e2e.grid import Grid
from tests.e2e.screen import PATIENCE_MS, settle, visit

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


FURTHER = SOURCE.replace("    wants_a_call: bool\n", "    wants_a_call: bool\n    urgent: bool = False\n")


def test_a_pasted_model_goes_to_production_and_back_and_a_failure_is_asked_again(page: Page) -> None:
    """From a file as people have it to a registered schema, over to the next version and back, and a failed call."""
    _paste(page, SOURCE)
    root = page.get_by_role("combobox", name="Root")
    expect(root).to_have_value("Contact")
    root.click()
    page.get_by_role("option", name="Mood").click()
    settle(page)
    expect(page.get_by_text("Asks for Mood.")).to_be_visible()
    root.click()
    page.get_by_role("option", name="Contact").click()
    settle(page)
    expect(page.get_by_test_id("stAlert").filter(has_text="Not checked here")).to_contain_text("1 validator")
    _write(page, "Input", "This is Ann Lee. Please call me back today.")
    _run(page)
    for field in ("name", "wants_a_call"):
        expect(page.get_by_role("row").filter(has_text=re.compile(rf"^\s*{field}"))).to_contain_text("valid")

    _save(page, "is new")
    page.get_by_role("button", name="Ask by its name").click()
    settle(page)
    expect(page.get_by_role("combobox", name="Name")).to_have_value("contact")

    _a_failure_is_asked_again(page)

    _paste(page, FURTHER)
    _save(page, "this becomes its version 2")
    page.get_by_role("link", name="Open in Schemas").click()
    _expect_schema(page)
    expect(page).to_have_url(re.compile(r"schema=contact&version=2"))
    _two_versions_are_compared(page)
    _the_second_is_promoted_and_rolled_back(page)
    _answers_are_checked(page)


def _paste(page: Page, source: str) -> None:
    _open_playground(page)
    page.get_by_role("radio", name="Pydantic").click()
    settle(page)
    _write(page, "Source", source)


def _save(page: Page, consequence: str) -> None:
    """Save what was pasted under the name that is suggested."""
    page.get_by_role("button", name="Save as…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox", name="Name")).to_have_value("contact")
    expect(dialog).to_contain_text(consequence)
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_test_id("stAlert").filter(has_text="Saved as contact")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)


def _a_failure_is_asked_again(page: Page) -> None:
    """Let a call fail for want of tokens, open it in Calls, and ask the same again with enough of them."""
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
    expect(page.get_by_text("Set for this call")).to_contain_text("at most 1 token")
    page.get_by_text("System text and parameters").click()
    limit.fill("200")
    limit.press("Enter")
    settle(page)
    _run(page)
    expect(page.locator(".st-key-object").get_by_role("row").filter(has_text="wants_a_call")).to_contain_text("valid")
    beside = page.locator(".st-key-beside")
    expect(beside.get_by_role("row").filter(has_text="Outcome")).to_contain_text("Valid")
    expect(beside.get_by_role("row").filter(has_text="wants_a_call")).to_contain_text("new")


def _expect_schema(page: Page) -> None:
    expect(page.get_by_role("heading", level=1, name="Schema", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", name=re.compile("^Version"))).to_be_visible(timeout=PATIENCE_MS)
    settle(page)


def _two_versions_are_compared(page: Page) -> None:
    """The difference says what it means for answers; the calls of the first version stand in its row."""
    expect(page.get_by_role("combobox", name="Compared with version")).to_have_value("1")
    expect(page.get_by_test_id("stMain")).to_contain_text("answers that satisfied version 1")
    difference = page.locator(".st-key-version").get_by_test_id("stDataFrame").locator("tbody")
    expect(difference).to_contain_text("$.urgent")
    expect(difference).to_contain_text("field added")
    versions = Grid(page, "versions")
    expect(versions.cell("1", "Labels")).to_contain_text("production")
    expect(versions.cell("2", "Labels")).to_contain_text("draft")
    expect(versions.cell("1", "Calls")).to_have_text("2")
    page.get_by_role("tab", name="Source and schema").click()
    settle(page)
    expect(page.locator(".st-key-version")).to_contain_text("urgent: bool = False")


def _the_second_is_promoted_and_rolled_back(page: Page) -> None:
    """Each move shows both versions, is asked once, and can be undone."""
    versions, undo = Grid(page, "versions"), page.get_by_role("button", name="Undo")
    page.get_by_role("button", name="Promote version 2…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("gets version 2 instead of 1")
    expect(dialog.get_by_role("row", name=re.compile("^Calls"))).to_contain_text("2")
    dialog.get_by_role("button", name="Promote to production").click()
    expect(undo).to_be_visible(timeout=PATIENCE_MS)
    expect(versions.cell("2", "Labels")).to_contain_text("production")

    settle(page)
    page.get_by_role("button", name="Roll back…").click()
    expect(dialog).to_contain_text("gets version 1 instead of 2")
    dialog.get_by_role("button", name="Roll back to version 1").click()
    expect(versions.cell("1", "Labels")).to_contain_text("production", timeout=PATIENCE_MS)

    settle(page)
    undo.click()
    expect(versions.cell("2", "Labels")).to_contain_text("production", timeout=PATIENCE_MS)
    expect(undo).to_have_count(0)
    settle(page)


def _answers_are_checked(page: Page) -> None:
    """What is wrong stands there field by field, and a right answer is said to be right; nobody is asked."""
    page.get_by_role("tab", name="Check an answer").click()
    settle(page)
    _write(page, "Answer", '{"name": "Ann", "wants_a_call": "perhaps"}')
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_test_id("stAlert").filter(has_text="It does not satisfy contact@2: 1 field")).to_be_visible()
    wrong = page.locator(".st-key-version").get_by_test_id("stTable").get_by_role("row").filter(has_text="wants_a_call")
    expect(wrong).to_contain_text(re.compile(r"perhaps.*wrong.*boolean", re.DOTALL))
    settle(page)
    _write(page, "Answer", '{"name": "Ann", "wants_a_call": true}')
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_test_id("stAlert").filter(has_text="It satisfies contact@2")).to_be_visible()


def _write(page: Page, label: str, text: str) -> None:
    box = page.get_by_role("textbox", name=label, exact=True)
    expect(box).to_have_count(1)  # that of the run before may stand there for a moment more
    box.fill(text)
    box.press("Control+Enter")
    settle(page)


def _run(page: Page) -> None:
    """Press Run and wait for its end."""
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=ANSWER_MS)
    expect(page.get_by_text("What it took")).to_be_visible(timeout=ANSWER_MS)
    settle(page)

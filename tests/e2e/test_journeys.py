"""What people do in the console, from end to end: a real browser, the demo world, and fake providers over real HTTP."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from core import runtime as running
from core.clock import ManualClock, SystemClock
from core.demo import Demo
from core.flags import Flag
from core.pricing import NANO
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from tests.e2e.console import Console, make_run
from tests.e2e.grid import Grid
from tests.e2e.screen import PATIENCE_MS, settle, visit
from tests.wire.server import WireServer

SCALE = 0.1
"""The share of the demo world's usual traffic: every incident is there, and it is made in seconds."""
PLAYER, LEAVER, SPENDER, SWITCHED = "Journey Player", "Journey Leaver", "Journey Spender", "Journey Switched"
STREAMED, WHOLE = "Journey Streamed", "Journey Whole"
FIELDS = ("summary", "category", "priority", "sentiment", "needs_human")
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
UPSTREAM = {"list", "listitem", "svg-img-alt"}
"""Rules that Streamlit's own menu and metric tiles break, and that no page can mend."""
LAST_DRAWN = {
    "/?live=false": ("Home", ".st-key-changes_card p"),
    "/traffic?live=false": ("Traffic", ".st-key-table_card p"),
    "/calls": ("Calls", "a.export"),
    "/providers": ("Providers", ".st-key-how li"),
    "/drills": ("Fire drills", ".st-key-what li"),
    "/spend": ("Spend", ".st-key-caches_card button"),
    "/statement": ("Statement", ".st-key-unprinted a.export"),
    "/prices": ("Prices", ".st-key-history p"),
    "/tenants": ("Tenants", ".st-key-own_budgets p"),
    "/flags": ("Flags", ".st-key-meanings p"),
    "/guardrails": ("Guardrails", ".st-key-try_card button"),
    "/privacy": ("Privacy", ".st-key-certificates p"),
    "/store": ("Store", ".st-key-store_room a.export"),
    "/routes": ("Routes", ".st-key-breakers p"),
    "/schemas": ("Schemas", "a.export"),
    "/schemas?schema=support_ticket": ("Schema", ".st-key-version p"),
    "/playground": ("Playground", ".st-key-nothing p"),
}
"""Every page by its deep link, with its title and something of the part that is drawn last."""
SIZES = {"wide": (1440, 1000), "narrow": (390, 844)}
_OVERFLOWING = """() => [document.documentElement, document.body, document.querySelector("[data-testid=stMain]")]
    .filter(box => box.scrollWidth > box.clientWidth)
    .map(box => `${box.tagName} by ${box.scrollWidth - box.clientWidth}`)"""


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """Both providers, faked; the marks in an input say how they answer."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, wire: WireServer) -> Iterator[Console]:
    """A console as ``make run`` starts it, on a small demo world and a tenant for each journey."""
    folder = tmp_path_factory.mktemp("journeys")
    settings = Settings(database_url=f"sqlite:///{folder / 'proctor.db'}", local_model="off")
    # The tenants came an hour ago, so that what a journey changes is the latest that was changed.
    runtime = running.build(settings, ManualClock(SystemClock().now() - timedelta(hours=1)))
    runtime.store.migrate()
    Demo(settings, runtime.store, scale=SCALE).make(LOCAL_OPERATOR)
    for name in (PLAYER, LEAVER, SPENDER, SWITCHED, STREAMED, WHOLE):
        tenant = runtime.tenants.create(LOCAL_OPERATOR, name)
        if name == WHOLE:
            runtime.flags.set(LOCAL_OPERATOR, Flag.STREAMING, tenant, False)
        if name == SPENDER:
            runtime.budgets.set(LOCAL_OPERATOR, tenant, 10 * NANO)
    runtime.close()
    fakes = {
        "OPENAI_API_KEY": "sk-fake",
        "OPENAI_BASE_URL": wire.openai_url,
        "ANTHROPIC_API_KEY": "sk-ant-fake",
        "ANTHROPIC_BASE_URL": wire.anthropic_url,
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "MODEL_FALLBACK": "anthropic/claude-haiku-4-5",
        "LOCAL_MODEL": "off",
    }
    with make_run(folder, **fakes) as console:
        yield console


@pytest.fixture(scope="module")
def base_url(house: Console) -> str:
    """Let ``page.goto("/")`` mean this console, not the one that other tests share."""
    return house.url


# ── Every page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open(page: Page, path: str) -> None:
    """Open a page by its deep link, and wait until its last part is drawn."""
    title, last = LAST_DRAWN[path]
    visit(page, path)
    expect(page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(last).filter(visible=True).first).to_be_visible(timeout=PATIENCE_MS)
    settle(page)


@pytest.mark.parametrize("size", ["wide", "narrow"])
@pytest.mark.parametrize("path", LAST_DRAWN)
def test_every_page_opens_by_its_link(page: Page, path: str, size: str) -> None:
    """It draws to its end without an error and is no wider than the window; where it is wide, axe finds nothing.

    Nor does it when the reader's system turns dark, with which the page turns. Colours change no width: narrow it is
    looked at in one of the schemes.
    """
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="light" if size == "wide" else "dark")

    _open(page, path)

    assert page.evaluate(_OVERFLOWING) == []
    if size == "wide":
        assert _violations(page) == []
        page.emulate_media(color_scheme="dark")
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark", timeout=PATIENCE_MS)
        settle(page)
        assert _violations(page) == []


def _violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe finds, upstream's own aside, with the first place of each; twice, as a page may be half drawn."""
    for _ in range(2):
        found = Axe().run(page, options=AXE).response["violations"]
        ours = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["id"] not in UPSTREAM]
        if not ours:
            break
        page.wait_for_timeout(1000)
        settle(page)
    return ours


# ── Playground ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ask(page: Page, tenant: str, text: str) -> None:
    """Open the playground as *tenant* and run support_ticket on *text*."""
    visit(page, f"/playground?tenant={tenant}")
    box = page.get_by_role("textbox", name="Input")
    box.fill(text)
    box.press("Control+Enter")
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_enabled(timeout=PATIENCE_MS)
    settle(page)
    run.click()


def _field(page: Page, name: str) -> Locator:
    """Return the row of a field of the object."""
    return page.locator(".st-key-object").get_by_role("row").filter(has_text=re.compile(rf"^\s*{name}"))


def _expect_valid(page: Page) -> None:
    """Wait for the end, and find every field valid."""
    expect(page.get_by_role("link", name="Open in Calls")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    for name in FIELDS:
        expect(_field(page, name)).to_contain_text(re.compile(r"\bvalid\b"))


def _answering(summary: str, pace: str = "slow-stream") -> str:
    """Return what makes the fake answer slowly with this summary."""
    said = {
        "summary": summary,
        "category": "bug",
        "priority": "high",
        "sentiment": "unhappy",
        "needs_human": True,
    }
    return f"The printer is on fire. [[{pace}]] <<{json.dumps(said)}>>"


def test_a_run_is_watched_and_then_opened_in_calls(page: Page) -> None:
    """Fields arrive one by one and end valid; the link leads to the same call, with its one attempt."""
    # some seconds per field: a busy machine shows the page late
    _ask(page, PLAYER, _answering("The printer burns. " * 5, "paced-0.4s"))

    expect(_field(page, "summary")).to_contain_text("arriving", timeout=PATIENCE_MS)
    expect(_field(page, "needs_human")).to_contain_text("waiting")
    _expect_valid(page)
    page.get_by_role("link", name="Open in Calls").click()

    expect(page.get_by_role("heading", level=1, name="Call", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    attempts = page.locator(".st-key-attempts")
    expect(attempts.get_by_text("First ask")).to_have_count(1)
    expect(attempts).to_contain_text("openai/gpt-4o-mini")
    expect(page.get_by_test_id("stMain")).to_contain_text(f"for {PLAYER}")


def test_an_invalid_end_tells_the_error_beside_its_field(page: Page) -> None:
    """The field that is wrong says why; the others arrived, and the input is still there."""
    text = "The printer is on fire. [[never-valid]]"
    _ask(page, PLAYER, text)

    expect(page.get_by_role("alert")).to_contain_text("No valid object after 6 calls", timeout=PATIENCE_MS)
    settle(page)
    expect(_field(page, "summary")).to_contain_text("Input should be a valid string")
    expect(_field(page, "needs_human")).to_contain_text("arrived")
    expect(page.get_by_role("textbox", name="Input")).to_have_value(text)


def test_who_leaves_in_mid_stream_hangs_up(page: Page, wire: WireServer) -> None:
    """Going to another page ends the provider's call at once, and the call is recorded as cancelled."""
    wire.reset()
    _ask(page, LEAVER, _answering("The printer burns. " * 400))
    expect(_field(page, "summary")).to_contain_text("arriving", timeout=PATIENCE_MS)

    page.get_by_test_id("stSidebar").get_by_role("link", name="Routes").click()

    expect(page.get_by_role("heading", level=1, name="Routes", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert wire.wait_idle(10)
    assert [call.client_gone for call in wire.ledger.calls()] == [True]
    visit(page, f"/calls?tenant={LEAVER}&outcome=Cancelled")
    expect(page.get_by_text(re.compile("^1 call ·"))).to_be_visible()


@pytest.mark.parametrize("way", ["another page", "another run", "the tab is closed"])
@pytest.mark.parametrize("tenant", [STREAMED, WHOLE])
def test_who_leaves_before_the_first_piece_hangs_up(page: Page, wire: WireServer, tenant: str, way: str) -> None:
    """Whole answer or stream: however one leaves while nothing has come yet, the provider's connection is closed."""
    wire.reset()
    _ask(page, tenant, "The printer is on fire. [[hang]]")
    while not wire.ledger.calls():
        page.wait_for_timeout(50)

    if way == "another page":
        page.get_by_test_id("stSidebar").get_by_role("link", name="Routes").click()
    elif way == "another run":
        page.get_by_role("radio", name="Pydantic").click()
    else:
        page.close()

    assert wire.wait_idle(10)
    assert [call.client_gone for call in wire.ledger.calls()] == [True]


# ── Budgets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_budget_is_edited_reviewed_and_saved(page: Page) -> None:
    """The review shows both figures; after the confirmation the new one holds, and Home tells of the change."""
    _open(page, "/tenants")
    grid = Grid(page, "budgets")
    expect(grid.cell(SPENDER, "Budget")).to_have_text("10")

    grid.type(SPENDER, "Budget", "12.5")
    page.get_by_role("button", name="Review 1 change").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row", name=re.compile(SPENDER))).to_contain_text(re.compile(r"\$10\.00.*\$12\.50.*left"))
    dialog.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text(f"Saved 1 budget: {SPENDER}.")).to_be_visible(timeout=PATIENCE_MS)
    expect(dialog).to_have_count(0)
    visit(page, "/tenants")
    expect(grid.cell(SPENDER, "Budget")).to_have_text("12.5")
    visit(page, "/?range=30d&live=false")
    expect(page.locator(".st-key-changes_card")).to_contain_text(SPENDER, timeout=PATIENCE_MS)


# ── Flags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _turn(page: Page, word: str) -> None:
    """Turn generation on or off for one tenant, with its confirmation."""
    visit(page, f"/flags?for={SWITCHED}")
    page.get_by_role("button", name=f"Turn {word}…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"turns {word} for {SWITCHED}")
    expect(dialog).to_contain_text(f"While it is {word}")
    dialog.get_by_role("button", name=f"Turn {word}", exact=True).click()
    expect(page.get_by_text(f"is {word} for {SWITCHED}.")).to_be_visible(timeout=PATIENCE_MS)


def test_generation_is_turned_off_for_one_tenant_and_on_again(page: Page, wire: WireServer) -> None:
    """While it is off the playground says which switch refuses, and nobody is asked; on again, it answers."""
    wire.reset()
    _turn(page, "off")
    _ask(page, SWITCHED, "The printer is on fire.")
    expect(page.get_by_role("alert")).to_contain_text("generation.enabled", timeout=PATIENCE_MS)
    expect(page.get_by_text("No provider was asked.")).to_be_visible()
    assert wire.ledger.calls() == []

    _turn(page, "on")
    _ask(page, SWITCHED, "The printer is on fire.")
    _expect_valid(page)


# ── Guardrails ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_is_made_tried_holds_and_is_undone(page: Page, wire: WireServer) -> None:
    """It marks a text that is tried, nothing of what it takes out goes to a model, the figure leads to the call."""
    wire.reset()
    _open_of(page, PLAYER)
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    name = dialog.get_by_role("textbox", name="Name")
    name.fill("no mail")
    name.press("Tab")
    dialog.get_by_role("radio", name="Redact").click()
    save = dialog.get_by_role("button", name="Save rule")
    expect(save).to_be_enabled(timeout=PATIENCE_MS)
    settle(page)
    save.click()
    expect(page.get_by_text("The rule no mail holds from the next request on.")).to_be_visible(timeout=PATIENCE_MS)

    page.get_by_role("textbox", name="Text").fill("Write to jo@acme-lamps.com today.")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.locator(".st-key-try_card")).to_contain_text("[redacted: an e-mail address]", timeout=PATIENCE_MS)

    _ask(page, PLAYER, "The printer of jo@acme-lamps.com is on fire.")
    _expect_valid(page)
    assert "acme-lamps" not in json.dumps([call.request for call in wire.ledger.calls()])

    page.get_by_role("link", name="Open in Calls").click()
    expect(page.get_by_role("heading", level=1, name="Call", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    expect(page.get_by_test_id("stMain")).to_contain_text("an e-mail address")

    found = Grid(page, "lines_card")
    for _ in range(10):  # figures are up to a quarter of a minute old
        _open_of(page, PLAYER)
        if found.row("no mail").count():
            break
        page.wait_for_timeout(2_000)
    found.click("no mail")
    expect(page.get_by_role("heading", level=1, name="Calls", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    expect(page.get_by_text(re.compile("^1 call · "))).to_be_visible()

    visit(page, f"/changes?kind=guardrail&tenant={PLAYER}")
    changes = Grid(page, "changes_table")
    changes.click(changes.names[0])
    page.get_by_role("button", name="Undo…").click(timeout=PATIENCE_MS)
    page.get_by_role("dialog").get_by_role("button", name="Undo it").click()
    expect(page.get_by_text("It is undone, in a change of its own.")).to_be_visible(timeout=PATIENCE_MS)
    _open_of(page, PLAYER)
    expect(Grid(page, "rules_card").row("no mail")).to_have_count(0)


def _open_of(page: Page, tenant: str) -> None:
    """Open *Guardrails* for one tenant, and wait until its last part is drawn."""
    visit(page, f"/guardrails?tenant={tenant}")
    expect(page.locator(".st-key-try_card").get_by_role("button").first).to_be_visible(timeout=PATIENCE_MS)
    settle(page)


# ── Back ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _goes_back(page: Page, address: str, title: str) -> None:
    """Go back once, and find that view."""
    page.go_back()
    expect(page).to_have_url(re.compile(re.escape(address) + "$"), timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible(timeout=PATIENCE_MS)
    settle(page)


def test_back_leads_to_the_view_before(page: Page) -> None:
    """A click is one step: a row, a filter, a link in a sentence; Back takes each back, and nothing is lost."""
    home = "/?live=false&range=7d&zone=utc"
    visit(page, home)
    expect(page.locator(LAST_DRAWN["/?live=false"][1]).first).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    Grid(page, "tenants_card").open("Namuna Travels")
    calls = "/calls?range=7d&tenant=Namuna+Travels&zone=utc"
    expect(page.get_by_role("heading", level=1, name="Calls", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    search = page.locator(".st-key-q input")
    search.fill("outcome:blocked")
    search.press("Enter")
    expect(page).to_have_url(re.compile("q=outcome"))
    settle(page)
    blocked = page.url.removeprefix(page.url.split("/calls")[0])
    page.get_by_test_id("stSidebar").get_by_role("link", name="Routes").click()
    page.get_by_test_id("stMain").locator("a[href^='/tenants?']").first.click(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", level=1, name="Tenants", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile("/tenants.*zone=utc"))
    assert len(page.context.pages) == 1
    settle(page)

    _goes_back(page, "/routes?zone=utc", "Routes")
    _goes_back(page, blocked, "Calls")
    expect(search).to_have_value("outcome:blocked")
    _goes_back(page, calls, "Calls")
    expect(search).to_have_value("")
    _goes_back(page, home, "Home")
    expect(page.locator(".st-key-range [aria-checked=true]")).to_have_text("7d")
    page.go_forward()
    expect(page.get_by_role("heading", level=1, name="Calls", exact=True)).to_be_visible(timeout=PATIENCE_MS)


def _drag(page: Page, card: str, begins: float, ends: float) -> None:
    """Drag over a part of a chart."""
    chart = page.locator(f".st-key-{card} svg.marks")
    chart.scroll_into_view_if_needed(timeout=PATIENCE_MS)
    box = chart.bounding_box()
    assert box
    at = [box["x"] + box["width"] * share for share in (begins, (begins + ends) / 2, ends)]
    page.mouse.move(at[0], box["y"] + box["height"] / 2)
    page.mouse.down()
    for x in at[1:]:
        page.mouse.move(x, box["y"] + box["height"] / 2)
    page.mouse.up()


def test_a_drag_zooms_in_and_back_leads_out(page: Page) -> None:
    """Each drag is one step of the browser's history, and what is different is told of it; some pixels are a click."""
    months = "/traffic?live=false&range=30d"
    visit(page, months)
    told = page.locator(".st-key-difference_card")
    expect(page.locator(LAST_DRAWN["/traffic?live=false"][1]).first).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    _drag(page, "outcomes_card", 0.5, 0.502)
    settle(page)
    expect(told).to_contain_text("Drag across a chart")
    _drag(page, "outcomes_card", 0.3, 0.6)
    expect(page).to_have_url(re.compile(r"around=30d&from=[^&]+&to="), timeout=PATIENCE_MS)
    expect(told).to_contain_text("against the others in the last 30 days", timeout=PATIENCE_MS)
    settle(page)
    days = page.url.partition("/traffic")[2]
    _drag(page, "latency_card", 0.4, 0.6)
    expect(told).to_contain_text("against the others from", timeout=PATIENCE_MS)
    settle(page)

    _goes_back(page, f"/traffic{days}", "Traffic")
    expect(told).to_contain_text("against the others in the last 30 days")
    _goes_back(page, months, "Traffic")
    expect(told).to_contain_text("Drag across a chart")


@pytest.mark.parametrize("card", ["latency_card", "heat_card", "spend_card", "outcomes_card"])
def test_a_mark_on_a_chart_leads_to_the_change(page: Page, card: str) -> None:
    """A click on a triangle opens *Changes* at its minute; Back leads to the chart again, and its range."""
    visit(page, "/?live=false&range=30d")
    mark = page.locator(f".st-key-{card} path[aria-roledescription=point]").last
    mark.scroll_into_view_if_needed(timeout=PATIENCE_MS)
    settle(page)
    mark.click(force=True, position={"x": 5, "y": 3})
    expect(page.get_by_role("heading", level=1, name="Changes", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile(r"/changes\?from=[^&]+Z&to=[^&]+Z$"))
    settle(page)
    expect(page.get_by_text(re.compile(r"^\d+ changes? ·"))).to_be_visible()
    _goes_back(page, "/?live=false&range=30d", "Home")


# ── From Home to the calls behind a figure ────────────────────────────────────────────────────────────────────────────


def test_a_tenant_on_home_leads_to_its_calls_and_their_export(page: Page) -> None:
    """The list is filtered as Home was, and the CSV holds just the calls that it counts."""
    visit(page, "/?range=7d&live=false")
    expect(page.locator(LAST_DRAWN["/?live=false"][1]).first).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    Grid(page, "tenants_card").open("Example Freight")

    expect(page.get_by_role("heading", level=1, name="Calls", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile(r"/calls\?.*tenant=Example(\+|%20)Freight"))
    expect(page).to_have_url(re.compile(r"range=7d"))
    counted = page.get_by_text(re.compile(r"^[\d,]+ calls ·"))
    expect(counted).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    total = int(counted.inner_text().split(" ")[0].replace(",", ""))
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()

    name, text = download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert re.fullmatch(r"calls-\d{8}-\d{4}\.csv", name)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {"id", "started_at", "tenant", "outcome", "cost_usd"} <= rows[0].keys()
    assert len(rows) == total
    assert {row["tenant"] for row in rows} == {"Example Freight"}

"""The frame around every page: menu, marks, and what the process is busy with."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit import config

from core import runtime as running
from core.principals import Principal
from core.runtime import Runtime
from core.tables import Outcome
from pages.kit import page as kit
from pages.kit.markup import code, plain
from pages.kit.outcomes import OUTCOMES
from tests import builders
from tests.console import FRAME
from tests.pages.conftest import NOW, Open

CONFIG = FRAME.parents[1] / ".streamlit" / "config.toml"
READ = {
    "changes": "audit_entry", "drills": "fire_drill", "flags": "flag_rule", "guardrails": "guardrail_rule",
    "people": "person_grant", "playground": "schema", "prices": "price_override", "privacy": "erasure",
    "providers": "attempt", "schemas": "schema", "store": "aged_out", "tenants": "budget",
}  # fmt: skip
"""The table that is gone under a page, where it is not that of calls."""
PAGES = sorted(path.parent.name for path in FRAME.parent.glob("*/page.py") if path.parent.name != "kit")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_an_empty_proctor(proctor: Runtime, open_page: Open, name: str) -> None:
    """Each page of the menu draws a title and raises nothing where there is no data at all."""
    page = open_page(name)
    assert not page.exception
    assert page.title[0].value


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_the_database_fails(proctor: Runtime, open_page: Open, name: str) -> None:
    """Where a table that it reads is gone a page says so in a sentence of ours, and nothing of the driver's."""
    builders.save(proctor.store, builders.tenant("Acme", NOW))
    with proctor.store.engine.begin() as connection:
        table = READ.get(name, "generation")
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_gone")
    page = open_page(name)
    assert not page.exception
    told = [f"{one.proto.title} {one.value}" for one in page.error]
    assert any("does not answer as it should" in one for one in told), told
    assert not any("_gone" in one or "SELECT" in one for one in told)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_guards_itself(
    proctor: Runtime, open_page: Open, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may do nothing sees on every page that it is not allowed, and no control."""
    monkeypatch.setattr(kit, "current_principal", lambda: Principal("a guest", ()))
    page = open_page(name)
    assert "a guest lacks the permission" in page.error[0].value
    assert not page.selectbox
    assert not page.button


def test_demo_data_is_marked(proctor: Runtime, open_page: Open) -> None:
    """Where a tenant is of the demo world the sidebar says so, and how to remove it; elsewhere it does not."""
    assert not any("Demo data" in line.value for line in open_page("home").sidebar.markdown)
    builders.save(proctor.store, builders.tenant("Acme", NOW, is_demo=True))
    page = open_page("home")
    assert any("Demo data" in line.value for line in page.sidebar.markdown)
    assert any("proctor demo --remove" in line.value for line in page.sidebar.markdown)


def test_work_under_way_is_shown(proctor: Runtime, open_page: Open) -> None:
    """Fetching the model shows its progress, starting it a line without one, and a failure what to do."""

    def standing(phase: str, fraction: float | None, sentence: str) -> Any:
        model = SimpleNamespace(status=SimpleNamespace(phase=phase, fraction=fraction, sentence=sentence))
        running.install(dataclasses.replace(proctor, local_model=model))
        return open_page("home").sidebar

    assert standing("fetching", 0.62, "Fetching 62 of 101 MB.").get("progress")[0].value == 62
    assert "starting up" in standing("starting", None, "It is starting up.").caption[0].value
    assert standing("failed", None, "There is no network.").warning[0].value == "There is no network\\."
    ready = standing("ready", None, "Ready.")
    assert not ready.get("progress")
    assert not ready.caption


def test_the_demo_world_in_the_making(proctor: Runtime, open_page: Open) -> None:
    """While the demo world is being made, an empty Home says that calls are about to come."""
    status = SimpleNamespace(phase="making", fraction=0.1, sentence="Day 3 of 30.")
    running.install(dataclasses.replace(proctor, demo=SimpleNamespace(status=status)))
    assert open_page("home").header[0].value == "The demo world is being made"


def test_nobody_stops_for_a_visitor() -> None:
    """Streamlit is told to collect no garbage after each page: that stops every thread, longer the more are out."""
    assert config.get_config_options()["runner.postScriptGC"].where_defined == str(CONFIG)
    assert config.get_option("runner.postScriptGC") is False


def test_every_outcome_has_a_look() -> None:
    """There is a word, an icon and a colour for each way a call can end, and no two words are alike."""
    assert set(OUTCOMES) == {outcome.value for outcome in Outcome}
    assert len({badge.word for badge in OUTCOMES.values()}) == len(Outcome)


def test_plain_text_stays_plain() -> None:
    """What Markdown would take for markup is written out."""
    assert plain("**a** $b$ :red[c] <d>") == "\\*\\*a\\*\\* \\$b\\$ \\:red\\[c\\] \\<d\\>"
    assert code("a`b") == "`a'b`"


@given(st.text())
def test_code_stays_code(text: str) -> None:
    """Whatever an address or a program calls something, no line's end and no tick of its own ends the code before."""
    shown = code(text)
    assert (shown[0], shown[-1], shown[1:-1].count("`"), len(shown.splitlines())) == ("`", "`", 0, 1)
    assert code(f"{text[:2]}\n\n![x](https://e)\n") == code(f"{text[:2]} ![x](https://e)")


def test_fonts_are_our_own() -> None:
    """Every font is served from here, lies there with its licence, and nothing is fetched from elsewhere."""
    theme = tomllib.loads(CONFIG.read_text())["theme"]
    for face in theme["fontFaces"]:
        path = FRAME.parent / face["url"].removeprefix("app/")
        assert path.read_bytes()[:4] == b"wOF2"
        licence = path.with_name(f"{path.stem}-LICENSE.txt").read_text()
        assert "SIL Open Font License" in licence
    assert "http" not in CONFIG.read_text().replace("https://", "http")


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``, as WCAG defines it."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_contrast(mode: str) -> None:
    """Text is readable (4.5) on every ground it stands on, in both modes; so is white on the primary colour."""
    theme = tomllib.loads(CONFIG.read_text())["theme"][mode]
    grounds = (theme["backgroundColor"], theme["secondaryBackgroundColor"])
    names = ("text", "link", "gray", "green", "red", "orange", "yellow", "blue", "violet")
    for name in names:
        for ground in grounds:
            assert contrast(theme[f"{name}Color"], ground) >= 4.5, (name, ground)
    for name in names[2:]:
        assert contrast(theme[f"{name}TextColor"], theme[f"{name}BackgroundColor"]) >= 4.5, name
    assert contrast("#FFFFFF", theme["primaryColor"]) >= 4.5
    assert contrast(theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"]) >= 4.5
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= 3, colour


def test_chart_colours_hold_in_both_modes() -> None:
    """The colours that do not follow the theme stand out (3) from both grounds."""
    theme = tomllib.loads(CONFIG.read_text())["theme"]
    source = (FRAME.parent / "kit" / "charts.py").read_text()
    fixed = set(re.findall(r"#[0-9A-F]{6}", source)) - {"#FFFFFF"}
    assert len(fixed) >= 7
    for colour in fixed:
        for mode in ("light", "dark"):
            assert contrast(colour, theme[mode]["backgroundColor"]) >= 3, (colour, mode)

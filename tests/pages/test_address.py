"""What stands in the address of a page: one form on all of them, and what cannot be used is said."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from tests.console import FRAME
from tests.pages.conftest import Open

PAGES = sorted({page.parent.name for page in FRAME.parent.glob("*/page.py")} - {"kit"})
KNOWN: dict[str, tuple[str, ...]] = {
    "home": ("tenant", "range", "from", "to", "live"),
    "traffic": ("tenant", "range", "from", "to", "live", "log", "by", "measure", "around", "here", "at"),
    "calls": ("tenant", "range", "from", "to", "outcome", "version", "page", "sort", "tail"),
    "changes": ("tenant", "range", "from", "to", "ever"),
    "incident": ("tenant", "range", "from", "to"),
    "spend": ("tenant", "range", "from", "to", "stacked", "cut"),
    "statement": ("tenant", "month"),
    "drills": (),
    "tenants": ("tenant",),
    "flags": ("tenant", "flag", "page"),
    "guardrails": ("tenant", "range", "from", "to"),
    "people": ("person", "page"),
    "privacy": ("tenant",),
    "store": (),
    "routes": ("route",),
    "providers": ("provider", "tenant"),
    "prices": ("tenant",),
    "schemas": ("tenant", "range", "from", "to", "sort", "page"),
    "playground": ("tenant", "schema", "source"),
}
"""What each page takes that cannot be any text."""
BAD = "%99 `x`\u0000<b>"
SHOWN = "%99 'x' <b>"
"""The same as a page shows it."""


def told(page: AppTest) -> str:
    """Return what a page complains of."""
    return " ".join(one.value for one in (*page.warning, *page.error)).replace("\\", "")


@pytest.fixture(autouse=True)
def world(proctor: Runtime) -> None:
    """Two tenants, and the sample schemas."""
    proctor.schemas.load_samples(LOCAL_OPERATOR)
    for name in ("Acme", "Borealis"):
        proctor.tenants.create(LOCAL_OPERATOR, name)


def test_every_page_is_looked_at() -> None:
    """A new page says what it takes."""
    assert sorted(KNOWN) == PAGES


@pytest.mark.parametrize("name", PAGES)
def test_what_cannot_be_used_is_said(open_page: Open, name: str) -> None:
    """By its name, whether it is unknown or ill-formed; the page is drawn all the same, and says it until dismissed."""
    page = open_page(name, colour="red", **dict.fromkeys(KNOWN[name], BAD))

    assert not page.exception
    for parameter in ("colour", *KNOWN[name]):
        assert f"`{parameter}" in told(page) or SHOWN in told(page) or parameter == "month", parameter
    assert "`colour` is nothing that this page takes." in told(page)
    page.button(key="address_read").click().run()
    assert "colour" not in told(page)


@pytest.mark.parametrize("name", PAGES)
def test_what_is_right_is_not_complained_of(open_page: Open, name: str) -> None:
    """Nor is an address without anything."""
    ends = {"from": "2026-11-24T09:00+01:00", "to": "2026-11-24T10:00Z"}
    sound = ends | {"tenant": "Borealis", "range": "7d", "live": "false", "page": "1", "outcome": "Valid"}
    page = open_page(name, **{parameter: value for parameter, value in sound.items() if parameter in KNOWN[name]})

    assert not page.exception
    assert "address" not in {one.key for one in page.button}
    assert "is left out" not in told(page) + told(open_page(name))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("home", {"of": "Borealis", "last": "7d"}, {"tenant": "Borealis", "range": "7d"}),
        ("spend", {"of": "Borealis", "last": "30d"}, {"tenant": "Borealis", "range": "30d"}),
        ("statement", {"for": "Borealis"}, {"tenant": "Borealis"}),
        ("flags", {"for": "Borealis"}, {"tenant": "Borealis"}),
    ],
)
def test_old_links_go_on_working(open_page: Open, name: str, old: dict[str, str], new: dict[str, str]) -> None:
    """What earlier releases called a parameter is read, and has its new name in the address from then on."""
    page = open_page(name, **old)

    assert not told(page)
    assert {one.key: one.value for one in page.selectbox if one.key == "tenant"} == {"tenant": "Borealis"}
    assert {parameter: page.query_params.get(parameter) for parameter in new} == new
    assert not set(old) & set(page.query_params)


@pytest.mark.parametrize(
    ("name", "asked", "title"),
    [
        ("home", {}, "Home"),
        ("spend", {"tenant": "Acme", "range": "7d"}, "Spend · Acme, 7 days"),
        ("changes", {"range": "last-week"}, "Changes · Last week"),
        (
            "guardrails",
            {"from": "2026-03-01T00:00Z", "to": "2026-03-03T00:00Z"},
            "Guardrails · Mar 01 \N{EN DASH} Mar 02",
        ),
        ("calls", {"tenant": "Borealis"}, "Calls · Borealis"),
        (
            "incident",
            {"tenant": "Acme", "from": "2026-03-01T09:00Z", "to": "2026-03-01T10:00Z"},
            "Incident · Acme, Mar 01, 09:00 \N{EN DASH} 10:00",
        ),
        ("schemas", {"schema": "invoice"}, "Schema · invoice"),
        ("providers", {"provider": "openai"}, "Providers · openai"),
    ],
)
def test_the_tab_names_what_is_open(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, name: str, asked: dict[str, str], title: str
) -> None:
    """The page, and behind it what of it; five tabs are told from each other, and a link in a chat has a name."""
    titles: list[str] = []
    monkeypatch.setattr("streamlit.set_page_config", lambda **said: titles.append(said["page_title"]))
    assert not open_page(name, **asked).exception

    assert titles[-1] == f"{title} \N{EM DASH} Proctor"


def test_whom_one_acts_for_does_not_follow_from_whose_figures_one_looks_at(open_page: Open) -> None:
    """Nor the other way round; pages of one kind share the choice."""
    page = open_page("spend")
    page.selectbox(key="tenant").select("Borealis").run()
    assert page.query_params["tenant"] == "Borealis"

    def moved(name: str) -> str:
        page.query_params.clear()  # as the menu's links have none
        page.switch_page(f"{name}/page.py").run()
        return str(page.selectbox(key="tenant").value)

    assert moved("prices") == "Borealis"
    assert moved("statement") == "Acme"
    assert moved("home") == "Borealis"
    page.selectbox(key="tenant").select("All tenants").run()
    assert "tenant" not in page.query_params
    assert moved("statement") == "Acme"

"""A name that stands in a table leads to the page of what it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.runtime import Runtime
from pages.kit import links
from tests.conftest import START
from tests.console import FRAME
from tests.grounds import Ground, ground
from tests.pages.conftest import Open

PAGES = sorted(path.parent.name for path in FRAME.parent.glob("*/page.py") if path.parent.name != "kit")
NAMES = {"Tenant", "Of whom", "Whose calls", "Route", "Schema", "Model", "Started by", "Who", "Name", "Set by", "By"}
"""Heads of columns that hold names."""
OWN = {("schemas", "Schema"), ("prices", "Model"), ("providers", "Model")}
"""Whose page it is already: there a click on the row opens it, or what is known of it stands beside."""


@pytest.fixture
def page_clock() -> ManualClock:
    """The time of the grounds."""
    return ManualClock(START)


@pytest.fixture(autouse=True)
def world(proctor: Runtime) -> Ground:
    """A tenant of which everything is there."""
    return ground(proctor, "Aardvark", ago=timedelta(minutes=5))


def names(page: AppTest) -> Iterator[tuple[str, bool]]:
    """Yield the columns of names with whether they lead: as buttons of a grid, or as links in a table of Markdown."""
    for grid in page.dataframe:
        for column, looks in json.loads(grid.proto.columns or "{}").items():
            if (head := str(looks.get("label") or column)) in NAMES:
                yield head, looks.get("type_config", {}).get("type") == "button"
    for table in page.table:
        for head in NAMES & set(map(str, table.value.columns)):
            told = [str(cell) for cell in table.value[head] if str(cell) not in ("", "nan")]
            yield head, all("](/" in cell for cell in told)


def test_names_in_tables_lead(open_page: Open) -> None:
    """On every page, whatever the table; but for the page of the thing itself."""
    found: set[str] = set()
    for name in PAGES:
        for head, leads in names(open_page(name, **({"range": "30d"} if name in ("home", "calls", "spend") else {}))):
            assert leads or (name, head) in OWN, f"{head} on {name}"
            found.add(head)
    assert len(found) >= 4


def test_who_asked_leads_to_key_or_person() -> None:
    """A key stands on the page of its tenant."""
    assert links.caller("key proctor_ab…", "A & B") == r"[key proctor\_ab…](/tenants?tenant=A+%26+B)"
    assert links.caller("Grace", "Acme") == "[Grace](/people?person=Grace)"


@pytest.mark.parametrize(
    ("place", "address"),
    [
        (links.of_tenant("A & B"), ("tenants", {"tenant": "A & B"})),
        (links.of_tenant("All tenants"), ("tenants", {})),
        (links.of_schema("ticket@2"), ("schemas", {"schema": "ticket", "version": "2"})),
        (links.of_schema("inline 59ab"), ("calls", {"schema": "inline 59ab"})),
        (links.of_model("openai/gpt-4o"), ("providers", {"provider": "openai"})),
        (links.of_actor("key proctor_ab…"), ("changes", {"actor": "key proctor_ab…", "ever": "true"})),
        (links.of_actor("proctor"), ("changes", {"actor": "proctor", "ever": "true"})),
        (links.of_actor("local operator"), ("changes", {"actor": "local operator", "ever": "true"})),
        (links.of_actor("Grace"), ("people", {"person": "Grace"})),
    ],
)
def test_where_a_name_leads(place: links.Destination, address: tuple[str, dict[str, str]]) -> None:
    """Whatever is in it."""
    assert place == address

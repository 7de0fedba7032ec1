"""What each role finds on each page: nothing of other tenants, and no way to what it may not do."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.principals import Permission, Role
from core.runtime import Runtime
from pages.kit import page as kit
from tests.builders import person
from tests.conftest import START
from tests.console import FRAME
from tests.grounds import Ground, ground
from tests.pages.conftest import Open

PAGES = sorted(path.parent.name for path in FRAME.parent.glob("*/page.py") if path.parent.name != "kit")


def entries() -> list[ast.Call]:
    """Return the lines of the menu, as they are written."""
    tree = ast.parse((FRAME.parent / "_frame.py").read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Entry"]


def menu() -> dict[str, Permission]:
    """Return what the menu asks for before it shows the way to a page, by the page."""
    return {ast.literal_eval(one.args[1]): Permission[ast.unparse(one.args[4]).partition(".")[2]] for one in entries()}


OF_ALL = {ast.literal_eval(one.args[1]) for one in entries() if any(key.arg == "is_of_all" for key in one.keywords)}
"""The pages about no tenant, whose permission has to be held over all."""


@pytest.fixture
def page_clock() -> ManualClock:
    """The time of the grounds."""
    return ManualClock(START)


@pytest.fixture
def mine(proctor: Runtime) -> Ground:
    """The tenant of which somebody has a role; there is another."""
    return ground(proctor, "Aardvark", ago=timedelta(minutes=5))


@pytest.fixture
def other(proctor: Runtime) -> Ground:
    """That other one."""
    return ground(proctor, "Zeppelin", ago=timedelta(minutes=3))


P = Permission
OFFERED = {
    "calls": {"after": (P.GENERATIONS_READ, "all")},  # of whom there are more than a page
    "drills": {"start_drill": (P.DRILLS_WRITE, "one"), "stop": (P.DRILLS_WRITE, "one")},
    "flags": {"turn": (P.FLAGS_WRITE, "all")},
    "guardrails": {"new_rule": (P.GUARDRAILS_WRITE, "one"), "FormSubmitter:try-Try": (P.GUARDRAILS_READ, "one")},
    "people": {"invite": (P.PEOPLE_WRITE, "all")},
    "playground": dict.fromkeys(("add_column", "run", "run_often"), (P.GENERATIONS_WRITE, "one")),
    "privacy": {"FormSubmitter:look-Look up": (P.USERS_ERASE, "one")},
    "prices": dict.fromkeys(("anew", "price", "set_price", "withdraw"), (P.PRICES_WRITE, "one")),
    "routes": {
        "breaker_by_hand": (P.BREAKERS_WRITE, "all"),
        "edit_default": (P.ROUTES_WRITE, "all"),
        "new_route": (P.ROUTES_WRITE, "all"),
    },
    "schemas": {"new_schema": (P.SCHEMAS_WRITE, "all")},
    "tenants": {
        **dict.fromkeys(("discard", "review", "edit", "new_own_budget", "raise", "remove"), (P.BUDGETS_WRITE, "one")),
        "withdraw": (P.BUDGETS_WRITE, "one"),
        **dict.fromkeys(("edit_key", "limits", "new", "revoke", "rotate"), (P.KEYS_WRITE, "one")),
        "find_key": (P.KEYS_READ, "one"),
        "settings": (P.TENANTS_WRITE, "one"),
        "new_tenant": (P.TENANTS_WRITE, "all"),
    },
}
"""By page, the buttons on it, without the ids in their keys: what each needs, over one tenant or over all."""


def buttons(page: AppTest) -> set[str]:
    """Return those that are drawn, by their keys without ids."""
    return {_ID.sub("", str(button.key)) for button in page.button}


_ID = re.compile(r"_([0-9a-f]{32}|compatible_.*)$")


@pytest.mark.parametrize(
    ("role", "is_limited"),
    [
        (Role.ADMIN, True),
        (Role.OPERATOR, True),
        (Role.PRODUCT, True),
        (Role.VIEWER, True),
        (Role.OWNER, False),
        (Role.PRODUCT, False),
    ],
)
def test_a_role_is_offered_what_it_may_do(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, mine: Ground, other: Ground, role: Role, *, is_limited: bool
) -> None:
    """Each page opens, or says what it needs; its buttons are those of the table, and of other tenants it is silent."""
    who = person("Ada", role, *([mine.tenant.id] if is_limited else []))
    monkeypatch.setattr(kit, "current_principal", lambda: who)
    wanted = menu()
    for name in PAGES:
        page = open_page(name)
        assert not page.exception, name
        may = who.may_over(wanted[name], None) if name in OF_ALL else who.may(wanted[name])
        assert bool(page.error) is not may, name
        table = OFFERED.get(name, {})
        expected = {key for key, (needs, over) in table.items() if who.may(needs) and (over == "one" or not is_limited)}
        assert buttons(page) == expected, name
        assert not is_limited or not other.named_in(repr(page)), name


def test_the_menu_asks_for_what_the_page_asks_for() -> None:
    """A way is shown to whoever is let in at its end."""
    wanted = menu()
    for name in PAGES:
        assert f"needs=Permission.{wanted[name].name}" in (FRAME.parent / name / "page.py").read_text(), name
    assert sorted(wanted) == PAGES


def test_a_way_that_leads_nowhere_is_not_shown(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, proctor: Runtime
) -> None:
    """Whoever may generate nowhere finds no playground in the menu, and people only who sees all of them."""
    shown: list[str] = []
    navigation = st.navigation

    def noted(sections: Any, **more: Any) -> Any:
        shown.extend(one.url_path for pages in sections.values() for one in pages if one.visibility == "visible")
        return navigation(sections, **more)

    monkeypatch.setattr(st, "navigation", noted)
    for role, is_there in ((Role.VIEWER, False), (Role.PRODUCT, True)):
        shown.clear()
        monkeypatch.setattr(kit, "current_principal", lambda role=role: person("Ada", role))
        open_page("calls")
        assert ("playground" in shown) is is_there

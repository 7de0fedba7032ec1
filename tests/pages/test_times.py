"""A time on a page is in the zone that was chosen, whatever it stands in; one that leaves the page says its zone."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from pages.kit import zones
from tests.conftest import START
from tests.console import FRAME
from tests.grounds import Ground, ground
from tests.pages.conftest import Open
from tests.pages.test_exports import ASKED, made

PAGES = sorted(path.parent.name for path in FRAME.parent.glob("*/page.py") if path.parent.name != "kit")
MINE = "Asia/Kathmandu"
"""Quarters of an hour beside UTC, so that the minute of a time tells in which of the two it is."""
OURS = {"07", "54", "55"}
"""The minutes of UTC in which everything here happened."""
DAY, CLOCK = r"(?:[A-Z][a-z]{2} \d\d,|\d{4}-\d\d-\d\d(?: at)?)", r"\d\d:(\d\d)(?::\d\d)?"
TIME = re.compile(rf"{DAY} {CLOCK}( UTC| {MINE})?")
BY_MEANING = re.compile(
    rf"(from|to) {DAY} {CLOCK} UTC"  # a price begins at a time of UTC
    r"|As of 2026-03-04 12:07\."  # a statement is paper: its head says its zone
)
OF_A_TENANT = {"calls", "changes", "flags", "home", "spend", "statement", "tenants"}
KEPT = {"back", "discard", "run", "run_often", "review"}
"""Buttons that open nothing."""
WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def page_clock() -> ManualClock:
    """Seven minutes past."""
    return ManualClock(START + timedelta(minutes=7))


@pytest.fixture(autouse=True)
def world(proctor: Runtime, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A tenant of which everything is there, somebody who was invited, and a reader in Kathmandu."""
    monkeypatch.setattr(zones, "_own", lambda: MINE)
    proctor.tenants.create_key(LOCAL_OPERATOR, None)
    return ground(proctor, "Aardvark", ago=timedelta(minutes=5))


def texts(page: AppTest) -> Iterator[str]:
    """Yield all that is sent to the browser, element by element: texts, tables and what charts are drawn from."""
    for node in page._tree:  # pyright: ignore[reportPrivateUsage]
        proto = getattr(node, "proto", None)
        if proto is not None:
            yield proto.SerializeToString().decode("utf-8", errors="replace").replace("\\", "")
    for grid in (*page.dataframe, *page.table):
        yield grid.value.select_dtypes(exclude=["datetime", "datetimetz"]).to_csv()


def strays(page: AppTest) -> set[str]:
    """Return the times that are not told in the zone that was chosen."""
    told = (BY_MEANING.sub("", text) for text in texts(page))
    return {
        found[0]
        for text in told
        for found in TIME.finditer(text)
        if found[2] == " UTC" or (found[1] in OURS and not found[2])
    }


def nameless(page: AppTest) -> set[str]:
    """Return the columns of times whose zone is another one than the chosen."""
    found: set[str] = set()
    for grid in page.dataframe:
        looks: dict[str, Any] = json.loads(grid.proto.columns or "{}")
        for column, kind in grid.value.dtypes.items():
            if str(kind).startswith("datetime") and looks[str(column)]["type_config"].get("timezone") != MINE:
                found.add(str(column))
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_time_is_told_in_the_zone_that_was_chosen(open_page: Open, world: Ground, name: str) -> None:
    """On the page, of all and of one tenant, on that of one of its list, and in each dialog."""
    ranged = {"zone": "mine"} | ({"range": "30d"} if name in ("home", "calls", "spend") else {})
    views: list[dict[str, str]] = [{}]
    views += [{"tenant": world.tenant.name}] if name in OF_A_TENANT else []
    views += {"calls": [{"call": world.call_id}], "changes": [{"change": world.change_id}]}.get(name, [])
    page = open_page(name, **ranged)
    for view in views:
        page = open_page(name, **ranged, **view)
        assert (strays(page), nameless(page)) == (set(), set()), view
        if told := [text for text in texts(page) if TIME.search(text)]:
            assert MINE in "".join(texts(page)), told
    for key in {str(one.key) for one in page.button if not one.disabled} - KEPT:
        assert not page.button(key=key).click().run().exception, key
        assert strays(page) == set(), key


@pytest.mark.parametrize("name", sorted({*ASKED} - {"calls/document"}))
def test_times_in_a_file_say_their_zone(proctor: Runtime, world: Ground, name: str) -> None:
    """It leaves the page without the words beside it: each time in it is one of ISO 8601, in UTC, whoever reads."""
    proctor.schemas.add(LOCAL_OPERATOR, "ticket", {"type": "object", "properties": {"a": {"type": "string"}}})
    content = made(name, proctor, LOCAL_OPERATOR, world)
    lines = csv.reader(io.StringIO(content))
    for cell in re.findall(r'"([^"]*)"', content) if content.startswith("{") else itertools.chain(*lines):
        for found in re.finditer(r"\d\d:\d\d(?!:)(?!\d)", cell):
            assert WRITTEN.fullmatch(cell) or cell[found.end() :].startswith(" UTC"), cell

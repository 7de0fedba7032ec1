"""The choice of a range: by its name or from one time to another, in the address and on the way to other pages."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.runtime import Runtime
from pages.kit import zones
from tests import builders
from tests.pages.conftest import NOW, Open

KATHMANDU, NEW_YORK = "Asia/Kathmandu", "America/New_York"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def world(proctor: Runtime) -> None:
    """Acme, in Kathmandu, with a call in each hour of the last three weeks, seven minutes past."""
    calls = [builders.generation(NOW - n * HOUR) for n in range(1, 21 * 24)]
    builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY, KATHMANDU), calls)


def counted(page: AppTest) -> str:
    """Return how many calls a page says there were, and when."""
    assert not page.exception
    return page.caption[-1].value.partition(" · ")[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"range": "yesterday"}, "24 calls that began from Mar 03, 00:00 to Mar 04, 00:00"),
        ({"range": "today"}, "12 calls that began from Mar 04, 00:00 on"),
        ({"range": "last-week"}, "168 calls that began from Feb 23, 00:00 to Mar 02, 00:00"),
        ({"range": "last-wednesday"}, "24 calls that began from Feb 25, 00:00 to Feb 26, 00:00"),
        ({"range": "today", "tenant": "Acme"}, "17 calls that began from Mar 04, 00:00 on"),
        ({"range": "today", "zone": NEW_YORK}, "7 calls that began from Mar 04, 00:00 on"),
        ({"from": "2026-03-01T00:00+05:45", "to": "2026-03-02T00:00+05:45", "tenant": "Acme"},
         "24 calls that began from Mar 01, 00:00 to Mar 02, 00:00"),
        ({"between": "1772580000-1772583600"}, "1 call that began from Mar 03, 23:20 to Mar 04, 00:20"),
        ({}, "24 calls that began from Mar 03, 12:00 on"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["home", "traffic", "spend"])
def test_a_link_says_what_is_shown(open_page: Open, name: str, asked: dict[str, str], said: str) -> None:
    """Days are those of the zone that is shown, whatever the browser's is; what has a name stands there by it."""
    page = open_page(name, **asked)

    assert counted(page) == said
    assert {"range", "from", "zone"} & asked.keys() <= page.query_params.keys()
    assert "between" not in page.query_params


def test_what_was_chosen_is_kept_on_the_way(open_page: Open) -> None:
    """By its name; what a link said with two times is shown on its page alone."""
    page = open_page("home", **{"from": "2026-03-01T00:00Z", "to": "2026-03-01T06:00Z"})
    assert counted(page).startswith("6 calls")
    page.query_params.clear()  # as the menu's links have none
    page.switch_page("spend/page.py").run()
    assert counted(page).startswith("24 calls")

    page.menu_button(key="more_ranges").click("last-week").run()
    assert counted(page).startswith("168 calls")
    assert page.query_params["range"] == "last-week"
    page.query_params.clear()
    page.switch_page("changes/page.py").run()
    assert page.query_params["range"] == "last-week"
    page.query_params.clear()
    page.switch_page("schemas/page.py").run()  # which knows no weeks
    assert not page.exception
    page.switch_page("home/page.py").run()
    assert counted(page).startswith("168 calls")
    page.segmented_control(key="range").set_value("6h").run()
    assert page.query_params["range"] == "6h"


def _asking() -> None:
    import streamlit as st

    from core import runtime as running
    from pages.kit import ranges

    now = running.current().clock.now()
    ranges.from_to(ranges.Range("today").window(now, "Asia/Kathmandu"), "Asia/Kathmandu", None)
    st.caption(st.session_state.get("_next_range", "nothing"))


def test_from_a_time_to_another(open_page: Open) -> None:
    """Both are times of the zone that is shown; the wrong way round they are refused with a sentence."""
    dialog = AppTest.from_function(_asking, default_timeout=60).run()
    assert [str(one.value) for one in dialog.datetime_input] == ["2026-03-04 00:00:00", "2026-03-04 17:52:00"]
    dialog.datetime_input(key="range_to").set_value(datetime.fromisoformat("2026-03-03T00:00")).run()
    dialog.button(key="range_show").click().run()
    assert "The second time is to lie behind the first" in dialog.error[0].value
    dialog.datetime_input(key="range_from").set_value(datetime.fromisoformat("2026-03-02T09:30")).run()
    dialog.button(key="range_show").click().run()

    chosen = dialog.session_state["_next_range"]
    assert chosen == "2026-03-02T03:45:00+00:00/2026-03-02T18:15:00+00:00"
    begins, ends = chosen.split("/")
    assert counted(open_page("home", tenant="Acme", **{"from": begins, "to": ends})).startswith("15 calls")


def test_ones_own_zone_stands_in_the_address_by_its_name(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a link shows the days of who sent it; who is in the same zone has it as his own."""
    monkeypatch.setattr(zones, "_own", lambda: NEW_YORK)
    page = open_page("home", range="today", zone="mine")
    assert page.query_params["zone"] == NEW_YORK
    assert open_page("home", zone=NEW_YORK).selectbox(key="zone").value == "mine"

    monkeypatch.setattr(zones, "_own", lambda: KATHMANDU)
    page = open_page("home", range="today", zone=NEW_YORK)
    assert counted(page) == "7 calls that began from Mar 04, 00:00 on"
    assert page.selectbox(key="zone").value == NEW_YORK

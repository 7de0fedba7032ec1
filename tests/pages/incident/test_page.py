"""An incident as it is opened from Home, and the list of those of a longer time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.runtime import Runtime
from tests import builders, outages
from tests.pages.conftest import NOW, Open

HOUR = timedelta(hours=1)
WHOLE = NOW.replace(minute=0, second=0, microsecond=0)
AT = WHOLE - outages.BEFORE


@pytest.fixture
def page_clock() -> ManualClock:
    """A whole hour."""
    return ManualClock(WHOLE)


@pytest.fixture
def world(proctor: Runtime) -> Runtime:
    """Eight days of two tenants, of which one hour of Acme's went wrong."""
    outages.save(proctor.store, WHOLE)
    return proctor


def told(page: AppTest) -> str:
    """Return all Markdown of a page, without its backslashes."""
    assert not page.exception
    return "\n".join(one.value for one in page.main.markdown).replace("\\", "")


def test_home_leads_to_the_hour_that_went_wrong(world: Runtime, open_page: Open) -> None:
    """It is listed with its tenant and its number, and its time is a link; what is opened begins with all of it."""
    home = told(open_page("home"))
    line = next(one for one in home.splitlines() if "more than usual" in one)
    assert "24 calls more than usual got no object, of Acme" in line
    assert f"/incident?from={AT:%Y-%m-%dT%H}%3A00" in line

    page = open_page(
        "incident", **{"from": f"{AT:%Y-%m-%dT%H:%MZ}", "to": f"{AT + HOUR:%Y-%m-%dT%H:%MZ}", "tenant": "Acme"}
    )
    said = told(page).splitlines()[0]
    assert "[25](/calls?" in said
    assert "25 more than usual: mostly provider error." in said
    assert "It was turned](/changes?change=" in said
    assert "by [Ada](/people?person=Ada)." in said
    assert "thrown away" in said
    assert "Fallback saved **[15 calls](/calls?" in said
    assert "before that" in told(page), "who had decided it before"
    assert {one.label: one.value for one in page.metric}["Got no object"] == "25"


def test_a_decision_is_found_among_many_changes(world: Runtime, open_page: Open) -> None:
    """However much changes by itself meanwhile: what was decided shortly before it, and days before, is told."""
    itself = [
        builders.change(at + n * timedelta(seconds=50), "breaker", f"openai/model-{n}", f"The breaker {n} opened.")
        for at in (AT - 9 * HOUR, AT + timedelta(minutes=2))
        for n in range(60)
    ]
    builders.save(world.store, itself)
    span = {"from": f"{AT:%Y-%m-%dT%H:%MZ}", "to": f"{AT + HOUR:%Y-%m-%dT%H:%MZ}"}
    said = told(open_page("incident", **span, tenant="Acme"))
    assert "by [Ada](/people?person=Ada)." in said.splitlines()[0]
    assert "[Ben](/people?person=Ben)" in said.partition("In the three days before")[2]


def test_an_ordinary_time_says_so(world: Runtime, open_page: Open) -> None:
    """With its figures; a time without calls, and one that is too long, say that as well."""

    def opened(begins: timedelta, ends: timedelta) -> AppTest:
        span = {"from": WHOLE - begins, "to": WHOLE - ends}
        return open_page("incident", **{name: f"{at:%Y-%m-%dT%H:%MZ}" for name, at in span.items()})

    assert "nothing is out of the ordinary.** [1](/calls?" in told(opened(6 * HOUR, 5 * HOUR))
    assert opened(400 * HOUR, 399 * HOUR).header[0].value.startswith("No calls from ")
    listed = opened(72 * HOUR, 0 * HOUR)
    assert any("at most 2 days" in one.value for one in listed.caption)
    assert "24 calls more than usual" in told(listed)
    assert open_page("incident", range="1h").header[0].value == "Nothing stands out in the last hour"

"""In which zone times are told: one choice for all pages, and every time of the core can be told in it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.clock import minute
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import ROOT
from core.tables import Outcome
from pages.kit import zones
from tests import builders
from tests.pages.conftest import NOW, Open

KATHMANDU, LIMA = "Asia/Kathmandu", "America/Lima"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CALL = "a" * 32


@pytest.fixture(autouse=True)
def world(proctor: Runtime) -> None:
    """Acme, in Kathmandu, with a call that was refused for want of money, and a change of its settings."""
    resets = datetime(2026, 4, 1, tzinfo=ZoneInfo(KATHMANDU))
    refused = builders.generation(
        NOW - HOUR,
        id=CALL,
        outcome=Outcome.BLOCKED_BUDGET,
        error_code="budget_exceeded",
        error_detail=f"Nothing is left. It resets at {minute(resets)}; an operator can raise it.",
        trace=[{"room": "reserve", "verdict": "refused", "reason": f"It resets at {minute(resets)};"}],
    )
    acme = builders.tenant("Acme", NOW - 60 * DAY, KATHMANDU)
    builders.save(proctor.store, acme, [refused])
    proctor.tenants.edit(LOCAL_OPERATOR, acme.id, 1, payload_retention_days=7)


def words(page: AppTest) -> str:
    """Return all that a page says."""
    said = (*page.caption, *page.markdown, *page.error, *page.warning)
    return " ".join(str(one.value) for one in said).replace("\\", "")


@pytest.mark.parametrize(
    ("chosen", "of_tenant", "of_all"),
    [({}, KATHMANDU, "UTC"), ({"zone": "utc"}, "UTC", "UTC"), ({"zone": "mine"}, LIMA, LIMA)],
    ids=["the tenant's", "UTC", "mine"],
)
def test_one_choice_holds_on_every_page(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], of_tenant: str, of_all: str
) -> None:
    """Lists, axes, a call and the sentences of its trace are in the tenant's zone, in UTC, or in the reader's own."""
    monkeypatch.setattr(zones, "_own", lambda: LIMA)
    for name in ("home", "calls", "changes"):
        assert f"times in {of_all}" in words(open_page(name, **chosen)), name
        assert f"times in {of_tenant}" in words(open_page(name, tenant="Acme", **chosen)), name

    shown = words(open_page("calls", call=CALL, **chosen))
    resets = datetime(2026, 4, 1, tzinfo=ZoneInfo(KATHMANDU)).astimezone(ZoneInfo(of_tenant))
    assert shown.count(f"It resets at {resets:%Y-%m-%d %H:%M} {of_tenant};") == len(("the headline", "the trace"))


def test_the_choice_is_kept_on_the_way_to_another_page(open_page: Open) -> None:
    """Who has chosen UTC reads the next page in UTC as well, and its address says so."""
    page = open_page("home", tenant="Acme")
    page.selectbox(key="zone").set_value("utc").run()
    page.switch_page("calls/page.py").run()
    assert "times in UTC" in words(page)
    assert page.query_params["zone"] == "utc"


@pytest.mark.parametrize("told", [None, "", "Atlantis/Poseidonis", "../../etc/passwd", "US\0"])
def test_a_browser_may_tell_no_zone(monkeypatch: pytest.MonkeyPatch, told: str | None) -> None:
    """Where its zone is unknown here, times are told as if nothing had been chosen."""

    class Context:
        timezone = told

    monkeypatch.setattr(zones.st, "context", Context())
    monkeypatch.setattr(zones.st, "session_state", {"zone": "mine"})
    assert zones.shown(KATHMANDU) == KATHMANDU


@given(
    st.integers(631_152_000, 3_786_912_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(["UTC", KATHMANDU, LIMA, "Europe/Berlin", "Pacific/Apia"]),
)
def test_what_is_retold_is_the_same_moment(at: datetime, zone: str) -> None:
    """To the minute, in any zone, on either side of a change of clocks, and nothing else of the sentence changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zones.st, "session_state", {})
        said = zones.retold(f"Open since {minute(at)}: 3 of 6 calls.", zone)
    found = re.fullmatch(r"Open since (\d{4}-\d\d-\d\d \d\d:\d\d) (\S+): 3 of 6 calls\.", said)
    assert found
    local = at.astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0)
    assert (found[1], found[2]) == (f"{local:%Y-%m-%d %H:%M}", zone)


def test_the_core_tells_a_time_in_one_form() -> None:
    """What pages tell anew they know by its form; so no file of the core writes a minute of UTC by itself."""
    itself = re.compile(r"%H:%M[^\"']*UTC")
    files = [one for one in (ROOT / "core").rglob("*.py") if one.name != "clock.py"]
    assert len(files) > 100
    assert [one.name for one in files if itself.search(one.read_text("utf-8"))] == []

"""Fire drills in the console: the form says what it would do, real calls need a word more; a banner is everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.drills import DrillView
from core.faults import Fault
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import Tenant
from pages.kit import links
from pages.kit import page as kit
from tests import builders
from tests.pages.conftest import NOW, Open

PAGES = ("home", "calls", "drills", "tenants", "flags", "routes", "playground")


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant."""
    return proctor.tenants.create(LOCAL_OPERATOR, "Acme_1")


def begin(proctor: Runtime, tenant: Tenant | None, **more: Any) -> DrillView:
    """Begin a drill of a quarter of an hour."""
    given: dict[str, Any] = {"share": 0.2, "minutes": 15, "reason": "Does *it* hold?"}
    return proctor.drills.start(LOCAL_OPERATOR, tenant, Fault.SERVER_ERROR, **given | more)


def told(page: Any) -> str:
    """Return everything that a page says."""
    return " ".join(element.value for element in (*page.warning, *page.markdown, *page.caption))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_a_drill_runs(proctor: Runtime, acme: Tenant, open_page: Open, name: str) -> None:
    """Whoever looks at figures during a drill knows that they are of a drill: what, whose, and for how long."""
    begin(proctor, acme)

    [banner] = [one for one in open_page(name).warning if "fire drill" in str(one.proto.title).lower()]

    assert (
        r"20% of the calls of [Acme\_1](/tenants?tenant=Acme_1) fail as if the provider had broken down\."
        in banner.value
    )
    assert "It ends in 15 min." in banner.value


def test_the_banner_goes_with_the_drill(
    proctor: Runtime, acme: Tenant, open_page: Open, page_clock: ManualClock
) -> None:
    """Without a drill there is none; at the end of the last one it is gone, though nobody wrote the end down."""
    assert not open_page("flags").warning
    begin(proctor, acme)
    for _ in range(4):
        begin(proctor, None, minutes=5)
    many = open_page("flags").warning[0]
    assert many.proto.title == "5 fire drills are running"
    assert "And 2 more." in many.value
    page_clock.advance(5 * 60)
    assert "It ends in 10 min." in open_page("flags").warning[0].value
    page_clock.advance(9 * 60 + 30)
    assert "It ends in 30 s." in open_page("flags").warning[0].value
    page_clock.advance(30)
    assert not open_page("flags").warning


def test_who_may_not_see_drills_sees_no_banner(
    proctor: Runtime, acme: Tenant, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The banner tells tenants' names: it is for those who may read drills."""
    begin(proctor, acme)

    class Nobody:
        name = "a guest"

        def may(self, _permission: str) -> bool:
            return False

    monkeypatch.setattr(kit, "current_principal", Nobody)
    assert not open_page("drills").warning


def test_an_empty_page_says_what_a_drill_is(proctor: Runtime, open_page: Open) -> None:
    """Nothing runs, nothing is over, and nothing can be started without a reason."""
    page = open_page("drills")

    assert "every call goes out as always" in told(page)
    assert "There was no drill yet" in told(page)
    assert "count in breakers" in told(page)
    assert page.button(key="start_drill").disabled


def test_the_demo_tenants_need_no_confirmation(proctor: Runtime, open_page: Open) -> None:
    """The form says in a sentence what it would do, and does it; the drill stands under Running."""
    page = open_page("drills")
    page.selectbox(key="fault").select(Fault.SLOW).run()
    page.number_input(key="seconds").set_value(2.5).run()
    page.number_input(key="share").set_value(35.0).run()
    page.number_input(key="minutes").set_value(30).run()
    page.text_input(key="reason").set_value("Does it hold?").run()
    assert r"35% of the calls of the demo tenants wait 2\.5 s before they go out\." in told(page)
    assert "It ends by itself at Mar 04, 12:37 UTC." in told(page)

    page.button(key="start_drill").click().run()

    assert not page.exception
    [drill] = proctor.drills.running(LOCAL_OPERATOR)
    assert (drill.fault, drill.share, drill.seconds, drill.reason) == (Fault.SLOW, 0.35, 2.5, "Does it hold?")
    assert "ends in 30 min" in told(page)
    assert page.button(key=f"stop_{drill.id}").label == "Stop now"


def _confirming(name: str, share: float) -> None:
    from core.faults import Fault
    from core.principals import Permission
    from pages.drills import form
    from pages.kit.page import open_page

    visit = open_page("Test", "A dialog.", needs=Permission.DRILLS_READ)
    tenant = visit.runtime.tenants.find(visit.principal, name)
    form.confirm(visit, form.Draft(tenant, Fault.INVALID, share, 5.0, "openai", 60, "Why *not*?"))


def test_real_calls_need_a_word_more(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """The dialog names tenant, share, target, end and what breakers do; only its button starts."""
    page = open_page("drills")
    page.selectbox(key="whose").select("Acme_1").run()
    page.text_input(key="reason").set_value("Why not?").run()
    assert page.button(key="start_drill").label == "Start…"

    page.button(key="start_drill").click().run()
    assert not proctor.drills.running(LOCAL_OPERATOR)

    dialog = AppTest.from_function(_confirming, args=("Acme_1", 0.1), default_timeout=60).run()
    assert not dialog.exception
    assert r"**Acme\_1 is a real tenant.**" in told(dialog)
    assert r"10% of the calls of Acme\_1 to openai get an answer that no schema accepts" in told(dialog)
    assert "It ends by itself at Mar 04, 13:07 UTC." in told(dialog)
    assert r"Why \*not\*?" in told(dialog)
    assert "count in breakers" in told(dialog)
    assert not proctor.drills.running(LOCAL_OPERATOR)

    dialog.button(key="confirm_drill").click().run()

    [drill] = proctor.drills.running(LOCAL_OPERATOR)
    assert (drill.tenant_id, drill.share, drill.target) == (acme.id, 0.1, "openai")


def test_a_drill_is_stopped_by_its_button(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """It stops at once, and stands among those that are over, with how it ended."""
    drill = begin(proctor, acme, target="openai/gpt-4o-mini")
    page = open_page("drills")
    assert f"started by] {links.actor('local operator')} :gray[· Does \\*it\\* hold?" in told(page)

    page.text_input(key=f"stop_reason_{drill.id}").set_value("It held.").run()
    page.button(key=f"stop_{drill.id}").click().run()

    assert not proctor.drills.running(LOCAL_OPERATOR)
    [row] = page.dataframe[0].value.to_dict("records")
    assert (row["Whose calls"], row["To"], row["Share"]) == ("Acme_1", "openai/gpt-4o-mini", "20%")
    assert (row["End"], row["Reason"]) == ("stopped", "Does *it* hold?")


def test_a_drill_that_ended_by_itself_says_so(
    proctor: Runtime, acme: Tenant, open_page: Open, page_clock: ManualClock
) -> None:
    """What ran out is over, written down or not."""
    begin(proctor, acme, minutes=1)
    page_clock.advance(60)

    for _ in range(2):
        [row] = open_page("drills").dataframe[0].value.to_dict("records")
        assert (row["End"], row["Ended, UTC"]) == ("by itself", "Mar 04, 12:08")
        proctor.drills.end_expired()


def test_attempts_of_a_drill_are_marked(proctor: Runtime, open_page: Open) -> None:
    """Whoever opens such a call sees which of its attempts met a drill, and which did not."""
    tenant = builders.tenant("Acme", NOW)
    call = builders.generation(NOW)
    faulty = builders.attempt(call, 1, outcome="provider_error", error_detail="fire drill: it failed.", drill_id="d")
    builders.save(proctor.store, tenant, call, faulty, builders.attempt(call, 2, kind="retry"))

    attempts = [line.value for line in open_page("calls", call=call.id).markdown if "openai/" in line.value]

    assert ["Fire drill" in attempt for attempt in attempts[:2]] == [True, False]

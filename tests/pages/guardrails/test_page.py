"""Guardrails: what was caught, what holds, what it would make of a text, and how rules are set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.guardrails import OutsideTerms, Stage, guardrail_of
from core.outgoing import Fetched, Outgoing
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import Outcome, Tenant
from tests import builders
from tests.pages.conftest import Open

SECRET = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant with a rule of its own, and two calls in which something was found."""
    acme = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    proctor.guardrails.set(LOCAL_OPERATOR, "short", acme, "length", "block", settings={"most_characters": 100})
    now = proctor.clock.now()
    one = builders.generation(now - timedelta(hours=1), acme.id, guardrail_ms=0.21)
    two = builders.generation(now - timedelta(hours=2), acme.id, Outcome.BLOCKED_GUARDRAIL, guardrail_ms=0.3)
    builders.save(proctor.store, one, two)
    builders.save(
        proctor.store,
        builders.finding(one, count=3),
        builders.finding(two, guardrail="short", kind="", action="block"),
    )
    return acme


def test_what_was_caught_is_told(open_page: Open, acme: Tenant) -> None:
    """Figures, a chart and a table by place and kind; no text."""
    del acme
    page = open_page("guardrails")
    assert not page.exception
    assert {one.label: one.value for one in page.metric} == {
        "Findings": "4",
        "Calls with findings": "2",
        "Blocked": "1",
        "Time per call": "0.21 ms",
    }
    lines = page.dataframe[0].value
    assert lines["What"].tolist() == ["a GitHub token", "the text as a whole"]
    assert lines["Where"].tolist() == ["user text, on the way in"] * 2
    assert lines["Then"].tolist() == ["redacted", "blocked"]


def test_what_holds_is_listed(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """What is built in comes first, then the rules; one that its flag turns off says so."""
    proctor.flags.set(LOCAL_OPERATOR, "guardrail:short", None, False)
    page = open_page("guardrails", tenant=acme.name)
    rules = page.dataframe[1].value
    assert rules["Rule"].tolist() == ["length", "secrets", "short"]
    assert rules["State"].tolist() == ["built in", "built in", "off by flag"]


def test_a_service_that_does_not_judge_is_named_while_a_rule_asks_it(
    open_page: Open, proctor: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is to be mended; of a rule that was changed or is off nothing is said."""

    def fetch(*_: object, **__: object) -> Fetched:
        return Fetched(404, {}, b"")

    monkeypatch.setattr(Outgoing, "fetch", fetch)
    asked = proctor.guardrails.outside
    assert asked is not None
    rule = proctor.guardrails.draft("ours", "webhook", "note", settings={"url": "https://guard.invalid/"})
    proctor.guardrails.set(LOCAL_OPERATOR, "ours", None, "webhook", "note", settings={"url": "https://guard.invalid/"})
    search = guardrail_of(rule).search
    assert isinstance(search, OutsideTerms)
    asked.verdicts({search: ["a"]}, Stage.INPUT)
    said = open_page("guardrails").warning
    assert "There is nothing at its address (it answered 404). Look at the url of the rule" in said[0].value.replace(
        "\\", ""
    )
    assert [one.value.startswith("ours asks a service that did not judge when it was asked last.") for one in said] == [
        True
    ]
    proctor.guardrails.set(LOCAL_OPERATOR, "ours", None, "webhook", "note", settings={"url": "https://other.invalid/"})
    assert not open_page("guardrails").warning


def test_where_nothing_was_caught_it_says_so(open_page: Open, proctor: Runtime) -> None:
    """A page without findings tells that, and what holds all the same."""
    proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    page = open_page("guardrails")
    assert not page.exception
    assert "Nothing was caught" in [one.value for one in page.header]
    assert page.dataframe[0].value["Rule"].tolist() == ["length", "secrets"]


def test_a_text_is_tried(open_page: Open, acme: Tenant) -> None:
    """What would go on is shown, and by which rule what was taken out of it."""
    page = open_page("guardrails", tenant=acme.name)
    page.text_area(key="try_text").set_value(f"Use <b>{SECRET}</b> now.")
    next(one for one in page.button if one.label == "Try").click()
    page.run()
    assert not page.exception
    assert "Use <b>[redacted: a GitHub token]</b> now." in [one.value for one in page.code]
    assert any("**secrets** a GitHub token" in one.value for one in page.markdown)


def _editing(tenant_name: str, rule: str) -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.guardrails import edit
    from pages.kit.page import open_page

    visit = open_page("Test", "A dialog.", needs=Permission.GUARDRAILS_READ)
    tenant = visit.runtime.tenants.find(visit.principal, tenant_name)
    if "seen" not in st.session_state:
        found = visit.runtime.guardrails.find(visit.principal, rule, tenant) if rule else None
        st.session_state["seen"] = found
    edit.edit(visit, st.session_state["seen"], tenant)


def _dialog(tenant: Tenant, rule: str = "") -> AppTest:
    page = AppTest.from_function(_editing, args=(tenant.name, rule), default_timeout=60).run()
    assert not page.exception
    return page


def test_a_rule_is_tried_and_set(proctor: Runtime, acme: Tenant) -> None:
    """A new rule is tried on calls that are kept, then saved for the tenant that is looked at."""
    call = builders.generation(proctor.clock.now(), acme.id)
    kept = builders.payload(call, 0, [{"role": "user", "content": "Hello."}], None, call.started_at + timedelta(days=1))
    builders.save(proctor.store, call)
    builders.save(proctor.store, kept)
    dialog = _dialog(acme)
    assert dialog.button(key="confirm_rule").disabled
    dialog.text_input(key="rule_name").set_value("longer")
    dialog.selectbox(key="check_new").set_value("length").run()
    dialog.text_area(key="settings_new_length").set_value('{"most_characters": 2}').run()
    dialog.button(key="try_new").click().run()
    assert not dialog.exception
    assert any("noted something in 1 of 1 call" in one.value for one in dialog.info)
    dialog.button(key="confirm_rule").click().run()
    rule = proctor.guardrails.find(LOCAL_OPERATOR, "longer", acme)
    assert (rule.check_name, rule.action, rule.is_on, rule.settings) == ("length", "note", True, {"most_characters": 2})


def _latest(dialog: AppTest) -> Any:
    return next(one for one in dialog.toggle if one.label == "Only the latest turn")


def test_a_rule_may_be_told_to_read_only_the_latest_turn(proctor: Runtime, acme: Tenant) -> None:
    """The switch saves it as a setting, and stands so when the rule is opened again."""
    dialog = _dialog(acme, "short")
    _latest(dialog).set_value(True).run()
    dialog.button(key="confirm_rule").click().run()
    assert proctor.guardrails.find(LOCAL_OPERATOR, "short", acme).settings == {
        "most_characters": 100,
        "turns": "latest",
    }
    assert _latest(_dialog(acme, "short")).value


def test_settings_that_mean_nothing_are_told_while_they_are_typed(acme: Tenant) -> None:
    """What the check does not know cannot be saved, and one sentence says why."""
    dialog = _dialog(acme, "short")
    [settings] = [one for one in dialog.text_area if one.label == "Settings"]
    settings.set_value('{"most": 4}').run()
    assert not dialog.exception
    assert any("has no setting 'most'" in one.value for one in dialog.error)


def test_an_edit_that_crosses_another_is_told(proctor: Runtime, acme: Tenant) -> None:
    """Whoever saves second sees what the first has made; it is not overwritten."""
    dialog = _dialog(acme, "short")
    proctor.guardrails.set(LOCAL_OPERATOR, "short", acme, "length", "note", settings={"most_characters": 7})
    dialog.button(key="confirm_rule").click().run()
    assert not dialog.exception
    assert "meanwhile" in dialog.warning[-1].value
    assert proctor.guardrails.find(LOCAL_OPERATOR, "short", acme).action == "note"


def test_a_rule_can_be_removed(proctor: Runtime, acme: Tenant) -> None:
    """The dialog of a rule holds what it says, and the way to remove it."""
    dialog = _dialog(acme, "short")
    [settings] = [one for one in dialog.text_area if one.label == "Settings"]
    assert '"most_characters": 100' in settings.value
    dialog.button(key="confirm_remove").click().run()
    assert not dialog.exception
    assert proctor.guardrails.list(LOCAL_OPERATOR) == []

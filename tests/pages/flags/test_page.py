"""Flags: the matrix tells value and reason, and no switch turns without its consequence being named."""

from __future__ import annotations

from typing import Any

import pytest
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from sqlmodel import select
from streamlit.testing.v1 import AppTest

from core.flags import Flag, OtherProvider
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import AuditEntry, Tenant
from tests.pages.conftest import Open


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant with a rule of its own, where there is also a rule for all."""
    acme = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    proctor.tenants.create(LOCAL_OPERATOR, "Globex")
    proctor.flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, False)
    proctor.flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, True)
    return acme


def test_the_matrix_tells_value_and_reason(open_page: Open, acme: Tenant) -> None:
    """Each cell says on or off in a word, and which rule decided."""
    del acme
    matrix = open_page("flags").dataframe[0].value

    assert list(matrix["Tenant"]) == ["All tenants", "Acme", "Globex"]
    assert list(matrix.columns) == ["Tenant", *(flag.meaning.title for flag in Flag)]
    assert list(matrix["Streaming"]) == ["Off · rule for all", "On · own rule", "Off · rule for all"]
    assert set(matrix["Fallback"]) == {"On · default"}


def test_the_matrix_tells_shares_and_whatever_has_a_rule(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """A share is told by how many calls it is on for; a model, route, schema or tool is there once it has a rule."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.FALLBACK, None, False, percent=30)
    proctor.flags.set(LOCAL_OPERATOR, "model:openai/gpt-4o", acme, False)

    matrix = open_page("flags").dataframe[0].value

    assert set(matrix["Fallback"]) == {"70 % · share"}
    assert list(matrix["Model openai/gpt-4o"]) == ["On · default", "Off · own rule", "On · default"]


def test_a_click_on_a_cell_opens_its_dialog(open_page: Open, acme: Tenant) -> None:
    """Of the flag and the tenant that it stands for; it asks to turn what is on off."""
    page = open_page("flags")
    page.session_state["flags_picked"] = (Flag.PAYLOADS.value, acme.id)
    page.run()

    assert not page.exception
    assert "**Keeping payloads** turns **off** for Acme" in " ".join(text.value for text in page.markdown)


def test_where_another_provider_decides_the_page_only_tells(
    open_page: Open, proctor: Runtime, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who decides, what it says and why, for whoever is chosen; nothing can be turned, and no rule of ours is shown."""
    said = {"streaming.enabled": InMemoryFlag("off", {"off": False}), "payloads.kept": InMemoryFlag("a", {"a": "text"})}
    other = OtherProvider(InMemoryProvider(said), proctor.clock, proctor.metrics, 5.0)
    monkeypatch.setattr(proctor.flags, "other", other)

    page = open_page("flags", tenant=acme.name)

    assert not page.exception
    assert "In-Memory Provider decides flags" in page.info[0].value.replace("\\", "")
    told = page.table[0].value
    assert list(told["It is"]) == ["On", "Off", "On", "On", "On"]
    assert list(told["Reason"]) == ["DEFAULT", "STATIC", "DEFAULT", "DEFAULT", "ERROR"]
    assert not [one.label for one in page.button if one.label.startswith(("Turn", "Remove"))]
    assert not page.dataframe


def test_rules_that_can_go_are_listed(open_page: Open, proctor: Runtime) -> None:
    """Each with why; nothing is said where there are none."""
    assert "Rules that can probably go" not in str(open_page("flags"))
    proctor.flags.set(LOCAL_OPERATOR, "route:gone", None, False)

    told = open_page("flags").table[0].value
    assert [list(row) for row in told.to_numpy()] == [
        ["`route:gone`", "[All tenants](/tenants)", "there is no route gone any more"]
    ]


def test_tenants_with_rules_of_their_own_come_first(open_page: Open, proctor: Runtime) -> None:
    """With many tenants the exceptions are on the first page, and the rest can be turned to."""
    for number in range(30):
        proctor.tenants.create(LOCAL_OPERATOR, f"Tenant {number:02}")
    proctor.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, proctor.tenants.find(LOCAL_OPERATOR, "Tenant 29"), False)

    page = open_page("flags")

    assert not page.exception
    assert list(page.dataframe[0].value["Tenant"])[:3] == ["All tenants", "Tenant 29", "Tenant 00"]
    assert len(page.dataframe[0].value) == 26


def test_the_url_chooses_flag_and_tenant(open_page: Open, acme: Tenant) -> None:
    """A link opens on the switch it means, with what holds there and what can be done."""
    del acme
    page = open_page("flags", flag="Streaming", **{"for": "Acme"})

    told = " ".join(element.value for element in page.markdown)
    assert "own rule" in told
    assert "While it is on, answers may be streamed" in told
    assert [button.label for button in page.button] == ["Turn off…", "Remove this rule…"]


def test_without_tenants_the_flags_can_still_be_set_for_all(open_page: Open) -> None:
    """A new deployment can decide before the first tenant comes."""
    page = open_page("flags")

    assert not page.exception
    assert page.button(key="turn").label == "Turn off…"
    assert "no tenants yet" in " ".join(caption.value for caption in page.caption)


def _turning(flag: str, whose: str, is_on: bool, stands: str | None = None) -> None:  # noqa: FBT001 a script's argument
    from core.flags import Flag
    from core.principals import Permission
    from pages.flags import dialogs
    from pages.kit.page import open_page

    visit = open_page("Test", "A dialog.", needs=Permission.FLAGS_READ)
    tenants, rules = list(visit.runtime.tenants.list(visit.principal)), list(visit.runtime.flags.rules(visit.principal))
    tenant = next((one for one in tenants if one.name == whose), None)
    expected = dialogs.seen(Flag(flag), tenant, rules) if stands is None else stands
    dialogs.turn(visit, Flag(flag), tenant, is_on, dialogs.kept(Flag(flag), tenant, tenants, rules), expected=expected)


def _clearing(flag: str, whose: str) -> None:
    from core.flags import Flag
    from core.principals import Permission
    from pages.flags import dialogs
    from pages.kit.page import open_page

    visit = open_page("Test", "A dialog.", needs=Permission.FLAGS_READ)
    rules = list(visit.runtime.flags.rules(visit.principal))
    tenant = next((one for one in visit.runtime.tenants.list(visit.principal) if one.name == whose), None)
    rule = next((one for one in rules if (one.name, one.tenant_id) == (flag, tenant.id if tenant else "")), None)
    if rule:
        dialogs.clear(
            visit, Flag(flag), tenant, dialogs.beneath(Flag(flag), rule, rules), expected="on" if rule.is_on else "off"
        )


def _dialog(function: Any, *arguments: Any) -> AppTest:
    page = AppTest.from_function(function, args=arguments, default_timeout=60).run()
    assert not page.exception
    return page


def test_turning_off_names_the_consequence_and_whom_it_spares(proctor: Runtime, acme: Tenant) -> None:
    """The dialog says what stops, for whom, and who keeps an own rule; only its button turns."""
    del acme
    dialog = _dialog(_turning, "streaming.enabled", "All tenants", True)
    told = " ".join(element.value for element in (*dialog.markdown, *dialog.info, *dialog.caption))
    assert "every tenant without a rule of its own" in told
    assert "While it is on, answers may be streamed" in told
    assert r"Acme \(on\)" in told
    assert not proctor.flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, None).value

    dialog.button(key="confirm_turn").click().run()

    assert proctor.flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, None).value


def test_a_kill_switch_warns(proctor: Runtime, acme: Tenant) -> None:
    """Turning generation off says that every generation will be refused, and does it for that tenant alone."""
    dialog = _dialog(_turning, "generation.enabled", "Acme", False)
    assert "every generation is refused" in dialog.warning[0].value

    dialog.button(key="confirm_turn").click().run()

    assert not proctor.flags.evaluate(LOCAL_OPERATOR, Flag.GENERATION, acme.id).value
    assert proctor.flags.evaluate(LOCAL_OPERATOR, Flag.GENERATION, None).value


def test_who_saw_another_rule_is_told(proctor: Runtime, acme: Tenant) -> None:
    """A dialog that was opened before somebody else decided changes nothing, and shows both; then his goes on top."""
    dialog = _dialog(_turning, "streaming.enabled", "Acme", False, "")
    dialog.button(key="confirm_turn").click().run()
    assert "The flag was not changed." in [one.proto.title for one in dialog.warning]
    assert proctor.flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, acme.id).value
    assert [list(row)[2:] for row in dialog.table[0].value.to_numpy()] == [["on", "off"]]

    dialog.button(key=f"mine_flag_streaming.enabled_{acme.id}").click().run()
    assert not proctor.flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, acme.id).value


def test_a_share_and_an_end_are_set_in_the_dialog(proctor: Runtime, acme: Tenant) -> None:
    """For so many calls; what it is about, of the last day's calls, is told beside."""
    dialog = _dialog(_turning, "generation.enabled", "Acme", False)
    assert "It would have concerned 0 of the 0 calls of the last 24 hours." in [one.value for one in dialog.caption]
    dialog.number_input(key="flag_percent").set_value(25).run()
    dialog.button(key="confirm_turn").click().run()

    [rule] = [one for one in proctor.flags.rules(LOCAL_OPERATOR) if one.name == Flag.GENERATION]
    assert (rule.tenant_id, rule.is_on, rule.percent) == (acme.id, False, 25)


def test_the_reason_stands_in_the_trail(proctor: Runtime, acme: Tenant) -> None:
    """In the words of whoever decided."""
    dialog = _dialog(_turning, "generation.enabled", "Acme", False)
    dialog.text_input(key="flag_reason").set_value("They have not paid.").run()
    dialog.button(key="confirm_turn").click().run()
    with proctor.store.reading() as session:
        reasons = [one.reason for one in session.exec(select(AuditEntry).where(AuditEntry.tenant_id == acme.id))]
    assert "They have not paid." in reasons


def test_removing_a_rule_says_what_decides_instead(proctor: Runtime, acme: Tenant) -> None:
    """The dialog tells the value that will hold and the rule beneath; then it holds."""
    dialog = _dialog(_clearing, "streaming.enabled", "Acme")
    assert "will be **off**: the rule for all tenants decides" in " ".join(text.value for text in dialog.markdown)

    dialog.button(key="confirm_clear").click().run()

    assert proctor.flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, acme.id).rule == "the rule for all tenants"

"""The budgets of one tenant: each stands as the ledger has it, and every change says first what it would have done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import NotFound
from core.pricing import NANO
from core.reports import ChangeFilter
from core.runtime import Runtime
from core.tables import Tenant
from core.tenants import LOCAL_OPERATOR
from tests import builders
from tests.statements import Statements, counted

OpenPage = Callable[..., AppTest]


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """Return a tenant with a budget of $25 a month and two calls of today."""
    tenant = proctor.tenants.create(LOCAL_OPERATOR, "Acme", "Asia/Kathmandu")
    for minutes in (2, 1):
        call = builders.generation(
            proctor.clock.now() - timedelta(minutes=minutes), tenant.id, cost_nano_usd=NANO, route="triage"
        )
        builders.save(proctor.store, call, builders.attempt(call, cost_nano_usd=NANO))
    proctor.budgets.set(LOCAL_OPERATOR, tenant, 25 * NANO)
    return tenant


def _dialog(name: str) -> AppTest:
    page = AppTest.from_function(_asking, args=(name,), default_timeout=60).run()
    assert not page.exception
    return page


def _asking(name: str) -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.tenants import budget_dialogs

    visit = open_page("Test", "A dialog.", needs=Permission.TENANTS_READ)
    tenant = visit.runtime.tenants.find(visit.principal, "Acme")
    if "seen" not in st.session_state:  # what the page had read when the dialog was opened
        st.session_state["seen"] = visit.runtime.budgets.all(visit.principal, [tenant]).get(tenant.id, [])
    seen = st.session_state["seen"]
    getattr(budget_dialogs, name)(visit, tenant, seen if name == "create" else seen[0])


def test_a_budget_stands_with_what_it_paid(open_page: OpenPage, proctor: Runtime, acme: Tenant) -> None:
    """The card has what is spent of how much, for how long, and what can be done; raises are listed."""
    budget = proctor.budgets.show(LOCAL_OPERATOR, acme)
    until = proctor.clock.now() + timedelta(days=3)
    proctor.budgets.raise_limit(LOCAL_OPERATOR, acme, budget.budget_id, 10 * NANO, ends_at=until, reason="a campaign")

    page = open_page("tenants", tenant="Acme")

    said = " ".join(str(one.value) for one in (*page.markdown, *page.caption))
    assert "a campaign" in said
    assert "Asia/Kathmandu" in said
    assert {f"edit_{budget.budget_id}", f"raise_{budget.budget_id}"} <= {str(button.key) for button in page.button}


@pytest.mark.parametrize(("limit", "overages"), [(2 * NANO, 0), (NANO // 2, 1)])
def test_what_was_spent_above_the_limit_is_the_overage(
    open_page: OpenPage, proctor: Runtime, acme: Tenant, limit: int, overages: int
) -> None:
    """Two dollars are spent: a limit of two has no overage, one of half a dollar has the rest as such."""
    proctor.budgets.set(LOCAL_OPERATOR, acme, limit)

    said = " ".join(str(one.value) for one in open_page("tenants", tenant="Acme").caption)

    assert said.count("overage") == overages
    assert said.count(r"\$1\.50 overage · \$0\.00 reserved for calls in flight") == overages


def test_an_edit_says_what_it_would_have_done(proctor: Runtime, acme: Tenant) -> None:
    """Before saving stands what the limit would have blocked in the last 30 days; then it is saved as it was typed."""
    dialog = _dialog("edit")
    dialog.number_input(key="budget_usd").set_value(1.5).run()
    assert "would have blocked **1** of 2 calls" in dialog.warning[0].value
    assert "is spent already" in dialog.warning[1].value
    dialog.selectbox(key="budget_period").set_value("week")
    dialog.selectbox(key="budget_mode").set_value("degrade")
    dialog.multiselect(key="budget_thresholds").set_value([50, 90])
    dialog.button(key="confirm_budget").click().run()

    state = proctor.budgets.show(LOCAL_OPERATOR, acme)
    assert (state.terms.period, state.terms.mode, state.terms.thresholds) == ("week", "degrade", (50, 90))
    assert (state.limit_nano_usd, state.spent_nano_usd) == (1_500_000_000, 2 * NANO)


@pytest.fixture
def statements() -> Iterator[Statements]:
    """What is sent to any database from now on."""
    with counted() as found:
        yield found


def asked(statements: Statements, *tables: str) -> int:
    """Return how many statements asked one of these tables since that was last counted."""
    about = re.compile(rf"\b(?:FROM|JOIN) (?:{'|'.join(tables)})\b")
    found = len([one for one in statements.sent if about.search(one)])
    statements.clear()
    return found


def test_what_was_spent_is_read_once_while_the_dialog_is_open(
    statements: Statements, proctor: Runtime, acme: Tenant
) -> None:
    """Whatever limit and period are tried, the database is asked once; only a span that begins earlier asks again."""
    statements.clear()
    dialog = _dialog("edit")
    assert asked(statements, "generation") == 1
    for limit in (0.5, 1.5, 7.0):
        dialog.number_input(key="budget_usd").set_value(limit).run()
    for period in ("day", "week", "span"):
        dialog.selectbox(key="budget_period").set_value(period).run()
    today = proctor.clock.now().date()
    dialog.date_input(key="budget_span").set_value((today - timedelta(days=9), today)).run()
    assert "would have blocked none of 2 calls" in dialog.info[0].value
    assert asked(statements, "generation") == 0
    for days in (200, 90):
        dialog.date_input(key="budget_span").set_value((today - timedelta(days=days), today)).run()
    assert asked(statements, "generation") == 1


@pytest.mark.parametrize(
    ("scope", "named"), [("model", "openai/gpt-4o-mini"), ("schema", "invoice"), ("route", "triage")]
)
def test_what_can_be_named_is_read_once_while_the_dialog_is_open(
    scope: str, named: str, statements: Statements, proctor: Runtime, acme: Tenant
) -> None:
    """A budget for a model, a schema or a route asks once for the names and once for what the named one cost."""
    del acme
    proctor.schemas.add(LOCAL_OPERATOR, "invoice", {"type": "object", "properties": {"a": {"type": "string"}}})
    proctor.routes.set(LOCAL_OPERATOR, "triage", [{"model": "openai/gpt-4o-mini"}])
    statements.clear()
    dialog = _dialog("create")
    dialog.selectbox(key="budget_scope").set_value(scope).run()
    assert asked(statements, "route", "schema", "schema_version") >= 1
    dialog.selectbox(key=f"budget_{scope}").set_value(named).run()
    assert asked(statements, "generation") == 1
    for limit in (0.5, 1.5, 7.0):
        dialog.number_input(key="budget_usd").set_value(limit).run()
    dialog.selectbox(key="budget_period").set_value("day").run()
    assert asked(statements, "generation", "route", "schema", "schema_version", "schema_label") == 0


def test_a_budget_can_last_from_one_day_to_another(proctor: Runtime, acme: Tenant) -> None:
    """A fixed span needs both of its days, which are the tenant's; it ends with the last of them."""
    dialog = _dialog("edit")
    dialog.selectbox(key="budget_period").set_value("span").run()
    dialog.button(key="confirm_budget").click().run()
    assert "names its start and its end" in "".join(one.value for one in (*dialog.error, *dialog.warning))
    first = proctor.clock.now().date() - timedelta(days=1)
    dialog.date_input(key="budget_span").set_value((first, first + timedelta(days=9))).run()
    dialog.button(key="confirm_budget").click().run()

    state = proctor.budgets.show(LOCAL_OPERATOR, acme)
    assert (state.terms.period, state.ends_at - state.starts_at) == ("span", timedelta(days=10))
    assert f"{state.starts_at.astimezone(ZoneInfo('Asia/Kathmandu')):%Y-%m-%d %H:%M}" == f"{first:%Y-%m-%d} 00:00"


def test_a_budget_for_one_route_begins_with_what_it_cost(proctor: Runtime, acme: Tenant) -> None:
    """A new budget names what it covers, and what that has cost in the period counts from the start."""
    dialog = _dialog("create")
    dialog.selectbox(key="budget_scope").set_value("route").run()
    assert dialog.button(key="confirm_new_budget").disabled
    dialog.selectbox(key="budget_route").set_value("default").run()
    dialog.button(key="confirm_new_budget").click().run()

    state = proctor.budgets.show(LOCAL_OPERATOR, acme, "route", "default")
    assert (state.limit_nano_usd, state.spent_nano_usd) == (25 * NANO, 0)
    proctor.budgets.set(LOCAL_OPERATOR, acme, NANO, scope="route", scope_name="triage")
    assert proctor.budgets.show(LOCAL_OPERATOR, acme, "route", "triage").spent_nano_usd == 2 * NANO


def test_a_raise_needs_a_reason_and_ends_by_itself(proctor: Runtime, acme: Tenant) -> None:
    """Without a reason nothing is raised; with one the limit is higher until the end of the day that was chosen."""
    dialog = _dialog("raise_limit")
    dialog.button(key="confirm_raise").click().run()
    assert "Say why" in dialog.error[0].value + "".join(one.value for one in dialog.warning)
    dialog.text_input(key="raise_reason").set_value("a campaign")
    dialog.button(key="confirm_raise").click().run()

    state = proctor.budgets.show(LOCAL_OPERATOR, acme)
    assert state.limit_nano_usd == 35 * NANO
    [more] = state.terms.raises
    assert timedelta(days=1) <= more.ends_at - proctor.clock.now() <= timedelta(days=2)


def test_a_budget_is_removed_once_it_was_confirmed(proctor: Runtime, acme: Tenant) -> None:
    """The dialog says what follows, and then the budget governs no longer."""
    dialog = _dialog("remove")
    assert "governs no longer" in dialog.markdown[-1].value
    dialog.button(key="confirm_remove").click().run()

    with pytest.raises(NotFound):
        proctor.budgets.show(LOCAL_OPERATOR, acme)


def test_a_budget_for_a_key_is_called_by_its_label(proctor: Runtime, acme: Tenant) -> None:
    """Keys are chosen by what people call them and never typed; every sentence about the budget calls them so too."""
    new = proctor.tenants.create_key(LOCAL_OPERATOR, acme, "nightly")
    dialog = _dialog("create")
    dialog.selectbox(key="budget_scope").set_value("key").run()
    assert dialog.selectbox(key="budget_key").options == [f"{new.prefix}… (nightly)"]
    dialog.selectbox(key="budget_key").set_value(new.id).run()
    dialog.button(key="confirm_new_budget").click().run()

    budget = proctor.budgets.show(LOCAL_OPERATOR, acme, "key", new.id)
    assert budget.terms.name == f"this month's budget of Acme for the key {new.prefix}… (nightly)"
    now = proctor.clock.now()
    wanted = ChangeFilter(starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=1), kind="budget")
    assert (
        proctor.reports.changes(LOCAL_OPERATOR, wanted).changes[0].summary
        == f"The monthly budget for the key {new.prefix}… (nightly) of Acme was set to $25.00."
    )


def test_of_two_who_edit_a_budget_the_second_sees_both(proctor: Runtime, acme: Tenant) -> None:
    """What it was, what it is by now and what his would make of it; both ways on are his, and nothing is lost."""
    ann = replace(LOCAL_OPERATOR, name="ann")
    first, second = _dialog("edit"), _dialog("edit")
    proctor.budgets.set(ann, acme, 200 * NANO, reason="a campaign")
    for dialog in (first, second):
        dialog.multiselect(key="budget_thresholds").set_value([90])
        dialog.text_input(key="budget_reason").set_value("told too early")
        dialog.button(key="confirm_budget").click().run()
        assert not dialog.exception
        assert "Ann changed the monthly budget of Acme meanwhile" in dialog.warning[-1].value
        assert "(a campaign)" in dialog.warning[-1].value.replace("\\", "")
        both = dialog.table[-1].value
        assert both.to_numpy().tolist() == [
            ["Limit", "\\$25\\.00", "\\$200\\.00", "\\$200\\.00"],
            ["Thresholds", "80 %, 95 %", "80 %, 95 %", "90 %"],
        ]
    first.button(key=f"theirs_budget_{acme.id}_tenant_").click().run()
    assert proctor.budgets.show(LOCAL_OPERATOR, acme).terms.thresholds == (80, 95)
    second.button(key=f"mine_budget_{acme.id}_tenant_").click().run()
    terms = proctor.budgets.show(LOCAL_OPERATOR, acme).terms
    assert (terms.limit_nano_usd, terms.thresholds) == (200 * NANO, (90,))
    wanted = ChangeFilter(starts_at=proctor.clock.now() - timedelta(days=1), ends_at=proctor.clock.now() + timedelta(1))
    assert next(iter(proctor.reports.every_change(LOCAL_OPERATOR, wanted))).reason == "told too early"

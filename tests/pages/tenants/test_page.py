"""Tenants: budgets that are checked again and never overwritten, settings that say what follows."""

from __future__ import annotations

import math
import zlib
from contextlib import closing
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.pricing import NANO
from core.principals import LOCAL_OPERATOR, Principal
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from pages.kit import formats, zones
from pages.kit import page as kit
from pages.kit.markup import plain
from pages.tenants.budget_table import checked, listed, status
from tests import builders
from tests.pages.conftest import Open
from tests.statements import counted


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant with a budget of $25."""
    tenant = proctor.tenants.create(LOCAL_OPERATOR, "Acme", "Asia/Kathmandu")
    proctor.budgets.set(LOCAL_OPERATOR, tenant, 25 * NANO)
    return tenant


def _type(page: AppTest, proctor: Runtime, amounts: dict[int, Any]) -> AppTest:
    """Type amounts into the table of budgets, by row, as no browser would let you."""
    members = zlib.crc32("".join(tenant.id for tenant in proctor.tenants.list(LOCAL_OPERATOR)).encode())
    page.session_state[f"budgets_0_{members}"] = {
        "edited_rows": {row: {"budget": amount} for row, amount in amounts.items()},
        "added_rows": [],
        "deleted_rows": [],
    }
    return page.run()


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_tenants_the_page_says_what_to_do(open_page: Open) -> None:
    """An empty deployment offers the one useful act."""
    page = open_page("tenants")

    assert not page.exception
    assert "No tenants yet" in [header.value for header in page.header]
    assert [button.label for button in page.button] == ["New tenant"]


def test_nothing_typed_is_nothing_to_review(open_page: Open, acme: Tenant) -> None:
    """A table as it was read offers neither review nor discard."""
    del acme
    page = open_page("tenants")

    assert not page.exception
    assert page.button(key="review").disabled
    assert page.button(key="discard").disabled


def test_a_typed_budget_can_be_reviewed_or_discarded(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Typing saves nothing; discarding puts the table back."""
    page = _type(open_page("tenants"), proctor, {0: 30.0})
    assert (page.button(key="review").label, page.button(key="review").disabled) == ("Review 1 change", False)

    page.button(key="discard").click().run()

    assert page.button(key="review").disabled
    assert proctor.budgets.show(LOCAL_OPERATOR, acme).limit_nano_usd == 25 * NANO


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (-5.0, "Acme: a budget lies between $0 and $1,000,000."),
        (1e12, "Acme: a budget lies between $0 and $1,000,000."),
        (None, "Acme needs an amount. To take its budget away, choose it below and press Remove."),
    ],
)
def test_what_the_browser_would_not_stop_is_stopped(
    open_page: Open, proctor: Runtime, acme: Tenant, typed: float | None, sentence: str
) -> None:
    """The limits of the table are cosmetic: each amount is checked again, and the sentence names tenant and rule."""
    del acme
    page = _type(open_page("tenants"), proctor, {0: typed})

    assert [error.value for error in page.error] == [plain(sentence)]
    assert page.button(key="review").disabled


def test_what_was_typed_for_one_tenant_never_moves_to_another(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Edits are kept by place; a tenant that appears meanwhile would shift them, so they are dropped instead."""
    del acme
    page = _type(open_page("tenants"), proctor, {0: 30.0})
    proctor.tenants.create(LOCAL_OPERATOR, "Aardvark")

    page.run()

    assert page.button(key="review").disabled


def test_the_list_tells_each_budget_from_its_account(proctor: Runtime, acme: Tenant) -> None:
    """Amounts are the ledger's, a missing budget is a gap and not a zero, and the reset is in the tenant's time."""
    globex = proctor.tenants.create(LOCAL_OPERATOR, "Globex")

    table = listed([acme, globex], proctor.budgets.states(LOCAL_OPERATOR, [acme, globex]), zones.told)

    first, second = table.to_dict("records")
    assert (first["budget"], first["spent"], first["resets"]) == (25.0, "$0.00", "Apr 01, 00:00 Asia/Kathmandu")
    assert (math.isnan(second["budget"]), second["spent"], second["status"]) == (True, formats.UNKNOWN, ["No budget"])


class _State:
    def __init__(self, share: float | None) -> None:
        self.used_share = share
        self.threshold = 80 if share is not None and share >= 0.8 else None


@pytest.mark.parametrize(
    ("share", "word"),
    [
        (0, "On track"),
        (0.799, "On track"),
        (0.8, "Near its limit"),
        (0.999, "Near its limit"),
        (1.0, "Spent"),
        (1.4, "Spent"),
        (None, "Spent"),
    ],
)
def test_a_status_says_how_near_the_end_is(share: float | None, word: str) -> None:
    """Past its first threshold a budget is near its end, all of it is spent, and so is a budget of nothing."""
    assert status(_State(share)) == word


def test_only_what_changed_is_a_change() -> None:
    """Gaps that stay gaps and amounts that stay are no changes; cents are what is kept of an amount."""
    before = pd.DataFrame({"tenant": ["a", "b", "c", "d"], "budget": [1.0, math.nan, 2.0, math.nan]})
    after = pd.DataFrame({"tenant": ["a", "b", "c", "d"], "budget": [1.0, math.nan, 2.505001, 7.0]})

    assert checked(before, after) == ({"c": 2.51, "d": 7.0}, [])


# ── What is asked before anything changes ─────────────────────────────────────────────────────────────────────────────


def _confirming(changes: dict[str, float]) -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.tenants import budget_review

    visit = open_page("Test", "A dialog.", needs=Permission.TENANTS_READ)
    tenants = {tenant.name: tenant for tenant in visit.runtime.tenants.list(visit.principal)}
    import streamlit as st

    if "seen" not in st.session_state:  # what the page had read when the dialog was opened
        st.session_state["seen"] = visit.runtime.budgets.states(visit.principal, list(tenants.values()))
    budget_review.review(visit, changes, tenants, st.session_state["seen"])


def _dialog(function: Any, *arguments: Any) -> AppTest:
    page = AppTest.from_function(function, args=arguments, default_timeout=60).run()
    assert not page.exception
    return page


def test_one_look_says_what_all_the_new_limits_would_have_blocked(sqlite_url: str) -> None:
    """However many budgets were edited, calls are asked for once, those of twenty tenants, and no rerun asks again."""
    with (
        counted() as statements,
        closing(running.build(Settings(database_url=sqlite_url, demo=False, local_model="off"))) as proctor,
    ):
        running.install(proctor)
        try:
            tenants = [proctor.tenants.create(LOCAL_OPERATOR, f"Tenant {number:02}") for number in range(23)]
            calls = [
                builders.generation(proctor.clock.now() - timedelta(minutes=2), one.id, cost_nano_usd=NANO)
                for one in tenants
            ]
            builders.save(proctor.store, calls, [builders.attempt(one, id=f"{one.id}-1") for one in calls])
            statements.clear()
            page = _dialog(_confirming, {one.name: 0.5 for one in tenants})
            page.run()
        finally:
            running.install(None)

    assert len([one for one in statements.sent if "FROM generation" in one]) == 1
    told = list(page.table[0].value["What follows"])
    assert [one.count("would have blocked 1 of the 1 calls") for one in told] == [1] * 20 + [0] * 3
    assert "worked out for the first 20" in " ".join(one.value for one in page.caption)


def test_the_difference_names_what_follows(proctor: Runtime, acme: Tenant) -> None:
    """Before saving, each budget stands as it is, as it would be, and with its consequence."""
    del acme
    proctor.tenants.create(LOCAL_OPERATOR, "Globex")

    rows = _dialog(_confirming, {"Acme": 0.0, "Globex": 5.0}).table[0].value

    assert list(rows.loc["Acme", ["Now", "New"]]) == ["$25.00", "$0.00"]
    assert "every generation will be refused" in rows.loc["Acme", "What follows"]
    assert list(rows.loc["Globex", ["Now", "New"]]) == ["no limit", "$5.00"]
    assert rows.loc["Globex", "What follows"].startswith("From now on its spending has a limit. It would have blocked")


def test_confirmed_budgets_are_saved_in_whole_nano_dollars(proctor: Runtime, acme: Tenant) -> None:
    """What was typed as dollars arrives exactly."""
    globex = proctor.tenants.create(LOCAL_OPERATOR, "Globex")

    _dialog(_confirming, {"Acme": 30.1, "Globex": 0.07}).button(key="confirm_budgets").click().run()

    assert proctor.budgets.show(LOCAL_OPERATOR, acme).limit_nano_usd == 30_100_000_000
    assert proctor.budgets.show(LOCAL_OPERATOR, globex).limit_nano_usd == 70_000_000


def test_a_budget_that_somebody_else_changed_is_not_overwritten(proctor: Runtime, acme: Tenant) -> None:
    """Whoever saves second is told, and the first one's budget stays."""
    dialog = _dialog(_confirming, {"Acme": 30.0})
    proctor.budgets.set(LOCAL_OPERATOR, acme, 99 * NANO)

    dialog.button(key="confirm_budgets").click().run()

    assert "Local operator changed the monthly budget of Acme meanwhile" in dialog.warning[0].value
    assert proctor.budgets.show(LOCAL_OPERATOR, acme).limit_nano_usd == 99 * NANO
    dialog.button(key=f"mine_budget_{acme.id}_tenant_").click().run()
    assert proctor.budgets.show(LOCAL_OPERATOR, acme).limit_nano_usd == 30 * NANO


def _creating() -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.tenants import settings

    settings.create(open_page("Test", "A dialog.", needs=Permission.TENANTS_READ))


def test_a_tenant_is_created_with_its_budget(proctor: Runtime) -> None:
    """One dialog makes a tenant that is ready to be given a key."""
    dialog = _dialog(_creating)
    dialog.text_input(key="new_name").set_value("Acme")
    dialog.selectbox(key="new_zone").set_value("Europe/Berlin")
    dialog.number_input(key="new_budget").set_value(12.5)
    dialog.button(key="confirm_tenant").click().run()

    (acme,) = proctor.tenants.list(LOCAL_OPERATOR)
    assert (acme.name, acme.timezone, acme.rate_limit_per_min) == ("Acme", "Europe/Berlin", None)
    assert proctor.budgets.show(LOCAL_OPERATOR, acme).limit_nano_usd == 12_500_000_000


@pytest.mark.parametrize(("name", "says"), [("", "letters, digits"), ("acme", "already a tenant Acme")])
def test_a_tenant_that_cannot_be_is_told_in_the_dialog(proctor: Runtime, acme: Tenant, name: str, says: str) -> None:
    """The dialog stays open with its reason, and nothing was made."""
    del acme
    dialog = _dialog(_creating)
    dialog.text_input(key="new_name").set_value(name)
    dialog.button(key="confirm_tenant").click().run()

    assert says in next(alert.value for alert in (*dialog.error, *dialog.warning))
    assert len(proctor.tenants.list(LOCAL_OPERATOR)) == 1


def _settling() -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.tenants import settings

    visit = open_page("Test", "A dialog.", needs=Permission.TENANTS_READ)
    tenant = st.session_state.setdefault("seen", visit.runtime.tenants.list(visit.principal)[0])
    settings.edit(visit, tenant)


def test_settings_are_saved_unless_somebody_else_was_first(proctor: Runtime, acme: Tenant) -> None:
    """The version that was read guards the tenant: the second save is a conflict and changes nothing."""
    first, second = _dialog(_settling), _dialog(_settling)
    first.number_input(key=f"limit_{acme.id}").set_value(7)
    first.button(key="confirm_settings").click().run()
    second.number_input(key=f"days_{acme.id}").set_value(0)
    second.button(key="confirm_settings").click().run()

    now = proctor.tenants.find(LOCAL_OPERATOR, "Acme")
    assert (now.rate_limit_per_min, now.payload_retention_days) == (7, 30)
    assert "Local operator changed tenant Acme meanwhile" in second.warning[0].value
    second.button(key=f"mine_tenant_{acme.id}").click().run()
    now = proctor.tenants.find(LOCAL_OPERATOR, "Acme")
    assert (now.rate_limit_per_min, now.payload_retention_days) == (7, 0)  # both of what either has touched


def test_limits_of_a_tenant_are_seen_and_edited(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """The settings hold all three; the page says what is used of those that are set."""
    dialog = _dialog(_settling)
    dialog.number_input(key=f"tokens_per_min_{acme.id}").set_value(90_000)
    dialog.number_input(key=f"concurrent_limit_{acme.id}").set_value(4)
    dialog.button(key="confirm_settings").click().run()
    now = proctor.tenants.find(LOCAL_OPERATOR, "Acme")
    assert (now.rate_limit_per_min, now.tokens_per_min, now.concurrent_limit) == (None, 90_000, 4)

    quotas = proctor.policies.snapshot(acme.id).quotas(LOCAL_OPERATOR)
    with proctor.limits.admitted(quotas, 500, 60):
        captions = " ".join(one.value for one in open_page("tenants", tenant="Acme").caption)
    assert "1 of 600 generations in the last minute · 500 of 90,000 tokens · 1 of 4 in flight" in captions


@pytest.mark.parametrize("name", ["tenants", "flags", "routes", "playground"])
def test_who_lacks_the_permission_sees_nothing(
    open_page: Open, acme: Tenant, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The page guards itself: it says which permission is missing, and draws neither names nor buttons."""
    stranger = Principal.of_key("key", acme.id, "prk_key")
    monkeypatch.setattr(kit, "current_principal", lambda: stranger)

    page = open_page(name)

    assert "permission" in page.error[0].value
    assert not page.button


def test_a_tenant_says_how_it_stands(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Its day, its route, its flags, its last errors and changes, each with the way on."""
    failed = builders.generation(proctor.clock.now() - timedelta(hours=1), acme.id, "provider_error")
    builders.save(proctor.store, failed)
    proctor.flags.set(LOCAL_OPERATOR, "streaming.enabled", acme, False)

    page = open_page("tenants", tenant="Acme")

    assert not page.exception
    assert {one.label: one.value for one in page.metric}["Errors"] == "100.00%"
    shown = " ".join(str(cell) for one in page.table for cell in one.value.to_numpy().ravel())
    shown = shown.replace("\\", "")
    assert "[default](/routes?route=default)" in shown
    assert "streaming.enabled is off by the tenant's own rule" in shown
    assert f"/calls?call={failed.id}" in shown
    assert "streaming.enabled was turned off for Acme" in shown

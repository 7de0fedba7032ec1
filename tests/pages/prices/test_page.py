"""Prices: what the page shows of the list and of overrides, and that each deed on it is the core's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.pricing import OverrideKind
from core.principals import LOCAL_OPERATOR, Principal
from core.repricing import RepricingScope
from core.runtime import Runtime
from pages.kit import page as kit
from pages.prices import dialogs
from tests import builders
from tests.pages.conftest import NOW, Open

DAY = timedelta(days=1)
GPT, OWN = ("openai", "gpt-4o-mini"), ("compatible", "own_model")
RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}


def _told(page: AppTest) -> str:
    texts = (*page.header, *page.markdown, *page.caption, *page.warning, *page.info, *page.error)
    return " ".join(element.value for element in texts).replace("\\", "")


def _call(proctor: Runtime, who: tuple[str, str] = OWN, hours: float = 1, **more: Any) -> None:
    made = builders.generation(NOW - timedelta(hours=hours), "acme", provider=who[0], model=who[1])
    attempt = builders.attempt(made, **({"cost_nano_usd": None, "price": None} | more))
    made.cost_nano_usd = attempt.cost_nano_usd
    with proctor.store.writing() as session:
        session.add_all([made, attempt])


@pytest.fixture
def acme(proctor: Runtime) -> None:
    """A tenant of that name and id."""
    with proctor.store.writing() as session:
        session.add(builders.tenant("Acme", NOW))


def test_an_empty_page_says_how_it_stands(open_page: Open) -> None:
    """Without calls, overrides and routes nothing is wrong, and nothing is to be done."""
    page = open_page("prices")

    assert not page.exception
    assert "Unpriced calls" not in _told(page)
    assert "Nobody has said that a model costs anything but its list price." in _told(page)
    assert "History was never repriced" in _told(page)


@pytest.mark.usefixtures("acme")
def test_what_models_cost_today(open_page: Open, proctor: Runtime) -> None:
    """Those called and those with a price of their own, with source and date; another tenant's price is not shown."""
    _call(proctor, GPT, cost_nano_usd=1)
    _call(proctor, hours=2)
    tenant = proctor.tenants.find(LOCAL_OPERATOR, "Acme")
    proctor.prices.set(LOCAL_OPERATOR, "openai", "gpt-4o", rates=RATES, tenant=tenant)
    for choice, rate in (({}, "2.5"), ({"tenant": "Acme"}, "2")):
        page = open_page("prices", **choice)
        frame = page.dataframe[0].value.set_index("model")
        assert frame.loc["openai/gpt-4o-mini", "input"] == "0.15"
        assert frame.loc["openai/gpt-4o-mini", "source"].startswith("genai-prices ")
        assert frame.loc["openai/gpt-4o-mini", "date"] == "2026-03-04"
        assert frame.loc["openai/gpt-4o-mini", "calls"] == 1
        assert frame.loc["openai/gpt-4o", "input"] == rate
        assert frame.loc["compatible/own_model", "source"] == "unpriced"
        assert pd.isna(frame.loc["compatible/own_model", "input"])


def _setting(provider: str | None, name: str, days: int | None) -> None:
    from datetime import timedelta

    from core.tenants import Permission
    from pages.kit.page import open_page
    from pages.prices import dialogs

    visit = open_page("Test", "A dialog.", needs=Permission.PRICES_READ)
    model = (provider, name) if provider else None
    dialogs.set_price(visit, model, visit.now - timedelta(days=days) if days else None)


def _withdrawing() -> None:
    from core.tenants import Permission
    from pages.kit.page import open_page
    from pages.prices import dialogs

    visit = open_page("Test", "A dialog.", needs=Permission.PRICES_READ)
    dialogs.withdraw(visit, visit.runtime.prices.overrides(visit.principal)[0], "all tenants")


def _repricing() -> None:
    from datetime import timedelta

    import streamlit as st

    from core.repricing import RepricingScope
    from core.tenants import Permission
    from pages.kit.page import open_page
    from pages.prices import dialogs

    visit = open_page("Test", "A dialog.", needs=Permission.PRICES_READ)
    scope = RepricingScope(
        provider="compatible", model="own_model", starts_at=visit.now - timedelta(days=9), ends_at=visit.now
    )
    if st.session_state.setdefault("is_new", True):  # the page opens a dialog once, Streamlit keeps it
        st.session_state["is_new"] = False
        dialogs.reprice(visit, scope)
    else:
        dialogs._reprice(visit, scope)  # pyright: ignore[reportPrivateUsage]


def _dialog(function: Any, *arguments: Any) -> AppTest:
    page = AppTest.from_function(function, args=arguments, default_timeout=60).run()
    assert not page.exception
    return page


@pytest.mark.usefixtures("acme")
def test_the_work_list_leads_to_a_price_and_then_to_history(open_page: Open, proctor: Runtime) -> None:
    """What has no price is offered one, in a form that is filled in; what has one by now is offered its history."""
    _call(proctor)
    page = open_page("prices")
    assert "compatible/own_model" in _told(page)
    page.button("price_compatible_own_model").click().run()
    assert (page.selectbox("price_provider").value, page.text_input("price_model").value) == OWN
    assert (str(page.date_input("price_day").value), str(page.time_input("price_time").value)) == (
        "2026-03-04",
        "00:00:00",
    )
    proctor.prices.set(LOCAL_OPERATOR, *OWN, rates=RATES, from_at=NOW - timedelta(days=1))
    page = open_page("prices")
    page.button("anew_compatible_own_model").click().run()
    assert "1 attempt, 1 of them without a price until now, will have cost $0.0015 instead of $0.00" in _told(page)
    proctor.repricings.reprice(
        LOCAL_OPERATOR, RepricingScope(provider=OWN[0], model="*", starts_at=NOW - DAY, ends_at=NOW), "late"
    )
    page = open_page("prices")
    assert "Unpriced calls" not in _told(page)
    assert "1 attempt: $0.00 became $0.0015" in _told(page)
    assert "late" in _told(page)


@pytest.mark.usefixtures("acme")
def test_a_price_for_some_of_them_leaves_work_for_the_others(open_page: Open, proctor: Runtime) -> None:
    """Where one tenant's calls have a price by now and another's have not, both deeds are offered."""
    _call(proctor)
    globex = proctor.tenants.create(LOCAL_OPERATOR, "Globex")
    made = builders.generation(NOW - timedelta(hours=3), globex.id, provider=OWN[0], model=OWN[1])
    with proctor.store.writing() as session:
        session.add_all([made, builders.attempt(made, cost_nano_usd=None, price=None)])
    proctor.prices.set(LOCAL_OPERATOR, *OWN, rates=RATES, from_at=NOW - DAY, tenant=globex)
    offered = {button.key for button in open_page("prices").button}
    assert {"price_compatible_own_model", "anew_compatible_own_model"} <= offered
    proctor.prices.set(LOCAL_OPERATOR, *OWN, rates=RATES, from_at=NOW - DAY)
    offered = {button.key for button in open_page("prices").button}
    assert "price_compatible_own_model" not in offered
    assert "anew_compatible_own_model" in offered


def test_a_price_is_set(proctor: Runtime) -> None:
    """The dialog says what holds and what follows, and sets what was written, from the time on that was chosen."""
    dialog = _dialog(_setting, "compatible", "own_model", 2)
    dialog.text_input("price_input_usd_per_mtok").set_value("2")
    dialog.text_input("price_output_usd_per_mtok").set_value("8").run()
    assert "Without this, compatible/own_model costs then: unpriced." in _told(dialog).replace("**", "")
    assert "Those recorded since keep theirs, until you reprice them" in _told(dialog)
    dialog.text_input("price_reason").set_value("contract 7")
    dialog.button("confirm_price").click().run()
    assert not dialog.exception
    (made,) = proctor.prices.overrides(LOCAL_OPERATOR)
    assert (made.subject, made.sentence) == ("compatible/own_model", "$2 in and $8 out per million tokens")
    assert (made.from_at, made.reason) == (NOW - 2 * DAY, "contract 7")


def test_a_discount_for_one_tenant(proctor: Runtime, acme: None) -> None:
    """The form asks only for what the kind of price needs, and names whom it is for."""
    del acme
    dialog = _dialog(_setting, "openai", "*", None)
    dialog.selectbox("price_for").set_value("Acme")
    dialog.session_state["price_kind"] = OverrideKind.DISCOUNT
    dialog.run()
    assert "Calls of Acme that begin from" in _told(dialog)
    dialog.text_input("price_percent").set_value("12.5").run()
    dialog.button("confirm_price").click().run()
    (made,) = proctor.prices.overrides(LOCAL_OPERATOR)
    assert (made.subject, made.sentence, made.tenant_id) == ("openai/*", "12.5 % less than the list price", "acme")


def test_a_wrong_price_is_refused_with_a_sentence(proctor: Runtime) -> None:
    """The core says what cannot be; the dialog stays open and nothing is saved."""
    dialog = _dialog(_setting, "openai", "gpt-4o-mini", None)
    dialog.text_input("price_input_usd_per_mtok").set_value("-1").run()
    dialog.button("confirm_price").click().run()
    assert "The input rate is an amount of dollars per million tokens" in _told(dialog)
    assert proctor.prices.overrides(LOCAL_OPERATOR) == []


def test_a_price_that_somebody_else_changed_is_a_conflict(proctor: Runtime) -> None:
    """Whoever decides on the sight of a price that holds no more is told, and may decide anew."""
    dialog = _dialog(_setting, "openai", "gpt-4o-mini", None)
    dialog.text_input("price_input_usd_per_mtok").set_value("1")
    dialog.text_input("price_output_usd_per_mtok").set_value("1").run()
    proctor.prices.set(LOCAL_OPERATOR, *GPT, rates=RATES, from_at=NOW - DAY)
    dialog.button("confirm_price").click().run()
    assert "Local operator changed the price of openai/gpt-4o-mini meanwhile" in _told(dialog)
    assert len(proctor.prices.overrides(LOCAL_OPERATOR)) == 1
    dialog.button("mine_price").click().run()
    assert len(proctor.prices.overrides(LOCAL_OPERATOR)) == 2


@pytest.mark.usefixtures("acme")
def test_history_is_repriced_with_a_reason(proctor: Runtime) -> None:
    """The dialog shows the difference by tenant; without a reason its button does nothing."""
    _call(proctor)
    proctor.prices.set(LOCAL_OPERATOR, *OWN, rates=RATES, from_at=NOW - 9 * DAY)
    dialog = _dialog(_repricing)
    assert list(dialog.table[0].value.index) == ["Acme"]
    assert dialog.button("confirm_reprice").disabled
    dialog.text_input("reprice_reason").set_value("the price was late").run()
    dialog.button("confirm_reprice").click().run()
    assert not dialog.exception
    (done,) = proctor.repricings.list(LOCAL_OPERATOR)
    assert (done.attempts, done.after_nano_usd, done.reason) == (1, 1_520_000, "the price was late")


@pytest.mark.usefixtures("acme")
def test_what_changed_since_the_preview_is_not_done(proctor: Runtime) -> None:
    """The dialog does what it showed, or nothing."""
    _call(proctor)
    proctor.prices.set(LOCAL_OPERATOR, *OWN, rates=RATES, from_at=NOW - 9 * DAY)
    dialog = _dialog(_repricing)
    dialog.text_input("reprice_reason").set_value("the price was late").run()
    _call(proctor, hours=2)
    dialog.button("confirm_reprice").click().run()
    assert "no longer what the preview showed" in _told(dialog)
    assert proctor.repricings.list(LOCAL_OPERATOR) == []


def test_overrides_and_the_way_back(open_page: Open, proctor: Runtime) -> None:
    """Those that hold or will can be withdrawn, after the consequence; those past or withdrawn cannot."""
    first = proctor.prices.set(LOCAL_OPERATOR, *GPT, rates=RATES, from_at=NOW - timedelta(days=2), reason="contract 7")
    second = proctor.prices.set(LOCAL_OPERATOR, *GPT, discount_percent="10", from_at=NOW - timedelta(days=1))
    third = proctor.prices.set(LOCAL_OPERATOR, *GPT, back_to_list=True, from_at=NOW + timedelta(days=1))
    page = open_page("prices")
    told = _told(page)
    for sentence in (
        "$2 in and $8 out per million tokens",
        "10 % less than the list price",
        "contract 7",
        "Begins later",
    ):
        assert sentence in told
    assert {button.key for button in page.button if button.label == "Withdraw…"} == {
        f"withdraw_{second.id}",
        f"withdraw_{third.id}",
    }
    page.button(f"withdraw_{second.id}").click().run()
    assert "10 % less than the list price" in _told(page)
    assert "as if it had never been set" in _told(page)
    proctor.prices.withdraw(LOCAL_OPERATOR, second.id)
    page = open_page("prices")
    assert {button.key for button in page.button if button.label == "Withdraw…"} == {
        f"withdraw_{first.id}",
        f"withdraw_{third.id}",
    }


def test_a_price_is_withdrawn(proctor: Runtime) -> None:
    """The dialog's button takes it back."""
    made = proctor.prices.set(LOCAL_OPERATOR, *GPT, rates=RATES)
    dialog = _dialog(_withdrawing)
    dialog.button("confirm_withdraw").click().run()
    (gone,) = proctor.prices.overrides(LOCAL_OPERATOR)
    assert (gone.id, gone.withdrawn_at) == (made.id, NOW)


@pytest.mark.usefixtures("acme")
def test_a_preview_that_changes_nothing_says_so(open_page: Open, proctor: Runtime) -> None:
    """And offers no deed."""
    _call(proctor, GPT, cost_nano_usd=114_000)
    page = open_page("prices")
    page.button("anew").click().run()
    assert "Nothing would change. 1 attempt cost what is recorded." in _told(page)
    assert not [button for button in page.button if button.key == "confirm_reprice"]


def test_who_may_only_look_sees_no_deed(open_page: Open, proctor: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the permission the page is refused."""
    proctor.prices.set(LOCAL_OPERATOR, *GPT, rates=RATES)
    monkeypatch.setattr(kit, "current_principal", lambda: Principal.of_key("key", "acme", "prk_key"))
    page = open_page("prices")
    assert "lacks the permission prices.read" in _told(page)
    assert not page.button


def test_the_editor_s_rows_become_tiers() -> None:
    """Empty rows are left out; what is no number goes to the core as it is, which says so."""
    table = pd.DataFrame(
        [
            {"from_input_tokens": "200,000", "input_usd_per_mtok": "6", "output_usd_per_mtok": "22.5"},
            {"from_input_tokens": None, "input_usd_per_mtok": None, "output_usd_per_mtok": None},
            {"from_input_tokens": "many", "input_usd_per_mtok": "6", "output_usd_per_mtok": None},
        ]
    )
    assert dialogs.tiers(table) == [
        {"from_input_tokens": 200_000, "input_usd_per_mtok": "6", "output_usd_per_mtok": "22.5"},
        {"from_input_tokens": "many", "input_usd_per_mtok": "6"},
    ]


@pytest.mark.usefixtures("acme")
def test_invented_names_are_one_row(open_page: Open, proctor: Runtime) -> None:
    """Hundreds of names that callers made up are counted in one row without a form; what a route names has its own."""
    who = {"provider": "compatible", "cost_nano_usd": None}
    calls = [builders.generation(NOW - DAY, model=f"m-{n:03}", **who) for n in range(300)]
    own = [{"model": one.model, **who, "id": f"{one.id}-1"} for one in calls]
    paid = [builders.attempt(one, **more) for one, more in zip(calls, own, strict=True)]
    builders.save(proctor.store, calls, paid)
    page = open_page("prices")
    assert not page.exception
    assert "other names (280)" in _told(page).replace("\\", "")
    assert "A price for every model of a provider" in _told(page)
    assert len([button for button in page.button if button.label == "Set a price…"]) == 20
    table = page.dataframe[0].value
    assert list(table["model"])[-1] == "other names (280)"
    assert "local/smollm2" in set(table["model"]), "the default route names it"
    assert len(page.selectbox("anew_model").options) == 21

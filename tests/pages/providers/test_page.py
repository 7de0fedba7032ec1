"""Providers: who is set up and who uses it, how it fared, why it is asked or not; a check, and a call to try it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.breakers import BreakerState
from core.capabilities import ModelCard
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.providers import KeyRejected
from core.reports import CallFilter
from core.runtime import Runtime
from core.servers import named_servers
from core.settings import Settings
from core.tables import Outcome
from pages.kit import links
from tests import builders
from tests.pages.conftest import NOW, Open
from tests.wire.server import WireServer

LATELY = CallFilter(starts_at=NOW - timedelta(hours=1), ends_at=NOW + timedelta(hours=1))


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake vendors."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(sqlite_url: str, page_clock: ManualClock, wire: WireServer) -> Iterator[Runtime]:
    """A Proctor with OpenAI, and a server of two keys beside it."""
    given = {"GROQ_EU_API_KEY": "gsk-canary-one gsk-canary-two", "GROQ_EU_MODELS": "llama-3.3-70b-versatile"}
    settings = Settings(
        database_url=sqlite_url,
        demo=False,
        local_model="off",
        openai_api_key=SecretStr("sk-canary-of-the-page"),
        openai_base_url=wire.openai_url,
        model_primary="gpt-4o-mini",
        providers=named_servers("groq-eu", given.get),
    )
    runtime = running.build(settings, page_clock)
    running.install(runtime)
    st.cache_data.clear()
    yield runtime
    running.install(None)
    runtime.close()


def told(page: AppTest) -> str:
    """Return what a page says in sentences, without the signs that keep names from being Markdown."""
    elements = (*page.markdown, *page.caption, *page.info, *page.warning, *page.error, *page.success, *page.header)
    return " ".join(element.value for element in elements).replace("\\", "")


def facts(page: AppTest) -> str:
    """Return the card of facts."""
    return page.table[-1].value.to_string()


def test_each_provider_has_its_line(open_page: Open, proctor: Runtime) -> None:
    """Its state and routes in the list; kind, dialects, address, number of keys and models beside it; no key."""
    page = open_page("providers", provider="groq-eu")

    assert not page.exception
    lines = page.dataframe[0].value.set_index("provider")
    assert list(lines.index) == ["openai", "anthropic", "compatible", "groq-eu", "local"]
    assert [list(cell) for cell in lines["state"]] == [
        ["Set up"],
        ["Not set up"],
        ["Not set up"],
        ["Set up"],
        ["Not set up"],
    ]
    assert lines.loc["openai"]["route"] == "default"
    for fact in ("Groq", "chat, responses", "`https://api.groq.com/openai/v1`", "`llama-3.3-70b-versatile`"):
        assert fact in facts(page)
    assert re.search(r"Keys\s+2", facts(page))
    assert "canary" not in told(page) + facts(page) + lines.to_string()


def test_a_provider_that_is_not_set_up_says_what_would(open_page: Open, proctor: Runtime) -> None:
    """And that a route which names it passes it over."""
    asked = [{"model": "openai/gpt-4o-mini"}, {"model": "anthropic/claude-haiku-4-5"}]
    proctor.routes.set(LOCAL_OPERATOR, "wide", asked)

    said = told(open_page("providers", provider="anthropic"))
    assert "It is not set up: `ANTHROPIC_API_KEY`." in said
    assert f"pass it over: {links.route('wide')}" in said


def test_a_key_that_rests_is_told_by_its_place(open_page: Open, proctor: Runtime) -> None:
    """Which, why, and until when; once all rest, that nobody is asked."""
    ring = proctor.providers["groq-eu"]._wire.keys
    ring.after(ring.take(), KeyRejected("no"))

    page = open_page("providers", provider="groq-eu")
    assert list(page.dataframe[0].value.set_index("provider").loc["groq-eu"]["state"]) == ["Key rests"]
    assert re.search(r"key 1 of 2 was turned away, and rests until Mar 04, 12:1(1:5\d|2:0\d) UTC", told(page))

    ring.after(ring.take(), KeyRejected("no"))
    page = open_page("providers", provider="groq-eu")
    assert list(page.dataframe[0].value.set_index("provider").loc["groq-eu"]["state"]) == ["Not asked"]
    assert "All its keys rest" in told(page)


def test_a_provider_of_many_routes_names_the_first(open_page: Open, proctor: Runtime) -> None:
    """Its line stays a line: the others are counted, and linked below."""
    for number in range(5):
        proctor.routes.set(LOCAL_OPERATOR, f"route-{number}", [{"model": "openai/gpt-4o-mini"}])

    page = open_page("providers")
    line = page.dataframe[0].value.set_index("provider").loc["openai"]
    assert (line["route"], line["others"]) == ("default", 5)
    links = [(one.proto.page, one.proto.query_string) for one in page.get("page_link")]
    assert ("routes", "route=route-4") in links


def test_why_it_is_asked_or_not(open_page: Open, proctor: Runtime, page_clock: ManualClock) -> None:
    """By which routes, after whom; and what keeps calls from it: an operator's word, a model that retires."""
    proctor.routes.set(
        LOCAL_OPERATOR, "cheap", [{"model": "groq-eu/llama-3.3-70b-versatile"}, {"model": "openai/gpt-4o-mini"}]
    )
    said = told(open_page("providers"))
    assert "Nothing keeps calls from it." in said
    assert f"Route {links.route('default')} asks `openai/gpt-4o-mini` first." in said
    assert (
        f"Route {links.route('cheap')} asks `openai/gpt-4o-mini` where `groq-eu/llama-3.3-70b-versatile` cannot answer."
        in said
    )

    proctor.overrides.set(LOCAL_OPERATOR, "openai/gpt-4o-mini", BreakerState.OPEN, "incident 7")
    soon = page_clock.now().date() + timedelta(days=9)
    proctor.cards.learn("openai", {"gpt-4o-mini": ModelCard.told("OpenAI", retires=soon)})
    page = open_page("providers")
    said = told(page)
    assert list(page.dataframe[0].value["state"][0]) == ["Breaker open", "Retiring"]
    assert "`openai/gpt-4o-mini` is not asked:" in said
    assert "incident 7" in said
    assert f"retires on {soon}" in said
    assert "Route default: nobody is left on it, and every call fails." in said
    assert "Route cheap: openai/gpt-4o-mini falls away as a fallback." in said
    assert "Nothing keeps calls from it." not in said
    assert page.dataframe[1].value["retires"][0] == f"{soon} (in 9 days)"


def test_the_figures_of_a_day(open_page: Open, proctor: Runtime) -> None:
    """Calls, failures and percentiles, in the list and beside it; with links to the calls."""
    acme = builders.tenant("Acme", NOW)
    builders.save(proctor.store, acme)
    for n in range(1, 25):
        call = builders.generation(NOW - timedelta(minutes=n), "acme", provider="openai", duration_ms=float(n * 100))
        outcome = Outcome.PROVIDER_ERROR if n > 22 else Outcome.VALID_FIRST_TRY
        builders.save(proctor.store, call, builders.attempt(call, outcome=outcome))

    page = open_page("providers")
    line = page.dataframe[0].value.set_index("provider").loc["openai"]
    assert (line["calls"], round(line["failed"], 1), line["p50"], line["p95"]) == (24, 8.3, 1100, 2100)
    assert [(one.label, one.value) for one in page.metric] == [
        ("Calls", "24"),
        ("Failed", "8.3%"),
        ("p50", "1.10 s"),
        ("p95", "2.10 s"),
    ]
    links = [(one.proto.page, one.proto.query_string) for one in page.get("page_link")]
    assert ("calls", "provider=openai&range=24h") in links
    calls = open_page("calls", provider="openai")
    assert len(calls.dataframe[0].value) == 24
    assert r"provider\:openai" in [one.label for one in calls.button]
    assert "No call passes these filters" in told(open_page("calls", provider="groq-eu"))


def test_a_check_is_made_and_remembered(open_page: Open, proctor: Runtime, wire: WireServer) -> None:
    """What was found, and when; before, that there was none. No call of a model is made for it."""
    page = open_page("providers")
    assert "This process has not checked it yet." in told(page)
    assert "Costs nothing" in told(page)
    page.button(key="check_now").click().run()

    assert not page.exception
    assert re.search(r"It answered in \d+ ms and lists \d+ models?", told(page))
    assert "Mar 04, 12:07:00 UTC, just now, by this process" in told(page)
    assert not wire.ledger.calls()


def test_a_check_that_fails_says_why(open_page: Open, proctor: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the list, among the reasons and beside the button; the page goes on."""

    async def silent(seconds: float) -> None:
        raise KeyRejected("openai does not accept our key.")

    monkeypatch.setattr(proctor.providers["openai"], "models", silent)
    page = open_page("providers")
    page.button(key="check_now").click().run()

    assert list(page.dataframe[0].value["state"][0]) == ["Failed check"]
    assert "The last check failed: openai does not accept our key." in told(page)


def test_a_test_call_is_paid_by_who_is_named(open_page: Open, proctor: Runtime, wire: WireServer) -> None:
    """Tenant and price stand beside the button before; the call is a generation like any, and is linked."""
    assert "there is none to pay for it" in told(open_page("providers"))
    proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    page = open_page("providers")
    assert re.search(r"\*\*Acme\*\* pays: about \$0\.0+\d+, at most \$0\.0\d+", told(page))
    page.button(key="test_call").click().run()

    assert not page.exception
    assert ":green-badge[:material/check_circle: Valid] **openai/gpt-4o-mini**" in told(page)
    [call] = next(proctor.reports.calls_frames(LOCAL_OPERATOR, LATELY)).to_dict("records")
    assert (call["tenant"], call["model"], call["schema"]) == ("Acme", "openai/gpt-4o-mini", "TestCall")
    links = [(one.proto.page, one.proto.query_string) for one in page.get("page_link")]
    assert ("calls", f"call={call['id']}") in links


def test_a_test_call_that_is_refused_says_why(open_page: Open, proctor: Runtime) -> None:
    """A tenant that may not spend is told so beside the button, and the call that was blocked is linked."""
    tenant = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    proctor.budgets.set(LOCAL_OPERATOR, tenant, 1)
    page = open_page("providers")
    page.button(key="test_call").click().run()

    assert "Blocked: budget" in told(page)
    assert [one for one in page.get("page_link") if one.proto.query_string.startswith("call=")]


def test_who_is_named_only_by_a_route_or_by_calls_has_a_line(open_page: Open, proctor: Runtime) -> None:
    """A server that is gone from the settings is shown with how to set it up again."""
    call = builders.generation(NOW - timedelta(minutes=5), "acme", provider="xai-lab", model="grok-4")
    builders.save(proctor.store, builders.tenant("Acme", NOW), call, builders.attempt(call))

    page = open_page("providers", provider="xai-lab")
    assert list(page.dataframe[0].value["provider"])[-1] == "xai-lab"
    assert "list it in `PROVIDERS`" in told(page)
    assert "`XAI_LAB_`" in told(page)

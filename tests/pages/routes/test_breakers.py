"""Breakers on the console: how each stands and why, who set it by hand, and what follows from a word of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.breakers import BreakerState
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from pages.home.troubles import of_breakers
from pages.kit.page import Visit
from tests.pages.conftest import Open

MODEL = "openai/gpt-4o-mini"
WHO = ("openai", "gpt-4o-mini")


@pytest.fixture
def proctor(sqlite_url: str, page_clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor whose default route has one model."""
    settings = Settings(
        database_url=sqlite_url,
        demo=False,
        local_model="off",
        openai_api_key=SecretStr("sk-test"),
        model_primary="gpt-4o-mini",
    )
    runtime = running.build(settings, page_clock)
    running.install(runtime)
    st.cache_data.clear()
    yield runtime
    running.install(None)
    runtime.close()


def _told(page: AppTest) -> str:
    shown = " ".join(element.value for element in (*page.markdown, *page.caption, *page.warning, *page.info))
    return shown.replace("\\", "")


def _fail(proctor: Runtime, calls: int = 5) -> None:
    for _ in range(calls):
        proctor.breakers.note(*WHO, healthy=False)


# ── On Routes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_breaker_has_its_state_in_words_and_its_figures(open_page: Open, proctor: Runtime) -> None:
    """A model that fails, one that is well, and one that never answers a schema: with figures, cause and time."""
    proctor.breakers.note("openai", "gpt-4o", healthy=True)
    _fail(proctor)
    for _ in range(20):
        proctor.breakers.note("openai", "gpt-4.1", "invoice@3", healthy=True, valid=False)

    told = _told(open_page("routes"))

    assert ":red-badge[:material/cancel: Open] **`openai/gpt-4o-mini`**" in told
    assert "5 of 5 calls in the last minute failed; a probe may go out in 30 s." in told
    assert (
        ":green-badge[:material/check_circle: Closed] **`openai/gpt-4o`** :small[0 of 1 calls failed, 0 slow]" in told
    )
    assert "`openai/gpt-4.1` :small[as] `invoice@3`" in told
    assert "20 of 20 answers in the last minute did not satisfy the schema" in told
    assert "What this process saw; with `REDIS_URL` all processes share their breakers." in told


def test_models_in_trouble_stand_first_each_with_its_schemas(open_page: Open, proctor: Runtime) -> None:
    """What needs somebody is at the top; what is quiet follows."""
    proctor.breakers.note("anthropic", "claude", "a@1", healthy=True, valid=True)
    _fail(proctor)
    proctor.overrides.set(LOCAL_OPERATOR, "openai/o3", BreakerState.CLOSED, "a test")

    lines = [element.value for element in open_page("routes").markdown if "-badge[" in element.value]

    names = [MODEL, "openai/o3", "anthropic/claude", "anthropic/claude` :small[as] `a@1"]
    assert [next(place for place, line in enumerate(lines) if name in line) for name in names] == [0, 1, 2, 3]


def test_where_redis_is_down_the_page_says_whose_calls_it_shows(
    sqlite_url: str, page_clock: ManualClock, tmp_path: Any
) -> None:
    """What other processes saw is not known then."""
    settings = Settings(database_url=sqlite_url, demo=False, local_model="off", redis_url=f"unix://{tmp_path}/none")
    runtime = running.build(settings, page_clock)
    running.install(runtime)
    try:
        page = AppTest.from_function(_card, default_timeout=60).run()
        assert "Redis does not answer: this process goes by what it sees itself" in _told(page)
    finally:
        running.install(None)
        runtime.close()


def _card() -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.routes import breakers

    breakers.card(open_page("Test", "A card.", needs=Permission.ROUTES_READ))


# ── By hand ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_hand() -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.routes import breakers

    breakers.by_hand(open_page("Test", "A dialog.", needs=Permission.ROUTES_READ))


def _dialog() -> AppTest:
    page = AppTest.from_function(_by_hand, default_timeout=60).run()
    assert not page.exception
    return page


def test_opening_by_hand_names_the_consequence_and_wants_a_reason(proctor: Runtime) -> None:
    """The only model of a route: every call by it will fail. Without a reason there is nothing to confirm."""
    page = _dialog()
    assert page.selectbox(key="breaker_model").value == MODEL
    assert "Every call by the route default will fail" in _told(page)
    assert page.button(key="confirm_breaker").disabled
    page.text_input(key="breaker_reason").set_value("Incident 123").run()
    page.button(key="confirm_breaker").click().run()

    [override] = proctor.overrides.all(LOCAL_OPERATOR).values()
    assert (override.state, override.reason, override.actor) == (BreakerState.OPEN, "Incident 123", "local operator")
    said = proctor.breakers.refusal(*WHO, "", override)
    assert said
    assert "opened by hand by local operator" in said


def test_a_word_is_taken_back(proctor: Runtime) -> None:
    """Where a word holds, the dialog tells it and offers the way back first."""
    proctor.overrides.set(LOCAL_OPERATOR, MODEL, BreakerState.CLOSED, "It is well, I asked them.")
    page = _dialog()
    assert "Now closed by hand by local operator" in _told(page)
    assert "decide again" in _told(page)
    page.button(key="confirm_breaker").click().run()

    assert proctor.overrides.all(LOCAL_OPERATOR) == {}


def _mistaken() -> None:
    from core.principals import Permission
    from pages.kit import crossings
    from pages.kit.page import open_page
    from pages.routes import breakers

    visit = open_page("Test", "A dialog.", needs=Permission.ROUTES_READ)
    crossings.begun(breakers._edit(visit, "mystery-9", "Open by hand", None, "why not"), title="Not changed.")


def test_a_model_without_a_provider_is_refused(proctor: Runtime) -> None:
    """Any model may be typed; one that names no provider is answered with a sentence, and nothing is changed."""
    page = AppTest.from_function(_mistaken, default_timeout=60).run()

    assert "does not name a provider" in page.error[0].value
    assert proctor.overrides.all(LOCAL_OPERATOR) == {}


def test_who_may_not_write_is_offered_nothing(proctor: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the permission there is no button, and the rest is as it was."""
    monkeypatch.setattr(Visit, "may_over", lambda *_: False)
    page = AppTest.from_function(_card, default_timeout=60).run()

    assert "No model was called by this process yet" in _told(page)
    assert not page.button


# ── On Home ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Looking:
    """As much of a visit as Home's troubles look at."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.principal = LOCAL_OPERATOR


def test_home_names_what_is_not_closed_by_itself(proctor: Runtime) -> None:
    """With headline, cause, and what follows; a word that changes nothing is no trouble."""
    _fail(proctor)
    for _ in range(20):
        proctor.breakers.note("openai", "gpt-4.1", "invoice@3", healthy=True, valid=False)
    for _ in range(5):
        proctor.breakers.note("openai", "o3", healthy=True, seconds=30)
    proctor.overrides.set(LOCAL_OPERATOR, "openai/gpt-4o", BreakerState.CLOSED, "a test")
    proctor.overrides.set(LOCAL_OPERATOR, "anthropic/claude", BreakerState.OPEN, "a test")

    visit: Any = _Looking(proctor)
    troubles = {one.headline: one.sentence.replace("\\", "") for one in of_breakers(visit)}

    assert list(troubles) == [
        "anthropic/claude is open by hand",
        "openai/gpt-4.1 as invoice@3 gives no valid answers",
        f"{MODEL} is failing",
        "openai/o3 is slow",
    ]
    assert troubles["openai/o3 is slow"].startswith(
        "Open since 2026-03-04 12:07 UTC: 5 of 5 calls in the last minute took 20 s or longer; "
        "a probe may go out in 30 s."
    )

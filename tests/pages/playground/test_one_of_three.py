"""Playground: one of three columns fails, each way that one can; it says so, and the others go on."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import Tenant
from tests.pages.conftest import Open
from tests.pages.playground.conftest import CLAUDE, GPT, told

NANO_MODEL = "openai/gpt-4.1-nano"


def _run_three(open_page: Open, proctor: Runtime, text: str) -> AppTest:
    """Ask three models the same at once."""
    proctor.routes.set(LOCAL_OPERATOR, "small", [{"model": NANO_MODEL}])
    page = open_page("playground")
    for _ in range(2):
        page.button(key="add_column").click().run()
    for key, model in (("model", GPT), ("model_2", CLAUDE), ("model_3", NANO_MODEL)):
        page.selectbox(key=key).set_value(model).run()
    page.text_area(key="input_support_ticket@1").set_value(text).run()
    page.button(key="run").click().run()
    assert not page.exception
    return page


def _ends(page: AppTest) -> list[str]:
    """Return how each column ended."""
    return list(page.table[0].value.loc["Outcome"])


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("throttled", "429"),
        ("failed", "500"),
        ("unauthorized", "key"),
        ("reset", "onnect"),
        ("cut-stream", "onnect"),
        ("never-valid", "No valid object"),
        ("refused", "refused"),
    ],
)
def test_what_one_provider_does_is_told_in_its_column(
    open_page: Open, proctor: Runtime, acme: Tenant, scenario: str, said: str
) -> None:
    """A limit, an outage, a key turned away, a cut connection: one sentence beside two valid objects."""
    page = _run_three(open_page, proctor, f"The printer is on fire. [[{scenario}@anthropic]]")

    ends = _ends(page)
    assert ["Valid" in one for one in ends] == [True, False, True]
    (error,) = page.error
    assert said in error.value + told(page)
    assert "Traceback" not in told(page)
    assert "values are the same" in told(page)
    del acme


def test_a_column_that_no_budget_pays_for_is_told_and_the_others_are_paid(
    open_page: Open, proctor: Runtime, acme: Tenant
) -> None:
    """Where a budget for one model is spent, its column says which and until when; nobody is asked for it."""
    proctor.budgets.set(LOCAL_OPERATOR, acme, 1, scope="model", scope_name=CLAUDE)
    page = _run_three(open_page, proctor, "The printer is on fire.")

    ends = _ends(page)
    assert ["Valid" in one for one in ends] == [True, False, True]
    (error,) = page.error
    assert "budget" in error.value
    assert "No provider was asked." in told(page)


def test_a_column_that_comes_too_fast_is_told_and_the_others_go_on(
    open_page: Open, proctor: Runtime, acme: Tenant
) -> None:
    """Of a tenant with room for two calls the third is refused with a sentence, and may be asked again."""
    proctor.tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, rate_limit_per_min=2)
    page = _run_three(open_page, proctor, "The printer is on fire.")

    assert sorted("Valid" in one for one in _ends(page)) == [False, True, True]
    (error,) = page.error
    assert "minute" in error.value

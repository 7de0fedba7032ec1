"""Routes: who answers in what order, where that comes from, how each fares, and what an edit changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.capabilities import ModelCard
from core.clock import ManualClock
from core.errors import Conflict
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from core.tables import AttemptKind
from pages.kit import links, outcomes
from pages.routes import edit
from tests import builders
from tests.builders import person
from tests.pages.conftest import Open


@pytest.fixture
def proctor(sqlite_url: str, page_clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor with OpenAI set up, Anthropic not, and a fallback that the environment names."""
    settings = Settings(
        database_url=sqlite_url,
        demo=False,
        local_model="off",
        openai_api_key=SecretStr("sk-canary-of-the-routes"),
        model_primary="gpt-4o-mini",
        model_fallback="claude-haiku-4-5",
    )
    runtime = running.build(settings, page_clock)
    running.install(runtime)
    st.cache_data.clear()
    yield runtime
    running.install(None)
    runtime.close()


def _told(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.header, *page.markdown, *page.caption))


def test_the_default_route_is_the_environment_s(open_page: Open) -> None:
    """Primary and fallback stand in order, and the page says which variables decide."""
    page = open_page("routes")

    assert not page.exception
    route = page.table[0].value
    assert list(route["Order"]) == ["1\\. Primary", "2\\. Fallback"]
    assert list(route["Model"]) == [links.model(name) for name in ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5")]
    assert ["not set up" in cell for cell in route["Provider"]] == [False, True]
    assert "from the environment" in _told(page)
    assert "`MODEL_PRIMARY` and `MODEL_FALLBACK` decide" in _told(page)


def test_a_route_of_an_operator_says_so_and_can_be_removed(open_page: Open, proctor: Runtime) -> None:
    """Each route has its card; only what an operator made can be removed."""
    proctor.routes.set(LOCAL_OPERATOR, "cheap", [{"model": "gpt-4.1-nano", "mode": "tools"}], max_reasks=0)

    page = open_page("routes")

    assert "set by an operator, version 1" in _told(page)
    assert "There is no fallback" in _told(page)
    assert page.table[1].value["Mode"].item() == "tools"
    assert [button.key for button in page.button if button.label == "Remove…"] == ["reset_cheap"]


def test_a_model_that_retires_soon_is_warned_of(open_page: Open, proctor: Runtime, page_clock: ManualClock) -> None:
    """With its day, and who says so; not one that nobody tells of."""
    soon = page_clock.now().date() + timedelta(days=29)
    proctor.routes.set(LOCAL_OPERATOR, "old", [{"model": "openai/old-model"}, {"model": "openai/new-model"}])
    proctor.cards.learn("openai", {"old-model": ModelCard.told("OpenAI", retires=soon)})

    [told] = [one.value for one in open_page("routes").warning if "retires" in one.value]
    assert "old-model retires on" in told.replace("\\", "")
    assert "says OpenAI" in told


def test_no_provider_key_is_on_the_page(open_page: Open) -> None:
    """Whether a model's provider is set up is told; never with which key."""
    page = open_page("routes")

    assert "set up" in page.table[0].value["Provider"].iloc[0]
    assert "sk-canary" not in _told(page) + "".join(table.value.to_string() for table in page.table)


def test_a_breaker_is_told_in_words_with_its_figures(
    open_page: Open, proctor: Runtime, page_clock: ManualClock
) -> None:
    """Closed with its share of failures, then open with the time to the next probe, then half-open."""
    assert "No model was called" in _told(open_page("routes"))
    for _ in range(2):
        proctor.breakers.note("openai", "gpt-4o-mini", healthy=True)
    closed = open_page("routes").table[0].value["Breaker"]
    for _ in range(8):
        proctor.breakers.note("openai", "gpt-4o-mini", healthy=False)
    opened = open_page("routes").table[0].value["Breaker"]
    page_clock.advance(31)
    assert proctor.breakers.refusal("openai", "gpt-4o-mini") is None
    probing = open_page("routes").table[0].value["Breaker"]

    assert "Closed" in closed.iloc[0]
    assert "0 of 2 calls failed" in closed.iloc[0]
    assert "No calls seen" in closed.iloc[1]
    assert "Open" in opened.iloc[0]
    assert "probe in 30 s" in opened.iloc[0]
    assert "Half-open" in probing.iloc[0]


def test_rows_become_candidates_by_their_order() -> None:
    """The order column decides; a row without a model is none, an empty cell is left to the defaults."""
    rows = pd.DataFrame(
        {
            "order": [2.0, 1.0, None, 3.0],
            "model": ["b", "a", "c", "  "],
            "mode": [None, "tools", None, None],
            "max_tokens": [None, 512.0, None, None],
            "timeout_seconds": [None, 9.5, None, None],
        }
    )

    assert edit.ordered(rows) == [
        {"model": "a", "mode": "tools", "max_tokens": 512, "timeout_seconds": 9.5},
        {"model": "b"},
        {"model": "c"},
    ]


def _editing(name: str) -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.routes import edit

    visit = open_page("Test", "A dialog.", needs=Permission.ROUTES_READ)
    views = {view.terms.name: view for view in visit.runtime.routes.list(visit.principal)}
    edit.edit(visit, st.session_state.setdefault("seen", views.get(name)))


def _dialog(function: Any, *arguments: Any) -> AppTest:
    page = AppTest.from_function(function, args=arguments, default_timeout=60).run()
    assert not page.exception
    return page


def _type(dialog: AppTest, key: str, **edits: Any) -> AppTest:
    dialog.session_state[f"candidates_{key}"] = {"edited_rows": {}, "added_rows": [], "deleted_rows": []} | edits
    return dialog.run()


def _difference(dialog: AppTest) -> dict[str, list[str]]:
    """Return what the dialog says would change, as it is read."""
    shown = dialog.table[0].value
    assert list(shown.columns) == ["Now", "New"]
    return {
        str(what).replace("\\", ""): [str(side).replace("\\", "") for side in shown.loc[what]] for what in shown.index
    }


def test_an_edit_shows_the_difference_and_its_price_before_it_is_saved(proctor: Runtime) -> None:
    """Swapping the order shows both orders, names who is not set up, and counts the calls that could be paid."""
    dialog = _type(_dialog(_editing, "default"), "default_0", edited_rows={0: {"order": 2}, 1: {"order": 1}})
    difference = _difference(dialog)
    assert difference["Order"] == [
        "openai/gpt-4o-mini, then anthropic/claude-haiku-4-5",
        "anthropic/claude-haiku-4-5, then openai/gpt-4o-mini",
    ]
    assert "anthropic/claude-haiku-4-5" in dialog.warning[0].value
    assert "up to 8 paid calls" in " ".join(caption.value for caption in dialog.caption)

    dialog.button(key="confirm_route").click().run()

    saved = proctor.routes.find(LOCAL_OPERATOR, "default")
    assert [one.name for one in saved.terms.candidates] == ["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"]
    assert (saved.version, saved.is_from_environment) == (1, False)


def test_an_edit_says_what_is_checked_by_whom(proctor: Runtime) -> None:
    """For each schema that takes the route, and for a plain object where none does, each model that is set up."""
    dialog = _dialog(_editing, "default")
    assert "A plain object" in _told(dialog)
    assert "openai/gpt-4o-mini`, tools: Proctor alone checks the answer" in _told(dialog)
    assert "claude" not in "".join(text.value for text in dialog.expander[0].markdown)

    more = {"type": "object", "properties": {"page": {"type": "string", "format": "uri"}}}
    proctor.schemas.add(person("test"), "linked", more)
    dialog.multiselect(key="schemas_default_0").set_value(["linked"])
    _type(dialog, "default_0", edited_rows={0: {"mode": "json_schema"}})
    assert "OpenAI holds the model to the schema while it writes, but for format of $.page" in _told(dialog).replace(
        "\\", ""
    )


def test_a_model_that_cannot_be_is_told_while_it_is_typed(proctor: Runtime) -> None:
    """The dialog says how a model is written, and offers nothing to save."""
    dialog = _type(_dialog(_editing, "default"), "default_0", added_rows=[{"model": "mystery-9"}])

    assert "mystery-9" in dialog.error[0].value.replace("\\", "")
    assert not [button for button in dialog.button if button.key == "confirm_route"]
    assert proctor.routes.find(LOCAL_OPERATOR, "default").is_from_environment


def test_a_route_that_somebody_else_changed_is_not_overwritten(proctor: Runtime) -> None:
    """Whoever saves second is told, and the first one's route stays."""
    dialog = _dialog(_editing, "default")
    proctor.routes.set(LOCAL_OPERATOR, "default", [{"model": "gpt-4.1"}])

    dialog.button(key="confirm_route").click().run()

    assert "Local operator changed route default meanwhile" in dialog.warning[-1].value
    assert [one.name for one in proctor.routes.find(LOCAL_OPERATOR, "default").terms.candidates] == ["openai/gpt-4.1"]


def test_a_new_route_needs_a_name_and_a_model(proctor: Runtime) -> None:
    """Nothing can be saved before both are there; then the route is there with its limits."""
    dialog = _dialog(_editing, "none")
    assert dialog.button(key="confirm_route").disabled
    dialog.text_input(key="route_name").set_value("cheap")
    dialog.number_input(key="reasks_new").set_value(0)
    _type(dialog, "new", edited_rows={0: {"model": "gpt-4.1-nano", "max_tokens": 256}})

    dialog.button(key="confirm_route").click().run()

    terms = proctor.routes.find(LOCAL_OPERATOR, "cheap").terms
    assert [(one.name, one.max_tokens) for one in terms.candidates] == [("openai/gpt-4.1-nano", 256)]
    assert (terms.max_reasks, terms.max_retries, terms.deadline_seconds) == (0, 1, 60.0)
    with pytest.raises(Conflict):
        proctor.routes.set(LOCAL_OPERATOR, "cheap", [{"model": "gpt-4.1"}], expected_version=0)


def _removing(name: str) -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.routes import edit

    visit = open_page("Test", "A dialog.", needs=Permission.ROUTES_READ)
    view = next((one for one in visit.runtime.routes.list(visit.principal) if one.terms.name == name), None)
    if view and not view.is_from_environment:
        edit.reset(visit, view)


@pytest.mark.parametrize(
    ("name", "says"), [("default", "will decide the default route again"), ("cheap", "are refused from then on")]
)
def test_removing_a_route_says_what_decides_then(proctor: Runtime, name: str, says: str) -> None:
    """The default route goes back to the environment; another one is gone for whoever names it."""
    proctor.routes.set(LOCAL_OPERATOR, name, [{"model": "gpt-4.1"}])
    dialog = _dialog(_removing, name)
    assert says in " ".join(text.value for text in dialog.markdown)

    dialog.button(key="confirm_reset").click().run()

    left = {view.terms.name: view.is_from_environment for view in proctor.routes.list(LOCAL_OPERATOR)}
    assert left == {"default": True}


def test_an_edit_keeps_what_it_does_not_touch(proctor: Runtime) -> None:
    """Saving a route anew loses nothing of it: purpose, causes, hedging, caching, parameters."""
    proctor.schemas.add(person("test"), "person", {"type": "object", "properties": {"name": {"type": "string"}}})
    kept = proctor.routes.set(
        LOCAL_OPERATOR,
        "default",
        [
            {"model": "gpt-4o-mini", "parameters": {"top_p": 0.2, "seed": 7}, "max_reasks": 0, "most_tokens": 9999},
            {"model": "claude-haiku-4-5", "max_retries": 2},
        ],
        description="For people.",
        schemas=["person"],
        fallback_on=["outage", "timeout"],
        hedge_after_ms=700,
        cache_seconds=60,
        marks_cache=False,
    )
    dialog = _dialog(_editing, "default")
    assert not dialog.table, "nothing differs"

    dialog.button(key="confirm_route").click().run()

    saved = proctor.routes.find(LOCAL_OPERATOR, "default")
    assert saved.version == 2
    assert saved.described == kept.described


def test_every_part_of_a_route_can_be_edited(proctor: Runtime) -> None:
    """Each field is saved as it was typed, and stands in the difference before."""
    proctor.schemas.add(person("test"), "person", {"type": "object", "properties": {"name": {"type": "string"}}})
    dialog = _dialog(_editing, "default")
    dialog.text_input(key="description_default_0").set_value("Small *things*.")
    dialog.multiselect(key="schemas_default_0").set_value(["person"])
    dialog.number_input(key="hedge_default_0").set_value(500)
    dialog.number_input(key="cache_default_0").set_value(30)
    dialog.button_group(key="fallback_default_0").set_value(["outage"])
    dialog.toggle(key="marks_default_0").set_value(False)
    _type(dialog, "default_0", edited_rows={0: {"parameters": "temperature=0.5, reasoning_effort=low"}})

    difference = _difference(dialog)
    assert difference["Description"] == ["none", "Small *things*."]
    assert difference["Schemas"] == ["none", "person"]
    assert difference["Fallback on"] == ["every cause", "Outage"]
    assert difference["Hedge after, ms"] == ["none", "500"]
    assert difference["Cache TTL, s"] == ["none", "30"]
    assert difference["Prompt caching"] == ["yes", "no"]
    assert difference["openai/gpt-4o-mini: Parameters"] == ["none", "temperature=0.5, reasoning_effort=low"]
    dialog.button(key="confirm_route").click().run()

    saved = proctor.routes.find(LOCAL_OPERATOR, "default")
    assert saved.terms.candidates[0].parameters == {"temperature": 0.5, "reasoning_effort": "low"}
    assert (saved.terms.hedge_after_ms, saved.terms.cache_seconds, saved.terms.marks_cache) == (500, 30, False)
    assert [cause.value for cause in saved.terms.fallback_on] == ["outage"]
    assert (saved.description, saved.schemas) == ("Small *things*.", ("person",))


def test_parameters_that_cannot_be_are_told_while_they_are_typed(proctor: Runtime) -> None:
    """The core says what a parameter may be, and the dialog offers nothing to save."""
    dialog = _type(_dialog(_editing, "default"), "default_0", edited_rows={0: {"parameters": "temperature=9"}})
    assert "temperature lies between 0 and 2" in dialog.error[0].value
    assert not [button for button in dialog.button if button.key == "confirm_route"]
    assert proctor.routes.find(LOCAL_OPERATOR, "default").is_from_environment


def test_a_route_tells_what_governs_it(open_page: Open, proctor: Runtime) -> None:
    """Its purpose, its schemas, what a model has of its own, hedging and the causes that are off are in words."""
    proctor.schemas.add(person("test"), "person", {"type": "object", "properties": {"name": {"type": "string"}}})
    proctor.routes.set(
        LOCAL_OPERATOR,
        "people",
        [{"model": "gpt-4o-mini", "parameters": {"temperature": 0.2}}, {"model": "gpt-4.1"}],
        description="Names and ages.",
        schemas=["person"],
        fallback_on=["outage"],
        hedge_after_ms=800,
    )

    page = open_page("routes")
    told = _told(page).replace("\\", "")

    assert "Names and ages." in told
    assert f"Taken by itself for {links.schema('person')}." in told
    assert "No fallback on timeout, rate limit" in told
    assert "Hedged: after 800 ms" in told
    own = page.table[1].value["Overrides"]
    assert own.iloc[0] == "temperature=0.2"


def test_every_kind_of_attempt_has_a_look() -> None:
    """No call can have an attempt that the pages have no word for."""
    assert list(outcomes.KINDS) == [kind.value for kind in AttemptKind]


def test_a_route_says_who_goes_it_and_whose_own_it_is(open_page: Open, proctor: Runtime) -> None:
    """With a way to each tenant; whoever edits it is told the same."""
    acme = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    proctor.routes.set(LOCAL_OPERATOR, "own", [{"model": "openai/gpt-4o-mini"}])
    proctor.tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, route="own")
    builders.save(proctor.store, builders.generation(proctor.clock.now() - timedelta(hours=1), acme.id, route="own"))

    told = _told(open_page("routes"))

    assert "1 call in the last 24 hours, 0.0% in error" in told
    assert "[Acme](/tenants?tenant=Acme) 1." in told
    assert "Instead of default the route of [Acme](/tenants?tenant=Acme)." in told
    assert "Nobody went this way in the last 24 hours." in told

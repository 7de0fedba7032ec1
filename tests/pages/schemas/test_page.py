"""Schemas: what is listed, what a version says, what differs, what can be done and undone, and by whom."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.principals import LOCAL_OPERATOR, Permission, Role
from core.runtime import Runtime
from core.tables import AgedOut, Outcome
from pages.kit import page as kit_page
from pages.kit import version_figures
from tests import builders
from tests.builders import person
from tests.pages.conftest import NOW, Open

ONE: dict[str, Any] = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
TWO: dict[str, Any] = {**ONE, "properties": {"price": {"type": "integer"}, "note": {"type": "string"}}}


@pytest.fixture
def price(proctor: Runtime) -> Runtime:
    """A schema with two versions, the second in production, and calls of both."""
    tenant = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    for body in (ONE, TWO):
        proctor.schemas.add(LOCAL_OPERATOR, "price", body, description="What it costs.")
    hour = timedelta(hours=1)
    calls = [builders.generation(NOW - hour * n, tenant.id, schema_name="price", schema_version=1) for n in (1, 2)]
    calls += [
        builders.generation(
            NOW - hour * n, tenant.id, schema_name="price", schema_version=2, outcome=outcome, cost_nano_usd=3_000
        )
        for n, outcome in ((3, Outcome.INVALID), (4, Outcome.VALID_FIRST_TRY))
    ]
    builders.save(proctor.store, calls)
    return proctor


def told(page: AppTest) -> str:
    """Return what the page says."""
    return " ".join(
        str(one.value) for one in (*page.markdown, *page.caption, *page.warning, *page.error, *page.success)
    )


def keys(page: AppTest) -> set[str | None]:
    """Return the keys of the page's buttons."""
    return {button.key for button in page.button}


@pytest.mark.usefixtures("price")
def test_the_list_has_each_version_in_use_with_its_figures(open_page: Open) -> None:
    """A row for each version: labels, calls, validity and what a valid object costs."""
    page = open_page("schemas")
    assert not page.exception
    shown = page.dataframe[0].value
    assert list(shown["version"]) == [2, 1]
    assert list(shown["labels"].fillna("nothing")) == ["production", "nothing"]
    assert list(shown["calls"]) == [2, 2]
    assert list(shown["valid"]) == [50.0, 100.0]
    assert shown["cost_per_valid_usd"].iloc[0] == pytest.approx(0.000006)


def test_the_list_is_searched_and_pages(open_page: Open, proctor: Runtime) -> None:
    """Sixty schemas are three pages; a text narrows them, and one that nothing holds says so."""
    for number in range(60):
        proctor.schemas.add(LOCAL_OPERATOR, f"schema_{number}", ONE)
    assert len(open_page("schemas").dataframe[0].value) == 25
    assert len(open_page("schemas", page="3").dataframe[0].value) == 10
    assert list(open_page("schemas", text="_59").dataframe[0].value["schema"]) == ["schema_59"]
    assert "No such schema" in [one.value for one in open_page("schemas", text="zzz").header]


@pytest.mark.usefixtures("price")
def test_many_calls_are_sorted_by_the_newest(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of calls the newest are told of and decide the order, which is said; the export has them all."""
    assert "Most calls: by" not in told(open_page("schemas", sort="Most calls"))
    st.cache_data.clear()
    monkeypatch.setattr(version_figures, "MOST_SUMMED", 3)
    page = open_page("schemas", sort="Most calls")

    assert "Most calls: by the newest 3 calls, since Mar 04, 08:07" in told(page).replace("\\", "")
    assert "1 schema · the newest 3 calls, since Mar 04, 08:07 UTC, of these schemas" in told(page).replace("\\", "")
    assert list(page.dataframe[0].value["calls"]) == [1, 2]


def test_where_calls_aged_out_is_said(price: Runtime, open_page: Open) -> None:
    """One schema, whose routes are counted by calls, says of whom these are gone, where that is in its time."""
    [tenant] = price.tenants.list(LOCAL_OPERATOR)
    gone = AgedOut(tenant_id=tenant.id, raw_from=NOW - timedelta(days=70), below_id="", at=NOW)
    builders.save(price.store, gone)
    long = {"from": "2025-11-01T00:00+00:00", "to": "2026-03-04T12:00+00:00"}
    for when, said in ((long, 1), ({"range": "7d"}, 0)):
        page = open_page("schemas", schema="price", **when)
        assert not page.exception
        assert sum("of Acme that began before" in one.value for one in page.info) == said, when


def test_without_schemas_the_page_says_what_to_do(open_page: Open, proctor: Runtime) -> None:
    """An empty registry is explained, with a way on."""
    page = open_page("schemas")
    assert not page.exception
    assert "No schemas yet" in [one.value for one in page.header]


@pytest.mark.usefixtures("price")
def test_a_version_shows_what_differs(open_page: Open) -> None:
    """A link names schema, version and the one against; the differences are marked, and told as text."""
    page = open_page("schemas", schema="price", version="2", against="1")
    assert not page.exception
    found = next(one.value for one in page.dataframe if "effect" in one.value)
    assert [(row.path, row.change, row.effect) for row in found.itertuples()] == [
        ("$.price", "type", ["Tightens"]),
        ("$.note", "field added", ["Tightens"]),
    ]
    assert "Some answers that satisfied version 1 may not satisfy version 2" in told(page)
    assert any("+" in one.value for one in page.code)


@pytest.mark.usefixtures("price")
def test_what_a_link_names_that_is_not_there(open_page: Open) -> None:
    """An unknown version gives the newest with a word; an unknown schema is said to be none, with a way back."""
    assert "There is no version 9" in told(open_page("schemas", schema="price", version="9"))
    page = open_page("schemas", schema="prize")
    assert "No such schema" in [one.value for one in page.header]
    page.button(key="leave").click().run()
    assert len(page.dataframe[0].value) == 2


def _moving(what: str) -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.kit import label_moves
    from pages.kit.page import open_page
    from pages.schemas import moves, save

    visit = open_page("Test", "A dialog.", needs=Permission.SCHEMAS_READ)
    labels = st.session_state.setdefault("seen", visit.runtime.schemas.labels(visit.principal, "price"))
    if label_moves.is_done("price"):
        label_moves.undo_row(visit, "price")
    elif what == "roll back":
        moves.roll_back(visit, "price", [2, 1], labels)
    elif what == "promote":
        moves.promote(visit, "price", 1, labels)
    else:
        save.dialog(visit, "price")


def _dialog(what: str) -> AppTest:
    page = AppTest.from_function(_moving, args=(what,), default_timeout=60).run()
    assert not page.exception
    return page


def test_roll_back_and_undo(price: Runtime) -> None:
    """The dialog has both versions side by side and names the consequence; done once, it can be undone."""
    dialog = _dialog("roll back")
    beside = dialog.table[0].value
    assert list(beside.columns) == ["Version 2", "Version 1"]
    assert list(beside.loc["Calls"]) == ["2", "2"]
    assert list(beside.loc["Valid"]) == ["50.0%", "100.0%"]
    assert "gets version 1 instead of 2" in told(dialog)
    dialog.button(key="confirm_roll_back").click().run()
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 1
    assert "is version 1, was version 2" in told(dialog)
    dialog.button(key="undo").click().run()
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 2


def test_a_label_that_moved_meanwhile_is_not_rolled_back(price: Runtime) -> None:
    """Who looked before somebody else moved the label is told so, and nothing happens."""
    dialog = _dialog("roll back")
    price.schemas.add(LOCAL_OPERATOR, "price", {**TWO, "title": "Third"})
    dialog.button(key="confirm_roll_back").click().run()
    assert "changed price@production meanwhile" in told(dialog)
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 3


def test_promote_to_a_label_that_was_nowhere_and_undo(price: Runtime) -> None:
    """A new label can be given, and undone it is gone again."""
    dialog = _dialog("promote")
    dialog.selectbox(key="promote_label_price_1").select("draft").run()
    dialog.button(key="confirm_promote").click().run()
    assert price.schemas.find(LOCAL_OPERATOR, "price@draft").version == 1
    dialog.button(key="undo").click().run()
    assert [one.label for one in price.schemas.labels(LOCAL_OPERATOR, "price")] == ["production"]


def test_save_as_version_moves_no_label_by_itself(price: Runtime) -> None:
    """What is pasted becomes the next version; who asks for the name gets what they got."""
    dialog = _dialog("save")
    dialog.text_area(key="save_json_price").input('{"type": "object", "properties": {"x": {"type": "string"}}}').run()
    dialog.button(key="confirm_save").click().run()
    assert not dialog.exception
    assert [one.version for one in price.schemas.versions(LOCAL_OPERATOR, "price")] == [3, 2, 1]
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 2


def test_saving_under_a_label_in_use_is_a_promotion(price: Runtime) -> None:
    """It shows both versions' week and what changes, is asked once, moves only what was seen, and can be taken back."""
    dialog = _dialog("save")
    body = '{"type": "object", "properties": {"price": {"type": "string"}}}'
    dialog.text_area(key="save_json_price").input(body).run()
    assert not dialog.table
    dialog.selectbox(key="save_label").set_value("production").run()
    week = dialog.table[0].value
    assert list(week.columns) == ["Version 2", "Version 3 (new)"]
    assert list(week.loc["Calls"]) == ["2", "0"]
    assert "gets version 3 instead of 2" in told(dialog)
    assert dialog.button(key="confirm_save").label == "Save, and move production"
    dialog.button(key="confirm_save").click().run()
    assert not dialog.exception
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 3

    dialog.button(key="undo").click().run()
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 2
    assert [one.version for one in price.schemas.versions(LOCAL_OPERATOR, "price")] == [3, 2, 1]


def test_saving_what_another_version_says_promotes_that_one(price: Runtime) -> None:
    """The same content is kept once; what has the label already moves nothing."""
    dialog = _dialog("save")
    dialog.selectbox(key="save_label").set_value("production").run()
    dialog.text_area(key="save_json_price").input(json.dumps(TWO)).run()
    assert "That is version 2, which has the label production: nothing moves" in told(dialog)
    dialog.text_area(key="save_json_price").input(json.dumps(ONE)).run()
    assert "gets version 1 instead of 2" in told(dialog)
    assert "this is its version 1 already, and no further one is made" in told(dialog)
    assert "becomes its version" not in told(dialog)
    dialog.button(key="confirm_save").click().run()
    assert price.schemas.find(LOCAL_OPERATOR, "price").version == 1


def test_pydantic_is_saved_with_its_source_and_what_is_left_out_is_said(price: Runtime) -> None:
    """Where a source has several models one is chosen; validators are named as not checked; the source is kept."""
    source = (
        "from pydantic import BaseModel, field_validator\n\n\nclass A(BaseModel):\n    x: int\n\n\n"
        "class B(BaseModel):\n    y: str\n\n    @field_validator('y')\n    def check(cls, v):\n        return v\n"
    )
    dialog = _dialog("save")
    dialog.segmented_control(key="save_kind").select("Pydantic").run()
    dialog.text_area(key="save_pydantic_price").input(source).run()
    dialog.selectbox(key="save_root").select("B").run()
    assert not dialog.exception
    assert "validator" in told(dialog)
    dialog.button(key="confirm_save").click().run()
    assert price.schemas.source(LOCAL_OPERATOR, "price", 3) == source
    assert list(price.schemas.find(LOCAL_OPERATOR, "price@3").body["properties"]) == ["y"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"price": 1}', "It satisfies price@2"),
        ('{"price": "x"}', "does not satisfy price@2"),
        ('{"price": 1,\n nope}', "Line 2, column 2"),
        ("", "The answer is empty"),
    ],
)
@pytest.mark.usefixtures("price")
def test_an_answer_is_checked_without_a_call(open_page: Open, text: str, says: str) -> None:
    """A pasted answer is valid, or has its fields told, or is no JSON at a line and column."""
    page = open_page("schemas", schema="price")
    page.text_area(key="answer_price").input(text).run()
    page.button(key="check").click().run()
    assert not page.exception
    assert says in told(page)
    if "does not" in says:
        price, note = page.table[0].value["State"]
        assert "wrong" in price
        assert "Input should be a valid integer" in price
        assert "left out" in note


def test_who_may_only_read_sees_no_button(open_page: Open, price: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A principal without the right to change schemas reads everything and is offered nothing."""
    viewer = person("viewer", Role.VIEWER)
    monkeypatch.setattr(kit_page, "current_principal", lambda: viewer)
    assert not viewer.may(Permission.SCHEMAS_WRITE)
    page = open_page("schemas", schema="price")
    assert not page.exception
    assert not keys(page) & {"save", "promote", "roll_back"}
    assert "new_schema" not in keys(open_page("schemas"))


@pytest.mark.usefixtures("price")
def test_calls_are_found_by_version(open_page: Open) -> None:
    """The link to Calls keeps schema and version, and the choice of schemas takes both away."""
    page = open_page("calls", schema="price", version="1")
    assert not page.exception
    assert list(page.dataframe[0].value["schema"]) == ["price@1", "price@1"]
    page.selectbox(key="by_schema").set_value(None).run()
    assert "q" not in page.query_params
    assert len(page.dataframe[0].value) == 4

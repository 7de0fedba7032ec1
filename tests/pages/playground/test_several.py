"""Playground: columns beside each other, runs that agree or not, prices before, and what is of an earlier question."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select
from streamlit.testing.v1 import AppTest

from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.tables import GenerationRow, Tenant
from pages.kit import formats
from tests.pages.conftest import Open
from tests.pages.playground.conftest import CLAUDE, GPT, told
from tests.wire.server import WireServer

INPUT = "input_support_ticket@1"


def _calls(proctor: Runtime) -> list[GenerationRow]:
    with proctor.store.reading() as session:
        return list(session.exec(select(GenerationRow).order_by(col(GenerationRow.id))))


def _press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def test_tokens_price_and_who_pays_stand_there_before_anything_is_asked(
    open_page: Open, proctor: Runtime, acme: Tenant
) -> None:
    """The figures are those by which money is held; nothing was asked for them."""
    page = open_page("playground")

    said = told(page)
    assert "tokens in" in said
    assert "**[Acme](/tenants?tenant=Acme)** pays: about $0.0" in said
    assert "5 times: about $0.0" in said
    assert not _calls(proctor)
    del acme


def test_columns_are_asked_together_and_compared_field_by_field(
    open_page: Open, proctor: Runtime, acme: Tenant
) -> None:
    """Three models answer one question: an outcome, a latency, a cost and an object each, and what differs."""
    proctor.routes.set(LOCAL_OPERATOR, "small", [{"model": "openai/gpt-4.1-nano"}])
    page = _press(_press(open_page("playground"), "add_column"), "add_column")
    for key, model in (("model", GPT), ("model_2", CLAUDE), ("model_3", "openai/gpt-4.1-nano")):
        page.selectbox(key=key).set_value(model).run()
    page.text_area(key=INPUT).set_value("The printer is on fire. [[failed@anthropic]]").run()
    _press(page, "run")

    made = _calls(proctor)
    assert sorted((call.model or "", call.outcome) for call in made) == [
        ("claude-haiku-4-5", "provider_error"),
        ("gpt-4.1-nano", "valid_first_try"),
        ("gpt-4o-mini", "valid_first_try"),
    ]
    side = page.table[0].value
    assert [name.replace("\\", "") for name in side.columns] == [GPT, CLAUDE, "openai/gpt-4.1-nano"]
    assert "Provider error" in side.loc["Outcome"].iloc[1]
    cost = next(call.cost_nano_usd for call in made if call.model == "gpt-4o-mini")
    assert side.loc["Cost"].iloc[0].replace("\\", "") == formats.dollars(cost)
    assert "values are the same" in told(page)
    del acme


def test_five_runs_are_five_calls_and_agree_or_not(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Though the route keeps answers each run is a call; the share of runs that agree is told of every field."""
    proctor.routes.set(LOCAL_OPERATOR, "kept", [{"model": GPT}], schemas=["support_ticket"], cache_seconds=600)
    page = _press(open_page("playground"), "run_often")

    assert [call.outcome for call in _calls(proctor)] == ["valid_first_try"] * 5
    assert {metric.label: metric.value for metric in page.metric}["Valid"] == "5 of 5"
    assert "All runs agree on 5 values." in told(page)
    del acme


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda page: page.text_area(key=INPUT).set_value("Another."), "Of an earlier input"),
        (lambda page: page.selectbox(key="model").set_value(CLAUDE), "Of an earlier model"),
        (lambda page: page.text_area(key="system").set_value("Be exact."), "Of an earlier system text"),
        (lambda page: page.number_input(key="parameter_temperature").set_value(0.5), "Of an earlier settings"),
        (lambda page: page.selectbox(key="schema").set_value("invoice"), "Of an earlier schema and input"),
        (lambda page: page.segmented_control(key="source").set_value("pydantic"), "Of an earlier schema and input"),
    ],
    ids=["input", "model", "system", "parameter", "schema", "source"],
)
def test_what_answers_an_earlier_question_says_so(open_page: Open, acme: Tenant, change: Any, said: str) -> None:
    """An object beside a question that it does not answer is marked, and no field of it is green."""
    page = _press(open_page("playground"), "run")
    assert "Of an earlier" not in told(page)
    change(page)
    page.run()

    assert said in told(page)
    assert not any(":green[" in state for state in page.table[0].value["State"])
    del acme


def test_system_text_mode_and_parameters_reach_the_provider(open_page: Open, wire: WireServer, acme: Tenant) -> None:
    """What is set in the fold is what goes out."""
    page = open_page("playground")
    page.text_area(key="system").set_value("Be exact.")
    page.selectbox(key="mode").set_value("json_schema")
    page.number_input(key="parameter_temperature").set_value(0.5)
    _press(page.run(), "run")

    sent = wire.ledger.calls()[-1].request or {}
    assert sent["temperature"] == 0.5
    assert sent["response_format"]["type"] == "json_schema"
    assert [message["role"] for message in sent["messages"]][:1] == ["system"]
    assert "Be exact." in str(sent["messages"][0])
    del acme


def test_an_empty_input_cannot_be_run_and_says_why(open_page: Open, acme: Tenant) -> None:
    """The sentence stands there before anybody presses anything."""
    page = open_page("playground")
    page.text_area(key=INPUT).set_value("  ").run()

    assert "The input is empty" in told(page)
    assert page.button(key="run").disabled
    del acme


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        (lambda proctor, acme: proctor.budgets.set(LOCAL_OPERATOR, acme, 1), "budget"),
        (lambda proctor, acme: proctor.flags.set(LOCAL_OPERATOR, Flag.GENERATION, acme, False), "switched off"),
    ],
    ids=["402", "403"],
)
def test_a_refusal_in_columns_is_a_sentence_in_each(
    open_page: Open, proctor: Runtime, acme: Tenant, refuse: Any, said: str
) -> None:
    """Whoever refuses, each column says why; nothing is compared where nothing came."""
    refuse(proctor, acme)
    page = _press(_press(open_page("playground"), "add_column"), "run")

    assert len([error for error in page.error if said in error.value]) == 2
    assert "nothing to compare field by field" in told(page)


def test_versions_of_a_schema_are_columns(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """The URL chooses a version; a second column may ask for another one."""
    body = {"title": "Ticket", "type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    proctor.schemas.add(LOCAL_OPERATOR, "support_ticket", body, label=None)
    page = open_page("playground", schema="support_ticket", version="2")
    assert page.selectbox(key="version").value == "2"
    _press(page, "add_column")
    page.selectbox(key="version_2").set_value("1")
    page.selectbox(key="model_2").set_value("Route default").run()
    page.text_area(key="input_support_ticket@2").set_value("The printer is on fire.").run()
    _press(page, "run")

    assert sorted(call.schema_version or 0 for call in _calls(proctor)) == [1, 2]
    assert "version 1" in " ".join(page.table[0].value.columns)
    assert "differ." in told(page)
    del acme


def test_a_wrong_line_is_marked_with_its_number(open_page: Open, acme: Tenant) -> None:
    """The line that the sentence names stands beneath the source, marked, escaped."""
    page = open_page("playground", source="Pydantic")
    page.text_area(key="source_pydantic").set_value(
        "from pydantic import BaseModel\n\n\nclass A(BaseModel):\n    a: Nowhere['<b>']\n"
    ).run()

    shown = " ".join(str(element.proto.body) for element in page.get("html"))
    assert "Line 5" in page.error[0].value
    assert "class=wrong" in shown
    assert "5 ▸" in shown
    assert "<b>" not in shown
    del acme


def test_several_roots_are_a_choice_and_what_is_left_out_is_amber(open_page: Open, acme: Tenant) -> None:
    """Validators are told as not checked here; the person picks which model is asked for."""
    page = open_page("playground", source="Pydantic")
    page.text_area(key="source_pydantic").set_value(
        "from pydantic import BaseModel, field_validator\n\n\nclass A(BaseModel):\n    a: int\n\n"
        "    @field_validator('a')\n    def check(cls, value):\n        return value\n\n\n"
        "class B(BaseModel):\n    b: str\n"
    ).run()
    assert page.selectbox(key="root").options == ["A", "B"]
    page.selectbox(key="root").set_value("A").run()

    assert "1 validator (A.check)" in page.warning[0].value.replace("\\", "")
    _press(page, "run")
    assert list(page.table[0].value.index) == ["a:red[\\*]"]
    del acme


def test_an_envelope_is_told_and_a_misspelt_word_has_its_line(open_page: Open, acme: Tenant) -> None:
    """What holds a schema is read and told; of several one is chosen; a wrong word is shown on its line."""
    page = open_page("playground", source="JSON Schema")
    schema = '{"type": "object", "properties": {"a": {"type": "string", "frobnicate": 1}}}'
    page.text_area(key="source_json").set_value(f'{{"name": "Thing", "schema": {schema}}}').run()
    assert "`$.schema`" in page.info[0].value
    assert "`$.schema.properties.a.frobnicate`" in page.warning[0].value

    page.text_area(key="source_json").set_value(f'{{"components": {{"schemas": {{"A": {schema}, "B": {{}}}}}}}}').run()
    assert page.selectbox(key="json_root").options == ["A", "B"]

    page.text_area(key="source_json").set_value('{\n "type": "object",\n "propertys": {}}').run()
    assert "Line 3" in page.error[0].value
    assert "'properties' was meant" in page.error[0].value.replace("\\", "")
    del acme


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"schema": "nothing"}, "There is no schema `nothing` here"),
        ({"schema": "invoice", "version": "9"}, "`invoice` has no version `9`; the newest is 1"),
        ({"schema": "invoice", "version": "x"}, "`invoice` has no version `x`"),
    ],
)
def test_a_link_to_what_is_not_there_says_so(open_page: Open, acme: Tenant, named: dict[str, str], said: str) -> None:
    """Nothing else is shown in its place without a word; the page can be used all the same."""
    page = open_page("playground", **named)

    assert not page.exception
    assert said in told(page)
    assert not page.button(key="run").disabled
    del acme


def test_a_link_to_what_is_there_says_nothing(open_page: Open, acme: Tenant) -> None:
    """A schema and a version that there are need no warning, at once or later."""
    page = open_page("playground", schema="invoice", version="1")
    page.selectbox(key="schema").set_value("support_ticket").run()

    assert not page.warning
    assert page.selectbox(key="version").value == "1"
    del acme


def test_a_model_without_a_price_is_said_to_have_none(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Unknown is never nothing: no figure stands there."""
    proctor.routes.set(LOCAL_OPERATOR, "odd", [{"model": "openai/nobody-knows"}], schemas=["support_ticket"])
    page = open_page("playground")

    assert "**[Acme](/tenants?tenant=Acme)** pays; no price is known of who answers" in told(page)
    assert "$0" not in told(page)
    del acme

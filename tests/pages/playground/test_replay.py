"""A call opened in the playground, and a pasted schema saved: nothing is made up, what is missing is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import col, select
from streamlit.testing.v1 import AppTest

from core.errors import ProctorError
from core.flags import Flag
from core.generation import GenerationRequest
from core.principals import LOCAL_OPERATOR
from core.requests import CallSettings
from core.runtime import Runtime
from core.tables import AuditEntry, Tenant
from pages.kit.saving import suggested_name
from pages.playground.replay import replay
from tests.pages.conftest import Open
from tests.pages.playground.conftest import CLAUDE, GPT, told

INPUT = "input_support_ticket@1"
PLACE = {"title": "PlaceFound", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _asked(proctor: Runtime, tenant: Tenant, **request: Any) -> str:
    """Return the id of a call, however it ended."""
    asked: dict[str, Any] = {"schema": "support_ticket", "tenant_id": tenant.id} | request
    try:
        return proctor.generator.generate(GenerationRequest(**asked), LOCAL_OPERATOR).id
    except ProctorError as error:
        return str(error.facts["generation_id"])


def test_a_failed_call_is_opened_as_it_was_asked_and_runs_again(
    open_page: Open, proctor: Runtime, acme: Tenant
) -> None:
    """Schema version, input, system text, model, mode and parameters are those of the call; only the answer is new."""
    call = _asked(
        proctor,
        acme,
        messages=[
            {"role": "system", "content": "Be exact."},
            {"role": "user", "content": "The printer is on fire. [[never-valid]]"},
        ],
        model=CLAUDE,
        settings=CallSettings(mode="json", parameters={"temperature": 0.25}),
    )
    page = open_page("playground", call=call)

    assert page.selectbox(key="schema").value == "support_ticket"
    assert page.selectbox(key="version").value == "1"
    assert page.selectbox(key="model").value == CLAUDE
    assert page.selectbox(key="mode").value == "json"
    assert page.text_area(key="system").value == "Be exact."
    assert page.text_area(key=INPUT).value == "The printer is on fire. [[never-valid]]"
    assert page.number_input(key="parameter_temperature").value == 0.25
    assert f"From call `{call}`" in told(page)
    assert "info: " not in told(page)

    page.text_area(key=INPUT).set_value("The printer is on fire.").run()
    page.button(key="run").click().run()
    assert not page.exception
    assert all("valid" in state for state in page.table[-1].value["State"])
    page.button(key="dismiss").click().run()
    assert "From call" not in told(page)


def test_a_call_by_a_route_is_asked_by_the_route(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """So are the length and the parameters that all its models had; where they had others each, the route decides."""
    for name, lengths in (("even", (300, 300)), ("odd", (300, 400))):
        candidates = [
            {"model": model, "max_tokens": length, "parameters": {"seed": 7}}
            for model, length in zip((GPT, CLAUDE), lengths, strict=True)
        ]
        proctor.routes.set(LOCAL_OPERATOR, name, candidates)
    even = open_page("playground", call=_asked(proctor, acme, input="The printer is on fire.", route="even"))
    assert even.selectbox(key="model").value == "Route even"
    assert even.number_input(key="max_tokens").value == 300
    assert even.number_input(key="parameter_seed").value == 7
    assert "Set for this call: mode" in told(even)
    assert "at most 300 tokens, seed 7" in told(even)

    odd = open_page("playground", call=_asked(proctor, acme, input="The printer is on fire.", route="odd"))
    assert odd.selectbox(key="model").value == "Route odd"
    assert odd.number_input(key="max_tokens").value is None
    assert "another length each: the route decides that" in told(odd)


def test_a_route_that_is_gone_is_said(proctor: Runtime, acme: Tenant) -> None:
    """As with the demo world's, once that is removed: its model is asked alone, and it is said why."""
    call = proctor.reports.call(LOCAL_OPERATOR, _asked(proctor, acme, input="The printer is on fire."))
    found = replay(call, {"support_ticket": 1}, {})

    assert found.state["model"] == GPT
    assert "Its route default is not there any more" in " ".join(found.missing)


def _answering(**said: Any) -> str:
    """Return an input that makes the fake answer with this object."""
    ticket = {"summary": "Fire.", "category": "bug", "priority": "high", "sentiment": "unhappy", "needs_human": True}
    return f"The printer is on fire. <<{json.dumps(ticket | said)}>>"


def test_the_new_answer_stands_beside_the_recorded_one(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Each field has both values, and a word where it changed; dismissed, the comparison goes."""
    page = open_page("playground", call=_asked(proctor, acme, input=_answering()))
    assert not page.table
    page.text_area(key=INPUT).set_value(_answering(summary="Smoke.", priority="urgent")).run()
    page.button(key="run").click().run()

    assert not page.exception
    assert "2 of 5 values** changed" in told(page)
    sums, fields = page.table[0].value, page.table[1].value
    assert list(sums.columns) == ["Recorded call", "This run"]
    rows = {path.replace("\\", ""): tuple(row) for path, row in zip(fields.index, fields.to_numpy(), strict=True)}
    assert [value.replace("\\", "") for value in rows["$.summary"][:2]] == ['"Fire."', '**"Smoke."**']
    assert "changed" in rows["$.summary"][2]
    assert "same" in rows["$.category"][2]
    page.button(key="dismiss").click().run()
    assert "values** changed" not in told(page)


def test_beside_a_failed_call_stands_what_was_wrong(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """The last answer that failed is compared, with the rule that each of its fields broke."""
    page = open_page("playground", call=_asked(proctor, acme, input="The printer is on fire. [[never-valid]]"))
    page.text_area(key=INPUT).set_value(_answering()).run()
    page.button(key="run").click().run()

    assert not page.exception
    assert any("was wrong: Input should be a valid string" in change for change in page.table[1].value["Change"])


def test_where_no_answer_was_kept_its_figures_stand_alone(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """That there is nothing to compare field by field is said."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, acme, False)
    page = open_page("playground", call=_asked(proctor, acme, input="The printer is on fire."))
    page.text_area(key=INPUT).set_value("The printer is on fire.").run()
    page.button(key="run").click().run()

    assert not page.exception
    assert "keeps no answer" in told(page)


def test_what_was_not_kept_is_said_and_left_empty(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Where no prompts are kept the input stays empty, never the sample's."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, acme, False)
    page = open_page("playground", call=_asked(proctor, acme, input="The printer is on fire."))

    assert "Its input is not kept" in told(page)
    assert page.text_area(key=INPUT).value == ""
    assert page.button(key="run").disabled


def test_a_schema_that_came_with_the_request_is_to_be_pasted(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """It is nowhere kept; the input is filled in all the same."""
    page = open_page("playground", call=_asked(proctor, acme, schema=PLACE, input="Lisbon."))

    assert "Its schema came with the request and is not kept: paste it." in told(page)
    assert page.segmented_control(key="source").value == "json"
    assert page.text_area(key="input_").value == "Lisbon."


def test_of_a_conversation_the_last_text_is_filled_in(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """The page has one input; that there was more is said."""
    said = [("user", "Hello."), ("assistant", "Yes?"), ("user", "The printer is on fire.")]
    messages = [{"role": role, "content": content} for role, content in said]
    page = open_page("playground", call=_asked(proctor, acme, messages=messages))

    assert "a conversation of 3 messages" in told(page)
    assert page.text_area(key=INPUT).value == "The printer is on fire."


def test_what_the_playground_cannot_send_is_said(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Of a message with a picture the text is filled in; that it would be asked without the picture is said."""
    parts = [{"type": "text", "text": "What is on fire?"}, {"type": "image", "url": "https://files.example.com/a.png"}]
    page = open_page("playground", call=_asked(proctor, acme, messages=[{"role": "user", "content": parts}]))

    assert "It was about 1 image or document too" in told(page)
    assert "a conversation" not in told(page)
    assert page.text_area(key=INPUT).value == "What is on fire?"


def test_a_call_that_is_not_there_is_one_sentence(open_page: Open, acme: Tenant) -> None:
    """The page stands, ready for something else."""
    page = open_page("playground", call="nonsense")

    assert "There is no call 'nonsense'" in told(page)
    assert not page.button(key="run").disabled
    del acme


def test_every_call_leads_to_the_playground(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """On the page of a call stands the link that opens it there."""
    call = _asked(proctor, acme, input="The printer is on fire.")
    page = open_page("calls", call=call)

    links = [str(link.proto) for link in page.get("page_link")]
    assert any("Open in playground" in link and call in link for link in links)


def _saving(body: dict[str, object], source: str) -> None:
    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.kit.pasted import Pasted
    from pages.playground.save import dialog

    dialog(open_page("Test", "A dialog.", needs=Permission.SCHEMAS_READ), Pasted(body=body, source=source), "Lisbon.")


def _dialog(body: dict[str, Any], source: str = "") -> AppTest:
    page = AppTest.from_function(_saving, args=(body, source), default_timeout=60).run()
    assert not page.exception
    return page


def test_a_pasted_schema_is_saved_and_then_has_further_versions(proctor: Runtime) -> None:
    """The first is in production, the next is a draft unless somebody says otherwise; both are in the audit."""
    dialog = _dialog(PLACE)
    assert dialog.text_input(key="save_name").value == "place_found"
    assert "is new" in told(dialog)
    dialog.button(key="confirm_save").click().run()

    dialog = _dialog(PLACE | {"description": "Where it is."})
    assert "this becomes its version 2" in told(dialog)
    dialog.button(key="confirm_save").click().run()

    (entry,) = (one for one in proctor.schemas.list(LOCAL_OPERATOR) if one.name == "place_found")
    assert entry.labels == {"production": 1, "draft": 2}
    with proctor.store.reading() as session:
        audited = session.exec(select(AuditEntry).where(col(AuditEntry.subject) == "place_found")).all()
    assert [(one.action, one.actor) for one in audited] == [("schema.add", LOCAL_OPERATOR.name)] * 2


def test_a_version_that_programs_get_at_once_is_named_before(proctor: Runtime) -> None:
    """Whoever moves production is told what that means and which version has it now."""
    proctor.schemas.add(LOCAL_OPERATOR, "place_found", PLACE)
    dialog = _dialog(PLACE | {"description": "Other."})
    dialog.selectbox(key="save_label").set_value("production").run()

    assert "Programs get it from the next call on" in told(dialog)
    assert "which is version 1 now" in told(dialog)


def test_what_was_read_from_pydantic_keeps_its_source(proctor: Runtime) -> None:
    """Saved from the playground, a version shows the source that it was read from, as one does that Schemas saved."""
    source = "from pydantic import BaseModel\n\n\nclass Place(BaseModel):\n    city: str\n"
    _dialog(PLACE, source).button(key="confirm_save").click().run()
    assert proctor.schemas.source(LOCAL_OPERATOR, "place_found", 1) == source


@pytest.mark.parametrize("name", ["Place", "1place", "a-b", "x" * 64])
def test_a_name_that_cannot_be_is_refused_in_one_sentence(proctor: Runtime, name: str) -> None:
    """What names a schema is checked where it is kept; nothing is saved."""
    dialog = _dialog(PLACE)
    dialog.text_input(key="save_name").set_value(name).run()
    dialog.button(key="confirm_save").click().run()

    assert "cannot name a schema" in dialog.error[0].value
    assert not [one for one in proctor.schemas.list(LOCAL_OPERATOR) if one.description == "" and one.name == name]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("ShipmentNotice", "shipment_notice"),
        ("HTML page 2", "html_page_2"),
        ("2nd", "nd"),
        ("", ""),
        ("Ünïcode", "n_code"),
    ],
)
def test_a_title_suggests_a_name(title: str, name: str) -> None:
    """What is suggested can be a name, or is nothing."""
    assert suggested_name({"title": title}) == name


def test_what_was_saved_is_asked_for_by_its_name(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """After saving a button asks for the registered version, and a link leads to it; the pasted source stays."""
    proctor.schemas.add(LOCAL_OPERATOR, "place_found", PLACE)
    page = open_page("playground", source="JSON Schema")
    page.session_state["saved"] = ("place_found", 1)
    page.run()
    assert "Saved as place_found, version 1." in told(page)
    links = [str(link.proto) for link in page.get("page_link")]
    assert any("Open in Schemas" in link and "place_found" in link for link in links)
    page.button(key="ask_saved").click().run()

    assert not page.exception
    assert page.segmented_control(key="source").value == "registered"
    assert (page.selectbox(key="schema").value, page.selectbox(key="version").value) == ("place_found", "1")
    del acme


def test_a_run_that_was_ended_says_so_until_the_next(open_page: Open, acme: Tenant) -> None:
    """Whoever pressed Stop, or changed something while it ran, is told what became of the money."""
    page = open_page("playground")
    page.session_state["running"] = True
    page.run()
    assert "It was ended before its answer came" in told(page)
    page.button(key="run").click().run()

    assert "It was ended" not in told(page)
    del acme

"""How a schema went out, as the corridor tells it: in the trace, in the record, and in a stream on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.principals import LOCAL_OPERATOR
from core.schema_forms import form_for
from core.tables import Outcome
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

ODD: dict[str, Any] = {
    "title": "statement",
    "type": "object",
    "properties": {"Account Number": {"type": "string"}, "owner": {"type": "string", "minLength": 2}},
    "required": ["Account Number", "owner"],
    "additionalProperties": False,
}
MAP: dict[str, Any] = {
    "title": "counts",
    "type": "object",
    "properties": {"counts": {"type": "object", "additionalProperties": {"type": "integer"}}},
    "required": ["counts"],
}


@pytest.fixture
def proctor(sqlite_url: str) -> Iterator[Rig]:
    """One Proctor on the fakes."""
    with WireServer() as wire, rig(wire, sqlite_url) as made:
        yield made


def told(heard: Any) -> list[str]:
    """Return what the trace says of how the schema went out."""
    return [step["reason"] for step in heard.generation.trace if step["verdict"] == "sent"]


@pytest.mark.parametrize("stream", [False, True])
def test_another_mode_is_taken_and_told(*, stream: bool, proctor: Rig) -> None:
    """A map goes to Anthropic as a tool; the trace says why, and the attempt which mode was taken."""
    route = proctor.route(ANTHROPIC, mode="json_schema")
    heard = proctor.ask(proctor.tenant(), schema=MAP, route=route, stream=stream)

    assert heard.generation.value == {"counts": {"key": 1}}
    [why] = told(heard)
    assert why.startswith(f"{ANTHROPIC}: $.counts takes further properties. So mode tools is taken.")
    assert [attempt.mode for attempt in proctor.written(heard.generation.id).attempts] == ["tools"]


def test_objects_that_are_closed_on_the_way_are_told(proctor: Rig) -> None:
    """A schema that says nothing of further properties is sent as having none, and the trace says where."""
    owner = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema = {"title": "car", "type": "object", "properties": {"owner": owner}, "required": ["owner"]}
    heard = proctor.ask(proctor.tenant(), schema=schema, route=proctor.route(ANTHROPIC, mode="json_schema"))

    [why] = told(heard)
    assert why.endswith("whether they have further properties are sent as having none: $, $.owner.")
    form = form_for(schema, "anthropic", "json_schema")
    assert form.closed == ("$", "$.owner")
    assert "without further properties" in form.verdict


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_left_out_is_told(*, stream: bool, proctor: Rig) -> None:
    """The trace names what Proctor alone checks, and as what names went out; nobody sees those names."""
    route = proctor.route(ANTHROPIC, mode="json_schema")
    heard = proctor.ask(proctor.tenant(), schema=ODD, route=route, stream=stream)

    [why] = told(heard)
    assert "minLength of $.owner" in why
    assert "'Account Number' as 'Account_Number'" in why
    assert set(heard.generation.value) == {"Account Number", "owner"}
    assert all(set(partial.value) <= {"Account Number", "owner"} for partial in heard.partials)


def test_a_fallback_may_have_another_vendors_mode(proctor: Rig) -> None:
    """Where the first model fails, the next one is asked by its own form, whatever the schema holds."""
    schema = {**ODD, "properties": {**ODD["properties"], "owner": {"type": ["string", "null"]}, "more": {}}}
    candidates = [{"model": OPENAI, "mode": "tools"}, {"model": ANTHROPIC, "mode": "json_schema"}]
    proctor.runtime.routes.set(LOCAL_OPERATOR, "mixed", candidates, max_retries=0)
    heard = proctor.ask(proctor.tenant(), "failed@openai", schema=schema, route="mixed")

    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    assert set(heard.generation.value) == {"Account Number", "owner", "more"}


def test_what_is_as_it_was_asked_for_needs_no_word(proctor: Rig) -> None:
    """A mode that does just what it promises adds nothing to the trace."""
    heard = proctor.ask(proctor.tenant(), route=proctor.route(OPENAI, mode="tools"))
    assert not told(heard)


def test_an_unknown_vendor_is_sent_all(proctor: Rig) -> None:
    """The function is total: what nobody has rules for goes out as it is."""
    form = form_for(MAP, "somebody", "anything")
    assert (form.body, form.mode, form.is_enforced) == (MAP, "anything", False)


def test_a_format_that_nobody_checks_is_told(proctor: Rig) -> None:
    """The trace says so in a mode that adds nothing else to it, and the answer is valid at once."""
    schema = {"type": "object", "properties": {"n": {"type": "integer", "format": "int32"}}, "required": ["n"]}
    heard = proctor.ask(proctor.tenant(), schema=schema, route=proctor.route(OPENAI, mode="tools"))
    [why] = told(heard)
    assert why.endswith("Nobody checks what only tells the model what is meant: format int32 of $.n.")

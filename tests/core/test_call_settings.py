"""What is set for one call, and what a call is said to cost before it goes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Forbidden, Invalid
from core.generation import GenerationRequest
from core.principals import LOCAL_OPERATOR
from core.record import Record
from core.requests import CallSettings
from tests.corridor import ANTHROPIC, OPENAI, PERSON, Rig, program, question, rig
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(wire: WireServer, sqlite_url: str) -> Iterator[Rig]:
    """A Proctor."""
    with rig(wire, sqlite_url) as running:
        yield running


def test_what_is_set_goes_out_and_stands_in_trace_and_policy(proctor: Rig, wire: WireServer) -> None:
    """Mode, length and parameters are on the wire of this call, its record says who set them, the next has none."""
    tenant, corridor = proctor.tenant(), proctor.corridor()
    settings = CallSettings(mode="json", max_tokens=77, parameters={"temperature": 0.25})

    told = proctor.ask(tenant, corridor=corridor, settings=settings)
    after = proctor.ask(tenant, corridor=corridor)

    first, second = (call.request or {} for call in wire.ledger.calls()[-2:])
    assert (first["temperature"], first["max_tokens" if "max_tokens" in first else "max_completion_tokens"]) == (
        0.25,
        77,
    )
    assert "tools" not in first
    assert "temperature" not in second
    assert "tools" in second
    written = proctor.written(told.generation.id)
    assert written.attempts[0].mode == "json"
    assert written.policy is not None
    assert written.policy["route"]["parameters"] == {OPENAI: {"temperature": 0.25}}
    said = [step["reason"] for step in told.generation.trace if step["verdict"] == "set by hand"]
    assert said == ["The caller set mode json, max_tokens 77, temperature 0.25."]
    assert not [step for step in after.generation.trace if step["verdict"] == "set by hand"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mode": "xml"}, "The mode 'xml' is not one of tools, json_schema, json, md_json"),
        ({"max_tokens": -1}, "max_tokens lies above 0"),
        ({"max_tokens": 1.5}, "max_tokens is a whole number"),
        ({"parameters": {"temperature": 3}}, "temperature lies between 0 and 2"),
        ({"parameters": {"heat": 1}}, "'heat' is no parameter"),
    ],
)
def test_what_no_candidate_can_have_is_refused_before_anything_goes_out(
    proctor: Rig, settings: dict[str, Any], sentence: str
) -> None:
    """A value is checked as a route's is, in one sentence; there is no generation of it."""
    tenant = proctor.tenant()

    for ask in (proctor.corridor().generate, proctor.corridor().expectations):
        with pytest.raises(Invalid, match=sentence):
            ask(question(settings=CallSettings(**settings)), program(tenant))


def test_an_answer_that_is_not_to_come_from_the_cache_is_made(proctor: Rig) -> None:
    """Five runs of one question are five calls, though the route keeps answers."""
    tenant, corridor = proctor.tenant(), proctor.corridor()
    asked: dict[str, Any] = {"input": "The same.", "route": proctor.route(OPENAI, cache_seconds=600)}

    made = [
        proctor.ask(tenant, corridor=corridor, **asked, settings=CallSettings(is_cached=is_cached)).generation
        for is_cached in (True, True, False)
    ]

    assert [one.outcome.value for one in made] == ["valid_first_try", "cache_hit", "valid_first_try"]


@pytest.mark.parametrize("schema", ["person", PERSON], ids=["registered", "inline"])
def test_what_is_said_beforehand_is_what_is_held(
    proctor: Rig, monkeypatch: pytest.MonkeyPatch, schema: str | dict[str, Any]
) -> None:
    """The bound that is shown is the one that a call is covered with; what it is likely to cost is less."""
    tenant, corridor = proctor.tenant(), proctor.corridor()
    route = proctor.route(OPENAI, ANTHROPIC)
    request = GenerationRequest(
        schema=schema,
        messages=[{"role": "system", "content": "Be exact."}, {"role": "user", "content": "[[failed@openai]]"}],
        route=route,
        settings=CallSettings(max_tokens=300),
    )

    held: list[tuple[str, int | None]] = []
    cover = Record.cover

    def noted(record: Record, call: Any) -> None:
        held.append((call.candidate.name, call.worst_nano_usd))
        cover(record, call)

    monkeypatch.setattr(Record, "cover", noted)
    said = corridor.expectations(request, program(tenant))
    corridor.generate(request, program(tenant))

    shown = [(one.candidate.name, one.worst_nano_usd) for one in said]
    assert list(dict.fromkeys(held)) == shown
    assert all(one.cost and one.worst_nano_usd and one.cost.nano_usd < one.worst_nano_usd for one in said)


def test_a_price_is_told_to_who_may_generate_in_the_tenant_alone(proctor: Rig) -> None:
    """What a call would cost somebody else is not for a key to know; an operator may ask for any tenant."""
    mine, other = proctor.tenant(), proctor.tenant()
    corridor = proctor.corridor()

    assert corridor.expectations(question(tenant_id=other.id), LOCAL_OPERATOR)
    said = corridor.expectations(question(tenant_id=other.id), program(mine))
    assert [one.candidate.name for one in said] == [OPENAI]
    with pytest.raises((Forbidden, Invalid)):
        corridor.expectations(question(), LOCAL_OPERATOR)

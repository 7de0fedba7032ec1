"""The corridor: what may enter it, in which order its rooms refuse, and what a stream shows on the way."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Invalid, ProctorError
from core.flags import Flag
from core.generation import GenerationRequest, Partial
from core.guardrails import Action, Stage
from core.principals import LOCAL_OPERATOR
from core.tables import Outcome
from tests.builders import person
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, PERSON, Rig, program, question, rig_on
from tests.patched import applied
from tests.searches import Objecting, rule, usual
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def proctor(request: pytest.FixtureRequest, wire: WireServer) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig_on(request, wire, "corridor") as running:
        yield running


def generations(on: Rig) -> int:
    """Return how many generations are recorded."""
    found = on.runtime.store.read_one("SELECT count(*) FROM generation", {})
    return int(found[0])


# ── The door ──────────────────────────────────────────────────────────────────────────────────────────────────────────

USER = {"role": "user", "content": "Hello."}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "Give either 'input', a text, or 'messages'"),
        ({"input": "a", "messages": [USER]}, "exactly one of them"),
        ({"input": ""}, "The input is empty"),
        ({"input": " \n\t"}, "The input is empty"),
        ({"input": "half \ud800 of one"}, "The input is not valid Unicode"),
        ({"messages": []}, "'messages' holds 1 to 200 messages; this has 0"),
        ({"messages": [USER] * 201}, "this has 201"),
        ({"messages": [{"role": "tool", "content": "a"}]}, r"messages\[0\].role is one of system, user, assistant"),
        ({"messages": [USER, {"content": "a"}]}, r"messages\[1\].role is one of"),
        ({"messages": [USER, {"role": "user"}]}, r"messages\[1\].content is a text"),
        ({"messages": [{"role": "user", "content": " "}]}, r"messages\[0\].content is a text that is not empty"),
        ({"messages": [{"role": "user", "content": [1]}]}, r"messages\[0\].content\[0\] is an object"),
        (
            {"messages": [{"role": "user", "content": []}]},
            r"messages\[0\].content is a text that is not empty, or a list",
        ),
        ({"messages": [{"role": "user", "content": "\udfff"}]}, r"messages\[0\].content is not valid Unicode"),
        ({"messages": [{"role": "system", "content": "a"}]}, "no message of the role user"),
        ({"input": "a", "metadata": {"when": object()}}, "'metadata' is a JSON object"),
        ({"input": "a", "metadata": {"half": "\ud800"}}, "'metadata' is a JSON object"),
        ({"input": "a", "metadata": {1: "a"}}, "'metadata' is a JSON object"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_question_is_turned_away(
    *, stream: bool, asked: dict[str, Any], sentence: str, proctor: Rig
) -> None:
    """A malformed request is met with a sentence; it is no generation, and nothing is recorded or sent."""
    calls, known = len(proctor.wire.ledger.calls()), generations(proctor)
    request = GenerationRequest(schema="person", **asked)
    corridor, principal = proctor.corridor(), program(proctor.tenant())
    with pytest.raises(Invalid, match=sentence):
        next(iter(corridor.stream(request, principal))) if stream else corridor.generate(request, principal)

    assert generations(proctor) == known
    assert len(proctor.wire.ledger.calls()) == calls


@pytest.mark.parametrize("text", ["NUL \x00 in it", "😀 ünï \u2028", "{{ 7*7 }} {% if", '"quoted" \\ back', "\x1b[31m"])
def test_any_text_goes_out_and_is_kept_to_the_letter(text: str, proctor: Rig) -> None:
    """Whatever a caller writes reaches the provider and the record unchanged, on both databases."""
    heard = proctor.ask(proctor.tenant(), messages=[{"role": "user", "content": text}])

    request = proctor.wire.ledger.calls()[-1].request
    assert request is not None
    assert request["messages"][-1]["content"] == text
    assert proctor.written(heard.generation.id).payloads[0].asked == [{"role": "user", "content": text}]


def test_any_text_comes_back_and_is_kept_to_the_letter(proctor: Rig) -> None:
    """Whatever a model writes is the value that the caller gets and the record keeps, on both databases."""
    odd = {"name": "NUL \x00 😀 \u2028 {{ 7*7 }} \\u0000", "age": 2**53, "tags": ["", '"']}
    heard = proctor.ask(proctor.tenant(), messages=[{"role": "user", "content": f"Say <<{json.dumps(odd)}>>"}])

    assert heard.generation.value == odd
    answered = proctor.written(heard.generation.id).payloads[0].answered
    assert answered is not None
    assert json.loads(answered) == odd


# ── The order of the rooms ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_room_that_refuses_decides(proctor: Rig) -> None:
    """Policy refuses before the limit, that before the screen, that before the budget, that before the call."""
    tenant, known = proctor.tenant(0, rate_limit_per_min=1), generations(proctor)
    proctor.ask(tenant)
    forbidding = proctor.corridor(guardrails=usual(rule(Objecting(), Action.BLOCK, Stage.INPUT)))
    calls = len(proctor.wire.ledger.calls())

    proctor.runtime.flags.set(LOCAL_OPERATOR, Flag.GENERATION, tenant, False)
    outcomes = [proctor.ask(tenant, corridor=forbidding).generation.outcome]
    proctor.runtime.flags.set(LOCAL_OPERATOR, Flag.GENERATION, tenant, True)
    outcomes.append(proctor.ask(tenant, corridor=forbidding).generation.outcome)
    proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, rate_limit_per_min=100)
    outcomes.append(proctor.ask(tenant, corridor=forbidding).generation.outcome)
    outcomes.append(proctor.ask(tenant).generation.outcome)
    assert len(proctor.wire.ledger.calls()) == calls
    proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 10**9)
    outcomes.append(proctor.ask(tenant).generation.outcome)

    assert outcomes == [
        Outcome.BLOCKED_FLAG,
        Outcome.BLOCKED_RATE,
        Outcome.BLOCKED_GUARDRAIL,
        Outcome.BLOCKED_BUDGET,
        Outcome.VALID_FIRST_TRY,
    ]
    assert generations(proctor) - known == 6, "refusals are recorded too"
    assert proctor.is_settled()


@pytest.mark.parametrize("stream", [False, True])
def test_every_refusal_says_why(*, stream: bool, proctor: Rig) -> None:
    """The error that a caller gets holds the generation's id, its outcome and the trace that ends with the reason."""
    heard = proctor.ask(proctor.tenant(0), stream=stream)

    assert isinstance(heard.error, ProctorError)
    facts = heard.error.facts
    assert (facts["generation_id"], facts["outcome"]) == (heard.generation.id, "blocked_budget")
    assert facts["trace"][-1] == {"room": "reserve", "verdict": "blocked", "reason": heard.error.message}
    assert "resets_at" in facts


def test_an_operator_generates_in_the_tenant_that_is_named(proctor: Rig) -> None:
    """Whoever sits at the console generates for a tenant, whose money and record it is."""
    tenant = proctor.tenant()
    generation = proctor.corridor().generate(question(tenant_id=tenant.id), LOCAL_OPERATOR)

    written = proctor.written(generation.id)
    assert (written.generation.tenant_id, written.generation.principal) == (tenant.id, "local operator")
    assert written.generation.key_id is None
    assert proctor.accounts(tenant)[0].spent_nano_usd == generation.cost_nano_usd


# ── Schemas ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_may_come_with_the_request(*, stream: bool, model: str, proctor: Rig) -> None:
    """An inline schema is named by its title, has no version, and is known by its hash."""
    heard = proctor.ask(proctor.tenant(), schema=PERSON | {"title": "A Person!"}, model=model, stream=stream)

    generation = heard.generation
    assert generation.value == A_PERSON
    assert (generation.schema, generation.schema_version) == ("A_Person", None)
    assert proctor.written(generation.id).generation.schema_hash == generation.schema_hash != ""


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_need_not_be_an_object(*, stream: bool, model: str, proctor: Rig) -> None:
    """A schema of a list goes out wrapped and comes back as the list, in every part of a stream too."""
    listed = {"title": "names", "type": "array", "items": {"type": "string"}, "minItems": 2}
    heard = proctor.ask(proctor.tenant(), "slow-stream", schema=listed, model=model, stream=stream)

    assert heard.generation.value == ["some value", "some value 2"]
    assert bool(heard.partials) == stream
    assert all(isinstance(partial.value, list) for partial in heard.partials)


def test_a_version_may_be_named(proctor: Rig) -> None:
    """A bare name is what is in production; a version or a label finds just that one."""
    for body in (PERSON, {"type": "object", "properties": {"nick": {"type": "string"}}}):
        proctor.runtime.schemas.add(person("test"), "someone", body)
    tenant = proctor.tenant()
    answers = {name: proctor.ask(tenant, schema=name).generation for name in ("someone", "someone@1", "someone@2")}

    assert {name: (one.schema, one.schema_version) for name, one in answers.items()} == {
        "someone": ("someone", 2),
        "someone@1": ("someone", 1),
        "someone@2": ("someone", 2),
    }
    assert (answers["someone@1"].value, answers["someone"].value) == (A_PERSON, {"nick": "some nick"})


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece of a stream is shown, however close together they come: on a busy machine they come in one moment."""
    monkeypatch.setattr("core.attempts._pace.EVERY_SECONDS", 0.0)


@pytest.mark.usefixtures("every_piece")
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_the_object_fills_in(model: str, proctor: Rig) -> None:
    """Partial objects grow: fields appear in order, texts get longer, nothing is shown twice or taken back."""
    heard = proctor.ask(proctor.tenant(), "slow-stream", model=model, stream=True)

    values = [partial.value for partial in heard.partials]
    assert len(values) >= 3
    for before, after in itertools.pairwise([*values, heard.generation.value]):
        assert list(after)[: len(before)] == list(before)
        for name, part in before.items():
            if isinstance(part, str):
                assert after[name].startswith(part)
            elif isinstance(part, list):
                assert len(after[name]) >= len(part)
    for before, after in itertools.pairwise(values):
        assert before != after


@pytest.mark.usefixtures("every_piece")
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("mode", ["json_schema", "json", "md_json"])
def test_it_fills_in_whatever_stands_around_it(mode: str, model: str, proctor: Rig) -> None:
    """In every mode a stream shows the object as it grows, also behind a code fence."""
    route = proctor.route(model, mode=mode)
    heard = proctor.ask(proctor.tenant(), "slow-stream", route=route, stream=True)

    assert heard.generation.value == A_PERSON
    assert len(heard.partials) >= 3
    assert all(partial.value.keys() <= A_PERSON.keys() for partial in heard.partials)


OPTIONAL: dict[str, Any] = {
    "title": "note",
    "type": "object",
    "properties": {"text": {"type": "string"}, "nick": {"type": "string"}, "tags": PERSON["properties"]["tags"]},
    "required": ["text"],
}


@pytest.mark.usefixtures("every_piece")
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("mode", ["tools", "json_schema", "md_json"])
@pytest.mark.parametrize(
    "schema", ["person", OPTIONAL, {"title": "names", "type": "array", "items": {"type": "string"}, "minItems": 2}]
)
def test_patches_make_the_object(schema: Any, mode: str, model: str, proctor: Rig) -> None:
    """In every mode, wrapped or not, also where the way back needs the whole: patches of an attempt make its object."""
    route = proctor.route(model, mode=mode)
    asked = {"schema": schema, "route": route, "stream": True, "partials": "patch"}
    heard = proctor.ask(proctor.tenant(), "invalid-twice" if schema == "person" else "slow-stream", **asked)

    document, attempt = None, 0
    for partial in heard.partials:
        assert partial.value is None
        assert partial.patch
        if partial.attempt != attempt:
            assert not partial.goes_on
            assert (partial.patch[0]["op"], partial.patch[0]["path"]) == ("add", "")
        else:
            assert partial.goes_on
        attempt = partial.attempt
        document = applied(document, partial.patch)
    assert document == heard.generation.value
    assert len(heard.partials) >= 3


def test_a_reask_starts_anew(proctor: Rig) -> None:
    """Each attempt shows its own object from the beginning, under its own number."""
    heard = proctor.ask(proctor.tenant(), "invalid-once", stream=True, model=OPENAI)

    numbers = [partial.attempt for partial in heard.partials]
    assert sorted(set(numbers)) == [1, 2]
    assert numbers == sorted(numbers)
    assert heard.generation.value == A_PERSON


def test_a_stream_that_nobody_reads_never_begins(proctor: Rig) -> None:
    """An iterator that is dropped before its first step asks nobody and records nothing."""
    calls, known = len(proctor.wire.ledger.calls()), generations(proctor)
    stream = proctor.corridor().stream(question(), program(proctor.tenant()))
    stream.close()  # pyright: ignore[reportAttributeAccessIssue] it is a generator

    assert len(proctor.wire.ledger.calls()) == calls
    assert generations(proctor) == known


def test_a_stream_ends_with_its_generation(proctor: Rig) -> None:
    """The last thing a stream yields is the whole generation, with its time to the first token."""
    *partials, generation = proctor.corridor().stream(question("slow-stream"), program(proctor.tenant()))

    assert all(isinstance(partial, Partial) for partial in partials)
    assert not isinstance(generation, Partial)
    assert generation.ttft_ms is not None
    assert 0 < generation.ttft_ms < generation.duration_ms
    assert proctor.written(generation.id).generation.streamed is True


def test_time_at_the_door_is_time(proctor: Rig) -> None:
    """A request that waited for its turn has that much less: where nothing is left, nobody is asked."""
    tenant, clock = proctor.tenant(), proctor.runtime.clock
    calls = len(proctor.wire.ledger.calls())

    with pytest.raises(ProctorError) as refused:
        proctor.corridor().generate(question(arrived=clock.monotonic() - 3600), program(tenant))

    assert refused.value.facts["outcome"] == Outcome.TIMEOUT
    assert len(proctor.wire.ledger.calls()) == calls

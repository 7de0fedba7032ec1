"""Who wants it has his invalid answers asked again for at the doors: he gets the first valid one, in his dialect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from sqlmodel import col, select

from core.faults import Fault
from core.principals import LOCAL_OPERATOR
from core.servers import named_servers
from core.settings import Settings
from core.tables import AttemptRow, GenerationRow, Reservation
from tests.core.api.conftest import CITY, House, api_settings, eventually
from tests.wire.ledger import NOTHING
from tests.wire.server import WireServer

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
MODELS = {"chat": "gpt-4o-mini", "responses": "compatible-new/gpt-4o-mini", "messages": "claude-haiku-4-5"}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """With time enough for a busy machine; one server speaks OpenAI's newer dialect."""
    given = {"COMPATIBLE_NEW_BASE_URL": wire.openai_url, "COMPATIBLE_NEW_DIALECT": "responses"}
    patience = {"attempt_timeout_seconds": 100.0, "deadline_seconds": 100.0}
    servers = {"providers": named_servers("compatible-new", given.get)}
    return api_settings(sqlite_url, wire).model_copy(update=servers | patience)


def body(door: str, scenario: str, *, shape: str = "tool", **more: Any) -> dict[str, Any]:
    """Return a request for a city, as a tool's input or as the answer's format."""
    said = [{"role": "user", "content": f"Bern has many inhabitants. [[{scenario}]]"}]
    tool = {"name": "city", "parameters": CITY}
    match door, shape:
        case "chat", "tool":
            form: dict[str, Any] = {
                "tools": [{"type": "function", "function": tool}],
                "tool_choice": {"type": "function", "function": {"name": "city"}},
            }
        case "chat", _:
            form = {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}}
        case "responses", "tool":
            form = {"tools": [{"type": "function", **tool}], "tool_choice": {"type": "function", "name": "city"}}
        case "responses", _:
            form = {"text": {"format": {"type": "json_schema", "name": "city", "schema": CITY}}}
        case _, "tool":
            form = {
                "tools": [{"name": "city", "input_schema": CITY}],
                "tool_choice": {"type": "tool", "name": "city"},
                "max_tokens": 300,
            }
        case _:
            untitled = {name: value for name, value in CITY.items() if name != "title"} | {
                "additionalProperties": False
            }
            form = {"output_config": {"format": {"type": "json_schema", "schema": untitled}}, "max_tokens": 300}
    messages = {"input": said} if door == "responses" else {"messages": said}
    return {"model": MODELS[door], **messages, **form, **more}


def asked(house: House, url: str, door: str, scenario: str, reasks: Any = 2, **more: Any) -> httpx2.Response:
    """Send a request that wants to be asked again so often."""
    headers = {**house.headers, **(ANTHROPIC if door == "messages" else {}), "X-Proctor-Reask": str(reasks)}
    return httpx2.post(url + PATHS[door], json=body(door, scenario, **more), headers=headers, timeout=120)


def rows(house: House, kind: Any, order: Any) -> Sequence[Any]:
    """Return every row of a table."""
    with house.runtime.store.reading() as session:
        return list(session.exec(select(kind).order_by(col(order))))


def generation(house: House) -> GenerationRow:
    """Return the only generation, once it is written down."""
    assert eventually(lambda: bool(rows(house, GenerationRow, GenerationRow.id)), 60)
    [made] = rows(house, GenerationRow, GenerationRow.id)
    return made


def attempts(house: House) -> list[tuple[str, str]]:
    """Return kind and outcome of every attempt."""
    return [(one.kind, one.outcome) for one in rows(house, AttemptRow, AttemptRow.n)]


def verdicts(made: GenerationRow) -> str:
    """Return the decision trace as text."""
    return json.dumps(made.trace)


@pytest.mark.parametrize(
    ("door", "shape"),
    [("chat", "tool"), ("chat", "format"), ("responses", "tool"), ("messages", "tool"), ("messages", "format")],
)
def test_the_caller_gets_the_first_valid_answer(door: str, shape: str, house: House, url: str) -> None:
    """Two are invalid: one generation with three attempts, paid to the token; the last says who and how many."""
    answer = asked(house, url, door, "invalid-twice", shape=shape)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-proctor-attempts"] == "3"
    made = generation(house)
    assert (made.outcome, made.attempts, made.reask_of) == ("valid_after_reask", 3, None)
    assert attempts(house) == [("first", "invalid"), ("re-ask", "invalid"), ("re-ask", "valid_after_reask")]
    billed = sum((one.usage for one in house.wire.ledger.calls()), NOTHING)
    assert (made.input_tokens, made.output_tokens) == (billed.input_tokens, billed.output_tokens)
    assert not rows(house, Reservation, Reservation.generation_id)


@pytest.mark.parametrize("door", PATHS)
def test_a_stream_is_passed_on_once_it_is_valid(door: str, house: House, url: str) -> None:
    """Nothing of the invalid answer is in it; its headers say how many attempts it took."""
    answer = asked(house, url, door, "invalid-once", stream=True)
    assert "event-stream" in answer.headers["content-type"], answer.text
    assert answer.headers["x-proctor-attempts"] == "2"
    assert (
        answer.text.count({"chat": "[DONE]", "responses": "event: response.completed"}.get(door, "event: message_stop"))
        == 1
    )
    made = generation(house)
    assert (made.outcome, made.attempts, made.streamed) == ("valid_after_reask", 2, True)


def test_the_sdks_read_it_as_any_stream(house: House, url: str) -> None:
    """OpenAI's and Anthropic's own readers make one message of it."""
    more = {"extra_headers": {"X-Proctor-Reask": "1"}}
    with openai.OpenAI(api_key=house.key, base_url=f"{url}/v1", max_retries=0) as client:
        chunks = list(client.chat.completions.create(**body("chat", "invalid-once"), stream=True, **more))
    said = "".join(
        call.function.arguments for one in chunks if one.choices for call in one.choices[0].delta.tool_calls or ()
    )
    assert isinstance(json.loads(said)["people"], int)
    with (
        anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0) as client,
        client.messages.stream(**body("messages", "invalid-once"), **more) as stream,
    ):
        [block] = stream.get_final_message().content
    assert isinstance(block.input["people"], int)


@pytest.mark.parametrize(("door", "stream"), [("chat", True), ("responses", True), ("messages", False)])
def test_who_gets_no_valid_answer_gets_the_last(door: str, house: House, url: str, *, stream: bool) -> None:
    """It is the vendor's, and recorded as invalid; a client that asks again by itself goes on from there."""
    answer = asked(house, url, door, "invalid", 1, stream=stream)
    assert (answer.status_code, answer.headers["x-proctor-attempts"]) == (200, "2")
    made = generation(house)
    assert (made.outcome, made.error_code, made.attempts) == ("invalid", None, 2)
    assert attempts(house) == [("first", "invalid"), ("re-ask", "invalid")]


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_while_it_is_asked_again_takes_no_answer_away(house: House, url: str, *, stream: bool) -> None:
    """The vendor breaks down: who has paid for an invalid answer gets that, and the record says what came behind it."""
    answer = asked(house, url, "chat", "invalid+bad-request", stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-proctor-attempts"] == "2"
    made = generation(house)
    assert (made.outcome, made.attempts) == ("invalid", 2)
    assert [one for one, _ in attempts(house)] == ["first", "re-ask"]


def test_the_policy_bounds_it(house: House, url: str) -> None:
    """No more than the route allows, and the trace says so."""
    assert asked(house, url, "chat", "invalid", 10).headers["x-proctor-attempts"] == "3"
    assert "asked again 2 times at most, not 10: the route allows 2" in verdicts(generation(house))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"tools": None, "tool_choice": None}, "neither tools nor a format"),
        ({"n": 2}, "several choices"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_again_is_told(more: dict[str, Any], why: str, house: House, url: str) -> None:
    """The answer is passed on as it is."""
    asked_for = {name: value for name, value in (body("chat", "invalid") | more).items() if value is not None}
    headers = {**house.headers, "X-Proctor-Reask": "2"}
    answer = httpx2.post(url + PATHS["chat"], json=asked_for, headers=headers, timeout=120)
    assert answer.headers["x-proctor-attempts"] == "1"
    assert why in verdicts(generation(house))


def test_a_client_that_asks_again_by_itself_is_not_helped(house: House, url: str) -> None:
    """Its attempts and ours do not multiply."""
    first = asked(house, url, "chat", "invalid", 1).json()["choices"][0]["message"]
    again = body("chat", "invalid")
    [call] = first["tool_calls"]
    again["messages"] += [first, {"role": "tool", "tool_call_id": call["id"], "content": "No."}]
    headers = {**house.headers, "X-Proctor-Reask": "1"}
    answer = httpx2.post(url + PATHS["chat"], json=again, headers=headers, timeout=120)
    assert answer.headers["x-proctor-attempts"] == "1"
    one, two = rows(house, GenerationRow, GenerationRow.started_at)
    assert two.reask_of == one.id
    assert "the client asks again by itself" in verdicts(two)


def test_what_is_no_number_is_refused(house: House, url: str) -> None:
    """In each dialect, before anything is sent."""
    cases = [*(("chat", one) for one in ("two", "-1", "11", "1.5", "", "२")), ("responses", "x"), ("messages", "x")]
    for door, given in cases:
        headers = [*house.headers.items(), ("x-proctor-reask", given.encode())]
        answer = httpx2.post(url + PATHS[door], json=body(door, "ok"), headers=headers, timeout=60)
        error = answer.json()["error"]
        assert (answer.status_code, "bad_header" in json.dumps(error)) == (400, True)
        assert "X-Proctor-Reask" in error["message"]
    assert not house.wire.ledger.calls()


def test_a_budget_that_is_used_up_takes_no_answer_away(house: House, url: str) -> None:
    """The re-ask is not covered: the answer that was paid for is passed on."""
    first = asked(house, url, "chat", "invalid", 0)
    spent = int(float(first.headers["x-proctor-cost-usd"]) * 1e9)
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, limit_nano_usd=spent * 40)
    for _ in range(40):
        answer = asked(house, url, "chat", "invalid", 2, max_tokens=60)
        made = rows(house, GenerationRow, GenerationRow.started_at)[-1]
        if made.attempts < 3:
            break
    assert (answer.status_code, made.outcome, made.attempts in (1, 2)) == (200, "invalid", True)
    assert "It is not asked again: " in verdicts(made)


def test_another_vendor_s_answer_is_asked_again_for_by_translation(house: House, url: str) -> None:
    """Who asks for a chat completion of Anthropic's model gets the first valid one as a completion."""
    answer = asked(house, url, "chat", "invalid-once", model="anthropic/claude-haiku-4-5")
    assert (answer.status_code, answer.headers["x-proctor-attempts"]) == (200, "2")
    [call] = answer.json()["choices"][0]["message"]["tool_calls"]
    assert isinstance(json.loads(call["function"]["arguments"])["people"], int)
    assert {one.path for one in house.wire.ledger.calls()} == {"/v1/messages"}


def test_a_fire_drill_is_met_as_any_fault(house: House, url: str) -> None:
    """What a drill puts in the place of an answer fails the call as ever; no answer of a vendor's is there."""
    house.runtime.drills.start(
        LOCAL_OPERATOR, house.tenant, Fault.INVALID, share=1.0, minutes=5, reason="To see what comes."
    )
    assert asked(house, url, "chat", "invalid").status_code >= 500
    assert not house.wire.ledger.calls()

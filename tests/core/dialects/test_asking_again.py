"""What is sent to ask again is what a client would send: each dialect takes its own answer back, byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName
from core.reasks import AnswerMarks, Conversation, splits

CHAT, RESPONSES, MESSAGES = DialectName.CHAT, DialectName.RESPONSES, DialectName.MESSAGES
WRONG = "$.age: Input should be a valid integer"
FIRST = {"role": "user", "content": "Ann is 7"}
SAID = '{"name":"Ann","age":"x"}'
USED = {"type": "tool_use", "id": "toolu_1", "name": "User", "input": json.loads(SAID)}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}


def call(call_id: str = "call_1") -> dict[str, Any]:
    """Return a call of a tool, as chat completions have it."""
    return {"id": call_id, "type": "function", "function": {"name": "User", "arguments": SAID}}


def completion(**message: Any) -> dict[str, Any]:
    """Return an answer of chat completions."""
    return {"choices": [{"message": {"role": "assistant", "content": None, **message}, "finish_reason": "stop"}]}


def echo(**message: Any) -> dict[str, Any]:
    """Return it as it is sent back."""
    return {"role": "assistant", "content": None, **message}


def tool(call_id: str) -> dict[str, Any]:
    """Return what was wrong as the result of a call."""
    return {"role": "tool", "tool_call_id": call_id, "content": WRONG}


def user(quoted: str = "") -> dict[str, Any]:
    """Return what was wrong as a message of the user's, with the answer behind it."""
    return {"role": "user", "content": f"{WRONG}\n\n{quoted}" if quoted else WRONG}


def result(call_id: str = "toolu_1") -> dict[str, Any]:
    """Return what was wrong as the result of a tool of Anthropic's."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": WRONG, "is_error": True}


TABLE: dict[str, tuple[DialectName, dict[str, Any], list[Any]]] = {
    "calls": (
        CHAT,
        completion(refusal=None, reasoning_content="hm", tool_calls=[call("a"), {**call("b"), "index": 1}]),
        [echo(tool_calls=[call("a"), call("b")]), tool("a"), tool("b")],
    ),
    "what a vendor puts into a call goes back": (
        CHAT,
        completion(tool_calls=[{**call(), "extra_content": {"signature": "s"}}]),
        [echo(tool_calls=[{**call(), "extra_content": {"signature": "s"}}]), tool("call_1")],
    ),
    "a call without an id gets one": (
        CHAT,
        completion(tool_calls=[{"function": call()["function"]}]),
        [echo(tool_calls=[call()]), tool("call_1")],
    ),
    "an older call": (
        CHAT,
        completion(function_call=call()["function"]),
        [echo(function_call=call()["function"]), {"role": "function", "name": "User", "content": WRONG}],
    ),
    "a text": (CHAT, completion(content=SAID), [echo(content=SAID), user()]),
    "nothing at all": (CHAT, completion(), [user()]),
    "no choice": (CHAT, {"choices": []}, [user()]),
    "blocks": (
        MESSAGES,
        {"content": [THOUGHT, {"type": "text", "text": ""}, {**USED, "caller": None}]},
        [{"role": "assistant", "content": [THOUGHT, USED]}, {"role": "user", "content": [result()]}],
    ),
    "a text of Anthropic's": (
        MESSAGES,
        {"content": [{"type": "text", "text": SAID, "citations": None}]},
        [{"role": "assistant", "content": [{"type": "text", "text": SAID}]}, user()],
    ),
    "an input that is no object is quoted": (MESSAGES, {"content": [{**USED, "input": '{"name'}]}, [user('{"name')]),
    "no blocks": (MESSAGES, {"content": []}, [user()]),
    "a response is quoted, whatever the vendor keeps of it": (
        RESPONSES,
        {"output": [{"type": "reasoning", "id": "rs_1"}, {"type": "function_call", "name": "User", "arguments": SAID}]},
        [user(SAID)],
    ),
    "a response without output": (RESPONSES, {"output": []}, [user()]),
}


@pytest.mark.parametrize("case", TABLE)
def test_an_answer_is_taken_back_as_its_dialect_does(case: str) -> None:
    """Row by row: what stands behind the request's messages."""
    door, body, added = TABLE[case]
    assert DIALECTS[door].asking_again(body, WRONG) == added


SOURCES = {
    "a list": (CHAT, '{"n":1, "messages" : [ {"role":"user","content":"\\u0041nn"} ] ,"model":"m", "seed": 1e400}'),
    "a text": (RESPONSES, '{"input": "\\u0041nn", "model":"m", "x": 12345678901234567890123}'),
    "no input": (RESPONSES, '{"previous_response_id": "r", "model":"m"}'),
    "blocks": (MESSAGES, '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}'),
}


@pytest.mark.parametrize("case", SOURCES)
def test_every_other_byte_stays(case: str) -> None:
    """What was said stands where it stood, as it was written; what is added stands behind it."""
    door, source = SOURCES[case]
    asked = DIALECTS[door].read(source.encode())
    again = asked.going_on([user()], asked.messages)
    name = asked.dialect.turns_member
    before, after = ({**one.source.values} for one in (asked, again))
    said, now = before.pop(name, []), after.pop(name)
    said = [{"role": "user", "content": said}] if isinstance(said, str) else said
    assert now == [*said, user()]
    assert after == before
    for member in before:
        assert again.source.source(member) == asked.source.source(member)
    assert asked.source.source(name).strip("[] ") in again.source.source(name)


@given(texts=st.lists(st.text(min_size=1), min_size=1, max_size=3), said=st.text(min_size=1))
def test_what_we_ask_again_we_would_know_of_a_client(texts: list[str], said: str) -> None:
    """Its structure is that of a re-ask, whatever was written: the request, and behind it only feedback."""
    form = {"response_format": {"type": "json_schema", "json_schema": {"name": "u", "schema": {"type": "object"}}}}
    messages = [{"role": "user", "content": one.encode(errors="replace").decode()} for one in texts]
    asked = DIALECTS[CHAT].read(json.dumps({"model": "m", "messages": messages, **form}).encode())
    answer = completion(content=said.encode(errors="replace").decode())
    again = asked.going_on(asked.dialect.asking_again(answer, WRONG), asked.messages)
    conversations = [Conversation(one, tenant_id="t", asker="k") for one in (asked, again)]
    assert conversations[0].whole in conversations[1].beginnings
    likeness = [AnswerMarks.of(asked.dialect, answer).likeness(conversations[1], one) for one in splits(again.messages)]
    assert 2 in likeness or not said.strip()

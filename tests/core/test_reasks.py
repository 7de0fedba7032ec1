"""Requests that ask again are known by their structure: tables of what clients send, and made-up conversations."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.answer_checks import breaks_shown
from core.claims import Claims
from core.clock import ManualClock, SystemClock
from core.dialects import DIALECTS, DialectName, RelayRequest
from core.errors import Unavailable
from core.reasks import LASTS, MOST_SPLITS, AnswerMarks, Conversation, Reasks
from core.store import Store
from core.validation import Effort
from tests.examples import many

CHAT, RESPONSES, MESSAGES = DialectName.CHAT, DialectName.RESPONSES, DialectName.MESSAGES
USER = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
SAID = '{"name":"Ann","age":"x"}'
FIRST = {"role": "user", "content": "Ann is 7"}
WRONG = "Validation Error found:\n1 validation error for User\nage\n  Input should be a valid integer"
FORMS: dict[DialectName, dict[str, Any]] = {
    CHAT: {"tools": [{"type": "function", "function": {"name": "User", "parameters": USER}}]},
    RESPONSES: {"tools": [{"type": "function", "name": "User", "parameters": USER}]},
    MESSAGES: {"tools": [{"name": "User", "input_schema": USER}], "max_tokens": 100},
}
JSON_FORM: dict[str, Any] = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "User", "schema": USER}},
}


def request(door: DialectName, messages: Sequence[Any], **more: Any) -> RelayRequest:
    """Return a request for a user, as the door reads it."""
    name = "input" if door is RESPONSES else "messages"
    body = {"model": "m", name: list(messages), **(more or FORMS[door])}
    return DIALECTS[door].read(json.dumps(body).encode())


def call(call_id: str = "call_1", arguments: str = SAID) -> dict[str, Any]:
    """Return a call of a tool, as chat completions have it."""
    return {"id": call_id, "type": "function", "function": {"name": "User", "arguments": arguments}}


def chat_answer(*calls: Any, content: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an answer of chat completions."""
    message = {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def response(*output: Any) -> dict[str, Any]:
    """Return an answer of the Responses API."""
    return {"id": "resp_1", "status": "completed", "output": list(output)}


def used(call_id: str = "toolu_1") -> dict[str, Any]:
    """Return a block in which Anthropic's model uses the tool."""
    return {"type": "tool_use", "id": call_id, "name": "User", "input": json.loads(SAID)}


def called(call_id: str = "call_1", item: str = "fc_1", arguments: str = SAID) -> dict[str, Any]:
    """Return an item that calls the tool."""
    return {"type": "function_call", "id": item, "call_id": call_id, "name": "User", "arguments": arguments}


def tool(call_id: str = "call_1", text: str = WRONG) -> dict[str, Any]:
    """Return feedback as the result of a tool."""
    return {"role": "tool", "tool_call_id": call_id, "name": "User", "content": text}


def user(text: Any = WRONG) -> dict[str, Any]:
    """Return feedback as a message of the user's."""
    return {"role": "user", "content": text}


def message(*blocks: Any) -> dict[str, Any]:
    """Return an answer of Anthropic's."""
    return {"id": "msg_1", "role": "assistant", "content": list(blocks)}


def result(call_id: str = "toolu_1") -> dict[str, Any]:
    """Return feedback as the result of a tool, as Anthropic has it."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": WRONG, "is_error": True}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
ECHO = {"role": "assistant", "content": "", "tool_calls": [call()]}
SHUFFLED = {
    "tool_calls": [{"type": "function", "function": {"arguments": SAID, "name": "User"}, "id": "call_1"}],
    "role": "assistant",
}
FORMED: dict[str, tuple[DialectName, dict[str, Any], dict[str, Any], list[Any]]] = {
    "instructor tools": (CHAT, {}, chat_answer(call(), refusal=None, annotations=[]), [ECHO, tool()]),
    "null is missing, and members have no order": (CHAT, {}, chat_answer(call(), content=""), [SHUFFLED, tool()]),
    "reasoning is not sent back": (CHAT, {}, chat_answer(call(), reasoning_content="hm"), [ECHO, tool()]),
    "parallel calls": (
        CHAT,
        {},
        chat_answer(call("a"), call("b")),
        [{"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]}, tool("a"), tool("b")],
    ),
    "no call": (CHAT, {}, chat_answer(content="no"), [{"role": "assistant", "content": "no"}, user()]),
    "json schema": (CHAT, JSON_FORM, chat_answer(content=SAID), [{"role": "assistant", "content": SAID}, user()]),
    "a fence": (
        CHAT,
        JSON_FORM,
        chat_answer(content=f"```json\n{SAID}\n```"),
        [{"role": "assistant", "content": [{"type": "text", "text": f"```json\n{SAID}\n```\n"}]}, user()],
    ),
    "a stream, of which nothing is sent back": (CHAT, {}, chat_answer(call()), [user()]),
    "pydantic-ai": (
        CHAT,
        {},
        chat_answer(call()),
        [{"role": "assistant", "content": None, "tool_calls": [call()]}, tool(text='{"error":[{"loc":["age"]}]}')],
    ),
    "pydantic-ai, with a note of the system's": (
        CHAT,
        JSON_FORM,
        chat_answer(content=SAID),
        [{"role": "assistant", "content": SAID}, {"role": "system", "content": "A note."}, user("<pyai>[...]</pyai>")],
    ),
    "a server without ids": (
        CHAT,
        {},
        chat_answer(call("")),
        [{"role": "assistant", "tool_calls": [call("")]}, tool("")],
    ),
    "responses": (RESPONSES, {}, response(called()), [user(f"{WRONG} with {SAID} (tool call name=User, id=fc_1)")]),
    "responses, two calls": (
        RESPONSES,
        {},
        response({"type": "reasoning", "id": "rs_1", "summary": []}, called(), called("call_2", "fc_2")),
        [user("… id=fc_1"), user("… id=fc_2")],
    ),
    "responses, sent back": (
        RESPONSES,
        {},
        response(called()),
        [called(), {"type": "function_call_output", "call_id": "call_1", "output": WRONG}],
    ),
    "anthropic tools": (
        MESSAGES,
        {},
        message(THOUGHT, used()),
        [{"role": "assistant", "content": [THOUGHT, used()]}, user([result()])],
    ),
    "anthropic, no tool used": (
        MESSAGES,
        {},
        message({"type": "text", "text": "no"}),
        [{"role": "assistant", "content": [{"text": "no", "type": "text"}]}, user()],
    ),
    "anthropic json": (
        MESSAGES,
        {},
        message({"type": "text", "text": SAID}),
        [user(f"Validation Errors found:\n…\nfix the errors found in the following attempt:\n{SAID}")],
    ),
    "writer's words": (CHAT, JSON_FORM, chat_answer(content=SAID), [user(f"Correct your JSON response: {SAID}, …")]),
}
"""What clients append to the request that was answered: door, format, answer, and that."""


@dataclass
class Table:
    """Asks and answers as corridors do, one generation after the other."""

    reasks: Reasks
    count: int = 0

    def answered(
        self, asked: RelayRequest, body: Any, asker: str = "k1", tenant: str = "t1", *, valid: bool = False
    ) -> str:
        """Take in a generation that was answered with *body*; return its id."""
        generation_id = self._new_id()
        if not valid:
            conversation = Conversation(asked, tenant_id=tenant, asker=asker)
            self.reasks.leave_open(conversation, asked.dialect, body, generation_id=generation_id, tenant_id=tenant)
        return generation_id

    def asks_again_for(
        self, asked: RelayRequest, asker: str = "k1", tenant: str = "t1", *, is_resent: bool = False
    ) -> str | None:
        """Return what *asked* is found to ask again for."""
        conversation = Conversation(asked, tenant_id=tenant, asker=asker)
        return self.reasks.taken(conversation, generation_id=self._new_id(), tenant_id=tenant, is_resent=is_resent)

    def _new_id(self) -> str:
        self.count += 1
        return f"{self.count:032x}"


@pytest.fixture
def table(store: Store, clock: ManualClock) -> Table:
    """On either database."""
    return Table(Reasks(store, clock))


@pytest.mark.parametrize("case", FORMED)
def test_what_clients_send_is_known(case: str, table: Table) -> None:
    """One request asks again for the answer, and no second one does."""
    door, form, body, added = FORMED[case]
    first = table.answered(request(door, [FIRST], **form), body)
    again = request(door, [FIRST, *added], **form)
    assert table.asks_again_for(again) == first
    assert table.asks_again_for(again) is None


@pytest.mark.parametrize("case", FORMED)
def test_a_third_attempt_follows_the_second(case: str, table: Table) -> None:
    """Each attempt asks again for the one before it, however many there are."""
    door, form, body, added = FORMED[case]
    said = [FIRST]
    before = table.answered(request(door, said, **form), body)
    for _ in range(3):
        said = [*said, *added]
        again = request(door, said, **form)
        assert table.asks_again_for(again) == before
        before = table.answered(again, body)


_OTHER_TOOL = {"tools": [{"type": "function", "function": {"name": "User", "parameters": {"type": "object"}}}]}
_AGAIN = [FIRST, ECHO, tool()]


@pytest.mark.parametrize(
    ("messages", "more", "asker", "tenant"),
    [
        (_AGAIN, {}, "k2", "t1"),
        (_AGAIN, {}, "k1", "t2"),
        (_AGAIN, _OTHER_TOOL, "k1", "t1"),
        (_AGAIN, FORMS[CHAT] | {"tool_choice": "required"}, "k1", "t1"),
        ([FIRST], {}, "k1", "t1"),
        ([user("Ann is 8"), ECHO, tool()], {}, "k1", "t1"),
        ([{"role": "system", "content": "Be kind."}, *_AGAIN], {}, "k1", "t1"),
        ([FIRST, {"role": "assistant", "tool_calls": [call("call_2")]}, tool("call_2")], {}, "k1", "t1"),
        ([FIRST, ECHO, tool("call_9")], {}, "k1", "t1"),
        ([FIRST, {"role": "assistant", "content": "another"}, user()], {}, "k1", "t1"),
        ([FIRST, ECHO], {}, "k1", "t1"),
        ([*_AGAIN, {"role": "assistant", "content": "yes"}, user("And Bob?")], {}, "k1", "t1"),
        ([FIRST, *[user()] * (MOST_SPLITS + 1)], {}, "k1", "t1"),
        ([FIRST, {"role": "system", "content": "Be kind."}], {}, "k1", "t1"),
        ([FIRST, tool()], {}, "k1", "t1"),
        ([FIRST, {"role": "assistant", "tool_calls": [call("call_2")]}, user()], {}, "k1", "t1"),
    ],
    ids=[
        "another key",
        "another tenant",
        "another tool",
        "another choice",
        "a twin",
        "another question",
        "another system",
        "another's call",
        "the result of another's call",
        "another's text",
        "no feedback",
        "a later turn",
        "more feedback than is looked through",
        "a text of the system's",
        "a result, and no call",
        "another's call, and a text",
    ],
)  # fmt: skip
def test_what_does_not_go_on_from_it_is_its_own(
    messages: list[Any], more: dict[str, Any], asker: str, tenant: str, table: Table
) -> None:
    """Words that only look like a re-ask join nothing; nor does what goes on from something else."""
    table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    assert table.asks_again_for(request(CHAT, messages, **more), asker, tenant) is None


REWRITTEN: dict[str, tuple[DialectName, list[Any], list[Any], dict[str, Any], dict[str, Any]]] = {
    "an empty content, and none": (CHAT, [ECHO, tool()], [SHUFFLED, tool()], {}, {}),
    "arguments by other spaces, and nulls": (
        CHAT,
        [{"role": "assistant", "tool_calls": [call(arguments='{"a": 1, "b": null}')]}, tool()],
        [{"role": "assistant", "tool_calls": [call(arguments='{"a":1}')]}, tool()],
        {},
        {},
    ),
    "an empty text in a result": (
        MESSAGES,
        [
            {"role": "assistant", "content": [used()]},
            user([{**result(), "content": [{"type": "text", "text": WRONG}]}]),
        ],
        [
            {"role": "assistant", "content": [used()]},
            user([{**result(), "content": [{"type": "text", "text": ""}, {"type": "text", "text": WRONG}]}]),
        ],
        {},
        {},
    ),
    "a tool's members": (
        CHAT,
        [ECHO, tool()],
        [ECHO, tool()],
        {"tools": [{"type": "function", "function": {"name": "User", "description": None, "parameters": USER}}]},
        {"tools": [{"function": {"parameters": USER, "name": "User"}, "type": "function"}], "tool_choice": None},
    ),
}
"""The same as a client may write it in two attempts: door, what stands behind the question, and the format, twice."""


@pytest.mark.parametrize("case", REWRITTEN)
def test_what_is_written_otherwise_is_the_same(case: str, table: Table) -> None:
    """Null, empty and missing are alike, and members have no order: in what was said before, and in the format."""
    door, said, again, form, other = REWRITTEN[case]
    forms = ({**FORMS[door], **form}, {**FORMS[door], **other})
    body = message(used()) if door is MESSAGES else chat_answer(call())
    first = table.answered(request(door, [FIRST, *said], **forms[0]), body)
    assert table.asks_again_for(request(door, [FIRST, *again, *again], **forms[1])) == first


@pytest.mark.parametrize(
    ("name", "value"),
    [("text", {"format": {"type": "text"}}), ("previous_response_id", "resp_2"), ("prompt", {"id": "p"})],
)
def test_what_stands_before_the_messages_belongs_to_them(name: str, value: Any, table: Table) -> None:
    """A format, or what the vendor has stored, that is another makes another conversation."""
    form = {**FORMS[RESPONSES], "previous_response_id": "resp_1"}
    first = table.answered(request(RESPONSES, [FIRST], **form), response(called()))
    again = [FIRST, user("… id=fc_1")]
    assert table.asks_again_for(request(RESPONSES, again, **{**form, name: value})) is None
    assert table.asks_again_for(request(RESPONSES, again, **form)) == first


def test_another_door_is_another_conversation(table: Table) -> None:
    """The same words at another door ask again for nothing, though its dialect reads them as well."""
    both = {"tools": [{**FORMS[CHAT]["tools"][0], "name": "User", "input_schema": USER}], "max_tokens": 100}
    first = table.answered(request(CHAT, [FIRST], **both), chat_answer(content=SAID))
    assert table.asks_again_for(request(MESSAGES, [FIRST, user()], **both)) is None
    assert table.asks_again_for(request(CHAT, [FIRST, user()], **both)) == first
    table.answered(request(CHAT, [FIRST], **JSON_FORM), chat_answer(content=SAID))
    again = [FIRST, {"role": "assistant", "content": SAID}, user()]
    assert table.asks_again_for(request(RESPONSES, again, **JSON_FORM)) is None


def test_only_an_invalid_answer_is_asked_again_for(table: Table) -> None:
    """Who goes on from a valid answer, as a conversation does, begins anew."""
    table.answered(request(CHAT, [FIRST]), chat_answer(call()), valid=True)
    assert table.asks_again_for(request(CHAT, _AGAIN)) is None


def test_twins_are_told_apart_by_what_is_sent_back(table: Table) -> None:
    """Of two alike, a call's id says which; where there is none, the text; where that is alike, the oldest is taken."""
    ids = [table.answered(request(CHAT, [FIRST]), chat_answer(call(one))) for one in ("call_A", "call_B")]
    for one, first in reversed([*zip(("call_A", "call_B"), ids, strict=True)]):
        again = [FIRST, {"role": "assistant", "tool_calls": [call(one)]}, tool(one)]
        assert table.asks_again_for(request(CHAT, again)) == first
    texts = ['{"age":"1"}', '{"age":"2"}', '{"age":"2"}']
    told = [table.answered(request(CHAT, [FIRST], **JSON_FORM), chat_answer(content=text)) for text in texts]
    again = [FIRST, {"role": "assistant", "content": texts[1]}, user()]
    assert [table.asks_again_for(request(CHAT, again, **JSON_FORM)) for _ in range(3)] == [told[1], told[2], None]


def test_what_quotes_an_answer_goes_to_it(table: Table) -> None:
    """Where nothing is sent back, an id or the text in the feedback tells twins apart."""
    told = [table.answered(request(RESPONSES, [FIRST]), response(called(item=one))) for one in ("fc_A", "fc_B")]
    assert table.asks_again_for(request(RESPONSES, [FIRST, user("… id=fc_B)")])) == told[1]
    texts = ['{"age":"1"}', '{"age":"2"}']
    said = [table.answered(request(MESSAGES, [FIRST]), message({"type": "text", "text": one})) for one in texts]
    assert table.asks_again_for(request(MESSAGES, [FIRST, user(f"…\n{texts[1]}\n")])) == said[1]


def test_a_request_that_is_sent_again_asks_for_the_same(table: Table) -> None:
    """A client that got no answer sends the very same once more: that is no second successor, but the first's."""
    first = table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    again = request(CHAT, _AGAIN)
    assert table.asks_again_for(again) == first
    assert table.asks_again_for(again, is_resent=True) == first
    assert table.asks_again_for(again) is None
    assert table.asks_again_for(request(CHAT, [*_AGAIN, user("x")]), is_resent=True) is None


def test_the_oldest_of_those_alike_is_taken_first(table: Table, clock: ManualClock) -> None:
    """Where nothing else tells them apart."""
    told: list[str] = []
    for _ in range(3):
        told.append(table.answered(request(CHAT, [FIRST]), chat_answer(call())))
        clock.advance(1)
    assert [table.asks_again_for(request(CHAT, [FIRST, user()])) for _ in range(3)] == told


def test_who_sends_the_same_under_another_key_has_no_part_in_it(table: Table) -> None:
    """That a request is sent again is believed of the key alone that sent it before."""
    table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    assert table.asks_again_for(request(CHAT, _AGAIN)) is not None
    assert table.asks_again_for(request(CHAT, _AGAIN), "k2", is_resent=True) is None


def test_who_was_slower_takes_the_next_one_alike(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may take an answer between the look and the try."""
    told = [table.answered(request(CHAT, [FIRST]), chat_answer(call())) for _ in range(2)]
    take, tries = table.reasks._take, iter([False])
    monkeypatch.setattr(table.reasks, "_take", lambda *given: next(tries, True) and take(*given))
    assert table.asks_again_for(request(CHAT, [FIRST, user()])) == told[1]


def test_without_the_database_a_call_goes_on(sqlite_store: Store, clock: ManualClock) -> None:
    """What cannot be left open, or looked for, is joined to nothing."""
    table = Table(Reasks(sqlite_store, clock))
    first = table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    with pytest.MonkeyPatch.context() as broken:
        for name in ("write_one", "read_all"):
            broken.setattr(sqlite_store, name, _down)
        table.answered(request(CHAT, [FIRST]), chat_answer(call()))
        assert table.asks_again_for(request(CHAT, _AGAIN)) is None
    assert table.asks_again_for(request(CHAT, _AGAIN)) == first


def _down(*_: Any) -> Any:
    raise Unavailable("The database does not answer.")


def test_marks_are_few_and_name_nothing_of_the_model_s() -> None:
    """Of a strange answer some are kept: no id that the model wrote itself, and halves of characters do no harm."""
    block = {**used(), "input": {"id": "z9"}}
    assert AnswerMarks.of(DIALECTS[MESSAGES], message(block)).ids == ["msg_1", "toolu_1"]
    many = AnswerMarks.of(DIALECTS[CHAT], chat_answer(*(call(f"call_{number}") for number in range(500))))
    assert max(map(len, (many.calls, many.ids))) <= 64
    [(length, _)] = AnswerMarks.of(DIALECTS[CHAT], chat_answer(content="half \ud83d")).texts
    assert length == 6


SYSTEM = {"role": "system", "content": f"Answer with JSON, please:\n{json.dumps(USER, indent=2)}\nThank you."}
AS_JSON: dict[str, Any] = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("said", "form", "broken"),
    [
        (SAID, AS_JSON, True),
        (f"Here:\n```json\n{SAID}\n```", {"temperature": 1}, True),
        ('{"name": "Ann", "age": 7}', AS_JSON, False),
        (f"First {SAID}, then {{}}.", AS_JSON, False),
        ("No.", AS_JSON, True),
        ("Which Ann do you mean?", {"temperature": 1}, False),
        ("", {"temperature": 1}, False),
    ],
)
def test_a_schema_in_the_system_s_text_says_what_may_be_asked_again(said: str, form: Any, *, broken: bool) -> None:
    """An answer that breaks it; one in words only where JSON was asked for, as chats have such."""
    asked = request(CHAT, [SYSTEM, FIRST], **form)
    shown = Conversation(asked, tenant_id="t", asker="k").shown
    assert shown == USER
    assert breaks_shown(asked, shown, chat_answer(content=said), Effort()) is broken


@pytest.mark.parametrize(
    ("messages", "form"),
    [
        ([FIRST], AS_JSON),
        ([{"role": "user", "content": SYSTEM["content"]}], AS_JSON),
        ([{"role": "system", "content": 'An object has "properties": {"a": 1} and more.'}, FIRST], AS_JSON),
        ([SYSTEM, FIRST], FORMS[CHAT]),
    ],
)
def test_what_is_no_schema_of_the_system_s_is_none(messages: list[Any], form: Any) -> None:
    """A user's own text tells the model nothing of its answer, and a format that is sent goes before."""
    assert Conversation(request(CHAT, messages, **form), tenant_id="t", asker="k").shown is None


def test_a_first_try_that_never_came_does_not_keep_the_second_out(table: Table) -> None:
    """That the client says it sends it again is believed of what was seen before alone."""
    first = table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    assert table.asks_again_for(request(CHAT, _AGAIN), is_resent=True) == first


def test_after_some_minutes_nobody_asks_again(store: Store, clock: ManualClock) -> None:
    """What was left open closes, and is swept."""
    table = Table(Reasks(store, clock))
    table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    clock.advance(LASTS.total_seconds() + 1)
    assert table.asks_again_for(request(CHAT, _AGAIN)) is None
    assert Claims(store, clock).sweep() == 1


def test_of_many_at_once_one_gets_it(store: Store) -> None:
    """Threads that send the same at the same moment: one is the successor, whichever it is."""
    table = Table(Reasks(store, SystemClock()))
    first = table.answered(request(CHAT, [FIRST]), chat_answer(call()))
    found: list[str | None] = []
    begin = threading.Barrier(8)

    def ask(number: int) -> None:
        conversation = Conversation(request(CHAT, _AGAIN), tenant_id="t1", asker="k1")
        begin.wait()
        found.append(
            table.reasks.taken(conversation, generation_id=f"{1000 + number:032x}", tenant_id="t1", is_resent=False)
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found, key=str) == sorted([first, *[None] * 7], key=str)


def test_what_nobody_could_ask_again_for_is_not_looked_for(
    sqlite_store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first request, a chat without a format and a beginning that is to be gone on with cost no statement."""
    asked: list[Any] = []
    reasks = Reasks(sqlite_store, clock)
    monkeypatch.setattr(sqlite_store, "read_all", lambda *given: asked.append(given) or [])
    table = Table(reasks)
    system = {"role": "system", "content": "Be kind."}
    for messages in ([FIRST], [system, FIRST], [FIRST, ECHO]):
        table.asks_again_for(request(CHAT, messages))
    table.asks_again_for(request(CHAT, _AGAIN, temperature=1))
    assert not asked
    table.asks_again_for(request(CHAT, _AGAIN))
    assert len(asked) == 1


def test_a_look_reads_what_it_asks_for_alone(sqlite_store: Store, clock: ManualClock) -> None:
    """However many answers of others are open: each beginning is a range of the index."""
    asked: list[Any] = []
    table = Table(Reasks(sqlite_store, clock))
    with pytest.MonkeyPatch.context() as heard:
        heard.setattr(sqlite_store, "read_all", lambda sql, bound: asked.append((sql, bound)) or [])
        table.asks_again_for(request(CHAT, _AGAIN))
    [(sql, bound)] = asked
    with sqlite_store.engine.connect() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", bound).all())
    assert plan.count("key>? AND key<?") == MOST_SPLITS + 2


@dataclass
class Client:
    """A made-up client in the middle of a conversation."""

    style: str
    """What it sends back of an answer."""
    text: str
    left: int
    word: str
    """What its answers say."""
    said: list[Any]
    last: str = ""
    """Its last attempt."""


_examples = itertools.count()


@hypothesis_settings(max_examples=many(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    clients=st.lists(
        st.tuples(
            st.sampled_from(["ids", "text", "nothing"]),
            st.sampled_from(["Ann is 7", "Bob is 8"]),
            st.integers(1, 4),
            st.sampled_from(["a", "b"]),
        ),
        min_size=1,
        max_size=5,
    ),
    order=st.randoms(use_true_random=False),
)
def test_in_made_up_conversations_nothing_is_joined_that_does_not_belong(
    clients: list[tuple[str, str, int, str]], order: Any, sqlite_store: Store, clock: ManualClock
) -> None:
    """However clients' attempts are mixed, what one asks again for is an attempt that was asked just as its own was.

    It is its own where a call's id says which; where the text does, one of that text; else one that nobody could tell
    from it. It is nothing only where a client that sends nothing back may have taken it. None is taken twice.
    """
    table = Table(Reasks(sqlite_store, clock))
    asker = f"k{next(_examples)}"  # nothing of other examples is in the way
    running = [Client(*one, [user(one[1])]) for one in clients]
    asked_as: dict[str, tuple[str, str]] = {}
    taken: list[str] = []
    while going := [one for one in running if one.left]:
        client = order.choice(going)
        client.left -= 1
        has_ids = client.style == "ids"
        asked = request(CHAT, client.said, **(FORMS[CHAT] if has_ids else JSON_FORM))
        before = table.asks_again_for(asked, asker)
        is_free = client.style != "text" or all(one.style != "nothing" for one in running)
        assert (before is not None) is bool(client.last) or (client.last and not is_free)
        if before is not None:
            question, word = asked_as[before]
            assert question == asked_as[client.last][0]
            assert client.style == "nothing" or word == client.word
            assert not has_ids or before == client.last
            taken.append(before)
        text, call_id = f'{{"age":"{client.word}"}}', f"call_{len(asked_as)}"
        body = chat_answer(call(call_id, text)) if has_ids else chat_answer(content=text)
        client.last = table.answered(asked, body, asker)
        asked_as[client.last] = json.dumps([client.said, has_ids]), client.word
        match client.style:
            case "ids":
                called_so = {"role": "assistant", "content": None, "tool_calls": [call(call_id, text)]}
                client.said += [called_so, tool(call_id)]
            case "text":
                client.said += [{"role": "assistant", "content": text}, user()]
            case _:
                client.said += [user()]
    assert len(taken) == len(set(taken))

"""An answer is read the same way however it comes: what providers really send, through the wire and the corridor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from core.errors import Exhausted
from core.tables import Outcome, Tenant
from tests.corridor import ANTHROPIC, OPENAI, Heard, Rig, rig
from tests.wire.scripted import Scripted, ScriptedServer, events

ZO = {"name": "Zo", "age": 3, "tags": []}
TEXT = '{"name":"Zo","age":3,"tags":[]}'
AL = '{"name":"Al","age":4,"tags":[]}'
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
RESPONSES_USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
ANTHROPIC_USAGE = {"input_tokens": 10, "output_tokens": 5}
NOTE = "\n\nNote: I looked at the first line only, {as you said}."


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """The providers."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def chat(server: ScriptedServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor that asks OpenAI by chat completions, and Anthropic."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("chat") / "proctor.db")
    with rig(server, f"sqlite:///{path}") as running:
        yield running


@pytest.fixture(scope="module")
def responses(server: ScriptedServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor that asks OpenAI by Responses."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("responses") / "proctor.db")
    with rig(server, f"sqlite:///{path}", openai_api="responses") as running:
        yield running


def ask(on: Rig, *answers: Scripted, model: str = OPENAI, mode: str = "tools", stream: bool = False) -> Heard:
    """Ask for a person and be answered so; an invalid answer is asked about once, a failed call not again."""
    on.wire.plays(*answers)  # pyright: ignore[reportAttributeAccessIssue] it is the scripted one
    route = on.route(model, mode=mode, max_reasks=1, max_retries=0)
    return on.ask(tenant_of(on), stream=stream, route=route)


_tenants: dict[int, Tenant] = {}


def tenant_of(on: Rig) -> Tenant:
    """Return the tenant that asks."""
    return _tenants.setdefault(id(on), on.tenant())


def is_read(heard: Heard, value: Any = None, *, tokens: tuple[int, int] | None = (10, 5)) -> bool:
    """Whether the first call gave *value*, and cost *tokens*."""
    assert heard.error is None, heard.error
    assert heard.generation.value == (ZO if value is None else value)
    [attempt] = heard.generation.attempts
    assert attempt.usage is not None
    assert attempt.usage.estimated == (tokens is None)
    if tokens is not None:
        assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == tokens
    return True


# ── Chat completions ──────────────────────────────────────────────────────────────────────────────────────────────────


def call(arguments: Any, name: str = "person", **more: Any) -> dict[str, Any]:
    """Return a call of a tool."""
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def completion(message: dict[str, Any], finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    """Return a completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return {"id": "x", "model": "gpt-4o-mini", "choices": [choice], "usage": USAGE} | more


def chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """Return a chunk of a streamed completion."""
    return {
        "id": "x",
        "model": "gpt-4o-mini",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}],
    } | more


def piece(arguments: Any, index: int | None = 0, **named: str) -> dict[str, Any]:
    """Return a delta that goes on with a call, or begins one."""
    at = {} if index is None else {"index": index}
    begun = {"id": named["id"], "type": "function"} if "id" in named else {}
    name = {"name": named["name"]} if "name" in named else {}
    return {"tool_calls": [{**at, **begun, "function": {**name, "arguments": arguments}}]}


END = chunk({}, "stop")
TOLD = {"id": "x", "choices": [], "usage": USAGE}

WHOLE_CHAT: dict[str, tuple[str, dict[str, Any]]] = {
    # what is odd about it: the mode, and the completion
    "content as parts": (
        "json_schema",
        completion(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": TEXT},
                ]
            }
        ),
    ),
    "content in two parts": (
        "json",
        completion({"content": [{"text": TEXT[:9]}, {"type": "output_text", "text": TEXT[9:]}]}),
    ),
    "content as a list of texts": ("json", completion({"content": [TEXT[:9], TEXT[9:]]})),
    "two calls, the first is taken": ("tools", completion({"tool_calls": [call(TEXT), call(AL, id="c2")]})),
    "two calls, the one asked for is taken": ("tools", completion({"tool_calls": [call(AL, "search"), call(TEXT)]})),
    "two calls, the valid one is taken": ("tools", completion({"tool_calls": [call('{"name":"A"}'), call(TEXT)]})),
    "a call under another name": ("tools", completion({"tool_calls": [call(TEXT, "functions.person")]})),
    "text before the call": ("tools", completion({"content": "I will extract that.", "tool_calls": [call(TEXT)]})),
    "the object beside a broken call": ("tools", completion({"content": TEXT, "tool_calls": [call("{")]})),
    "the object in the place of a call": ("tools", completion({"content": TEXT})),
    "arguments as an object": ("tools", completion({"tool_calls": [call(ZO)]})),
    "arguments encoded twice": ("tools", completion({"tool_calls": [call('"' + TEXT.replace('"', '\\"') + '"')]})),
    "arguments told twice": ("tools", completion({"tool_calls": [call(TEXT + TEXT)]})),
    "arguments in a fence": ("tools", completion({"tool_calls": [call(f"```json\n{TEXT}\n```")]})),
    "an older call": ("tools", completion({"function_call": {"name": "person", "arguments": TEXT}}, "function_call")),
    "an object, then prose": ("json", completion({"content": TEXT + NOTE})),
    "prose, then an object": ("json", completion({"content": "Here {it} is: " + TEXT})),
    "prose around an object": ("json", completion({"content": "Here it is:\n" + TEXT + NOTE})),
    "a closing fence": ("json", completion({"content": TEXT + "\n```"})),
    "an opening fence": ("md_json", completion({"content": "```json\n" + TEXT})),
    "a fence within prose": ("md_json", completion({"content": f"So:\n```json\n{TEXT}\n```\nIs that it?"})),
    "a fence with CRLF": ("md_json", completion({"content": f"```json\r\n{TEXT}\r\n```"})),
    "the valid one of two fences": ("md_json", completion({"content": f"```json\n{{}}\n```\n```json\n{TEXT}\n```"})),
    "the same object twice": ("json", completion({"content": TEXT + "\n" + TEXT})),
    "thoughts in the content": ("json", completion({"content": f"<think>{AL} or so?</think>\n{TEXT}"})),
    "a byte order mark": ("json", completion({"content": "\ufeff" + TEXT})),
    "thoughts beside it": ("json", completion({"reasoning_content": f"{AL}?", "content": TEXT})),
    "all taken for thoughts": ("json", completion({"reasoning_content": TEXT, "content": ""})),
    "no finish_reason": ("tools", completion({"tool_calls": [call(TEXT)]}, None)),
    "only a choice with a higher index": (
        "json",
        completion({}, choices=[{"index": 3, "message": {"content": TEXT}, "finish_reason": "stop"}]),
    ),
    "two choices in the wrong order": (
        "json",
        completion(
            {},
            choices=[
                {"index": 1, "message": {"content": AL}, "finish_reason": "stop"},
                {"index": 0, "message": {"content": TEXT}, "finish_reason": "stop"},
            ],
        ),
    ),
    "cut behind the object": ("json", completion({"content": TEXT + " \n" * 99}, "length")),
    "cut in prose behind the object": ("md_json", completion({"content": f"```json\n{TEXT}\n```\nThat is"}, "length")),
    "cut behind the call": ("tools", completion({"tool_calls": [call(TEXT)]}, "length")),
    "cut in another call": ("tools", completion({"tool_calls": [call(TEXT), call(AL[:9], id="c2")]}, "length")),
    "usage in the choice": (
        "json",
        completion({}, choices=[{"message": {"content": TEXT}, "finish_reason": "stop", "usage": USAGE}], usage=None),
    ),
    "usage of Groq's": ("json", completion({"content": TEXT}, usage=None, x_groq={"usage": USAGE})),
}


@pytest.mark.parametrize("odd", WHOLE_CHAT)
def test_a_whole_completion(odd: str, chat: Rig) -> None:
    """What holds one valid object is read, and never paid for again."""
    mode, body = WHOLE_CHAT[odd]
    assert is_read(ask(chat, Scripted.whole(body), mode=mode))


BEGUN = chunk(piece("", id="c1", name="person"))
STREAMED_CHAT: dict[str, tuple[str, bytes]] = {
    "two calls": (
        "tools",
        events(
            BEGUN,
            chunk(piece(TEXT[:9])),
            chunk(piece(TEXT[9:])),
            chunk(piece("", 1, id="c2", name="person")),
            chunk(piece(AL, 1)),
            chunk({}, "tool_calls"),
            TOLD,
        ),
    ),
    "two calls in turn": (
        "tools",
        events(
            BEGUN,
            chunk(piece("", 1, id="c2", name="search")),
            chunk(piece(TEXT[:9])),
            chunk(piece(AL[:9], 1)),
            chunk(piece(TEXT[9:])),
            chunk(piece(AL[9:], 1)),
            END,
            TOLD,
        ),
    ),
    "two calls under one index": (
        "tools",
        events(chunk(piece(TEXT, id="c1", name="person")), chunk(piece(AL, id="c2", name="person")), END, TOLD),
    ),
    "calls without an index": (
        "tools",
        events(chunk(piece(TEXT[:9], None, id="c1", name="person")), chunk(piece(TEXT[9:], None)), END, TOLD),
    ),
    "the id and the name with every piece": (
        "tools",
        events(
            chunk(piece(TEXT[:9], id="c1", name="person")), chunk(piece(TEXT[9:], id="c1", name="person")), END, TOLD
        ),
    ),
    "text before the call": (
        "tools",
        events(chunk({"content": "I'll do {that}."}), BEGUN, chunk(piece(TEXT)), END, TOLD),
    ),
    "arguments as an object": ("tools", events(chunk(piece(ZO, id="c1", name="person")), END, TOLD)),
    "an older call": (
        "tools",
        events(
            chunk({"function_call": {"name": "person", "arguments": ""}}),
            chunk({"function_call": {"arguments": TEXT}}),
            END,
            TOLD,
        ),
    ),
    "content as parts": (
        "json",
        events(
            chunk({"content": [{"type": "thinking", "thinking": AL}]}),
            chunk({"content": [{"type": "text", "text": TEXT}]}),
            END,
            TOLD,
        ),
    ),
    "an object, then prose": ("json", events(chunk({"content": TEXT}), chunk({"content": NOTE}), END, TOLD)),
    "thoughts beside it": ("json", events(chunk({"reasoning_content": AL}), chunk({"content": TEXT}), END, TOLD)),
    "no finish_reason but [DONE]": ("tools", events(BEGUN, chunk(piece(TEXT)), TOLD)),
    "no [DONE]": ("tools", events(BEGUN, chunk(piece(TEXT)), END, TOLD, done=False)),
    "the whole message at the end": (
        "json",
        events(chunk({"content": TEXT}), {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}, TOLD),
    ),
    "the whole message at once": (
        "json",
        events({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}, TOLD),
    ),
    "a choice with a higher index": (
        "json",
        events(chunk({"content": TEXT}, index=2), chunk({}, "stop", index=2), TOLD),
    ),
    "usage early": ("json", events(TOLD, chunk({"content": TEXT}), END)),
    "usage twice": (
        "json",
        events(chunk({"content": TEXT}, usage=USAGE | {"completion_tokens": 1}), chunk({}, "stop", usage=USAGE), TOLD),
    ),
    "usage, then nothing of it": (
        "json",
        events(
            TOLD,
            chunk({"content": TEXT}, usage={"prompt_tokens": 0, "completion_tokens": 0}),
            chunk({}, "stop", usage=None),
        ),
    ),
    "a last event without an empty line": (
        "json",
        events(chunk({"content": TEXT}), END, TOLD, done=False).rstrip(b"\n"),
    ),
    "comments, pings and ids": (
        "json",
        b": hello\n\nid: 7\nretry: 9\n\nevent: ping\ndata:\n\n"
        + events(chunk({"content": TEXT})).removesuffix(b"data: [DONE]\n\n")
        + b":\n\n"
        + events(END, TOLD),
    ),
    "CRLF": ("json", events(chunk({"content": TEXT}), END, TOLD).replace(b"\n", b"\r\n")),
    "CR": ("json", events(chunk({"content": TEXT}), END, TOLD).replace(b"\n", b"\r")),
    "no blank after the colon": ("json", events(chunk({"content": TEXT}), END, TOLD).replace(b"data: ", b"data:")),
    "data on several lines": (
        "json",
        events(chunk({"content": TEXT}), END, TOLD).replace(b',"choices"', b',\ndata: "choices"'),
    ),
    "a byte order mark": ("json", b"\xef\xbb\xbf" + events(chunk({"content": TEXT}), END, TOLD)),
}


@pytest.mark.parametrize("odd", STREAMED_CHAT)
def test_a_streamed_completion(odd: str, chat: Rig) -> None:
    """A stream is read as the whole answer would be, whatever its server does, and wherever it is cut."""
    mode, body = STREAMED_CHAT[odd]
    assert is_read(ask(chat, Scripted.streamed(body, *range(0, len(body), 7)), mode=mode, stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_the_other_way_of_answering(chat: Rig, *, stream: bool) -> None:
    """A server that streams unasked, or answers a stream in one piece, is read all the same."""
    whole = Scripted.whole(completion({"tool_calls": [call(TEXT)]}))
    streamed = Scripted.streamed(events(BEGUN, chunk(piece(TEXT)), END, TOLD))
    assert is_read(ask(chat, whole if stream else streamed, stream=stream))


@pytest.mark.parametrize("end", [b"", b'data: {"cho', b'data: {"error": {"message": "gone"}}\n\n'])
def test_an_object_that_is_whole_when_the_stream_breaks(chat: Rig, end: bytes) -> None:
    """It is an answer; its usage was not told to the end, and is estimated."""
    body = events(BEGUN, chunk(piece(TEXT)), done=False) + end
    for broken in (Scripted.streamed(body), Scripted.streamed(body, is_broken_off=True)):
        assert is_read(ask(chat, broken, stream=True), tokens=None)


@pytest.mark.parametrize(
    "cut",
    [
        events(BEGUN, done=False),
        events(BEGUN, chunk(piece(TEXT[:-1])), done=False),
        events(chunk({"content": "7"}), done=False),
        b"",
    ],
)
def test_an_object_that_is_not_whole_when_the_stream_breaks(chat: Rig, cut: bytes) -> None:
    """It is none, and the call has failed."""
    heard = ask(chat, Scripted.streamed(cut), stream=True)
    assert [one.error_code for one in heard.generation.attempts] == ["broken_stream"]


INNER = '{"name":"A","age":1,"tags":[],"in":' + TEXT


@pytest.mark.parametrize("mode", ["json", "tools"])
def test_a_part_of_a_broken_object_is_no_answer(chat: Rig, mode: str) -> None:
    """A valid object inside one that is cut, or that is no JSON, is not what the model meant: it is asked again."""
    for broken in (INNER, "{" + TEXT + "}", INNER.replace(",", ";", 1) + "}"):
        message = {"content": broken} if mode == "json" else {"tool_calls": [call(broken)]}
        heard = ask(chat, Scripted.whole(completion(message)), mode=mode)
        assert [one.outcome for one in heard.generation.attempts] == [Outcome.INVALID, Outcome.INVALID]


@pytest.mark.parametrize(
    "told",
    [
        {"content": TEXT + "\n" + AL[:9]},
        {"content": f"```json\n{TEXT}\n```\nOr rather:\n```json\n{AL[:9]}"},
        {"content": INNER},
        {"content": TEXT[:-1]},
        {"content": f"<think>Perhaps {TEXT}. No, "},
        {"content": "", "reasoning_content": TEXT},
        {"content": '{"name":"Zo"}'},
        {"content": "[]"},
        {"tool_calls": [call(AL[:9]), call(TEXT, id="c2")]},
        {"tool_calls": [call("")]},
    ],
)
def test_what_was_cut_before_its_end(told: dict[str, Any], chat: Rig) -> None:
    """It stays cut, whole and streamed: a draft in it is not what the model meant."""
    calls = [one | {"index": n} for n, one in enumerate(told.get("tool_calls", ()))]
    delta = told | ({"tool_calls": calls} if calls else {})
    for stream, answer in (
        (False, Scripted.whole(completion(told, "length"))),
        (True, Scripted.streamed(events(chunk(delta), chunk({}, "length"), TOLD))),
    ):
        heard = ask(chat, answer, mode="tools" if calls else "json", stream=stream)
        assert [one.outcome for one in heard.generation.attempts] == [Outcome.TRUNCATED]


@pytest.mark.parametrize("arguments", ["", " ", None, {}])
def test_empty_arguments(chat: Rig, arguments: Any) -> None:
    """To a schema without required fields they are an empty object, whole and streamed."""
    anything = {"type": "object", "properties": {"a": {"type": "string"}}}
    route = chat.route(OPENAI, max_reasks=1, max_retries=0)
    for stream in (False, True):
        whole = Scripted.whole(completion({"tool_calls": [call(arguments, "O")]}))
        streamed = Scripted.streamed(events(chunk(piece(arguments, id="c1", name="O")), END, TOLD))
        chat.wire.plays(streamed if stream else whole)  # pyright: ignore[reportAttributeAccessIssue]
        heard = chat.ask(tenant_of(chat), stream=stream, route=route, schema={"title": "O", **anything})
        assert is_read(heard, {})


def test_a_refusal_among_parts(chat: Rig) -> None:
    """A refusal that is a part of the content is one, whole and streamed."""
    message = {"content": [{"type": "refusal", "refusal": "No."}]}
    for stream, answer in (
        (False, Scripted.whole(completion(message))),
        (True, Scripted.streamed(events(chunk(message), END, TOLD))),
    ):
        heard = ask(chat, answer, mode="json", stream=stream)
        assert [one.outcome for one in heard.generation.attempts] == [Outcome.REFUSED]


# ── Responses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a response."""
    told = {"id": "r", "object": "response", "model": "gpt-4o-mini", "status": "completed", "usage": RESPONSES_USAGE}
    return told | {"output": list(output)} | more


def message(*texts: str, **more: Any) -> dict[str, Any]:
    """Return a message among the output of a response."""
    return {"type": "message", "id": "m1", "content": [{"type": "output_text", "text": text} for text in texts]} | more


def function(arguments: Any, name: str = "person") -> dict[str, Any]:
    """Return a call among the output of a response."""
    return {"type": "function_call", "call_id": "c", "name": name, "arguments": arguments}


RESPONSES: dict[str, tuple[str, dict[str, Any]]] = {
    "a message told twice": ("json_schema", response(message(TEXT), message(TEXT))),
    "a message in two parts": ("json_schema", response(message(TEXT[:9], TEXT[9:]))),
    "a comment before it": (
        "json_schema",
        response(message(AL, phase="commentary"), message(TEXT, phase="final_answer")),
    ),
    "prose before it": ("json_schema", response(message("Here:"), message(TEXT, id="m2"))),
    "thoughts before it": ("json_schema", response({"type": "reasoning", "summary": []}, message(TEXT))),
    "a message before the call": ("tools", response(message("I will."), function(TEXT))),
    "two calls": ("tools", response(function(TEXT), function(AL))),
    "two calls, one asked for": ("tools", response(function(AL, "search"), function(TEXT))),
    "arguments as an object": ("tools", response(function(ZO))),
    "the object in the place of a call": ("tools", response(message(TEXT))),
    "cut behind the object": (
        "json_schema",
        response(message(TEXT + "\n" * 50), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    ),
}


@pytest.mark.parametrize("odd", RESPONSES)
@pytest.mark.parametrize("way", ["whole", "streamed", "without an output at the end", "items only"])
def test_a_response(odd: str, way: str, responses: Rig) -> None:
    """Whole, and as events that end with the whole response, or without it, it is read alike."""
    mode, body = RESPONSES[odd]
    told: list[dict[str, Any]] = [
        {"type": "response.output_item.done", "output_index": index, "item": item}
        for index, item in enumerate(body["output"])
    ]
    if way == "whole":
        assert is_read(ask(responses, Scripted.whole(body), mode=mode))
        return
    end = {"type": "response.completed", "response": body if way == "streamed" else body | {"output": []}}
    stream = events(*told, *([] if way == "items only" else [end]))
    heard = ask(responses, Scripted.streamed(stream, *range(0, len(stream), 11)), mode=mode, stream=True)
    assert is_read(heard, tokens=None if way == "items only" else (10, 5))


def test_a_response_of_deltas_alone(responses: Rig) -> None:
    """What grows piece by piece, without a beginning or an end of its parts, is read as well."""
    deltas = [{"type": "response.output_text.delta", "delta": text} for text in (TEXT[:9], TEXT[9:])]
    end = {"type": "response.completed", "response": response()}
    heard = ask(responses, Scripted.streamed(events(*deltas, end)), mode="json_schema", stream=True)
    assert is_read(heard)
    assert heard.partials


# ── Anthropic ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def anthropic(*content: dict[str, Any], stop_reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    """Return a message of Anthropic's."""
    told = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "usage": ANTHROPIC_USAGE}
    return told | {"content": list(content), "stop_reason": stop_reason} | more


def block(text: str) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": text}


def use(given: Any, name: str = "person") -> dict[str, Any]:
    """Return a block that uses a tool."""
    return {"type": "tool_use", "id": "t", "name": name, "input": given}


MESSAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "text in two blocks": ("json_schema", anthropic(block(TEXT[:9]), block(TEXT[9:]))),
    "prose before it": ("json_schema", anthropic(block("Here:"), block(TEXT))),
    "prose after it": ("json_schema", anthropic(block(TEXT), block("Is that it?"))),
    "thoughts before it": (
        "json_schema",
        anthropic({"type": "thinking", "thinking": AL, "signature": "s"}, block(TEXT)),
    ),
    "text before the call": ("tools", anthropic(block("I will."), use(ZO))),
    "two calls": ("tools", anthropic(use(ZO), use({"name": "Al"}))),
    "two calls, one asked for": ("tools", anthropic(use({"name": "Al", "age": 4, "tags": []}, "search"), use(ZO))),
    "the input as text": ("tools", anthropic(use(TEXT))),
    "the object in the place of a call": ("tools", anthropic(block(TEXT))),
}


def streamed(body: dict[str, Any], *, named: bool = True, begins: bool = True) -> bytes:
    """Return a message of Anthropic's as events: without their names, or the beginnings of its blocks, if so wanted."""
    told: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": body | {"content": [], "stop_reason": None, "usage": {"input_tokens": 10, "output_tokens": 1}},
        }
    ]
    for index, one in enumerate(body["content"]):
        kind = one["type"]
        key = {"text": "text", "thinking": "thinking", "tool_use": "partial_json"}[kind]
        whole = one.get(key) or (one["input"] if isinstance(one["input"], str) else TEXT if one["input"] == ZO else AL)
        delta = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}[kind]
        if begins:
            start = one | ({"input": {}} if kind == "tool_use" else {key: ""})
            told.append({"type": "content_block_start", "index": index, "content_block": start})
        told += [
            {"type": "content_block_delta", "index": index, "delta": {"type": delta, key: text}}
            for text in (whole[:9], whole[9:])
        ]
        told.append({"type": "content_block_stop", "index": index})
    usage = {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5}
    told += [
        {"type": "message_delta", "delta": {"stop_reason": body["stop_reason"]}, "usage": usage},
        {"type": "message_stop"},
    ]
    made = events(*told, done=False)
    return (
        made if named else b"".join(line for line in made.splitlines(keepends=True) if not line.startswith(b"event:"))
    )


@pytest.mark.parametrize("odd", MESSAGES)
@pytest.mark.parametrize("way", ["whole", "streamed", "unnamed"])
def test_a_message(odd: str, way: str, chat: Rig) -> None:
    """Whole, and as events with and without names, it is read alike; a later 0 is no count of tokens."""
    mode, body = MESSAGES[odd]
    if way == "whole":
        assert is_read(ask(chat, Scripted.whole(body), model=ANTHROPIC, mode=mode))
        return
    stream = streamed(body, named=way == "streamed")
    heard = ask(chat, Scripted.streamed(stream, *range(0, len(stream), 13)), model=ANTHROPIC, mode=mode, stream=True)
    assert is_read(heard)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("content", "mode", "reason", "code"),
    [
        (block(TEXT + "\n" * 50), "json_schema", "max_tokens", None),
        (block(TEXT + "\n" * 50), "json_schema", "model_context_window_exceeded", None),
        (block(TEXT[:-1]), "json_schema", "max_tokens", "truncated"),
        (block(TEXT + AL[:9]), "json_schema", "model_context_window_exceeded", "context_overflow"),
        (use(ZO), "tools", "max_tokens", "truncated"),
    ],
)
def test_a_message_that_was_cut(
    content: dict[str, Any], mode: str, reason: str, code: str | None, chat: Rig, *, stream: bool
) -> None:
    """Behind its object, it is an answer. The input of a tool is an object even where it was cut, so it is none."""
    body = anthropic(content, stop_reason=reason)
    answer = Scripted.streamed(streamed(body)) if stream else Scripted.whole(body)
    heard = ask(chat, answer, model=ANTHROPIC, mode=mode, stream=stream)
    if code is None:
        assert is_read(heard)
    assert [one.error_code for one in heard.generation.attempts] == [code]


def test_a_block_whose_beginning_was_lost(chat: Rig) -> None:
    """Its pieces say what it is."""
    body = streamed(anthropic(use(ZO)), begins=False)
    assert is_read(ask(chat, Scripted.streamed(body), model=ANTHROPIC, stream=True))


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def told_error(**error: Any) -> dict[str, Any]:
    """Return an error as OpenAI words it."""
    return {"error": error}


def test_an_error_keeps_its_reason(chat: Rig) -> None:
    """What the vendor says stands on the attempt, in the trace, in the record and in what the caller is told."""
    sentence = "Invalid schema for response_format 'F': In context=('properties', 'url'), 'uri' is not a valid format."
    error = told_error(message=sentence, type="invalid_request_error", param="response_format")
    for stream in (False, True):
        heard = ask(chat, Scripted.whole(error, 400), stream=stream)
        [attempt] = heard.generation.attempts
        assert attempt.error_code == "turned_away"
        assert attempt.usage is None
        written = chat.written(heard.generation.id)
        for told in (
            attempt.error_detail,
            written.attempts[0].error_detail,
            written.generation.error_detail,
            str(heard.error),
        ):
            assert sentence in (told or "")
            assert "(invalid_request_error, response_format)" in (told or "")


def test_the_log_has_the_reason(chat: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of the generation says what the provider said."""
    lines = CapturingLogger()
    monkeypatch.setattr("core.record._telling.log", lambda: lines)
    heard = ask(chat, Scripted.whole(told_error(message="Unknown voice.", param="voice"), 400))
    [line] = [one.kwargs for one in lines.calls if one.args == ("generation",)]
    [attempt] = heard.generation.attempts
    assert line["failed"] == [f"{OPENAI}: turned_away: {attempt.error_detail}"]
    assert "Unknown voice." in line["failed"][0]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (429, told_error(message="You exceeded your current quota.", code="insufficient_quota"), "quota_exhausted"),
        (402, told_error(message="Insufficient credits"), "quota_exhausted"),
        (401, told_error(message="Incorrect API key", code="invalid_api_key"), "key_rejected"),
        (404, told_error(message="No such model", code="model_not_found"), "model_not_found"),
        (200, told_error(message="Insufficient credits", code=402), "quota_exhausted"),
        (200, told_error(message="No auth", code=401), "key_rejected"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_dead_ends(chat: Rig, status: int, error: dict[str, Any], code: str, *, stream: bool) -> None:
    """They are not asked again, cost nothing, and each has a word of its own."""
    chat.wire.plays(Scripted.whole(error, status))  # pyright: ignore[reportAttributeAccessIssue]
    heard = chat.ask(tenant_of(chat), stream=stream, route=chat.route(OPENAI, max_retries=3))
    assert [(one.error_code, one.usage) for one in heard.generation.attempts] == [(code, None)]


EMPTY = {"id": "x", "choices": [], "usage": USAGE}


@pytest.mark.parametrize(
    ("whole", "stream", "code"),
    [
        (EMPTY, events(EMPTY), "garbled"),
        (
            told_error(message="busy", code=503) | {"usage": USAGE},
            events(EMPTY, told_error(message="busy", code=503)),
            "server_error",
        ),
        (
            completion({"content": None}, "error")
            | {"choices": [{"error": {"code": 502}, "message": {"content": None}, "finish_reason": "error"}]},
            events(EMPTY, told_error(code=502)),
            "server_error",
        ),
    ],
)
def test_what_was_told_is_what_it_costs(chat: Rig, whole: dict[str, Any], stream: bytes, code: str) -> None:
    """An answer without a choice, or an error in its place, is charged the usage that it tells, and not the limit."""
    for is_stream, answer in ((False, Scripted.whole(whole)), (True, Scripted.streamed(stream))):
        heard = ask(chat, answer, stream=is_stream)
        [attempt] = heard.generation.attempts
        assert attempt.error_code == code
        assert attempt.usage is not None
        assert (attempt.usage.input_tokens, attempt.usage.output_tokens, attempt.usage.estimated) == (10, 5, False)


@pytest.mark.parametrize("usage", [None, RESPONSES_USAGE])
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_that_failed(responses: Rig, usage: Any, *, stream: bool) -> None:
    """It costs what it tells, keeps its reason, and may be asked again where its code says that this may pass."""
    body = response(status="failed", error={"code": "server_error", "message": "Something broke."}, usage=usage)
    answer = (
        Scripted.streamed(events({"type": "response.failed", "response": body})) if stream else Scripted.whole(body)
    )
    heard = ask(responses, answer, stream=stream)
    [attempt] = heard.generation.attempts
    assert attempt.error_code == "server_error"
    assert "Something broke." in (attempt.error_detail or "")
    assert (attempt.usage is None) == (usage is None)
    if attempt.usage is not None:
        assert (attempt.usage.input_tokens, attempt.usage.output_tokens, attempt.usage.estimated) == (10, 5, False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_wait_that_is_a_date(chat: Rig, *, stream: bool) -> None:
    """It is kept, as a number of seconds is."""
    when = {"date": "Sun, 06 Nov 2044 08:49:07 GMT", "retry_after": "Sun, 06 Nov 2044 08:49:08 GMT"}
    error = Scripted.whole(told_error(message="Slow down.", type="requests"), 429, **when)
    good = Scripted.whole(completion({"tool_calls": [call(TEXT)]}))
    chat.wire.plays(error, good)  # pyright: ignore[reportAttributeAccessIssue]
    chat.clock.waits.clear()
    heard = chat.ask(tenant_of(chat), stream=stream, route=chat.route(OPENAI, max_retries=1))
    assert heard.generation.value == ZO
    assert chat.clock.waits == [1.0]


def test_no_prompt_and_no_key_comes_back(chat: Rig) -> None:
    """A server that quotes all that it was sent is not repeated, whatever the way."""
    secret = "Ada Lovelace lives in Ockham Park"
    error = told_error(
        message=f"Cannot parse '{secret}' with sk-test-openai and sk-…, mail ada@example.com", type="bad"
    )
    for stream in (False, True):
        chat.wire.plays(Scripted.whole(error, 400))  # pyright: ignore[reportAttributeAccessIssue]
        heard = chat.ask(tenant_of(chat), stream=stream, input=f"Read: {secret}.", route=chat.route(OPENAI))
        assert isinstance(heard.error, Exhausted)
        told = f"{heard.error} {chat.written(heard.generation.id)}"
        for word in ("Lovelace", "Ockham", "test-openai", "ada@"):
            assert word not in told.replace(f"Read: {secret}.", "")
        assert "Cannot parse" in told

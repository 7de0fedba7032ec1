"""Whole and streamed, however odd, an answer gives the same value, outcome, tokens and attempts, in a whole Proctor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.tables import Tenant
from tests.corridor import ANTHROPIC, OPENAI, Heard, Rig, rig
from tests.examples import many
from tests.near_vendors import told_of
from tests.wire.scripted import Scripted, ScriptedServer, events

TEXT = '{"name":"Zoë 😀","age":3,"tags":["a{","\\"}"]}'
OTHER = '{"name":"Al","age":4,"tags":[]}'
WRITTEN = (
    TEXT,
    TEXT,
    f"```json\n{TEXT}\n```",
    f"So: {TEXT}\nThat is {{all}}.",
    f"{TEXT}\n```",
    TEXT + TEXT,
    f"<think>{OTHER}</think>{TEXT}",
    '{"name":"Zo"}',
    '{"name":"Zo","age":-1,"tags":[7]}',
    TEXT[:-4],
    '{"in":' + TEXT,
    "No.",
    "",
    "[]",
    "7",
    '"' + OTHER.replace('"', '\\"') + '"',
)
"""What a model writes: valid in some way, or in none."""
MODES = ("tools", "json_schema", "json", "md_json")


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """The providers."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def rigs(
    server: ScriptedServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Rig, Tenant]]]:
    """A Proctor that asks by chat completions and Anthropic's messages, and one that asks by Responses."""
    folder = tmp_path_factory.mktemp("both")
    urls = [f"sqlite:///{shutil.copy(sqlite_template, folder / name)}" for name in ("chat.db", "responses.db")]
    with rig(server, urls[0]) as chat, rig(server, urls[1], openai_api="responses") as responses:  # pyright: ignore[reportArgumentType] it has the addresses
        first, second = (chat, chat.tenant(None)), (responses, responses.tenant(None))
        yield {"chat": first, "messages": first, "responses": second}


@dataclass(frozen=True, slots=True)
class Told:
    """One answer, as its vendor tells it in one piece and as events."""

    whole: dict[str, Any]
    events: bytes


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Return *text* in pieces, of which some may be empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def mixed(draw: st.DrawFn, rows: list[list[Any]]) -> list[Any]:
    """Return the events of all *rows*, in an order that keeps each row's own."""
    order = draw(st.permutations([number for number, row in enumerate(rows) for _ in row]))
    left = [iter(row) for row in rows]
    return [next(left[number]) for number in order]


# ── Chat completions ──────────────────────────────────────────────────────────────────────────────────────────────────

FINISH = ("stop", "stop", "tool_calls", "length", "content_filter", None)


@st.composite
def chat_usages(draw: st.DrawFn) -> dict[str, Any]:
    """Return a usage that adds up, or is none."""
    given = draw(st.integers(0, 3000))
    cached, made = draw(st.integers(0, given)), draw(st.integers(0, 900))
    usage: dict[str, Any] = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
    if draw(st.booleans()):
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if draw(st.booleans()):
        usage["completion_tokens_details"] = {"reasoning_tokens": draw(st.integers(0, made)), "audio_tokens": None}
    return usage


@st.composite
def chat_answers(draw: st.DrawFn) -> Told:
    """Return a completion with one choice or two, each with content, calls, thoughts, a refusal or none of these."""
    choices: list[dict[str, Any]] = []
    rows: list[list[Any]] = []
    for index in draw(st.sampled_from([(0,), (0,), (0,), (2,), (0, 1), (1, 0)])):
        message, deltas = draw(chat_messages())
        finish = draw(st.sampled_from(FINISH))
        choices.append({"index": index, "message": message, "finish_reason": finish})
        told = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
        end = {"index": index, "delta": {}, "finish_reason": finish}
        rows.append([{"choices": [one]} for one in [*told, end]])
    rows = [mixed(draw, rows)]
    whole: dict[str, Any] = {"id": "x", "model": "gpt-4o-mini", "choices": choices}
    chunks: list[dict[str, Any]] = [{"id": "x", "model": "gpt-4o-mini"} | chunk for chunk in rows[0]]
    usage = draw(chat_usages())
    match draw(st.sampled_from(["end", "end", "early", "twice", "nowhere", "last chunk"])):
        case "end":
            chunks.append({"choices": [], "usage": usage})
        case "early":
            chunks.insert(0, {"choices": [], "usage": usage})
        case "twice":
            given = usage["prompt_tokens"]
            early = {"prompt_tokens": given, "completion_tokens": 0, "total_tokens": given}
            chunks.insert(0, {"choices": [], "usage": early})
            chunks.append({"choices": [], "usage": usage})
        case "last chunk":
            chunks[-1] = chunks[-1] | {"usage": usage}
        case _:
            usage = None
    return Told(whole | {"usage": usage}, events(*chunks))


@st.composite
def chat_messages(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """Return a message and the deltas that it grows from."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    rows: list[list[Any]] = []
    if draw(st.booleans()):
        content = draw(st.sampled_from(WRITTEN))
        cut = pieces(draw, content)
        typed = [{"type": "text", "text": text} for text in cut]
        match draw(st.sampled_from(["text", "text", "parts"])):
            case "text":
                message["content"] = content
                rows.append([{"content": text} for text in cut])
            case _:
                thought = {"type": "thinking", "thinking": OTHER}
                message["content"] = [thought, *typed]
                rows.append([{"content": [one]} for one in message["content"]])
    if draw(st.booleans()):
        name = draw(st.sampled_from(["reasoning_content", "reasoning"]))
        message[name] = draw(st.sampled_from(["Hm.", OTHER]))
        rows.append([{name: text} for text in pieces(draw, message[name])])
    if draw(st.integers(0, 5)) == 0:
        message["refusal"] = draw(st.sampled_from(["", "No."]))
        rows.append([{"refusal": text} for text in pieces(draw, message["refusal"])])
    if draw(st.booleans()):
        calls, told = draw(chat_calls())
        message |= calls
        rows.append(told)
    return message, [{"role": "assistant"}, *mixed(draw, rows)]


@st.composite
def chat_calls(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """Return the calls of a message and their deltas: one in the older form, or some, told in turn or mixed."""
    if draw(st.integers(0, 5)) == 0:
        arguments = draw(st.sampled_from(WRITTEN))
        told = [{"function_call": {"arguments": text}} for text in pieces(draw, arguments)]
        return {"function_call": {"name": "person", "arguments": arguments}}, [
            {"function_call": {"name": "person"}},
            *told,
        ]
    calls: list[dict[str, Any]] = []
    rows: list[list[Any]] = []
    for index in range(draw(st.integers(1, 3))):
        name, arguments = draw(st.sampled_from(["person", "person", "search"])), draw(st.sampled_from(WRITTEN))
        named = {"id": f"c{index}", "type": "function"}
        if draw(st.integers(0, 5)) == 0:
            given = orjson.loads(OTHER)
            calls.append({**named, "function": {"name": name, "arguments": given}})
            rows.append([{**named, "index": index, "function": {"name": name, "arguments": given}}])
            continue
        calls.append({**named, "function": {"name": name, "arguments": arguments}})
        first, *rest = pieces(draw, arguments)
        again = named if draw(st.booleans()) else {}
        rows.append(
            [
                {**named, "index": index, "function": {"name": name, "arguments": first}},
                *({**again, "index": index, "function": {"arguments": text}} for text in rest),
            ]
        )
    begun = [row.pop(0) for row in rows]  # calls begin in their order, and go on as they like
    return {"tool_calls": calls}, [{"tool_calls": [one]} for one in [*begun, *mixed(draw, rows)]]


# ── Responses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def responses_answers(draw: st.DrawFn) -> Told:
    """Return a response with some output, told in deltas, in whole entries, or only at the end."""
    output: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    for index in range(draw(st.integers(0, 3))):
        entry, grown = draw(outputs(index))
        output.append(entry)
        match draw(st.sampled_from(["grown", "done", "both"])):
            case "grown":
                told += grown
            case "done":
                told.append({"type": "response.output_item.done", "output_index": index, "item": entry})
            case _:
                told += [*grown, {"type": "response.output_item.done", "output_index": index, "item": entry}]
    given, made = draw(st.integers(0, 3000)), draw(st.integers(0, 900))
    usage = draw(st.sampled_from([None, {"input_tokens": given, "output_tokens": made, "output_tokens_details": None}]))
    status, details = draw(
        st.sampled_from(
            [
                ("completed", None),
                ("completed", None),
                ("incomplete", {"reason": "max_output_tokens"}),
                ("incomplete", {"reason": "content_filter"}),
                ("failed", None),
            ]
        )
    )
    whole = {"id": "r", "model": "gpt-4o-mini", "status": status, "incomplete_details": details, "output": output}
    whole |= {"usage": usage, "error": {"code": "server_error", "message": "It broke."} if status == "failed" else None}
    end = whole if draw(st.booleans()) else whole | {"output": []}
    return Told(whole, events(*told, {"type": f"response.{status}", "response": end}, done=draw(st.booleans())))


@st.composite
def outputs(draw: st.DrawFn, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an entry of the output, and the events that it grows from."""
    place = {"output_index": index}
    if draw(st.booleans()):
        name, arguments = draw(st.sampled_from(["person", "search"])), draw(st.sampled_from(WRITTEN))
        entry = {"type": "function_call", "id": f"f{index}", "call_id": f"c{index}", "name": name}
        kind = "response.function_call_arguments.delta"
        begun = {"type": "response.output_item.added", "item": {**entry, "arguments": ""}, **place}
        grown = [{"type": kind, "delta": text, **place} for text in pieces(draw, arguments)]
        return entry | {"arguments": arguments}, [begun, *grown]
    parts = draw(st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=2))
    is_refusal = draw(st.integers(0, 7)) == 0
    kind, key = ("refusal", "refusal") if is_refusal else ("output_text", "text")
    entry = {"type": "message", "id": f"m{index}", "phase": draw(st.sampled_from([None, "commentary", "final_answer"]))}
    grown = [{"type": "response.output_item.added", "item": {**entry, "content": []}, **place}]
    for at, text in enumerate(parts):
        there = {**place, "content_index": at}
        grown.append({"type": "response.content_part.added", "part": {"type": kind, key: ""}, **there})
        grown += [{"type": f"response.{kind}.delta", "delta": one, **there} for one in pieces(draw, text)]
        grown.append({"type": f"response.{kind}.done", key: text, **there})
    return entry | {"content": [{"type": kind, key: text} for text in parts]}, grown


# ── Anthropic ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def messages_answers(draw: st.DrawFn) -> Told:
    """Return a message of some blocks."""
    content: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    for index in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["text", "tool_use", "thinking"]))
        block: dict[str, Any] = {"type": kind}
        if kind == "tool_use":
            written = draw(st.sampled_from(["", TEXT, OTHER, '{"name":"Zo"}']))
            block |= {"id": f"t{index}", "name": draw(st.sampled_from(["person", "search"]))}
            begun, delta, key = {**block, "input": {}}, "input_json_delta", "partial_json"
            content.append({**block, "input": orjson.loads(written or "{}")})
        else:
            written = draw(st.sampled_from(WRITTEN))
            begun, delta, key = {**block, kind: ""}, f"{kind}_delta", kind
            content.append({**block, kind: written})
        told.append({"type": "content_block_start", "index": index, "content_block": begun})
        told += [
            {"type": "content_block_delta", "index": index, "delta": {"type": delta, key: text}}
            for text in pieces(draw, written)
        ]
        told.append({"type": "content_block_stop", "index": index})
    made = draw(st.integers(1, 900))
    usage = {"input_tokens": draw(st.integers(0, 3000)), "cache_read_input_tokens": draw(st.integers(0, 99))}
    reason = draw(st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "stop_sequence"]))
    message = {"id": "m", "type": "message", "model": "claude-haiku-4-5", "role": "assistant"}
    begun = {**message, "content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    again = draw(
        st.sampled_from([{}, usage, {"input_tokens": 0, "cache_read_input_tokens": 0}, {"input_tokens": None}])
    )
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": again | {"output_tokens": made}}
    stop = [{"type": "message_stop"}] if draw(st.booleans()) else []
    stream = events({"type": "message_start", "message": begun}, {"type": "ping"}, *told, end, *stop, done=False)
    return Told(
        {**message, "content": content, "stop_reason": reason, "usage": usage | {"output_tokens": made}}, stream
    )


# ── Alike ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


ANSWERS = {"chat": chat_answers(), "responses": responses_answers(), "messages": messages_answers()}


@st.composite
def framed(draw: st.DrawFn, stream: bytes) -> bytes:
    """Return *stream* with other ends of lines, comments, a byte order mark, or without the names of its events."""
    if draw(st.booleans()):
        stream = stream.replace(b"\n\n", b"\n\n: ping\n\n", draw(st.integers(0, 3)))
    if draw(st.booleans()):
        stream = b"".join(line for line in stream.splitlines(keepends=True) if not line.startswith(b"event:"))
    if draw(st.booleans()):
        stream = stream.replace(b',"', b',\ndata: "', draw(st.integers(0, 3)))
    end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + stream.replace(b"\n", end)


def summed_up(heard: Heard) -> dict[str, Any]:
    """Return all that must be alike."""
    return {
        "value": heard.generation.value,
        "outcome": heard.generation.outcome,
        "error": heard.error and heard.error.message,
        "attempts": told_of(heard.generation.attempts),
    }


@pytest.mark.parametrize("path", ANSWERS)
@settings(
    max_examples=many(100),
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_whole_and_streamed_alike(
    path: str, rigs: dict[str, tuple[Rig, Tenant]], server: ScriptedServer, data: st.DataObject
) -> None:
    """Two answers, the second to a re-ask, give the same in one piece each and as streams cut anywhere."""
    on, tenant = rigs[path]
    mode = data.draw(st.sampled_from(MODES))
    told = [data.draw(ANSWERS[path]) for _ in range(2)]
    route = on.route(ANTHROPIC if path == "messages" else OPENAI, mode=mode, max_reasks=1, max_retries=0)
    heard: list[dict[str, Any]] = []
    for stream in (False, True):
        answers = [Scripted.whole(one.whole) for one in told]
        if stream:
            bodies = [data.draw(framed(one.events)) for one in told]
            cuts = [data.draw(st.lists(st.integers(0, len(body)), max_size=30)) for body in bodies]
            answers = [Scripted.streamed(body, *cut) for body, cut in zip(bodies, cuts, strict=True)]
        server.plays(*answers)
        heard.append(summed_up(on.ask(tenant, stream=stream, route=route, input="Make a person.")))
    whole, streamed = heard
    for one, other in zip(whole["attempts"], streamed["attempts"], strict=True):
        for name, value in one.items():
            assert (name, value) == (name, other[name])
    assert whole == streamed

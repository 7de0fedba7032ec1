"""Wherever its stream is cut, an answer gives the value, the outcome, the tokens and the attempts that it gives whole.

Both for a question of ours and for a program's own request that is sent on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.test_answers_read import (
    AL,
    ANTHROPIC_USAGE,
    EMPTY,
    RESPONSES_USAGE,
    TOLD,
    USAGE,
    ZO,
    anthropic,
    block,
    call,
    chunk,
    completion,
    function,
    message,
    piece,
    response,
    streamed,
    told_error,
    use,
)
from tests.core.test_whole_and_streamed import ANSWERS, MODES, framed
from tests.near_vendors import NearVendors, in_two, told_apart
from tests.wire.scripted import events

TEXT = '{"name":"Zoë 😀","age":3,"tags":[]}'
BROKEN = '{"name":"Zo","age":-1,"tags":[7]}'
FENCED = f"So:\n```json\n{TEXT}\n```\nThat is {{all}}."
END = chunk({}, "stop")


def grown(text: str, **more: Any) -> list[dict[str, Any]]:
    """Return *text* as the content of two chunks."""
    return [chunk({"content": text[:9]}, **more), chunk({"content": text[9:]}, **more)]


def parts(*texts: str) -> list[dict[str, Any]]:
    """Return *texts* as parts of a content."""
    return [{"type": "text", "text": text} for text in texts]


def calls(*arguments: str) -> list[dict[str, Any]]:
    """Return calls of the tool."""
    return [call(one, id=f"c{n}") for n, one in enumerate(arguments)]


def called(*arguments: str) -> list[dict[str, Any]]:
    """Return the chunks of the same calls, each told in two pieces, the second ones in turn."""
    begun = [chunk(piece(one[:9], n, id=f"c{n}", name="person")) for n, one in enumerate(arguments)]
    return [*begun, *(chunk(piece(one[9:], n)) for n, one in enumerate(arguments))]


CHAT: dict[str, tuple[str, dict[str, Any], bytes]] = {
    # what is odd about it: the mode, the completion, and the same as a stream
    "content": ("json", completion({"content": TEXT}), events(*grown(TEXT), END, TOLD)),
    "content as parts": (
        "json",
        completion({"content": [{"type": "thinking", "thinking": AL}, *parts(TEXT[:9], TEXT[9:])]}),
        events(
            chunk({"content": [{"type": "thinking", "thinking": AL}]}),
            *(chunk({"content": [one]}) for one in parts(TEXT[:9], TEXT[9:])),
            END,
            TOLD,
        ),
    ),
    "several calls": (
        "tools",
        completion({"tool_calls": calls(TEXT, AL)}, "tool_calls"),
        events(*called(TEXT, AL), chunk({}, "tool_calls"), TOLD),
    ),
    "several calls, the second valid": (
        "tools",
        completion({"tool_calls": calls(BROKEN, TEXT)}),
        events(*called(BROKEN, TEXT), END, TOLD),
    ),
    "text before the call": (
        "tools",
        completion({"content": "I'll do {it}.", "tool_calls": calls(TEXT)}),
        events(chunk({"content": "I'll do {it}."}), *called(TEXT), END, TOLD),
    ),
    "an older call": (
        "tools",
        completion({"function_call": {"name": "person", "arguments": TEXT}}),
        events(
            chunk({"function_call": {"name": "person", "arguments": TEXT[:9]}}),
            chunk({"function_call": {"arguments": TEXT[9:]}}),
            END,
            TOLD,
        ),
    ),
    "prose round the object": ("json", completion({"content": FENCED}), events(*grown(FENCED), END, TOLD)),
    "a closing fence": ("md_json", completion({"content": TEXT + "\n```"}), events(*grown(TEXT + "\n```"), END, TOLD)),
    "told twice": ("json", completion({"content": TEXT + TEXT}), events(*grown(TEXT + TEXT), END, TOLD)),
    "thoughts beside it": (
        "json",
        completion({"reasoning_content": AL, "content": TEXT}),
        events(chunk({"reasoning_content": AL}), *grown(TEXT), END, TOLD),
    ),
    "thoughts within it": (
        "json",
        completion({"content": f"<think>{AL}</think>{TEXT}"}),
        events(*grown(f"<think>{AL}</think>{TEXT}"), END, TOLD),
    ),
    "usage early": ("json", completion({"content": TEXT}), events(TOLD, *grown(TEXT), END)),
    "usage twice": (
        "json",
        completion({"content": TEXT}),
        events(*grown(TEXT, usage=USAGE | {"completion_tokens": 1, "total_tokens": 11}), END, TOLD),
    ),
    "usage with the last word": (
        "json",
        completion({"content": TEXT}),
        events(*grown(TEXT), chunk({}, "stop", usage=USAGE)),
    ),
    "usage nowhere": ("json", completion({"content": TEXT}, usage=None), events(*grown(TEXT), END)),
    "no finish_reason": ("json", completion({"content": TEXT}, None), events(*grown(TEXT), TOLD)),
    "a refusal": (
        "json",
        completion({"refusal": "No, not that."}),
        events(chunk({"refusal": "No, "}), chunk({"refusal": "not that."}), END, TOLD),
    ),
    "filtered": (
        "json",
        completion({"content": TEXT[:9]}, "content_filter"),
        events(chunk({"content": TEXT[:9]}), chunk({}, "content_filter"), TOLD),
    ),
    "cut behind the object": (
        "json",
        completion({"content": TEXT + "\n\n"}, "length"),
        events(*grown(TEXT + "\n\n"), chunk({}, "length"), TOLD),
    ),
    "cut within it": (
        "json",
        completion({"content": TEXT[:-4]}, "length"),
        events(*grown(TEXT[:-4]), chunk({}, "length"), TOLD),
    ),
    "invalid": ("json", completion({"content": BROKEN}), events(*grown(BROKEN), END, TOLD)),
    "invalid arguments": ("tools", completion({"tool_calls": calls(BROKEN)}), events(*called(BROKEN), END, TOLD)),
    "empty": ("json", completion({"content": ""}), events(chunk({"content": ""}), END, TOLD)),
    "an error in a 200": (
        "json",
        told_error(message="busy", code=503) | {"usage": USAGE},
        events(EMPTY, told_error(message="busy", code=503)),
    ),
    "a dead end in a 200": (
        "json",
        told_error(message="Insufficient credits", code=402),
        events(told_error(message="Insufficient credits", code=402)),
    ),
    "an error that tells its usage": (
        "json",
        told_error(message="busy", code=503) | {"usage": USAGE},
        events(told_error(message="busy", code=503) | {"usage": USAGE}),
    ),
    "no choices": ("json", EMPTY, events(EMPTY)),
}


def output(*entries: dict[str, Any], end: dict[str, Any], done: bool = False) -> bytes:
    """Return the events of a response with these *entries*, told in deltas and then whole."""
    told: list[dict[str, Any]] = []
    for index, entry in enumerate(entries):
        place = {"output_index": index}
        is_call = entry["type"] == "function_call"
        empty = {"arguments": ""} if is_call else {"content": []}
        told.append({"type": "response.output_item.added", "item": entry | empty, **place})
        text = entry["arguments"] if is_call else ""
        kind = "function_call_arguments" if is_call else "output_text"
        pieces = [(place, text)] if is_call else []
        for at, part in enumerate(entry.get("content", [])):
            kind = part["type"]
            there = {**place, "content_index": at}
            key = "refusal" if kind == "refusal" else "text"
            told.append({"type": "response.content_part.added", "part": part | {key: ""}, **there})
            pieces.append((there, part[key]))
        for there, whole in pieces:
            told += [{"type": f"response.{kind}.delta", "delta": one, **there} for one in (whole[:9], whole[9:])]
        told.append({"type": "response.output_item.done", "item": entry, **place})
    return events(*told, end, done=done)


def responded(mode: str, *entries: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any], bytes]:
    """Return a response whole and as a stream; *more* is what else it tells."""
    body = response(*entries, **more)
    return mode, body, output(*entries, end={"type": f"response.{body['status']}", "response": body})


CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
FAILED = response(status="failed", error={"code": "server_error", "message": "Something broke."})
RESPONSES: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "a message": responded("json_schema", message(TEXT)),
    "a message in parts": responded("json_schema", message(TEXT[:9], TEXT[9:])),
    "a message told twice": responded("json_schema", message(TEXT), message(TEXT)),
    "several calls": responded("tools", function(TEXT), function(AL)),
    "several calls, the second valid": responded("tools", function(BROKEN), function(TEXT)),
    "a message before the call": responded("tools", message("I will."), function(TEXT)),
    "prose round the object": responded("json_schema", message(FENCED)),
    "thoughts before it": responded("json_schema", message(AL, phase="commentary"), message(TEXT, id="m2")),
    "usage nowhere": responded("json_schema", message(TEXT), usage=None),
    "usage early": (
        "json_schema",
        response(message(TEXT)),
        events(
            {"type": "response.created", "response": response(usage=RESPONSES_USAGE, status="in_progress")},
            {"type": "response.output_text.delta", "delta": TEXT, "output_index": 0, "content_index": 0},
            {"type": "response.output_item.done", "item": message(TEXT), "output_index": 0},
            {"type": "response.completed", "response": response(message(TEXT), usage=None)},
            done=False,
        ),
    ),
    "no output at the end": (
        "json_schema",
        response(message(TEXT)),
        output(message(TEXT), end={"type": "response.completed", "response": response()}),
    ),
    "a refusal": responded("json_schema", message() | {"content": [{"type": "refusal", "refusal": "No, not that."}]}),
    "cut behind the object": responded("json_schema", message(TEXT + "\n\n"), **CUT),
    "cut within it": responded("json_schema", message(TEXT[:-4]), **CUT),
    "invalid": responded("json_schema", message(BROKEN)),
    "invalid arguments": responded("tools", function(BROKEN)),
    "a failure": ("json_schema", FAILED, events({"type": "response.failed", "response": FAILED}, done=False)),
    "an error in a 200": (
        "json_schema",
        told_error(message="busy", code=503),
        events({"type": "error", "error": {"message": "busy", "code": 503}}, done=False),
    ),
    "nothing": responded("json_schema"),
}


def told(mode: str, *content: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any], bytes]:
    """Return a message of Anthropic's whole and as a stream; *more* is what else it tells."""
    body = anthropic(*content, **more)
    return mode, body, streamed(body)


TWO = [use(ZO), use({"name": "Al", "age": 4, "tags": []})]
MESSAGES: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "text": told("json_schema", block(TEXT)),
    "text in two blocks": told("json_schema", block(TEXT[:9]), block(TEXT[9:])),
    "a call": told("tools", use(ZO), stop_reason="tool_use"),
    "several calls": told("tools", *TWO, stop_reason="tool_use"),
    "text before the call": told("tools", block("I will."), use(ZO), stop_reason="tool_use"),
    "prose round the object": told("json_schema", block(FENCED)),
    "thoughts before it": told("json_schema", {"type": "thinking", "thinking": AL, "signature": "s"}, block(TEXT)),
    "a refusal": told("json_schema", block("No, not that."), stop_reason="refusal"),
    "cut behind the object": told("json_schema", block(TEXT + "\n\n"), stop_reason="max_tokens"),
    "cut within it": told("json_schema", block(TEXT[:-4]), stop_reason="max_tokens"),
    "invalid": told("json_schema", block(BROKEN)),
    "usage twice": (
        "json_schema",
        anthropic(block(TEXT)),
        streamed(anthropic(block(TEXT))).replace(
            b'{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":5}', orjson.dumps(ANTHROPIC_USAGE)
        ),
    ),
    "an error in a 200": (
        "json_schema",
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
        events({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, done=False),
    ),
    "nothing": told("json_schema"),
}
SCRIPTED = {
    f"{path}: {odd}": (path, *one)
    for path, table in (("chat", CHAT), ("responses", RESPONSES), ("messages", MESSAGES))
    for odd, one in table.items()
}


@pytest.fixture(scope="module")
def near() -> Iterator[NearVendors]:
    """The vendors."""
    running = NearVendors()
    yield running
    running.close()


def alike(
    near: NearVendors, path: str, mode: str, whole: Any, cuts: Iterable[tuple[bytes, ...]], *, ours: bool
) -> None:
    """Hold what comes of each of *cuts* to what comes of *whole*, in a question of ours or a program's own."""
    way = near.framed if ours else near.relayed
    expected, passed_on = way(path, mode, whole).summed_up, b""
    for cut in cuts:
        came = way(path, mode, cut)
        for one, other in zip(came.summed_up["attempts"], expected["attempts"], strict=False):
            assert one == other
        assert came.summed_up == expected
        passed_on = passed_on or came.passed_on
        assert came.passed_on == passed_on or came.summed_up["error"], "of an error, what came before it may be held"


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("what", SCRIPTED)
def test_what_providers_send(what: str, near: NearVendors, *, ours: bool) -> None:
    """Each of these, wherever its stream is cut, and in single bytes."""
    path, mode, whole, stream = SCRIPTED[what]
    alike(near, path, mode, whole, told_apart(path, stream, framed=ours), ours=ours)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("what", ["chat: text before the call", "responses: usage early", "messages: a call"])
def test_no_cut_is_left_out(what: str, near: NearVendors, *, ours: bool) -> None:
    """Nor do cuts differ that bring the same events together: here each is walked, byte by byte."""
    path, mode, whole, stream = SCRIPTED[what]
    alike(near, path, mode, whole, in_two(stream), ours=ours)


@pytest.mark.parametrize("path", ANSWERS)
@settings(
    max_examples=25,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_whatever_they_send(path: str, near: NearVendors, data: st.DataObject) -> None:
    """So it is with answers that chance made up, 25 of each vendor, and with other ends of their lines."""
    answer, mode = data.draw(ANSWERS[path]), data.draw(st.sampled_from(MODES))
    cuts = told_apart(path, data.draw(framed(answer.events)), framed=True)
    alike(near, path, mode, answer.whole, cuts, ours=True)

"""Frames of a stream are passed on one by one, in order, as far as it is clear what may be shown of what they write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName, Frame
from core.errors import GuardrailBlocked
from core.frame_screens import AllowedTexts
from core.guardrails import Action, Guardrail, Guardrails, Stage, built_in, search_of
from core.screened_frames import ScreenedFrames
from tests.core.dialects.clients import Served
from tests.examples import many

SECRET = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
MARK = "[redacted: a GitHub token]"
MAIL = "jane@example.org"
MAIL_MARK = "[redacted: an e-mail address]"
GUARDRAILS = Guardrails([
    *built_in(),
    Guardrail("personal", search_of("personal", "{}"), Action.REDACT, frozenset(Stage)),
])  # fmt: skip
PLACES = DIALECTS[DialectName.CHAT].places
FORBIDDEN = (SECRET, MAIL, "jane@", "ghp_a1B2c3D4", "4111")


def data(event: Any, *, is_escaped: bool = False) -> bytes:
    """Return an event as it comes; Anthropic's and OpenAI's newer ones have a name."""
    name = b"event: " + event["type"].encode() + b"\n" if "type" in event else b""
    return name + b"data: " + json.dumps(event, ensure_ascii=is_escaped).encode() + b"\n\n"


def chunk(choice: dict[str, Any]) -> bytes:
    """Return a chunk of a completion."""
    told = {"index": 0, "logprobs": None, "finish_reason": None, **choice}
    return data({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [told]})


def chat(text: Sequence[str], arguments: Sequence[str]) -> list[bytes]:
    """Return a completion that says a text and calls a tool."""
    call = {"index": 0, "id": "call_9xQ2vT7rLp0sWz4Yb6Nc8Md1", "type": "function"}
    called = {**call, "function": {"name": "send_mail", "arguments": arguments[0] if arguments else ""}}
    return [
        chunk({"delta": {"role": "assistant", "content": ""}}),
        *(chunk({"delta": {"content": one}}) for one in text),
        chunk({"delta": {"tool_calls": [called]}}),
        *(chunk({"delta": {"tool_calls": [{"index": 0, "function": {"arguments": one}}]}}) for one in arguments[1:]),
        chunk({"delta": {}, "finish_reason": "tool_calls"}),
        b"data: [DONE]\n\n",
    ]


def messages(text: Sequence[str], arguments: Sequence[str]) -> list[bytes]:
    """Return a message that says a text and uses a tool."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    used = {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "send_mail", "input": {}}
    of_json = ({"type": "input_json_delta", "partial_json": one} for one in arguments)
    return [
        data({"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}}),
        data({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *(
            data({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}})
            for one in text
        ),
        data({"type": "content_block_stop", "index": 0}),
        data({"type": "content_block_start", "index": 1, "content_block": used}),
        *(data({"type": "content_block_delta", "index": 1, "delta": one}) for one in of_json),
        data({"type": "content_block_stop", "index": 1}),
        data({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": usage}),
        data({"type": "message_stop"}),
    ]


def responses(text: Sequence[str], arguments: Sequence[str]) -> list[bytes]:
    """Return a response that says a text, calls a tool, and repeats both at its end."""
    whole, called = "".join(text), "".join(arguments)
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": []}
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "send_mail", "status": "completed"}
    said, made = {**item, "content": [{**part, "text": whole}]}, {**call, "arguments": called}
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "completed",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    at, where = {"output_index": 0, "item_id": "msg_1", "content_index": 0}, {"output_index": 1, "item_id": "fc_1"}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": {**response, "status": "in_progress"}}),
        ("output_item.added", {"output_index": 0, "item": item}),
        ("content_part.added", {**at, "part": part}),
        *(("output_text.delta", {**at, "delta": one, "logprobs": []}) for one in text),
        ("output_text.done", {**at, "text": whole, "logprobs": []}),
        ("content_part.done", {**at, "part": {**part, "text": whole}}),
        ("output_item.done", {"output_index": 0, "item": said}),
        ("output_item.added", {"output_index": 1, "item": {**call, "arguments": ""}}),
        *(("function_call_arguments.delta", {**where, "delta": one}) for one in arguments),
        ("function_call_arguments.done", {**where, "arguments": called, "name": "send_mail"}),
        ("output_item.done", {"output_index": 1, "item": made}),
        ("completed", {"response": {**response, "output": [said, made]}}),
    ]
    return [
        data({"type": f"response.{kind}", "sequence_number": n, **told}, is_escaped=n % 2 == 0)
        for n, (kind, told) in enumerate(kinds)
    ]


STREAMS: dict[DialectName, Callable[[Sequence[str], Sequence[str]], list[bytes]]] = {
    DialectName.CHAT: chat,
    DialectName.MESSAGES: messages,
    DialectName.RESPONSES: responses,
}


def frames_of(dialect: DialectName, stream: bytes, size: int = 1_000_000) -> list[list[Frame]]:
    """Return the frames of a stream, as they come with each *size* bytes of it."""
    reader = DIALECTS[dialect].frames()
    fed = [reader.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
    return [*fed, reader.end()]


def passed_on(
    dialect: DialectName, stream: Iterable[bytes], size: int = 1_000_000, *, is_json: bool = False
) -> list[bytes]:
    """Return what a caller gets of a stream, as it comes with each *size* bytes of it."""
    screening = ScreenedFrames(AllowedTexts(GUARDRAILS), DIALECTS[dialect].places, is_json=is_json, tools=["send_mail"])
    out = [screening.of(frames) for frames in frames_of(dialect, b"".join(stream), size)]
    return [b"".join(one.outward for one in frames) for frames in (*out, screening.rest())]


def final(dialect: DialectName, out: bytes) -> tuple[str, str]:
    """Return the text and the arguments that the vendor's own SDK makes of a stream."""
    served, said = Served.streaming([out]), [{"role": "user", "content": "x"}]
    asked: Any = {"model": "m", "messages": said}
    match dialect:
        case DialectName.CHAT:
            with served.openai().chat.completions.stream(**asked) as stream:
                message = stream.get_final_completion().choices[0].message
            return message.content or "", message.tool_calls[0].function.arguments if message.tool_calls else ""
        case DialectName.MESSAGES:
            with served.anthropic().messages.stream(**asked, max_tokens=9) as stream:
                blocks: list[Any] = list(stream.get_final_message().content)
            return blocks[0].text, json.dumps(blocks[1].input)
        case DialectName.RESPONSES:
            events: list[Any] = list(served.openai().responses.create(model="m", input="x", stream=True))
            deltas = [one.delta for one in events if one.type == "response.output_text.delta"]
            with served.openai().responses.stream(model="m", input="x") as stream:
                response: Any = stream.get_final_response()
            assert "".join(deltas) == response.output_text, "the closing events tell what the others told"
            parts = [one.delta for one in events if one.type == "response.function_call_arguments.delta"]
            assert "".join(parts) == response.output[1].arguments
            return response.output_text, response.output[1].arguments


def cut(text: str, size: int) -> list[str]:
    """Return *text* in pieces of that size."""
    return [text[at : at + size] for at in range(0, len(text), size)]


TEXT = f"Dear Jane, write to {MAIL}, your key {SECRET} and card 4111 1111 1111 1111. Bye 👋"
SHOWN = f"Dear Jane, write to {MAIL_MARK}, your key {MARK} and card [redacted: a card number]. Bye 👋"
CALL = '{"to": "jane\\u0040example.org", "body":"card 4111 1111 1111 1111", "n": 12345678901234567890.10, "to": "x"}'
CALLED = CALL.replace("jane\\u0040example.org", MAIL_MARK).replace("4111 1111 1111 1111", "[redacted: a card number]")


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 1000])
def test_the_sdk_makes_the_redacted_whole_of_it(dialect: DialectName, size: int) -> None:
    """However texts and arguments are cut: nothing of what was found is in any byte, numbers and order stay."""
    out = b"".join(passed_on(dialect, STREAMS[dialect](cut(TEXT, size), cut(CALL, size))))
    text, arguments = final(dialect, out)
    assert text == SHOWN
    assert arguments == CALLED if dialect is not DialectName.MESSAGES else json.loads(arguments) == json.loads(CALLED)
    assert not any(word.encode() in out for word in FORBIDDEN)


PIECES = st.lists(
    st.sampled_from([
        *("The ", "inv", "oice", " s", "k", "-", "y", ", 12", ". ", "key", ": x\n", "https", "://", "a:b", "Q~", "8"),
        *("jane", "@", "exam", "ple", ".org", " ", "ghp_", SECRET[4:20], SECRET[20:], "4111 1111", " 1111 1111", "\\"),
        *("👋", "é", '"', "[redacted: ", "}", "{", "\u200b"),
    ]),
    max_size=25,
)  # fmt: skip


def written(dialect: DialectName, out: bytes) -> tuple[str, str]:
    """Return the text and the arguments that the frames of *out* write."""
    text = arguments = ""
    for frame in (one for fed in frames_of(dialect, out) for one in fed if one.event):
        match frame.event:
            case {"choices": [{"delta": delta}]}:
                text += delta.get("content") or ""
                for call in delta.get("tool_calls", ()):
                    arguments += call["function"]["arguments"]
            case {"type": "content_block_delta", "delta": delta}:
                text, arguments = text + delta.get("text", ""), arguments + delta.get("partial_json", "")
            case {"type": "response.output_text.delta", "delta": delta}:
                text += delta
            case {"type": "response.function_call_arguments.delta", "delta": delta}:
                arguments += delta
            case _:
                pass
    return text, arguments


@settings(max_examples=many(60), deadline=None)
@given(st.sampled_from(sorted(STREAMS)), PIECES, PIECES, st.integers(1, 400))
def test_each_prefix_is_a_prefix_of_the_redacted_whole(
    dialect: DialectName, text: list[str], body: list[str], size: int
) -> None:
    """For any cut into frames and into what the network brings, of text and of strings in arguments."""
    arguments = ['{"body":"', *(json.dumps(one, ensure_ascii=bool(size % 2))[1:-1] for one in body), '"}']
    whole, wanted = GUARDRAILS.screened("".join(text)), GUARDRAILS.screened("".join(body))
    came = ""
    out = passed_on(dialect, STREAMS[dialect](text, arguments), size)
    for at in range(len(out)):
        came = written(dialect, b"".join(out[: at + 1]))[0]
        assert whole.startswith(came)
    assert came == whole
    assert json.loads(written(dialect, b"".join(out))[1]) == {"body": wanted}


@settings(max_examples=many(60), deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.lists(st.sampled_from(["The ", "inv", "oice", " of", " 12", ". ", "a:b"])))
def test_what_is_clear_goes_on_byte_for_byte(dialect: DialectName, pieces: list[str]) -> None:
    """All of it comes as it was and in its order, with what nobody knows."""
    stream = [*STREAMS[dialect](pieces, ['{ "a":', "1.50}"])]
    stream.insert(1, b': ping\nid: 7\r\ndata: {"choices" : [], "new": 1e999}\r\n\r\n')
    screening, frames = (
        ScreenedFrames(AllowedTexts(GUARDRAILS), DIALECTS[dialect].places, tools=["send_mail"]),
        list[Frame](),
    )
    for one in (frame for fed in frames_of(dialect, b"".join(stream)) for frame in fed):
        frames += screening.of([one])
    assert b"".join(one.raw for one in (*frames, *screening.rest())) == b"".join(stream)


def test_a_frame_is_passed_on_as_soon_as_it_is_clear() -> None:
    """What may become a key holds its own frame, and the next one sets it free; another choice's word holds nothing."""
    screening = ScreenedFrames(AllowedTexts(Guardrails()), PLACES)
    stream = [chunk({"delta": {"content": "The disk s"}}), chunk({"delta": {"content": "pins. "}})]
    stream.append(chunk({"index": 1, "delta": {"content": "Done. "}}))
    (first, second, third) = frames_of(DialectName.CHAT, b"".join(stream))[0]
    assert screening.of([first]) == ()
    assert screening.of([second]) == (first, second)
    assert screening.of([third]) == (third,)


@settings(max_examples=many(100), deadline=None)
@given(st.integers(0, len(SECRET) - 1), st.integers(1, 12))
def test_no_beginning_of_a_secret_is_passed_on(end: int, size: int) -> None:
    """However it comes, where the stream breaks in the middle of it: fewer than eight of its characters."""
    stream = [chunk({"delta": {"content": one}}) for one in cut(f"My token is {SECRET[:end]}", size)]
    screening = ScreenedFrames(AllowedTexts(GUARDRAILS), PLACES)
    frames = [*screening.of(frames_of(DialectName.CHAT, b"".join(stream))[0]), *screening.broken_off()]
    passed = written(DialectName.CHAT, b"".join(one.raw for one in frames))[0]
    assert SECRET[:8] not in passed


def test_what_is_found_at_a_break_is_taken_out_however_short_it_is() -> None:
    """Of a word that is forbidden and may go on no letter is passed on."""
    words = Guardrail("words", search_of("words", '{"words":["Bob"]}'), Action.REDACT, frozenset(Stage))
    screening = ScreenedFrames(AllowedTexts(Guardrails([words])), PLACES)
    frames = frames_of(DialectName.CHAT, chunk({"delta": {"content": "It is Bob"}}))[0]
    out = b"".join(one.raw for one in (*screening.of(frames), *screening.broken_off()))
    assert b"Bob" not in out


REFUSED: dict[str, tuple[DialectName, list[bytes], str]] = {
    "a sealed thought": (
        DialectName.MESSAGES,
        [
            data({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": MAIL}}),
            data({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "Eq"}}),
            data({"type": "content_block_stop", "index": 0}),
        ],
        "sealed",
    ),
    "a sealed item": (
        DialectName.RESPONSES,
        [
            data(
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {
                        "type": "reasoning",
                        "summary": [{"type": "summary_text", "text": MAIL}],
                        "encrypted_content": "gAAA",
                    },
                }
            )
        ],
        "sealed",
    ),
    "what is no event": (DialectName.CHAT, [f"data: my mail is {MAIL}\n\n".encode()], "cannot be read"),
    "a word without end": (DialectName.CHAT, [chunk({"delta": {"content": "ab1c" * 500}})] * 200, "would have to wait"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_altered_or_held_is_refused(name: str) -> None:
    """A seal never goes on with an altered thought, nothing that nobody can read with a find, and nothing unjudged."""
    dialect, stream, said = REFUSED[name]
    with pytest.raises(GuardrailBlocked, match=said):
        passed_on(dialect, stream)


def test_copies_of_what_was_taken_out_are_told_as_nothing() -> None:
    """Logarithms of its characters, whatever the frame in which they come, and places in the text from then on."""
    tokens = {"content": [{"token": MAIL, "logprob": -1, "bytes": [], "top_logprobs": []}]}
    cited = [
        {"type": "url_citation", "url_citation": {"start_index": 9, "end_index": 30, "title": "A page", "url": "u"}}
    ]
    out = b"".join(
        passed_on(
            DialectName.CHAT,
            [
                chunk({"delta": {"content": "To "}, "logprobs": {"content": [{"token": "To "}]}}),
                chunk({"delta": {"content": MAIL}, "logprobs": tokens}),
                chunk({"delta": {"content": " now. "}}),
                chunk({"delta": {"annotations": cited}}),
                chunk({"delta": {"content": "Yes. "}, "logprobs": {"content": [{"token": "Yes. "}]}}),
            ],
        )
    )
    assert MAIL.encode() not in out
    assert b"start_index" not in out
    assert out.count(b'"token"') == 2


@pytest.mark.parametrize(
    ("frame", "left"),
    [
        (f": keep-alive {MAIL}\n\n", ""),
        (': {"choices":[]}\n\n', ': {"choices":[]}\n\n'),
        (f'event: x\r: {MAIL}\rdata: {{"t":"{MAIL}"}}\r\r', f'event: x\ndata: {{"t":"{MAIL_MARK}"}}\n\n'),
        (f'data: {{"t":\ndata: "{MAIL}"}}\n\n', f'data: {{"t":"{MAIL_MARK}"}}\n\n'),
        (f'data: {{"metadata":{{"{MAIL}":1.50}}}}\n\n', f'data: {{"metadata":{{"{MAIL_MARK}":1.50}}}}\n\n'),
    ],
)
def test_frames_are_read_as_the_specification_has_them(frame: str, left: str) -> None:
    """Of whatever line ends, in several lines; what a vendor notes beside it goes on only where nothing is in it."""
    assert b"".join(passed_on(DialectName.CHAT, [frame.encode()])).decode() == left


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_an_answer_in_json_is_read_as_json(dialect: DialectName, size: int) -> None:
    """Where a format was asked for: an escape hides nothing, both of two names count, and it is JSON still."""
    out = b"".join(passed_on(dialect, STREAMS[dialect](cut(CALL, size), ["{}"]), is_json=True))
    assert final(dialect, out)[0] == CALLED

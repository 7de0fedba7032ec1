"""Chat completions: what a body says, what goes out of it, and what OpenAI's SDK makes of our errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects import DIALECTS, AnswerFormat, AnswerObject, DialectName, RelayRequest
from core.errors import Invalid
from core.messages import Media, Message, Opaque, Reasoning, Text, ToolCall, ToolResult, mapped, texts_of
from tests import files
from tests.core.dialects.clients import Served
from tests.core.dialects.test_frames import DONE, USAGE, chunk

CHAT = DIALECTS[DialectName.CHAT]
PDF = "data:application/pdf;base64,"
USER = {"role": "user", "content": "Ann is 7"}


def read(**members: Any) -> RelayRequest:
    """Return what a body with these members says."""
    return CHAT.read(json.dumps({"model": "m", "messages": [USER], **members}).encode())


def test_a_conversation_is_seen_whole() -> None:
    """Every part that anybody sends is a part here, in its order."""
    image, pdf = files.part(files.image("png", 64, 48), "image/png"), files.part(files.pdf(3), "application/pdf")
    request = read(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image['data']}"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + pdf["data"]},
                    },
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                    {"type": "smell", "notes": ["of roses", 3]},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "Let me look.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"a"}'}},
                    {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{broken"}},
                    {"id": "c3", "type": "custom", "custom": {"name": "say", "input": "hello"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "name": "look", "content": [{"type": "text", "text": "A cat."}]},
            {"role": "user", "name": "Ann", "content": ""},
        ]
    )
    developer, user, assistant, tool, named = request.messages
    assert developer == Message.of("developer", "Be brief.")
    text, shown, linked, document, kept, sound, smell = user.parts
    assert (text, smell) == (Text("What is this?"), Opaque("smell", {"type": "smell", "notes": ["of roses", 3]}))
    assert isinstance(shown, Media)
    assert (shown.width, shown.height, shown.data) == (64, 48, image["data"])
    assert isinstance(linked, Media)
    assert linked.url == "https://example.com/a.png"
    assert isinstance(document, Media)
    assert (document.pages, document.name) == (3, "a.pdf")
    assert isinstance(kept, Media)
    assert kept.file_id == "file-1"
    assert isinstance(sound, Media)
    assert (sound.kind, sound.seconds) == ("audio", 1)
    assert assistant.parts == (
        Reasoning("Let me look."),
        ToolCall("c1", "look", {"at": "a"}),
        ToolCall("c2", "look", "{broken"),
        ToolCall("c3", "say", "hello"),
    )
    assert tool.parts == (ToolResult("c1", (Text("A cat."),), "look"),)
    assert named.parts == (Text(""), Opaque("name", "Ann"))
    assert [one.id for one in request.state] == ["file-1"]


def test_what_is_redacted_is_written_anew_and_nothing_else() -> None:
    """Texts of every kind are changed where they stand; the rest of each message keeps its bytes."""
    members = {
        "messages": [
            {"role": "user", "content": "a SECRET", "cache_control": {"x": 1.0}},
            {"role": "user", "content": [{"type": "text", "text": "SECRET \u2028"},
                                         {"type": "odd", "deep": [{"x": "SECRET"}]}]},
            {"role": "assistant", "content": None, "refusal": "SECRET", "reasoning": "SECRET",
             "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": "SECRET"}'}},
                            {"id": "2", "function": {"name": "f", "arguments": "SECRET {"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "SECRET"},
            {"role": "user", "name": "SECRET", "content": "é"},
        ]
    }  # fmt: skip
    request = read(**members)
    hidden = mapped(request.messages, lambda text, _: text.replace("SECRET", 'x"é'))
    patched = json.loads(request.patched(model="n", texts=hidden))

    assert "SECRET" not in json.dumps(patched)
    assert list(texts_of(CHAT.read(json.dumps(patched).encode()).messages)) == list(texts_of(hidden))
    arguments = patched["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"a": 'x"é'}
    assert request.patched(model="m", texts=mapped(request.messages, lambda text, _: text)) == request.body


_texts = st.text(max_size=6)
_anything = st.recursive(
    _texts | st.integers(), lambda one: st.lists(one, max_size=2) | st.dictionaries(_texts, one, max_size=2)
)
_written = st.fixed_dictionaries({"type": st.just("text"), "text": _texts})
_odd = st.fixed_dictionaries({"type": st.just("odd"), "x": _anything})
_contents = _texts | st.none() | st.lists(_written | _odd, max_size=3)
_function = st.fixed_dictionaries({"name": st.just("f"), "arguments": _texts | st.builds(json.dumps, _anything)})
_calls = st.lists(st.fixed_dictionaries({"id": st.just("1"), "function": _function}), max_size=2)
_messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": _contents},
        optional={"tool_calls": _calls, "reasoning_content": _texts, "name": _texts, "odd": _anything},
    ),
    min_size=1,
    max_size=4,
)


@given(_messages)
def test_whatever_is_said_is_screened_and_goes_out_as_it_was_left(messages: list[dict[str, Any]]) -> None:
    """A change of every text is a change of the body, read again; and what did not change is the same bytes."""
    request = read(messages=messages)
    marked = mapped(request.messages, lambda text, _: text + "x")
    again = CHAT.read(request.patched(model="m", texts=marked))

    # an object that was written with blanks as arguments is written without
    assert list(texts_of(again.messages)) == list(texts_of(marked))
    assert request.patched(model="m", texts=request.messages) == request.body


@pytest.mark.parametrize(
    ("members", "patches", "expected"),
    [
        ({}, {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({}, {"max_tokens": 9, "limit": "max_tokens"}, {"max_tokens": 9}),
        ({"max_completion_tokens": None}, {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({"max_tokens": 5}, {"max_tokens": 9}, {}),
        ({"stream": True}, {}, {"stream_options": {"include_usage": True}}),
        ({"stream": True, "stream_options": None}, {}, {"stream_options": {"include_usage": True}}),
        ({"stream": True, "stream_options": {}}, {}, {"stream_options": {"include_usage": True}}),
        (
            {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
            {},
            {"stream_options": {"include_usage": True, "include_obfuscation": False}},
        ),
        ({"stream": True, "stream_options": {"include_usage": True}}, {}, {}),
        ({"stream": True}, {"asks_usage": False}, {}),
        ({"stream": False}, {}, {}),
    ],
)
def test_limits_and_usage_are_set_where_the_caller_did_not(
    members: dict[str, Any], patches: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The caller's own limit stands; of the options of a stream the others stay."""
    patched = json.loads(read(**members).patched(model="vendor-name", **patches))
    assert patched == {"model": "vendor-name", "messages": [USER], **members, **expected}


@pytest.mark.parametrize(
    ("members", "most", "choices"),
    [
        ({}, None, 1),
        ({"max_completion_tokens": None}, None, 1),
        ({"max_tokens": 100, "max_completion_tokens": 5000}, 5000, 1),
        ({"n": 4, "max_tokens": 100}, 100, 4),
    ],
)
def test_the_most_that_is_asked_for(members: dict[str, Any], most: int | None, choices: int) -> None:
    """Of two limits the larger, for each choice."""
    request = read(**members)
    assert (request.max_tokens, request.choices) == (most, choices)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"model": 5}, "'model'"),
        ({"model": " "}, "'model'"),
        ({"messages": None}, "'messages'"),
        ({"messages": []}, "'messages'"),
        ({"messages": "Hello"}, "'messages'"),
        ({"messages": ["Hello"]}, "'messages'"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"stream": "yes"}, "'stream'"),
        ({"stream_options": True}, "'stream_options'"),
        ({"n": 0}, "'n'"),
        ({"n": 1000}, "'n'"),
        ({"n": True}, "'n'"),
        ({"max_tokens": "100"}, "'max_tokens'"),
        ({"max_completion_tokens": 1.5}, "'max_completion_tokens'"),
        ({"tools": {}}, "'tools'"),
        ({"api_base": "https://example.com"}, "'api_base'"),
        ({"extra_headers": {"x": "y"}}, "'extra_headers'"),
        ({"models": ["dear"]}, "'models'"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://10.0.0.1/x"}}]}
                ]
            },
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "file:///x"}]}]}, "https://"),
    ],
)
def test_what_cannot_be_used_is_said(members: dict[str, Any], says: str) -> None:
    """One sentence that names the member."""
    with pytest.raises(Invalid) as refused:
        read(**members)
    assert says in refused.value.message
    assert "example.com" not in refused.value.message


def test_what_an_answer_is_to_satisfy() -> None:
    """The schema of the format, and the parameters of every tool; a tool without parameters takes an empty object."""
    schema = {"type": "object", "properties": {"b": {"maximum": 123456789012345678901234567890}, "a": {}}}
    request = read(
        response_format={"type": "json_schema", "json_schema": {"name": "User", "schema": schema, "strict": True}},
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
               {"type": "function", "function": {"name": "now"}}, {"type": "custom", "custom": {"name": "say"}}],
        functions=[{"name": "old", "parameters": True}],
    )  # fmt: skip
    assert request.formats == (
        AnswerFormat("User", schema, "format", True),
        AnswerFormat("f", {"type": "object"}, "tool", None),
        AnswerFormat("now", {"type": "object"}, "tool", None),
        AnswerFormat("old", True, "tool", None),
    )
    assert read(response_format={"type": "json_object"}).formats == ()
    assert request.weight_bytes > len(json.dumps(schema, separators=(",", ":"))) > read().weight_bytes


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, None),
        ("auto", None),
        ("none", None),
        ("required", ""),
        ({"type": "function", "function": {"name": "f"}}, "f"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}, ""),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, None),
    ],
)
def test_which_tool_has_to_be_called(choice: Any, called: str | None) -> None:
    """None, any, or one by its name."""
    assert read(tool_choice=choice).must_call == called


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"content": '{"a":1}'}, [AnswerObject(None, '{"a":1}')]),
        ({"content": [{"type": "text", "text": "{}"}]}, [AnswerObject(None, "{}")]),
        ({"content": "No.", "refusal": "No."}, []),
        ({"content": None}, []),
        (
            {"content": "So:", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}},
                                              {"function": {"name": "g", "arguments": {"x": 1}}}]},
            [AnswerObject("f", "{}"), AnswerObject("g", '{"x":1}')],
        ),
        ({"content": "", "function_call": {"name": "f", "arguments": "{}"}}, [AnswerObject("f", "{}")]),
    ],
)  # fmt: skip
def test_where_an_answer_holds_objects(message: dict[str, Any], found: list[AnswerObject]) -> None:
    """In the calls, or else in the text, unless it was refused."""
    assert CHAT.answer_objects({"choices": [{"index": 0, "message": message}]}) == found


def test_objects_are_found_in_every_choice() -> None:
    """Each with the choice that it belongs to; an answer of another shape has none."""
    body = {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}
    assert CHAT.answer_objects(body) == [AnswerObject(None, "a", 0), AnswerObject(None, "b", 1)]
    assert CHAT.answer_objects({"choices": None}) == CHAT.answer_objects({}) == []


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────

NULL = chunk('{"content":"x, \\"usage\\":null"}').replace(b"]}\n", b'],"usage":null}\n')


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (None, [NULL.replace(b',"usage":null}\n', b"}\n"), b"", DONE, b": x\n\n"]),
        ({"include_usage": False}, [NULL.replace(b',"usage":null}\n', b"}\n"), b"", DONE, b": x\n\n"]),
        ({"include_usage": True}, [NULL, USAGE, DONE, b": x\n\n"]),
    ],
)
def test_usage_that_was_not_asked_for_is_left_out(options: Any, told: list[bytes]) -> None:
    """What we asked for ourselves goes no further; what the caller asked for is where it was."""
    request, frames = read(stream=True, stream_options=options), CHAT.frames()
    got = [CHAT.outward(frame, request) for frame in frames.feed(NULL + USAGE + DONE + b": x\n\n")]
    assert got == told


def test_usage_beside_choices_is_what_the_vendor_always_says() -> None:
    """It passes, and so does whatever else comes; no mark of the byte order does, and the last event is closed."""
    last = chunk(finish='"stop"').replace(b"]}\n", b'],"usage":{"total_tokens":3}}\n')
    request, frames = read(stream=True), CHAT.frames()
    came = frames.feed(b"\xef\xbb\xbf" + last + b"data: no json\n\ndata: [DONE]") + frames.end()
    assert b"".join(CHAT.outward(frame, request) for frame in came) == last + b"data: no json\n\ndata: [DONE]\n\n"


def test_the_sdk_reads_over_keep_alives() -> None:
    """Also behind events that have an id, where a comment with an empty line would break it."""
    named = b"id: 1\n" + chunk('{"content":"a"}')
    stream = [named, CHAT.keep_alive, CHAT.keep_alive, chunk('{"content":"b"}'), CHAT.keep_alive, DONE]
    read_by_sdk = Served.streaming(stream).openai().chat.completions.create(model="m", messages=[USER], stream=True)
    assert [one.choices[0].delta.content for one in read_by_sdk] == ["a", "b"]

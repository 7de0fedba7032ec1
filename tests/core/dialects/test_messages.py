"""Anthropic's messages: what a body says, what goes out of it, and where its stream ends."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from anthropic.types.beta.beta_raw_message_stream_event import BetaRawMessageStreamEvent
from anthropic.types.raw_message_stream_event import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st

from core.dialects import DIALECTS, AnswerFormat, AnswerObject, DialectName, KeptState, RelayRequest
from core.errors import Invalid
from core.messages import Media, Message, Opaque, Reasoning, Text, ToolCall, ToolResult, mapped, texts_of
from tests import files

MESSAGES = DIALECTS[DialectName.MESSAGES]
USER = {"role": "user", "content": "Ann is 7"}
MARK = {"type": "ephemeral", "ttl": "1h"}


def read(**members: Any) -> RelayRequest:
    """Return what a body with these members says."""
    return MESSAGES.read(json.dumps({"model": "m", "max_tokens": 9, "messages": [USER], **members}).encode())


def block(kind: str, **members: Any) -> dict[str, Any]:
    """Return a block."""
    return {"type": kind, **members}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a message of these blocks."""
    return {"role": "user", "content": list(blocks)}


def test_a_conversation_is_seen_whole() -> None:
    """Every block that anybody sends is a part here, in its order; the system's text comes first."""
    image, pdf = files.part(files.image("png", 64, 48), "image/png"), files.part(files.pdf(3), "application/pdf")
    document = {"type": "base64", "media_type": "application/pdf", "data": pdf["data"]}
    picture = block("image", source={"type": "base64", "media_type": "image/png", "data": image["data"]})
    request = read(
        system=[block("text", text="Be brief.", cache_control=MARK)],
        messages=[
            user(
                block("text", text="What is this?"),
                picture,
                block("image", source={"type": "url", "url": "https://example.com/a.png"}),
                block("document", source=document, title="a.pdf", context="A bill."),
                block("document", source={"type": "text", "media_type": "text/plain", "data": "Words."}, title="T"),
                block("document", source={"type": "content", "content": [block("text", text="More.")]}),
                block("document", source={"type": "file", "file_id": "file_1"}),
                block("container_upload", file_id="file_2"),
            ),
            {
                "role": "assistant",
                "content": [
                    block("thinking", thinking="", signature="Eq"),
                    block("redacted_thinking", data="Em"),
                    block("text", text=""),
                    block("tool_use", id="t1", name="look", input={"at": ["a"]}),
                ],
            },
            user(
                block("tool_result", tool_use_id="t1", is_error=True, content=[block("text", text="No."), picture]),
                block("tool_result", tool_use_id="t2", content="Yes."),
                block("tool_result", tool_use_id="t3"),
            ),
        ],
    )
    system, asked, assistant, results = request.messages
    assert system == Message.of("system", "Be brief.")
    text, shown, linked, pages, about, *words, kept, upload = asked.parts
    assert (text, about) == (Text("What is this?"), Text("A bill."))
    assert isinstance(shown, Media)
    assert (shown.width, shown.height) == (64, 48)
    assert isinstance(linked, Media)
    assert linked.url == "https://example.com/a.png"
    assert isinstance(pages, Media)
    assert (pages.pages, pages.name) == (3, "a.pdf")
    assert words == [Text("Words."), Text("T"), Text("More.")]
    assert isinstance(kept, Media)
    assert isinstance(upload, Opaque)
    assert assistant.parts == (
        Reasoning("", "Eq"),
        Reasoning("", "Em"),
        Text(""),
        ToolCall("t1", "look", {"at": ["a"]}),
    )
    assert results.parts == (
        ToolResult("t1", (Text("No."), shown), is_error=True),
        ToolResult("t2", (Text("Yes."),)),
        ToolResult("t3", ()),
    )
    assert list(request.state) == [KeptState("messages", "file", "file_1"), KeptState("messages", "file", "file_2")]
    assert request.patched(model="m", texts=request.messages) == request.body


_texts = st.text(max_size=6)
_anything = st.recursive(
    _texts | st.integers(), lambda one: st.lists(one, max_size=2) | st.dictionaries(_texts, one, max_size=2)
)
_inputs = st.dictionaries(_texts, _anything, max_size=2)
_simple = (
    st.builds(lambda text: block("text", text=text, cache_control=MARK), _texts)
    | st.builds(lambda value: block("odd", x=value), _anything)
    | st.builds(lambda value: block("tool_use", id="1", name="f", input=value), _inputs)
    | st.builds(lambda text: block("thinking", thinking=text, signature="s"), _texts)
    | st.builds(lambda a, b: block("document", source={"type": "text", "data": a}, title=b, context=b), _texts, _texts)
)
_contents = _texts | st.lists(_simple, max_size=3)
_blocks = _simple | st.builds(lambda inner: block("tool_result", tool_use_id="1", content=inner), _contents)
_messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": _texts | st.lists(_blocks)}),
    min_size=1,
    max_size=3,
)


@given(_messages, _texts | st.lists(st.builds(lambda text: block("text", text=text), _texts), max_size=2))
def test_whatever_is_said_is_screened_and_goes_out_as_it_was_left(messages: list[Any], system: Any) -> None:
    """A change of every text is a change of the body, read again; and what did not change is the same bytes."""
    request = read(messages=messages, system=system)
    marked = mapped(request.messages, lambda text, _: text + "x")
    again = MESSAGES.read(request.patched(model="m", texts=marked))

    assert list(texts_of(again.messages)) == list(texts_of(marked))
    assert request.patched(model="m", texts=request.messages) == request.body


def test_cache_marks_stay_where_they_are() -> None:
    """Patching moves nothing before a mark: a byte of it would make every call a write to the cache."""
    request = read(
        system=[block("text", text="S", cache_control=MARK)],
        tools=[{"name": "b", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        messages=[user(block("text", text="x", cache_control=MARK))],
    )
    assert request.patched(model="claude") == request.body.replace(b'"model": "m"', b'"model": "claude"')


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"model": None}, "'model'"),
        ({"messages": []}, "'messages'"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"max_tokens": "9"}, "'max_tokens'"),
        ({"max_tokens": 0}, "'max_tokens'"),
        ({"stream": 1}, "'stream'"),
        ({"tools": "f"}, "'tools'"),
        ({"base_url": "x"}, "'base_url'"),
        (
            {"messages": [user(block("image", source={"type": "url", "url": "https://localhost/x"}))]},
            "messages.0.content",
        ),
    ],
)
def test_what_cannot_be_used_is_said(members: dict[str, Any], says: str) -> None:
    """One sentence that names the member."""
    with pytest.raises(Invalid) as refused:
        read(**members)
    assert says in refused.value.message


def test_what_an_answer_is_to_satisfy() -> None:
    """The format's schema, and the input of every tool of the caller's own."""
    schema = {"type": "object"}
    request = read(
        output_config={"format": {"type": "json_schema", "schema": schema}, "effort": "low"},
        tools=[{"name": "f", "input_schema": schema, "strict": True}, {"type": "web_search_20250305", "name": "web"}],
    )
    assert request.formats == (AnswerFormat("", schema, "format", None), AnswerFormat("f", schema, "tool", True))
    assert read(output_format={"type": "json_schema", "schema": schema}).formats[0].schema == schema
    assert read(max_tokens=None).max_tokens is None


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, None),
        ({"type": "auto"}, None),
        ({"type": "none"}, None),
        ({"type": "any"}, ""),
        ({"type": "tool", "name": "f"}, "f"),
    ],
)
def test_which_tool_has_to_be_called(choice: Any, called: str | None) -> None:
    """None, any, or one by its name."""
    assert read(tool_choice=choice).must_call == called


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ({}, []),
        ({"container": "cntr_1"}, [KeptState("container", "container", "cntr_1")]),
        ({"container": {"id": "cntr_1", "skills": []}}, [KeptState("container", "container", "cntr_1")]),
        (
            {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
            [KeptState("thread", "thread", "msg_1")],
        ),
    ],
)
def test_what_the_vendor_keeps_is_named(members: dict[str, Any], state: list[KeptState]) -> None:
    """It belongs to somebody, so it must be known before anything is sent."""
    assert list(read(**members).state) == state


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"content": [block("text", text='{"a":'), block("text", text="1}")]}, [AnswerObject(None, '{"a":1}')]),
        ({"content": [block("thinking", thinking="x"), block("text", text="{}")]}, [AnswerObject(None, "{}")]),
        ({"content": [block("text", text="No.")], "stop_reason": "refusal"}, []),
        (
            {"content": [block("text", text="So:"), block("tool_use", name="f", input={"é": 1})]},
            [AnswerObject("f", '{"é": 1}')],
        ),
        ({"content": []}, []),
        ({}, []),
    ],
)
def test_where_an_answer_holds_objects(body: dict[str, Any], found: list[AnswerObject]) -> None:
    """In the tools that are used, or else in the text; thoughts are neither."""
    assert MESSAGES.answer_objects(body) == found


@pytest.mark.parametrize("published", [RawMessageStreamEvent, BetaRawMessageStreamEvent])
def test_every_event_that_the_sdk_knows_is_known_here(published: Any) -> None:
    """Of all kinds one is the end; whatever comes after the reason to stop may still be cut off."""
    kinds = [get_args(one.model_fields["type"].annotation)[0] for one in get_args(get_args(published)[0])]
    ended: list[str] = []
    for kind in [*kinds, "ping", "compaction_delta"]:
        frames = MESSAGES.frames()
        [frame] = frames.feed(f'event: {kind}\ndata: {{"type":"{kind}","delta":{{"stop_reason":"x"}}}}\n\n'.encode())
        assert frame.kind == kind
        ended += [kind] if frames.has_ended else []
    assert ended == ["message_stop"]
    assert MESSAGES.frames().closing() == b""


def test_an_event_is_known_by_its_data_or_by_its_name() -> None:
    """Servers leave out one or the other."""
    for sent in (b'data: {"type":"message_stop"}\n\n', b"event: message_stop\ndata: {}\n\n"):
        frames = MESSAGES.frames()
        frames.feed(sent)
        assert frames.has_ended

"""The Responses API: what a body says, what goes out of it, and where its stream ends."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_stream_event import ResponseStreamEvent

from core.dialects import DIALECTS, AnswerFormat, AnswerObject, DialectName, KeptState, RelayRequest
from core.errors import Invalid
from core.messages import Media, Message, Opaque, Reasoning, Text, ToolCall, ToolResult, mapped, texts_of
from tests import files

RESPONSES = DIALECTS[DialectName.RESPONSES]


def read(**members: Any) -> RelayRequest:
    """Return what a body with these members says."""
    return RESPONSES.read(json.dumps({"model": "m", "input": "Ann is 7", **members}).encode())


def part(kind: str, **members: Any) -> dict[str, Any]:
    """Return an item, or a part of one."""
    return {"type": kind, **members}


def test_a_conversation_is_seen_whole() -> None:
    """Every item that anybody sends is a message here, in its order; the instructions come first."""
    image, pdf = files.part(files.image("png", 64, 48), "image/png"), files.part(files.pdf(3), "application/pdf")
    request = read(
        instructions="Be brief.",
        input=[
            {
                "role": "user",
                "content": [
                    part("input_text", text="What is this?"),
                    part("input_image", image_url="data:image/png;base64," + image["data"], detail="auto"),
                    part("input_image", image_url="https://example.com/a.png"),
                    part("input_file", filename="a.pdf", file_data="data:application/pdf;base64," + pdf["data"]),
                    part("input_file", file_url="https://example.com/b.pdf"),
                    part("input_file", file_id="file-1"),
                ],
            },
            part("reasoning", id="rs_1", summary=[part("summary_text", text="Look.")], encrypted_content="gAAA"),
            part("function_call", call_id="c1", name="look", arguments='{"at":"a"}'),
            part("custom_tool_call", call_id="c2", name="say", input="hello"),
            part("function_call_output", call_id="c1", output="A cat."),
            part("custom_tool_call_output", call_id="c2", output=[part("input_text", text="Said.")]),
            part("message", role="assistant", content=[part("output_text", text="It is.", annotations=[])]),
            part("shell_call", call_id="c3", action={"commands": ["ls"]}),
            part("item_reference", id="msg_9"),
        ],
    )
    system, user, thoughts, look, say, cat, said, answer, shell, _ = request.messages
    assert system == Message.of("system", "Be brief.")
    text, shown, linked, document, link, kept = user.parts
    assert text == Text("What is this?")
    assert isinstance(shown, Media)
    assert (shown.width, shown.height) == (64, 48)
    assert isinstance(document, Media)
    assert (document.pages, document.name) == (3, "a.pdf")
    assert [one.url for one in (linked, link) if isinstance(one, Media)] == [
        "https://example.com/a.png",
        "https://example.com/b.pdf",
    ]
    assert isinstance(kept, Media)
    assert thoughts == Message("assistant", (Reasoning("Look."), Reasoning("", "gAAA")))
    assert look == Message("assistant", (ToolCall("c1", "look", {"at": "a"}),))
    assert say == Message("assistant", (ToolCall("c2", "say", "hello"),))
    assert cat == Message("tool", (ToolResult("c1", (Text("A cat."),)),))
    assert said == Message("tool", (ToolResult("c2", (Text("Said."),)),))
    assert answer == Message.of("assistant", "It is.")
    assert isinstance(shell.parts[0], Opaque)
    assert "ls" in list(texts_of([shell]))
    assert {(one.kind, one.id) for one in request.state} == {
        ("item", "msg_9"),
        ("file", "file-1"),
        ("sealed", "gAAA"),
    }
    assert request.patched(model="m", texts=request.messages) == request.body


_texts = st.text(max_size=6)
_anything = st.recursive(
    _texts | st.integers(), lambda one: st.lists(one, max_size=2) | st.dictionaries(_texts, one, max_size=2)
)
_parts = st.builds(lambda text: part("input_text", text=text), _texts) | st.builds(
    lambda value: part("odd", x=value), _anything
)
_contents = _texts | st.lists(_parts, max_size=3)
_items = (
    st.builds(lambda content: {"role": "user", "content": content}, _contents)
    | st.builds(lambda text: part("function_call", call_id="1", name="f", arguments=text), _texts)
    | st.builds(lambda value: part("function_call", name="f", arguments=json.dumps(value)), _anything)
    | st.builds(lambda content: part("function_call_output", call_id="1", output=content), _contents)
    | st.builds(lambda text: part("reasoning", summary=[part("summary_text", text=text)]), _texts)
    | st.builds(lambda value: part("odd_call", x=value), _anything)
)


@given(_texts | st.lists(_items, min_size=1, max_size=4), _texts, _anything)
def test_whatever_is_said_is_screened_and_goes_out_as_it_was_left(given_input: Any, said: str, value: Any) -> None:
    """A change of every text is a change of the body, read again; and what did not change is the same bytes."""
    request = read(input=given_input, instructions=said, prompt={"id": "p", "variables": {"v": value}})
    marked = mapped(request.messages, lambda text, _: text + "x")
    again = RESPONSES.read(request.patched(model="m", texts=marked))

    assert list(texts_of(again.messages)) == list(texts_of(marked))
    assert request.patched(model="m", texts=request.messages) == request.body


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"model": None}, "'model'"),
        ({"input": None}, "'input'"),
        ({"input": []}, "'input'"),
        ({"input": ["x"]}, "'input'"),
        ({"max_output_tokens": 0}, "'max_output_tokens'"),
        ({"background": True}, "'background'"),
        ({"store": "no"}, "'store'"),
        ({"api_key": "sk-1"}, "'api_key'"),
    ],
)
def test_what_cannot_be_used_is_said(members: dict[str, Any], says: str) -> None:
    """One sentence that names the member."""
    with pytest.raises(Invalid) as refused:
        read(**members)
    assert says in refused.value.message
    assert "sk-1" not in refused.value.message


def test_what_an_answer_is_to_satisfy() -> None:
    """The format of the text, and the parameters of every function."""
    schema = {"type": "object"}
    request = read(
        text={"format": part("json_schema", name="User", schema=schema, strict=True), "verbosity": "low"},
        tools=[part("function", name="f", parameters=None), part("web_search")],
        max_output_tokens=7,
    )
    assert request.formats == (
        AnswerFormat("User", schema, "format", True),
        AnswerFormat("f", {"type": "object"}, "tool", None),
    )
    assert request.max_tokens == 7
    assert json.loads(read(stream=True).patched(model="n", max_tokens=5)) == {
        "model": "n",
        "input": "Ann is 7",
        "stream": True,
        "max_output_tokens": 5,
    }


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", None),
        ("required", ""),
        (part("function", name="f"), "f"),
        (part("allowed_tools", mode="required", tools=[]), ""),
        (part("web_search"), None),
    ],
)
def test_which_tool_has_to_be_called(choice: Any, called: str | None) -> None:
    """None, any, or one by its name."""
    assert read(tool_choice=choice).must_call == called


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ({}, []),
        ({"previous_response_id": "resp_1", "input": None}, [KeptState("previous_response_id", "response", "resp_1")]),
        ({"conversation": "conv_1"}, [KeptState("conversation", "conversation", "conv_1")]),
        ({"conversation": {"id": "conv_1"}}, [KeptState("conversation", "conversation", "conv_1")]),
        ({"prompt": {"id": "pmpt_1"}, "input": None}, [KeptState("prompt", "prompt", "pmpt_1")]),
        ({"tools": [part("file_search", vector_store_ids=["vs_1"])]}, [KeptState("tools[0]", "vector_store", "vs_1")]),
        (
            {"tools": [part("code_interpreter", container="cntr_1")]},
            [KeptState("tools[0].container", "container", "cntr_1")],
        ),
        (
            {"tools": [part("code_interpreter", container=part("auto", file_ids=["file_1"]))]},
            [KeptState("tools[0]", "file", "file_1")],
        ),
    ],
)
def test_what_the_vendor_keeps_is_named(members: dict[str, Any], state: list[KeptState]) -> None:
    """It belongs to somebody, so it must be known before anything is sent; answers are kept unless told not to."""
    assert list(read(**members).state) == state
    assert read(**members).keeps
    assert not read(store=False).keeps


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ([part("message", content=[part("output_text", text="{}")])], [AnswerObject(None, "{}")]),
        ([part("message", content=[part("refusal", refusal="No.")])], []),
        (
            [
                part("message", phase="commentary", content=[part("output_text", text="Hm.")]),
                part("message", content=[part("output_text", text="{}")]),
            ],
            [AnswerObject(None, "{}")],
        ),
        (
            [part("reasoning"), part("function_call", name="f", arguments='{"a":1}'), part("function_call", name="g")],
            [AnswerObject("f", '{"a":1}'), AnswerObject("g", "null")],
        ),
        ([], []),
        (None, []),
    ],
)
def test_where_an_answer_holds_objects(output: Any, found: list[AnswerObject]) -> None:
    """In the calls, or else in the text that is meant as the answer."""
    assert RESPONSES.answer_objects({"output": output}) == found


def test_every_event_that_the_sdk_knows_is_known_here() -> None:
    """Of the kinds that carry a response, each either begins or ends it; no other kind ends anything."""
    published = get_args(get_args(ResponseStreamEvent)[0])
    kinds = {get_args(one.model_fields["type"].annotation)[0]: "response" in one.model_fields for one in published}
    begins = {"response.created", "response.in_progress", "response.queued"}
    for kind, has_response in kinds.items():
        frames = RESPONSES.frames()
        [frame] = frames.feed(f'data: {{"type":"{kind}","sequence_number":1,"response":{{}}}}\n\n'.encode())
        assert frame.kind == kind
        assert frames.has_ended is (kind == "error" or (has_response and kind not in begins))
        assert (frames.error is not None) is (kind in {"error", "response.failed"})


def test_an_error_is_known_without_its_type() -> None:
    """As a proxy between may tell it."""
    frames = RESPONSES.frames()
    frames.feed(b'data: {"error":{"message":"boom"}}\n\n')
    assert (frames.has_ended, frames.error) == (True, {"message": "boom"})

"""Where texts stand: no position of a vendor's own types is without a place, and what is kept is kept for a reason."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import anthropic.types.beta.message_create_params as beta_messages
import anthropic.types.message_create_params as messages
import openai.types.chat.completion_create_params as chat
import openai.types.responses.response_create_params as responses
import pytest
from anthropic.types import Message as AnthropicMessage
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from core.dialects import DIALECTS, DialectName, PlacedText, RelayRequest, readable, screened_request, unreadable
from core.json_texts import exactly
from tests.core.dialects.text_positions import ITEM, MEMBER, Position, holding, positions, texts_in

CANARY = "canary-4711"
MARK = "[redacted: a canary]"
SPOKEN: dict[DialectName, tuple[Any, ...]] = {
    DialectName.CHAT: (chat.CompletionCreateParamsNonStreaming, ChatCompletion),
    DialectName.RESPONSES: (responses.ResponseCreateParamsNonStreaming, Response),
    DialectName.MESSAGES: (
        messages.MessageCreateParamsNonStreaming,
        beta_messages.MessageCreateParamsNonStreaming,
        AnthropicMessage,
    ),
}
"""What each dialect's SDK sends and reads."""
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def without_canary(placed: PlacedText) -> str:
    """Take the canary out."""
    return placed.text.replace(CANARY, MARK)


def read(name: DialectName, body: Any) -> RelayRequest:
    """Return *body* as a request."""
    return DIALECTS[name].read(json.dumps(body, ensure_ascii=False).encode())


def places_of(name: DialectName, body: Any) -> dict[str, str]:
    """Return the place of each text of *body* that is screened."""
    found: dict[str, str] = {}

    def noted(placed: PlacedText) -> str:
        found[placed.text] = placed.place
        return placed.text

    DIALECTS[name].places.screened(body, noted)
    return found


@pytest.mark.parametrize("name", SPOKEN)
def test_no_position_is_without_a_place(name: DialectName) -> None:
    """Every text of a vendor's own types is screened, or listed as none of people's; what is new is neither."""
    places = DIALECTS[name].places
    found = sorted(set[Position]().union(*map(positions, SPOKEN[name])))
    assert len(found) > 50, "the SDK's own types say where texts stand, or this proves nothing"
    without = list[Position]()
    for position in found:
        names = [step for step in position if step not in (ITEM, MEMBER)]
        # What stands in a list of tools to choose from is a tool; the SDK's own ``schema_`` is ``schema`` on the wire.
        listed = {name.rstrip("_") for name in names} & {*places.whole, *places.opening} or "tool_choice" in names
        screened = places.screened(holding(position, CANARY), without_canary)
        is_kept = names[-1] in places.kept or names[-1] in places.media or set(names) & set(places.opening)
        if not (listed or places.knows(names[-1])) or not (is_kept or CANARY not in set(texts_in(screened))):
            without.append(position)
    assert not without, "nobody looks there"


def test_what_is_kept_says_why() -> None:
    """Each member that goes on unseen has a reason."""
    for dialect in DIALECTS.values():
        assert all({**dialect.places.kept, **dialect.places.opening}.values())


def test_a_member_that_is_new_is_screened() -> None:
    """What no table knows is looked at, its name included."""
    body = {**CHAT, "brand_new": {"deep": [f"{CANARY}!"]}, f"named {CANARY}": 1}
    sent = json.loads(screened_request(read(DialectName.CHAT, body), without_canary).body)
    assert sent == {**CHAT, "brand_new": {"deep": [f"{MARK}!"]}, f"named {MARK}": 1}


def test_a_place_is_told_in_our_words() -> None:
    """Whose text it is, and what it is for, is said in a few words that hold nothing of the request."""
    body = {
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}], "name": "c"},
            {"role": "assistant", "tool_calls": [{"id": "i", "function": {"name": "d", "arguments": '{"e":"f"}'}}]},
            {"role": "tool", "tool_call_id": "i", "content": "g"},
            {"role": "somebody", "content": "h"},
        ],
        "tools": [{"type": "function", "function": {"description": "j", "parameters": {"enum": ["k"]}}}],
        "metadata": {"l": "n"},
        "stop": ["o"],
        "user": "p",
    }
    found = places_of(DialectName.CHAT, body)
    words = {text: place for text, place in found.items() if len(text) == 1}
    assert words == {
        "a": "system text",
        "b": "user text",
        "c": "name",
        "d": "name",
        "e": "tool arguments",
        "f": "tool arguments",
        "g": "tool result",
        "h": "message text",
        "j": "description",
        "k": "schema text",
        "l": "metadata",
        "n": "metadata",
        "o": "stop sequence",
        "p": "user",
    }


def test_documents_and_thoughts_have_places_of_their_own() -> None:
    """What is quoted is told apart from what is asked."""
    body = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "text", "data": "a"}, "title": "b", "context": "c"},
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "d"}]},
                ],
            },
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "e", "signature": "f"}]},
        ]
    }
    found = places_of(DialectName.MESSAGES, body)
    assert [found[one] for one in "abcde"] == ["document", "title", "document", "tool result", "reasoning"]
    assert "f" not in found


IDS = st.from_regex(r"\A(call_|toolu_|msg_|resp_|fc_|chatcmpl-)[A-Za-z0-9]{8,40}\Z")


@given(ids=st.lists(IDS, min_size=3, max_size=3, unique=True), signature=st.binary(min_size=64).map(b64encode))
def test_what_the_next_turn_names_is_never_altered(ids: list[str], signature: bytes) -> None:
    """Identifiers and signatures go on byte for byte, whatever a check makes of texts."""
    body = {
        "model": "m",
        "max_tokens": 1,
        "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": ids[0], "name": "n", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ids[0], "content": "x"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": signature.decode()}]},
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": signature.decode()}]},
        ],
    }
    asked = read(DialectName.MESSAGES, body)
    sent = json.loads(screened_request(asked, lambda placed: f"<{placed.text}>").body)
    assert [one["content"][0].get("id") for one in sent["messages"]][:1] == ids[:1]
    assert sent["messages"][1]["content"][0]["tool_use_id"] == ids[0]
    assert sent["messages"][2]["content"][0]["signature"] == sent["messages"][3]["content"][0]["data"]
    assert sent["messages"][3]["content"][0]["data"] == signature.decode()


def test_every_other_byte_stays() -> None:
    """Only the text that holds something is written anew: numbers, escapes and blanks around it are as they came."""
    body = b'{ "model":"m", "temperature" : 1.10, "seed":9007199254740993,\n "messages": [{"role":"user",' + (
        b'"content":"\\u00e9 stays"}, {"role":"user","content":"%s"} ] }' % CANARY.encode()
    )
    screened = screened_request(DIALECTS[DialectName.CHAT].read(body), without_canary)
    assert screened.body == body.replace(CANARY.encode(), MARK.encode())
    assert screened.messages[1].text == MARK, "who reads the request reads what is sent"


def test_arguments_are_read_as_what_they_say() -> None:
    """JSON in a text is screened text by text; it stays JSON, and the numbers in it stay."""
    arguments = json.dumps({"to": f'"{CANARY}"', CANARY: 1.10, "n": 9007199254740993})
    call = {"id": "i", "type": "function", "function": {"name": "n", "arguments": arguments}}
    body = {**CHAT, "messages": [{"role": "assistant", "tool_calls": [call]}]}
    sent = json.loads(screened_request(read(DialectName.CHAT, body), without_canary).body)
    told = sent["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert exactly(told) == {"to": f'"{MARK}"', MARK: 1.1, "n": 9007199254740993}


def test_a_text_that_is_sent_as_base64_is_read() -> None:
    """A document of words is decoded, screened and encoded again; what is none is told as not read."""
    words = b64encode(f"mail {CANARY}".encode()).decode()
    parts = [
        {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{words}"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    asked = read(DialectName.CHAT, {**CHAT, "messages": [{"role": "user", "content": parts}]})
    assert readable(asked) == b"", "no glance sees what is encoded"
    sent = json.loads(screened_request(asked, without_canary).body)
    told = sent["messages"][0]["content"][0]["file"]["file_data"]
    assert told == "data:text/plain;base64," + b64encode(f"mail {MARK}".encode()).decode()
    assert unreadable(asked) == {"image": 1}


def test_what_repeats_a_text_goes_with_it() -> None:
    """Tokens of a text that was changed, and places counted in it, are left out: they would show or miss it."""
    told = {"annotations": [{"type": "url_citation", "start_index": 1}], "logprobs": [{"token": "can"}]}
    answer = {
        "choices": [
            {"message": {"content": f"see {CANARY}", **told}, "logprobs": {"content": [{"token": "can"}]}},
            {"message": {"content": "see", **told}, "logprobs": {"content": [{"token": "see"}]}},
        ]
    }
    places = DIALECTS[DialectName.CHAT].places
    first, second = places.screened(answer, without_canary, "answer")["choices"]
    assert first == {"message": {"content": f"see {MARK}", "annotations": [], "logprobs": []}, "logprobs": None}
    assert second == answer["choices"][1]

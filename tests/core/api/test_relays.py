"""The front doors, by the vendors' own SDKs: straight at the fake vendor, and through Proctor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from sqlmodel import select

from core.servers import named_servers
from core.settings import Settings
from core.tables import GenerationRow, Outcome
from tests.core.api.conftest import CITY, House, api_settings
from tests.wire.server import WireServer

CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Bern has many inhabitants. [[ok]]"}],
    "max_tokens": 300,
    "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}},
}
MESSAGES: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Bern has many inhabitants. [[ok]]"}],
    "tools": [{"name": "city", "description": "A city.", "input_schema": CITY}],
    "tool_choice": {"type": "tool", "name": "city"},
}


CLIENTS: list[Any] = []


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """A second server speaks OpenAI's responses: behind an address the first one speaks one dialect only."""
    there = {"COMPATIBLE_R_BASE_URL": wire.openai_url, "COMPATIBLE_R_DIALECT": "responses"}
    servers = named_servers("compatible-r", there.get)
    return api_settings(sqlite_url, wire).model_copy(update={"providers": servers})


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def kept(client: Any) -> Any:
    """Return *client*, which is closed when the test has ended."""
    CLIENTS.append(client)
    return client


def openai_at(house: House, url: str, *, straight: bool = False) -> openai.OpenAI:
    """Return OpenAI's SDK, straight at the fake vendor or at Proctor."""
    if straight:
        return kept(openai.OpenAI(api_key="sk-any", base_url=house.wire.openai_url, max_retries=0))
    return kept(openai.OpenAI(api_key=house.key, base_url=f"{url}/v1", max_retries=0))


def anthropic_at(house: House, url: str, *, straight: bool = False) -> anthropic.Anthropic:
    """Return Anthropic's SDK, straight at the fake vendor or at Proctor."""
    if straight:
        return kept(anthropic.Anthropic(api_key="sk-any", base_url=house.wire.anthropic_url, max_retries=0))
    return kept(anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0))


def without_ids(value: Any) -> Any:
    """Return what an SDK made of an answer, without what differs from call to call."""
    told = json.loads(value.model_dump_json())
    for name in ("id", "created", "created_at"):
        told.pop(name, None)
    text = json.dumps(told)
    return json.loads(text)


def text_of(chunks: list[Any]) -> str:
    """Return what the chunks of a stream say together."""
    return "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)


def test_a_whole_chat_completion_is_the_vendor_s_own(house: House, url: str) -> None:
    """OpenAI's SDK makes the same of an answer through Proctor as straight from the vendor."""
    through = openai_at(house, url).chat.completions.create(**CHAT)
    straight = openai_at(house, url, straight=True).chat.completions.create(**CHAT)
    assert without_ids(through)["choices"][0]["message"]["content"] == straight.choices[0].message.content
    assert through.choices[0].finish_reason == straight.choices[0].finish_reason
    assert through._request_id


def test_a_streamed_chat_completion_has_the_same_chunks(house: House, url: str) -> None:
    """Every chunk of a stream is passed on; usage that was not asked for is left out."""
    through = list(openai_at(house, url).chat.completions.create(**CHAT, stream=True))
    straight = list(openai_at(house, url, straight=True).chat.completions.create(**CHAT, stream=True))
    said = [
        "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) for chunks in (through, straight)
    ]
    assert said[0] == said[1]
    assert len(through) == len(straight)
    assert all(one.usage is None for one in through)


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_of_anthropic_s_is_the_vendor_s_own(house: House, url: str, *, stream: bool) -> None:
    """Anthropic's SDK makes the same of an answer through Proctor as straight from the vendor."""
    made: list[Any] = []
    for straight in (False, True):
        client = anthropic_at(house, url, straight=straight)
        if stream:
            with client.messages.stream(**MESSAGES) as events:
                made.append(events.get_final_message())
        else:
            made.append(client.messages.create(**MESSAGES))
    assert made[0].content[0].input == made[1].content[0].input
    assert made[0].usage.output_tokens == made[1].usage.output_tokens
    assert made[0].stop_reason == made[1].stop_reason


@pytest.mark.parametrize(("text", "outcome"), [("ok", Outcome.VALID_FIRST_TRY), ("invalid", Outcome.INVALID)])
def test_a_streamed_use_of_a_tool_is_checked(text: str, outcome: Outcome, house: House, url: str) -> None:
    """What a stream wrote of a tool's input, piece by piece, is held against its schema as a whole answer's is."""
    asked = MESSAGES | {"messages": [{"role": "user", "content": f"Bern. [[{text}]]"}]}
    with anthropic_at(house, url).messages.stream(**asked) as events:
        events.get_final_message()
    with house.runtime.store.reading() as session:
        assert [one.outcome for one in session.exec(select(GenerationRow))] == [outcome]


def test_the_vendor_s_error_keeps_its_status_and_class(house: House, url: str) -> None:
    """A rate limit of the vendor's reaches the program as the SDK's own class."""
    asked = CHAT | {"messages": [{"role": "user", "content": "[[throttled]]"}]}
    with pytest.raises(openai.APIStatusError) as straight:
        openai_at(house, url, straight=True).chat.completions.create(**asked)
    with pytest.raises(type(straight.value)) as through:
        openai_at(house, url).chat.completions.create(**asked)
    assert through.value.status_code == straight.value.status_code


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{bad", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b'{"model":"gpt-4o-mini"}', 400, "invalid"),
        (b'{"model":"nope/x","messages":[{"role":"user","content":"x"}]}', 404, "model_not_found"),
        (b'{"model":"m","api_base":"http://x","messages":[{"role":"user","content":"x"}]}', 400, "invalid"),
    ],
)
def test_our_own_refusals_have_the_dialect_s_shape(house: House, url: str, body: bytes, status: int, code: str) -> None:
    """What Proctor refuses reads as an error of the vendor's would."""
    answer = httpx2.post(f"{url}/v1/chat/completions", content=body, headers=house.headers)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("scenario", ["cut-stream", "short-stream"])
def test_a_stream_that_ends_too_soon_is_an_error(house: House, url: str, scenario: str) -> None:
    """Where the vendor's stream lacks its end the SDKs, which take it for one, are told that it failed."""
    asked = CHAT | {"messages": [{"role": "user", "content": f"[[{scenario}]]"}]}
    with pytest.raises(openai.APIError):
        list(openai_at(house, url).chat.completions.create(**asked, stream=True))
    asked = MESSAGES | {"messages": asked["messages"]}
    with pytest.raises(anthropic.APIStatusError), anthropic_at(house, url).messages.stream(**asked) as events:
        events.get_final_message()


def test_a_wrong_key_is_the_sdk_s_authentication_error(house: House, url: str) -> None:
    """Both SDKs raise their own class for a key that is not known."""
    with pytest.raises(openai.AuthenticationError):
        kept(openai.OpenAI(api_key="prk_wrong", base_url=f"{url}/v1", max_retries=0)).chat.completions.create(**CHAT)
    with pytest.raises(anthropic.AuthenticationError):
        kept(anthropic.Anthropic(api_key="prk_wrong", base_url=url, max_retries=0)).messages.create(**MESSAGES)


def test_a_relayed_call_is_recorded_and_paid(house: House, url: str) -> None:
    """The record has the tokens that the vendor told, the outcome by the caller's own format, and nothing is held."""
    through = openai_at(house, url).chat.completions.create(**CHAT)
    assert through.usage is not None
    raw = httpx2.get(f"{url}/v1/generations/{_generation_id(house, url)}", headers=house.headers).json()
    assert raw["outcome"] == Outcome.VALID_FIRST_TRY
    assert raw["usage"]["output_tokens"] == through.usage.completion_tokens
    assert raw["attempts"][0]["mode"] == "relay"


def _generation_id(house: House, url: str) -> str:
    answer = httpx2.post(f"{url}/v1/chat/completions", json=CHAT, headers=house.headers)
    return answer.headers["x-proctor-generation-id"]


def _asked(text: str, schema: Any) -> dict[str, Any]:
    """Return a chat completion's request whose answer is to satisfy *schema*, if that is one."""
    asked: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Bern. [[{text}]]"}]}
    if schema is not None:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return asked


@pytest.mark.parametrize(
    ("text", "schema", "outcome", "is_told"),
    [
        ("ok", None, Outcome.UNCHECKED, False),
        ("ok", {"type": "array", "items": {"type": "integer"}}, Outcome.VALID_FIRST_TRY, False),
        ("invalid-once", CITY, Outcome.INVALID, False),
        ("ok", {"type": "object", "maxProperties": "three"}, Outcome.UNCHECKED, True),
    ],
    ids=["nothing to satisfy", "a root that is no object", "invalid", "a schema that cannot be used here"],
)  # fmt: skip
def test_whatever_an_answer_is_found_to_be_it_is_passed_on(
    text: str, schema: Any, outcome: Outcome, *, is_told: bool, house: House, url: str
) -> None:
    """The caller gets the vendor's answer; the record says what it is by its own format, or why nobody can say."""
    answer = httpx2.post(f"{url}/v1/chat/completions", json=_asked(text, schema), headers=house.headers, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    told = httpx2.get(
        f"{url}/v1/generations/{answer.headers['x-proctor-generation-id']}", headers=house.headers, timeout=20
    ).json()
    assert told["outcome"] == outcome
    assert any(step["verdict"] == "not checked" for step in told["trace"]) is is_told


def test_a_stream_begins_with_the_vendors_headers(house: House, url: str) -> None:
    """They come before its first frame, and are no part of it."""
    with httpx2.stream(
        "POST", f"{url}/v1/chat/completions", json=CHAT | {"stream": True}, headers=house.headers, timeout=20
    ) as answer:
        parts = answer.iter_bytes()  # kept: one that nobody holds any more hangs up
        first = next(parts)
        assert answer.headers["content-type"].startswith("text/event-stream")
        [call] = house.wire.ledger.calls()
        assert call.request_id in answer.headers.get_list("x-request-id")
    assert first.startswith(b"data: {")


DOORS = {
    "chat/completions": CHAT,
    "responses": {"model": "compatible-r/gpt-4o-mini", "input": "Bern has many inhabitants. [[ok]]"},
    "messages": MESSAGES,
}


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("how", ["whole", "stream", "the vendor's error", "our refusal", "no key"])
def test_one_request_id_for_the_sdk_and_one_of_ours(path: str, how: str, house: House, url: str) -> None:
    """Where the SDK looks stands the vendor's name of the answer, once, if it has one; ours has a header of its own."""
    body, headers = dict(DOORS[path]), house.headers | {"X-Request-ID": "ours-1"}
    match how:
        case "stream":
            body["stream"] = True
        case "the vendor's error":
            text = "Bern. [[bad-request]]"
            body |= {"input": text} if "input" in body else {"messages": [{"role": "user", "content": text}]}
        case "our refusal":
            body["model"] = "nope/x"
        case "no key":
            headers.pop("Authorization")
        case _:
            pass
    answer = httpx2.post(f"{url}/v1/{path}", json=body, headers=headers, timeout=20)
    told = {name: answer.headers.get_list(name) for name in ("x-request-id", "request-id", "x-proctor-request-id")}
    calls = house.wire.ledger.calls()
    assert bool(calls) is (how not in ("our refusal", "no key"))
    theirs = [calls[-1].request_id if calls else "ours-1"]
    assert told["x-proctor-request-id"] == ["ours-1"]
    assert told["request-id" if path == "messages" else "x-request-id"] == theirs
    assert len(told["x-request-id"]) == 1

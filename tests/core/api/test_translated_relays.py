"""Another vendor answers at a front door: each vendor's own SDK, with the other vendor behind Proctor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from sqlmodel import col, select

from core.principals import LOCAL_OPERATOR
from core.tables import GenerationRow, Outcome
from tests.core.api.conftest import CITY, House

OPENAI, ANTHROPIC = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
DOWN_AT_OPENAI = "Bern has many inhabitants. [[failed@openai]]"
DOWN_AT_ANTHROPIC = "Bern has many inhabitants. [[overloaded@anthropic]]"
FORMAT = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
FUNCTION = {"type": "function", "function": {"name": "city", "parameters": CITY}}
TOOL = {"name": "city", "input_schema": CITY}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(autouse=True)
def _routes(house: House) -> None:
    for name, models in (("from-openai", (OPENAI, ANTHROPIC)), ("from-anthropic", (ANTHROPIC, OPENAI))):
        house.runtime.routes.set(LOCAL_OPERATOR, name, [{"model": one} for one in models], max_retries=0)


@pytest.fixture
def chat(house: House, url: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK at Proctor."""
    with openai.OpenAI(api_key=house.key, base_url=f"{url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def messages(house: House, url: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK at Proctor."""
    with anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0) as client:
        yield client


def asked_of_openai(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a chat completion's request, which OpenAI fails to answer."""
    said = [*more, {"role": "user", "content": DOWN_AT_OPENAI}]
    return {"model": "from-openai", "messages": said, "max_completion_tokens": 300} | fields


def asked_of_anthropic(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a request for a message, which Anthropic fails to answer."""
    said = [*more, {"role": "user", "content": DOWN_AT_ANTHROPIC}]
    return {"model": "from-anthropic", "messages": said, "max_tokens": 300} | fields


def recorded(house: House, url: str) -> dict[str, Any]:
    """Return the tenant's last generation."""
    with house.runtime.store.reading() as session:
        last = session.exec(select(GenerationRow.id).order_by(col(GenerationRow.started_at).desc())).first()
    return httpx2.get(f"{url}/v1/generations/{last}", headers=house.headers, timeout=20).json()


def sent(house: House) -> dict[str, Any]:
    """Return what the vendor was asked last."""
    request = house.wire.ledger.calls()[-1].request
    assert request is not None
    return request


def streamed_chat(client: openai.OpenAI, asked: dict[str, Any]) -> Any:
    """Return the completion that OpenAI's SDK makes of a stream."""
    with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
        return events.get_final_completion()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", ["text", "tools", "format"])
def test_anthropic_answers_who_asked_openai(
    way: str, *, stream: bool, chat: openai.OpenAI, house: House, url: str
) -> None:
    """A completion with text, call or object, of the model that answered; paid as Anthropic told, checked as asked."""
    fields: dict[str, Any] = {
        "text": {},
        "tools": {"tools": [FUNCTION], "tool_choice": "required"},
        "format": {"response_format": FORMAT},
    }[way]
    asked = asked_of_openai(**fields)
    told = streamed_chat(chat, asked) if stream else chat.chat.completions.create(**asked)
    choice = told.choices[0]
    if way == "tools":
        [call] = choice.message.tool_calls or []
        assert json.loads(call.function.arguments).keys() == {"name", "people"}
        assert (call.function.name, choice.finish_reason) == ("city", "tool_calls")
    else:
        assert choice.message.content
        assert choice.finish_reason == "stop"
    assert told.model == "claude-haiku-4-5"
    generation = recorded(house, url)
    assert generation["model"] == ANTHROPIC
    assert generation["outcome"] == (Outcome.UNCHECKED if way == "text" else Outcome.VALID_AFTER_FALLBACK)
    billed = house.wire.ledger.calls()[-1].usage
    assert told.usage is not None
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (billed.input_tokens, billed.output_tokens)
    assert generation["usage"]["input_tokens"] == billed.input_tokens
    assert generation["usage"]["output_tokens"] == billed.output_tokens
    assert any("translated back" in step["reason"] for step in generation["trace"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", ["text", "tools"])
def test_openai_answers_who_asked_anthropic(
    way: str, *, stream: bool, messages: anthropic.Anthropic, house: House, url: str
) -> None:
    """A message with text or the use of a tool, which stops for its result, as Anthropic's program waits for it."""
    fields: dict[str, Any] = (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "city"}} if way == "tools" else {}
    )
    asked = asked_of_anthropic(**fields)
    if stream:
        with messages.messages.stream(**asked) as events:
            told = events.get_final_message()
    else:
        told = messages.messages.create(**asked)
    [block] = told.content
    if way == "tools":
        assert block.type == "tool_use"
        assert (block.name, set(block.input), told.stop_reason) == ("city", {"name", "people"}, "tool_use")
    else:
        assert block.type == "text"
        assert (bool(block.text), told.stop_reason) == (True, "end_turn")
    assert told.model == "gpt-4o-mini"
    generation = recorded(house, url)
    assert generation["outcome"] == (Outcome.UNCHECKED if way == "text" else Outcome.VALID_AFTER_FALLBACK)
    billed = house.wire.ledger.calls()[-1].usage
    assert (told.usage.input_tokens, told.usage.output_tokens) == (billed.input_tokens, billed.output_tokens)
    assert generation["usage"]["output_tokens"] == billed.output_tokens


def test_a_conversation_with_tools_and_an_image_reaches_anthropic_whole(chat: openai.OpenAI, house: House) -> None:
    """System words first, an image, two calls at once, and a result for each: all of it is there, in that order."""
    call = {"type": "function", "function": {"name": "city", "arguments": '{"name":"Bern"}'}}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    chat.chat.completions.create(
        **asked_of_openai(
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "This?"}, image]},
            {"role": "assistant", "content": None, "tool_calls": [call | {"id": "a"}, call | {"id": "b"}]},
            {"role": "tool", "tool_call_id": "a", "content": "one"},
            {"role": "tool", "tool_call_id": "b", "content": "two"},
            tools=[FUNCTION],
        )
    )
    body = sent(house)
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    kinds = [[block["type"] for block in turn["content"]] for turn in body["messages"]]
    assert kinds == [["text", "image"], ["tool_use", "tool_use"], ["tool_result", "tool_result", "text"]]
    assert body["messages"][0]["content"][1]["source"]["data"] == PIXEL


def test_a_conversation_with_tools_and_an_image_reaches_openai_whole(
    messages: anthropic.Anthropic, house: House
) -> None:
    """As the other way round; what was thought is Anthropic's own, and goes to nobody else."""
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    use = {"type": "tool_use", "name": "city", "input": {"name": "Bern"}}
    result = {"type": "tool_result", "content": "ok"}
    raw = messages.messages.with_raw_response.create(
        **asked_of_anthropic(
            {"role": "user", "content": [{"type": "text", "text": "This?"}, {"type": "image", "source": source}]},
            {"role": "assistant", "content": [thought, use | {"id": "a"}, use | {"id": "b"}]},
            {"role": "user", "content": [result | {"tool_use_id": "a"}, result | {"tool_use_id": "b"}]},
            system="Be brief.",
            tools=[TOOL],
            extra_body={"top_k": 5},
        )
    )
    body = sent(house)
    roles = [one["role"] for one in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    assert [call["id"] for call in body["messages"][2]["tool_calls"]] == ["a", "b"]
    assert "hm" not in json.dumps(body)
    assert raw.headers["x-proctor-left-out"] == "messages.thinking, top_k"


ODD_NAMES = ["wetter.für Bern/2", "mcp__" + "long_" * 30]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("turned_round", [False, True], ids=["to-anthropic", "to-openai"])
def test_a_name_that_the_other_vendor_does_not_take_comes_back_as_the_callers(
    name: str,
    *,
    turned_round: bool,
    stream: bool,
    chat: openai.OpenAI,
    messages: anthropic.Anthropic,
    house: House,
    url: str,
) -> None:
    """The vendor that answers refuses it, so it gets another; the answer calls the caller's tool, and is checked."""
    if turned_round:
        tool, choice = TOOL | {"name": name}, {"type": "tool", "name": name}
        asked = asked_of_anthropic(tools=[tool], tool_choice=choice)
        if stream:
            with messages.messages.stream(**asked) as events:
                told: Any = events.get_final_message()
        else:
            told = messages.messages.create(**asked)
        called = told.content[0].name
    else:
        function = {"type": "function", "function": {"name": name, "parameters": CITY}}
        asked = asked_of_openai(tools=[function], tool_choice={"type": "function", "function": {"name": name}})
        told = streamed_chat(chat, asked) if stream else chat.chat.completions.create(**asked)
        called = told.choices[0].message.tool_calls[0].function.name
    assert called == name
    assert name not in json.dumps(sent(house), ensure_ascii=False)
    assert recorded(house, url)["outcome"] == Outcome.VALID_AFTER_FALLBACK


def test_names_go_to_one_vendor_alone_as_they_are(chat: openai.OpenAI, messages: anthropic.Anthropic) -> None:
    """Whoever asks it by himself is refused in its own words, and so he is here."""
    with pytest.raises(anthropic.BadRequestError, match="does not match"):
        messages.messages.create(
            model="claude-haiku-4-5",
            max_tokens=9,
            messages=[{"role": "user", "content": "x"}],
            tools=[TOOL | {"name": ODD_NAMES[0]}],  # type: ignore[list-item]
        )
    with pytest.raises(openai.BadRequestError, match="does not match"):
        chat.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "x"}],
            tools=[{"type": "function", "function": {"name": ODD_NAMES[0]}}],
        )


@pytest.mark.parametrize(("scenario", "reason"), [("truncated", "length"), ("refused", "content_filter")])
@pytest.mark.parametrize("stream", [False, True])
def test_why_it_ended_is_told_in_the_callers_words(
    scenario: str, reason: str, *, stream: bool, chat: openai.OpenAI
) -> None:
    """An answer that was cut or refused is never one that ended well."""
    said = [{"role": "user", "content": f"Bern. [[failed@openai]] [[{scenario}@anthropic]]"}]
    asked = asked_of_openai() | {"messages": said}
    if stream:
        reasons = [one.choices[0].finish_reason for one in chat.chat.completions.create(**asked, stream=True)]
        assert [one for one in reasons if one] == [reason]
    else:
        assert chat.chat.completions.create(**asked).choices[0].finish_reason == reason


def test_a_first_candidate_of_the_other_dialect_is_asked_too(chat: openai.OpenAI, house: House, url: str) -> None:
    """Who is asked is the route's to say, whatever the door."""
    told = chat.chat.completions.create(
        model="from-anthropic", messages=[{"role": "user", "content": "Bern. [[ok]]"}], response_format=FORMAT
    )
    assert told.model == "claude-haiku-4-5"
    assert recorded(house, url)["outcome"] == Outcome.VALID_FIRST_TRY


def test_an_invalid_answer_is_found_so_through_translation(chat: openai.OpenAI, house: House, url: str) -> None:
    """It is the caller's as it is, and the record has what is wrong with it."""
    said = [{"role": "user", "content": "Bern. [[failed@openai]] [[invalid@anthropic]]"}]
    told = chat.chat.completions.create(**asked_of_openai(response_format=FORMAT) | {"messages": said})
    assert told.choices[0].message.content
    generation = recorded(house, url)
    assert generation["outcome"] == Outcome.INVALID
    assert generation["attempts"][-1]["field_errors"]


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"n": 2}, "'n'"),
        ({"logprobs": True, "top_logprobs": 3}, "'logprobs', 'top_logprobs'"),
        ({"temperature": 1.7}, "'temperature'"),
        ({"response_format": {"type": "json_object"}}, "without a schema"),
    ],
)
def test_what_would_be_lost_skips_the_candidate(
    fields: dict[str, Any], lost: str, *, chat: openai.OpenAI, house: House, url: str
) -> None:
    """It is never asked for something else; the trace names what, and the caller has the first vendor's own error."""
    with pytest.raises(openai.InternalServerError):
        chat.chat.completions.create(**asked_of_openai({"role": "system", "content": "json"}, **fields))
    assert len(house.wire.ledger.calls()) == 1
    [skipped] = [step["reason"] for step in recorded(house, url)["trace"] if step["verdict"] == "skipped"]
    assert skipped.startswith(ANTHROPIC)
    assert lost in skipped


def test_where_nobody_is_left_the_caller_is_told_what_each_would_lose(
    chat: openai.OpenAI, messages: anthropic.Anthropic, house: House
) -> None:
    """A 400 of the dialect, for which no vendor is asked."""
    routes = house.runtime.routes
    routes.set(LOCAL_OPERATOR, "anthropic-alone", [{"model": ANTHROPIC}])
    routes.set(LOCAL_OPERATOR, "openai-alone", [{"model": OPENAI}])
    with pytest.raises(openai.BadRequestError, match=r"claude-haiku-4-5: .*'logit_bias', 'n'"):
        chat.chat.completions.create(**asked_of_openai(model="anthropic-alone", n=2, logit_bias={"1": 1}))
    prefill = {"messages": [{"role": "user", "content": "JSON"}, {"role": "assistant", "content": "{"}]}
    with pytest.raises(anthropic.BadRequestError, match=r"gpt-4o-mini: .*assistant's message"):
        messages.messages.create(**asked_of_anthropic(model="openai-alone") | prefill)
    with pytest.raises(openai.BadRequestError, match="is not translated"):
        chat.responses.create(model="anthropic-alone", input="Bern.")
    assert not house.wire.ledger.calls()


def test_an_error_of_the_other_vendor_is_told_in_the_callers_dialect(
    chat: openai.OpenAI, messages: anthropic.Anthropic
) -> None:
    """Status and sentence are the vendor's; the shape is what the SDK looks for."""
    said = [{"role": "user", "content": "Bern. [[failed@openai]] [[throttled@anthropic]]"}]
    with pytest.raises(openai.RateLimitError) as limited:
        chat.chat.completions.create(**asked_of_openai() | {"messages": said})
    assert limited.value.body["message"] == "This request would exceed your rate limit."  # type: ignore[index]
    assert limited.value.code == "rate_limit_error"
    said = [{"role": "user", "content": "Bern. [[failed@anthropic]] [[throttled@openai]]"}]
    with pytest.raises(anthropic.RateLimitError) as told:
        messages.messages.create(**asked_of_anthropic() | {"messages": said})
    assert told.value.body["error"]["message"] == "Rate limit reached for requests."  # type: ignore[index]


@pytest.mark.parametrize("scenario", ["cut-stream", "short-stream", "error-in-stream"])
def test_a_translated_stream_that_breaks_is_an_error(
    scenario: str, chat: openai.OpenAI, messages: anthropic.Anthropic
) -> None:
    """Neither SDK takes what came of it for an answer."""
    said = [{"role": "user", "content": f"Bern. [[failed@openai]] [[{scenario}@anthropic]]"}]
    with pytest.raises(openai.APIError):
        list(chat.chat.completions.create(**asked_of_openai() | {"messages": said, "stream": True}))
    said = [{"role": "user", "content": f"Bern. [[failed@anthropic]] [[{scenario}@openai]]"}]
    with (
        pytest.raises(anthropic.APIStatusError),
        messages.messages.stream(**asked_of_anthropic() | {"messages": said}) as events,
    ):
        events.get_final_message()


def test_a_streams_headers_say_who_answers_and_where_it_is_recorded(house: House, url: str) -> None:
    """They come before the end of the answer does, so what it cost is not among them."""
    asked = asked_of_openai(stream=True, seed=7)
    answer = httpx2.post(f"{url}/v1/chat/completions", json=asked, headers=house.headers, timeout=20)
    assert answer.headers["x-proctor-model"] == ANTHROPIC
    assert answer.headers["x-proctor-generation-id"] == recorded(house, url)["id"]
    assert answer.headers["x-proctor-left-out"] == "seed"
    assert answer.headers["x-request-id"] == house.wire.ledger.calls()[-1].request_id
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("scenario", ["ok", "failed@openai"], ids=["relayed", "translated"])
def test_what_tells_a_streams_end_comes_once_all_is_written_down(scenario: str, house: House, url: str) -> None:
    """Programs leave when they have read it: whoever does so has had an answer, and has not left his call."""
    asked = asked_of_openai(stream=True) | {"messages": [{"role": "user", "content": f"Bern. [[{scenario}]]"}]}
    with httpx2.stream("POST", f"{url}/v1/chat/completions", json=asked, headers=house.headers, timeout=20) as answer:
        lines = answer.iter_lines()  # kept: one that nobody holds any more hangs up
        next(line for line in lines if line == "data: [DONE]")
        assert recorded(house, url)["outcome"] == Outcome.UNCHECKED

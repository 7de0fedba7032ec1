"""Anthropic: what goes out in every mode, and what is made of what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from core.pricing import Usage
from core.providers import (
    Answer,
    Ask,
    ContextOverflow,
    Failed,
    Filtered,
    Framed,
    ProviderError,
    Refused,
    Throttled,
    Truncated,
    TurnedAway,
    load,
)
from core.providers._usage import anthropic_usage
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.response_models import response_model
from tests.corridor import A_PERSON, PERSON, settings
from tests.messages import as_messages
from tests.wire.ledger import Call
from tests.wire.server import WireServer, key_hash

MODEL = response_model(PERSON, "person")
MODES = ("tools", "json_schema", "json", "md_json")
UNTOUCHED = "{{ 7*7 }} {% if x %} {# gone? #} {{ secret }} ${HOME} \\n <b>"
"""What a template engine would change."""


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The provider loop."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture(scope="module")
def provider(wire: WireServer, loop: Loop) -> Iterator[Anthropic]:
    """Anthropic, at the fake's address."""
    made = Anthropic(api_key="sk-ant-here", base_url=wire.anthropic_url)
    yield made
    loop.run(made.close())


def ask(text: str = "Make a person.", **more: Any) -> Ask:
    """Return a question."""
    messages = as_messages(*more.pop("messages", [{"role": "user", "content": text}]))
    return Ask(**{"model": "claude-haiku-4-5", "response_model": MODEL, "messages": messages} | more)


def send(loop: Loop, conversation: Framed, *, stream: bool = False) -> tuple[Answer, list[str]]:
    """Send once; return the answer and the pieces."""
    call = loop.call(conversation, 10, Cancellation(), stream=stream)
    pieces: list[str] = []
    while True:
        try:
            pieces.append(next(call))
        except StopIteration as end:
            return end.value, pieces


def last(wire: WireServer) -> tuple[Call, dict[str, Any]]:
    """Return the newest call and its body."""
    call = wire.ledger.calls()[-1]
    assert call.request is not None
    return call, call.request


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_answers(*, mode: str, stream: bool, provider: Anthropic, wire: WireServer, loop: Loop) -> None:
    """In every mode, whole and streamed, the object comes, with all that the wire tells about it."""
    conversation = provider.open(ask(mode=mode, stream=stream))
    answer, pieces = send(loop, conversation, stream=stream)

    call, _ = last(wire)
    assert conversation.read(answer).model_dump() == A_PERSON
    assert (answer.http_status, answer.provider_request_id) == (200, call.request_id)
    assert (answer.model, answer.finish_reason) == ("claude-haiku-4-5", "tool_use" if mode == "tools" else "end_turn")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
        call.usage.input_tokens,
        call.usage.output_tokens,
    )
    assert bool(pieces) == stream == (answer.ttft_seconds is not None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_asks_again(*, mode: str, stream: bool, provider: Anthropic, wire: WireServer, loop: Loop) -> None:
    """A re-ask carries the errors, and where it may the answer, in a form that the vendor takes."""
    conversation = provider.open(ask(f"{mode} {stream} [[invalid-twice]]", mode=mode, stream=stream))
    size = conversation.size_bytes
    for _ in range(2):
        answer, _ = send(loop, conversation, stream=stream)
        with pytest.raises(ValidationError) as invalid:
            conversation.read(answer)
        added = conversation.ask_again(answer, invalid.value)
        assert "Input should be a valid string" in json.dumps(added)
        assert conversation.size_bytes > size
        size = conversation.size_bytes
    answer, _ = send(loop, conversation, stream=stream)

    assert conversation.read(answer).model_dump() == A_PERSON
    assert last(wire)[1]["messages"][-len(added) :] == added


@pytest.mark.parametrize("mode", MODES)
def test_no_text_is_a_template(mode: str, provider: Anthropic, wire: WireServer, loop: Loop) -> None:
    """What a caller writes goes out to the letter, in every mode; the system text goes where the vendor wants it."""
    messages = [
        {"role": "system", "content": f"Be exact. {UNTOUCHED}"},
        {"role": "user", "content": UNTOUCHED},
        {"role": "assistant", "content": UNTOUCHED},
        {"role": "user", "content": UNTOUCHED},
    ]
    send(loop, provider.open(ask(messages=messages, mode=mode)))

    _, body = last(wire)
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]
    assert UNTOUCHED in json.dumps(body["system"], ensure_ascii=False).replace("\\\\", "\\")
    for message in body["messages"]:
        content = message["content"]
        text = content if isinstance(content, str) else "".join(block["text"] for block in content)
        assert text == UNTOUCHED


def test_tools_are_forced_and_alone(provider: Anthropic, wire: WireServer, loop: Loop) -> None:
    """The one tool is named as it is chosen, whatever the schema's title, and called once."""
    titled = response_model(PERSON | {"title": "My Person!"}, "person")
    send(loop, provider.open(ask(response_model=titled)))

    _, body = last(wire)
    assert [tool["name"] for tool in body["tools"]] == [body["tool_choice"]["name"]] == ["person"]
    assert body["tool_choice"] == {"type": "tool", "name": "person", "disable_parallel_tool_use": True}
    assert body["max_tokens"] == 1024
    assert body.keys() <= {"model", "max_tokens", "tools", "tool_choice", "messages"}


def test_the_mode_json_schema_is_the_vendor_s_own(provider: Anthropic, wire: WireServer, loop: Loop) -> None:
    """The schema goes out as output format, which Instructor does not know; nothing is put into the prompt."""
    send(loop, provider.open(ask(mode="json_schema")))

    _, body = last(wire)
    wanted = body["output_config"]["format"]
    assert wanted["type"] == "json_schema"
    assert set(wanted["schema"]["properties"]) == {"name", "age", "tags"}
    assert body["messages"] == [{"role": "user", "content": "Make a person."}]
    assert "system" not in body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scenario", ["cached", "reasoning"])
def test_tokens_are_counted_as_openai_counts(
    *, scenario: str, stream: bool, provider: Anthropic, wire: WireServer, loop: Loop
) -> None:
    """Anthropic's input leaves out the cache; ours holds it, so that cached tokens are a part in both dialects."""
    answer, _ = send(loop, provider.open(ask(f"[[{scenario}]]", stream=stream)), stream=stream)

    billed = last(wire)[0].usage
    assert answer.usage == Usage(
        input_tokens=billed.input_tokens,
        cached_tokens=billed.cached_tokens,
        cache_write_tokens=billed.cache_write_tokens,
        output_tokens=billed.output_tokens,
        reasoning_tokens=billed.reasoning_tokens,
    )
    assert (billed.cached_tokens > 0) == (scenario == "cached")


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_are_given_back_whole(*, stream: bool, provider: Anthropic, wire: WireServer, loop: Loop) -> None:
    """A model that thought before an invalid answer gets its thought back, signed as it was: else it is turned away."""
    text = f'{stream} [[reasoning]] <<{{"name": 5}}>> <<{json.dumps(A_PERSON)}>>'
    conversation = provider.open(ask(text, stream=stream))
    answer, _ = send(loop, conversation, stream=stream)
    with pytest.raises(ValidationError) as invalid:
        conversation.read(answer)
    conversation.ask_again(answer, invalid.value)
    answer, _ = send(loop, conversation, stream=stream)

    assert conversation.read(answer).model_dump() == A_PERSON
    thought, used = last(wire)[1]["messages"][1]["content"]
    assert (thought["type"], thought["signature"]) == ("thinking", "c2ln")
    assert thought["thinking"].startswith("The user wants an object.")
    assert (used["type"], used["input"]) == ("tool_use", {"name": 5})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("refused", Refused),
        ("truncated", Truncated),
        ("content-filter", Filtered),
        ("throttled-7s", Throttled),
        ("overloaded", Failed),
    ],
)
def test_ends_without_an_object(
    *, stream: bool, scenario: str, kind: type[Exception], provider: Anthropic, loop: Loop
) -> None:
    """Refusals, cuts, filters and limits are told apart before anything is parsed."""
    with pytest.raises(kind) as ended:
        send(loop, provider.open(ask(f"[[{scenario}]]", stream=stream)), stream=stream)

    assert getattr(ended.value, "retry_after_seconds", None) == (7 if kind is Throttled else None)


def test_a_prompt_about_filters_is_no_filter(provider: Anthropic, loop: Loop) -> None:
    """A request that is turned away with words of its own in the sentence is not taken for a filtered answer."""
    with pytest.raises(TurnedAway):
        send(loop, provider.open(ask("Why is there a content filter? [[bad-request]]")))


@pytest.mark.parametrize(
    ("reason", "kind", "told"),
    [
        ("max_tokens", Truncated, "the limit of 1024 tokens"),
        ("model_context_window_exceeded", ContextOverflow, "the end of the model's context"),
    ],
)
def test_every_way_of_being_cut(reason: str, kind: type[ProviderError], told: str, provider: Anthropic) -> None:
    """An answer that ran out of tokens or of context is none, also where its beginning happens to be valid."""
    conversation: Any = provider.open(ask())
    raw = {"content": [{"type": "tool_use", "id": "t", "name": "person", "input": A_PERSON}], "stop_reason": reason}
    with pytest.raises(kind, match=told) as cut:
        conversation._answer(raw, conversation._told)
    assert cut.value.was_sent, "it was worked for, and is charged"


def test_what_a_server_says_about_the_key_is_not_repeated(wire: WireServer, loop: Loop) -> None:
    """A server that quotes the key in its error quotes it to us alone."""
    provider = Anthropic(api_key="sk-ant-canary", base_url=wire.anthropic_url)
    with pytest.raises(TurnedAway) as refused:
        send(loop, provider.open(ask("[[unauthorized]]")))
    loop.run(provider.close())

    assert refused.value.message.startswith("anthropic answered 401 (authentication_error): it does not accept the key")
    assert refused.value.__suppress_context__, "no traceback shows the SDK's own error, whose text holds the key"
    assert "canary" not in f"{refused.value!r} {refused.value.answer!r}"


def test_it_is_built_from_settings(wire: WireServer, sqlite_url: str, loop: Loop) -> None:
    """Key and address come from the settings; the SDK retries nothing, and its client is made once."""
    provider: Any = load("anthropic", settings(wire, sqlite_url))
    for _ in range(3):
        send(loop, provider.open(ask()))
    calls = wire.ledger.calls(key_hash=key_hash("sk-ant-test"))
    client = provider._wire.client
    loop.run(provider.close())

    assert len(calls) == 3
    assert len({call.connection for call in calls}) == 1
    assert (client.max_retries, provider.name) == (0, "anthropic")


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({}, None),
        ({"input_tokens": 0, "output_tokens": 3}, Usage(output_tokens=3)),
        ({"input_tokens": None, "output_tokens": 3}, Usage(output_tokens=3)),
        ({"input_tokens": -4, "output_tokens": 3}, Usage(output_tokens=3)),
        ({"input_tokens": "9", "output_tokens": 3}, Usage(output_tokens=3)),
        ({"input_tokens": 0, "output_tokens": 0}, None),
        ({"input_tokens": 4, "output_tokens": 3.5}, Usage(input_tokens=4)),
        ({"input_tokens": 0, "cache_read_input_tokens": 8}, Usage(input_tokens=8, cached_tokens=8)),
        (
            {"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 4, "output_tokens": 8},
            Usage(input_tokens=7, cached_tokens=2, cache_write_tokens=4, output_tokens=8),
        ),
    ],
)
def test_a_usage_must_be_credible(told: dict[str, Any], usage: Usage | None) -> None:
    """What is no number of tokens counts as none told; a usage without input is none, but its output was told."""
    assert anthropic_usage(told) == usage

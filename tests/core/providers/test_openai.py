"""OpenAI and its dialect: what goes out in every mode, and what is made of what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from core.providers import (
    Answer,
    Ask,
    Filtered,
    Framed,
    Refused,
    Throttled,
    Truncated,
    TurnedAway,
    Unreachable,
    load,
)
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.response_models import response_model
from tests.corridor import A_PERSON, PERSON, settings
from tests.messages import as_messages
from tests.wire.ledger import Call
from tests.wire.server import WireServer, key_hash

MODEL = response_model(PERSON, "person")
MODES = ("tools", "json_schema", "json", "md_json")
WIRES = ("chat", "responses")
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


@pytest.fixture(scope="module", params=WIRES)
def compatible(request: pytest.FixtureRequest, wire: WireServer, loop: Loop) -> Iterator[OpenAI]:
    """A server that speaks OpenAI's dialect at an address of its own, on either wire."""
    provider = OpenAI(api_key="sk-here", base_url=wire.openai_url, responses=request.param == "responses")
    yield provider
    loop.run(provider.close())


@pytest.fixture(params=WIRES)
def genuine(
    request: pytest.FixtureRequest, wire: WireServer, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenAI]:
    """OpenAI itself, as far as our code can tell: the SDK alone knows that it is elsewhere."""
    monkeypatch.setenv("OPENAI_BASE_URL", wire.openai_url)
    provider = OpenAI(api_key="sk-here", responses=request.param == "responses")
    yield provider
    loop.run(provider.close())


def ask(text: str = "Make a person.", *, model: type[BaseModel] = MODEL, **more: Any) -> Ask:
    """Return a question."""
    messages = as_messages(*more.pop("messages", [{"role": "user", "content": text}]))
    return Ask(**{"model": "gpt-4o-mini", "response_model": model, "messages": messages} | more)


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
def test_every_mode_answers(*, mode: str, stream: bool, compatible: OpenAI, wire: WireServer, loop: Loop) -> None:
    """In every mode, whole and streamed, the object comes, with all that the wire tells about it."""
    conversation = compatible.open(ask(mode=mode, stream=stream))
    answer, pieces = send(loop, conversation, stream=stream)

    call, _ = last(wire)
    assert conversation.read(answer).model_dump() == A_PERSON
    assert (answer.http_status, answer.provider_request_id, answer.model) == (200, call.request_id, "gpt-4o-mini")
    assert answer.finish_reason in ("stop", "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
        call.usage.input_tokens,
        call.usage.output_tokens,
    )
    assert bool(pieces) == stream == (answer.ttft_seconds is not None)
    if stream:
        assert "".join(pieces).strip("`json\n") == answer.text.strip("`json\n")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_asks_again(*, mode: str, stream: bool, compatible: OpenAI, wire: WireServer, loop: Loop) -> None:
    """A re-ask carries the answer and its errors in a form that the vendor takes, and grows by both."""
    conversation = compatible.open(ask(f"{mode} {stream} [[invalid-twice]]", mode=mode, stream=stream))
    size = conversation.size_bytes
    for _ in range(2):
        answer, _ = send(loop, conversation, stream=stream)
        with pytest.raises(ValidationError) as invalid:
            conversation.read(answer)
        added = conversation.ask_again(answer, invalid.value)
        assert "string_type" in json.dumps(added) or "valid string" in json.dumps(added)
        assert conversation.size_bytes > size
        size = conversation.size_bytes
    answer, _ = send(loop, conversation, stream=stream)

    assert conversation.read(answer).model_dump() == A_PERSON
    _, body = last(wire)
    given = body.get("messages") or body["input"]
    assert given[-len(added) :] == added
    paid = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    assert size == pytest.approx(len(json.dumps(paid, separators=(",", ":"), ensure_ascii=False).encode()), rel=0.02)


@pytest.mark.parametrize("mode", MODES)
def test_no_text_is_a_template(mode: str, compatible: OpenAI, wire: WireServer, loop: Loop) -> None:
    """What a caller writes goes out to the letter, in every mode."""
    messages = [
        {"role": "system", "content": f"Be exact. {UNTOUCHED}"},
        {"role": "user", "content": UNTOUCHED},
        {"role": "assistant", "content": UNTOUCHED},
        {"role": "user", "content": f"Again: {UNTOUCHED}"},
    ]
    send(loop, compatible.open(ask(messages=messages, mode=mode)))

    _, body = last(wire)
    sent = [one for one in body.get("messages") or body["input"] if one["role"] != "system"]
    contents = [one["content"] if isinstance(one["content"], str) else one["content"][0]["text"] for one in sent]
    assert [one["role"] for one in sent] == ["user", "assistant", "user"]
    assert contents[0] == contents[1] == UNTOUCHED
    assert contents[2].startswith(f"Again: {UNTOUCHED}")


def test_openai_enforces_the_schema(genuine: OpenAI, wire: WireServer, loop: Loop) -> None:
    """Towards OpenAI itself the mode json_schema is strict, which Instructor's is not."""
    optional = PERSON | {"required": ["name"], "title": "Person"}
    conversation = genuine.open(ask(model=response_model(optional, "person"), mode="json_schema"))
    answer, _ = send(loop, conversation)

    call, body = last(wire)
    wanted = body["response_format"]["json_schema"] if "response_format" in body else body["text"]["format"]
    assert (wanted["name"], wanted["strict"]) == ("person", True)
    assert wanted["schema"]["required"] == ["name", "age", "tags"]
    assert wanted["schema"]["additionalProperties"] is False
    assert {"type": "null"} in wanted["schema"]["properties"]["age"]["anyOf"]
    assert call.status == 200
    assert conversation.read(answer).model_dump()["name"] == "some name"


def test_nulls_that_strictness_forced_are_not_answers(genuine: OpenAI, loop: Loop) -> None:
    """An optional property that a strict answer says null to is as if it had not been said."""
    optional = PERSON | {"required": ["name"]}
    text = 'Say <<{"name": "Zoë", "age": null, "tags": null}>>'
    conversation = genuine.open(ask(text, model=response_model(optional, "person"), mode="json_schema"))
    answer, _ = send(loop, conversation)

    assert conversation.read(answer).model_dump() == {"name": "Zoë"}


def name_of_limit(provider: OpenAI, wire: WireServer, loop: Loop) -> str:
    """Return under which name a provider sends the most tokens of an answer."""
    send(loop, provider.open(ask(max_tokens=77)))
    call, body = last(wire)
    assert body.get("store", False) is False, "what a tenant sends is not to be kept by the vendor"
    [name] = [name for name, value in body.items() if value == 77]
    assert (name == "max_output_tokens") == (call.path == "/v1/responses")
    return name


def test_openai_knows_the_limit_by_its_new_name(genuine: OpenAI, wire: WireServer, loop: Loop) -> None:
    """OpenAI itself takes ``max_completion_tokens``; Responses has a name of its own."""
    assert name_of_limit(genuine, wire, loop) in ("max_completion_tokens", "max_output_tokens")


def test_others_know_the_limit_by_its_old_name(compatible: OpenAI, wire: WireServer, loop: Loop) -> None:
    """Servers that speak OpenAI's dialect take ``max_tokens``, which not all have followed."""
    assert name_of_limit(compatible, wire, loop) in ("max_tokens", "max_output_tokens")


def test_a_stream_asks_for_its_usage(wire: WireServer, loop: Loop) -> None:
    """Chat streams tell their usage only to those who ask for it."""
    provider = OpenAI(api_key="k", base_url=wire.openai_url)
    send(loop, provider.open(ask(stream=True)), stream=True)
    _, body = last(wire)
    loop.run(provider.close())

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [("refused", Refused), ("truncated", Truncated), ("content-filter", Filtered), ("throttled-7s", Throttled)],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_ends_without_an_object(
    *,
    mode: str,
    stream: bool,
    scenario: str,
    kind: type[Exception],
    compatible: OpenAI,
    loop: Loop,
) -> None:
    """Refusals, cuts and limits are seen before anything is parsed, in every mode, on both wires."""
    with pytest.raises(kind) as ended:
        send(loop, compatible.open(ask(f"[[{scenario}]]", mode=mode, stream=stream)), stream=stream)

    assert getattr(ended.value, "retry_after_seconds", None) == (7 if kind is Throttled else None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("calls_before", [0, 1])
def test_who_was_never_reached_worked_for_nobody(*, stream: bool, calls_before: int, loop: Loop) -> None:
    """A connection that is refused costs nothing, whether it is a process's first call or a later one."""
    with WireServer() as wire:
        provider = OpenAI(name="compatible", api_key="unused", base_url=wire.openai_url)
        for _ in range(calls_before):
            send(loop, provider.open(ask()))
    refused: list[Unreachable] = []
    for _ in range(2):  # the first may find out that a kept connection is closed
        with pytest.raises(Unreachable) as failed:
            send(loop, provider.open(ask(stream=stream)), stream=stream)
        refused.append(failed.value)
    loop.run(provider.close())
    assert not refused[-1].was_sent, refused[-1].message
    assert refused[0].was_sent is False or calls_before


def test_what_a_server_says_about_the_key_is_not_repeated(wire: WireServer, loop: Loop) -> None:
    """A server that quotes the key in its error quotes it to us alone."""
    provider = OpenAI(api_key="sk-canary-77", base_url=wire.openai_url)
    with pytest.raises(TurnedAway) as refused:
        send(loop, provider.open(ask("[[unauthorized]]")))
    loop.run(provider.close())

    assert refused.value.message == (
        "openai answered 401 (invalid_api_key, invalid_request_error): it does not accept the key. "
        'Check the key and its rights. It says: "Incorrect API key provided. Received […]"'
    )
    assert refused.value.__suppress_context__, "no traceback shows the SDK's own error, whose text holds the key"
    assert "canary" not in f"{refused.value!r} {refused.value.answer!r}"
    assert wire.ledger.calls(key_hash=key_hash("sk-canary-77"))


def test_one_client_keeps_its_connections(wire: WireServer, loop: Loop) -> None:
    """A provider's client is made once, by the first call, and goes on using its connection."""
    provider = OpenAI(api_key="sk-reuse", base_url=wire.openai_url)
    assert provider._wire._client is None
    for _ in range(4):
        send(loop, provider.open(ask()))
    client = provider._wire.client
    connections = {call.connection for call in wire.ledger.calls(key_hash=key_hash("sk-reuse"))}
    loop.run(provider.close())

    assert provider._wire.client is client
    assert len(connections) == 1
    assert client.max_retries == 0


def test_providers_are_built_from_settings(wire: WireServer, sqlite_url: str, loop: Loop) -> None:
    """The file's name is the provider's; keys and addresses come from the settings, a key is made up where none is."""
    given = settings(wire, sqlite_url, compatible_base_url=wire.openai_url, openai_api="responses")
    for name, key in (("openai", "sk-test-openai"), ("compatible", "unused")):
        provider = load(name, given)
        send(loop, provider.open(ask(f"from {name}")))
        call, _ = last(wire)
        loop.run(provider.close())

        assert (provider.name, call.key_hash) == (name, key_hash(key))
        assert call.path == ("/v1/responses" if name == "openai" else "/v1/chat/completions")


def test_an_answer_in_a_fence_is_read(compatible: OpenAI, loop: Loop) -> None:
    """A model that wraps its JSON in a code block, or in prose, is understood."""
    for text in ("As ```json please.", "Plain."):
        conversation = compatible.open(ask(text, mode="md_json"))
        assert conversation.read(send(loop, conversation)[0]).model_dump() == A_PERSON

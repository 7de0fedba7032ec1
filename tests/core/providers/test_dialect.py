"""Whatever a server answers, the dialects make of it an answer or an error of ours; nothing odd gets further."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.pricing import Usage
from core.providers import Answer, Ask, Garbled, Misread, ProviderError
from core.providers._wire import Wire
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.providers.reading.parts import word
from core.response_models import response_model
from tests.corridor import PERSON
from tests.examples import many
from tests.messages import as_messages
from tests.wire import anthropic_messages, openai_chat, openai_responses
from tests.wire.exchange import Dialect, Finish, Said
from tests.wire.ledger import Tokens

DIALECTS: dict[str, Dialect] = {"chat": openai_chat, "responses": openai_responses, "messages": anthropic_messages}
MODES = ("tools", "json_schema", "json", "md_json")
MODEL = response_model(PERSON, "person")
GOOD = b'{"name":"Zo","age":3,"tags":[]}'


class Stage:
    """A server in this process that answers whatever it is told to, behind the real SDKs."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.body = b""
        self.status = 200
        self.requests: list[dict[str, Any]] = []
        self.worded: list[tuple[str, dict[str, str]]] = []
        """Address and headers of every request, but for the length of its body."""
        self._openai = {
            path: OpenAI(api_key="k", base_url="http://fake/v1", responses=path == "responses")
            for path in ("chat", "responses")
        }
        self._anthropic = Anthropic(api_key="k", base_url="http://fake")
        for provider in self._openai.values():
            provider._wire = Wire(
                "openai",
                openai,
                lambda http: openai.AsyncOpenAI(
                    api_key="k", base_url="http://fake/v1", max_retries=0, http_client=http
                ),
                "x-request-id",
                self._client,
            )
        self._anthropic._wire = Wire(
            "anthropic",
            anthropic,
            lambda http: anthropic.AsyncAnthropic(api_key="k", base_url="http://fake", max_retries=0, http_client=http),
            "request-id",
            self._client,
        )

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        asked = orjson.loads(request.content)
        self.requests.append(asked)
        self.worded.append((str(request.url), dict(request.headers.items()) | {"content-length": ""}))
        media = "text/event-stream" if asked.get("stream") else "application/json"
        return httpx2.Response(self.status, content=self.body, headers={"content-type": media})

    def conversation(self, path: str, mode: str, *, stream: bool) -> Any:
        """Open a conversation over this server."""
        ask = Ask(
            model="m",
            response_model=MODEL,
            messages=as_messages({"role": "user", "content": "Hello."}),
            mode=mode,
            stream=stream,
        )
        return (self._openai.get(path) or self._anthropic).open(ask)

    def send(self, conversation: Any, body: bytes, *, stream: bool) -> Answer:
        """Send, be answered with *body*."""
        self.body = body
        call = self.loop.call(conversation, 5, Cancellation(), stream=stream)
        while True:
            try:
                next(call)
            except StopIteration as end:
                return end.value


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The server."""
    running = Stage()
    yield running
    running.loop.close()


def said(path: str, mode: str, text: str, *, stream: bool) -> Said:
    """Return what the model says, as the fake's dialects take it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 99, "stream": stream}
    body["input"] = body["messages"]
    if mode == "tools":
        tool: dict[str, Any] = {"name": "person", "parameters": PERSON, "input_schema": PERSON}
        body["tools"] = [tool | {"type": "function", "function": tool}] if path != "messages" else [tool]
        body["stream_options"] = {"include_usage": True}
    return Said(
        asked=DIALECTS[path].asked(body),
        text=text,
        finish=Finish.DONE,
        tokens=Tokens(input_tokens=9, output_tokens=5),
        number=1,
        created_at=1,
    )


def whole(path: str, mode: str) -> Any:
    """Return the body of a good answer."""
    return DIALECTS[path].answer(said(path, mode, GOOD.decode(), stream=False))


def events(path: str, mode: str) -> list[bytes]:
    """Return the events of a good stream."""
    return [event.data for event in DIALECTS[path].events(said(path, mode, GOOD.decode(), stream=True))]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a JSON value."""
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from places(part, (*at, name))


def spoilt(value: Any, at: tuple[Any, ...], by: Any) -> Any:
    """Return a copy of *value* with *by* at the place *at*; taken out where *by* is an ellipsis."""
    if not at:
        return None if by is ... else by
    changed = copy.deepcopy(value)
    there = changed
    for step in at[:-1]:
        there = there[step]
    if by is ...:
        del there[at[-1]]
    else:
        there[at[-1]] = by
    return changed


ODD = st.one_of(
    st.just(...),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8)
        | st.sampled_from(["\x00", "tool_use", "text", "function_call", "message", "stop", "{", "null", "😀"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "content", "id", "message", "x"]), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)


def is_clean(answer: Answer) -> bool:
    """Whether the record and both databases can keep what is in an answer."""
    words = (answer.text, answer.provider_request_id, answer.model, answer.finish_reason)
    for each in words:
        assert each is None or isinstance(each, str)
        assert (each or "").encode() is not None
    assert all(word is None or word.isprintable() for word in words[1:])
    if (usage := answer.usage) is not None:
        assert isinstance(usage, Usage)
        counts = (
            usage.input_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
        )
        assert all(type(count) is int and 0 <= count < 2**31 for count in counts)
        assert usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
    return True


def judged(stage: Stage, path: str, mode: str, body: bytes, *, stream: bool) -> None:
    """Send, read and ask again; nothing may come of it but what the attempt loop expects."""
    conversation = stage.conversation(path, mode, stream=stream)
    failure: ProviderError | ValidationError | None = None
    answer = Answer()
    try:
        answer = stage.send(conversation, body, stream=stream)
        conversation.read(answer)
    except (ProviderError, ValidationError) as error:
        failure = error
    assert not isinstance(failure, Misread), "what a server sends is never taken for a fault of ours"
    assert is_clean(failure.answer if isinstance(failure, ProviderError) else answer)
    if isinstance(failure, ValidationError):
        assert conversation.ask_again(answer, failure)
        good = b"".join(events(path, mode)) if stream else orjson.dumps(whole(path, mode))
        assert conversation.read(stage.send(conversation, good, stream=stream))
        assert DIALECTS[path].objection(stage.requests[-1]) is None, "the vendor would take the re-ask"


@pytest.mark.parametrize("path", DIALECTS)
@settings(
    max_examples=many(150),
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_odd_bodies(path: str, stage: Stage, data: st.DataObject) -> None:
    """A body that is spoilt anywhere is an answer to read, or an error of ours: it never breaks the attempt loop."""
    mode = data.draw(st.sampled_from(MODES))
    body = whole(path, mode)
    for _ in range(data.draw(st.integers(1, 2))):
        body = spoilt(body, data.draw(st.sampled_from(list(places(body)))), data.draw(ODD))
    judged(stage, path, mode, orjson.dumps(body), stream=False)


@pytest.mark.parametrize("path", DIALECTS)
@settings(
    max_examples=many(150),
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_odd_events(path: str, stage: Stage, data: st.DataObject) -> None:
    """A stream with a spoilt, missing or repeated event is an answer to read, or an error of ours."""
    mode = data.draw(st.sampled_from(MODES))
    stream = events(path, mode)
    place = data.draw(st.integers(0, len(stream) - 1))
    head, _, text = stream[place].partition(b"data: ")
    match data.draw(st.sampled_from(["spoil", "spoil", "spoil", "drop", "repeat", "cut"])):
        case "drop":
            del stream[place]
        case "repeat":
            stream.insert(place, stream[place])
        case "cut":
            del stream[place:]
        case _ if text.startswith(b"{"):
            event = orjson.loads(text)
            event = spoilt(event, data.draw(st.sampled_from(list(places(event)))), data.draw(ODD))
            stream[place] = head + b"data: " + orjson.dumps(event) + b"\n\n"
    judged(stage, path, mode, b"".join(stream), stream=True)


@pytest.mark.parametrize("echoed", ["sk-proj-canary", "req sk-ant-canary", "Bearer sk_canary_1", "rk_live_canary"])
def test_an_echoed_key_is_no_word(echoed: str) -> None:
    """A server that names its answer, its model or its reason with the key it was sent is not quoted."""
    assert word({"x-request-id": echoed}, "x-request-id") is None


@pytest.mark.parametrize(
    "plain", ["req_011CSHoEeqs5C35K2UUqR7Fy", "chatcmpl-task-1", "desk-3", "gpt-4o-mini-2024-07-18"]
)
def test_plain_words_stay(plain: str) -> None:
    """What only resembles a key in a part of a word is kept."""
    assert word({"id": plain}, "id") == plain


@pytest.mark.parametrize(("code", "is_told"), [("sk_canary_1", False), ("insufficient_quota", True)])
def test_an_echoed_key_is_no_reason(code: str, *, is_told: bool, stage: Stage) -> None:
    """An error's code is told, unless it looks like a key."""
    stage.status = 401
    with pytest.raises(ProviderError) as caught:
        stage.send(
            stage.conversation("chat", "tools", stream=False),
            orjson.dumps({"error": {"message": "no", "code": code}}),
            stream=False,
        )
    stage.status = 200
    assert (code in str(caught.value)) is is_told


@pytest.mark.parametrize("path", ["chat", "responses", "messages"])
def test_every_request_is_worded_as_the_sdk_words_its_own(path: str) -> None:
    """The first request to a path is the SDK's; those after it have the same address and headers."""
    stage = Stage()
    try:
        for _ in range(3):
            stage.send(
                stage.conversation(path, "tools", stream=False), orjson.dumps(whole(path, "tools")), stream=False
            )
    finally:
        stage.loop.close()
    first, *others = stage.worded
    assert others == [first, first]
    assert "python" in first[1]["user-agent"].lower(), "the first is the SDK's indeed"
    assert first[1].get("authorization", first[1].get("x-api-key", "")).endswith("k")


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b'{"error":{"code":"context_length_exceeded","message":"long"}}'])
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529])
@pytest.mark.parametrize("path", ["chat", "responses", "messages"])
def test_a_status_means_the_same_with_the_sdk_and_without(path: str, status: int, body: bytes) -> None:
    """What the first request of a process is told by a status, the hundredth is told as well."""
    stage = Stage()
    told: list[Any] = []
    try:
        for is_known in (False, True):
            if is_known:
                stage.status = 200
                stage.send(
                    stage.conversation(path, "tools", stream=False), orjson.dumps(whole(path, "tools")), stream=False
                )
            stage.status = status
            with pytest.raises(ProviderError) as refused:
                stage.send(stage.conversation(path, "tools", stream=False), body, stream=False)
            error = refused.value
            told.append((type(error), error.message, error.was_sent, error.told_all, error.answer.http_status))
    finally:
        stage.loop.close()
    assert told[0] == told[1]


@pytest.mark.parametrize("path", DIALECTS)
def test_a_fault_of_ours_in_the_middle_of_a_stream_is_ours(stage: Stage, path: str) -> None:
    """What breaks while we take in a piece of an answer is not the server's doing, and is not told as such."""
    fault = KeyError("sk-secret")

    def break_down(_: str) -> None:
        raise fault

    stage.body = b"".join(events(path, "tools"))
    with pytest.raises(Misread) as told:
        stage.loop.run(stage.conversation(path, "tools", stream=True).send(break_down))

    assert told.value.__cause__ is fault
    assert "secret" not in told.value.message
    assert GOOD.decode().startswith(told.value.answer.text), "what the wire had told is known"
    assert told.value.answer.text


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("event", [b"[]", b"7", b"null", b'"text"'])
def test_an_event_that_is_no_object_is_the_server_s(stage: Stage, path: str, event: bytes) -> None:
    """A stream of something else is garbled."""
    name = b"event: message_delta\n" if path == "messages" else b""
    with pytest.raises(Garbled):
        stage.send(stage.conversation(path, "tools", stream=True), name + b"data: " + event + b"\n\n", stream=True)

"""The fake behaves on the wire as the vendors do, seen through their own SDKs."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.wire.clients import WAYS, Sdks, Seen, is_whole
from tests.wire.ledger import NOTHING
from tests.wire.server import WireServer, key_hash

STREAMS = [way for way in WAYS if way.endswith("stream")]
WHOLES = [way for way in WAYS if not way.endswith("stream")]


def vendor(way: str) -> str:
    """Which vendor's path it is."""
    return "anthropic" if way.startswith("messages") else "openai"


@pytest.mark.parametrize("way", WAYS)
def test_success(way: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """A good answer satisfies the schema, and the usage on the wire is what the ledger billed."""
    seen = sdks.ask(way, prompt)
    call = server.ledger.calls()[-1]
    assert is_whole(seen)
    assert seen.finish == {"chat": "stop", "responses": "completed", "messages": "tool_use"}[way.partition("-")[0]]
    assert (seen.request_id, seen.tokens) == (call.request_id, call.usage)
    assert (call.status, call.told, call.client_gone, call.stream) == (200, True, False, way in STREAMS)
    assert call.request is not None
    assert prompt in json.dumps(call.request)


@pytest.mark.parametrize("scenario", ["ok", "refused", "truncated", "reasoning", "cached"])
@pytest.mark.parametrize("way", WAYS)
def test_types(way: str, scenario: str, sdks: Sdks, prompt: str) -> None:
    """Every answer and every event passes the validation of the SDK's own type, which the SDK itself never runs."""
    seen = sdks.ask(way, f"{prompt} [[{scenario}]]")
    for part in seen.parts:
        assert type(part).model_validate_json(part.model_dump_json(exclude_unset=True)) == part


@pytest.mark.parametrize("way", WAYS)
def test_reasks(way: str, sdks: Sdks, prompt: str) -> None:
    """Each call of a conversation takes the next reply: two properties wrong, one wrong, then good for ever."""
    texts = [sdks.ask(way, f"{prompt} [[invalid-twice]]").text for _ in range(4)]
    objects = [json.loads(text) for text in texts]
    assert [(one["name"], one.get("age")) for one in objects[:2]] == [(12345, None), (12345, 1)]
    assert [one["name"] for one in objects[2:]] == ["some name", "some name"]


@pytest.mark.parametrize("way", WAYS)
def test_never_valid(way: str, sdks: Sdks, prompt: str) -> None:
    """A model can fail for ever."""
    assert {json.loads(sdks.ask(way, f"{prompt} [[never-valid]]").text)["name"] for _ in range(3)} == {12345}


@pytest.mark.parametrize("way", WAYS)
def test_broken_json(way: str, sdks: Sdks, prompt: str) -> None:
    """Broken JSON arrives as such, but for Anthropic's whole answers, whose wire cannot carry it."""
    seen = sdks.ask(way, f"{prompt} [[broken-json-once]]")
    if way == "messages":
        assert list(json.loads(seen.text)) == ["INVALID_JSON"]
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(seen.text)
    assert is_whole(sdks.ask(way, f"{prompt} [[broken-json-once]]"))


FINISHES = {
    "truncated": {"chat": "length", "responses": "max_output_tokens", "messages": "max_tokens"},
    "refused": {"chat": "stop", "responses": "completed", "messages": "refusal"},
    "content-filter": {"chat": "content_filter", "responses": "content_filter"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", FINISHES)
def test_finishes(scenario: str, way: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """Truncation, refusal and content filter come as each vendor reports them, and are billed."""
    finish = FINISHES[scenario].get(way.partition("-")[0])
    if finish is None:
        with pytest.raises(anthropic.APIStatusError, match="Output blocked by content filtering policy"):
            sdks.ask(way, f"{prompt} [[{scenario}]]")
        return
    seen = sdks.ask(way, f"{prompt} [[{scenario}]]")
    assert seen.finish == finish
    assert (seen.refusal is not None) == (scenario == "refused")
    assert seen.text in ("", "{}") if scenario == "refused" else not seen.text.endswith('"]}')
    assert seen.tokens == server.ledger.calls()[-1].usage != NOTHING


def test_limit(sdks: Sdks, prompt: str) -> None:
    """An answer that is longer than the limit asked for is cut there, and so is its bill."""
    seen = sdks.ask("chat", prompt, max_tokens=5)
    assert (seen.finish, len(seen.text)) == ("length", 20)
    assert seen.tokens is not None
    assert seen.tokens.output_tokens == 5


ERRORS = {
    "throttled": (429, "RateLimitError", "RateLimitError"),
    "failed": (500, "InternalServerError", "InternalServerError"),
    "overloaded": (503, "InternalServerError", "OverloadedError"),
    "unauthorized": (401, "AuthenticationError", "AuthenticationError"),
    "forbidden": (403, "PermissionDeniedError", "PermissionDeniedError"),
    "bad-request": (400, "BadRequestError", "BadRequestError"),
    "unknown-model": (404, "NotFoundError", "NotFoundError"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", ERRORS)
def test_errors(scenario: str, way: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """Error statuses raise the SDK's class for them, cost nothing, and end after one call where they are said to."""
    status, *names = ERRORS[scenario]
    is_openai = vendor(way) == "openai"
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        sdks.ask(way, f"{prompt} [[{scenario}-once]]")
    call = server.ledger.calls()[-1]
    assert type(caught.value).__name__ == names[0 if is_openai else 1]
    assert caught.value.status_code == call.status == (529 if scenario == "overloaded" and not is_openai else status)
    assert caught.value.request_id == call.request_id
    assert caught.value.response.headers.get("retry-after") == ("1" if scenario == "throttled" else None)
    assert (call.billed, call.told) == (False, False)
    assert is_whole(sdks.ask(way, f"{prompt} [[{scenario}-once]]"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", ["reset", "hang", "stall"])
def test_silence(*, scenario: str, way: str, server: WireServer, sdks: Sdks, impatient: Sdks, prompt: str) -> None:
    """A connection that is reset or goes silent raises a transport error, and its tokens are billed but untold."""
    with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError, httpx2.TransportError)) as caught:
        (sdks if scenario == "reset" else impatient).ask(way, f"{prompt} [[{scenario}]]")
    assert server.wait_idle()
    call = server.ledger.calls()[-1]
    is_timeout = isinstance(caught.value, openai.APITimeoutError | anthropic.APITimeoutError | httpx2.TimeoutException)
    assert is_timeout == (scenario != "reset")
    assert (call.told, call.billed, call.client_gone) == (False, True, scenario != "reset")
    assert call.status == (200 if scenario == "stall" else None)
    assert (call.usage.output_tokens == 0) == (scenario != "stall")


BODIES = {
    # scenario: what an answer in one piece raises, what a stream raises; None: the SDK notices nothing
    "html": (None, None),
    "empty": (json.JSONDecodeError, None),
    "broken-body": (json.JSONDecodeError, json.JSONDecodeError),
    "short-stream": (json.JSONDecodeError, None),
    "cut-stream": ((openai.APIConnectionError, anthropic.APIConnectionError), httpx2.RemoteProtocolError),
    "error-in-stream": (
        (openai.InternalServerError, anthropic.InternalServerError),
        (openai.APIError, anthropic.APIStatusError),
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", BODIES)
def test_bodies(scenario: str, way: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """What is no answer reaches the SDK as such, and never brings a usage."""
    expected: Any = BODIES[scenario][way in STREAMS]
    seen = Seen()
    parts: list[Any] = []
    asking = sdks.parts(way, f"{prompt} [[{scenario}]]", model="gpt-4o-mini", max_tokens=500, seen=seen)
    # An error event of Responses is no exception in the SDK: it must be looked for.
    if expected is None or (scenario, way) == ("error-in-stream", "responses-stream"):
        parts.extend(asking)
    else:
        with pytest.raises(expected):
            parts.extend(asking)
    call = server.ledger.calls()[-1]
    assert call.told is False
    assert call.billed is not (scenario == "error-in-stream" and way in WHOLES)
    if scenario == "html":
        assert parts == [] if way in STREAMS else "Sign in" in parts[0]
    elif way in STREAMS and scenario != "empty":
        kinds = {type(part).__name__ for part in parts}
        assert len(parts) >= 2
        assert not kinds & {"ResponseCompletedEvent", "RawMessageDeltaEvent", "RawMessageStopEvent"}
        assert ("ResponseErrorEvent" in kinds) == ((scenario, way) == ("error-in-stream", "responses-stream"))


def test_reset_is_one(server: WireServer) -> None:
    """A reset is the kernel's, not an orderly end."""
    body = b'{"model":"reset","messages":[{"role":"user","content":"a"}]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        client.sendall(head.encode() + body)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize("way", ["chat", "messages-stream"])
def test_drip(way: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """A dripping body outlives any read timeout, so that only a deadline ends it."""
    patient = Sdks(server, timeout=0.5)
    asking = threading.Thread(target=lambda: _ignoring(patient, way, f"{prompt} [[drip]]"))
    asking.start()
    asking.join(1.0)
    assert asking.is_alive()
    call = server.ledger.calls()[-1]
    assert (call.status, call.told, call.ended_at, call.billed) == (200, False, None, True)
    sdks.openai.models.list()  # the fake answers others meanwhile
    patient.close()
    server.reset()


def _ignoring(sdks: Sdks, way: str, prompt: str) -> None:
    try:
        sdks.ask(way, prompt)
    except Exception:  # noqa: BLE001 - its connection is taken away
        return


@pytest.mark.parametrize("way", STREAMS)
def test_client_leaves(way: str, server: WireServer, prompt: str) -> None:
    """When the client leaves a stream, the ledger knows, and bills what had been said by then."""
    leaving = Sdks(server)
    whole = leaving.ask(way, prompt).tokens
    parts = iter(leaving.parts(way, f"{prompt} [[slow-stream]]", model="gpt-4o-mini", max_tokens=500, seen=Seen()))
    for _ in range(5):
        next(parts)
    leaving.close()
    assert server.wait_idle()
    call = server.ledger.calls()[-1]
    assert (call.client_gone, call.told, call.status) == (True, False, 200)
    assert whole is not None
    assert call.usage.output_tokens < whole.output_tokens


def test_pace(sdks: Sdks, prompt: str) -> None:
    """A slow answer takes its second, a slow stream its time for each piece."""
    times: list[float] = []
    for scenario, way in (("slow-0.3s", "chat"), ("slow-stream", "messages-stream"), ("ok", "chat")):
        start = time.monotonic()
        seen = sdks.ask(way, f"{prompt} [[{scenario}]]")
        times.append(time.monotonic() - start)
        assert is_whole(seen)
    assert times[0] >= 0.3
    assert times[1] >= 0.05 * len(seen.parts)
    assert times[2] < 0.3


@pytest.mark.parametrize("way", WAYS)
def test_kinds_of_tokens(way: str, server: WireServer, sdks: Sdks, prompt: str) -> None:
    """Cached, written and reasoning tokens come in each vendor's own counting and add up to the ledger's."""
    cached, thought = sdks.ask(way, f"{prompt} [[cached]]").tokens, sdks.ask(way, f"{prompt} [[reasoning]]").tokens
    assert [cached, thought] == [call.usage for call in server.ledger.calls()[-2:]]
    assert cached is not None
    assert thought is not None
    assert cached.input_tokens > cached.cached_tokens > cached.cache_write_tokens > 0
    assert thought.output_tokens > thought.reasoning_tokens == 64


def test_exclusive_counting(sdks: Sdks, prompt: str) -> None:
    """Anthropic's input leaves out what was read from the cache and written to it; OpenAI's holds both."""
    [message] = sdks.ask("messages", f"{prompt} [[cached]]").parts
    [completion] = sdks.ask("chat", f"{prompt} [[cached]]").parts
    assert message.usage.input_tokens < message.usage.cache_read_input_tokens
    assert completion.usage.prompt_tokens > completion.usage.prompt_tokens_details.cached_tokens


def test_untold_stream(server: WireServer, sdks: Sdks, prompt: str) -> None:
    """A chat stream that did not ask for its usage is billed and not told."""
    messages: Any = [{"role": "user", "content": prompt}]
    before = server.ledger.told()
    for chunk in sdks.openai.chat.completions.create(model="m", messages=messages, stream=True):
        assert chunk.usage is None
    call = server.ledger.calls()[-1]
    assert (call.told, call.billed) == (False, True)
    assert server.ledger.told() == before


async def _ask_at_once(server: WireServer, prompt: str, count: int) -> list[str | None]:
    client = openai.AsyncOpenAI(
        base_url=server.openai_url, api_key="sk-test", max_retries=0, http_client=openai.DefaultAioHttpClient()
    )
    async with client:
        asked: Any = [{"role": "user", "content": f"{prompt} [[slow-1s]]"}]
        replies = await asyncio.gather(
            *(client.chat.completions.create(model="m", messages=asked) for _ in range(count))
        )
    return [reply.choices[0].message.content for reply in replies]


def test_many_at_once(server: WireServer, prompt: str) -> None:
    """Two hundred slow calls are under way together, on as many connections, through the SDK's aiohttp client."""
    assert asyncio.run(_ask_at_once(server, prompt, 200)) == ["This is some answer."] * 200
    calls = server.ledger.calls()[-200:]
    first_end = min(call.ended_at for call in calls if call.ended_at is not None)
    assert all(call.received_at < first_end for call in calls)
    assert len({call.connection for call in calls}) == 200


def test_keep_alive(server: WireServer, prompt: str) -> None:
    """A client keeps its connection from call to call."""
    fresh = Sdks(server)
    for _ in range(3):
        fresh.ask("chat", prompt)
    fresh.close()
    assert len({call.connection for call in server.ledger.calls()[-3:]}) == 1


def test_keys(server: WireServer, prompt: str) -> None:
    """The ledger knows keys by their hash; the vendors' refusals may repeat the key itself."""
    keyed = Sdks(server, key="sk-canary-1")
    for way in ("chat", "messages"):
        with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError), match="sk-canary-1"):
            keyed.ask(way, f"{prompt} [[unauthorized]]")
    keyed.close()
    assert len(server.ledger.calls(key_hash=key_hash("sk-canary-1"))) == 2
    assert "sk-canary-1" not in httpx2.get(f"{server.url}/_ledger").text
    assert httpx2.post(f"{server.url}/v1/messages", json={}).status_code == 401


def test_over_http(server: WireServer, sdks: Sdks, prompt: str) -> None:
    """The ledger is read and cleared over HTTP, and counters begin anew."""
    sdks.ask("chat", f"{prompt} [[invalid-once]]")
    [*_, last] = httpx2.get(f"{server.url}/_ledger").json()["calls"]
    assert last["scenario"] == "invalid-once"
    assert last["usage"]["output_tokens"] > 0
    assert "request" not in last
    httpx2.post(f"{server.url}/_reset")
    assert server.ledger.calls() == []
    assert not is_whole(sdks.ask("chat", f"{prompt} [[invalid-once]]"))
    assert [model.id for model in sdks.openai.models.list()] == [model.id for model in sdks.anthropic.models.list()]


def test_port_taken(server: WireServer) -> None:
    """A port that is taken is an error at the start, not a hang."""
    with pytest.raises(OSError, match="in use"), WireServer(port=int(server.url.rpartition(":")[2])):
        pass


def test_process() -> None:
    """It runs as a process of its own, says where, and ends when it is told to."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.wire.server", "--port", "0"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(" ", 1)[1].strip()
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
        reply = httpx2.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": "Bearer k"})
        process.terminate()
        assert process.wait(5) == 0
    assert reply.json()["choices"][0]["message"]["content"] == "This is some answer."

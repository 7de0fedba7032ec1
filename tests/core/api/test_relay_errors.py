"""What a vendor says went wrong reaches a program of its dialect: status, words, and how long to wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from core.servers import named_servers
from core.settings import Settings
from tests.core.api.conftest import House, api_settings
from tests.wire.scripted import Scripted, ScriptedServer, events
from tests.wire.server import WireServer

ASKED: list[Any] = [{"role": "user", "content": "Bern."}]
BUSY = {"message": "Slower.", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}
SECRET = f"sk-proj-{'aB3dE5gH7jK9mN1pQ4sT6vW8xY0z' * 2}"
FULL = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded."}, "request_id": "req_9"}


@pytest.fixture(scope="module")
def vendor() -> Iterator[ScriptedServer]:
    """Whoever is asked."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer, vendor: ScriptedServer) -> Settings:
    """Proctor with servers of either dialect; one of them has two keys."""
    there = {
        "GROQ_BASE_URL": vendor.openai_url,
        "GROQ_API_KEY": "gsk-first-key,gsk-second-key",
        "COMPATIBLE_CHAT_BASE_URL": vendor.openai_url,
        "COMPATIBLE_CLAUDE_BASE_URL": vendor.anthropic_url,
        "COMPATIBLE_CLAUDE_DIALECT": "messages",
    }
    names = "groq,compatible-chat,compatible-claude"
    return api_settings(sqlite_url, wire).model_copy(update={"providers": named_servers(names, there.get)})


@pytest.fixture
def chat(house: House, url: str) -> Iterator[Any]:
    """Ask for a chat completion with OpenAI's SDK, without retries."""
    with openai.OpenAI(api_key=house.key, base_url=f"{url}/v1", max_retries=0) as client:
        yield client.chat.completions.create


@pytest.fixture
def messages(house: House, url: str) -> Iterator[Any]:
    """Ask for a message with Anthropic's SDK, without retries."""
    with anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0) as client:
        yield client.messages.create


def asked(model: str, **more: Any) -> dict[str, Any]:
    """Return a request to *model* that either SDK takes."""
    return {"model": model, "messages": ASKED, "max_tokens": 10, **more}


def test_an_error_first_in_a_stream_is_the_vendors_own(chat: Any, messages: Any, vendor: ScriptedServer) -> None:
    """Nothing has been sent yet: it has the status that it means, and the words, as if it had come whole."""
    vendor.plays(Scripted.streamed(events({"error": BUSY}, done=False)))
    with pytest.raises(openai.RateLimitError) as busy:
        chat(**asked("compatible-chat/m", stream=True))
    assert busy.value.body == BUSY
    vendor.plays(Scripted.streamed(events(FULL, done=False)))
    with pytest.raises(anthropic.APIStatusError) as full:
        messages(**asked("compatible-claude/m", stream=True))
    assert (full.value.status_code, full.value.body) == (529, FULL)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 429, "message": "Slower."}, "user_id": "u"},
        {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "error",
                    "error": {"code": 429, "message": "Slower."},
                    "message": {"role": "assistant", "content": "par"},
                }
            ]
        },
    ],
    ids=["in the place of an answer", "in every choice"],
)
def test_an_error_with_status_200_is_told_with_its_own(
    body: dict[str, Any], *, stream: bool, chat: Any, vendor: ScriptedServer
) -> None:
    """Gateways answer 200 whatever happens: for the caller it is the error that its body says it is."""
    vendor.plays(Scripted.whole(body))
    with pytest.raises(openai.RateLimitError, match="Slower"):
        chat(**asked("compatible-chat/m", stream=stream))


def test_an_error_of_another_shape_is_found_by_the_sdk(chat: Any, vendor: ScriptedServer) -> None:
    """Gemini's endpoint answers with a list, of which the SDK would find nothing."""
    vendor.plays(Scripted.whole([{"error": {"code": 400, "message": "A part is missing.", "status": "INVALID"}}], 400))
    with pytest.raises(openai.BadRequestError) as bad:
        chat(**asked("compatible-chat/m"))
    assert (bad.value.body["message"], bad.value.code) == ("A part is missing.", "INVALID")  # type: ignore[index]


def test_what_only_its_sdk_reads_in_an_error_survives(messages: Any, vendor: ScriptedServer) -> None:
    """By a code among the details Anthropic's SDK picks the class that a program may be waiting for."""
    error = {"type": "rate_limit_error", "message": "m", "details": {"error_code": "ramp_limit_exceeded"}}
    told = {"type": "error", "error": error, "request_id": "req_9"}
    vendor.plays(Scripted.whole(told, 429, request_id="req_9", anthropic_workspace_id="w"))
    with pytest.raises(anthropic.RateLimitError) as limited:
        messages(**asked("compatible-claude/m"))
    assert limited.value.body == told
    assert limited.value.request_id == "req_9"
    assert "anthropic-workspace-id" not in limited.value.response.headers


@pytest.mark.parametrize(
    "wait", [{"retry_after": "86400"}, {"retry_after": "Fri, 31 Dec 2100 23:59:59 GMT"}, {"retry_after_ms": "90000"}]
)
def test_no_sdk_sleeps_for_a_day(wait: dict[str, str], messages: Any, vendor: ScriptedServer) -> None:
    """A long wait is told as it is, and that to ask again is of no use."""
    vendor.plays(Scripted.whole(FULL, 429, **wait))
    with pytest.raises(anthropic.RateLimitError) as limited:
        messages(**asked("compatible-claude/m"))
    headers = limited.value.response.headers
    assert headers["x-should-retry"] == "false"
    [(name, text)] = wait.items()
    assert headers[name.replace("_", "-")] == text


@pytest.mark.parametrize(("retries", "calls"), [({}, 2), ({"x-stainless-retry-count": "0"}, 1)], ids=["no SDK", "SDK"])
@pytest.mark.parametrize("hangs_up", [False, True], ids=["503", "no answer"])
def test_no_retries_multiply_others(
    retries: dict[str, str], calls: int, house: House, url: str, vendor: ScriptedServer, *, hangs_up: bool
) -> None:
    """Who says that he sends again by himself what fails is told at once, may do so, and is told why in the trace.

    For whoever does not, the route's retries are made here, and more would be in vain.
    """
    vendor.plays(Scripted(hangs_up=True) if hangs_up else Scripted.whole({"error": BUSY}, 503))
    headers = house.headers | retries
    answer = httpx2.post(f"{url}/v1/chat/completions", json=asked("compatible-chat/m"), headers=headers, timeout=30)
    assert (answer.status_code, len(vendor.asked)) == (502 if hangs_up else 503, calls)
    is_in_vain = answer.headers.get("x-should-retry") == "false"
    assert is_in_vain is (hangs_up and not retries)
    made = httpx2.get(
        f"{url}/v1/generations/{answer.headers['x-proctor-generation-id']}", headers=house.headers, timeout=30
    ).json()
    assert ("not retried" in [step["verdict"] for step in made["trace"]]) is bool(retries)


def test_where_all_keys_rest_the_caller_is_told_when_to_come_back(chat: Any, vendor: ScriptedServer) -> None:
    """Our keys are our trouble: no 401 of the vendor's makes callers change theirs, neither at once nor later."""
    gone = Scripted.whole({"error": {"message": "Incorrect API key.", "code": "invalid_api_key"}}, 401)
    poor = Scripted.whole({"error": {"message": "No credit.", "code": "insufficient_quota"}}, 429)
    vendor.plays(gone, poor)
    waits: list[int] = []
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as away:
            chat(**asked("groq/llama"))
        assert away.value.status_code == 503
        waits.append(int(away.value.response.headers["retry-after"]))
    assert len(vendor.asked) == 2, "the second call goes out with no key"
    assert 0 < waits[1] <= waits[0] <= 60


def test_a_whole_answer_in_the_place_of_a_stream_is_screened(chat: Any, house: House, vendor: ScriptedServer) -> None:
    """A server that does not stream is no way around what guardrails take out."""
    said = {"role": "assistant", "content": f"Take {SECRET}."}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    vendor.plays(
        Scripted.whole({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    )
    answer = chat(**asked("compatible-chat/m", stream=True)).response.read()
    assert b"Take [redacted" in answer
    assert SECRET.encode() not in answer

"""How the front doors say no, to the vendors' own SDKs: the right class, and nobody asks again for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from sqlmodel import select

from core.api.sent_bodies import MOST_BODY_BYTES
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from core.tables import FindingRow, Reservation
from tests.core.api.conftest import House, api_settings, built
from tests.core.api.sdk_programs import RETRIES, Program
from tests.relayed import house_settings
from tests.wire.scripted import Scripted, ScriptedServer
from tests.wire.server import WireServer

SECRET = "sk-live_" + "Ab3dEf6hIj9kLm2nOp5q"


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """All three doors have somebody behind them."""
    return house_settings(api_settings(sqlite_url, wire), wire.url)


def limited(house: House, **limits: int) -> None:
    """Give the tenant these limits."""
    house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, house.tenant.version, **limits)


def test_a_budget_that_is_used_up_is_asked_once(program: Program, house: House, slept: list[float]) -> None:
    """402 is no reason to ask again, and no provider is asked."""
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 1)
    error = program.refused()
    assert (error.status_code, len(program.calls), slept) == (402, 1, [])
    assert "budget" in str(error)
    assert house.wire.ledger.calls() == []


def test_a_body_that_is_too_large_is_asked_once(program: Program, slept: list[float]) -> None:
    """413 in the dialect's shape."""
    error = program.refused("x" * (MOST_BODY_BYTES + 1))
    assert (error.status_code, len(program.calls), slept) == (413, 1, [])
    assert "bytes" in str(error)


def test_a_limit_of_requests_says_when(program: Program, house: House, slept: list[float]) -> None:
    """429 with the seconds to wait, which the SDK waits; it is no more than a minute."""
    limited(house, rate_limit_per_min=1)
    program.ask()
    error = program.refused()
    assert isinstance(error, openai.RateLimitError | anthropic.RateLimitError)
    assert len(program.calls) == 1 + 1 + RETRIES
    last = program.calls[-1].headers
    assert 1 <= int(last["retry-after"]) <= 60
    assert len(slept) == RETRIES
    assert len(house.wire.ledger.calls()) == 1


def test_what_never_fits_a_limit_of_tokens_is_asked_once(program: Program, house: House, slept: list[float]) -> None:
    """To wait would be in vain, so the SDK is told not to."""
    limited(house, tokens_per_min=10)
    error = program.refused("Bern has many inhabitants. " * 20)
    assert (error.status_code, len(program.calls), slept) == (429, 1, [])
    assert program.calls[0].headers["x-should-retry"] == "false"


def test_a_deadline_that_has_passed_is_asked_once(program: Program, house: House, slept: list[float]) -> None:
    """504: what has been waited for in vain, and paid, is not asked for again behind the caller's back."""
    candidates = [{"model": program.model, "timeout_seconds": 0.3}]
    house.runtime.routes.set(LOCAL_OPERATOR, "quick", candidates, deadline_seconds=1, max_retries=0)
    error = program.refused("[[hang]]", model="quick")
    assert (error.status_code, len(program.calls), slept) == (504, 1, [])


class TestLongCalls:
    """A house whose calls are short, but for those of front doors."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """A third of a second for each call."""
        return settings.model_copy(
            update={"attempt_timeout_seconds": 0.3, "deadline_seconds": 0.6, "relay_seconds": 60.0}
        )

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_call_may_take_as_long_as_the_sdk_waits(self, program: Program, *, stream: bool) -> None:
        """Whoever asks a model that thinks for minutes gets its answer, as he does from the vendor itself."""
        assert program.ask("[[slow-1s]]", stream=stream)

    def test_the_times_of_a_route_hold(self, program: Program, house: House, slept: list[float]) -> None:
        """What an operator has set is his word at the front doors too."""
        candidates = [{"model": program.model, "timeout_seconds": 0.2}]
        house.runtime.routes.set(LOCAL_OPERATOR, "quick", candidates, max_retries=0)
        assert program.refused("[[hang]]", model="quick").status_code == 504


def test_a_server_that_stops_is_asked_again(program: Program, house: House, slept: list[float]) -> None:
    """503 while no place comes free: a moment later there may be one."""
    house.runtime.admission.close()
    error = program.refused()
    assert (error.status_code, len(program.calls), len(slept)) == (503, 1 + RETRIES, RETRIES)


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_input_is_asked_once(program: Program, house: House, slept: list[float], *, stream: bool) -> None:
    """What a guardrail blocks is a 400, in the dialect's shape, and nobody is asked."""
    error = program.refused("x" * 1_000_001, stream=stream)
    assert (error.status_code, len(program.calls), slept) == (400, 1, [])
    assert isinstance(error, openai.BadRequestError | anthropic.BadRequestError)
    assert house.wire.ledger.calls() == []


def test_a_secret_in_the_input_never_goes_out(program: Program, house: House) -> None:
    """What is redacted is redacted in the body that the vendor gets; the rest of it is as it came."""
    program.ask(f"Who has {SECRET}? [[ok]]")
    [call] = house.wire.ledger.calls()
    assert SECRET not in str(call.request)
    assert "[redacted: an API key]" in str(call.request)


class TestAnswersThatHoldWhatIsForbidden:
    """The vendor writes a secret."""

    @pytest.fixture
    def vendor(self) -> Iterator[ScriptedServer]:
        """A vendor that says what a test wrote."""
        with ScriptedServer() as server:
            yield server

    @pytest.fixture
    def house(self, settings: Settings, wire: WireServer, vendor: ScriptedServer) -> Iterator[House]:
        """A Proctor that asks it."""
        moved = settings.model_copy(update={"openai_base_url": vendor.openai_url})
        with built(moved, wire) as house:
            yield house

    def body(self) -> dict[str, Any]:
        """Return a whole answer with the secret in it."""
        message = {"role": "assistant", "content": f"It is {SECRET}, as you know."}
        return {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        }

    def chunks(self) -> list[bytes]:
        """Return the same as a stream, a few characters an event."""
        text = self.body()["choices"][0]["message"]["content"]
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        deltas: list[tuple[Any, Any]] = [({"content": piece}, None) for piece in pieces]
        told = [{"index": 0, "delta": delta, "finish_reason": reason} for delta, reason in [*deltas, ({}, "stop")]]
        frames = [Scripted.whole({"id": "c", "model": "gpt-4o-mini", "choices": [one]}).body for one in told]
        return [b"data: " + frame + b"\n\n" for frame in frames] + [b"data: [DONE]\n\n"]

    def raw(self, house: House, url: str, *, stream: bool) -> httpx2.Response:
        """Return what the door sends."""
        asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say it."}], "stream": stream}
        return httpx2.post(f"{url}/v1/chat/completions", json=asked, headers=house.headers, timeout=30)

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_whole_answer_has_a_mark_in_its_place(
        self, house: House, url: str, vendor: ScriptedServer, *, stream: bool
    ) -> None:
        """Also where it comes whole although a stream was asked for."""
        vendor.answers = lambda _asked: Scripted.whole(self.body())
        answer = self.raw(house, url, stream=stream)
        assert answer.status_code == 200
        assert SECRET not in answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "It is [redacted: an API key], as you know."
        kept = httpx2.get(
            f"{url}/v1/generations/{answer.headers['x-proctor-generation-id']}", headers=house.headers, timeout=30
        )
        assert SECRET not in kept.text

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_call_that_a_rule_does_not_allow_is_not_handed_on(
        self, house: House, url: str, vendor: ScriptedServer, *, stream: bool
    ) -> None:
        """The SDK raises what the rule says, which tells the tool and the place; it is a finding of the call's."""
        house.runtime.guardrails.set(LOCAL_OPERATOR, "calls", None, "tools", "block", stages=["output"])
        called = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "send", "arguments": '{"n":"x"}'}}]
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        tools = [{"type": "function", "function": {"name": "send", "parameters": schema}}]
        told = {"index": 0, "finish_reason": "tool_calls", "delta" if stream else "message": {"tool_calls": called}}
        body = {**self.body(), "choices": [told]}
        frames = b"data: " + Scripted.whole(body).body + b"\n\ndata: [DONE]\n\n"
        vendor.answers = lambda _asked: Scripted.streamed(frames) if stream else Scripted.whole(body)
        asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say it."}], "tools": tools}
        answer = httpx2.post(
            f"{url}/v1/chat/completions", json={**asked, "stream": stream}, headers=house.headers, timeout=30
        )
        tools[0]["function"]["description"] = "Sends it elsewhere."
        httpx2.post(f"{url}/v1/chat/completions", json=asked, headers=house.headers, timeout=30)
        assert "A call of the tool 'send' does not satisfy its schema" in answer.text
        assert "at $.n" in answer.text
        assert '"c1"' not in answer.text
        with house.runtime.store.reading() as session:
            rows = session.exec(select(FindingRow)).all()
            kinds = {"a tool that may not be called so", "a tool whose text has changed"}
            assert {(one.guardrail, one.kind) for one in rows} == {("calls", kind) for kind in kinds}

    def test_a_stream_has_a_mark_in_its_place(self, house: House, url: str, vendor: ScriptedServer) -> None:
        """The SDK reads the rest as it came; the trace tells of it, and nothing stays held."""
        chunks = self.chunks()
        cuts = [sum(map(len, chunks[:place])) for place in range(1, len(chunks))]
        vendor.answers = lambda _asked: Scripted.streamed(b"".join(chunks), *cuts)
        answer = self.raw(house, url, stream=True)
        assert b"sk-" not in answer.content
        assert answer.content.endswith(b"data: [DONE]\n\n")
        told = Program("chat", url, house.key).ask("Say it.", stream=True)
        said = "".join(choice.delta.content or "" for one in told for choice in one.choices)
        assert said == "It is [redacted: an API key], as you know."
        made = httpx2.get(
            f"{url}/v1/generations/{answer.headers['x-proctor-generation-id']}", headers=house.headers, timeout=30
        )
        assert "secrets found an API key (sk-…, 28 characters) in assistant text" in made.text
        with house.runtime.store.reading() as session:
            assert session.exec(select(Reservation)).all() == []

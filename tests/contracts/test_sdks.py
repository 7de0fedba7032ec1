"""What we know of the vendors' SDKs and their transport, and build on. A new version that changes one fails here."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import time
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest

from core.providers._wire import LIMITS
from tests.contracts.questions import text
from tests.wire.server import WireServer


class TestClients:
    """The SDKs and their transport."""

    def test_httpx2_is_what_they_use(self) -> None:
        """Neither SDK asks for httpx, which only a pipeline for names brings; both stand on httpx2."""
        for sdk in ("openai", "anthropic"):
            asked = [re.split(r"[^\w-]", one)[0] for one in importlib.metadata.requires(sdk) or ()]
            assert "httpx2" in asked
            assert "httpx" not in asked
        assert issubclass(openai.DefaultAioHttpClient, httpx2.AsyncClient)

    def test_a_read_timeout_is_no_deadline(self, wire: WireServer) -> None:
        """A body that drips outlives ``timeout`` many times over."""
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0, timeout=0.3) as sdk:
            messages: Any = [{"role": "user", "content": text("drip")}]
            answer = sdk.with_raw_response.chat.completions
            began = time.monotonic()

            async def wait() -> None:
                """Wait for the whole body."""
                await asyncio.to_thread(answer.create, model="gpt-4o-mini", messages=messages)

            async def bounded() -> None:
                """Wait a little longer than the SDK was told to."""
                async with asyncio.timeout(1.2):
                    await asyncio.shield(asyncio.create_task(wait()))

            with pytest.raises(TimeoutError):
                _run_and_forget(bounded)
        assert time.monotonic() - began > 1.0

    @pytest.mark.parametrize("vendor", ["openai", "anthropic"])
    def test_post_gives_the_raw_response(self, wire: WireServer, vendor: str) -> None:
        """``post(cast_to=httpx2.Response, content=…)`` sends our bytes with the SDK's headers, answers bytes."""

        async def call() -> httpx2.Response:
            """Post through the SDK."""
            client: Any
            if vendor == "openai":
                client, path = openai.AsyncOpenAI(api_key="sk-test", base_url=wire.openai_url), "/chat/completions"
            else:
                client, path = anthropic.AsyncAnthropic(api_key="sk-test", base_url=wire.anthropic_url), "/v1/messages"
            body = b'{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"Hello"}]}'
            async with client:
                return await client.post(
                    path,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": {"Content-Type": "application/json"}},
                )

        response = asyncio.run(call())
        assert response.status_code == 200
        assert response.json()["model"]

    @pytest.mark.parametrize("vendor", ["openai", "anthropic"])
    def test_a_stream_gives_plain_events(self, wire: WireServer, vendor: str) -> None:
        """``AsyncStream[object]`` yields each event's JSON as it is, knows its response, and closes its connection."""

        async def call() -> tuple[list[Any], httpx2.Response]:
            """Read a stream through the SDK."""
            client: Any
            if vendor == "openai":
                client, path = openai.AsyncOpenAI(api_key="sk-test", base_url=wire.openai_url), "/chat/completions"
                stream_cls: Any = openai.AsyncStream[object]
            else:
                client, path = anthropic.AsyncAnthropic(api_key="sk-test", base_url=wire.anthropic_url), "/v1/messages"
                stream_cls = anthropic.AsyncStream[object]
            body = (
                b'{"model":"gpt-4o-mini","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hello"}]}'
            )
            async with client:
                stream = await client.post(
                    path,
                    cast_to=object,
                    content=body,
                    options={"headers": {"Content-Type": "application/json"}},
                    stream=True,
                    stream_cls=stream_cls,
                )
                events = [event async for event in stream]
                await stream.close()
                return events, stream.response

        events, response = asyncio.run(call())
        assert events
        assert all(type(event) is dict for event in events)
        assert response.status_code == 200
        assert "event-stream" in response.headers["content-type"]

    @pytest.mark.parametrize("vendor", ["openai", "anthropic"])
    def test_an_error_status_is_raised_before_a_stream_begins(self, wire: WireServer, vendor: str) -> None:
        """Asked for a stream, the SDK still raises its class for a status, with the body that it read."""

        async def call() -> Any:
            """Return what the SDK raises."""
            sdk: Any = openai if vendor == "openai" else anthropic
            client: Any = (
                openai.AsyncOpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0)
                if vendor == "openai"
                else anthropic.AsyncAnthropic(api_key="sk-test", base_url=wire.anthropic_url, max_retries=0)
            )
            path = "/chat/completions" if vendor == "openai" else "/v1/messages"
            body = (
                b'{"model":"unauthorized","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"Hello"}]}'
            )
            async with client:
                try:
                    await client.post(
                        path, cast_to=object, content=body, stream=True, stream_cls=sdk.AsyncStream[object]
                    )
                except sdk.APIStatusError as error:
                    return error
            raise AssertionError("it answered")

        error = asyncio.run(call())
        assert error.response.status_code == 401
        assert "sk-test" in str(error), "its text may quote the key: it is never shown"
        assert isinstance(error.body, dict)

    def test_the_sdks_retry_twice_and_wait_ten_minutes(self) -> None:
        """Left alone, both SDKs make three calls of one and wait 600 s for each."""
        for sdk in (openai, anthropic):
            assert sdk._constants.DEFAULT_MAX_RETRIES == 2
            assert sdk._constants.DEFAULT_TIMEOUT.read == 600

    def test_a_reset_looks_like_a_connect_timeout(self, wire: WireServer) -> None:
        """The aiohttp transport reports a reset as a connect timeout; only the first cause tells the truth."""

        async def call() -> BaseException:
            """Return what the SDK raises."""
            http = openai.DefaultAioHttpClient()
            client = openai.AsyncOpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0, http_client=http)
            async with client:
                try:
                    await client.chat.completions.create(
                        model="gpt-4o-mini", messages=[{"role": "user", "content": text("reset")}]
                    )
                except openai.APIConnectionError as error:
                    return error
            raise AssertionError("it answered")

        error = asyncio.run(call())
        assert isinstance(error, openai.APITimeoutError)
        causes: list[BaseException] = []
        while error.__cause__ is not None:
            causes.append(error := error.__cause__)
        assert any(isinstance(cause, aiohttp.ClientConnectionError) for cause in causes)

    def test_keep_alive_is_short_by_default(self) -> None:
        """The SDKs drop an idle connection after five seconds: ours is told to keep it."""
        assert httpx2.Limits().keepalive_expiry == 5.0
        assert LIMITS.keepalive_expiry == 120


def _run_and_forget(main: Any) -> None:
    """Run *main* and let its threads end by themselves: a thread that waits for a drip cannot be stopped."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()

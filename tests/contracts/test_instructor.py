"""What we know of Instructor and the SDKs and build on, or build around. A new version that changes one fails here.

Each test is an observation, run against the fake providers; the reasons they matter are in docs/architecture.md.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import itertools
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import aiohttp
import anthropic
import httpx2
import instructor
import openai
import pytest
from instructor.core import IncompleteOutputException, InstructorRetryException
from instructor.v2 import mode_registry
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider
from pydantic import BaseModel, ConfigDict, Field

from tests.wire.server import WireServer

_numbers = itertools.count()


class Person(BaseModel):
    """A person."""

    name: str
    age: int = Field(ge=0)
    tags: list[str]


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """A running fake."""
    with WireServer() as running:
        yield running


@pytest.fixture
def openai_client(wire: WireServer) -> Iterator[instructor.Instructor]:
    """Instructor on OpenAI's SDK, as people set it up, but for the SDK's own retries."""
    with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
        yield instructor.from_openai(sdk)


@pytest.fixture
def anthropic_client(wire: WireServer) -> Iterator[instructor.Instructor]:
    """Instructor on Anthropic's SDK."""
    with anthropic.Anthropic(api_key="sk-test", base_url=wire.anthropic_url, max_retries=0) as sdk:
        yield instructor.from_anthropic(sdk)


def asking(scenario: str, **more: Any) -> dict[str, Any]:
    """Return what a call asks with; the text is new each time, so that "once" begins anew."""
    messages = [{"role": "user", "content": f"Read this, number {next(_numbers)}. [[{scenario}]]"}]
    return {"model": "gpt-4o-mini", "messages": messages, "response_model": Person, **more}


def asking_anthropic(scenario: str, **more: Any) -> dict[str, Any]:
    """Return the same for Anthropic."""
    return asking(scenario, model="claude-haiku-4-5", max_tokens=200, **more)


def bodies(wire: WireServer, count: int) -> list[dict[str, Any]]:
    """Return the last requests that the fake read."""
    return [dict(call.request or {}) for call in wire.ledger.calls()[-count:]]


class TestLoop:
    """Why Instructor's control loop is not ours."""

    def test_usage_is_summed_in_place(self, openai_client: instructor.Instructor, wire: WireServer) -> None:
        """After a re-ask the last answer's usage is the total of all: pricing it per attempt would bill twice."""
        _, raw = openai_client.create_with_completion(**asking("invalid-once", max_retries=2))
        billed = [call.usage.output_tokens for call in wire.ledger.calls()[-2:]]
        assert raw.usage.completion_tokens == sum(billed) > billed[-1]

    def test_max_retries_counts_from_the_second_call(
        self, openai_client: instructor.Instructor, wire: WireServer
    ) -> None:
        """``max_retries=2`` makes three paid calls."""
        before = len(wire.ledger.calls())
        with pytest.raises(InstructorRetryException):
            openai_client.create(**asking("never-valid", max_retries=2))
        assert len(wire.ledger.calls()) - before == 3

    def test_the_sdk_retries_in_silence(self, wire: WireServer) -> None:
        """Left alone, the SDK calls again after a 500, inside what Instructor counts as one attempt."""
        seen: list[Any] = []
        before = len(wire.ledger.calls())
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url) as sdk:
            client = instructor.from_openai(sdk)
            client.on("completion:kwargs", lambda **_: seen.append(1))
            client.create(**asking("failed-once", max_retries=0))
        assert (len(seen), len(wire.ledger.calls()) - before) == (1, 2)

    def test_api_errors_are_wrapped(self, openai_client: instructor.Instructor) -> None:
        """``except openai.AuthenticationError`` never fires around ``create``: the real error is the cause."""
        with pytest.raises(InstructorRetryException) as caught:
            openai_client.create(**asking("unauthorized", max_retries=0))
        assert isinstance(caught.value.__cause__, openai.AuthenticationError)

    def test_truncation_fires_no_hook(self, openai_client: instructor.Instructor) -> None:
        """An answer cut by the token limit ends without any error hook."""
        fired: list[str] = []
        for hook in ("completion:error", "parse:error", "completion:last_attempt"):
            openai_client.on(hook, lambda *_, hook=hook, **__: fired.append(hook))
        with pytest.raises(IncompleteOutputException):
            openai_client.create(**asking("truncated", max_retries=0))
        assert fired == []

    def test_a_refusal_is_an_assertion(self, openai_client: instructor.Instructor) -> None:
        """OpenAI's refusal in tools mode surfaces as an AssertionError inside the retry exception."""
        with pytest.raises(InstructorRetryException) as caught:
            openai_client.create(**asking("refused", max_retries=0))
        assert isinstance(caught.value.__cause__, AssertionError)

    def test_anthropic_refusals_are_asked_again(
        self, anthropic_client: instructor.Instructor, wire: WireServer
    ) -> None:
        """A model that declines is asked again, with an empty message of its own that the API turns away."""
        before = len(wire.ledger.calls())
        with pytest.raises(InstructorRetryException) as caught:
            anthropic_client.create(**asking_anthropic("refused", max_retries=2))
        assert len(wire.ledger.calls()) - before > 1
        assert isinstance(caught.value.__cause__, anthropic.BadRequestError)

    def test_exceptions_in_hooks_are_swallowed(self, openai_client: instructor.Instructor) -> None:
        """A hook cannot stop a call: what it raises becomes a warning. So no budget can live in one."""

        def refuse(**_: Any) -> None:
            raise RuntimeError("no money")

        openai_client.on("completion:kwargs", refuse)
        with pytest.warns(UserWarning, match="no money"):
            assert openai_client.create(**asking("ok", max_retries=0)).age == 1

    def test_the_exception_tells_everything(self, openai_client: instructor.Instructor) -> None:
        """``str()`` of the retry exception holds whole completions: it must never be logged or shown."""
        with pytest.raises(InstructorRetryException) as caught:
            openai_client.create(**asking("never-valid", max_retries=0))
        assert "ChatCompletion(" in str(caught.value)

    def test_the_logger_tells_values(
        self, openai_client: instructor.Instructor, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At ERROR, the logger ``instructor`` writes the invalid value itself, unless it is silenced as by us."""
        logger = logging.getLogger("instructor")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with caplog.at_level(logging.ERROR, "instructor"), pytest.raises(InstructorRetryException):
                openai_client.create(**asking("never-valid", max_retries=0))
        finally:
            logger.setLevel(level)
        assert "input_value=" in caplog.text

    def test_a_class_is_made_per_call(self, openai_client: instructor.Instructor) -> None:
        """A plain model comes back as an instance of a subclass made for this call; one wrapped before does not."""
        assert type(openai_client.create(**asking("ok", max_retries=0))) is not Person
        wrapped = instructor.response_schema(Person)
        assert type(openai_client.create(**{**asking("ok", max_retries=0), "response_model": wrapped})) is wrapped


class TestRequests:
    """What goes out, and what does not."""

    def test_context_renders_the_users_text(self, openai_client: instructor.Instructor, wire: WireServer) -> None:
        """With ``context`` every message goes through Jinja, the user's text included."""
        messages = [{"role": "user", "content": "{{ 6 * 7 }} and {{ secret }}"}]
        call = asking("ok", max_retries=0, context={"secret": "leaked"})
        openai_client.create(**{**call, "messages": messages})
        assert bodies(wire, 1)[0]["messages"][-1]["content"] == "42 and leaked"

    def test_strict_never_reaches_the_provider(self, openai_client: instructor.Instructor, wire: WireServer) -> None:
        """``strict=True`` is pydantic's; the tool goes out without it."""
        openai_client.create(**asking("ok", max_retries=0, strict=True))
        assert "strict" not in bodies(wire, 1)[0]["tools"][0]["function"]

    def test_openai_json_schema_is_not_strict(self, wire: WireServer) -> None:
        """JSON_SCHEMA mode does not ask OpenAI to hold to the schema; ours does (core/providers/openai.py)."""
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
            client = instructor.from_openai(sdk, mode=instructor.Mode.JSON_SCHEMA)
            client.create(**asking("ok", max_retries=0))
        assert "strict" not in bodies(wire, 1)[0]["response_format"]["json_schema"]

    def test_anthropic_json_schema_becomes_a_prompt(self, wire: WireServer) -> None:
        """With anthropic 2 the native mode falls back to a prompt, with a warning."""
        with anthropic.Anthropic(api_key="sk-test", base_url=wire.anthropic_url, max_retries=0) as sdk:
            client = instructor.from_anthropic(sdk, mode=instructor.Mode.JSON_SCHEMA)
            with pytest.warns(UserWarning, match="output_format"):
                client.create(**asking_anthropic("ok", max_retries=0))
        assert "output_config" not in bodies(wire, 1)[0]

    def test_the_callers_tools_are_lost(self, openai_client: instructor.Instructor, wire: WireServer) -> None:
        """Tools that the caller gives are overwritten without a word."""
        mine = {"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}
        openai_client.create(**asking("ok", max_retries=0, tools=[mine]))
        assert [tool["function"]["name"] for tool in bodies(wire, 1)[0]["tools"]] == ["Person"]

    def test_a_titled_model_has_two_names(self) -> None:
        """Anthropic's tool is named by the schema's title, its choice by the class: ours are always the same."""

        class Titled(BaseModel):
            """A model with a title."""

            model_config = ConfigDict(title="Other")
            name: str

        handlers = mode_registry.get_handlers(Provider.ANTHROPIC, Mode.TOOLS)
        _, prepared = handlers.request_handler(response_model=Titled, kwargs={"messages": []})
        assert (prepared["tools"][0]["name"], prepared["tool_choice"]["name"]) == ("Other", "Titled")

    def test_from_provider_takes_addresses_for_arguments(self) -> None:
        """``from_provider("anthropic/…", base_url=…)`` keeps the address for each call and uses the real one."""
        client = instructor.from_provider(
            "anthropic/claude-haiku-4-5", api_key="sk-test", base_url="http://127.0.0.1:1"
        )
        assert "base_url" in client.kwargs
        assert "api.anthropic.com" in str(client.client.base_url)

    def test_anthropic_has_no_temperature(self) -> None:
        """Anthropic 2 has no parameter ``temperature``."""
        assert "temperature" not in inspect.signature(anthropic.resources.Messages.create).parameters


class TestStreams:
    """Why streams are ours."""

    def test_sync_partials_come_all_at_once(self, openai_client: instructor.Instructor) -> None:
        """``create_partial`` gathers the whole stream before it gives the first object."""
        began = time.monotonic()
        partials = openai_client.create_partial(**asking("slow-stream", max_retries=0))
        next(iter(partials))
        first = time.monotonic() - began
        list(partials)
        assert first > 0.8 * (time.monotonic() - began)

    def test_partials_lose_the_usage(self, openai_client: instructor.Instructor) -> None:
        """A streamed object knows nothing of what it cost."""
        last = list(openai_client.create_partial(**asking("ok", max_retries=0)))[-1]
        assert getattr(last, "_raw_response", None) is None


class TestResponses:
    """The Responses API through Instructor."""

    def test_truncation_goes_unnoticed(self, wire: WireServer) -> None:
        """A truncated answer is taken for an invalid one and asked again."""
        before = len(wire.ledger.calls())
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
            client = instructor.from_openai(sdk, mode=instructor.Mode.RESPONSES_TOOLS)
            with pytest.raises(InstructorRetryException) as caught:
                client.create(**asking("truncated", max_retries=1))
        assert len(wire.ledger.calls()) - before == 2
        assert caught.value.total_usage.total_tokens == 0, "and the total usage of a failure is zero"


class TestClients:
    """The SDKs and their transport."""

    def test_httpx2_is_what_they_use(self) -> None:
        """Httpx is not installed; both SDKs stand on httpx2."""
        assert importlib.util.find_spec("httpx") is None
        assert issubclass(openai.DefaultAioHttpClient, httpx2.AsyncClient)

    def test_a_read_timeout_is_no_deadline(self, wire: WireServer) -> None:
        """A body that drips outlives ``timeout`` many times over."""
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0, timeout=0.3) as sdk:
            messages: Any = [{"role": "user", "content": f"{next(_numbers)} [[drip]]"}]
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

    def test_a_reset_looks_like_a_connect_timeout(self, wire: WireServer) -> None:
        """The aiohttp transport reports a reset as a connect timeout; only the first cause tells the truth."""

        async def call() -> BaseException:
            """Return what the SDK raises."""
            http = openai.DefaultAioHttpClient()
            client = openai.AsyncOpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0, http_client=http)
            async with client:
                try:
                    await client.chat.completions.create(
                        model="gpt-4o-mini", messages=[{"role": "user", "content": f"{next(_numbers)} [[reset]]"}]
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
        from core.providers._dialect import LIMITS

        assert httpx2.Limits().keepalive_expiry == 5.0
        assert LIMITS.keepalive_expiry == 120


class TestRegistry:
    """What we take from Instructor."""

    @pytest.mark.parametrize("mode", [Mode.TOOLS, Mode.JSON_SCHEMA, Mode.JSON, Mode.MD_JSON])
    def test_openai_frames(self, mode: Mode) -> None:
        """Each mode prepares a request, and asks an invalid answer again by adding messages."""
        handlers = mode_registry.get_handlers(Provider.OPENAI, mode)
        _, prepared = handlers.request_handler(
            response_model=instructor.response_schema(Person), kwargs={"messages": [{"role": "user", "content": "x"}]}
        )
        assert prepared["messages"][-1]["role"] == "user"
        asked = handlers.reask_handler(kwargs={"messages": []}, response=None, exception=ValueError("$.age is wrong"))
        assert "$.age is wrong" in str(asked["messages"][-1]["content"])

    def test_anthropic_frames(self) -> None:
        """Anthropic's tools mode forces the one tool."""
        handlers = mode_registry.get_handlers(Provider.ANTHROPIC, Mode.TOOLS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _, prepared = handlers.request_handler(
                response_model=instructor.response_schema(Person), kwargs={"messages": []}
            )
        assert prepared["tool_choice"]["name"] == prepared["tools"][0]["name"] == "Person"


def _run_and_forget(main: Any) -> None:
    """Run *main* and let its threads end by themselves: a thread that waits for a drip cannot be stopped."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()

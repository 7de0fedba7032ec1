"""What we know of Instructor and build around. A new version that changes one of these fails here.

Each test is an observation, run against the fake providers; the reasons they matter are in docs/architecture.md.
"""

from __future__ import annotations

import inspect
import logging
import time
from datetime import date
from typing import Any

import anthropic
import instructor
import openai
import pytest
from instructor.core import IncompleteOutputException, InstructorRetryException
from instructor.v2 import mode_registry
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider
from pydantic import BaseModel, ConfigDict

from tests.contracts.questions import Person, asking, asking_anthropic, bodies
from tests.heard import heard
from tests.wire.server import WireServer


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

    def test_the_default_is_four_calls(self, openai_client: instructor.Instructor, wire: WireServer) -> None:
        """Who says nothing about retries pays for up to four calls."""
        before = len(wire.ledger.calls())
        with pytest.raises(InstructorRetryException):
            openai_client.create(**asking("never-valid"))
        assert len(wire.ledger.calls()) - before == 4

    def test_failed_attempts_hold_running_totals(self, openai_client: instructor.Instructor, wire: WireServer) -> None:
        """Each failed attempt's usage is the total up to it: their sum is far above what was billed."""
        with pytest.raises(InstructorRetryException) as caught:
            openai_client.create(**asking("never-valid", max_retries=2))
        usages = [attempt.completion.usage.completion_tokens for attempt in caught.value.failed_attempts]
        billed = [call.usage.output_tokens for call in wire.ledger.calls()[-3:]]
        assert caught.value.total_usage.completion_tokens == sum(billed)
        assert sum(usages) > sum(billed)

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

    def test_a_refusal_in_another_mode_is_asked_again(self, wire: WireServer) -> None:
        """In JSON_SCHEMA mode a refusal is taken for an invalid answer, and paid for again and again."""
        before = len(wire.ledger.calls())
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
            client = instructor.from_openai(sdk, mode=instructor.Mode.JSON_SCHEMA)
            with pytest.raises(InstructorRetryException):
                client.create(**asking("refused", max_retries=2))
        assert len(wire.ledger.calls()) - before == 3

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

    def test_the_logger_tells_values(self, openai_client: instructor.Instructor) -> None:
        """At ERROR, the logger ``instructor`` writes the invalid value itself, unless it is silenced as by us."""
        with heard("instructor", logging.ERROR) as records, pytest.raises(InstructorRetryException):
            openai_client.create(**asking("never-valid", max_retries=0))
        assert "input_value=" in "".join(one.getMessage() for one in records)

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

    def test_a_truncated_stream_ends_in_silence(self, openai_client: instructor.Instructor) -> None:
        """Half an object is given for a whole one, and nobody is told."""
        for scenario in ("truncated", "short-stream"):
            *_, last = openai_client.create_partial(**asking(scenario, max_retries=0))
            assert not last.tags

    def test_a_refused_stream_says_nothing(self, openai_client: instructor.Instructor) -> None:
        """A refusal is a stream without objects and without an error."""
        assert list(openai_client.create_partial(**asking("refused", max_retries=0))) == []

    def test_partials_cannot_hold_a_date(self, openai_client: instructor.Instructor) -> None:
        """A model with a date can be created and cannot be streamed."""

        class Dated(BaseModel):
            """Something with a date."""

            on: date

        asked = asking("ok", max_retries=0) | {"response_model": Dated}
        assert openai_client.create(**asked).on == date(2026, 3, 14)
        with pytest.raises(InstructorRetryException, match="valid date"):
            list(openai_client.create_partial(**asked))


class TestResponses:
    """The Responses API through Instructor."""

    def test_a_success_after_a_reask_tells_the_last_usage_only(self, wire: WireServer) -> None:
        """Where chat gives the total, Responses give the last call's: no one rule fits both."""
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
            client = instructor.from_openai(sdk, mode=instructor.Mode.RESPONSES_TOOLS)
            _, raw = client.create_with_completion(**asking("invalid-once", max_retries=1))
        assert raw.usage.output_tokens == wire.ledger.calls()[-1].usage.output_tokens

    def test_truncation_goes_unnoticed(self, wire: WireServer) -> None:
        """A truncated answer is taken for an invalid one and asked again."""
        before = len(wire.ledger.calls())
        with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
            client = instructor.from_openai(sdk, mode=instructor.Mode.RESPONSES_TOOLS)
            with pytest.raises(InstructorRetryException) as caught:
                client.create(**asking("truncated", max_retries=1))
        assert len(wire.ledger.calls()) - before == 2
        assert caught.value.total_usage.total_tokens == 0, "and the total usage of a failure is zero"

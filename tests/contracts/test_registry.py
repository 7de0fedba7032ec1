"""What we take from Instructor, and that we take nothing else."""

from __future__ import annotations

import ast
import inspect
import logging
import re
import warnings

import instructor
import pytest
from instructor.v2 import mode_registry
from instructor.v2.core.json import extract_json_from_codeblock
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider

from core.providers._dialect import frame, in_instructor
from core.response_models import response_model
from core.settings import ROOT
from tests.contracts.questions import Person


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

    @pytest.mark.parametrize(
        ("vendor", "mode"),
        [
            *((Provider.OPENAI, mode) for mode in (Mode.TOOLS, Mode.JSON_SCHEMA, Mode.JSON, Mode.MD_JSON)),
            (Provider.OPENAI, Mode.RESPONSES_TOOLS),
            (Provider.ANTHROPIC, Mode.TOOLS),
            (Provider.ANTHROPIC, Mode.JSON),
        ],
    )
    def test_handlers_take_what_we_give(self, vendor: Provider, mode: Mode) -> None:
        """Each mode that we use has a handler with the parameters that we name."""
        handlers = mode_registry.get_handlers(vendor, mode)
        assert list(inspect.signature(handlers.request_handler).parameters) == ["response_model", "kwargs"]
        assert list(inspect.signature(handlers.reask_handler).parameters) == ["kwargs", "response", "exception"]

    def test_anthropic_has_no_mode_md_json(self) -> None:
        """The mode that OpenAI's dialect has for weak servers is missing there: ours is JSON then."""
        with pytest.raises(KeyError):
            mode_registry.get_handlers(Provider.ANTHROPIC, Mode.MD_JSON)

    def test_json_is_found_in_prose(self) -> None:
        """The extractor that we use reads code blocks and braces in prose, and says so where there is nothing."""
        assert extract_json_from_codeblock('Here:\n```json\n{"a": 1}\n```\nDone.') == '{"a": 1}'
        assert extract_json_from_codeblock('It is {"a": {"b": 1}}, I think.') == '{"a": {"b": 1}}'


class TestOurs:
    """That none of this is in our own corridor; tests of the corridor show the rest."""

    def test_the_control_loop_is_not_used(self) -> None:
        """No module of ours makes an Instructor client, or a partial, or gives it a context."""
        for path in ROOT.glob("core/**/*.py"):
            tree = ast.parse(path.read_text())
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert not names & {
                "from_openai",
                "from_anthropic",
                "from_provider",
                "create_partial",
                "create_with_completion",
                "handle_templating",
                "response_parser",
            }, path.name

    def test_a_model_is_wrapped_once_and_a_frame_made_once(self) -> None:
        """However often a schema is asked for, Instructor sees one class and prepares one request."""
        model = response_model(Person.model_json_schema(), "person")
        assert in_instructor(model) is in_instructor(model)
        assert frame(Provider.OPENAI, Mode.TOOLS, model) is frame(Provider.OPENAI, Mode.TOOLS, model)

    @pytest.mark.parametrize("title", ["My Invoice!", "Page[int]", "Überweisung", "a" * 99, "  ", "日本"])
    def test_names_are_such_as_both_vendors_take(self, title: str) -> None:
        """Whatever a schema is called, its tool's name is plain, and the choice names the same tool."""
        model = response_model({"title": title, "type": "object", "properties": {"a": {"type": "string"}}}, title)
        chat = frame(Provider.OPENAI, Mode.TOOLS, model)
        messages = frame(Provider.ANTHROPIC, Mode.TOOLS, model)
        names = {
            chat["tools"][0]["function"]["name"],
            chat["tool_choice"]["function"]["name"],
            messages["tools"][0]["name"],
            messages["tool_choice"]["name"],
        }
        assert len(names) == 1
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", names.pop())

    def test_the_logger_is_silent(self) -> None:
        """Instructor's logger, which would tell values, is not heard."""
        assert not logging.getLogger("instructor.v2.retry").isEnabledFor(logging.ERROR)

"""Of all the texts in which the object of an answer may stand, the first valid one counts; all cost one effort."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from core.field_problems import field_errors
from core.object_texts import MOST_TEXTS, is_finished, json_texts
from core.providers import Answer, Unjudged
from core.providers.reading.verdict import read_as
from core.response_models import ResponseModel, response_model
from core.schema_forms import form_for
from core.validation import Effort

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
MODEL = response_model(SCHEMA, "counted")
FORM = form_for(MODEL.model_json_schema(), "compatible", "tools")
WRONG = "\n".join(json.dumps({"n": f"x{n}"}) for n in range(40))
"""More objects than are read, none of them valid."""


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were held against the schema."""
    texts: list[str] = []
    judge = ResponseModel.model_validate_json.__func__

    def noted(cls: type[ResponseModel], text: str, **options: Any) -> ResponseModel:
        texts.append(text)
        return judge(cls, text, **options)

    monkeypatch.setattr(ResponseModel, "model_validate_json", classmethod(noted))
    return texts


def test_all_texts_cost_one_effort(judged: list[str]) -> None:
    """Where it is spent, no further text is read, and the first object's problem is told."""
    for steps, most in ((0, 2), (12, 8), (10_000, MOST_TEXTS)):
        judged.clear()
        with pytest.raises(ValidationError) as caught:
            read_as(FORM, MODEL, Answer(text=WRONG), Effort(steps, spent=count().__next__))
        assert 1 <= len(judged) <= most
        if steps:
            assert field_errors(caught.value)[0].path == "$.n"
    assert len(judged) == MOST_TEXTS


@pytest.mark.parametrize("text", ['{"n": 1}', '```json\n{"n": 1}\n```', 'So: {"n": 1}.'])
def test_what_came_is_judged_once_the_deadline_has_passed(text: str) -> None:
    """The likeliest text gets its verdict, however late; a valid answer that came in time is not lost."""
    answer = Answer(text=text) if text[0] == "{" else Answer(text='{"n": 1}', others=(text,))
    read: Any = read_as(FORM, MODEL, answer, Effort(is_late=lambda: True))
    assert read.value == {"n": 1}


@pytest.mark.parametrize("text", ['{"n": "x"}', WRONG, "[1] [2]"])
def test_the_deadline_ends_the_search(text: str, judged: list[str]) -> None:
    """Behind the deadline nobody looks for another object, or for what is wrong with this one."""
    with pytest.raises(Unjudged):
        read_as(FORM, MODEL, Answer(text=text), Effort(is_late=lambda: True))
    assert len(judged) == 1


def test_what_was_found_in_time_is_told() -> None:
    """What is known to be wrong stays known, though the deadline passes right after."""
    with pytest.raises(ValidationError):
        read_as(FORM, MODEL, Answer(text="No."), Effort(is_late=lambda: True))


@pytest.mark.parametrize(
    "text",
    [
        "```" + "a" * 1_000_000,
        "```" + " " * 1_000_000,
        "```json\n" + "`` " * 300_000,
        "<think>" * 150_000,
        "<think>" + "</thin" * 150_000,
        "]{" * 500_000,
        "}[" * 500_000,
        '"{' * 500_000,
        "\\" * 1_000_000,
        "{}" * 500_000,
    ],
    ids=lambda text: text[:8],
)
def test_a_text_is_searched_in_one_pass(text: str) -> None:
    """A megabyte of what looks like the beginning of something is read to its end."""
    assert 1 <= len(list(json_texts(text))) <= MOST_TEXTS
    assert is_finished(text) in (True, False)

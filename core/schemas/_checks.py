"""Whether an answer that somebody has at hand satisfies a schema; nobody is asked, and nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.json_texts import json_in
from core.response_models import FieldProblem, ResponseModel, field_errors


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """An answer that was held against a schema."""

    value: Any
    """What its JSON says."""
    problems: Sequence[FieldProblem]
    """What is wrong with it; nothing where it is valid."""


def checked(model: type[ResponseModel], text: str) -> CheckedAnswer:
    """Return the JSON *text*, held against *model* as its answer.

    Raises:
        Invalid: it is no JSON, and where, by line and column; or it is too long.

    """
    value = json_in(text, "The answer")
    try:
        model.model_validate(value)
    except ValidationError as error:
        return CheckedAnswer(value, field_errors(error))
    return CheckedAnswer(value, ())

"""Whether an answer that somebody has at hand satisfies a schema; nobody is asked, and nothing is kept."""

from __future__ import annotations

from pydantic import ValidationError

from core.json_texts import json_in
from core.response_models import FieldProblem, ResponseModel, field_errors


def checked(model: type[ResponseModel], text: str) -> list[FieldProblem]:
    """Return what is wrong with the JSON *text* as an answer to *model*; nothing where it is valid.

    Raises:
        Invalid: it is no JSON, and where, by line and column; or it is too long.

    """
    value = json_in(text, "The answer")
    try:
        model.model_validate(value)
    except ValidationError as error:
        return list(field_errors(error))
    return []

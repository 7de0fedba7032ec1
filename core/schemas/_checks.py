"""Whether an answer that somebody has at hand satisfies a schema; nobody is asked, and nothing is kept."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from core.errors import Invalid
from core.response_models import FieldProblem, ResponseModel, field_errors

MOST_CHARACTERS = 1_000_000
"""The longest answer that is checked."""


def checked(model: type[ResponseModel], text: str) -> list[FieldProblem]:
    """Return what is wrong with the JSON *text* as an answer to *model*; nothing where it is valid.

    Raises:
        Invalid: it is no JSON, and where, by line and column; or it is too long.

    """
    if len(text) > MOST_CHARACTERS:
        raise Invalid(f"The answer is longer than {MOST_CHARACTERS:,} characters; check a part of it.")
    if not text.strip():
        raise Invalid("There is no answer yet; paste one, as JSON.")
    try:
        value: Any = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise Invalid(f"Line {error.lineno}, column {error.colno}: {_plainly(error.msg)}.") from None
    except RecursionError:
        raise Invalid("The answer nests too deep to be read.") from None
    except ValueError as error:  # Python refuses numbers of thousands of digits
        named = str(error)
        raise Invalid(named if named.startswith("JSON has no") else "A number has too many digits.") from None
    try:
        model.model_validate(value)
    except ValidationError as error:
        return list(field_errors(error))
    return []


def _refuse(word: str) -> Any:
    raise ValueError(f"JSON has no {word}; write a number or null.")


def _plainly(message: str) -> str:
    return message[:1].lower() + message[1:]

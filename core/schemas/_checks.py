"""Whether an answer that somebody has at hand satisfies a schema; nobody is asked, and nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.errors import Invalid
from core.json_texts import json_in
from core.response_models import FieldProblem, ResponseModel, field_errors
from core.validation import Effort
from core.workers import TenantWorkers, Unjudged, validated


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """An answer that was held against a schema."""

    value: Any
    """What its JSON says."""
    problems: Sequence[FieldProblem]
    """What is wrong with it; nothing where it is valid."""


_UNJUDGED = "The answer was not judged: no worker was free to read it, or the one that did ended. Check a smaller one."


def checked(model: type[ResponseModel], text: str, workers: TenantWorkers | None = None) -> CheckedAnswer:
    """Return the JSON *text*, held against *model* as its answer; *workers* read what is long or heavy.

    Raises:
        Invalid: it is no JSON, and where, by line and column; or it is too long, or no worker could judge it.

    """
    value = (workers.json_in if workers else json_in)(text, "The answer")
    try:
        validated(model, text.removeprefix("\ufeff"), Effort(workers=workers))
    except UnicodeEncodeError:  # half of a pair of surrogates, which no answer has
        return CheckedAnswer(value, (FieldProblem("$", "json_invalid", "Invalid JSON: lone surrogate"),))
    except Unjudged:
        raise Invalid(_UNJUDGED) from None
    except ValidationError as error:
        return CheckedAnswer(value, field_errors(error))
    return CheckedAnswer(value, ())

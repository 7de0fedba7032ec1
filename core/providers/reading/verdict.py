"""Which of the texts of an answer is the object that was asked for: the first that is valid, for a bounded effort."""

from __future__ import annotations

from contextlib import suppress

from pydantic import BaseModel, ValidationError

from core.providers import Answer, Unjudged
from core.providers.reading.objects import json_texts
from core.schema_forms import SchemaForm
from core.validation import Effort


def read_as(
    form: SchemaForm, response_model: type[BaseModel], answer: Answer, effort: Effort | None = None
) -> BaseModel:
    """Return the first valid object in the texts of an *answer* to *form*; all of them are paid from one *effort*.

    The likeliest text gets its verdict in any case: what that can cost is known before.

    Raises:
        ValidationError: there is none. It tells of the first text that is JSON, or of the first.
        Unjudged: the deadline passed while it was looked for.

    """
    effort = effort or Effort()
    errors: list[ValidationError] = []
    for text in (text for written in (answer.text, *answer.others) for text in json_texts(written)):
        if errors and effort.is_spent:
            break
        try:
            return _valid(form, response_model, text, effort)
        except ValidationError as error:
            errors.append(error)
    if effort.was_late:
        raise Unjudged
    raise next((error for error in errors if not _is_no_json(error)), errors[0])


def _is_no_json(error: ValidationError) -> bool:
    return error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid"


def _valid(form: SchemaForm, response_model: type[BaseModel], text: str, effort: Effort) -> BaseModel:
    """Return *text* as a valid object, as the form leads back to the author's schema, or else as it was written."""
    restored = form.restored(text)
    try:
        return response_model.model_validate_json(restored, context=effort)
    except ValidationError:
        if restored is not text:
            with suppress(ValidationError):
                return response_model.model_validate_json(text, context=effort)
        raise

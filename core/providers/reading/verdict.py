"""Which of the texts of an answer is the object that was asked for: the first that is valid, for a bounded effort."""

from __future__ import annotations

from pydantic import BaseModel

from core.providers import Answer
from core.schema_forms import SchemaForm
from core.validation import Effort
from core.workers import Written, first_valid


def read_as(
    form: SchemaForm, response_model: type[BaseModel], answer: Answer, effort: Effort | None = None
) -> BaseModel:
    """Return the first valid object in the texts of an *answer* to *form*; all of them are paid from one *effort*.

    Raises:
        ValidationError: there is none. It tells of the first text that is JSON, or of the first.
        Unjudged: the deadline passed while it was looked for, or the worker that read it was lost.

    """
    written = Written((answer.text, *answer.others), answer.blocks, is_cut=answer.is_cut)
    return first_valid(response_model, written, effort or Effort(), form)

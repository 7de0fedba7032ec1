"""Every kind of answer that multiplies is read to an end, with the verdict that is right: ``make bench`` measures them.

Hypothesis' own schemas are in ``test_violations.py``; these grow to a size at which a search without an end is noticed.
"""

from __future__ import annotations

import pydantic
import pytest
from jsonschema_rs import Draft202012Validator
from pydantic_core import from_json

from core.errors import Invalid
from core.field_problems import MOST_PROBLEMS, field_errors
from core.response_models import ResponseModel, response_model
from core.validation._formats import FORMATS
from core.validation._patterns import OPTIONS
from tests.core.validation.multiplying import KINDS, Kind, random_kinds

SHORT, LONG = 1_500, 60_000
_UNDECIDED = ("json_invalid", "int_parsing_size", "finite_number")


def read(model: type[ResponseModel], text: str) -> list[tuple[str, str]]:
    """Return what is told of the answer *text*; nothing if it is valid."""
    try:
        model.model_validate_json(text)
    except pydantic.ValidationError as error:
        found = [(each.type, each.message) for each in field_errors(error)]
        assert 0 < len(found) <= MOST_PROBLEMS
        assert all(len(message) < 600 for _, message in found)
        return found
    return []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_ends(kind: Kind) -> None:
    """A short answer gets the library's verdict, a long one ends."""
    model = response_model(kind.schema, "kind")
    short = kind.answer(SHORT)
    found = read(model, short)
    if not found or found[0][0] not in _UNDECIDED:
        library = Draft202012Validator(
            dict(model.form.wire), validate_formats=True, formats=dict(FORMATS), pattern_options=OPTIONS
        )
        assert library.is_valid(from_json(short)) == (not found) or "too l" in found[0][1]
    read(model, kind.answer(LONG))


def test_schemas_made_by_chance() -> None:
    """So it is with a hundred recursive schemas that chance made."""
    verdicts: list[bool] = []
    for kind in random_kinds(100):
        try:
            model = response_model(kind.schema, "chance")
        except Invalid:
            continue
        text = kind.answer(4_000)
        library = Draft202012Validator(dict(model.form.wire))
        verdicts.append(not read(model, text))
        assert verdicts[-1] == library.is_valid(from_json(text))
    assert len(verdicts) > 50

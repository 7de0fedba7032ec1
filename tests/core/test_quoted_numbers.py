"""Numbers that a model quotes: where a schema takes a number as text as well, nobody is asked again."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from pydantic import Field, TypeAdapter, ValidationError

from core.pydantic_source import PydanticSource, json_schema_from_source
from core.response_models import response_model
from core.schema_forms import MODES, VENDORS, form_for

_PATTERN = r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"
"""What pydantic writes for a Decimal, where it is asked for a pattern."""
_TEXT = {"type": "string", "pattern": _PATTERN}
KIN: dict[str, dict[str, Any]] = {
    "a Decimal": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    "with a pattern": {"anyOf": [{"type": "number"}, _TEXT]},
    "text first": {"anyOf": [_TEXT, {"type": "number"}]},
    "bounded": {"anyOf": [{"type": "number", "minimum": 0, "multipleOf": 0.01}, _TEXT]},
    "optional": {"anyOf": [{"type": "number"}, _TEXT, {"type": "null"}], "default": None},
    "one of both": {"oneOf": [{"type": "number"}, _TEXT]},
    "a list of types": {"type": ["number", "string", "null"], "minimum": 0, "pattern": _PATTERN},
    "with a format": {"type": ["number", "string"], "format": "decimal"},
    "referred to": {"$ref": "#/$defs/Money", "description": "in euros"},
    "all of it": {"allOf": [{"$ref": "#/$defs/Money"}], "title": "Amount"},
}
MONEY = {"anyOf": [{"type": "number"}, _TEXT]}


def _schema(amount: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "Line",
        "type": "object",
        "properties": {"amount": amount},
        "required": ["amount"],
        "$defs": {"Money": MONEY},
    }


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kin", KIN)
def test_is_valid_at_once(kin: str, mode: str, vendor: str) -> None:
    """A number and one in quotes satisfy what each vendor is sent, and come back as they were said."""
    model = response_model(_schema(KIN[kin]), "Line")
    form = form_for(model.form.wire, vendor, mode)
    for said in ("12.50", 12.5, "0"):
        answer = {"amount": said}
        assert Draft202012Validator(dict(form.body)).is_valid(answer)
        assert model.model_validate(form.meant(answer)).value == answer
    with pytest.raises(ValidationError):
        model.model_validate_json(orjson.dumps({"amount": True}))


@given(
    text=st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,4}0*([eE][+-]?[0-9]{1,2})?", fullmatch=True) | st.text(".-+e01 ,$N"),
    places=st.none() | st.integers(0, 4),
    floor=st.sampled_from([None, 0]),
)
@example("12.50", 2, 0)
@example("-12.50", None, None)
@example("1,000.50", 2, None)
@example("12.505", 2, None)
@example("1e3", None, 0)
@example("twelve", None, None)
def test_a_decimal_of_a_source(text: str, places: int | None, floor: int | None) -> None:
    """What is taken of a Decimal in quotes pydantic takes as well; all that it takes is, but for some exponents."""
    told = {"decimal_places": places, "ge": floor}
    arguments = ", ".join(f"{name}={value}" for name, value in told.items() if value is not None)
    schema = json_schema_from_source(f"class M(BaseModel):\n    a: Decimal = Field({arguments})\n")
    kind: Any = Annotated[Decimal, Field(decimal_places=places, ge=floor)]
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        is_taken = False
    else:
        is_taken = True
    is_valid = Draft202012Validator(schema).is_valid({"a": text})
    assert is_taken or not is_valid
    if not set(text) & set("eE ") and not text.startswith("-"):
        assert is_valid == is_taken


def test_bounds_that_no_text_can_be_held_to() -> None:
    """A bound that is not checked of a number in quotes is told as left out, wherever it stands."""
    found = PydanticSource("""
class M(BaseModel):
    a: Annotated[Decimal, Field(ge=0)] = Field(le=9)
    b: Optional[condecimal(gt=0, multiple_of=5)] = None
    c: list[Annotated[Fraction, Gt(0)]] = []
    d: Decimal = Field(1, ge=0, multiple_of=0.01)
""").read()
    assert [each.name for each in found.left_out] == [
        "M.a: le of a number in quotes",
        "M.b: gt of a number in quotes",
        "M.b: multiple_of of a number in quotes",
        "M.c: gt of a number in quotes",
    ]
    is_valid = Draft202012Validator(found.schema).is_valid
    taken = ({"a": "9.5", "b": "5", "c": ["1/3", "0.5", 2]}, {"a": 9, "b": 5}, {"a": "1", "d": "0.25"})
    assert all(map(is_valid, taken))
    refused = ({"a": 10}, {"a": "-1"}, {"a": "1", "c": ["1/0"]}, {"a": "1", "c": ["half"]}, {"a": "1", "d": "0.255"})
    assert not any(map(is_valid, refused))

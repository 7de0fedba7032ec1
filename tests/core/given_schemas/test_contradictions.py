"""What no value satisfies is said, as far as a part of a schema shows it alone; a pattern that is none has its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from core.errors import Invalid
from core.given_schemas import noted, read, read_text
from core.pydantic_source import json_schema_from_source
from tests.core.schema_forms.examples import bodies, value_of
from tests.examples import many


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            {"type": "integer", "minimum": 5, "maximum": 3},
            "leaves nothing that is valid here: it is 5, more than",
        ),
        ({"type": "string", "minLength": 9, "maxLength": 2}, "minLength leaves nothing"),
        ({"type": "array", "minItems": 2, "maxItems": 1}, "minItems leaves nothing"),
        ({"type": "string", "enum": [1, 2]}, "none of it satisfies 'type'"),
        ({"const": "x", "enum": ["y"]}, "const leaves nothing that is valid here: it is none of 'enum'"),
        ({"enum": ["a", "bc"], "minLength": 3}, "none of it satisfies 'minLength'"),
        ({"const": 7, "maximum": 3}, "none of it satisfies 'maximum'"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "'a' must be there and may not"),
        ({"type": "object", "required": ["a"], "properties": {"a": False}}, "'a' must be there and may not"),
    ],
)
def test_what_rules_all_out_is_said(part: dict[str, Any], told: str) -> None:
    """By keyword and place; the schema is taken all the same, since the part may be one that nobody needs."""
    (note,) = noted({"type": "object", "properties": {"p": part}})
    assert note.path.startswith("$.properties.p")
    assert told in note.sentence


@pytest.mark.parametrize(
    "part",
    [
        {"type": ["string", "null"], "minLength": 9, "maxLength": 2},
        {"minLength": 9, "maxLength": 2},
        {"type": "string", "enum": ["a", 1]},
        {"type": "string", "enum": ["a"], "nullable": True},
        {"type": "object", "required": ["a"]},
        {"type": "object", "required": ["a"], "additionalProperties": False, "patternProperties": {"a": {}}},
        {"type": "integer", "minimum": 3, "maximum": 3},
    ],
)
def test_what_leaves_something_is_not(part: dict[str, Any]) -> None:
    """Where any value is left, as one of another type, nothing is said."""
    assert noted({"type": "object", "properties": {"p": part}}) == ()


@settings(max_examples=many(200), deadline=None)
@given(schema=bodies(tame=False), data=st.data())
def test_nothing_valid_is_called_impossible(schema: dict[str, Any], data: st.DataObject) -> None:
    """Of generated schemas whose root is said to be impossible, no generated value is valid."""
    impossible = [note for note in noted(schema) if note.kind == "impossible"]
    notes = [note for note in impossible if note.path.count(".") == 1 and "[" not in note.path]
    value = value_of(data.draw, schema, schema)
    assert not (notes and Draft202012Validator(schema).is_valid(value))


def test_of_a_source_too() -> None:
    """Bounds that cross in Pydantic source are said like those of a schema."""
    source = "from pydantic import BaseModel, Field\nclass A(BaseModel):\n    n: int = Field(ge=5, le=3)\n"
    (note,) = noted(json_schema_from_source(source))
    assert note.sentence.startswith("$.properties.n.minimum leaves nothing")


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ({"pattern": "(ab"}, 5),
        ({"patternProperties": {"[a": {}}}, 6),
        ({"anyOf": [{"type": "string"}, {"type": "string", "pattern": "*"}]}, 11),
    ],
)
def test_a_pattern_that_is_none_has_its_line(part: dict[str, Any], line: int) -> None:
    """Where a schema is pasted, the sentence names the line; a pattern among data is no pattern."""
    schema = {"type": "object", "properties": {"p": part}, "examples": [{"pattern": "("}]}
    with pytest.raises(Invalid) as caught:
        read_text(json.dumps(schema, indent=1), "The schema")
    assert caught.value.message.startswith(f"Line {line}: the schema's $.properties.p")
    assert caught.value.message.endswith("is not a regular expression that can be used; correct it.")
    read_text(json.dumps({**schema, "properties": {}}), "The schema")
    assert read(schema).schema

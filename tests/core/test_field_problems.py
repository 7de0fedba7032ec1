"""What is wrong with an answer: the place, pydantic's name for it, what was expected, and never the value."""

from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.field_problems import MOST_PROBLEMS, FieldProblem, field_errors
from core.response_models import response_model
from tests.examples import many

CANARY = "canary-7f3a"


def problems(schema: dict[str, Any], answer: Any) -> list[FieldProblem]:
    """Return what is told of *answer*."""
    with pytest.raises(pydantic.ValidationError) as caught:
        response_model(schema, "answer").model_validate(answer)
    return field_errors(caught.value)


def field(schema: dict[str, Any], value: Any) -> tuple[str, str, str]:
    """Return the only problem of *value* in the field ``f``."""
    (problem,) = problems({"type": "object", "properties": {"f": schema}}, {"f": value})
    return problem.path, problem.type, problem.message


@pytest.mark.parametrize(
    ("schema", "value", "kind", "message"),
    [
        ({"type": "string"}, 5, "string_type", "Input should be a valid string"),
        ({"type": "integer"}, "5", "int_type", "Input should be a valid integer"),
        ({"type": "integer"}, 5.5, "int_type", "Input should be a valid integer"),
        ({"type": "number"}, "5", "float_type", "Input should be a valid number"),
        ({"type": "boolean"}, 1, "bool_type", "Input should be a valid boolean"),
        ({"type": "array"}, {}, "list_type", "Input should be a valid list"),
        ({"type": "object"}, [], "dict_type", "Input should be a valid object"),
        ({"type": "null"}, 0, "none_required", "Input should be null"),
        ({"type": ["null", "integer"]}, "x", "int_type", "Input should be a valid integer or null"),
        (
            {"type": ["boolean", "string", "integer"]},
            [],
            "string_type",
            "Input should be a valid string, a valid integer or a valid boolean",
        ),
        ({"const": "invoice"}, "x", "literal_error", "Input should be 'invoice'"),
        ({"enum": ["low", "high", 3, None]}, "x", "enum", "Input should be 'low', 'high', 3 or null"),
        ({"type": "string", "enum": ["a", "b"]}, 5, "enum", "Input should be 'a' or 'b'"),
        ({"minimum": 3}, 2, "greater_than_equal", "Input should be greater than or equal to 3"),
        ({"exclusiveMinimum": 3}, 3, "greater_than", "Input should be greater than 3"),
        ({"maximum": 1.5}, 2, "less_than_equal", "Input should be less than or equal to 1.5"),
        ({"exclusiveMaximum": 3}, 3, "less_than", "Input should be less than 3"),
        ({"multipleOf": 0.01}, 1.005, "multiple_of", "Input should be a multiple of 0.01"),
        ({"minLength": 3}, "ab", "string_too_short", "String should have at least 3 characters"),
        ({"maxLength": 3}, "abcd", "string_too_long", "String should have at most 3 characters"),
        ({"pattern": "^[A-Z]{3}$"}, "eur", "string_pattern_mismatch", "String should match pattern '^[A-Z]{3}$'"),
        ({"minItems": 2}, [1], "too_short", "List should have at least 2 items"),
        ({"maxItems": 1}, [1, 2], "too_long", "List should have at most 1 item"),
        ({"uniqueItems": True}, [1, 1], "value_error", "List items should all be different"),
        ({"minProperties": 1}, {}, "too_short", "Object should have at least 1 field"),
        ({"maxProperties": 0}, {"a": 1}, "too_long", "Object should have at most 0 fields"),
        ({"format": "date"}, "3 Nov", "date_parsing", "Input should be a date such as 2026-01-31"),
        ({"format": "uuid"}, "x", "uuid_parsing", "Input should be a UUID"),
        ({"format": "email"}, "x", "value_error", "Input should be an e-mail address such as ann@example.com"),
        ({"format": "hostname"}, "not a host", "value_error", "Input should be a valid hostname"),
        ({"not": {"type": "string"}}, "x", "value_error", "Input should not be what the schema's 'not' forbids"),
        (False, 1, "extra_forbidden", "Nothing is allowed here; leave it out"),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
            3,
            "value_error",
            "Input should match exactly one alternative of the schema, but matches several",
        ),
        (
            {"contains": {"const": 1}},
            [2],
            "value_error",
            "List should contain the items that the schema's 'contains' asks for",
        ),
        (
            {"prefixItems": [{}], "unevaluatedItems": False},
            [1, 2],
            "too_long",
            "List has items that the schema does not allow",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_kinds(schema: dict[str, Any], value: Any, kind: str, message: str) -> None:
    """Each rule is told by pydantic's name and by what was expected."""
    assert field(schema, value) == ("$.f", kind, message)


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({}, ""),
        ({"type": "integer"}, ": a valid integer"),
        ({"type": ["string", "null"]}, ": a valid string or null"),
        ({"enum": ["a", "b"]}, ": 'a' or 'b'"),
        ({"const": 3}, ": 3"),
        ({"type": "string", "format": "date"}, ": a date such as 2026-01-31"),
        ({"$ref": "#/$defs/money"}, ": a valid number"),
        ({"anyOf": [{"$ref": "#/$defs/money"}, {"type": "null"}]}, ": a valid number or null"),
    ],
    ids=str,
)
def test_missing_field_says_what_belongs_there(schema: dict[str, Any], wanted: str) -> None:
    """A missing field is placed where it is missing, and its kind is told."""
    row = {"type": "object", "properties": {"amount": schema}, "required": ["amount"]}
    whole = {
        "type": "object",
        "properties": {"lines": {"type": "array", "items": row}},
        "$defs": {"money": {"type": "number"}},
    }
    assert problems(whole, {"lines": [{"amount": None}, {}] if not wanted else [{}]})[-1] == FieldProblem(
        "$.lines[1].amount" if not wanted else "$.lines[0].amount", "missing", f"Field required{wanted}"
    )


def test_dependent_field_is_missing_too() -> None:
    """A field that another one requires is told as missing."""
    schema = {"type": "object", "dependentRequired": {"iban": ["bic"]}, "properties": {"bic": {"type": "string"}}}
    assert problems(schema, {"iban": "x"}) == [FieldProblem("$.bic", "missing", "Field required: a valid string")]


def test_extra_fields_are_named_with_what_is_allowed() -> None:
    """Each field that does not belong is told by its name, together with those that do."""
    schema = {"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": False}
    allowed = "Field not allowed; allowed are: a, b"
    assert problems(schema, {"a": 1, "total": 2, "tax": 3}) == [
        FieldProblem("$.total", "extra_forbidden", allowed),
        FieldProblem("$.tax", "extra_forbidden", allowed),
    ]


def test_name_of_a_field_is_wrong() -> None:
    """A field whose name breaks a rule is told as a wrong key."""
    schema = {"type": "object", "propertyNames": {"maxLength": 3}}
    assert problems(schema, {"price": 1}) == [
        FieldProblem("$.price", "invalid_key", "Name of the field: String should have at most 3 characters")
    ]


PAYMENT = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "card"}, "number": {"type": "string", "pattern": "^[0-9]{16}$"}},
            "required": ["kind", "number"],
        },
        {
            "type": "object",
            "properties": {"kind": {"const": "bank"}, "iban": {"type": "string"}, "bic": {"type": "string"}},
            "required": ["kind", "iban", "bic"],
        },
    ]
}


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        (PAYMENT, {"kind": "bank", "iban": 5}, [("$.f.bic", "missing"), ("$.f.iban", "string_type")]),
        (PAYMENT, {"kind": "card", "number": "1"}, [("$.f.number", "string_pattern_mismatch")]),
        (PAYMENT, {"kind": "cash"}, [("$.f.kind", "literal_error")]),
        (PAYMENT, {}, [("$.f.kind", "missing")]),
        (PAYMENT, "card", [("$.f", "dict_type")]),
        (
            {"anyOf": [PAYMENT, {"type": "null"}]},
            {"kind": "card", "number": "1"},
            [("$.f.number", "string_pattern_mismatch")],
        ),
        ({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "null"}]}, "abc", [("$.f", "string_too_long")]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 5, [("$.f", "string_type")]),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "soon", [("$.f", "date_parsing")]),
        ({"anyOf": [{"enum": ["a"]}, {"type": "null"}]}, "b", [("$.f", "enum")]),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "integer"}]}, [], [("$.f", "enum")]),
        (
            {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "integer"}}]},
            [1, "x"],
            [("$.f[1]", "int_type")],
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_nearest_alternative(schema: dict[str, Any], value: Any, told: list[tuple[str, str]]) -> None:
    """Of several alternatives, the one that the answer came nearest to is told."""
    found = problems({"type": "object", "properties": {"f": schema}}, {"f": value})
    assert sorted((problem.path, problem.type) for problem in found) == told


def test_no_alternative_was_meant() -> None:
    """Where no alternative was meant, all of them are told in one sentence."""
    wanted = {"anyOf": [{"const": "auto"}, {"anyOf": [{"type": "integer"}, {"type": "array"}]}, {"type": "null"}]}
    assert field(wanted, "fast")[2] == "Input should be 'auto', a valid integer, a valid list or null"
    assert field(PAYMENT, {"kind": "cash"})[2] == "Input should be 'card' or 'bank'"
    assert field(PAYMENT, {})[2] == "Field required: 'card' or 'bank'"


def test_many_problems_are_cut() -> None:
    """No more than thirty problems of one answer are told."""
    assert len(problems({"type": "array", "items": {"type": "integer"}}, ["x"] * 100)) == MOST_PROBLEMS
    wide = {"type": "object", "additionalProperties": False}
    assert len(problems(wide, {f"f{n}": 1 for n in range(100)})) == MOST_PROBLEMS


def test_long_choices_are_cut() -> None:
    """A list of a thousand choices is told in a few hundred characters."""
    (problem,) = problems({"enum": [f"choice-{n}" for n in range(1_000)]}, "x")
    assert len(problem.message) < 450


def test_names_from_the_answer_are_shown_only_if_they_look_like_names() -> None:
    """A key that the answer made up is told if it looks like a field's name, else left out; a declared one always."""
    schema = {
        "type": "object",
        "properties": {"Total (EUR)": {"type": "number"}},
        "additionalProperties": {"type": "integer"},
    }
    found = problems(schema, {"Total (EUR)": "x", "Ann Miller, ann@example.com": "x", "tax_rate": "x"})
    assert [problem.path for problem in found] == ['$["Total (EUR)"]', '$["…"]', "$.tax_rate"]


def test_problems_of_any_pydantic_model() -> None:
    """The errors of a hand-written model are told in the same form."""

    class Line(pydantic.BaseModel):
        amount: float

    class Invoice(pydantic.BaseModel):
        lines: list[Line]

    with pytest.raises(pydantic.ValidationError) as caught:
        Invoice.model_validate({"lines": [{"amount": 1}, {"amount": "x"}]})
    (problem,) = field_errors(caught.value)
    assert (problem.path, problem.type) == ("$.lines[1].amount", "float_parsing")


STRICT = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "minimum": 3},
        "b": {"enum": ["x", "y"]},
        "c": {"anyOf": [{"type": "string", "format": "date"}, {"$ref": "#/$defs/inner"}, {"type": "null"}]},
        "d": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]+$"}, "uniqueItems": True},
        "e": {"not": {"type": "string"}},
        "f": PAYMENT,
        "g": {"const": 1},
        "h": {"contains": {"type": "integer"}},
    },
    "required": ["a", "z"],
    "additionalProperties": False,
    "$defs": {"inner": {"type": "object", "properties": {"k": {"type": "string", "maxLength": 3}}, "required": ["k"]}},
}
_values = st.recursive(
    st.sampled_from([CANARY, f"{CANARY} {CANARY}", 5, -1.5, True, None, [CANARY], {"k": CANARY}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("kabz"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=many(300), deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefghz"), _values, min_size=1))
def test_no_value_is_ever_told(answer: dict[str, Any]) -> None:
    """Whatever the answer holds, no part of its error shows a value of it."""
    model = response_model(STRICT, "strict")
    with pytest.raises(pydantic.ValidationError) as caught:
        model.model_validate_json(json.dumps(answer))
    error = caught.value
    assert CANARY not in f"{error} {error!r} {error.errors()} {error.json()} {field_errors(error)}"


@settings(max_examples=many(100), deadline=None)
@given(_values)
def test_broken_json_is_not_told_either(value: Any) -> None:
    """The error of an answer that breaks off shows nothing of it."""
    text = json.dumps({"a": value, "last": CANARY})
    for end in range(1, len(text), 7):
        with pytest.raises(pydantic.ValidationError) as caught:
            response_model(STRICT, "strict").model_validate_json(text[:end])
        assert field_errors(caught.value)[0].type == "json_invalid"
        assert CANARY not in f"{caught.value} {caught.value.errors()}"


def test_pattern_that_takes_too_long() -> None:
    """A pattern that the validator gives up on is not told in the validator's own words."""
    model = response_model({"properties": {"f": {"type": "string", "pattern": r"^(a|a)*\1(?=b)$"}}}, "f")
    with pytest.raises(pydantic.ValidationError) as caught:
        model.model_validate_json(json.dumps({"f": "a" * 40 + "!"}))
    error = caught.value.errors()[0]
    assert error["type"] == "string_pattern_mismatch"
    assert error["msg"] == "String takes too long to check against the schema's pattern"


def test_no_nul_in_messages() -> None:
    """A NUL in a schema does not reach a message, which PostgreSQL would refuse to keep."""
    model = response_model({"properties": {"f": {"enum": ["a\0b", "c"]}}, "required": ["f"]}, "f")
    for answer in ("{}", '{"f": "x"}'):
        with pytest.raises(pydantic.ValidationError) as caught:
            model.model_validate_json(answer)
        assert all("\0" not in error["msg"] for error in caught.value.errors())

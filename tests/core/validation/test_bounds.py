"""No answer takes long to be read, whatever it holds and whatever the schema says; and what is wrong is still told."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pydantic
import pytest

from core.errors import Invalid
from core.field_problems import MOST_PROBLEMS, FieldProblem, field_errors
from core.json_schemas import compiled
from core.response_models import response_model
from core.validation import Effort, EffortSpent, Extent

TREE = {"$ref": "#/$defs/tree"}


def recursive(tree: Any) -> dict[str, Any]:
    """Return a schema whose field ``e`` is a *tree*, which may refer to itself."""
    return {"type": "object", "properties": {"e": TREE}, "required": ["e"], "$defs": {"tree": tree}}


AMPLE = 60.0
"""Seconds: where the claim is what is told and not what it costs, how fast the machine is just now changes nothing."""


def told(schema: dict[str, Any], answer: Any, effort: Effort | None = None) -> list[FieldProblem]:
    """Return what is told of *answer*, a value or a text, with *effort* to find it: enough, if none is given."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    with pytest.raises(pydantic.ValidationError) as caught:
        response_model(schema, "bounded").model_validate_json(text, context=effort or Effort(AMPLE))
    return field_errors(caught.value)


OPERATIONS = [
    {
        "type": "object",
        "properties": {"op": {"const": operation}, "left": TREE, "right": TREE},
        "required": ["op", "left", "right"],
    }
    for operation in ("add", "sub", "mul", "div")
]
EXPRESSION = {
    "anyOf": [*OPERATIONS, {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}]
}
UNTAGGED = {
    "oneOf": [
        {"type": "object", "properties": {"left": TREE, "right": TREE}, "minProperties": 2},
        {"type": "object", "properties": {"left": TREE}, "maxProperties": 1},
        {"type": "array", "items": TREE, "maxItems": 3},
        {"type": "array", "items": TREE, "contains": {"type": "null"}},
        {"type": "number"},
    ]
}


def leaning(depth: int, leaf: Any) -> Any:
    """Return an expression that leans to the left, with *leaf* at its end."""
    for _ in range(depth):
        leaf = {"op": "div", "left": leaf, "right": {"value": 1}}
    return {"e": leaf}


def full(depth: int, leaf: Any) -> Any:
    """Return an expression of two to the power of *depth* leaves, the last of which is *leaf*."""
    if depth == 0:
        return {"value": leaf}
    return {"op": "mul", "left": full(depth - 1, 1), "right": full(depth - 1, leaf)}


@pytest.mark.parametrize("depth", [1, 8, 30, 90, 190])
def test_one_wrong_leaf_far_down(depth: int) -> None:
    """One wrong leaf of a recursive union is one problem, however deep: that of the branch that was meant."""
    (problem,) = told(recursive(EXPRESSION), leaning(depth, {"value": "7"}))
    assert problem == FieldProblem(f"$.e{'.left' * depth}.value", "float_type", "Input should be a valid number")


def test_one_wrong_leaf_of_thousands() -> None:
    """So it is in a tree that is broad."""
    (problem,) = told(recursive(EXPRESSION), {"e": full(11, "7")})
    assert (problem.path, problem.type) == (f"$.e{'.right' * 11}.value", "float_type")


def test_unknown_tag_far_down() -> None:
    """A tag that no alternative has is told with those that there are, at any depth."""
    tagged = {"anyOf": [*OPERATIONS, {"type": "object", "properties": {"op": {"const": "is"}}, "required": ["op"]}]}
    value: Any = {"op": "pow", "left": {"op": "is"}, "right": {"op": "is"}}
    for _ in range(40):
        value = {"op": "div", "left": value, "right": {"op": "is"}}
    (problem,) = told(recursive(tagged), {"e": value})
    assert problem.path == f"$.e{'.left' * 40}.op"
    assert problem.message == "Input should be 'add', 'sub', 'mul', 'div' or 'is'"


@pytest.mark.parametrize("step", ["left", 0])
@pytest.mark.parametrize("depth", [3, 30, 120])
def test_alternatives_that_nothing_tells_apart(step: str | int, depth: int) -> None:
    """Where nothing tells which branch was meant, the way down is found all the same."""
    value: Any = "x"
    for _ in range(depth):
        value = {"left": value} if step == "left" else [value]
    path = f"$.e{('.left' if step == 'left' else '[0]') * depth}"
    assert (path, "dict_type") in [(problem.path, problem.type) for problem in told(recursive(UNTAGGED), {"e": value})]


def test_many_wrong_places_are_cut() -> None:
    """Of a million wrong places the first are told."""
    union = {"anyOf": [{"type": "object", "properties": {"k": {"const": n}}, "required": ["k"]} for n in range(90)]}
    schema = {"type": "object", "properties": {"l": {"type": "array", "items": union}}}
    assert len(told(schema, {"l": [{"k": "?"}] * 5_000})) == MOST_PROBLEMS
    wanted = {"type": "array", "items": {"type": "object", "required": [f"r{n}" for n in range(4_000)]}}
    assert len(told({"type": "object", "properties": {"l": wanted}}, {"l": [{}] * 50_000})) == MOST_PROBLEMS
    names = {"type": "object", "propertyNames": {"pattern": "^x"}}
    assert len(told(names, {f"n{n}": n for n in range(5_000)})) == MOST_PROBLEMS


def test_what_would_take_too_long_is_told_so() -> None:
    """A schema and an answer that would multiply are not tried."""
    schema = {"type": "object", "properties": {"l": {"items": {"enum": [[n, n] for n in range(1_200)]}}}}
    (problem,) = told(schema, {"l": [[1_199, 1_199]] * 40_000})
    assert problem.message == "Input is too large to be checked against this schema; answer with less"
    assert not compiled(schema, "bounded").validator.is_valid({"l": [[5, 6]] * 10}, Extent(30, 60))


HEAVY = r"([ab]{1,100}a){1,60}c"
FANCY = r"^(a|a)*\1(?=b)$"


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (HEAVY, ["ab" * 500_000]),
        (HEAVY, ["ab" * 500] * 900),
        (FANCY, [f"{'a' * 15}{n}" for n in range(20_000)]),
        (rf"^{HEAVY}$|{HEAVY}{{1,3}}d", ["ab" * 20_000]),
    ],
    ids=["one long text", "many texts", "backtracking", "larger still"],
)
def test_patterns_that_take_too_long(pattern: str, texts: list[str]) -> None:
    """A pattern that would hold the process is given up, and that is what is told, or that all took too long."""
    schema = {"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string", "pattern": pattern}}}}
    assert {(each.type, each.message) for each in told(schema, {"l": texts}, Effort())} <= {
        ("string_pattern_mismatch", "String takes too long to check against the schema's pattern"),
        ("string_pattern_mismatch", f"String should match pattern '{pattern}'"),
        ("value_error", "Input breaks the schema somewhere in here; it is too large to say where. Answer with less"),
    }


@pytest.mark.parametrize(("pattern", "name"), [(HEAVY, "ab" * 50_000), (FANCY, "a" * 15)])
def test_names_that_take_too_long(pattern: str, name: str) -> None:
    """So it is with the names of properties; a few of them are matched."""
    schema = {"type": "object", "patternProperties": {pattern: {"type": "integer"}}}
    (problem,) = told(schema, {f"{name}{n}": "x" for n in range(8_000 if len(name) < 20 else 1)}, Effort())
    assert problem.message == "Input is too large to be checked against this schema; answer with less"
    assert response_model(schema, "names").model_validate_json('{"ab": 1}').value == {"ab": 1}
    few = {f"{name[:10]}{n}": "x" for n in range(5)}
    assert response_model(schema, "names").model_validate_json(json.dumps(few)).value == few


def test_given_up_is_never_valid() -> None:
    """Where a pattern was given up inside a ``not``, the answer is no valid one for that."""
    schema = {"type": "object", "properties": {"a": {"not": {"pattern": HEAVY}}}}
    assert told(schema, {"a": "ab" * 500_000}, Effort())
    assert response_model(schema, "short").model_validate_json('{"a": "ab"}').value == {"a": "ab"}


def test_ordinary_patterns_take_any_text() -> None:
    """A plain pattern is matched against a text of a megabyte."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^\w+$"}}}
    assert response_model(schema, "plain").model_validate_json(json.dumps({"a": "a" * 1_000_000}))


def test_nested_unevaluated_is_refused() -> None:
    """A schema that looks at one place a million times is none that we take."""
    schema: dict[str, Any] = {"properties": {"a": {}}}
    for _ in range(18):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    with pytest.raises(Invalid, match="multiply into too many"):
        compiled(schema, "nested")


@pytest.mark.parametrize("opened", ["[", '{"a":', '{"a":[', "[[{}],"])
def test_nesting_without_end(opened: str) -> None:
    """An answer that nests without end is no JSON that we read."""
    (problem,) = told(recursive(UNTAGGED), opened * (1_000_000 // len(opened)))
    assert problem.type == "json_invalid"


@pytest.mark.parametrize(
    ("number", "kind"), [("1" * 1_000_000, "json_invalid"), ("1" * 4_000, "int_type"), ("1e99999999", "int_type")]
)
def test_numbers_of_any_length(number: str, kind: str) -> None:
    """A number of any length is told of, and never in full."""
    schema = {"type": "object", "properties": {"a": {"type": ["integer", "null"], "maximum": 5}}}
    found = told(schema, f'{{"a": {number}}}')
    assert kind in {each.type for each in found} | {"int_type" for each in found if each.type == "less_than_equal"}
    assert all(len(each.message) < 500 for each in found)


def test_effort_ends() -> None:
    """A search ends where its effort is spent, between two of its steps."""
    effort = Effort(5, spent=count().__next__)
    parts = iter(range(1_000_000))
    with pytest.raises(EffortSpent):
        list(effort.over(parts))
    assert 100 < next(parts) < 1_000
    assert effort.is_spent


@pytest.mark.parametrize("most", [0, 1, 2, 3, 5, 8, 13, 21, 34, 10_000])
def test_place_of_what_was_not_found(most: int) -> None:
    """Where the search ended before it found anything, the nearest place that it came to is told."""
    counted = Effort(most, spent=count().__next__)
    (problem,) = told(recursive(EXPRESSION), leaning(60, {"value": "7"}), counted)
    assert f"$.e{'.left' * 60}.value".startswith(problem.path)
    assert (problem.type == "float_type") == (most == 10_000)


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, "text, with: marks [{", None]}, [], "x" * 1_000, {"a": {"b": [[[]]]}}, [[1, 2], {"k": 1}] * 50],
    ids=lambda value: str(value)[:20],
)
def test_extent_is_an_upper_bound(value: Any) -> None:
    """The extent of a text is never less than that of the value in it."""
    outer, inner = Extent.of_text(json.dumps(value).encode()), Extent.of(value)
    assert outer.values >= inner.values
    assert outer.size_bytes >= inner.size_bytes

"""The schemas we accept: canonical text, limits, wire form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Invalid
from core.json_schemas import (
    DEEPEST,
    MOST_NODES,
    MOST_PATTERNS,
    canonical,
    compiled,
    json_path,
    resolve,
    schema_hash,
    tool_name,
)


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ((), "$"),
        (("lines", 2, "amount"), "$.lines[2].amount"),
        (("unit price", "a.b", 'say "hi"'), '$["unit price"]["a.b"]["say \\"hi\\""]'),
        ((0, "größe"), '$[0]["größe"]'),
    ],
)
def test_json_path(steps: tuple[int | str, ...], path: str) -> None:
    """Steps read as a JSON path; what is no plain name is quoted."""
    assert json_path(steps) == path


def test_hash_ignores_keyword_order() -> None:
    """Schemas that differ in the order of their keywords alone are one schema."""
    one = {"type": "object", "title": "A", "properties": {"a": {"type": "string", "maxLength": 3}}}
    two = {"title": "A", "properties": {"a": {"maxLength": 3, "type": "string"}}, "type": "object"}
    assert schema_hash(one) == schema_hash(two)
    assert len(schema_hash(one)) == 16


def test_hash_respects_property_order() -> None:
    """Schemas that order their properties differently differ: a model answers in that order."""
    one = {"properties": {"reason": {}, "verdict": {}}}
    two = {"properties": {"verdict": {}, "reason": {}}}
    assert schema_hash(one) != schema_hash(two)


def test_a_property_named_like_a_keyword_is_a_name() -> None:
    """A property called properties, $ref or type is read as a name, not as a keyword."""
    schema = {
        "type": "object",
        "properties": {"properties": {"type": "string"}, "$ref": {"type": "string"}, "dependencies": {"type": "null"}},
    }
    form = compiled(schema, "odd")
    assert form.names == {"properties", "$ref", "dependencies"}
    assert form.validator.is_valid({"properties": "x", "$ref": "http://example.com/", "dependencies": None})
    assert canonical({"properties": {"b": {"z": 1, "a": 2}}}) == '{"properties":{"b":{"a":2,"z":1}}}'


def test_data_is_no_schema() -> None:
    """What stands in default, const, enum and examples is data, whatever it looks like."""
    like_a_schema = {"$ref": "http://example.com/x", "$id": "x", "dependencies": {}, "pattern": "("}
    for keyword in ("default", "const"):
        compiled({"properties": {"a": {keyword: like_a_schema}}}, "data")
    for keyword in ("enum", "examples"):
        compiled({"properties": {"a": {keyword: [like_a_schema]}}}, "data")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("invoice", "invoice"),
        ("My Invoice!", "My_Invoice"),
        ("Page[int]", "Page_int"),
        ("日本", "answer"),
        ("", "answer"),
        ("x" * 100, "x" * 64),
    ],
)
def test_tool_name(title: str, name: str) -> None:
    """Every title becomes a name that each provider takes for a tool."""
    assert tool_name(title) == name


def test_object_root_goes_as_it_is() -> None:
    """An object goes to the wire as it is, titled with the tool's name and without its own identifiers."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/invoice",
        "title": "An invoice",
        "description": "As printed.",
        "type": "object",
        "properties": {"total": {"type": "number"}},
    }
    form = compiled(schema, "invoice")
    assert not form.is_wrapped
    assert form.wire == {
        "title": "invoice",
        "description": "As printed.",
        "type": "object",
        "properties": {"total": {"type": "number"}},
    }


def test_properties_alone_mean_an_object() -> None:
    """Properties without a type are an object: a tool's parameters can be nothing else."""
    form = compiled({"properties": {"a": {}}}, "t")
    assert form.wire["type"] == "object"
    assert not form.validator.is_valid("text")


@pytest.mark.parametrize(
    "root",
    [
        {"type": "array", "items": {"type": "integer"}},
        {"type": "string", "maxLength": 5},
        {"type": ["object", "null"]},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"enum": ["yes", "no"]},
        {},
    ],
    ids=str,
)
def test_other_roots_are_wrapped(root: dict[str, Any]) -> None:
    """What cannot be a tool's parameters is asked for as the field value of an object."""
    form = compiled({**root, "description": "What it is."}, "t")
    assert form.is_wrapped
    assert form.wire == {
        "title": "t",
        "description": "What it is.",
        "type": "object",
        "properties": {"value": root},
        "required": ["value"],
        "additionalProperties": False,
    }


def test_references_follow_a_wrapped_root() -> None:
    """References keep their meaning when the root moves into the wrapping object."""
    tree = {
        "type": "array",
        "items": {"anyOf": [{"$ref": "#"}, {"$ref": "#/$defs/leaf"}, {"$ref": "#/items/anyOf/1"}]},
        "$defs": {"leaf": {"type": "integer"}},
    }
    form = compiled(tree, "tree")
    assert form.validator.is_valid({"value": [1, [2, [3]]]})
    assert not form.validator.is_valid({"value": [1, ["x"]]})


def test_reference_at_the_root_is_followed() -> None:
    """A root that only refers to an object, as recursive pydantic models have it, is that object."""
    schema = {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
                "required": ["children"],
            }
        },
        "$ref": "#/$defs/Node",
    }
    form = compiled(schema, "node")
    assert not form.is_wrapped
    assert form.wire["properties"] == schema["$defs"]["Node"]["properties"]
    assert form.validator.is_valid({"children": [{"children": []}]})
    assert not form.validator.is_valid({"children": [{}]})


@pytest.mark.parametrize("reference", ["#", "#/$defs/a"])
def test_reference_in_a_circle_ends(reference: str) -> None:
    """A root that refers to itself is accepted and says nothing; it does not hang."""
    schema = {"$ref": reference, "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert compiled(schema, "circle").is_wrapped


def test_resolve() -> None:
    """A reference is followed through objects, lists and escaped names; elsewhere there is nothing."""
    root = {"$defs": {"a/b": {"x": 1}, "c d": {"y": 2}}, "anyOf": [{"z": 3}]}
    assert resolve(root, "#") is root
    assert resolve(root, "#/$defs/a~1b") == {"x": 1}
    assert resolve(root, "#/$defs/c%20d") == {"y": 2}
    assert resolve(root, "#/anyOf/0") == {"z": 3}
    for nowhere in ("#/anyOf/1", "#/anyOf/x", "#/$defs/none", "#/$defs/c d/y/deeper"):
        assert resolve(root, nowhere) is None


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def _multiplied(levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(levels)
    }
    definitions[f"a{levels}"] = {"type": "string"}
    return {"type": "object", "properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": definitions}


_CIRCULAR: dict[str, Any] = {"type": "object"}
_CIRCULAR["properties"] = {"self": _CIRCULAR}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"properties": {"a": {"type": "strin"}}}, r"\$\.properties\.a\.type is no type; use one of string, integer"),
        ({"properties": {"a": {"type": ["string", "date"]}}}, r"\$\.properties\.a\.type is no type"),
        ({"properties": []}, r"\$\.properties must be of type object"),
        ({"required": "a"}, r"\$\.required must be of type array"),
        ({"required": ["a", "a"]}, r"\$\.required must not repeat"),
        ({"anyOf": []}, r"\$\.anyOf must not be empty"),
        (
            {"type": "object", "properties": {"a": {"minLength": -1}}},
            r"\$\.properties\.a\.minLength must be at least 0",
        ),
        ({"properties": {"a": {"multipleOf": 0}}}, r"\$\.properties\.a\.multipleOf must be greater than 0"),
        ({"properties": {"a": {"exclusiveMinimum": True}}}, r"exclusiveMinimum must be of type number"),
        ({"type": "array", "items": [{"type": "string"}]}, r"\$\.items must be of type object"),
        ({"properties": {"a": {"pattern": "("}}}, r"\$\.properties\.a\.pattern is not a regular expression"),
        ({"properties": {"a": {"pattern": "(a{1,1000}){1,1000}"}}}, "not a regular expression .* simplify"),
        ({"properties": {"a": {"$ref": "https://example.com/a"}}}, r"\$\.properties\.a\[\"\$ref\"\] leaves the schema"),
        ({"properties": {"a": {"$ref": "other.json#/a"}}}, "leaves the schema"),
        ({"properties": {"a": {"$ref": "#name"}}}, "leaves the schema"),
        ({"properties": {"a": {"$ref": 5}}}, "leaves the schema"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "where there is no schema"),
        ({"properties": {"a": {"$ref": "#/properties"}}}, "where there is no schema"),
        ({"x": {"type": "string"}, "properties": {"a": {"$ref": "#/x"}}}, "where there is no schema"),
        ({"properties": {"a": {"$id": "https://example.com/"}}}, "would start a schema of its own"),
        ({"properties": {"a": {"$dynamicRef": "#a"}}}, r"another draft; use '\$ref'"),
        ({"properties": {"a": {"dependencies": {}}}}, "another draft; use 'dependentRequired'"),
        ({"properties": {"a": {"additionalItems": False}}}, "another draft; use 'prefixItems'"),
        ({"properties": {"a": {"default": math.nan}}}, r"\$\.properties\.a\.default is float"),
        ({"properties": {"a": {"default": math.inf}}}, "is not JSON"),
        ({"properties": {"a": {"const": 2**70}}}, "does not fit 64 bits"),
        ({"properties": {"a": {"const": {1, 2}}}}, "is set"),
        ({"properties": {5: {"type": "string"}}}, r"\$\.properties has the key 5"),
        ({"description": "\ud800"}, "is not JSON"),
        (_nested(DEEPEST + 1), f"deeper than {DEEPEST} levels"),
        (_CIRCULAR, f"deeper than {DEEPEST} levels"),
        ({"enum": list(range(MOST_NODES))}, f"over {MOST_NODES} values"),
        ({"description": "x" * 200_001}, "larger than 200 kB"),
        (
            {"properties": {f"a{n}": {"pattern": "^a$"} for n in range(MOST_PATTERNS + 1)}},
            f"over {MOST_PATTERNS} regular expressions",
        ),
        ({"patternProperties": {f"^{n}$": {} for n in range(MOST_PATTERNS + 1)}}, "regular expressions"),
        ({"properties": {f"a{n}": {"pattern": f"a.{{{1_000 + n}}}$"} for n in range(25)}}, "too large together"),
        (_multiplied(20), "multiply into too many alternatives"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_schemas_are_refused(schema: dict[Any, Any], told: str) -> None:
    """A schema that cannot be used is refused with what is wrong, where, and what to do."""
    with pytest.raises(Invalid, match=told):
        compiled(schema, "bad")


@pytest.mark.parametrize("levels", [10, 12])
def test_shared_definitions_are_fine(levels: int) -> None:
    """Definitions that are used in many places are accepted within reason."""
    assert not compiled(_multiplied(levels), "shared").validator.is_valid({"x": 1})


def test_deep_but_allowed() -> None:
    """A schema at the very limit of depth compiles."""
    form = compiled(_nested(DEEPEST - 1), "deep")
    assert form.is_wrapped


@pytest.mark.parametrize("links", [100, 1_000])
def test_long_chain_of_references_is_no_crash(links: int) -> None:
    """A long chain of references is followed; one too long to follow is refused, and never breaks the process."""
    definitions: dict[str, Any] = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(links)}
    definitions[f"a{links}"] = {"type": "string"}
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": definitions}
    if links == 100:
        assert not compiled(schema, "chain").validator.is_valid({"x": 1})
    else:
        with pytest.raises(Invalid, match="multiply into too many"):
            compiled(schema, "chain")


def test_where_a_wrapped_schema_is_wrong() -> None:
    """The place of a fault is told as the author wrote it, wrapped or not."""
    with pytest.raises(Invalid, match=r"\$\.items\.type is no type"):
        compiled({"type": "array", "items": {"type": "int"}}, "t")


def test_no_pattern_can_hold_the_process() -> None:
    """A pattern that backtracks without end gives up quickly and counts as no match."""
    form = compiled({"properties": {"a": {"pattern": "^(?=a)(a|aa)+$"}}}, "redos")
    assert not form.validator.is_valid({"a": "a" * 5_000 + "!"})


class Watched(list[Any]):
    """A list that counts how far it was read."""

    read = 0

    def __iter__(self) -> Iterator[Any]:
        """Count what is handed out."""
        for part in super().__iter__():
            self.read += 1
            yield part


@pytest.mark.parametrize(
    ("part", "told"), [(5, "over 5000 values"), ("x" * 10_000, "larger than 200 kB"), ({"a": 1}, "over 5000 values")]
)
def test_what_is_far_too_large_is_not_read_to_its_end(part: Any, told: str) -> None:
    """A schema of any size is refused after no more of it was read than we would take."""
    values = Watched([part] * 20_000)

    with pytest.raises(Invalid, match=told):
        canonical({"enum": values})
    assert values.read <= MOST_NODES

"""The fake's objects satisfy the schemas they are made from, and its invalid ones fail where they should."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import orjson
import pytest

from tests.wire.objects import broken_text, invalid_text, valid_text
from tests.wire.patterns import matching

NODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    },
    "required": ["value", "children"],
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "formats": {
        "properties": {
            name: {"type": "string", "format": name}
            for name in ("date", "date-time", "time", "duration", "email", "uuid", "uri", "ipv4", "ipv6", "hostname")
        },
        "required": ["date"],
    },
    "bounds": {
        "type": "object",
        "properties": {
            "least": {"type": "integer", "minimum": 3},
            "most": {"type": "integer", "maximum": -3},
            "above": {"type": "integer", "exclusiveMinimum": 3},
            "below": {"type": "number", "exclusiveMaximum": 0},
            "between": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "multiple": {"type": "integer", "minimum": 3, "multipleOf": 5},
            "cents": {"type": "number", "minimum": 0.005, "multipleOf": 0.01},
            "long": {"type": "string", "minLength": 40},
            "short": {"type": "string", "maxLength": 3},
        },
        "required": ["least"],
    },
    "lists": {
        "type": "object",
        "properties": {
            "set": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
            "short set": {
                "type": "array",
                "items": {"type": "string", "maxLength": 4},
                "uniqueItems": True,
                "minItems": 4,
            },
            "tuple": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
            "one": {"type": "array", "items": {"type": "number"}, "maxItems": 1},
        },
        "required": ["set"],
    },
    "nullable": {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 3}]},
            "b": {"type": ["null", "boolean"]},
            "c": {"const": 7},
        },
        "required": ["b"],
    },
    "recursive": {"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"},
    "merged": {
        "allOf": [
            {"properties": {"a": {"type": "boolean"}}, "required": ["a"]},
            {"properties": {"b": {"type": "array", "items": {}, "minItems": 1}}, "required": ["b"]},
        ]
    },
    "union": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}},
                "required": ["kind"],
            },
            {"type": "object", "properties": {"kind": {"const": "dog"}}, "required": ["kind"]},
        ]
    },
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    "patterns": {
        "type": "object",
        "properties": {
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "number": {"type": "string", "pattern": "^(INV|CR)-[0-9]{4,}$", "minLength": 12},
        },
        "required": ["currency"],
    },
    "anything": {"type": "object", "properties": {"any": {}, "some": {"type": "number"}}, "required": ["any", "some"]},
    "a number": {"type": "integer", "minimum": 5},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_valid_and_invalid(name: str) -> None:
    """What is made is valid with formats checked; spoilt, it is not; and both are the same every time."""
    schema = SCHEMAS[name]
    is_valid = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid
    good = valid_text(schema)
    assert is_valid(orjson.loads(good)), good
    for worse in (False, True):
        assert not is_valid(orjson.loads(invalid_text(schema, good, worse=worse)))
    assert good == valid_text(orjson.loads(orjson.dumps(schema)))


def test_where_it_fails() -> None:
    """The first required property has a wrong type, with ``worse`` the second is missing; nothing else is wrong."""
    schema = SCHEMAS["formats"] | {"required": ["email", "date", "uuid"]}
    checked = jsonschema_rs.validator_for(schema, validate_formats=True)
    for worse, expected in ((False, [["date"]]), (True, [[], ["date"]])):
        spoilt = orjson.loads(invalid_text(schema, valid_text(schema), worse=worse))
        assert sorted(list(error.instance_path) for error in checked.iter_errors(spoilt)) == expected


def test_passed_over() -> None:
    """A property that takes anything cannot be spoilt; the next one is."""
    spoilt = orjson.loads(invalid_text(SCHEMAS["anything"], '{"any": 1, "some": 2}'))
    assert spoilt == {"any": 1, "some": "not what was asked"}


def test_endless() -> None:
    """A schema that only endless objects satisfy is an error, not a recursion without end."""
    endless = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
    with pytest.raises(ValueError, match="endless"):
        valid_text(endless)


def test_broken() -> None:
    """Broken text is no JSON, and not a part of one either."""
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(broken_text('{"a":1,"b":2}'))
    assert "<oops" in broken_text('{"a":1,"b":2}')


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{5}(-\d{4})?$",
        r"^[^@ ]+@[^@]+$",
        r"(a|b)+c?\1",
        r"^(?=.*\d)[A-Z0-9]{4}$",
        r"^\S+\s\w$",
        "^x{2,3}?y*$",
        "^[-+]$",
    ],
)
@pytest.mark.parametrize("at_least", [0, 3])
def test_patterns(pattern: str, at_least: int) -> None:
    """A text is made that the pattern finds."""
    if pattern == "^[-+]$" and at_least:
        with pytest.raises(ValueError, match="no text was found"):
            matching(pattern, at_least)
        return
    text = matching(pattern, at_least)
    assert re.search(pattern, text)
    assert len(text) >= at_least


def test_impossible_pattern() -> None:
    """A pattern that cannot be read or matched is an error that names it."""
    for pattern in ("(", "^a(?!)$"):
        with pytest.raises(ValueError, match="the pattern"):
            matching(pattern)

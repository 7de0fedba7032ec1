"""Python's types and constants as syntax, and what they mean in JSON Schema."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from core.errors import Invalid
from core.pydantic_source.constants import Constants
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Names
from core.pydantic_source.parts import choices, constrained, union
from core.pydantic_source.source import references
from core.python_syntax import alternatives, parsed, refusal, shown, syntax, target


def constants(source: str) -> Constants:
    """Return the constants of *source*."""
    return Constants(Names(syntax(source)), Remarks(1_000))


def expression(text: str) -> ast.expr:
    """Return *text* as syntax."""
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        (["a"], {"const": "a", "type": "string"}),
        (["a", "b", "a"], {"enum": ["a", "b"], "type": "string"}),
        ([1, True, 1.0], {"enum": [1, True, 1.0]}),
        ([True, False], {"enum": [True, False], "type": "boolean"}),
        (["a", None], {"enum": ["a", None]}),
        ([None], {"const": None, "type": "null"}),
    ],
    ids=str,
)
def test_choices(values: list[Any], schema: dict[str, Any]) -> None:
    """Choices are kept once each, told apart by type, and typed where they agree."""
    found = choices(values)
    assert found == schema
    assert [type(value) for value in found.get("enum", [])] == [type(value) for value in schema.get("enum", [])]


def test_union_is_flat_and_ends_with_null() -> None:
    """A union of unions is one union; equal parts are kept once, and null comes last."""
    inner = union([{"type": "null"}, {"type": "integer"}])
    assert union([inner, {"type": "string"}, {"type": "integer"}]) == {
        "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]
    }
    assert union([{"type": "string"}, {"type": "string"}]) == {"type": "string"}


def test_alternatives_in_order() -> None:
    """The parts of a | b | c come in the order in which they are written."""
    assert [shown(part) for part in alternatives(expression("int | str | list[int | None]"))] == [
        "'int'",
        "'str'",
        "'list[int | None]'",
    ]


def test_constraints_go_where_they_fit() -> None:
    """Of a union, a bound binds the numbers and a length the text."""
    node = expression("1")
    schema = union([{"type": "integer"}, {"type": "string"}, {"type": "null"}])
    assert constrained(schema, {"ge": (1, node), "max_length": (5, node)}, lambda *_: None) == {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "maxLength": 5}, {"type": "null"}]
    }
    with pytest.raises(Invalid, match="multiple_of does not apply"):
        constrained({"type": "string"}, {"multiple_of": (1, node)}, lambda *_: None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-1.5", -1.5),
        ("('a' 'b', 1)", ["ab", 1]),
        ("{'a': [True, None]}", {"a": [True, None]}),
        ("LIMIT", 7),
        ("Color.RED", "red"),
        ("Color.RED.value", "red"),
    ],
)
def test_constants(text: str, value: Any) -> None:
    """Plain values, names of plain values, and members of enums are read as JSON."""
    found = constants("class Color(Enum):\n    RED = 'red'\nLIMIT = 7")
    assert found.value(expression(text), found.names.top) == value


@pytest.mark.parametrize("text", ["Color.GREEN", "Other.RED", "Color", "b'x'", "1j", "...", "x", "1 + x", "not True"])
def test_no_constants(text: str) -> None:
    """What would have to be computed is no constant."""
    found = constants("class Color(Enum):\n    RED = 'red'")
    with pytest.raises(Invalid, match="is no plain value"):
        found.value(expression(text), found.names.top)


def test_names_as_imported() -> None:
    """A name means what it was imported as, unless the source has a class of that name."""
    names = Names(syntax("from datetime import date as day, time\nimport uuid as ids\nclass time(BaseModel): pass"))
    assert [names.known(expression(text), names.top) for text in ("day", "time", "ids.UUID", "os.path", "f()")] == [
        "date",
        "time",
        "UUID",
        "",
        "",
    ]


def test_quoted_types() -> None:
    """A type in quotes is read at the line where it stands; one too long or broken is refused."""
    node = ast.parse("\n\nx: 'list[int]'").body[0]
    assert isinstance(node, ast.AnnAssign)
    assert parsed("list[int]", node.annotation).lineno == 3
    for text in ("list[", "x" * 501):
        with pytest.raises(Invalid, match="Line 3: the type"):
            parsed(text, node.annotation)


def test_references() -> None:
    """References are found in schemas and not in data."""
    schema = {
        "anyOf": [{"$ref": "#/$defs/A"}, {"items": {"$ref": "#/$defs/B"}}],
        "default": {"$ref": "#/$defs/C"},
        "enum": [{"$ref": "#/$defs/D"}],
    }
    assert list(references(schema)) == ["A", "B"]


def test_what_is_said_is_short() -> None:
    """A refusal names line, reason and remedy, and quotes no more than a few words of source."""
    node = expression("f(" + ", ".join(["argument"] * 100) + ")")
    assert len(shown(node)) <= 62
    assert refusal(node, "this is code", "leave it out").message == "Line 1: this is code; leave it out."
    assert [target(statement) for statement in ast.parse("a = 1\nb: int\nc = d = 1\nf()").body] == ["a", "b", "", ""]

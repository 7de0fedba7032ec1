"""Pieces of JSON Schema, put together: unions, choices, constraints in the parts that they fit."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from core.pydantic_source.quoted import constrained_text, is_quoted
from core.pydantic_source.scalars import BOUNDS, LENGTHS, MEASURED_FORMATS, JsonSchema
from core.python_syntax import refusal, shown

NULL: JsonSchema = {"type": "null"}
_NUMBERS = frozenset({"integer", "number"})
_CHOICE_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
Constraints = Mapping[str, tuple[Any, ast.AST]]
"""By their names in pydantic, each with the place where it is written."""


def union(schemas: Iterable[JsonSchema]) -> JsonSchema:
    """Return the schema of whatever one of *schemas* allows; null comes last."""
    flat: list[JsonSchema] = []
    seen: set[str] = set()
    for schema in schemas:
        for part in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if (text := repr(part)) not in seen:
                seen.add(text)
                flat.append(part)
    flat.sort(key=lambda part: part == NULL)
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def choices(values: Iterable[str | float | bool | None]) -> JsonSchema:
    """Return the schema of one of *values*."""
    different = list({(type(value), value): value for value in values}.values())
    kinds: set[type] = {type(value) for value in different}
    schema: JsonSchema = {"const": different[0]} if len(different) == 1 else {"enum": different}
    return schema | ({"type": _CHOICE_TYPES[kinds.pop()]} if len(kinds) == 1 else {})


def constrained(schema: JsonSchema, constraints: Constraints, leave_out: Callable[[str, ast.AST], None]) -> JsonSchema:
    """Return *schema* with the *constraints* in the parts of it that they fit.

    What a schema cannot say of its kind, such as a bound on anything at all, or on a number in quotes, is told to
    *leave_out*.

    Raises:
        Invalid: one fits nowhere, or its value makes no sense.

    """
    for name, (value, node) in constraints.items():
        _check_value(name, value, node)
        parts: list[JsonSchema] = schema.get("anyOf", [schema])
        words = [_word(name, part) for part in parts]
        if not any(words):
            if any(_is_open(part) for part in parts):
                leave_out(name, node)
                continue
            raise refusal(node, f"{name} does not apply to this type", "leave it out, or put it where it does")
        bound = [{**part, word: value} if word else part for part, word in zip(parts, words, strict=True)]
        if name in BOUNDS:
            for n in (n for n, part in enumerate(parts) if is_quoted(part)):
                bound[n], is_said = constrained_text(parts[n], name, value)
                if not is_said:
                    leave_out(f"{name} of a number in quotes", node)
        schema = {**schema, "anyOf": bound} if "anyOf" in schema else bound[0]
    return schema


def _is_open(schema: JsonSchema) -> bool:
    """Whether a constraint on this part is one that pydantic may know and a schema cannot say."""
    return "type" not in schema or bool(schema.keys() & {"enum", "const", "prefixItems"})


def _check_value(name: str, value: Any, node: ast.AST) -> None:
    if name == "pattern":
        try:
            Draft202012Validator({"pattern": value}, offline=True)
        except ValidationError:
            raise refusal(node, f"the pattern {shown(node)} is no regular expression", "correct it") from None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(node, f"{name} is no number", "write a number")
    elif name not in BOUNDS and not (isinstance(value, int) and value >= 0):
        raise refusal(node, f"{name} is no length", "write a whole number of at least 0")
    elif name == "multiple_of" and value <= 0:
        raise refusal(node, "multiple_of is not above 0", "write a larger number")


def _word(name: str, schema: JsonSchema) -> str:
    """Return the keyword that *name* is in a schema of this type; nothing where it does not fit."""
    kind = schema.get("type")
    if not isinstance(kind, str) or is_quoted(schema) or schema.keys() & {"enum", "const", "prefixItems"}:
        return ""
    if name in BOUNDS:
        return BOUNDS[name] if kind in _NUMBERS else ""
    if schema.get("format", "email") not in MEASURED_FORMATS:
        return ""
    if name == "pattern":
        return name if kind == "string" else ""
    shortest, longest = LENGTHS.get(kind, ("", ""))
    return shortest if name == "min_length" else longest

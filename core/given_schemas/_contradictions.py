"""Parts of a schema that no value satisfies, as far as that is known from the part alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, cast

from jsonschema_rs import Draft202012Validator, ValidationError

from core.given_schemas._notes import Notes, Steps, shown
from core.given_schemas._words import TYPES

_BETWEEN = (
    ("minimum", "maximum", {"number", "integer"}),
    ("minLength", "maxLength", {"string"}),
    ("minItems", "maxItems", {"array"}),
    ("minProperties", "maxProperties", {"object"}),
)
"""Least and most, and the types whose values they bound."""
_OF_ONE_VALUE = frozenset(
    """
    type minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    minItems maxItems uniqueItems minProperties maxProperties
    """.split()  # noqa: SIM905 twelve quotes tell less
)
"""What says by itself whether a value of an enum is one."""
_MOST_VALUES = 200
"""The longest enum whose values are looked at."""


def note_contradictions(node: Mapping[str, Any], steps: Steps, notes: Notes) -> None:
    """Note what of *node*, which stands at *steps* and whose keywords have values that they take, rules all out."""
    for keyword, why in _contradictions(node):
        notes.add("impossible", (*steps, keyword), f"leaves nothing that is valid here: {why}")


def _contradictions(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = node.get("type")
    kinds: set[Any] = {*cast("list[Any]", kind)} if isinstance(kind, list) else {kind}
    if kind is not None and not kinds <= set(TYPES):
        return  # in another dialect's words
    if node.get("nullable") is True:
        return
    for least, most, bounded in _BETWEEN:
        low, high = node.get(least), node.get(most)
        if kind is not None and kinds <= bounded and _is_number(low) and _is_number(high) and low > high:
            yield least, f"it is {low}, more than {most!r}, {high}"
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list) and 0 < len(cast("list[Any]", values)) <= _MOST_VALUES:
        yield from _of_values(node, cast("list[Any]", values))
    yield from _of_names(node)


def _of_values(node: Mapping[str, Any], values: list[Any]) -> Iterator[tuple[str, str]]:
    keyword = "const" if "const" in node else "enum"
    if "const" in node and isinstance(node.get("enum"), list) and node["const"] not in node["enum"]:
        yield "const", "it is none of 'enum'"
        return
    for name in _OF_ONE_VALUE & node.keys():
        try:
            asks = Draft202012Validator({name: node[name]}, offline=True)
            if not any(asks.is_valid(value) for value in values):
                yield keyword, f"none of it satisfies {name!r}"
                return
        except (ValidationError, ValueError):
            continue  # another draft's word, or a pattern that is none


def _of_names(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a property that must be there and may not."""
    required, properties = node.get("required"), node.get("properties", {})
    if node.get("type") != "object" or not isinstance(required, list) or not isinstance(properties, dict):
        return
    known = cast("dict[str, Any]", properties)
    is_closed = node.get("additionalProperties") is False and not node.get("patternProperties")
    for name in cast("list[Any]", required):
        if known.get(name) is False or (is_closed and name not in known):
            yield "required", f"{shown(str(name))} must be there and may not"
            return


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

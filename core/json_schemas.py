"""The JSON Schemas we accept: their canonical text and hash, their limits, their form on the wire to a provider."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

import orjson
from jsonschema_rs import ValidationError, ValidationErrorKind

from core.errors import Invalid
from core.validation import Validator, resolve, size_of, steps_of

MOST_BYTES = 200_000
"""The longest schema, as canonical JSON."""
MOST_NODES = 5_000
"""The most values in a schema."""
DEEPEST = 40
"""The deepest nesting of a schema."""
MOST_PATTERNS = 100
"""The most regular expressions in a schema; a large one takes some ten milliseconds to compile."""
MOST_PATTERN_BYTES = 100_000_000
"""The largest that they may be together once they are compiled."""
MOST_STEPS = 100_000
"""The most subschemas that a validation may visit once every ``$ref`` is followed."""

# What a keyword's value is: a schema, a list of schemas, or schemas by name. Of any other keyword it is plain data.
_ROLES = {
    "items": "schema",
    "additionalProperties": "schema",
    "contains": "schema",
    "not": "schema",
    "if": "schema",
    "then": "schema",
    "else": "schema",
    "propertyNames": "schema",
    "unevaluatedItems": "schema",
    "unevaluatedProperties": "schema",
    "allOf": "schemas",
    "anyOf": "schemas",
    "oneOf": "schemas",
    "prefixItems": "schemas",
    "properties": "names",
    "patternProperties": "names",
    "dependentSchemas": "names",
    "$defs": "names",
    "definitions": "names",
}
_DEFINITIONS = ("$defs", "definitions")
_OTHER_WORDS = {
    "additionalItems": "'prefixItems' with 'items'",
    "dependencies": "'dependentRequired' or 'dependentSchemas'",
    "$recursiveRef": "'$ref'",
    "$dynamicRef": "'$ref'",
}
# What stands beside a root ``$ref`` without changing what is valid.
_NOTES = frozenset({*_DEFINITIONS, "$ref", "$schema", "$id", "$comment", "title", "description", "examples"})
# With one of these at its root a schema cannot be the parameters of a tool.
_NOT_AT_ROOT = frozenset({"anyOf", "oneOf", "allOf", "not", "if", "enum", "const", "$ref"})
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_TYPES = "string, integer, number, boolean, object, array, null"


def is_plain_name(step: str) -> bool:
    """Whether *step* looks like the name of a field rather than like text."""
    return _PLAIN_NAME.fullmatch(step) is not None


def json_path(steps: tuple[int | str, ...]) -> str:
    """Return *steps* as a JSON path, such as ``$.lines[2].amount``."""
    path = "$"
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if is_plain_name(step) else f"[{json.dumps(step, ensure_ascii=False)}]"
    return path


def canonical(schema: Mapping[str, Any]) -> str:
    """Return *schema* as compact JSON with sorted keywords, so that equal schemas have equal texts.

    Only properties keep their order: a model writes an object's fields in the order in which it reads them, so two
    schemas that order them differently do not ask for the same thing.

    Raises:
        Invalid: it is no JSON, or nests too deep, has too many values or is too large: found out before it is written,
            as callers send schemas of any size.

    """
    try:
        text = json.dumps(_Ordering().ordered(schema, "schema", 0), **_COMPACT)
        size = len(text.encode())
    except (TypeError, ValueError):
        raise Invalid("The schema is not JSON; use objects, lists, text, numbers, true, false and null only.") from None
    if size > MOST_BYTES:
        raise _too_large()
    return text


_COMPACT: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}


def _too_large() -> Invalid:
    return Invalid(f"The schema is larger than {MOST_BYTES // 1000} kB; split it, or shorten its descriptions.")


def _too_many(limit: str) -> Invalid:
    return Invalid(f"The schema {limit}; split it, or move parts to $defs and refer to them.")


class _Ordering:
    """One walk that sorts keywords, and stops as soon as a schema is more than we take."""

    def __init__(self) -> None:
        self._nodes = 0
        self._characters = 0

    def ordered(self, node: Any, role: str, depth: int) -> Any:
        """Return *node* with its keywords sorted, and so everything in it."""
        self._nodes += 1
        if depth > DEEPEST:
            raise _too_many(f"nests deeper than {DEEPEST} levels")
        if self._nodes > MOST_NODES:
            raise _too_many(f"has over {MOST_NODES} values")
        if isinstance(node, dict):
            entries = cast("dict[str, Any]", node)
            if self._nodes + len(entries) > MOST_NODES:  # before a million names are sorted
                raise _too_many(f"has over {MOST_NODES} values")
            names = list(entries) if role == "properties" else sorted(entries)
            self._count(names)
            return {name: self.ordered(entries[name], _role_in(role, name), depth + 1) for name in names}
        if isinstance(node, list):
            return [self.ordered(part, inner_role(role, ""), depth + 1) for part in cast("list[Any]", node)]
        if isinstance(node, str):
            self._count((node,))
        return node

    def _count(self, texts: Iterable[str]) -> None:
        self._characters += sum(map(len, texts))
        if self._characters > MOST_BYTES:
            raise _too_large()


def _role_in(role: str, name: str) -> str:
    """Return the role of what lies under *name*; properties have one of their own, as they keep their order."""
    return name if role == "schema" and name == "properties" else inner_role(role, name)


def inner_role(role: str, name: str) -> str:
    """Return the role of what lies under *name* (or in a list) in a node of *role*."""
    if role == "schema":
        return _ROLES.get(name, "data")
    return "data" if role == "data" else "schema"


def digest(text: str) -> str:
    """Return 16 hexadecimal digits that name *text*."""
    return sha256(text.encode()).hexdigest()[:16]


def schema_hash(schema: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that name the content of *schema*."""
    return digest(canonical(schema))


def tool_name(title: str) -> str:
    """Return *title* as every provider takes a tool's name: at most 64 letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", title).strip("_")[:64] or "answer"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that passed every check, ready to be sent and to validate."""

    wire: dict[str, Any]
    """The form that providers take: an object at the root, titled with the tool's name."""
    wire_text: bytes
    """The same as JSON."""
    is_wrapped: bool
    """Whether the schema's own root is no plain object, so that the wire form holds it as ``{"value": …}``."""
    validator: Validator
    names: frozenset[str]
    """Every property name that the schema declares."""


def compiled(schema: dict[str, Any], title: str) -> Compiled:
    """Return *schema* checked and compiled, titled *title* on the wire.

    Raises:
        Invalid: it is no JSON Schema, or exceeds a limit; the message says what, where and what to do.

    """
    survey = _Survey(schema)
    wire, is_wrapped = _wire(schema, title)
    try:
        validator = Validator(wire)
    except ValidationError as error:
        raise _invalid(error, is_wrapped=is_wrapped) from None
    return Compiled(wire, orjson.dumps(wire), is_wrapped, validator, frozenset(survey.names))


def _invalid(error: ValidationError, *, is_wrapped: bool) -> Invalid:
    steps = tuple(error.instance_path)
    if is_wrapped and steps[:2] == ("properties", "value"):
        steps = steps[2:]
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.Type):
        what = f"must be of type {' or '.join(sorted(set(kind.types) - {'boolean'}) or kind.types)}"
    elif isinstance(kind, ValidationErrorKind.Format):
        what = "is not a regular expression that can be used (or one too large); correct or simplify it"
    elif isinstance(kind, ValidationErrorKind.AnyOf) and steps[-1:] == ("type",):
        what = f"is no type; use one of {_TYPES}"
    elif isinstance(kind, ValidationErrorKind.MinItems):
        what = "must not be empty"
    elif isinstance(kind, ValidationErrorKind.UniqueItems):
        what = "must not repeat itself"
    elif isinstance(kind, ValidationErrorKind.Minimum | ValidationErrorKind.ExclusiveMinimum):
        what = f"must be {'at least' if kind.name == 'minimum' else 'greater than'} {kind.limit}"
    else:
        what = f"breaks the rule {kind.name!r} of JSON Schema 2020-12"
    return Invalid(f"The schema is not valid: {json_path(steps)} {what}.")


class _Survey:
    """One walk over a schema that checks what a validator does not, and collects the names it declares."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.names: set[str] = set()
        self._root = schema
        self._nodes = 0
        self._patterns = 0
        self._pattern_bytes = 0
        self._steps_behind: dict[str, int] = {}
        self._walk(schema, "schema", ())
        canonical(schema)
        try:
            steps = self._steps(schema)
        except RecursionError:
            steps = MOST_STEPS + 1
        if steps > MOST_STEPS:
            raise Invalid("The schema's $refs multiply into too many alternatives; use fewer anyOf, oneOf and allOf.")

    def _walk(self, node: Any, role: str, steps: tuple[int | str, ...]) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES or len(steps) > DEEPEST:
            limit = f"nests deeper than {DEEPEST} levels" if len(steps) > DEEPEST else f"has over {MOST_NODES} values"
            raise _too_many(limit)
        if isinstance(node, dict):
            for name, part in cast("dict[Any, Any]", node).items():
                if not isinstance(name, str):
                    raise Invalid(f"The schema is not JSON: {json_path(steps)} has the key {name!r}; make it text.")
                if role == "schema":
                    self._check_keyword(name, part, steps)
                self._walk(part, inner_role(role, name), (*steps, name))
        elif isinstance(node, list):
            for index, part in enumerate(cast("list[Any]", node)):
                self._walk(part, inner_role(role, ""), (*steps, index))
        elif isinstance(node, int):
            if not -(2**63) <= node < 2**63:
                raise Invalid(f"The schema's number at {json_path(steps)} does not fit 64 bits; use a smaller one.")
        elif not (node is None or isinstance(node, str) or (isinstance(node, float) and math.isfinite(node))):
            raise Invalid(f"The schema is not JSON: {json_path(steps)} is {type(node).__name__}.")

    def _check_keyword(self, name: str, part: Any, steps: tuple[int | str, ...]) -> None:
        where = json_path((*steps, name))
        if name in _OTHER_WORDS:
            raise Invalid(f"The schema's {where} is a word of another draft; use {_OTHER_WORDS[name]} instead.")
        if name == "$id" and steps:
            raise Invalid(f"The schema's {where} would start a schema of its own; remove it and refer by #/$defs/NAME.")
        if name == "$ref":
            self._check_reference(part, where)
        elif name == "pattern" or (name == "patternProperties" and isinstance(part, dict)):
            self._patterns += 1 if name == "pattern" else len(cast("dict[str, Any]", part))
            if isinstance(part, str | dict):
                patterns = [part] if isinstance(part, str) else list(cast("dict[str, Any]", part))
                self._pattern_bytes += sum(size_of(each) for each in patterns[:MOST_PATTERNS])
            if self._pattern_bytes > MOST_PATTERN_BYTES:
                raise Invalid("The schema's regular expressions are too large together; simplify them, or use enum.")
            if self._patterns > MOST_PATTERNS:
                raise Invalid(f"The schema has over {MOST_PATTERNS} regular expressions; use enum or maxLength.")
        elif name == "properties" and isinstance(part, dict):
            self.names.update(cast("dict[str, Any]", part))

    def _check_reference(self, reference: Any, where: str) -> None:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise Invalid(f"The schema's {where} leaves the schema; copy what it means to $defs, as #/$defs/NAME.")
        role = "schema"
        for step in steps_of(reference):
            role = inner_role(role, step)
        if role != "schema" or not isinstance(resolve(self._root, reference), dict | bool):
            raise Invalid(f"The schema's {where} points to {reference!r}, where there is no schema; correct the path.")

    def _steps(self, node: Any) -> int:
        """Count the subschemas behind *node* with each ``$ref`` followed; one that returns to itself counts once."""
        if not isinstance(node, dict):
            return 1
        steps = 1
        for name, part in cast("dict[str, Any]", node).items():
            role = _ROLES.get(name)
            if name == "$ref":
                if part not in self._steps_behind:
                    self._steps_behind[part] = 1
                    self._steps_behind[part] = self._steps(resolve(self._root, part))
                steps += self._steps_behind[part]
            elif role == "schema":
                steps += self._steps(part)
            elif name not in _DEFINITIONS and isinstance(part, dict if role == "names" else list) and role:
                inner = cast("dict[str, Any]", part).values() if role == "names" else cast("list[Any]", part)
                steps += sum(self._steps(each) for each in inner)
            if steps > MOST_STEPS:
                break
        return steps


def _wire(schema: dict[str, Any], title: str) -> tuple[dict[str, Any], bool]:
    """Return the form for providers, and whether it had to be wrapped."""
    root = _unreferenced(schema)
    body = {name: part for name, part in root.items() if name not in ("$schema", "$id", "title")}
    says_object = body.get("type") == "object" or ("type" not in body and "properties" in body)
    if says_object and not _NOT_AT_ROOT & body.keys():
        return {"title": title, **body, "type": "object", "properties": body.get("properties", {})}, False
    definitions = {name: _moved(schema[name], "names") for name in _DEFINITIONS if name in schema}
    above = {"description": schema["description"]} if "description" in schema else {}
    apart = {"$schema", "$id", "title", "description", *_DEFINITIONS}
    value = _moved({name: part for name, part in schema.items() if name not in apart}, "schema")
    wrapping = {
        "type": "object",
        "properties": {"value": value},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {"title": title, **above, **wrapping, **definitions}, True


def _unreferenced(schema: dict[str, Any]) -> dict[str, Any]:
    """Return *schema* with a ``$ref`` at its root (as recursive pydantic models have it) replaced by its target."""
    root = schema
    for _ in range(8):
        if "$ref" not in root or root.keys() - _NOTES:
            return root
        target = resolve(schema, root["$ref"])
        if not isinstance(target, dict):
            return root
        found = cast("dict[str, Any]", target)
        notes = {name: part for name, part in root.items() if name != "$ref"}
        root = {**{name: part for name, part in found.items() if name not in _DEFINITIONS}, **notes}
    return schema


def _moved(node: Any, role: str) -> Any:
    """Return *node* with every reference to the root's own parts led to ``#/properties/value``."""
    if isinstance(node, dict):
        entries = cast("dict[str, Any]", node)
        if role == "data":
            return entries
        moved = {name: _moved(part, inner_role(role, name)) for name, part in entries.items()}
        reference = entries.get("$ref")
        if role == "schema" and isinstance(reference, str) and not reference.startswith(("#/$defs/", "#/definitions/")):
            moved["$ref"] = f"#/properties/value{reference[1:]}"
        return moved
    if isinstance(node, list):
        return [_moved(part, inner_role(role, "")) for part in cast("list[Any]", node)]
    return node

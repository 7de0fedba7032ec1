"""OpenAI's strict subset of JSON Schema, and the way back from its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

_UNSUPPORTED = frozenset(
    {
        "contains",
        "default",
        "dependentRequired",
        "dependentSchemas",
        "discriminator",
        "else",
        "examples",
        "if",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "not",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "then",
        "title",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)


def strict_schema(schema: Any) -> Any:
    """Return *schema* in the strict subset: objects closed, every property required, an optional one nullable.

    What the subset cannot say is left out: our own validation still asks for it.
    """
    if isinstance(schema, list):
        return [strict_schema(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    whole = cast("dict[str, Any]", schema)
    if "$ref" in whole:
        return {"$ref": whole["$ref"]}
    match whole.get("allOf"):
        case [only]:  # the subset has no allOf; around a single part it says nothing
            return strict_schema({name: part for name, part in whole.items() if name != "allOf"} | only)
        case _:
            pass
    strict = dict(_strict_keyword(name, part) for name, part in whole.items() if name not in _UNSUPPORTED)
    if strict.get("type") == "object" or "properties" in strict:
        required = set(whole.get("required", ()))
        properties = strict.setdefault("properties", {})
        for name, part in properties.items():
            if name not in required and not _takes_null(part, {}):
                properties[name] = {"anyOf": [part, {"type": "null"}]}
        strict["required"] = list(properties)
        strict["additionalProperties"] = False
    return strict


def _strict_keyword(name: str, part: Any) -> tuple[str, Any]:
    match name:
        case "const":
            return "enum", [part]
        case "oneOf":
            return "anyOf", strict_schema(part)
        case "$defs" | "definitions" | "properties":
            return name, {key: strict_schema(value) for key, value in part.items()}
        case "anyOf" | "allOf" | "items":
            return name, strict_schema(part)
        case _:
            return name, part


def without_nulls(text: str, schema: Mapping[str, Any]) -> str:
    """Return the object in *text* without the nulls that stand for absent optional properties of *schema*.

    Text that is no JSON, that nests too deep, or that is without such nulls, comes back as it was.
    """
    if "null" not in text:
        return text
    try:
        value = orjson.loads(text)
    except ValueError:
        return text
    try:
        return orjson.dumps(_prune(value, schema, schema)).decode()
    except (TypeError, RecursionError):  # it nests deeper than JSON is written; the validation says so
        return text


def _prune(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    schema = _shape(value, schema, root)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        kept: dict[str, Any] = {}
        for name, part in cast("dict[str, Any]", value).items():
            inner = properties.get(name, {})
            if part is None and name in properties and name not in required and not _takes_null(inner, root):
                continue
            kept[name] = _prune(part, inner, root)
        return kept
    inner = schema.get("items")
    if isinstance(value, list) and isinstance(inner, dict):
        parts = cast("list[Any]", value)
        return [_prune(part, cast("dict[str, Any]", inner), root) for part in parts]
    return cast("Any", value)


def _shape(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of *value*'s own members: what a reference leads to, or the alternative that was taken."""
    schema = _resolved(schema, root)
    if "properties" in schema or "items" in schema or not isinstance(value, dict | list):
        return schema
    taken = (_shape(value, part, root) for part in _alternatives(schema))
    if isinstance(value, list):
        return next((part for part in taken if "items" in part), schema)
    names = cast("dict[str, Any]", value).keys()
    return next((part for part in taken if names == part.get("properties", {}).keys()), schema)


def _alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for step in reference[2:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~"), {})
    return cast("Mapping[str, Any]", found)


def _takes_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    schema = _resolved(schema, root)
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    if None in schema.get("enum", ()) or schema.get("const", ...) is None:
        return True
    return any(_takes_null(part, root) for part in _alternatives(schema))

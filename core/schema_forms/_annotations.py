"""What of a schema says what a value means and is checked by nobody, whatever the vendor: some of its formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.json_schemas import is_plain_name, resolve
from core.schema_forms._joined import types_of
from core.validation import CHECKED_FORMATS

_HERE = ("not", "if", "then", "else")
_ALL_HERE = ("allOf", "anyOf", "oneOf")
_OF_ITEMS = ("items", "contains", "unevaluatedItems")
_OF_OTHERS = ("additionalProperties", "unevaluatedProperties")


def is_annotation(node: Mapping[str, Any]) -> bool:
    """Whether nobody checks the format of *node*: it is not known, or no value of its types is a text."""
    kinds = types_of(node)
    return "format" in node and (node["format"] not in CHECKED_FORMATS or (kinds is not None and "string" not in kinds))


def unchecked_formats(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the formats of *schema* that nobody checks, each as ``format int32 of $.lines[].count``."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    waiting: list[tuple[Any, str]] = [(schema, "$")]
    while waiting:
        node, path = waiting.pop()
        if not isinstance(node, dict) or id(cast("object", node)) in seen:
            continue
        seen.add(id(cast("object", node)))
        part: dict[str, Any] = cast("dict[str, Any]", node)
        if is_annotation(part):
            found[f"format {str(part['format'])[:60]} of {path}"] = None
        waiting += reversed([*_parts(part, path, schema)])
    return tuple(found)


def _parts(node: dict[str, Any], path: str, root: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    if isinstance(node.get("$ref"), str):
        yield resolve(root, node["$ref"]), path
    yield from ((node.get(name), path) for name in _HERE)
    yield from ((each, path) for name in _ALL_HERE for each in node.get(name, ()))
    yield from ((each, path) for each in node.get("dependentSchemas", {}).values())
    for name, each in node.get("properties", {}).items():
        yield each, f"{path}.{name}" if is_plain_name(name) else f"{path}[…]"
    yield from ((each, f"{path}[]") for each in node.get("prefixItems", ()))
    yield from ((node.get(name), f"{path}[]") for name in _OF_ITEMS)
    yield from ((each, f"{path}.*") for each in node.get("patternProperties", {}).values())
    yield from ((node.get(name), f"{path}.*") for name in _OF_OTHERS)

"""What a subschema asks for, laid out so that two of them can be held side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias, cast

from core.json_schemas import resolve

Node: TypeAlias = dict[str, Any]

WORDING = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment")
"""What a model reads and no check asks for, in the order in which it is told."""
ALTERNATIVES, EXCLUSIVE = "anyOf", "oneOf"
_TYPED = {
    "type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "pattern", "format", "items", "prefixItems", "contains", "minContains", "maxContains", "minItems", "maxItems",
    "uniqueItems", "unevaluatedItems", "properties", "patternProperties", "additionalProperties", "propertyNames",
    "required", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
}  # fmt: skip
"""What is asked of values of one type only, and the type itself."""
ASKED = frozenset({*_TYPED, "enum", "const", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
"""Everything that a check asks for."""
_FAR = 16
"""References that are followed one after the other."""


def asked(node: Node) -> set[str]:
    """Return the keywords of *node* that a check asks for."""
    return set(ASKED.intersection(node))


def laid_out(root: Node, raw: Any) -> Node:
    """Return a subschema as an object without a reference at its top, with its wording; what is valid stays the same.

    Alternatives of which one value can never satisfy two are all ``anyOf``.
    """
    node: Node = {} if raw is True else {"not": {}} if not isinstance(raw, dict) else cast("Node", raw)
    for _ in range(_FAR):
        if "$ref" in node:
            beside = {name: part for name, part in node.items() if name != "$ref"}
            if asked(beside):
                node = beside | {"allOf": [*beside.get("allOf", ()), {"$ref": node["$ref"]}]}
            else:
                node = _whole(resolve(root, node["$ref"])) | beside
        elif len(node.get("allOf", ())) == 1 and asked(node) == {"allOf"}:
            beside = {name: part for name, part in node.items() if name != "allOf"}
            node = _whole(node["allOf"][0]) | beside
        else:
            break
    if EXCLUSIVE in node and ALTERNATIVES not in node and _is_exclusive(root, node[EXCLUSIVE]):
        node = {ALTERNATIVES if name == EXCLUSIVE else name: part for name, part in node.items()}
    return node


def without_null(root: Node, node: Node) -> tuple[Node, bool]:
    """Return what *node* asks for beside null, and whether null satisfies it as an alternative of its own."""
    wording = {name: part for name, part in node.items() if name not in ASKED}
    if asked(node) == {ALTERNATIVES}:
        parts: list[Any] = node[ALTERNATIVES]
        left: list[Any] = [part for part in parts if not _is_null(part)]
        if len(left) < len(parts) and left:
            rest: Node = laid_out(root, left[0]) | wording if len(left) == 1 else node | {ALTERNATIVES: left}
            return rest, True
    types = node.get("type")
    if isinstance(types, list) and "null" in types and len(cast("list[str]", types)) > 1 and asked(node) <= _TYPED:
        others = [name for name in cast("list[str]", types) if name != "null"]
        return node | {"type": others[0] if len(others) == 1 else others}, True
    return node, False


def types_of(root: Node, raw: Any, depth: int = 0) -> frozenset[str] | None:
    """Return the types of the values that may satisfy a subschema, ``None`` where it does not limit them."""
    node = laid_out(root, raw)
    if "type" in node:
        named: Any = node["type"]
        return frozenset([named] if isinstance(named, str) else named)
    if (allowed := values_of(node)) is not None:
        return frozenset(map(_type_of, allowed))
    if ALTERNATIVES in node and depth < 4:
        parts = [types_of(root, part, depth + 1) for part in node[ALTERNATIVES]]
        if None not in parts:
            return frozenset(name for part in parts for name in part or ())
    return None


def values_of(node: Node) -> list[Any] | None:
    """Return the values that *node* lists as the only ones, ``None`` where it lists none."""
    if "const" in node:
        return [node["const"]]
    return node.get("enum")


def named_alternatives(root: Node, parts: Sequence[Any]) -> dict[str, Any] | None:
    """Return alternatives by what tells them apart; ``None`` where that is not plain."""
    found: dict[str, Any] = {}
    for part in parts:
        node = laid_out(root, part)
        if isinstance(part, dict) and "$ref" in part:
            name = str(cast("Node", part)["$ref"]).rpartition("/")[2]
        elif isinstance(title := node.get("title"), str):
            name = title
        else:
            types = types_of(root, node)
            name = " or ".join(sorted(types)) if types else "anything"
        if name in found:
            return None
        found[name] = part
    return found


def is_same(before_root: Node, before: Any, after_root: Node, after: Any) -> bool:
    """Whether two subschemas say the same, to the last word of whatever they refer to."""
    return _spelled(before_root, before) == _spelled(after_root, after)


def _spelled(root: Node, raw: Any) -> str:
    known: dict[str, Any] = {}
    waiting = [raw]
    while waiting:
        for reference in _references(waiting.pop()):
            if reference not in known:
                known[reference] = resolve(root, reference)
                waiting.append(known[reference])
    return json.dumps([raw, known], sort_keys=True)


def _references(raw: Any) -> Iterator[str]:
    if isinstance(raw, dict):
        for name, part in cast("Node", raw).items():
            if name == "$ref" and isinstance(part, str):
                yield part
            else:
                yield from _references(part)
    elif isinstance(raw, list):
        for part in cast("list[Any]", raw):
            yield from _references(part)


def _whole(raw: Any) -> Node:
    return dict(cast("Mapping[str, Any]", raw)) if isinstance(raw, dict) else {} if raw is True else {"not": {}}


def _is_null(part: Any) -> bool:
    return isinstance(part, dict) and cast("Node", part).get("type") == "null" and asked(cast("Node", part)) == {"type"}


def _is_exclusive(root: Node, parts: Sequence[Any]) -> bool:
    """Whether no value can satisfy two of these: their types, or a required constant, tell them apart."""
    nodes = [laid_out(root, part) for part in parts]
    types = [types_of(root, node, 3) for node in nodes]
    if all(types) and not any(_overlap(one, other) for one, other in combinations(filter(None, types), 2)):
        return True
    names: list[str] = list(nodes[0].get("properties", ())) if nodes else []
    return any(_tells_apart(root, nodes, name) for name in names)


def _tells_apart(root: Node, nodes: Sequence[Node], name: str) -> bool:
    told: set[str] = set()
    for node in nodes:
        kind: Any = node.get("properties", {}).get(name)
        values = values_of(laid_out(root, kind)) if isinstance(kind, dict) else None
        if types_of(root, node, 3) != frozenset({"object"}) or name not in node.get("required", ()) or not values:
            return False
        spelled = {json.dumps(value, sort_keys=True) for value in values}
        if told & spelled or not all(isinstance(value, str) for value in values):
            return False
        told |= spelled
    return True


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one & other) or (("number" in one and "integer" in other) or ("integer" in one and "number" in other))


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"

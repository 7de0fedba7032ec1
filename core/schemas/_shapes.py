"""What a subschema asks for, laid out so that two of them can be held side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
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


def values_of(node: Node) -> list[Any] | None:
    """Return the values that *node* lists as the only ones, ``None`` where it lists none."""
    if "const" in node:
        return [node["const"]]
    return node.get("enum")


class Shapes:
    """The subschemas of one schema. What is found of each is kept, so that none is looked at twice, nor without end."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._laid_out: dict[int, tuple[Any, Node]] = {}
        """By identity, beside what has it: so no other thing gets it."""
        self._types: dict[int, frozenset[str] | None] = {}
        self._exclusive: dict[int, bool] = {}

    def laid_out(self, raw: Any) -> Node:
        """Return a subschema as an object without a reference at its top, with its wording; what is valid is the same.

        Alternatives of which one value can never satisfy two are all ``anyOf``.
        """
        if id(raw) not in self._laid_out:
            node = self._followed(raw)
            if EXCLUSIVE in node and ALTERNATIVES not in node and self._is_exclusive(node[EXCLUSIVE]):
                node = {ALTERNATIVES if name == EXCLUSIVE else name: part for name, part in node.items()}
            self._laid_out[id(raw)] = raw, node
        return self._laid_out[id(raw)][1]

    def _followed(self, raw: Any) -> Node:
        node: Node = _whole(raw)
        for _ in range(_FAR):
            if "$ref" in node:
                beside = {name: part for name, part in node.items() if name != "$ref"}
                if asked(beside):
                    node = beside | {"allOf": [*beside.get("allOf", ()), {"$ref": node["$ref"]}]}
                else:
                    node = _whole(resolve(self.root, node["$ref"])) | beside
            elif len(node.get("allOf", ())) == 1 and asked(node) == {"allOf"}:
                beside = {name: part for name, part in node.items() if name != "allOf"}
                node = _whole(node["allOf"][0]) | beside
            else:
                break
        return node

    def without_null(self, node: Node) -> tuple[Node, bool]:
        """Return what *node* asks for beside null, and whether null satisfies it as an alternative of its own."""
        wording = {name: part for name, part in node.items() if name not in ASKED}
        if asked(node) == {ALTERNATIVES}:
            parts: list[Any] = node[ALTERNATIVES]
            left: list[Any] = [part for part in parts if not _is_null(part)]
            if len(left) < len(parts) and left:
                rest = self.laid_out(left[0]) | wording if len(left) == 1 else node | {ALTERNATIVES: left}
                return rest, True
        types = node.get("type")
        if isinstance(types, list) and "null" in types and len(cast("list[str]", types)) > 1 and asked(node) <= _TYPED:
            others = [name for name in cast("list[str]", types) if name != "null"]
            return node | {"type": others[0] if len(others) == 1 else others}, True
        return node, False

    def types_of(self, raw: Any) -> frozenset[str] | None:
        """Return the types of the values that may satisfy a subschema, ``None`` where it does not limit them."""
        self.laid_out(raw)  # keeps it, and so its identity
        if id(raw) not in self._types:
            self._types[id(raw)] = self._types_found(raw)
        return self._types[id(raw)]

    def _types_found(self, raw: Any) -> frozenset[str] | None:
        found: set[str] = set()
        waiting, seen = [raw], set[int]()
        while waiting:
            node = self.laid_out(waiting.pop())
            if (types := named_types(node)) is not None:
                found |= types
            elif ALTERNATIVES not in node:
                return None
            elif id(node[ALTERNATIVES]) not in seen:
                seen.add(id(node[ALTERNATIVES]))
                waiting += node[ALTERNATIVES]
        return frozenset(found)

    def named_alternatives(self, parts: Sequence[Any]) -> dict[str, Any] | None:
        """Return alternatives by what tells them apart; ``None`` where that is not plain."""
        found: dict[str, Any] = {}
        for part in parts:
            node = self.laid_out(part)
            if isinstance(part, dict) and "$ref" in part:
                name = str(cast("Node", part)["$ref"]).rpartition("/")[2]
            elif isinstance(title := node.get("title"), str):
                name = title
            else:
                types = self.types_of(part)
                name = " or ".join(sorted(types)) if types else "anything"
            if name in found:
                return None
            found[name] = part
        return found

    def _is_exclusive(self, parts: list[Any]) -> bool:
        """Whether no value can satisfy two of these: their types, or a required constant, tell them apart."""
        if id(parts) not in self._exclusive:
            self._exclusive[id(parts)] = False  # until it is known: they may refer to themselves
            nodes = [self.laid_out(part) for part in parts]
            names: list[str] = list(nodes[0].get("properties", ())) if nodes else []
            self._exclusive[id(parts)] = self._have_types_of_their_own(parts) or any(
                self._tells_apart(nodes, name) for name in names
            )
        return self._exclusive[id(parts)]

    def _have_types_of_their_own(self, parts: list[Any]) -> bool:
        told: set[str] = set()
        for part in parts:
            types = self.types_of(part)
            if not types or _overlap(types, told):
                return False
            told |= types
        return True

    def _tells_apart(self, nodes: Sequence[Node], name: str) -> bool:
        told: set[str] = set()
        for node in nodes:
            kind: Any = node.get("properties", {}).get(name)
            values = values_of(self.laid_out(kind)) if isinstance(kind, dict) else None
            if named_types(node) != frozenset({"object"}) or name not in node.get("required", ()) or not values:
                return False
            spelled = {json.dumps(value, sort_keys=True) for value in values}
            if told & spelled or not all(isinstance(value, str) for value in values):
                return False
            told |= spelled
        return True


def named_types(node: Node) -> frozenset[str] | None:
    """Return the types that a subschema names itself, or that its listed values have; ``None`` where it has neither."""
    if "type" in node:
        named: Any = node["type"]
        return frozenset([named] if isinstance(named, str) else named)
    if (allowed := values_of(node)) is not None:
        return frozenset(map(_type_of, allowed))
    return None


class Sameness:
    """Whether subschemas of two schemas say the same, to the last word of whatever they refer to."""

    def __init__(self, before: Node, after: Node) -> None:
        self._roots = before, after

    def holds(self, before: Any, after: Any) -> bool:
        """Whether *before*, of the one schema, says the same as *after*, of the other."""
        if _spelled(before) != _spelled(after):
            return False
        return not any(reference in self._changed for reference in _references(before))

    @cached_property
    def _changed(self) -> AbstractSet[str]:
        """The references that mean another thing in the one schema than in the other."""
        used_by: dict[str, set[str]] = {}
        changed: list[str] = []
        for reference in {*_references(self._roots[0]), *_references(self._roots[1])}:
            before, after = (resolve(root, reference) for root in self._roots)
            if _spelled(before) != _spelled(after):
                changed.append(reference)
            for within in {*_references(before), *_references(after)}:
                used_by.setdefault(within, set()).add(reference)
        found = set(changed)
        while changed:
            new = used_by.get(changed.pop(), set()) - found
            found |= new
            changed += new
        return found


def _spelled(raw: Any) -> str:
    return json.dumps(raw, sort_keys=True)


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


def _overlap(one: AbstractSet[str], other: AbstractSet[str]) -> bool:
    return bool(one & other) or (("number" in one and "integer" in other) or ("integer" in one and "number" in other))


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"

"""Schemas as people write them, and worse; values that satisfy them; and the way of a value to what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

from tests.core.schema_forms.rules import target

NAMES = [
    "id",
    "items",
    "properties",
    "type",
    "größe",
    "Account Number",
    "Account_Number",
    "a/b~c",
    "",
    "x" * 70,
    "note",
]
KNOWN = ["Node", "Alias", "Line", "Kind"]
_DEEPEST = 4

LEAVES: list[Any] = [
    {"type": "string"},
    {"type": "string", "minLength": 1, "maxLength": 12, "title": "A title", "examples": ["x"]},
    {"type": "string", "format": "uri"},
    {"type": "string", "format": "date", "description": "a day"},
    {"type": "string", "pattern": "^(?!x)[a-z]+$"},
    {"type": "string", "pattern": "^[a-z]{2,5}$"},
    {"type": "integer", "minimum": 0, "maximum": 50},
    {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
    {"type": "boolean", "default": True},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"type": ["integer", "string"], "minimum": 3, "minLength": 2},
    {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    {"enum": ["a", "b", None]},
    {"enum": [1, "a", 2.5, True]},
    {"type": "string", "enum": ["a", 7, "b"]},
    {"const": 7},
    {"const": {"Account Number": 1}},
    {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    {"anyOf": [{"type": "string"}], "minLength": 2, "not": {"const": "no"}},
    {"type": ["string", "null"], "not": {"type": "null"}},
    {"type": "integer", "not": {"const": 3}},
    True,
    {},
    {"description": "anything"},
    {"minimum": 2},
    {"type": "object"},
    {"type": "object", "additionalProperties": True},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
    {"type": "object", "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": False},
    {"type": "object", "propertyNames": {"maxLength": 3}},
    {"type": "array"},
    {"type": "array", "items": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"type": "array", "prefixItems": [{"type": "string"}], "minItems": 1},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "contains": {"const": 1}},
    {"type": ["array", "null"], "items": {"type": "string"}},
]
REFERENCES = st.one_of(
    st.sampled_from(KNOWN).map(lambda name: {"$ref": f"#/$defs/{name}"}),
    st.sampled_from(KNOWN).map(lambda name: {"$ref": f"#/$defs/{name}", "description": "what it is here"}),
    st.sampled_from(KNOWN).map(lambda name: {"allOf": [{"$ref": f"#/$defs/{name}"}], "description": "as pydantic 1"}),
    st.sampled_from(KNOWN).map(lambda name: {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}),
    st.just({"$ref": "#"}),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return strategies for objects some of whose properties are optional."""

    def made(properties: dict[str, Any], is_required: list[bool], beside: dict[str, Any]) -> dict[str, Any]:
        names = [name for name, needed in zip(properties, is_required, strict=False) if needed]
        first = next(iter(properties), "id")
        extra = {key: value(first) if callable(value) else value for key, value in beside.items()}
        return {"type": "object", "properties": properties, "required": names, **extra}

    beside: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            *([{}] * 6),
            *([{"additionalProperties": False}] * 5),
            {"unevaluatedProperties": False},
            {"additionalProperties": True},
            {"additionalProperties": {"type": "string"}},
            {"minProperties": 1},
            {"dependentRequired": lambda first: {first: ["note"]}},
            {"if": {"required": ["note"]}, "then": {"properties": {"note": {"type": "string"}}}},
            {"if": {"required": ["id"]}, "then": lambda first: {"required": [first]}, "else": True},
            {"allOf": [{"properties": {"note": {"type": "string"}}, "required": ["note"]}]},
            {"allOf": [{"$ref": "#/$defs/Line"}]},
            {"anyOf": lambda first: [{"required": [first]}, {"properties": {"id": {"type": "integer"}}}]},
            {"$ref": "#/$defs/Line", "additionalProperties": False},
        ]
    )
    return st.builds(
        made,
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        st.lists(st.booleans(), min_size=4, max_size=4),
        beside,
    )


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    alternatives = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects(inner),
        objects(inner),
        inner.map(lambda part: {"type": "array", "items": part, "maxItems": 3}),
        inner.map(lambda part: {"type": "array", "items": part, "minItems": 2}),
        alternatives.map(lambda listed: {"anyOf": listed, "description": "one of some"}),
        alternatives.map(lambda listed: {"oneOf": listed}),
        st.lists(inner, min_size=2, max_size=2).map(lambda listed: {"allOf": listed}),
    )


def bodies(*, tame: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Return strategies for schemas of objects; a *tame* one has no part that strict modes have no words for."""
    leaves = [leaf for leaf in LEAVES if not tame or _is_tame(leaf)]
    inner = st.recursive(st.one_of(st.sampled_from(leaves), REFERENCES), _nested, max_leaves=6)
    definitions = st.fixed_dictionaries(
        {
            "Node": objects(inner),
            "Alias": st.sampled_from([{"$ref": "#/$defs/Line"}, {"$ref": "#/$defs/Kind", "description": "an alias"}]),
            "Line": objects(st.sampled_from(leaves)),
            "Kind": st.sampled_from([{"type": "string", "enum": ["q", "r"]}, {"type": ["integer", "null"]}]),
        }
    )
    return st.builds(
        lambda root, known, asked: {"title": "Thing", "description": asked, **root, "$defs": known},
        objects(inner),
        definitions,
        st.sampled_from(["", "what is asked"]),
    )


def _is_tame(leaf: Any) -> bool:
    if not isinstance(leaf, dict) or not leaf.keys() & {"type", "enum", "const", "anyOf", "oneOf"}:
        return False
    return leaf.get("type") != "object" and "prefixItems" not in leaf and not isinstance(leaf.get("const"), dict)


# ── Values ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_OF_TYPE: Mapping[Any, list[Any]] = {
    "string": ["a", "bc", "xyz", "2026-01-02", "https://a.b/", "no"],
    "integer": [0, 1, 3, 4, 7, 9],
    "number": [1, 2.5, 0.5],
    "boolean": [True, False],
    "null": [None],
}
_PLAIN = [None, True, 0, 1, 7, 2.5, "a", "bc", "2026-01-02", "https://a.b/", [], {}, [1], {"k": 1}]


def value_of(draw: Any, node: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Draw a value that is likely to satisfy *node*."""
    if not isinstance(node, dict) or depth > 3 * _DEEPEST:
        return draw(st.sampled_from(_PLAIN))
    if "const" in node or "enum" in node:
        return node["const"] if "const" in node else draw(st.sampled_from(node["enum"]))
    for name in ("anyOf", "oneOf"):
        if name in node:
            rest = {key: part for key, part in node.items() if key != name}
            return value_of(draw, _met(rest, draw(st.sampled_from(node[name]))), root, depth)
    rest = {key: one for key, one in node.items() if key not in ("$ref", "allOf")}
    joint = [*([target(root, node["$ref"])] if "$ref" in node else []), *node.get("allOf", ())]
    if joint:
        more = {"allOf": joint[1:]} if joint[1:] else {}
        return value_of(draw, _met({**rest, **more}, joint[0]), root, depth + 1)
    kinds = node.get("type")
    kind = draw(st.sampled_from(kinds)) if isinstance(kinds, list) else kinds
    match kind:
        case "object":
            return _object(draw, node, root, depth)
        case "array":
            return _array(draw, node, root, depth)
        case _:
            return draw(st.sampled_from(_OF_TYPE.get(kind, _PLAIN)))


def _met(one: Mapping[str, Any], other: Any) -> dict[str, Any]:
    """Return a schema to draw from that has what both say."""
    if not isinstance(other, dict):
        return dict(one)
    both = {**other, **one}
    for name in ("properties",):
        if name in one and name in other:
            both[name] = {**other[name], **one[name]}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    if "allOf" in one and "allOf" in other:
        both["allOf"] = [*one["allOf"], *other["allOf"]]
    return both


def _object(draw: Any, node: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, part in node.get("properties", {}).items():
        if name in node.get("required", ()) or (depth < _DEEPEST and draw(st.booleans())):
            made[name] = value_of(draw, part, root, depth + 1)
    for name in node.get("required", ()):
        made.setdefault(name, "bc")
    further = node.get("additionalProperties", "properties" not in node)
    if further is not False and draw(st.booleans()):
        name = draw(st.sampled_from(["k", "xk", "Account_Number", "Account_Number_", "Account Number"]))
        if name not in node.get("properties", {}):
            made[name] = value_of(draw, further, root, depth + 1)
    return made


def _array(draw: Any, node: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    made = [value_of(draw, part, root, depth + 1) for part in node.get("prefixItems", ())]
    inside = node.get("items", True)
    count = (
        0
        if inside is False
        else draw(st.integers(node.get("minItems", 0), 3 if depth < _DEEPEST else 0 + node.get("minItems", 0)))
    )
    return [*made, *(value_of(draw, inside, root, depth + 1) for _ in range(count))]


# ── The way there ─────────────────────────────────────────────────────────────────────────────────────────────────────


def nulled(value: Any, node: Mapping[str, Any], body: Mapping[str, Any]) -> Any:
    """Return *value* as an answer to the part *node* of an enforced *body*: what is absent is null."""
    if "$ref" in node:
        return nulled(value, body if node["$ref"] == "#" else target(body, node["$ref"]), body)
    if "anyOf" in node:
        told = [nulled(value, part, body) for part in node["anyOf"]]
        fits = [one for one, part in zip(told, node["anyOf"], strict=True) if is_valid(part, one, body)]
        return fits[0] if fits else value
    if isinstance(value, dict) and node.get("type") == "object":
        told = {}
        for name, part in node["properties"].items():
            if name in value:
                told[name] = nulled(value[name], part, body)
            elif name in node["required"]:
                told[name] = None
        return told | {name: part for name, part in value.items() if name not in node["properties"]}
    if isinstance(value, list) and node.get("type") == "array":
        return [nulled(part, node["items"], body) for part in value]
    return value


def is_valid(node: Any, value: Any, body: Mapping[str, Any]) -> bool:
    """Whether *value* satisfies the part *node* of *body*."""
    return jsonschema_rs.is_valid({**node, "$defs": body.get("$defs", {})}, value, validate_formats=True)


def without_absent(value: Any) -> Any:
    """Return *value* without members that are null: whether one is absent or null, a strict answer cannot tell."""
    if isinstance(value, dict):
        return {name: without_absent(part) for name, part in value.items() if part is not None}
    return [without_absent(part) for part in value] if isinstance(value, list) else value


def as_sent(value: Any, nodes: list[Any], root: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """Return *value* with its properties named as they are sent: those that a schema of its place declares.

    A name that is only like one that was made gets an underscore more, so that it can be told from it.
    """
    here = _in_place(nodes, root)
    if isinstance(value, list):
        inner = [
            part for node in here for part in (node.get("items"), *node.get("prefixItems", ()), node.get("contains"))
        ]
        return [as_sent(part, inner, root, names) for part in value]
    if not isinstance(value, dict):
        return value
    declared = {name for node in here for name in node.get("properties", ())} & names.keys()
    told: dict[str, Any] = {}
    for name, part in value.items():
        below = [node["properties"][name] for node in here if name in node.get("properties", ())]
        below += [node.get(key) for node in here for key in ("additionalProperties", "unevaluatedProperties")]
        below += [one for node in here for one in node.get("patternProperties", {}).values()]
        is_like = any(name.startswith(names[own]) and not name[len(names[own]) :].strip("_") for own in declared)
        sent = names[name] if name in declared else f"{name}_" if is_like else name
        told[sent] = as_sent(part, below, root, names)
    return told


def _in_place(nodes: list[Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    waiting = [node for node in nodes if isinstance(node, dict)]
    while waiting:
        node = waiting.pop()
        if any(node is one for one in found):
            continue
        found.append(node)
        more = [one for name in ("allOf", "anyOf", "oneOf") for one in node.get(name, ())]
        more += [node.get(name) for name in ("if", "then", "else")] + list(node.get("dependentSchemas", {}).values())
        if "$ref" in node:
            more.append(root if node["$ref"] == "#" else target(root, node["$ref"]))
        waiting += [one for one in more if isinstance(one, dict)]
    return found

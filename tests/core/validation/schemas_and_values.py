"""Schemas of every kind, recursive ones above all, and values that fit them now and then."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import strategies as st

from core.validation import resolve

NAMES = ("a", "b", "kind")
_REFERENCES = st.sampled_from(["#/$defs/x", "#/$defs/y", "#"]).map(lambda target: {"$ref": target})
_SIMPLE = st.sampled_from(
    [
        {"type": "integer"},
        {"type": "string"},
        {"type": "null"},
        {"type": ["string", "integer"]},
        {"const": "one"},
        {"const": 1},
        {"enum": ["one", "two", 3]},
        {"enum": [[1], {"a": 1}]},
        {"minimum": 2, "multipleOf": 0.5},
        {"minLength": 2, "pattern": "^t"},
        {"pattern": "^(?!one)"},
        {"format": "date"},
        {"type": "array", "minItems": 1, "uniqueItems": True},
        {"maxItems": 1},
        {"minProperties": 1, "maxProperties": 2},
        {"required": ["a"]},
        {"dependentRequired": {"a": ["b"]}},
        True,
        False,
    ]
)


def _composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3)
    tagged = st.tuples(st.sampled_from(["one", "two", 3]), named).map(
        lambda told: {
            "type": "object",
            "properties": {**told[1], "kind": {"const": told[0]}},
            "required": ["kind", *(name for name in told[1] if name != "kind")],
        }
    )
    keywords = st.fixed_dictionaries(
        {},
        optional={
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "propertyNames": inner,
            "dependentSchemas": named,
            "items": inner,
            "prefixItems": some,
            "contains": inner,
            "minContains": st.integers(0, 2),
            "required": st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
            "type": st.sampled_from(["object", "array", ["object", "null"]]),
        },
    )
    return (
        keywords
        | some.map(lambda parts: {"anyOf": parts})
        | tagged
        | st.lists(tagged, max_size=3, min_size=1).map(lambda parts: {"anyOf": parts})
    )


schemas = st.recursive(_SIMPLE | _REFERENCES, _composed, max_leaves=8)
"""Subschemas that may refer to ``#``, and to ``x`` and ``y`` of ``$defs``."""
roots = (
    st.tuples(schemas, schemas, schemas)
    .filter(lambda parts: isinstance(parts[0], dict))
    .map(lambda parts: cast("dict[str, Any]", parts[0]) | {"$defs": {"x": parts[1], "y": parts[2]}})
    .filter(lambda root: not any(_returns(root, each, frozenset()) for each in (root, *root["$defs"].values())))
)
"""Whole schemas, none of which refers to itself without a step into the value: that would mean nothing."""


def _returns(root: dict[str, Any], node: Any, above: frozenset[str]) -> bool:
    if not isinstance(node, dict):
        return False
    node = cast("dict[str, Any]", node)
    target = node.get("$ref")
    if target in above:
        return True
    beside = [node[name] for name in ("not", "if", "then", "else") if name in node]
    beside += [part for name in ("anyOf", "oneOf", "allOf") for part in node.get(name, ())]
    beside += node.get("dependentSchemas", {}).values()
    if isinstance(target, str) and _returns(root, resolve(root, target), above | {target}):
        return True
    return any(_returns(root, part, above) for part in beside)


values = st.recursive(
    st.sampled_from([None, True, 1, 2.5, 3, 1.0, "one", "two", "t", "2026-01-31", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "ab"]), inner, max_size=3),
    max_leaves=12,
)

"""Two schemas as one: what satisfies both satisfies the joined one, which is all that is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from core.json_schemas import resolve
from core.schema_forms._rules import CannotSay

NOTES = frozenset(
    {
        *("$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"),
        *("example", "deprecated", "readOnly", "writeOnly", "discriminator", "contentEncoding", "contentMediaType"),
        *("contentSchema", "$anchor", "externalDocs", "xml"),
    }
)
"""What says nothing about what is valid."""
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
_CHOICES = frozenset({"anyOf", "oneOf"})
_BRANCHES = frozenset({"if", "then", "else", "dependentSchemas", "prefixItems", "patternProperties"})
"""What declares properties or items of its own, and cannot be two in one schema."""
_ALL_TYPES = ("object", "array", "string", "number", "boolean", "null")


class Nothing(Exception):
    """No value satisfies this part."""


def text_of(node: Any) -> bytes:
    """Return what tells one schema from another."""
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS)


def both(*parts: Any) -> dict[str, Any]:
    """Return the schema that asks for all of *parts*, said once."""
    listed: dict[bytes, Any] = {}
    for part in parts:
        known = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        inner: list[Any] = known["allOf"] if known.keys() == {"allOf"} else [part]
        listed |= {text_of(one): one for one in inner}
    return {"allOf": list(listed.values())}


def flat(
    node: Any, root: Mapping[str, Any], path: str, known: dict[str, dict[str, Any]], within: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return *node* without ``$ref`` and ``allOf`` at its own level: what they lead to is joined in.

    What references lead to is kept in *known*, since many may lead to the same.

    Raises:
        Nothing: no value satisfies it.
        CannotSay: two parts of it cannot be told as one.

    """
    if node is False:
        raise Nothing
    if not isinstance(node, dict):
        return {}
    whole = cast("dict[str, Any]", node)
    joined: dict[str, Any] = {}
    if (reference := whole.get("$ref")) is not None:
        if reference in within:
            raise CannotSay(path, "refers to nothing but itself")
        if reference not in known:
            known[reference] = flat(resolve(root, reference), root, path, known, (*within, reference))
        joined = known[reference]
    for part in whole.get("allOf", ()):
        joined = _join(joined, flat(part, root, path, known, within), path)
    return _join(joined, {name: part for name, part in whole.items() if name not in ("$ref", "allOf")}, path)


def types_of(node: Mapping[str, Any]) -> list[str] | None:
    """Return the types that *node* names; ``None`` where it names none."""
    kind = node.get("type")
    return None if kind is None else [kind] if isinstance(kind, str) else list(cast("list[str]", kind))


def _join(one: dict[str, Any], other: dict[str, Any], path: str) -> dict[str, Any]:
    """Return both as one; the notes of *other*, which stands outside, go before."""
    if not one:
        return other
    joined = {**one}
    if "properties" in one or "properties" in other:
        joined["properties"] = _properties(one, other)
    for name, part in other.items():
        if name == "properties":
            continue
        if name in _CHOICES and _CHOICES & one.keys():
            raise CannotSay(path, "combines several choices")
        joined[name] = _keyword(name, joined[name], part, path) if name in one else part
    return joined


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    joined: dict[str, Any] = {}
    for name in [*mine, *(name for name in theirs if name not in mine)]:
        if name in mine and name in theirs:
            joined[name] = both(mine[name], theirs[name])
        elif name in mine and not _closes(other):
            joined[name] = mine[name]
        elif name in theirs and not _closes(one):
            joined[name] = theirs[name]
    return joined


def _closes(node: Mapping[str, Any]) -> bool:
    return node.get("additionalProperties") is False and not node.get("patternProperties")


def _keyword(name: str, one: Any, other: Any, path: str) -> Any:  # noqa: PLR0911 a table of what two values of a keyword mean together
    if name in NOTES or one == other:
        return other
    if name in _LEAST:
        return max(one, other)
    if name in _MOST:
        return min(one, other)
    match name:
        case "type":
            return _types(one, other)
        case "required":
            return [*one, *(each for each in other if each not in one)]
        case "enum":
            known = {text_of(each) for each in other}
            return [each for each in one if text_of(each) in known]
        case "const":
            raise Nothing
        case "uniqueItems":
            return True
        case "additionalProperties" | "unevaluatedProperties":
            return False if one is False or other is False else both(one, other)
        case "items":
            return both(one, other)
        case _ if name in _BRANCHES:
            raise CannotSay(path, f"combines several {name}")
        case _:
            return other  # the first is only ours to check


def _types(one: Any, other: Any) -> list[str]:
    mine, theirs = (types_of({"type": kind}) or [] for kind in (one, other))
    wide = (
        {*mine, *(("integer",) if "number" in mine else ())},
        {*theirs, *(("integer",) if "number" in theirs else ())},
    )
    kept = [kind for kind in (*_ALL_TYPES, "integer") if kind in wide[0] and kind in wide[1]]
    if "number" in kept:
        kept.remove("integer")
    if not kept:
        raise Nothing
    return kept


def accepts_null(node: Any, root: Mapping[str, Any], within: tuple[str, ...] = ()) -> bool:
    """Whether null satisfies *node*: exact, since most keywords say nothing about null."""
    if not isinstance(node, dict):
        return node is not False
    whole = cast("dict[str, Any]", node)

    def accepts(part: Any) -> bool:
        return accepts_null(part, root, within)

    if (reference := whole.get("$ref")) is not None and (
        reference in within or not accepts_null(resolve(root, reference), root, (*within, reference))
    ):
        return False
    kinds = types_of(whole)
    follows = "then" if "if" in whole and accepts(whole["if"]) else "else"
    return (
        (kinds is None or "null" in kinds)
        and ("enum" not in whole or None in whole["enum"])
        and ("const" not in whole or whole["const"] is None)
        and all(accepts(part) for part in whole.get("allOf", ()))
        and ("anyOf" not in whole or any(accepts(part) for part in whole["anyOf"]))
        and ("oneOf" not in whole or sum(accepts(part) for part in whole["oneOf"]) == 1)
        and not ("not" in whole and accepts(whole["not"]))
        and not ("if" in whole and follows in whole and not accepts(whole[follows]))
    )

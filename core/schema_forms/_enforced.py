"""A schema in a vendor's enforced subset, where every object is closed and every value has a type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.json_schemas import is_plain_name, resolve, tool_name
from core.schema_forms._annotations import is_annotation
from core.schema_forms._form import LeftOut
from core.schema_forms._joined import NOTES, Nothing, accepts_null, both, flat, text_of, types_of
from core.schema_forms._nulls import Nulls
from core.schema_forms._rules import WIDER, CannotSay, Rules
from core.schema_forms._walk import subschemas

_MOST_PARTS = 5_000
"""More subschemas than this are not sent: choices beside what holds for all of them multiply."""
_DEEPEST = 200
_LONGEST_HINT = 200
_NULL: Mapping[str, Any] = {"type": "null"}
_NESTED = frozenset({"object", "array"})
# What may be left out: it only narrows what the rest allows.
_ONLY_OURS: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems"),
    "object": ("minProperties", "maxProperties", "propertyNames", "dependentRequired", "dependentSchemas"),
}
_ANY_TYPE = ("not", "if")
_BRANCHES = ("then", "else", "if")


class Enforced:
    """One schema in the words of *rules*."""

    def __init__(self, root: Mapping[str, Any], rules: Rules) -> None:
        """Say *root*.

        Raises:
            CannotSay: a part cannot be said without excluding values that the author allows.

        """
        self._root = root
        self._rules = rules
        self._definitions: dict[str, Any] = {}
        self._known: dict[bytes, str] = {}
        self._flat_parts: dict[str, dict[str, Any]] = {}
        self._open: list[bytes] = []
        self._parts = 0
        self._droppable: dict[int, frozenset[str]] = {}
        self._left_out: list[LeftOut] = []
        self._closed: list[str] = []
        try:
            self.body = self._whole(root)
        except Nothing:
            raise CannotSay("$", "allows no value at all") from None
        except RecursionError:
            raise CannotSay("$", "nests too deep") from None

    def _whole(self, root: Mapping[str, Any]) -> dict[str, Any]:
        said = self._told(self._flat(root, "$"), "$")
        if said.get("type") != "object":
            raise CannotSay("$", "is not a plain object")
        body = said | ({"$defs": self._definitions} if self._definitions else {})
        led = {part["$ref"] for part in subschemas(body) if "$ref" in part}
        if not led <= {f"#/$defs/{name}" for name in self._definitions}:
            raise CannotSay("$", "refers to a part that allows no value")
        if why := self._rules.arranged(body) or self._rules.too_large(body):
            raise CannotSay("$", why)
        return body

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What of the schema the body does not say."""
        return tuple(dict.fromkeys(self._left_out))

    @property
    def closed(self) -> tuple[str, ...]:
        """Where objects are sent as having no further properties of which the schema does not say so."""
        return tuple(dict.fromkeys(self._closed))

    @property
    def way_back(self) -> tuple[Nulls, ...]:
        """What takes off the nulls that stand for absent properties."""
        return (Nulls(self.body, self._droppable),) if self._droppable else ()

    # ── One part ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, node: Any, path: str) -> dict[str, Any]:
        self._parts += 1
        if self._parts > _MOST_PARTS or len(self._open) > _DEEPEST:
            raise CannotSay("$", "multiplies into too many parts")
        if node is False:
            raise Nothing
        if isinstance(node, dict) and any("$ref" in part for part in _joint([node])):
            return self._reference(cast("dict[str, Any]", node), path)
        return self._told(self._flat(node, path), path)

    def _flat(self, node: Any, path: str) -> dict[str, Any]:
        return flat(node, self._root, path, self._flat_parts)

    def _reference(self, node: dict[str, Any], path: str) -> dict[str, Any]:
        """Return a reference to a definition of just what *node* says: what stands beside its ``$ref`` comes along."""
        asked = {name: part for name, part in node.items() if name not in NOTES or name == "description"}
        key = text_of(asked)
        if key in self._open and not self._rules.has_recursion:
            raise CannotSay(path, "refers to itself")
        if key not in self._known:
            self._known[key] = name = self._fresh(asked)
            self._definitions[name] = {}
            self._open.append(key)
            try:
                self._definitions[name] = self._told(self._flat(asked, path), path)
            except Nothing:
                del self._known[key], self._definitions[name]
                raise
            finally:
                self._open.pop()
        return {"$ref": f"#/$defs/{self._known[key]}"}

    def _fresh(self, node: Mapping[str, Any]) -> str:
        """Return a name for a new definition, after what it refers to."""
        reference = node.get("$ref") or next(part["$ref"] for part in _joint(node.get("allOf", ())) if "$ref" in part)
        stem = tool_name(str(reference).rpartition("/")[2])
        return next(
            name
            for n in range(1, 2 * _MOST_PARTS)
            if (name := f"{stem}_{n}" if n > 1 else stem) not in self._definitions
        )

    def _told(self, node: dict[str, Any], path: str) -> dict[str, Any]:
        """Return what a flat *node* says."""
        for union in ("anyOf", "oneOf"):
            if union in node:
                return self._choice(node, union, path)
        kinds = types_of(node)
        nested = [kind for kind in kinds or () if kind in _NESTED]
        if "enum" in node or "const" in node:
            said = self._values(node, path)
            kinds = types_of(said) or []
        elif kinds is None:
            said, kinds = self._any(path, "takes values of any type"), [*_ONLY_OURS]
        elif len(kinds) > 1 and nested:
            said = self._choice({**node, "anyOf": [{"type": kind} for kind in kinds]}, "anyOf", path)
        elif nested:
            said = self._object(node, path) if nested == ["object"] else self._array(node, path)
        else:
            said = {"type": kinds[0] if len(kinds) == 1 else kinds} | self._bounds(node, kinds)
        hints = self._leave_out(node, kinds, said, path)
        return self._described(said, node, hints)

    def _any(self, path: str, why: str) -> dict[str, Any]:
        """Return what takes any value, where there are words for it."""
        raise CannotSay(path, why)

    def _described(self, said: dict[str, Any], node: Mapping[str, Any], hints: Mapping[str, Any]) -> dict[str, Any]:
        """Add the description, and in words what the vendor is not sent as a keyword."""
        texts = [node["description"]] if isinstance(node.get("description"), str) else []
        if hints:
            texts.append("(" + ", ".join(f"{name}: {_hint(value)}" for name, value in hints.items()) + ")")
        if texts:
            said["description"] = " ".join(texts)
        return said

    def _leave_out(
        self, node: Mapping[str, Any], kinds: list[str], said: Mapping[str, Any], path: str
    ) -> dict[str, Any]:
        """Note what of *node* is not sent; return it."""
        names = [*_ANY_TYPE]
        for kind in kinds:
            names += _ONLY_OURS.get("number" if kind == "integer" else kind, ())
        names += ["format"] if is_annotation(node) else []
        missing = {
            name: node[name]
            for name in names
            if name in node and said.get(name) != node[name] and node[name] is not False
        }
        for name in missing:
            if name == "format" and is_annotation(node):
                continue  # nobody checks it: ``unchecked_formats`` tells that of every form
            self._left_out.append(
                LeftOut(path, name, f"{self._rules.vendor} does not take it where it enforces a schema.")
            )
        return {name: value for name, value in missing.items() if name not in ("if", "not", "dependentSchemas")}

    # ── By kind ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _choice(self, node: dict[str, Any], union: str, path: str) -> dict[str, Any]:
        if union == "anyOf" and "oneOf" in node:
            raise CannotSay(path, "combines several choices")
        beside = {name: part for name, part in node.items() if name != union and name not in NOTES}
        said: list[dict[str, Any]] = []
        for part in node[union]:
            try:
                one = self._say(both(part, beside) if beside else part, path)
            except Nothing:
                continue
            if one not in said:
                said.append(one)
        if not said:
            raise Nothing
        if union == "oneOf" and len(said) > 1:
            self._left_out.append(
                LeftOut(path, "oneOf", "It is sent as anyOf: that just one fits is for Proctor to check.")
            )
        return self._described({"anyOf": said}, node, {})

    def _values(self, node: Mapping[str, Any], path: str) -> dict[str, Any]:
        values = [node["const"]] if "const" in node else node["enum"]
        if "const" in node and "enum" in node and text_of(node["const"]) not in map(text_of, node["enum"]):
            raise Nothing
        allowed = types_of(node)
        kept = [value for value in values if allowed is None or _type(value) in allowed or _is_wide(value, allowed)]
        if not kept:
            raise Nothing
        if any(isinstance(value, dict | list) for value in kept):
            return self._any(path, "is one of some objects or lists")
        kinds = list(dict.fromkeys(map(_type, kept)))
        if "number" in kinds and "integer" in kinds:
            kinds.remove("integer")
        return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": kept}

    def _bounds(self, node: Mapping[str, Any], kinds: list[str]) -> dict[str, Any]:
        """Return the bounds of *node* that the vendor takes."""
        return {
            name: node[name]
            for kind in kinds
            for name in _ONLY_OURS.get("number" if kind == "integer" else kind, ())
            if name in node and self._takes(kind, name, node[name])
        }

    def _takes(self, kind: str, name: str, value: Any) -> bool:
        if name == "format":
            return value in self._rules.formats - (WIDER - self._rules.narrowed)
        return name in self._rules.bounds and self._rules.takes_bound(kind, name, value)

    def _array(self, node: Mapping[str, Any], path: str) -> dict[str, Any]:
        inside = node.get("items", True)
        if node.get("prefixItems"):
            items = self._any(path, "is a list whose places differ")
        elif inside is True or inside == {}:
            items = self._any(path, "is a list of any items")
        else:
            try:
                items = self._say(inside, f"{path}[]")
            except Nothing:
                items = self._any(path, "is a list without items")
        return {"type": "array", "items": items} | self._bounds(node, ["array"])

    def _object(self, node: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties: Mapping[str, Any] = node.get("properties", {})
        required = list(node.get("required", ()))
        further = self._further(node, path)
        said: dict[str, Any] = {}
        droppable: set[str] = set()
        for name, part in properties.items():
            try:
                one = self._say(part, f"{path}.{name}" if is_plain_name(name) else f"{path}[…]")
            except Nothing:
                if name in required:
                    raise
                continue  # it may only be absent
            if self._rules.optional_is_null and name not in required and not accepts_null(part, self._root):
                one = (
                    {"anyOf": [*one["anyOf"], _NULL], **{k: v for k, v in one.items() if k != "anyOf"}}
                    if "anyOf" in one
                    else {"anyOf": [one, _NULL]}
                )
                droppable.add(name)
            said[name] = one
        needed = [name for name in said if self._rules.optional_is_null or name in required]
        found = {"type": "object", "properties": said, "required": needed, "additionalProperties": further}
        if droppable:
            self._droppable[id(said)] = frozenset(droppable)
        return found

    def _further(self, node: Mapping[str, Any], path: str) -> bool | dict[str, Any]:
        """Return what further properties are: none, or there are no words for them."""
        properties, required = node.get("properties", {}), node.get("required", ())
        closed_by = self._closed_by(node, path)
        if not closed_by and len(properties) < max(1, node.get("minProperties", 0)):
            raise CannotSay(path, "is an object of any properties")
        is_closed = closed_by == "additionalProperties"
        spoken_of = required if is_closed else [*required, *self._spoken_of(node)]
        unknown = next((name for name in spoken_of if name not in properties), None)
        if unknown is not None:
            if is_closed:
                raise Nothing
            raise CannotSay(path, f"speaks of a property that it does not describe ({unknown[:60]!r})")
        if not closed_by:
            self._closed.append(path)
        return False

    def _closed_by(self, node: Mapping[str, Any], path: str) -> str:
        """Return what closes it; who says nothing of further properties is taken not to want any."""
        if node.get("patternProperties"):
            raise CannotSay(path, "takes properties whose names follow a pattern")
        closed_by = ""
        for keyword in ("unevaluatedProperties", "additionalProperties"):
            if keyword in node:
                if node[keyword] is not False:
                    raise CannotSay(path, "takes further properties")
                closed_by = keyword
        return closed_by

    def _spoken_of(self, node: Mapping[str, Any]) -> Iterator[str]:
        """Yield the properties of which the branches of *node* speak."""
        for part in (*(node.get(name) for name in _BRANCHES), *node.get("dependentSchemas", {}).values()):
            yield from self._named(part, ())
        for names in node.get("dependentRequired", {}).values():
            yield from names

    def _named(self, node: Any, within: tuple[str, ...]) -> Iterator[str]:
        if not isinstance(node, dict):
            return
        whole = cast("dict[str, Any]", node)
        yield from whole.get("properties", ())
        yield from whole.get("required", ())
        if any(whole.get(name) for name in ("patternProperties", "additionalProperties", "unevaluatedProperties")):
            yield "any other"
        if (reference := whole.get("$ref")) is not None and reference not in within:
            yield from self._named(resolve(self._root, reference), (*within, reference))
        for name in ("allOf", "anyOf", "oneOf"):
            for part in whole.get(name, ()):
                yield from self._named(part, within)
        yield from self._spoken_of(whole)


def _joint(parts: Any) -> Iterator[dict[str, Any]]:
    """Yield *parts*, and the parts of which they are all of."""
    for part in parts:
        if isinstance(part, dict):
            one = cast("dict[str, Any]", part)
            yield one
            yield from _joint(one.get("allOf", ()))


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case list():
            return "array"
        case _:
            return "object"


def _is_wide(value: Any, allowed: list[str]) -> bool:
    return _type(value) == "integer" and "number" in allowed


def _hint(value: Any) -> str:
    said = value if isinstance(value, str) else text_of(value).decode()
    return said if len(said) <= _LONGEST_HINT else f"{said[:_LONGEST_HINT]}…"

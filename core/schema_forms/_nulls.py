"""Taking off the nulls that stand for absent properties, where a vendor wants every property to be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from jsonschema_rs import Draft202012Validator

from core.validation import Effort

_MOST_SECONDS = 0.1
"""Of CPU, to tell alternatives apart in one answer."""
_TYPES: Mapping[type, tuple[str, ...]] = {
    dict: ("object",),
    list: ("array",),
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number", "integer"),
    type(None): ("null",),
}


class _Shapes:
    """The objects, or the lists, that one place may hold."""

    def __init__(self, shapes: list[Mapping[str, Any]]) -> None:
        self._all = shapes
        self._by_names: dict[frozenset[str], list[Mapping[str, Any]]] = {}
        for one in shapes:
            self._by_names.setdefault(frozenset(one.get("properties", ())), []).append(one)

    def of(self, value: dict[str, Any] | list[Any]) -> list[Mapping[str, Any]]:
        """Return those that *value* may be by its names, or all."""
        return (self._by_names.get(frozenset(value)) if isinstance(value, dict) else None) or self._all


class Nulls:
    """The nulls that a body forces upon its answers."""

    def __init__(self, body: Mapping[str, Any], droppable: Mapping[int, frozenset[str]]) -> None:
        """Take the *body* as it is sent, and which properties are null for absent: by the id of its ``properties``."""
        self._body = body
        self._droppable = droppable
        self._validators: dict[int, Draft202012Validator] = {}
        self._shapes: dict[tuple[int, str], _Shapes] = {}
        self._forcing: dict[int, bool] = {}

    def __call__(self, value: Any) -> Any:
        """Return *value*, an answer to the body, without them."""
        return self._without(value, self._body, Effort(_MOST_SECONDS))

    def _without(self, value: Any, node: Mapping[str, Any], effort: Effort) -> Any:
        if not self._forces_nulls(node):
            return value
        if isinstance(value, dict):
            shape = self._shape(cast("dict[str, Any]", value), node, effort)
            if shape is None:
                return cast("Any", value)
            properties = shape["properties"]
            droppable = self._droppable.get(id(properties), frozenset())
            return {
                name: self._without(part, properties[name], effort) if name in properties else part
                for name, part in cast("dict[str, Any]", value).items()
                if part is not None or name not in droppable
            }
        if isinstance(value, list):
            shape = self._shape(cast("list[Any]", value), node, effort)
            if shape is not None:
                return [self._without(part, shape["items"], effort) for part in cast("list[Any]", value)]
        return cast("Any", value)

    def _forces_nulls(self, node: Mapping[str, Any]) -> bool:
        """Whether anything that *node* leads to may be null for absent; else no value of it is looked at."""
        if id(node) not in self._forcing:
            self._forcing[id(node)] = any(self._droppable.get(id(one.get("properties"))) for one in self._reached(node))
        return self._forcing[id(node)]

    def _reached(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield every leaf that *node* leads to, once."""
        waiting, seen = [node], set[int]()
        while waiting:
            for one in self._leaves(waiting.pop()):
                if id(one) not in seen:
                    seen.add(id(one))
                    waiting += [*one.get("properties", {}).values(), *([one["items"]] if "items" in one else ())]
                    yield one

    def _shape(
        self, value: dict[str, Any] | list[Any], node: Mapping[str, Any], effort: Effort
    ) -> Mapping[str, Any] | None:
        """Return which object or list of *node* the *value* is: the one that it satisfies, or is most like.

        What its members are tells most alternatives apart. Those alike are validated, which costs as much as *value* is
        large, at each level of it again: only while there is *effort* left.
        """
        key = id(node), "object" if isinstance(value, dict) else "array"
        if key not in self._shapes:
            self._shapes[key] = _Shapes([one for one in self._leaves(node) if one.get("type") == key[1]])
        found = self._shapes[key].of(value)
        if len(found) > 1 and isinstance(value, dict):
            found = [one for one in found if self._may_be(value, one["properties"])] or found
        if len(found) > 1 and not effort.is_spent:
            return next((one for one in found if self._validator(one).is_valid(value)), found[0])
        return found[0] if found else None

    def _may_be(self, value: dict[str, Any], properties: Mapping[str, Any]) -> bool:
        """Whether the members of *value* are of the types of *properties*, and of their enums."""
        return all(
            any(_is_of(part, leaf) for leaf in self._leaves(properties[name]))
            for name, part in value.items()
            if name in properties
        )

    def _leaves(self, node: Mapping[str, Any], within: tuple[str, ...] = ()) -> Iterator[Mapping[str, Any]]:
        """Yield what *node* may be, with references followed and choices opened."""
        if (reference := node.get("$ref")) is not None:
            if reference in within:
                return
            yield from self._leaves(self._body["$defs"][reference.rpartition("/")[2]], (*within, reference))
        elif "anyOf" in node:
            for one in node["anyOf"]:
                yield from self._leaves(one, within)
        else:
            yield node

    def _validator(self, node: Mapping[str, Any]) -> Draft202012Validator:
        known = self._validators.get(id(node))
        if known is None:
            alone = {**node, "$defs": self._body.get("$defs", {})}
            known = self._validators[id(node)] = Draft202012Validator(alone, validate_formats=False, offline=True)
        return known


def _is_of(value: Any, leaf: Mapping[str, Any]) -> bool:
    kind = leaf.get("type", ())
    kinds = (kind,) if isinstance(kind, str) else kind
    return not set(_TYPES[type(value)]).isdisjoint(kinds) and ("enum" not in leaf or value in leaf["enum"])

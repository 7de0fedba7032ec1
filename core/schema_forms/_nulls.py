"""Taking off the nulls that stand for absent properties, where a vendor wants every property to be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from jsonschema_rs import Draft202012Validator


class Nulls:
    """The nulls that a body forces upon its answers."""

    def __init__(self, body: Mapping[str, Any], droppable: Mapping[int, frozenset[str]]) -> None:
        """Take the *body* as it is sent, and which properties are null for absent: by the id of its ``properties``."""
        self._body = body
        self._droppable = droppable
        self._validators: dict[int, Draft202012Validator] = {}

    def __call__(self, value: Any) -> Any:
        """Return *value*, an answer to the body, without them."""
        return self._without(value, self._body)

    def _without(self, value: Any, node: Mapping[str, Any]) -> Any:
        if isinstance(value, dict):
            shape = self._shape(cast("dict[str, Any]", value), node)
            if shape is None:
                return cast("Any", value)
            properties = shape["properties"]
            droppable = self._droppable.get(id(properties), frozenset())
            return {
                name: self._without(part, properties[name]) if name in properties else part
                for name, part in cast("dict[str, Any]", value).items()
                if part is not None or name not in droppable
            }
        if isinstance(value, list):
            shape = self._shape(cast("list[Any]", value), node)
            if shape is not None:
                return [self._without(part, shape["items"]) for part in cast("list[Any]", value)]
        return cast("Any", value)

    def _shape(self, value: dict[str, Any] | list[Any], node: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return which object or list of *node* the *value* is: the one that it satisfies, or is most like."""
        kind = "object" if isinstance(value, dict) else "array"
        found = [one for one in self._leaves(node) if one.get("type") == kind]
        if isinstance(value, dict):
            found = [one for one in found if one["properties"].keys() == value.keys()] or found
        if len(found) > 1:
            return next((one for one in found if self._validator(one).is_valid(value)), found[0])
        return found[0] if found else None

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
            known = self._validators[id(node)] = Draft202012Validator(alone, validate_formats=False)
        return known

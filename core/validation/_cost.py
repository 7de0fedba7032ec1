"""What the verdict on a value can cost at most, known from the schema and the value's extent before it is asked for.

A cost is counted per place of the value: how many subschemas look at the place that most of them look at. A recursive
``$ref`` counts once, as the validator remembers its verdict per place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from core.validation._patterns import size_of
from core.validation._pointers import resolve

MOST_VISITS = 15_000_000
"""How many looks of a subschema at a place one verdict may take. It is a count, not a time: of the schemas of
``tests/bench/answers.py`` those that were measured alone took a fifth of a second at most. The library lets no other
thread go on meanwhile, so the other callers wait as long."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a value can be."""

    values: int
    """At least the number of its values and names."""
    size_bytes: int
    """At least the length of all its texts together."""

    @classmethod
    def of_text(cls, text: bytes) -> Extent:
        """Return the extent of the value that the JSON *text* stands for."""
        return cls(1 + sum(text.count(mark) for mark in (b",", b":", b"[", b"{")), len(text))

    @classmethod
    def of(cls, value: Any) -> Extent:
        """Return the extent of the JSON *value*; of one too large to be JSON of any use, that of its beginning."""
        values, size, waiting = 0, 0, [value]
        while waiting and values < MOST_VISITS:
            part = waiting.pop()
            values += 1
            if isinstance(part, str):
                size += len(part)
            elif isinstance(part, dict):
                entries = cast("dict[Any, Any]", part)
                values += len(entries)
                size += sum(len(name) for name in entries if isinstance(name, str))
                waiting += entries.values()
            elif isinstance(part, list | tuple):
                waiting += cast("list[Any]", part)
        return cls(values, size)


class PlaceCost(NamedTuple):
    """What one place of a value costs at most."""

    visits: int = 0
    """Looks of a subschema, each some nanoseconds."""
    pattern_bytes: int = 0
    """Bytes of compiled patterns; each meets each byte of a text."""
    backtracking: int = 0
    """Patterns that backtrack."""

    def plus(self, other: PlaceCost) -> PlaceCost:
        """Return both together."""
        return PlaceCost(*(mine + its for mine, its in zip(self, other, strict=True)))

    def at_least(self, other: PlaceCost) -> PlaceCost:
        """Return the larger of both, part by part."""
        return PlaceCost(*map(max, self, other))


_HERE = ("not", "if", "then", "else")
_ALL_HERE = ("allOf", "anyOf", "oneOf")
_FORMAT, _MULTIPLE = 100, 100
_NOTHING = PlaceCost()


def cost_of(wire: Mapping[str, Any]) -> tuple[PlaceCost, frozenset[str]]:
    """Return what the verdict of the schema *wire* costs at most, per place of a value, and its patterns of names."""
    costs = _Costs(wire)
    here, below = costs.of(wire)
    return here.at_least(below), frozenset(costs.of_names)


class _Costs:
    """One walk over a schema, each of its parts once."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._behind: dict[str, tuple[PlaceCost, PlaceCost]] = {}
        self.of_names: set[str] = set()

    def of(self, node: Any) -> tuple[PlaceCost, PlaceCost]:
        """Return what *node* costs at the place that it looks at, and at the worst one below that."""
        if not isinstance(node, dict):
            return PlaceCost(1), _NOTHING
        schema = cast("dict[str, Any]", node)
        here, below = _own(schema), _NOTHING
        self.of_names.update(schema.get("patternProperties", ()))
        for part in self._beside(schema):
            also_here, also_below = part
            here, below = here.plus(also_here), below.plus(also_below)
        below = below.plus(self._children(schema))
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            # What is not evaluated is found by another look at all that could have evaluated it.
            here, below = here.plus(here), below.plus(below)
        return here, below

    def _beside(self, schema: Mapping[str, Any]) -> Iterable[tuple[PlaceCost, PlaceCost]]:
        yield from (self.of(schema[name]) for name in _HERE if name in schema)
        for name in _ALL_HERE:
            yield from map(self.of, _list(schema.get(name)))
        yield from map(self.of, _parts(schema.get("dependentSchemas")))
        if isinstance(reference := schema.get("$ref"), str):
            if reference not in self._behind:
                self._behind[reference] = PlaceCost(1), _NOTHING
                self._behind[reference] = self.of(resolve(self._root, reference))
            yield self._behind[reference]

    def _children(self, schema: Mapping[str, Any]) -> PlaceCost:
        named = self._largest([*_parts(schema.get("properties")), schema.get("additionalProperties", True)])
        for part in _parts(schema.get("patternProperties")):
            named = named.plus(self._largest([part]))
        for name in ("propertyNames", "unevaluatedProperties"):
            named = named.plus(self._largest([schema[name]])) if name in schema else named
        listed = self._largest([*_list(schema.get("prefixItems")), schema.get("items", True)])
        for name in ("contains", "unevaluatedItems"):
            listed = listed.plus(self._largest([schema[name]])) if name in schema else listed
        return named.at_least(listed)

    def _largest(self, parts: Iterable[Any]) -> PlaceCost:
        largest = _NOTHING
        for part in parts:
            here, below = self.of(part)
            largest = largest.at_least(here).at_least(below)
        return largest


def _own(schema: Mapping[str, Any]) -> PlaceCost:
    cost = PlaceCost(1 + len(schema) // 4)
    patterns = [schema["pattern"]] if "pattern" in schema else []
    patterns += list(schema.get("patternProperties", ()))
    for pattern in patterns:
        size = size_of(pattern)
        cost = cost.plus(PlaceCost(10, size, int(size == 0)))
    if "format" in schema:
        cost = cost.plus(PlaceCost(_FORMAT))
    if isinstance(schema.get("multipleOf"), float):
        cost = cost.plus(PlaceCost(_MULTIPLE))
    compared = [*_list(schema.get("enum")), schema.get("const")]
    # Texts and numbers are looked up; what holds others is compared with each.
    return cost.plus(PlaceCost(sum(_size(each) for each in compared if isinstance(each, dict | list))))


def _size(value: Any) -> int:
    """Return how many visits it is worth to compare with *value*."""
    if isinstance(value, dict):
        return 10 + sum(map(_size, cast("dict[str, Any]", value).values()))
    return 10 + sum(map(_size, cast("list[Any]", value))) if isinstance(value, list) else 1


def _list(part: Any) -> list[Any]:
    return cast("list[Any]", part) if isinstance(part, list) else []


def _parts(part: Any) -> list[Any]:
    return list(cast("dict[str, Any]", part).values()) if isinstance(part, dict) else []

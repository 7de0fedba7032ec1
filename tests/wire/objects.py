"""Objects from JSON Schemas: one that is valid, and some that fail where a test can foresee it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from tests.wire.patterns import matching

Schema = Mapping[str, Any]

_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:26:53Z",
    "time": "09:26:53Z",
    "duration": "P3D",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "ipvanyaddress": "192.0.2.7",
    "uri": "https://example.com/a",
    "uri-reference": "/a",
    "iri": "https://example.com/a",
    "url": "https://example.com/a",
    "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "json-pointer": "/a",
    "regex": "^a$",
}
_WRONG = ("not what was asked", 12345, {"wrong": "type"}, None, True)
_DEEPEST_REPEAT = 2


class _EndlessError(ValueError):
    """The schema refers to itself here; whoever can do without the value should."""

    def __init__(self) -> None:
        super().__init__("the schema allows endless objects only")


def valid_text(schema: Schema) -> str:
    """Return the JSON text of an object that satisfies *schema*; the same for the same schema, always.

    It fills optional properties too, one level of recursion and up to two items of a list.
    """
    return _valid(orjson.dumps(schema))


def invalid_text(schema: Schema | None, valid: str, *, worse: bool = False) -> str:
    """Return the JSON text *valid*, spoilt: its first required property has a wrong type.

    With *worse*, its second required property is missing as well. A property that takes anything is passed over.
    Without a schema every property counts as required.
    """
    return _invalid(b"" if schema is None else orjson.dumps(schema), valid, worse)


def broken_text(valid: str) -> str:
    """Return *valid* with its end replaced by what no JSON reader takes."""
    return f"{valid[: len(valid) * 2 // 3]}<oops"


@lru_cache(maxsize=512)
def _valid(schema: bytes) -> str:
    root = orjson.loads(schema)
    return orjson.dumps(_Maker(root).value(root, "value", 0)).decode()


@lru_cache(maxsize=2048)
def _invalid(schema: bytes, valid: str, worse: bool) -> str:  # noqa: FBT001 - lru_cache keys it by position
    root: Schema = orjson.loads(schema) if schema else {}
    value = orjson.loads(valid)
    is_valid = _checker(root)
    if not isinstance(value, dict):
        return orjson.dumps(next(wrong for wrong in _WRONG if not is_valid(wrong))).decode()
    shape = _Maker(root).resolved(root)
    properties = shape.get("properties", {})
    names = [name for name in properties if name in shape.get("required", ())] or list(value)
    for place, name in enumerate(names):
        plain_text = isinstance(value.get(name), str) and "format" not in properties.get(name, {})
        for wrong in (12345, *_WRONG) if plain_text else _WRONG:
            spoilt = {**value, name: wrong}
            if is_valid(spoilt) and root:
                continue
            if worse:
                spoilt.pop(next(iter(names[place + 1 :]), ""), None)
            return orjson.dumps(spoilt).decode()
    return "[]"


def _checker(schema: Schema) -> Callable[[Any], bool]:
    return jsonschema_rs.validator_for(dict(schema), validate_formats=True).is_valid


class _Maker:
    """Makes one value. Holds the document, for its references."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._following: list[str] = []

    def resolved(self, schema: Any) -> Schema:
        """Return *schema* with its reference followed and its ``allOf`` merged in."""
        if schema is True or schema is False:
            return {}
        merged = dict(schema)
        if (reference := merged.pop("$ref", None)) is not None:
            merged = {**self.resolved(self._at(reference)), **merged}
        for part in merged.pop("allOf", ()):
            merged = _merged(merged, self.resolved(part))
        return merged

    def value(self, schema: Any, name: str, nth: int) -> Any:
        """Return the value for the property *name*, different for each *nth* where the schema allows."""
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if reference is None:
            return self._made(self.resolved(schema), name, nth)
        if self._following.count(reference) >= _DEEPEST_REPEAT:
            raise _EndlessError
        self._following.append(reference)
        try:
            return self._made(self.resolved(schema), name, nth)
        finally:
            self._following.pop()

    def _at(self, reference: str) -> Any:
        here: Any = self._root if reference.startswith("#") else {}  # elsewhere stands anything
        if not here:
            return here
        for step in filter(None, reference.removeprefix("#").split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            here = here[int(key)] if isinstance(here, list) else here[key]
        return here

    def _made(self, schema: Schema, name: str, nth: int) -> Any:
        if "const" in schema:
            return copy.deepcopy(schema["const"])
        if "enum" in schema:
            choices = schema["enum"]
            return copy.deepcopy(choices[nth % len(choices)])
        for union in ("anyOf", "oneOf"):
            if union in schema:
                rest = {key: value for key, value in schema.items() if key != union}
                return self._first_of(schema[union], rest, name, nth)
        return self._of_kind(_kind(schema), schema, name, nth)

    def _of_kind(self, kind: str | None, schema: Schema, name: str, nth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema, name)
            case "integer" | "number":
                return _number(schema, nth, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _text(schema, name, nth)

    def _first_of(self, options: Sequence[Any], rest: Schema, name: str, nth: int) -> Any:
        """Return a value of the first option that is not null and ends; null if that is the only way."""
        by_preference = sorted(options, key=lambda option: isinstance(option, Mapping) and option.get("type") == "null")
        for option in by_preference:
            depth = len(self._following)
            try:
                if "properties" in rest:
                    return self._made(_merged(rest, self.resolved(option)), name, nth)
                return self.value(option, name, nth)
            except _EndlessError:
                del self._following[depth:]
        raise _EndlessError

    def _object(self, schema: Schema) -> dict[str, Any]:
        required = schema.get("required", ())
        made: dict[str, Any] = {}
        for name, part in schema.get("properties", {}).items():
            try:
                made[name] = self.value(part, name, 0)
            except _EndlessError:
                if name in required:
                    raise
        extra = schema.get("additionalProperties", True)
        for name in required:
            if name not in made:
                made[name] = self.value(extra, name, 0)
        if isinstance(extra, Mapping) and not made:
            made["key"] = self.value(extra, "value", 0)
        for nth in range(len(made), schema.get("minProperties", 0)):
            made[f"key {nth}"] = self.value(extra, "value", nth)
        return made

    def _array(self, schema: Schema, name: str) -> list[Any]:
        least = schema.get("minItems", 0)
        made = [self.value(part, name, nth) for nth, part in enumerate(schema.get("prefixItems", ()))]
        part = schema.get("items", True)
        if part is False or (part is True and made):
            return made
        for nth in range(len(made), max(least, min(2, schema.get("maxItems", 2)))):
            try:
                item = self.value(part, name, nth)
            except _EndlessError:
                if len(made) < least:
                    raise
                break
            if schema.get("uniqueItems") and item in made:
                break
            made.append(item)
        return made


def _merged(one: Schema, other: Schema) -> dict[str, Any]:
    """Return a schema that asks for both."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *(name for name in other["required"] if name not in one["required"])]
    return both


def _kind(schema: Schema) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((one for one in kind if one != "null"), "null")
    if kind is not None:
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    if "minimum" in schema or "maximum" in schema:
        return "number"
    if "pattern" in schema or "minLength" in schema or "format" in schema:
        return "string"
    return None


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _text(schema: Schema, name: str, nth: int) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        return matching(schema["pattern"], least)
    if (known := _FORMATS.get(schema.get("format", ""))) is not None:
        return known
    text = f"some {_words(name)}" if nth == 0 else f"some {_words(name)} {nth + 1}"
    if most is not None and len(text) > most:
        text = f"{_words(name)[: max(0, most - 2)]}{nth}"[:most] if nth else text.removeprefix("some ")[:most]
    return text.ljust(least, ".")


def _number(schema: Schema, nth: int, *, whole: bool) -> int | float:
    """Return a number between the bounds, near their lower end; *nth* counts upwards."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf", 1 if whole else None)
    floor = above if low is None or (above is not None and above >= low) else low
    ceiling = below if high is None or (below is not None and below <= high) else high
    if step is not None:
        start = _start(floor, ceiling, step)
        count = math.ceil(start / step)
        if above is not None and count * step <= above:
            count += 1
        count += nth
        most = math.inf if ceiling is None else ceiling
        while count * step > most or (below is not None and count * step >= below):
            count -= 1
        return round(count * step) if whole or isinstance(step, int) else count * step
    if floor is not None and ceiling is not None:
        return floor + (ceiling - floor) * (nth + 1) / (nth + 2)
    if floor is not None:
        return floor + 1.5 + nth
    return 1.5 + nth if ceiling is None else ceiling - 1.5 - nth


def _start(floor: float | None, ceiling: float | None, step: float) -> float:
    """Return the step itself, or what of the range is nearest to it."""
    start = step if floor is None else max(floor, step)
    return start if ceiling is None else min(start, ceiling)

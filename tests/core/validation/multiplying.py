"""Schemas and answers of the kinds that multiply: each answer can be made as long as is wanted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

E: dict[str, Any] = {"$ref": "#/$defs/e"}
NAMES = ("a", "b", "left", "right", "kind", "op")


@dataclass(frozen=True, slots=True)
class Kind:
    """A schema and the way to answers of any length."""

    name: str
    schema: dict[str, Any]
    grow: Callable[[int], Any]
    """Makes an answer of about so many bytes of JSON, or its text."""

    def answer(self, size_bytes: int) -> str:
        """Return the text of an answer of up to *size_bytes*, or of the shortest that there is."""
        sample = 2_000
        n = max(1, size_bytes * sample // len(self._text(sample)))
        while len(text := self._text(n)) > size_bytes and n > 1:
            n = n * 9 // 10
        return text

    def _text(self, n: int) -> str:
        made = self.grow(n)
        return made if isinstance(made, str) else json.dumps(made, separators=(",", ":"))


def _recursive(tree: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"e": E}, "required": ["e"], "$defs": {"e": tree}}


def _items(part: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"e": {"type": "array", "items": part}}, "required": ["e"]}


def _named(part: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"e": {"type": "object", **part}}, "required": ["e"]}


TAGGED = {
    "anyOf": [
        *(
            {
                "type": "object",
                "properties": {"op": {"const": op}, "left": E, "right": E},
                "required": ["op", "left", "right"],
            }
            for op in ("add", "sub", "mul", "div")
        ),
        {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    ]
}
TAG_LAST = {"anyOf": [{"properties": {"left": E, "right": E, "z": {"const": n}}} for n in range(5)]}
ALIKE = {
    "oneOf": [
        {"type": "object", "properties": {"left": E, "right": E}, "minProperties": 1, "maxProperties": n}
        for n in (2, 3, 4, 5)
    ]
    + [{"type": "number"}]
}
LISTS = {"anyOf": [{"type": "array", "items": E, "contains": {"type": kind}} for kind in ("null", "string", "array")]}
ANYTHING = {
    "anyOf": [
        {"type": ["number", "string", "boolean"]},
        {"type": "array", "items": E},
        {"type": "object", "additionalProperties": E},
    ]
}
CONDITIONS = {
    "if": {"properties": {"left": E}, "required": ["left"]},
    "then": {"properties": {"left": E, "right": E}},
    "else": {"type": ["number", "object"]},
    "dependentSchemas": {"right": {"properties": {"left": E}}},
    "not": {"properties": {"left": {"not": E}}, "required": ["left", "right", "q"]},
}
JOINED = {"allOf": [{"properties": {"left": E, "right": E}}] * 4 + [{"type": ["object", "number"]}]}
LEFT_OVER = {
    "anyOf": [{"type": "number"}, {"type": "object", "properties": {"left": E}}, {"properties": {"right": E}}],
    "unevaluatedProperties": False,
}


def _chain(leaf: Any, beside: Any) -> Callable[[int], Any]:
    """Return answers that are as deep as may be, and hold as many leaves as are wanted."""

    def grow(n: int) -> Any:
        depth = min(150, n)
        value: Any = [leaf] * max(1, n // 40) if isinstance(leaf, list) else leaf
        for _ in range(depth):
            value = {"left": value, **beside}
        return {"e": value}

    return grow


def _tree(make: Callable[[Any, Any], Any], good: Any, bad: Any) -> Callable[[int], Any]:
    """Return full binary trees of *n* leaves, the last of them *bad*."""

    def grow(n: int) -> Any:
        level = [good] * max(1, n // 20) + [bad]
        while len(level) > 1:
            level = [make(*level[i : i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        return {"e": level[0]}

    return grow


def _many(*parts: Any, last: Any = None) -> Callable[[int], Any]:
    return lambda n: {"e": [parts[i % len(parts)] for i in range(n)] + ([] if last is None else [last])}


def _fields(value: Any, prefix: str = "k") -> Callable[[int], Any]:
    return lambda n: {"e": {f"{prefix}{i}": value for i in range(n)}}


def _texts(part: str, size: int) -> Callable[[int], str]:
    return lambda n: '{"e":[' + ",".join([part] * (n // size + 1)) + "]}"


def _op(left: Any, right: Any) -> Any:
    return {"op": "mul", "left": left, "right": right}


def _pair(left: Any, right: Any) -> Any:
    return {"left": left, "right": right}


WAYS_90 = [
    {"type": "object", "properties": {"kind": {"const": f"k{n}"}, "v": {"type": "integer"}}, "required": ["kind", "v"]}
    for n in range(90)
]
UNTAGGED_40 = [
    {"type": "object", "properties": {"v": {"type": "integer", "multipleOf": n + 2, "minimum": 5}}} for n in range(40)
]
PATTERNS_50 = [{"pattern": f"^q{n}"} for n in range(50)]
UNIQUE = _named({"additionalProperties": {"uniqueItems": True}})
HEAVY, FANCY = r"([ab]{1,100}a){1,60}c", r"^(a|a)*\1(?=b)$"
_random_text = f"{random.Random(1).getrandbits(1_000_000):b}".translate({48: "a", 49: "b"})  # noqa: S311 the same each time

KINDS = [
    Kind("tagged union, one leaf wrong", _recursive(TAGGED), _tree(_op, {"value": 1}, {"value": "7"})),
    Kind("tagged union, all right", _recursive(TAGGED), _tree(_op, {"value": 1}, {"value": 7})),
    Kind("tagged union, deep", _recursive(TAGGED), _chain({"value": "7"}, {"op": "div", "right": {"value": 1}})),
    Kind("tag last, one leaf wrong", _recursive(TAG_LAST), _tree(lambda a, b: _pair(a, b) | {"z": 4}, 1, {"z": 9})),
    Kind("tag last, deep", _recursive(TAG_LAST), _chain({"z": 9}, {"z": 4, "right": {"z": 1}})),
    Kind("alike branches", _recursive(ALIKE), _tree(_pair, 1, "x")),
    Kind("alike branches, all wrong", _recursive(ALIKE), _tree(_pair, "x", "x")),
    Kind("alike branches, deep", _recursive(ALIKE), _chain("x", {"right": 1})),
    Kind("lists that contain", _recursive(LISTS), _tree(lambda a, b: [a, b], [None], ["s", 1])),
    Kind("any JSON, numbers", _recursive(ANYTHING), _many(1)),
    Kind("any JSON, one null", _recursive(ANYTHING), _many(1, last=None)),
    Kind("any JSON, empty lists, one null", _recursive(ANYTHING), _many([], last=[None])),
    Kind("any JSON, objects", _recursive(ANYTHING), _many({"a": 1}, {}, last={"a": None})),
    Kind("any JSON, deep", _recursive(ANYTHING), _chain([None], {"right": 1})),
    Kind("conditions", _recursive(CONDITIONS), _tree(_pair, 1, "x")),
    Kind("conditions, deep", _recursive(CONDITIONS), _chain("x", {"right": 1})),
    Kind("allOf", _recursive(JOINED), _tree(_pair, 1, "x")),
    Kind("allOf, deep", _recursive(JOINED), _chain("x", {})),
    Kind("unevaluated", _recursive(LEFT_OVER), _tree(_pair, 1, {"z": 1})),
    Kind("unevaluated, deep", _recursive(LEFT_OVER), _chain({"z": 1}, {})),
    Kind("90 tagged ways, last wrong", _items({"anyOf": WAYS_90}), _many({"kind": "k80", "v": 1}, last={"kind": "k8"})),
    Kind("90 tagged ways, all wrong", _items({"anyOf": WAYS_90}), _many({"kind": "?", "v": 1})),
    Kind("40 untagged ways, last wrong", _items({"anyOf": UNTAGGED_40}), _many({"v": 6}, last={"v": 1})),
    Kind("40 untagged ways, all wrong", _items({"oneOf": UNTAGGED_40}), _many({"v": 1})),
    Kind("required", _items({"type": "object", "required": [f"r{n}" for n in range(4_000)]}), _many({})),
    Kind("enum of lists", _items({"enum": [[n, n] for n in range(1_200)]}), _many([1_199, 1_199])),
    Kind("enum of texts", _items({"enum": [f"t{n}" for n in range(4_000)]}), _many("t3999", last="t")),
    Kind(
        "unique numbers",
        _named({"additionalProperties": {"uniqueItems": True}}),
        lambda n: {"e": {"k": list(range(n))}},
    ),
    Kind(
        "unique objects",
        _named({"additionalProperties": {"uniqueItems": True}}),
        lambda n: {"e": {"k": [{"a": [i]} for i in range(n)] + [{"a": [0]}]}},
    ),
    Kind(
        "names by patterns",
        _named({"propertyNames": {"anyOf": [{"pattern": f"^q{n}"} for n in range(50)]}}),
        _fields(1),
    ),
    Kind("patternProperties", _named({"patternProperties": {f"{n}$": {"minimum": n} for n in range(60)}}), _fields(1)),
    Kind("additional wrong", _named({"additionalProperties": {"type": "string"}}), _fields(1)),
    Kind("not allowed", _named({"properties": {"a": {}}, "additionalProperties": False}), _fields(1)),
    Kind("heavy pattern, one text", _items({"pattern": HEAVY}), lambda n: {"e": [_random_text[:n]]}),
    Kind("heavy pattern, many texts", _items({"pattern": HEAVY}), lambda n: {"e": [_random_text[:1_000]] * (n // 900)}),
    Kind(
        "many plain patterns",
        _items({"allOf": [{"pattern": f"[ab]*a[ab]{{{n}}}c"} for n in range(5, 40)]}),
        lambda n: {"e": [_random_text[:n]]},
    ),
    Kind("backtracking", _items({"pattern": FANCY}), lambda n: {"e": [f"{'a' * 15}{i}" for i in range(n)]}),
    Kind("backtracking names", _named({"patternProperties": {FANCY: {}}}), _fields(1, "a" * 15)),
    Kind("heavy names", _named({"patternProperties": {HEAVY: {}}}), lambda n: {"e": {_random_text[:n]: 1}}),
    Kind("dates", _items({"format": "date-time"}), _many("2026-05-14T10:00:00", last="soon")),
    Kind("dates, all wrong", _items({"anyOf": [{"format": "date-time"}, {"format": "duration"}]}), _many("soon")),
    Kind("e-mail", _items({"format": "idn-email"}), _many("ann@example.com")),
    Kind("one text as a URL", _items({"format": "uri"}), lambda n: {"e": ["http://a/" + "é" * n]}),
    Kind("multiples", _items({"multipleOf": 0.01}), _many(1.23, last=1.234)),
    Kind(
        "long integers",
        _items({"type": "integer"}),
        lambda n: '{"e":[' + ",".join(["1" * 4_000] * (n // 4_000 + 1)) + "]}",
    ),
    Kind("one endless integer", _items({"type": "integer"}), lambda n: '{"e":[' + "1" * n + "]}"),
    Kind("infinite floats", _items({"type": "number"}), _texts("1e999", 6)),
    Kind("opening brackets", _recursive(ANYTHING), lambda n: "[" * n),
    Kind("one name again and again", _named({}), lambda n: '{"e":{' + ",".join(['"a":1'] * n) + "}}"),
    Kind("nulls", _items({"type": ["null", "string"]}), _texts("null", 5)),
    Kind("escapes", _items({"maxLength": 5}), lambda n: '{"e":["' + "\\u00e9" * n + '"]}'),
]


def random_kinds(count: int) -> Iterator[Kind]:
    """Yield so many recursive schemas made by chance, the same each time, with answers that fit them in part."""
    for seed in range(count):
        chance = random.Random(seed)  # noqa: S311 the same each time
        yield Kind(f"by chance {seed}", _recursive(_schema(chance, 3)), lambda n, seed=seed: {"e": _value(seed, n)})


def _schema(chance: random.Random, depth: int) -> Any:
    if depth == 0 or chance.random() < 0.2:
        return chance.choice([E, E, {"type": "number"}, {"type": ["string", "null"]}, {"const": 1}, {"minLength": 1}])
    some = [_schema(chance, depth - 1) for _ in range(chance.randint(2, 5))]
    named = {name: _schema(chance, depth - 1) for name in chance.sample(NAMES, 3)}
    kind = chance.randrange(9)
    if kind < 4:
        branches = [part for part in some if part != E] or [{"type": "number"}]
        return {chance.choice(["anyOf", "anyOf", "oneOf"]): [*branches, {"type": "array", "items": E}]}
    if kind == 4:
        return {"allOf": [{"properties": {name: part}} for name, part in named.items()]}
    if kind == 5:
        return {"type": "array", "items": E, chance.choice(["contains", "items"]): some[0]}
    if kind == 6:
        return {"patternProperties": {"^[a-l]": some[0]}, "additionalProperties": E, "minProperties": 1}
    return {"type": "object", "properties": named, "required": [next(iter(named))], "unevaluatedProperties": kind == 8}


def _value(seed: int, n: int) -> Any:
    chance, left = random.Random(seed + 1), [n // 8]  # noqa: S311 the same each time

    def value(depth: int) -> Any:
        left[0] -= 1
        if depth == 0 or left[0] <= 0 or chance.random() < 0.15:
            return chance.choice([1, 1, 2.5, "a", "", None, True])
        if chance.random() < 0.5:
            return [value(depth - 1) for _ in range(chance.randint(0, 4))]
        return {name: value(depth - 1) for name in chance.sample(NAMES, chance.randint(0, 4))}

    whole = [value(12)]
    while left[0] > 0:
        whole.append(value(12))
    return whole if chance.random() < 0.5 else dict.fromkeys(("a", "left"), whole)

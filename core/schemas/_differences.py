"""What differs between two shapes, field by field, and whether each difference asks for more or for less.

The effect of a difference is a claim about values: where every difference loosens, whatever satisfied the shape before
satisfies it after; where every one tightens, the other way round. Where that cannot be told it is ``CHANGES``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any, cast

from core.json_schemas import is_plain_name
from core.schemas._shapes import ALTERNATIVES, ASKED, WORDING, Node, Sameness, Shapes, asked, named_types, values_of

MOST_DIFFERENCES = 500
"""So many are told; who reads more has another schema before him."""
MOST_CHARACTERS = 2_000
"""So many are told of what was and what is, each."""
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_UNITS = (
    ("if", "then", "else"),
    ("contains", "minContains", "maxContains"),
    ("oneOf",),
    ("not",),
    ("multipleOf",),
    ("pattern",),
    ("format",),
    ("propertyNames",),
    ("dependentRequired",),
    ("dependentSchemas",),
    ("unevaluatedItems",),
    ("unevaluatedProperties",),
)
"""Keywords that mean something only together: one that comes asks for more, one that goes for less."""
_RANKS = ("none", "of a kind", "any")
"""How many other fields may be there."""
_MURKY = {"unevaluatedItems", "unevaluatedProperties"}
"""Beside these, what asks for less elsewhere may ask for more here."""


class Effect(StrEnum):
    """What a difference means for values."""

    TIGHTENS = "tightens"
    """Some that were valid may not be any more; none that was invalid is valid now."""
    LOOSENS = "loosens"
    """Some that were invalid may be valid now; all that were valid still are."""
    CHANGES = "changes"
    """Both may happen."""
    WORDING = "wording"
    """The same values are valid; a model reads something else."""

    def sentence(self, before: str, after: str) -> str:
        """Say what it means for answers, of two versions that are called so."""
        return {
            Effect.TIGHTENS: f"Some answers that satisfied {before} may not satisfy {after}; none is newly valid.",
            Effect.LOOSENS: f"Every answer that satisfied {before} satisfies {after}, and more do.",
            Effect.CHANGES: f"Some answers that satisfied {before} may not satisfy {after}, and the other way round.",
            Effect.WORDING: f"The same answers satisfy {before} and {after}; a model may read them differently.",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """One thing that differs."""

    path: str
    """Where, as a JSON path; ``[*]`` is any position, ``.*`` any other name, ``(Card)`` an alternative."""
    change: str
    """What, in a word or two: ``field added``, ``type``, ``minimum`` …"""
    before: str
    """What it was; empty where there was nothing."""
    after: str
    effect: Effect


def differences(before: Node, after: Node) -> list[SchemaDifference]:
    """Return what differs between two JSON Schemas, in the order of the fields.

    At most ``MOST_DIFFERENCES`` are told. Where there are more, one says so, whose effect is open: nobody looked.
    """
    found = list(islice(_Walk(before, after).all(), MOST_DIFFERENCES + 1))
    if len(found) > MOST_DIFFERENCES:
        found[MOST_DIFFERENCES:] = [
            _one("$", "more", "", f"over {MOST_DIFFERENCES} differ; these are the first", Effect.CHANGES)
        ]
    return found


def altogether(found: Sequence[SchemaDifference]) -> Effect:
    """Return what differences mean together."""
    effects = {one.effect for one in found} - {Effect.WORDING}
    if not effects:
        return Effect.WORDING
    return effects.pop() if len(effects) == 1 else Effect.CHANGES


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two subschemas for the same place."""

    before: Any
    after: Any
    path: str
    murky: bool = False
    """Whether no effect can be told there."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What the same pair has, also where it is met as a copy."""
        return _identity(self.before), _identity(self.after), self.murky


class _Walk:
    """One walk through two schemas at once, however deep; what it has seen it tells once."""

    def __init__(self, before: Node, after: Node) -> None:
        self._before = Shapes(before)
        self._after = Shapes(after)
        self._same = Sameness(before, after)
        self._seen: dict[tuple[Any, ...], _Pair] = {}
        """With the pair itself, so that no other thing gets its identity."""

    def all(self) -> Iterator[SchemaDifference]:
        """Yield everything that differs. It needs no stack of calls: schemas refer to each other without end."""
        waiting = [self._at(_Pair(self._before.root, self._after.root, "$"))]
        while waiting:
            found = next(waiting[-1], None)
            if found is None:
                waiting.pop()
            elif isinstance(found, _Pair):
                waiting.append(self._at(found))
            else:
                yield found

    def _at(self, pair: _Pair) -> Iterator[SchemaDifference | _Pair]:
        """Yield what differs between two subschemas, and the pairs below them to go into."""
        if (key := pair.key) in self._seen:
            return
        self._seen[key] = pair
        old, new = self._before.laid_out(pair.before), self._after.laid_out(pair.after)
        if not pair.murky and not (_MURKY & (old.keys() | new.keys())):
            yield from self._parts(old, new, pair.path)
            return
        for one in self._parts(old, new, pair.path):
            if isinstance(one, _Pair):
                yield replace(one, murky=True)
            else:
                yield one if one.effect is Effect.WORDING else replace(one, effect=Effect.CHANGES)

    def _parts(self, old: Node, new: Node, path: str) -> Iterator[SchemaDifference | _Pair]:
        (old, was_nullable), (new, is_nullable) = self._before.without_null(old), self._after.without_null(new)
        yield from _wording(old, new, path)
        if was_nullable != is_nullable:
            effect = Effect.LOOSENS if is_nullable else Effect.TIGHTENS
            yield _one(path, "null", "allowed" if was_nullable else "", "allowed" if is_nullable else "", effect)
        old, new = self._as_alternatives(old, new)
        types = self._before.types_of(old), self._after.types_of(new)
        if types[0] and types[1] and not _common(types[0], types[1]):
            yield _one(path, "type", _listed(types[0]), _listed(types[1]), Effect.CHANGES)
            return
        yield from _type(old, new, path)
        yield from _values(old, new, path)
        yield from _bounds(old, new, path)
        for unit in _UNITS:
            yield from self._unit(old, new, path, unit)
        yield from self._lists(old, new, path)
        yield from self._fields(old, new, path)
        yield from self._alternatives(old, new, path)
        yield from self._together(old, new, path)

    def _as_alternatives(self, old: Node, new: Node) -> tuple[Node, Node]:
        """Take a subschema for one alternative where the other one has several."""
        if asked(old) and ALTERNATIVES not in old and asked(new) == {ALTERNATIVES}:
            return {ALTERNATIVES: [_only(old, sorted(asked(old)))]}, new
        if asked(new) and ALTERNATIVES not in new and asked(old) == {ALTERNATIVES}:
            return old, {ALTERNATIVES: [_only(new, sorted(asked(new)))]}
        return old, new

    def _unit(self, old: Node, new: Node, path: str, unit: Sequence[str]) -> Iterator[SchemaDifference | _Pair]:
        was, now = _only(old, unit), _only(new, unit)
        if not self._same.holds(was, now):
            yield _one(path, unit[0], _told(was, unit), _told(now, unit), _coming(bool(was), bool(now)))

    def _lists(self, old: Node, new: Node, path: str) -> Iterator[SchemaDifference | _Pair]:
        was, now = bool(old.get("uniqueItems")), bool(new.get("uniqueItems"))
        if was != now:
            yield _one(path, "unique", "yes" if was else "", "yes" if now else "", _coming(was, now))
        if "prefixItems" in old or "prefixItems" in new:
            yield from self._unit(old, new, path, ("prefixItems", "items"))
        elif "items" in old or "items" in new:
            yield _Pair(old.get("items", True), new.get("items", True), f"{path}[*]")

    def _fields(self, old: Node, new: Node, path: str) -> Iterator[SchemaDifference | _Pair]:
        was: Node = old.get("properties", {})
        now: Node = new.get("properties", {})
        needed = set(old.get("required", ())), set(new.get("required", ()))
        rest = old.get("additionalProperties", True), new.get("additionalProperties", True)
        has_patterns = "patternProperties" in old or "patternProperties" in new
        for name in dict.fromkeys([*now, *was, *sorted(needed[0] | needed[1])]):
            here = f"{path}.{name}" if is_plain_name(name) else f"{path}[{json.dumps(name, ensure_ascii=False)}]"
            was_needed, is_needed = name in needed[0], name in needed[1]
            if (name in was) != (name in now):
                side = 0 if name in now else 1
                effect = _new_field(rest[side], is_needed=(was_needed, is_needed)[1 - side], patterns=has_patterns)
                if (was_needed, is_needed)[side] and not (was_needed, is_needed)[1 - side]:
                    effect = Effect.CHANGES
                if name in now:
                    kind = _kind(self._after, now[name], is_needed=is_needed)
                    yield _one(here, "field added", "", kind, effect)
                else:
                    kind = _kind(self._before, was[name], is_needed=was_needed)
                    yield _one(here, "field removed", kind, "", _reverse(effect))
                continue
            if was_needed != is_needed:
                effect = _coming(was_needed, is_needed)
                yield _one(here, "required", _need(is_needed=was_needed), _need(is_needed=is_needed), effect)
            if name in now:
                yield _Pair(was[name], now[name], here)
        kept = [name for name in was if name in now], [name for name in now if name in was]
        if kept[0] != kept[1]:
            yield _one(path, "order of fields", ", ".join(kept[0]), ", ".join(kept[1]), Effect.WORDING)
        yield from self._other_names(old, new, path, patterns=has_patterns)

    def _other_names(self, old: Node, new: Node, path: str, *, patterns: bool) -> Iterator[SchemaDifference | _Pair]:
        was, now = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if patterns:
            unit = ("patternProperties", "additionalProperties")
            held = _only(old, unit), _only(new, unit)
            if not self._same.holds(held[0], held[1]):
                is_plain = _is_open(was) and _is_open(now)
                effect = _coming(*("patternProperties" in one for one in held)) if is_plain else Effect.CHANGES
                yield _one(path, "names by pattern", _told(held[0], unit), _told(held[1], unit), effect)
        elif _rank(was) == _rank(now) == 1:
            yield _Pair(was, now, f"{path}.*")
        elif _rank(was) != _rank(now):
            effect = Effect.LOOSENS if _rank(now) > _rank(was) else Effect.TIGHTENS
            yield _one(path, "other fields", _RANKS[_rank(was)], _RANKS[_rank(now)], effect)

    def _alternatives(self, old: Node, new: Node, path: str) -> Iterator[SchemaDifference | _Pair]:
        if ALTERNATIVES not in old or ALTERNATIVES not in new:
            yield from self._unit(old, new, path, (ALTERNATIVES,))
            return
        was = self._before.named_alternatives(old[ALTERNATIVES])
        now = self._after.named_alternatives(new[ALTERNATIVES])
        if was is None or now is None:
            yield from self._unit(old, new, path, (ALTERNATIVES,))
            return
        for name in dict.fromkeys([*now, *was]):
            if name not in was:
                yield _one(path, "alternative added", "", name, Effect.LOOSENS)
            elif name not in now:
                yield _one(path, "alternative removed", name, "", Effect.TIGHTENS)
            else:
                yield _Pair(was[name], now[name], f"{path}({name})")

    def _together(self, old: Node, new: Node, path: str) -> Iterator[SchemaDifference | _Pair]:
        was, now = old.get("allOf", []), new.get("allOf", [])
        if len(was) == len(now):
            for before, after in zip(was, now, strict=True):
                yield _Pair(before, after, path)
        else:
            yield from self._unit(old, new, path, ("allOf",))


def _wording(old: Node, new: Node, path: str) -> Iterator[SchemaDifference]:
    others = sorted((old.keys() | new.keys()) - ASKED - set(WORDING) - {"$defs", "definitions", "$schema", "$id"})
    for name in (*WORDING, *others):
        if old.get(name) != new.get(name):
            yield _one(path, name, _text(old.get(name, "")), _text(new.get(name, "")), Effect.WORDING)


def _type(old: Node, new: Node, path: str) -> Iterator[SchemaDifference]:
    if "type" not in old and "type" not in new:
        return
    was, now = named_types(old), named_types(new)
    if was == now:
        return
    wider = was is not None and (now is None or _within(was, now))
    narrower = now is not None and (was is None or _within(now, was))
    effect = Effect.CHANGES if wider == narrower else Effect.LOOSENS if wider else Effect.TIGHTENS
    yield _one(path, "type", _listed(was), _listed(now), effect)


def _values(old: Node, new: Node, path: str) -> Iterator[SchemaDifference]:
    was, now = values_of(old), values_of(new)
    if was is None and now is None:
        return
    old_words, new_words = ([json.dumps(one, sort_keys=True, ensure_ascii=False) for one in each or ()]
                            for each in (was, now))  # fmt: skip
    if was is None or now is None:
        effect = _coming(was is not None, now is not None)
        yield _one(path, "allowed values", ", ".join(old_words), ", ".join(new_words), effect)
        return
    there = set(old_words), set(new_words)
    gone, come = [one for one in old_words if one not in there[1]], [one for one in new_words if one not in there[0]]
    if gone:
        yield _one(path, "values removed", ", ".join(gone), "", Effect.TIGHTENS)
    if come:
        yield _one(path, "values added", "", ", ".join(come), Effect.LOOSENS)
    both = ("enum", "const")
    if (set(both) <= old.keys() or set(both) <= new.keys()) and _only(old, both) != _only(new, both):
        yield _one(path, "allowed values", _text(_only(old, both)), _text(_only(new, both)), Effect.CHANGES)


def _bounds(old: Node, new: Node, path: str) -> Iterator[SchemaDifference]:
    for name in sorted((_LOWER | _UPPER) & (old.keys() | new.keys())):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if was is None or now is None:
            effect = _coming(was is not None, now is not None)
        else:
            effect = Effect.TIGHTENS if (now > was) == (name in _LOWER) else Effect.LOOSENS
        yield _one(path, name, _text(was if was is not None else ""), _text(now if now is not None else ""), effect)


def _new_field(rest: Any, *, is_needed: bool, patterns: bool) -> Effect:
    """Return what a field means that comes where other names are as *rest* says."""
    if patterns or not (_is_open(rest) or rest is False):
        return Effect.CHANGES
    if _is_open(rest):
        return Effect.TIGHTENS
    return Effect.CHANGES if is_needed else Effect.LOOSENS


def _coming(was: bool, now: bool) -> Effect:  # noqa: FBT001 what was asked, what is asked
    """Return what it means that something is asked for, where less is asked without."""
    if was and now:
        return Effect.CHANGES
    return Effect.TIGHTENS if now else Effect.LOOSENS


def _reverse(effect: Effect) -> Effect:
    return {Effect.TIGHTENS: Effect.LOOSENS, Effect.LOOSENS: Effect.TIGHTENS}.get(effect, effect)


def _is_open(rest: Any) -> bool:
    return rest is True or rest == {}


def _rank(rest: Any) -> int:
    return 2 if _is_open(rest) else 1 if isinstance(rest, dict) else 0


def _common(one: frozenset[str], other: frozenset[str]) -> bool:
    return any(_within(frozenset({name}), other) for name in one) or any(
        _within(frozenset({name}), one) for name in other
    )


def _within(inner: frozenset[str], outer: frozenset[str]) -> bool:
    return all(name in outer or (name == "integer" and "number" in outer) for name in inner)


def _kind(shapes: Shapes, raw: Any, *, is_needed: bool) -> str:
    types = shapes.types_of(raw)
    return f"{_listed(types)}, {_need(is_needed=is_needed)}"


def _need(*, is_needed: bool) -> str:
    return "required" if is_needed else "optional"


def _listed(types: frozenset[str] | None) -> str:
    return " or ".join(sorted(types)) if types else "anything"


def _only(node: Node, names: Sequence[str]) -> Node:
    return {name: node[name] for name in names if name in node}


def _told(held: Node, unit: Sequence[str]) -> str:
    return _text(held[unit[0]] if len(held) == 1 and unit[0] in held else held) if held else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _identity(raw: Any) -> Any:
    """Return what a subschema and a copy of it, whose parts are the same, have in common."""
    if not isinstance(raw, dict):
        return id(raw)
    return tuple((name, id(part)) for name, part in cast("Node", raw).items())


def _one(path: str, change: str, before: str, after: str, effect: Effect) -> SchemaDifference:
    return SchemaDifference(path=path, change=change, before=_cut(before), after=_cut(after), effect=effect)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"

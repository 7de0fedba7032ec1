"""What is wrong with a value: a walk over schema and value that finds the next violation when it is asked for.

Alternatives are one violation. Their branches are searched by whoever wants to know which one was meant.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, repeat
from typing import Any, cast

from jsonschema_rs import ValidationErrorKind as Kind

from core.validation._effort import Effort
from core.validation._parts import Part, Parts

Loc = tuple[int | str, ...]
_GLANCE = 100
"""How many items of a list are looked at where only the nearest violations are wanted."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A required property that is not there."""

    name: str


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Properties that are not allowed."""

    names: list[str]


@dataclass(frozen=True, slots=True)
class WrongName:
    """A property whose name breaks a rule."""

    name: str
    violation: Violation | None
    """What is wrong with the name."""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """None of several alternatives holds."""

    branches: list[Branch]


@dataclass(frozen=True, slots=True)
class Violation:
    """One keyword that a value breaks."""

    loc: Loc
    kind: Kind | Missing | Unexpected | WrongName | Alternatives | Several
    keywords: Mapping[str, Any]
    """The schema that holds the keyword."""


@dataclass(frozen=True, slots=True)
class Several:
    """More than one of the alternatives holds of which one should."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One part of a schema that looks at one place of a value."""

    parts: Parts
    part: Part
    value: Any
    loc: Loc
    effort: Effort
    levels: int | None = None
    """How many levels below the place are searched; ``None`` is all."""
    seen: frozenset[str] = field(default_factory=frozenset[str])
    """The references that led here without a step into the value."""

    def violations(self, levels: int | None = None) -> Iterator[Violation]:
        """Yield what is wrong, down to so many *levels* below the place."""
        stack = [_found(replace(self, levels=levels))]
        for _ in self.effort.over(repeat(None)):
            if not stack:
                return
            each = next(stack[-1], None)
            if each is None:
                stack.pop()
            elif isinstance(each, Branch):
                stack.append(_found(each))
            else:
                yield each

    def beside(self, part: Part, reference: str = "") -> Branch:
        """Return another *part* that looks at the same place."""
        seen = self.seen | {reference} if reference else self.seen
        return Branch(self.parts, part, self.value, self.loc, self.effort, self.levels, seen)

    def below(self, part: Part, step: int | str, value: Any) -> Branch:
        """Return the *part* that looks at what lies behind *step*."""
        levels = None if self.levels is None else self.levels - 1
        return Branch(self.parts, part, value, (*self.loc, step), self.effort, levels)


def violations(parts: Parts, value: Any, effort: Effort) -> Iterator[Violation]:
    """Yield what the schema of *parts* finds wrong with *value*."""
    return Branch(parts, parts.root, value, (), effort).violations()


def _found(branch: Branch) -> Iterator[Violation | Branch]:
    """Yield what is wrong at one place, and which parts are to be searched further."""
    part, value, loc = branch.part, branch.value, branch.loc
    keywords = part.keywords
    for kind in part.own_violations(value):
        yield Violation(loc, kind, keywords)
    if part.is_leaf:
        return
    yield from _beside(branch)
    if isinstance(value, dict):
        yield from _of_object(branch, cast("dict[str, Any]", value))
    elif isinstance(value, list):
        yield from _of_list(branch, cast("list[Any]", value))
    if branch.levels is None and ("unevaluatedItems" in keywords or "unevaluatedProperties" in keywords):
        for each in part.unevaluated(value):
            yield Violation((*loc, *each.instance_path), each.kind, keywords)


def _beside(branch: Branch) -> Iterator[Violation | Branch]:
    part, value, keywords = branch.part, branch.value, branch.part.keywords
    reference = keywords.get("$ref", "")
    if reference and reference not in branch.seen:
        yield branch.beside(branch.parts.behind(reference), reference)
    for n in range(len(keywords.get("allOf", ()))):
        yield branch.beside(part.inner("allOf", n))
    for name in ("anyOf", "oneOf"):
        if name not in keywords:
            continue
        branches = [branch.beside(part.inner(name, n)) for n in range(len(keywords[name]))]
        if not part.is_met(name, value):
            yield Violation(branch.loc, Alternatives(branches), keywords)
        elif name == "oneOf" and len(list(islice((1 for each in branches if each.part.is_valid(value)), 2))) > 1:
            yield Violation(branch.loc, Several(), keywords)
    if "if" in keywords:
        then = "then" if part.inner("if").is_valid(value) else "else"
        if then in keywords:
            yield branch.beside(part.inner(then))
    if isinstance(value, dict):
        for name in keywords.get("dependentSchemas", ()):
            if name in value:
                yield branch.beside(part.inner("dependentSchemas", name))


def _of_object(branch: Branch, value: dict[str, Any]) -> Iterator[Violation | Branch]:
    part, keywords, loc = branch.part, branch.part.keywords, branch.loc
    depending = keywords.get("dependentRequired", {})
    wanted = [*keywords.get("required", ()), *(name for each in depending if each in value for name in depending[each])]
    for name in wanted:
        if name not in value:
            yield Violation(loc, Missing(name), keywords)
    if "propertyNames" in keywords:
        names = part.inner("propertyNames")
        for name in branch.effort.over(value):
            if not names.is_valid(name):
                first = next(Branch(branch.parts, names, name, (), branch.effort).violations(), None)
                yield Violation(loc, WrongName(name, first), keywords)
    if "properties" in keywords:
        declared = ((name, value[name]) for name in keywords["properties"] if name in value)
        yield from _children(branch, declared, "properties")
    rest = yield from _of_patterns(branch, value)
    allowed = keywords.get("additionalProperties", True)
    if allowed is False and rest:
        yield Violation(loc, Unexpected(rest), keywords)
    elif isinstance(allowed, dict):
        additional = part.inner("additionalProperties")
        yield from _each(branch, additional, ((name, value[name]) for name in rest))


def _of_patterns(branch: Branch, value: dict[str, Any]) -> Generator[Branch, None, list[str]]:
    """Yield what is to be searched by ``patternProperties``; return the names of the properties that nothing names."""
    part, keywords = branch.part, branch.part.keywords
    rest = [name for name in value if name not in keywords.get("properties", ())]
    for pattern in keywords.get("patternProperties", ()):
        matched = [name for name in branch.effort.over(value) if branch.parts.matches(pattern, name)]
        named = part.inner("patternProperties", pattern)
        yield from _each(branch, named, ((name, value[name]) for name in matched))
        others = set(matched)
        rest = [name for name in rest if name not in others]
    return rest


def _of_list(branch: Branch, value: list[Any]) -> Iterator[Branch]:
    part, keywords = branch.part, branch.part.keywords
    first = len(keywords.get("prefixItems", ()))
    yield from _children(branch, enumerate(value[:first]), "prefixItems")
    if "items" in keywords:
        end = None if branch.levels is None else first + _GLANCE
        yield from _each(branch, part.inner("items"), enumerate(value[first:end], first))


def _children(branch: Branch, parts: Iterable[tuple[int | str, Any]], keyword: str) -> Iterator[Branch]:
    """Yield what is to be searched of *parts* of the value, each of which has a schema of its own under *keyword*."""
    for step, value in parts:
        yield from _each(branch, branch.part.inner(keyword, step), ((step, value),))


def _each(branch: Branch, part: Part, parts: Iterable[tuple[int | str, Any]]) -> Iterator[Branch]:
    """Yield what is to be searched of *parts* of the value, all of which have the schema *part*."""
    if branch.levels == 0:
        return
    for step, value in branch.effort.over(parts):
        if branch.levels is not None or not part.is_valid(value):
            yield branch.below(part, step, value)

"""The parts of a schema, each compiled when something is asked of it for the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, cast

from jsonschema_rs import Draft202012, Draft202012Validator, Registry, ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from core.validation._compile import compiled
from core.validation._pointers import below, resolve

_HERE = frozenset(
    """
    type minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    minItems maxItems minProperties maxProperties
    """.split()  # noqa: SIM905 fifteen quotes tell less
)
"""Keywords that look at a value, or at how many parts it has, and not into them."""
_WHOLE = ("const", "enum", "uniqueItems")
"""Keywords that compare whole values."""
_INTO = ("contains", "not")
"""Keywords that look into a value, and tell of no place in it."""
_COUNTS = ("minContains", "maxContains")
"""Keywords that say how many items ``contains`` is to find."""
_KINDS: Mapping[str, Callable[[Any], Kind]] = {
    "const": cast("Callable[[Any], Kind]", Kind.Constant),
    "enum": cast("Callable[[Any], Kind]", Kind.Enum),
    "uniqueItems": lambda _: Kind.UniqueItems(),
    "contains": lambda _: Kind.Contains(),
    "not": cast("Callable[[Any], Kind]", Kind.Not),
}
"""What the library calls a violation of each of those, made of the keyword's value."""
_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
_APPLYING = frozenset(
    """
    $ref allOf anyOf oneOf if dependentSchemas properties patternProperties additionalProperties propertyNames
    items prefixItems unevaluatedItems unevaluatedProperties required dependentRequired
    """.split()  # noqa: SIM905 as above
)
"""Keywords that the search for what is wrong goes through itself."""


class Parts:
    """Every subschema of one schema, by its JSON pointer."""

    def __init__(self, wire: Mapping[str, Any]) -> None:
        self._wire = wire
        self._parts: dict[str, Part] = {}
        self._patterns: dict[str, Draft202012Validator] = {}
        self._lock = threading.Lock()

    @property
    def root(self) -> Part:
        """The whole schema."""
        return self.at("#", self._wire)

    def at(self, pointer: str, schema: Any) -> Part:
        """Return the part *schema* that stands at *pointer*."""
        with self._lock:
            if pointer not in self._parts:
                self._parts[pointer] = Part(self, pointer, schema)
            return self._parts[pointer]

    def behind(self, reference: str) -> Part:
        """Return the part that *reference* leads to."""
        return self.at(reference, resolve(self._wire, reference))

    def matches(self, pattern: str, name: str) -> bool:
        """Whether the *name* of a property matches *pattern*."""
        if pattern not in self._patterns:
            self._patterns[pattern] = self.compiled({"pattern": pattern})
        return self._patterns[pattern].is_valid(name)

    def compiled(self, schema: Any) -> Draft202012Validator:
        """Return the validator of *schema*, whose references are led by ``Part.reference``."""
        return compiled(schema, is_watched=True, registry=self._registry)

    @cached_property
    def _registry(self) -> Registry:
        return Registry([("urn:schema", dict(self._wire))], draft=Draft202012)


class Part:
    """One subschema."""

    def __init__(self, parts: Parts, pointer: str, schema: Any) -> None:
        self._is_nothing = schema is False
        self._parts = parts
        self.pointer = pointer
        self.keywords: Mapping[str, Any] = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
        self._inner: dict[tuple[int | str, ...], Part] = {}
        self.is_leaf = not self.keywords.keys() & _APPLYING
        """Whether it holds nothing that has to be searched."""

    @property
    def reference(self) -> dict[str, str]:
        """A schema that means this one."""
        return {"$ref": f"urn:schema{self.pointer}"}

    def inner(self, *steps: int | str) -> Part:
        """Return the subschema behind *steps*, the first of which is a keyword."""
        if steps not in self._inner:
            found: Any = self.keywords
            for step in steps:
                found = found[step]
            self._inner[steps] = self._parts.at(below(self.pointer, *steps), found)
        return self._inner[steps]

    def is_valid(self, value: Any) -> bool:
        """Whether *value* satisfies it."""
        return self._whole.is_valid(value)

    def is_met(self, keyword: str, value: Any) -> bool:
        """Whether *value* satisfies at least one of the alternatives of *keyword*."""
        return self._alternatives[keyword].is_valid(value)

    def own_violations(self, value: Any) -> Iterable[Kind]:
        """Return what its own keywords find wrong with *value* itself, apart from those of ``_APPLYING``."""
        if not isinstance(value, dict | list):
            return [each.kind for each in self._own.iter_errors(value)]
        # The library's violation holds a copy of what it is about, which for a megabyte takes longer than all else and
        # cannot be stopped. So what only counts parts gets none of them, and what looks into them is asked for its
        # verdict alone.
        bare = (
            dict.fromkeys(cast("dict[str, Any]", value))
            if isinstance(value, dict)
            else [None] * len(cast("list[Any]", value))
        )
        broken = (name for name, keyword in self._deep.items() if not keyword.is_valid(value))
        return [
            *(each.kind for each in self._bare.iter_errors(bare)),
            *(_KINDS[name](self.keywords[name]) for name in broken),
        ]

    def unevaluated(self, value: Any) -> Iterable[ValidationError]:
        """Return what is left over of *value*, if that is all that is wrong with it here."""
        if self.is_valid(value) or not self._evaluating.is_valid(value):
            return ()
        return self._whole.iter_errors(value)

    @cached_property
    def _whole(self) -> Draft202012Validator:
        return self._own if self.is_leaf else self._parts.compiled(self.reference)

    @cached_property
    def _own(self) -> Draft202012Validator:
        return self._parts.compiled(False if self._is_nothing else self._flat | self._looking_in)

    @cached_property
    def _bare(self) -> Draft202012Validator:
        return self._parts.compiled(False if self._is_nothing else self._flat)

    @cached_property
    def _deep(self) -> dict[str, Draft202012Validator]:
        looking = self._looking_in
        counts = {name: looking.pop(name) for name in _COUNTS if name in looking}
        return {
            name: self._parts.compiled({name: part} | (counts if name == "contains" else {}))
            for name, part in looking.items()
        }

    @cached_property
    def _evaluating(self) -> Draft202012Validator:
        led = {name: part for name, part in self.keywords.items() if name not in _UNEVALUATED}
        return self._parts.compiled(_led(led, self.pointer))

    @cached_property
    def _alternatives(self) -> dict[str, Draft202012Validator]:
        return {
            name: self._parts.compiled(
                {"anyOf": [self.inner(name, n).reference for n in range(len(self.keywords[name]))]}
            )
            for name in ("anyOf", "oneOf")
            if name in self.keywords
        }

    @property
    def _flat(self) -> dict[str, Any]:
        return {name: part for name, part in self.keywords.items() if name in _HERE}

    @property
    def _looking_in(self) -> dict[str, Any]:
        looking: dict[str, Any] = {name: self.keywords[name] for name in _WHOLE if name in self.keywords}
        looking |= {name: self.inner(name).reference for name in _INTO if name in self.keywords}
        return looking | {name: self.keywords[name] for name in _COUNTS if name in self.keywords}


_ONE = frozenset(
    "items additionalProperties contains not if then else propertyNames".split()  # noqa: SIM905 as above
)
_LISTED = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})


def _led(keywords: Mapping[str, Any], pointer: str) -> dict[str, Any]:
    """Return *keywords* of the part at *pointer* with each subschema replaced by a reference to it."""

    def reference(*steps: int | str) -> dict[str, str]:
        return {"$ref": f"urn:schema{below(pointer, *steps)}"}

    led: dict[str, Any] = {}
    for name, part in keywords.items():
        if name == "$ref":
            led[name] = f"urn:schema{part}"
        elif name in _ONE:
            led[name] = reference(name)
        elif name in _LISTED:
            led[name] = [reference(name, n) for n in range(len(part))]
        elif name in _NAMED:
            led[name] = {each: reference(name, each) for each in part}
        elif name not in ("$defs", "definitions"):
            led[name] = part
    return led

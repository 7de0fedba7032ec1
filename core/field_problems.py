"""What is wrong with an answer, field by field: where, which rule in pydantic's own vocabulary, and what was expected.

The messages are written for a model that is asked again. None holds a value from the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, LiteralString, cast

import orjson
from jsonschema_rs import ValidationErrorKind as Kind
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.json_schemas import json_path, resolve
from core.validation import (
    TOO_SLOW,
    Alternatives,
    Branch,
    EffortSpent,
    Loc,
    Missing,
    Several,
    Unexpected,
    Violation,
    WrongName,
)

MOST_PROBLEMS = 30
"""How many problems of one answer are told."""

Problem = tuple[Loc, str, str]
"""Where, pydantic's name for it, and what was expected."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field of one invalid answer: where, and which rule. Never the value."""

    path: str
    """A JSON path, such as ``$.lines[2].amount``."""
    type: str
    """Pydantic's name for the error, such as ``int_type``."""
    message: str


def field_errors(error: ValidationError) -> list[FieldProblem]:
    """Return the problems of a validation error, of ours or of any pydantic model."""
    return [
        FieldProblem(json_path(problem["loc"]), problem["type"], problem["msg"])
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def told_as(error: ValidationError, change: Callable[[str], str]) -> ValidationError:
    """Return *error* with its sentences, and the names in its places, as *change* makes them; or itself."""
    before = field_places(error)
    after = [
        (tuple(step if isinstance(step, int) else change(step) for step in loc), kind, change(message))
        for loc, kind, message in before
    ]
    if after == before:
        return error
    return ValidationError.from_exception_data(
        error.title,
        [
            InitErrorDetails(
                type=PydanticCustomError(cast("LiteralString", kind), cast("LiteralString", message)),
                loc=loc,
                input=None,
            )
            for loc, kind, message in after
        ],
        hide_input=True,
    )


def field_places(error: ValidationError) -> list[Problem]:
    """Return place, name and message of each problem of a validation error of ours."""
    told = error.errors(include_url=False, include_context=False, include_input=False)
    return [(one["loc"], one["type"], one["msg"]) for one in told]


_TYPES = {
    "string": ("string_type", "a valid string"),
    "integer": ("int_type", "a valid integer"),
    "number": ("float_type", "a valid number"),
    "boolean": ("bool_type", "a valid boolean"),
    "array": ("list_type", "a valid list"),
    "object": ("dict_type", "a valid object"),
    "null": ("none_required", "null"),
}
_FORMATS = {
    "date": ("date_parsing", "a date such as 2026-01-31"),
    "date-time": ("datetime_parsing", "a date and time such as 2026-01-31T09:30:00"),
    "date-time-local": ("datetime_parsing", "a date and time without a time zone, such as 2026-01-31T09:30:00"),
    "date-time-zoned": ("datetime_parsing", "a date and time with its time zone, such as 2026-01-31T09:30:00Z"),
    "time": ("time_parsing", "a time such as 09:30:00"),
    "duration": ("time_delta_parsing", "an ISO 8601 duration such as P3DT4H"),
    "uuid": ("uuid_parsing", "a UUID"),
    "uri": ("url_parsing", "a URL such as https://example.com/page"),
    "email": ("value_error", "an e-mail address such as ann@example.com"),
    "ipv4": ("ip_v4_address", "an IPv4 address"),
    "ipv6": ("ip_v6_address", "an IPv6 address"),
}
_RULES = {
    "minimum": ("greater_than_equal", "Input should be greater than or equal to {}"),
    "exclusiveMinimum": ("greater_than", "Input should be greater than {}"),
    "maximum": ("less_than_equal", "Input should be less than or equal to {}"),
    "exclusiveMaximum": ("less_than", "Input should be less than {}"),
    "multipleOf": ("multiple_of", "Input should be a multiple of {}"),
    "minLength": ("string_too_short", "String should have at least {} characters"),
    "maxLength": ("string_too_long", "String should have at most {} characters"),
    "pattern": ("string_pattern_mismatch", "String should match pattern '{}'"),
    "minItems": ("too_short", "List should have at least {} items"),
    "maxItems": ("too_long", "List should have at most {} items"),
    "minProperties": ("too_short", "Object should have at least {} fields"),
    "maxProperties": ("too_long", "Object should have at most {} fields"),
    "uniqueItems": ("value_error", "List items should all be different"),
    "contains": ("value_error", "List should contain the items that the schema's 'contains' asks for"),
    "not": ("value_error", "Input should not be what the schema's 'not' forbids"),
    "oneOf": ("value_error", "Input should match exactly one alternative of the schema, but matches several"),
    "unevaluatedItems": ("too_long", "List has items that the schema does not allow"),
    "falseSchema": ("extra_forbidden", "Nothing is allowed here; leave it out"),
}
_HERE = Kind.Type | Kind.Constant | Kind.Enum
_UNTOLD = "value_error", "Input breaks the schema somewhere in here; it is too large to say where. Answer with less"
_OFF: Problem = ((), "value_error", "Input should satisfy the schema")


def problems(found: Iterator[Violation], wire: Mapping[str, Any]) -> list[Problem]:
    """Return what the violations *found* of the schema *wire* mean, each place once; at least one."""
    told = list(islice(_told(found, wire), MOST_PROBLEMS)) or [_OFF]
    # A message quotes the schema, which may hold a NUL; PostgreSQL takes none, and the whole record would be lost.
    kept = [(loc, kind, message.replace("\0", "\N{REPLACEMENT CHARACTER}")) for loc, kind, message in told]
    # A value of the wrong type is no choice either; the choices are what helps.
    choices = {loc for loc, kind, _ in kept if kind in ("enum", "literal_error")}
    return list(dict.fromkeys(each for each in kept if not (each[0] in choices and each[1].endswith("_type"))))


def _told(found: Iterator[Violation], wire: Mapping[str, Any]) -> Iterator[Problem]:
    """Tell of each violation. Alternatives lead to others in their place, and these again: so deep no calls nest."""
    waiting, place, is_told = [found], (), False
    try:
        while waiting:
            violation = next(waiting[-1], None)
            if violation is None:
                waiting.pop()
                continue
            place = violation.loc
            told = _of(violation, wire)
            if isinstance(told, list):
                is_told |= bool(told)
                yield from told
            else:
                waiting.append(told)
    except EffortSpent:
        if not is_told:
            yield place, *_UNTOLD


def _of(violation: Violation, wire: Mapping[str, Any]) -> list[Problem] | Iterator[Violation]:
    """Return what *violation* means, or what is to be told in its place."""
    loc, kind = violation.loc, violation.kind
    if isinstance(kind, Alternatives):
        return _nearest(loc, kind.branches, wire)
    if isinstance(kind, Missing):
        return [_missing((*loc, kind.name), [violation], wire)]
    if isinstance(kind, Unexpected | Kind.UnevaluatedProperties):
        known = ", ".join(violation.keywords.get("properties", {}))
        allowed = f"; allowed are: {_short(known)}" if known else ""
        names = kind.names if isinstance(kind, Unexpected) else kind.unexpected
        return [((*loc, name), "extra_forbidden", f"Field not allowed{allowed}") for name in names[:MOST_PROBLEMS]]
    if isinstance(kind, WrongName):
        told = next(_told(iter([kind.violation]), wire), None) if kind.violation else None
        return [((*loc, kind.name), "invalid_key", f"Name of the field: {(told or _OFF)[2]}")]
    if isinstance(kind, Several):
        return [(loc, *_RULES["oneOf"])]
    return [(loc, *_of_keyword(kind, violation.keywords))]


def _of_keyword(kind: Kind, keywords: Mapping[str, Any]) -> tuple[str, str]:
    """Return pydantic's name for what a value breaks in itself, and what was expected."""
    if isinstance(kind, Kind.Format):
        named, wanted = _FORMATS.get(kind.format, ("value_error", f"a valid {kind.format}"))
        return named, f"Input should be {wanted}"
    if isinstance(kind, _HERE):
        named, phrases = _here(kind)
        return named, f"Input should be {_either(phrases)}"
    name, value = kind.name, kind.value
    if isinstance(kind, Kind.Custom):
        if kind.message == TOO_SLOW:
            return "string_pattern_mismatch", "String takes too long to check against the schema's pattern"
        name, value = "pattern", keywords["pattern"]
    named, message = _RULES.get(name, ("value_error", f"Input should follow the schema's rule {name!r}"))
    if "{}" in message:
        message = (message.removesuffix("s") if value == 1 else message).format(value)
    return named, message


def _here(kind: Kind) -> tuple[str, list[str]]:
    """Return pydantic's name for a violation of type or choice, and what is expected instead."""
    if isinstance(kind, Kind.Type):
        wanted = [_TYPES[name] for name in _TYPES if name in kind.types]
        return wanted[0][0], [phrase for _, phrase in wanted]
    if isinstance(kind, Kind.Constant):
        return "literal_error", [_literal(kind.expected_value)]
    return "enum", [_literal(option) for option in cast("Kind.Enum", kind).options]


def _missing(loc: Loc, violations: Sequence[Violation], wire: Mapping[str, Any]) -> Problem:
    schemas = (violation.keywords.get("properties", {}).get(loc[-1]) for violation in violations)
    wanted = _either(list(dict.fromkeys(filter(None, (_expected(schema, wire) for schema in schemas)))))
    return loc, "missing", f"Field required: {wanted}" if wanted else "Field required"


def _nearest(loc: Loc, branches: Sequence[Branch], wire: Mapping[str, Any]) -> list[Problem] | Iterator[Violation]:
    """Tell of the alternative that the answer came nearest to; where none was meant, of all that are possible.

    What tells the alternatives apart is looked for at the place and one level below, and only the one that was meant is
    searched to its end.
    """
    flat = list(_flattened(branches))
    misses = [[each.kind for each in here if isinstance(each.kind, _HERE)] for _, here in flat]
    entered = [each for each, missed in zip(flat, misses, strict=True) if not missed]
    if not entered:  # no alternative has this type, or this value
        told = [_here(max(missed, key=lambda kind: not isinstance(kind, Kind.Type))) for missed in misses]
        named = next((name for name, _ in told if name != "none_required"), "none_required")
        return [(loc, named, f"Input should be {_either(list(dict.fromkeys(p for _, each in told for p in each)))}")]
    tags = [
        [each for each in branch.violations(levels=1) if isinstance(each.kind, Kind.Constant) and each.loc != loc]
        for branch, _ in entered
    ]
    chosen = [branch for branch, marks in zip(entered, tags, strict=True) if not marks]
    places = {tag.loc for marks in tags for tag in marks}
    if not chosen and len(places) == 1:  # its tag is none of the alternatives'
        options = dict.fromkeys(
            option for marks in tags for tag in marks for option in _here(cast("Kind", tag.kind))[1]
        )
        return [(places.pop(), "literal_error", f"Input should be {_either(list(options))}")]
    near = chosen or entered
    if len(near) > 1 and (lacking := set[str].intersection(*(_lacking(here) for _, here in near))):
        every = [each for _, here in near for each in here if isinstance(each.kind, Missing)]
        return [
            _missing((*loc, name), [each for each in every if name in _lacking([each])], wire)
            for name in sorted(lacking)
        ]
    if len(near) == 1:
        return near[0][0].violations()
    return iter(min((list(islice(branch.violations(), MOST_PROBLEMS + 1)) for branch, _ in near), key=len))


def _lacking(violations: Sequence[Violation]) -> set[str]:
    """Return the required fields that an answer lacks."""
    return {each.kind.name for each in violations if isinstance(each.kind, Missing)}


def _flattened(branches: Sequence[Branch]) -> Iterator[tuple[Branch, list[Violation]]]:
    """Yield *branches* with what is wrong at their place; those of one that only has alternatives in place of it."""
    waiting = list(reversed(branches))
    while waiting:
        branch = waiting.pop()
        here = list(branch.violations(levels=0))
        kind = here[0].kind if len(here) == 1 else None
        if isinstance(kind, Alternatives) and len(list(islice(branch.violations(), 2))) == 1:
            waiting += reversed(kind.branches)
        else:
            yield branch, here


def _expected(schema: Any, wire: Mapping[str, Any], depth: int = 0) -> str:
    """Return what *schema* asks for in a few words; nothing where it says nothing simple."""
    if not isinstance(schema, dict) or depth > 4:
        return ""
    asked = cast("dict[str, Any]", schema)
    if "$ref" in asked:
        return _expected(resolve(wire, asked["$ref"]), wire, depth + 1)
    if "const" in asked:
        return _literal(asked["const"])
    if "enum" in asked:
        return _either([_literal(option) for option in asked["enum"]])
    if asked.get("format") in _FORMATS:
        return _FORMATS[asked["format"]][1]
    if isinstance(types := asked.get("type", []), str):
        types = [types]
    inner = [_expected(part, wire, depth + 1) for part in (*asked.get("anyOf", ()), *asked.get("oneOf", ()))]
    return _either([*(_TYPES[name][1] for name in types), *dict.fromkeys(filter(None, inner))])


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else orjson.dumps(value).decode()


def _either(phrases: Sequence[str]) -> str:
    if len(phrases) < 2:
        return "".join(phrases)
    return _short(f"{', '.join(phrases[:-1])} or {phrases[-1]}")


def _short(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:399]}…"


def unkept(value: Any, loc: Loc) -> Iterator[Problem]:
    """Find what JSON can say and no database keeps: integers beyond 64 bits, and floats too large to be finite."""
    if isinstance(value, dict):
        for name, part in cast("dict[str, Any]", value).items():
            yield from unkept(part, (*loc, name))
    elif isinstance(value, list):
        for index, part in enumerate(cast("list[Any]", value)):
            yield from unkept(part, (*loc, index))
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        yield loc, "int_parsing_size", "Input should be an integer of at most 64 bits"
    elif isinstance(value, float) and not math.isfinite(value):
        yield loc, "finite_number", "Input should be a finite number"
    elif not (value is None or isinstance(value, str | int | float)):
        yield loc, "json_type", "Input should be JSON"

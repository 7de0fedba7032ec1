"""The search for what is wrong finds what the validator's own list has, to any depth."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from jsonschema_rs import Draft202012Validator, ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from core.errors import Invalid
from core.json_schemas import compiled
from core.validation import Alternatives, Missing, Several, Unexpected, Violation, WrongName
from core.validation._parts import Parts
from tests.core.validation.schemas_and_values import roots, values
from tests.examples import many


def ours(violations: Iterable[Violation], budget: list[int]) -> list[Any]:
    """Return *violations* as plain values, with those of every alternative."""
    found: list[Any] = []
    for each in violations:
        budget[0] -= 1
        assume(budget[0])
        kind = each.kind
        match kind:
            case Alternatives():
                told: Any = ("alternatives", [ours(branch.violations(), budget) for branch in kind.branches])
            case Missing():
                told = ("required", kind.name)
            case Unexpected():
                told = ("additionalProperties", sorted(kind.names))
            case WrongName():
                told = ("propertyNames", kind.name)
            case Several():
                told = ("several", None)
            case _:
                told = (kind.name, None)
        found.append((each.loc, told))
    return sorted(found, key=repr)


def theirs(errors: Iterable[ValidationError], budget: list[int]) -> list[Any]:
    """Return the validator's own *errors* in the same form."""
    found: list[Any] = []
    for each in errors:
        budget[0] -= 1
        assume(budget[0])
        kind = each.kind
        match kind:
            case Kind.AnyOf() | Kind.OneOfNotValid():
                told: Any = ("alternatives", [theirs(branch, budget) for branch in kind.context])
            case Kind.OneOfMultipleValid():
                told = ("several", None)
            case Kind.Required() if isinstance(each.instance, dict) and kind.property in each.instance:
                continue  # it misses the one required property where that is there and may not be
            case Kind.Required():
                told = ("required", kind.property)
            case Kind.AdditionalProperties():
                told = ("additionalProperties", sorted(kind.unexpected))
            case Kind.PropertyNames():
                told = ("propertyNames", kind.error.instance)
            case Kind.FalseSchema() if list(each.schema_path)[-1:] in (["additionalProperties"], ["propertyNames"]):
                assume(False)  # of an object that may have no property at all it names none of those that it has
                continue
            case _:
                told = (kind.name, None)
        found.append((tuple(each.instance_path), told))
    return sorted(found, key=repr)


def unique(found: list[Any]) -> list[Any]:
    """Return *found* without what is told twice."""
    return [each for n, each in enumerate(found) if each not in found[:n]]


@settings(
    max_examples=many(600), deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(roots, values)
def test_finds_what_the_validator_finds(schema: dict[str, Any], value: Any) -> None:
    """Verdict and violations are the validator's own, those of every alternative included."""
    try:
        form = compiled(schema, "generated")
    except Invalid:
        assume(False)
        return
    answer = {"value": value} if form.is_wrapped else value
    library = Draft202012Validator(form.wire, validate_formats=True)
    assert form.validator.is_valid(answer) == library.is_valid(answer)
    mine, its = ours(form.validator.violations(answer), [2_000]), theirs(library.iter_errors(answer), [2_000])
    assert unique(mine) == unique(its)


LARGE = [{"n": [n]} for n in range(20_000)] * 2
BROKEN: list[dict[str, Any]] = [
    {"const": [{"n": 1}, 2.5]},
    {"enum": [[], {"n": None}]},
    {"uniqueItems": True},
    {"contains": {"required": ["q"]}},
    {"contains": {"required": ["n"]}, "minContains": 0, "maxContains": 9},
    {"contains": {"required": ["n"]}, "minContains": 40_001},
    {"not": {"items": {"required": ["n"]}}},
]


@pytest.mark.parametrize("wire", BROKEN, ids=" ".join)
@pytest.mark.parametrize("as_object", [False, True], ids=["list", "object"])
def test_what_looks_into_a_value_tells_of_it_without_a_copy(wire: dict[str, Any], *, as_object: bool) -> None:
    """What a keyword that looks into a large value finds wrong is told as the validator does, and nothing is copied."""
    value: Any = {str(n): each for n, each in enumerate(LARGE)} if as_object else LARGE
    part = Parts(wire).root
    library = Draft202012Validator(wire)
    assert [each.as_dict() for each in part.own_violations([0, 0])] == [
        each.kind.as_dict() for each in library.iter_errors([0, 0])
    ]  # compiles, which is not to be counted
    tracemalloc.start()
    found = part.own_violations(value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(each.name, each.as_dict()) for each in found] == [
        (each.kind.name, each.kind.as_dict()) for each in library.iter_errors(value)
    ]
    assert peak < 70 * len(LARGE)  # an object without its values; a copy takes more than 300 bytes for each part

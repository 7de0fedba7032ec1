"""What differs between two schemas, and that its effect on values is true."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, cast

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.schemas import Effect, altogether, differences
from core.schemas._differences import MOST_CHARACTERS, MOST_DIFFERENCES
from tests.core.schema_forms.examples import LEAVES, bodies, value_of
from tests.examples import many

T, L, C, W = Effect.TIGHTENS, Effect.LOOSENS, Effect.CHANGES, Effect.WORDING


def of(fields: dict[str, Any], *required: str, **beside: Any) -> dict[str, Any]:
    """Return a schema of an object."""
    return {"type": "object", "properties": fields, "required": list(required), **beside}


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
CLOSED = {"additionalProperties": False}
CARD = of({"kind": {"const": "card"}, "number": TEXT}, "kind")
CASH = of({"kind": {"const": "cash"}}, "kind")
LINES = {"type": "array", "items": {"$ref": "#/$defs/Line"}}


def line(price: dict[str, Any]) -> dict[str, Any]:
    """Return definitions with a line that has *price*."""
    return {"$defs": {"Line": of({"price": price, "next": {"$ref": "#/$defs/Line"}})}}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, str, str, Effect]]]] = {
    "nothing": (of({"a": TEXT}), of({"a": TEXT}), []),
    "a field that must be there": (
        of({}, **CLOSED), of({"a": TEXT}, "a", **CLOSED), [("$.a", "field added", "", "string, required", C)]
    ),
    "a field that may be there": (
        of({}, **CLOSED), of({"a": TEXT}, **CLOSED), [("$.a", "field added", "", "string, optional", L)]
    ),
    "a field of an open object": (of({}), of({"a": TEXT}, "a"), [("$.a", "field added", "", "string, required", T)]),
    "a field that goes": (
        of({"a": TEXT}, "a"), of({}), [("$.a", "field removed", "string, required", "", L)]
    ),
    "a field that goes from a closed object": (
        of({"a": TEXT}, **CLOSED), of({}, **CLOSED), [("$.a", "field removed", "string, optional", "", T)]
    ),
    "required": (of({"a": TEXT}), of({"a": TEXT}, "a"), [("$.a", "required", "optional", "required", T)]),
    "no longer required": (of({"a": TEXT}, "a"), of({"a": TEXT}), [("$.a", "required", "required", "optional", L)]),
    "wider type": (of({"a": WHOLE}), of({"a": NUMBER}), [("$.a", "type", "integer", "number", L)]),
    "narrower type": (of({"a": NUMBER}), of({"a": WHOLE}), [("$.a", "type", "number", "integer", T)]),
    "another type": (of({"a": TEXT}), of({"a": WHOLE}), [("$.a", "type", "string", "integer", C)]),
    "null, as Pydantic writes it": (
        of({"a": TEXT}), of({"a": {"anyOf": [TEXT, {"type": "null"}]}}), [("$.a", "null", "", "allowed", L)]
    ),
    "null, as a list of types": (
        of({"a": {"type": ["string", "null"]}}), of({"a": TEXT}), [("$.a", "null", "allowed", "", T)]
    ),
    "the same null": (
        of({"a": {"type": ["string", "null"]}}), of({"a": {"anyOf": [TEXT, {"type": "null"}]}}), []
    ),
    "values": (
        of({"a": {"enum": ["x", "y"]}}),
        of({"a": {"enum": ["y", "z"]}}),
        [("$.a", "values removed", '"x"', "", T), ("$.a", "values added", "", '"z"', L)],
    ),
    "bounds": (
        of({"a": {**NUMBER, "minimum": 0, "maximum": 9}}),
        of({"a": {**NUMBER, "minimum": 1, "maximum": 10}}),
        [("$.a", "maximum", "9", "10", L), ("$.a", "minimum", "0", "1", T)],
    ),
    "a pattern": (
        of({"a": TEXT}), of({"a": {**TEXT, "pattern": "^a"}}), [("$.a", "pattern", "", "^a", T)]
    ),
    "a description": (
        of({"a": {**TEXT, "description": "One."}}),
        of({"a": {**TEXT, "description": "Two."}}),
        [("$.a", "description", "One.", "Two.", W)],
    ),
    "order": (
        of({"a": TEXT, "b": TEXT}), of({"b": TEXT, "a": TEXT}), [("$", "order of fields", "a, b", "b, a", W)]
    ),
    "closed": (of({}), of({}, **CLOSED), [("$", "other fields", "any", "none", T)]),
    "behind a reference, told once": (
        of({"lines": LINES}, **line(NUMBER)),
        of({"lines": LINES}, **line(TEXT)),
        [("$.lines[*].price", "type", "number", "string", C)],
    ),
    "an alternative more": (
        of({"a": TEXT}), of({"a": {"anyOf": [TEXT, WHOLE]}}), [("$.a", "alternative added", "", "integer", L)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_difference_says_where_what_and_to_which_effect(name: str) -> None:
    """Each kind of difference, by path, in a word, before and after, and marked as tightening or loosening."""
    before, after, told = CASES[name]
    found = differences(before, after)
    assert [(one.path, one.change, one.before, one.after, one.effect) for one in found] == told


def test_variants_of_a_discriminated_union() -> None:
    """A variant that is told apart by its constant may come without harm to the others."""
    few = of(
        {"a": {"oneOf": [{"$ref": "#/$defs/Card"}, {"$ref": "#/$defs/Cash"}]}},
        **{"$defs": {"Card": CARD, "Cash": CASH}},
    )
    many = copy.deepcopy(few)
    many["$defs"]["Voucher"] = of({"kind": {"const": "voucher"}}, "kind")
    many["properties"]["a"]["oneOf"].append({"$ref": "#/$defs/Voucher"})
    assert [(one.change, one.after, one.effect) for one in differences(few, many)] == [
        ("alternative added", "Voucher", L)
    ]
    assert altogether(differences(many, few)) is T


GRAFTS: list[dict[str, Any]] = [
    {"additionalProperties": False},
    {"required": ["id"]},
    {"required": []},
    {"minProperties": 2},
]


def _subschemas(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        here = cast("dict[str, Any]", node)
        return [here, *(one for part in here.values() for one in _subschemas(part))]
    return [one for part in cast("list[Any]", node) for one in _subschemas(part)] if isinstance(node, list) else []


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw a schema, and the same after some edits."""
    before = draw(bodies(tame=False))
    after = copy.deepcopy(before)
    for _ in range(draw(st.integers(1, 3))):
        holder = draw(st.sampled_from(_subschemas(after)))
        names = [name for name in holder if name not in {"$defs", "properties", "$ref"}]
        action = draw(st.sampled_from(["drop", "put", "graft", "leaf"]))
        if action == "drop" and names:
            del holder[draw(st.sampled_from(names))]
        elif action == "put" and isinstance(holder.get("properties"), dict):
            holder["properties"][draw(st.sampled_from(["id", "note", "new"]))] = copy.deepcopy(
                draw(st.sampled_from(LEAVES))
            )
        elif action == "graft" and isinstance(holder.get("properties"), dict):
            holder.update(
                draw(
                    st.sampled_from(
                        [{"additionalProperties": False}, {"required": ["id"]}, {"required": []}, {"minProperties": 2}]
                    )
                )
            )
        elif "type" in holder and "properties" not in holder and isinstance(holder["type"], (str, list)):
            leaf = copy.deepcopy(draw(st.sampled_from([one for one in LEAVES if isinstance(one, dict)])))
            holder.clear()
            holder.update(leaf)
    return before, after


def _valid(schema: dict[str, Any], value: Any) -> bool:
    return jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value)


@settings(max_examples=many(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_effect_is_true_of_values(data: st.DataObject) -> None:
    """What only loosens keeps valid values valid, what only tightens keeps invalid ones invalid, wording both."""
    before, after = data.draw(edited())
    try:
        for one in (before, after):
            jsonschema_rs.validator_for(one)
    except ValueError:
        return
    effect = altogether(differences(before, after))
    of_which = data.draw(st.sampled_from([before, after]))
    value = value_of(data.draw, of_which, of_which)
    old, new = _valid(before, value), _valid(after, value)
    if effect is L:
        assert new or not old
    if effect is T:
        assert old or not new
    if effect is W:
        assert old == new


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def _chain(last: dict[str, Any]) -> dict[str, Any]:
    names = [f"D{number}" for number in range(800)]
    links = {name: of({"next": ref(after)}) for name, after in pairwise(names)}
    return {**ref("D0"), "$defs": {**links, names[-1]: last}}


def _ladder(width: int) -> dict[str, Any]:
    """Return unions of unions, each step of which refers to the next so often."""
    steps = {f"U{n}": {"anyOf": [{**ref(f"U{n + 1}"), "title": f"{one}"} for one in range(width)]} for n in range(5)}
    return {**ref("U0"), "$defs": {**steps, "U5": TEXT}}


def _all_over(part: dict[str, Any]) -> dict[str, Any]:
    parts = {"A": of({"a": TEXT, "all": {"$ref": "#"}}), "B": of({"b": part})}
    return of({f"f{n}": {"oneOf": [ref("A"), ref("B")]} for n in range(1000)}, **{"$defs": parts})


def _of_itself(how: str, beside: dict[str, Any]) -> dict[str, Any]:
    return {**ref("Itself"), "$defs": {"Itself": {how: [ref("Itself"), beside]}}}


HUGE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a chain of references": (_chain(of({})), _chain(of({"end": TEXT}))),
    "unions of unions": (_ladder(300), _ladder(299)),
    "fields that refer to all": (_all_over(TEXT), _all_over(WHOLE)),
    "a reference to itself": (
        {**ref("Line"), "$defs": {"Line": {**of({}, **CLOSED), **ref("Line")}}},
        {**ref("Line"), "$defs": {"Line": {**of({}), **ref("Line")}}},
    ),
    "one of itself": (_of_itself("oneOf", TEXT), _of_itself("oneOf", WHOLE)),
    "any of itself": (_of_itself("anyOf", TEXT), {**ref("Itself"), "$defs": {"Itself": WHOLE}}),
    "many values": ({"enum": [f"a{n}" for n in range(4900)]}, {"enum": [f"b{n}" for n in range(4900)]}),
    "another thousand fields": (of({f"a{n}": TEXT for n in range(1000)}), of({f"b{n}": WHOLE for n in range(1000)})),
}
"""What a schema may hold at most, and what refers to itself."""


@pytest.mark.parametrize("name", HUGE)
def test_the_largest_schemas_are_told_apart(name: str) -> None:
    """However deep or wide, whatever refers to itself: both ways end, in a bounded number of lines of some length."""
    one, other = HUGE[name]
    for before, after in ((one, other), (other, one), (one, copy.deepcopy(one))):
        found = differences(before, after)
        assert bool(found) == (before != after)
        assert len(found) <= MOST_DIFFERENCES + 1
        assert all(len(each.before) <= MOST_CHARACTERS + 1 and len(each.after) <= MOST_CHARACTERS + 1 for each in found)


def test_what_is_not_told_claims_nothing() -> None:
    """Where more differs than is told, no effect is claimed: what loosens first may tighten later."""
    many = {f"f{number}": TEXT for number in range(MOST_DIFFERENCES + 1)}
    found = differences(of({}, **CLOSED), of(many, "f500", **CLOSED))
    assert {one.effect for one in found[:-1]} == {L}
    assert (found[-1].change, altogether(found)) == ("more", C)

"""An object field by field: rows follow the schema, states follow the stream, and every problem finds its field."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.field_problems import FieldProblem
from core.schemas import SAMPLES
from pages.kit.fields import MOST_ROWS, FieldRow, FieldState, Phase, done, marked, rows

INVOICE: dict[str, Any] = {
    "type": "object",
    "$defs": {
        "Party": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "Line": {"type": "object", "properties": {"text": {"type": "string"}, "amount": {"type": "number"}}},
    },
    "properties": {
        "number": {"type": "string"},
        "supplier": {"$ref": "#/$defs/Party"},
        "buyer": {"anyOf": [{"$ref": "#/$defs/Party"}, {"type": "null"}]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "paid": {"type": ["boolean", "null"]},
    },
    "required": ["number", "lines"],
}


def _by_path(found: list[FieldRow]) -> dict[str, FieldRow]:
    return {row.path: row for row in found}


def test_before_anything_came_every_field_waits() -> None:
    """The whole shape is there from the beginning, nested objects and optional ones included."""
    found = rows(INVOICE, None)

    assert [row.path for row in found] == [
        "$.number",
        "$.supplier",
        "$.supplier.name",
        "$.buyer",
        "$.buyer.name",
        "$.lines",
        "$.tags",
        "$.paid",
    ]
    assert {row.state for row in found} == {FieldState.WAITING}
    assert [row.path for row in found if row.is_required] == [
        "$.number",
        "$.supplier.name",
        "$.buyer.name",
        "$.lines",
    ]
    assert [row.depth for row in found] == [0, 0, 1, 0, 1, 0, 0, 0]
    assert done(found) == 0.0


def test_what_is_written_now_is_arriving_and_what_was_before_has_arrived() -> None:
    """The last value of the last list is where the model writes; all on the way to it is arriving with it."""
    found = _by_path(rows(INVOICE, {"number": "A-1", "lines": [{"text": "Pens", "amount": 2}, {"text": "Pap"}]}))

    assert found["$.number"].state is FieldState.ARRIVED
    assert found["$.lines[0].amount"].state is FieldState.ARRIVED
    for path in ("$.lines", "$.lines[1]", "$.lines[1].text"):
        assert found[path].state is FieldState.ARRIVING
    assert found["$.lines[1].amount"].state is FieldState.WAITING
    assert found["$.supplier.name"].state is FieldState.WAITING


def test_fields_may_come_in_any_order() -> None:
    """Rows keep the schema's order; what is arriving is told by the model's."""
    found = rows(INVOICE, {"paid": True, "number": "A-"})

    assert found[0].path == "$.number"
    assert _by_path(found)["$.number"].state is FieldState.ARRIVING
    assert _by_path(found)["$.paid"].state is FieldState.ARRIVED


def test_in_the_end_a_field_is_valid_or_was_left_out() -> None:
    """Null is a value; what is not there was left out; nothing waits any more."""
    found = _by_path(rows(INVOICE, {"number": "A-1", "lines": [], "buyer": None, "paid": None}, Phase.VALID))

    assert (found["$.paid"].state, found["$.paid"].value) == (FieldState.VALID, "null")
    assert (found["$.buyer"].state, found["$.buyer"].value) == (FieldState.VALID, "null")
    assert "$.buyer.name" not in found
    assert (found["$.lines"].state, found["$.lines"].value) == (FieldState.VALID, "empty list")
    assert (found["$.tags"].state, found["$.tags"].value) == (FieldState.ABSENT, "")


def test_values_are_one_line_each() -> None:
    """A long text is cut, a text of many lines is joined, a list of words is written out, objects are counted."""
    value = {"number": "x" * 999, "supplier": {"name": "Ann\n  Lee"}, "lines": [{}, {}], "tags": ["a", "ü"]}
    found = _by_path(rows(INVOICE, value, Phase.VALID))

    assert found["$.number"].value.endswith("x…")
    assert len(found["$.number"].value) == 240
    assert found["$.supplier.name"].value == "Ann Lee"
    assert found["$.lines"].value == "2 of them"
    assert found["$.tags"].value == "a, ü"


def test_what_the_schema_does_not_know_is_shown_too() -> None:
    """An extra field is what a reader looks for when the answer is rejected for it."""
    found = _by_path(rows(INVOICE, {"number": "1", "extra": {"deep": 1}}, Phase.FAILED))

    assert found["$.extra.deep"].value == "1"
    assert found["$.extra"].has_parts


@pytest.mark.parametrize(
    ("schema", "value", "paths"),
    [
        ({"type": "array", "items": {"type": "string"}}, ["a", "b"], ["$"]),
        (
            {"type": "array", "items": INVOICE["$defs"]["Line"]},
            [{"text": "a"}],
            ["$", "$[0]", "$[0].text", "$[0].amount"],
        ),
        ({"type": "integer"}, 7, ["$"]),
        ({"$ref": "#/$defs/A", "$defs": {"A": INVOICE["$defs"]["Party"]}}, {"name": "x"}, ["$.name"]),
    ],
)
def test_a_schema_need_not_be_an_object(schema: dict[str, Any], value: Any, paths: list[str]) -> None:
    """A list or a plain value at the root has rows as well."""
    assert [row.path for row in rows(schema, value, Phase.VALID)] == paths


def test_a_problem_stands_beside_the_field_it_belongs_to() -> None:
    """The nearest row takes it: the field itself, or the one that holds it; what fits nowhere is returned."""
    found = rows(INVOICE, {"number": 5, "lines": [{"text": "a"}], "tags": ["x"]}, Phase.FAILED)
    told, homeless = marked(
        found,
        [
            FieldProblem("$.number", "string_type", "Input should be a valid string"),
            FieldProblem("$.number", "string_type", "Input should be a valid string"),
            FieldProblem("$.lines[0].amount", "missing", "Field required"),
            FieldProblem("$.tags[0]", "enum", "Input should be 'a'"),
            FieldProblem("$", "too_short", "Object should have at least 9 fields"),
        ],
        repaired=False,
    )
    by_path = _by_path(told)

    assert (by_path["$.number"].state, by_path["$.number"].problem) == (
        FieldState.ERROR,
        "Input should be a valid string",
    )
    assert by_path["$.lines[0].amount"].problem == "Field required"
    assert by_path["$.tags"].problem == "$.tags[0]: Input should be 'a'"
    assert by_path["$.lines[0].text"].problem == ""
    assert homeless == ["$: Object should have at least 9 fields"]


def test_a_name_is_not_the_beginning_of_another() -> None:
    """A problem of ``tax_id`` is not one of ``tax``."""
    schema = {"type": "object", "properties": {"tax": {"type": "number"}, "tax_id": {"type": "string"}}}
    told, _ = marked(rows(schema, {"tax": 1}, Phase.FAILED), [FieldProblem("$.tax_id", "missing", "m")], repaired=False)

    assert [row.problem for row in told] == ["", "m"]


def test_a_repaired_problem_is_told_and_the_field_stays_valid() -> None:
    """What an earlier attempt had wrong does not make the object wrong."""
    found = rows(INVOICE, {"number": "A-1", "lines": []}, Phase.VALID)
    told, _ = marked(found, [FieldProblem("$.number", "string_type", "was a number")], repaired=True)

    assert (told[0].state, told[0].problem) == (FieldState.VALID, "was a number")


def test_an_endless_object_has_an_end_on_the_page() -> None:
    """A schema that contains itself and a list of thousands are shown as far as anybody reads."""
    node: dict[str, Any] = {"type": "object", "properties": {"next": {"$ref": "#"}, "name": {"type": "string"}}}

    assert len(rows(node, None)) < 20
    assert len(rows(INVOICE, {"lines": [{"text": "x"}] * 5000}, Phase.VALID)) == MOST_ROWS


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
_schemas = [orjson.loads(path.read_bytes())["schema"] for path in sorted(SAMPLES.glob("*.json"))]


@given(st.sampled_from(_schemas), _json | st.dictionaries(st.sampled_from(["lines", "supplier", "total"]), _json))
def test_whatever_a_model_writes_has_rows(schema: dict[str, Any], value: Any) -> None:
    """No answer, however wrong, breaks the view: each path is there once, in every phase."""
    for phase in Phase:
        paths = [row.path for row in rows(schema, value, phase)]
        assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_the_samples_have_a_row_for_each_of_their_values(path: Any) -> None:
    """The example output of each sample schema is shown whole: every plain value of it stands in some row."""
    sample = orjson.loads(path.read_bytes())
    found = rows(sample["schema"], sample["example_output"], Phase.VALID)

    def plain(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for part in value.values() for text in plain(part)]
        if isinstance(value, list):
            return [text for part in value for text in plain(part)]
        return [" ".join((value if isinstance(value, str) else orjson.dumps(value).decode()).split())[:100]]

    shown = "\n".join(row.value for row in found)
    assert [text for text in plain(sample["example_output"]) if text not in shown] == []
    assert all(row.state in {FieldState.VALID, FieldState.ABSENT} for row in found)

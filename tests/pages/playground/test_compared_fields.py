"""Objects beside each other: every value that differs is told, and none that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.playground.compared_fields import LEFT_OUT, MOST_LEAVES, agreements, compared_fields

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


def test_what_differs_is_told_by_its_path() -> None:
    """Each leaf stands under its path with the value of every object, one that lacks it says so."""
    found = compared_fields([{"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1]}, "d": None}])

    assert [(one.path, one.values, one.is_same) for one in found] == [
        ("$.a", ("1", "1"), True),
        ("$.b.c[0]", ("1", "1"), True),
        ("$.b.c[1]", ("2", LEFT_OUT), False),
        ("$.d", (LEFT_OUT, "null"), False),
    ]


def test_a_difference_behind_the_end_of_what_is_shown_is_one() -> None:
    """Long texts are cut when they are shown, not when they are compared."""
    (found,) = compared_fields([{"a": "x" * 500 + "y"}, {"a": "x" * 500 + "z"}])

    assert found.values[0] == found.values[1]
    assert not found.is_same


@pytest.mark.parametrize("kinds", [(1, "1"), (1, 1.5), (True, 1), (None, "null"), ({}, [])])
def test_values_of_different_kinds_differ(kinds: tuple[Any, Any]) -> None:
    """A number is no text that looks like it, and nothing is not an empty thing."""
    assert [one.is_same for one in compared_fields([{"a": kind} for kind in kinds])] == [False]


def test_agreement_is_the_share_of_runs_with_the_commonest_value() -> None:
    """Five runs of which three agree are 60 %; what agrees least comes first."""
    found = agreements([{"a": "x", "b": 1}, {"a": "y", "b": 1}, {"a": "x", "b": 1}, {"a": "x", "b": 1}, {"b": 1}])

    assert [(one.path, one.agreeing, one.runs) for one in found] == [("$.a", 3, 5), ("$.b", 5, 5)]
    assert found[0].share == 0.6
    assert found[0].values == (('"x"', 3), ('"y"', 1), (LEFT_OUT, 1))


@given(_json)
def test_an_object_never_differs_from_itself(value: Any) -> None:
    """Whatever it is; and there is at least one row to say so."""
    found = compared_fields([value, value, value])

    assert found
    assert all(one.is_same for one in found)


@given(st.dictionaries(st.text(max_size=4), _json, max_size=4), st.dictionaries(st.text(max_size=4), _json, max_size=4))
def test_different_objects_differ_somewhere(first: Any, second: Any) -> None:
    """Two objects that are not the same JSON have a row that says so."""
    is_same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert all(one.is_same for one in compared_fields([first, second])) == is_same


def test_a_huge_answer_is_compared_as_far_as_anybody_reads() -> None:
    """The rows have an end."""
    assert len(compared_fields([{"a": list(range(5000))}] * 2)) == MOST_LEAVES

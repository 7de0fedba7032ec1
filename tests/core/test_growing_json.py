"""What is told of JSON while it is written makes, change by change, what the text so far says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.growing_json import DEEPEST, Change, GrowingJson
from core.guardrails import Guardrails
from core.json_patches import changes_between
from core.partials import open_text
from core.response_models import partial
from tests.examples import many
from tests.patched import applied

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["~/\\", 'say "no"', "🙂 é", "a\tb\n", "one sk-", "[]{},:"])
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(["~", "/", "a/b", "~1", ""])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


_UNSURE = re.compile(r"[-+.eE0-9a-z]+\Z")


def settled(text: str) -> str:
    """Return *text* without what stands at its end and may become another number, or a word."""
    bare = _UNSURE.sub("", text)
    return bare if bare.rstrip(" \n")[-1:] in (":", ",", "[", "") else text


def checked(text: str, cuts: list[int], *, within: str = "") -> None:
    """Read *text* cut at *cuts*, and require after each piece what its beginning says."""
    reading, document, at = GrowingJson(Guardrails().screened_text, within), None, 0
    for end in sorted({*cuts, len(text)}):
        reading.feed(text[at:end])
        at = end
        document = applied(document, reading.changes())
        so_far = text[:end]
        value = Guardrails().screen_partial(partial(so_far), open_text(so_far))
        if value is not None and within:
            value = value.get(within)
        if document != value:  # a number at the end is not told before it is known to be whole
            value = Guardrails().screen_partial(partial(settled(so_far)), open_text(so_far))
            value = value.get(within) if within and value is not None else value
        assert document == value, so_far


@settings(max_examples=many(500), deadline=None)
@given(OBJECTS, st.data(), st.sampled_from([{"ensure_ascii": False}, {"ensure_ascii": True, "indent": 1}]))
def test_changes_make_what_was_written(value: dict[str, Any], data: st.DataObject, written: dict[str, Any]) -> None:
    """Whatever the value, however its text is cut: the changes give its beginning each time, and itself at last."""
    text = json.dumps(value, **written)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
    checked(text, cuts)


@settings(max_examples=many(100), deadline=None)
@given(OBJECTS, st.sampled_from([{"ensure_ascii": False}, {"ensure_ascii": True}]))
def test_each_character_may_come_alone(value: dict[str, Any], written: dict[str, Any]) -> None:
    """A text that comes character by character, in the middle of escapes too, is read alike."""
    text = json.dumps(value, **written)
    checked(text, list(range(len(text))))


@settings(max_examples=many(200), deadline=None)
@given(VALUES, OBJECTS, st.data())
def test_the_member_that_counts(value: Any, beside: dict[str, Any], data: st.DataObject) -> None:
    """Of a wrapped answer only what is in the wrapping is told, as the root."""
    text = json.dumps({**{f"_{name}": part for name, part in beside.items()}, "value": value, "after": 1})
    checked(text, data.draw(st.lists(st.integers(0, len(text)), max_size=20)), within="value")


@settings(max_examples=many(300), deadline=None)
@given(VALUES, VALUES)
def test_changes_between_any_two(before: Any, after: Any) -> None:
    """Whatever two values are, the changes between them make the one of the other."""
    made = applied(json.loads(json.dumps(before)), changes_between(before, after))
    assert json.dumps(made, sort_keys=True) == json.dumps(after, sort_keys=True) or made == after


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no json", None),
        ("Here it is:\n```json\n", None),
        ('```json\n{"a": "b"}\n``` and more {', {"a": "b"}),
        ('{"a": 1, "b": oops, "c": 2}', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": "x, \\q"}', {"a": "x, "}),
        ('{"a": "x, \ny"}', {"a": "x, "}),
        ('{"a": "x, \\ud83d and"}', {"a": "x, "}),
        ('{"a": [1, 2}', {"a": [1, 2]}),
        ('{"a": 1, "b": 1e999, "c": 2}', {"a": 1}),
        ('{"a": 1, "b": 18446744073709551616, "c": 2}', {"a": 1}),
        ('{"a": 1, "a": {"b": 2}}', {"a": {"b": 2}}),
        ('{"a": {"b": 2}, "a": "c"}', {"a": "c"}),
        ('{"a": 1}{"b": 2}', {"a": 1}),
    ],
)
def test_what_is_no_json_changes_nothing(text: str, value: Any) -> None:
    """Before the object and behind it anything may stand; from where it breaks, nothing more is told."""
    for size in (1, 3, len(text)):
        reading, document = GrowingJson(Guardrails().screened_text), None
        for at in range(0, len(text), size):
            reading.feed(text[at : at + size])
            document = applied(document, reading.changes())
        assert document == value


def test_what_nests_too_deep_ends() -> None:
    """A value that nests without end is told as far as anybody can be sent it."""
    reading = GrowingJson(Guardrails().screened_text)
    for _ in range(100_000):
        reading.feed('{"a":')
    document = applied(None, reading.changes())
    depth = 0
    while document:
        document, depth = document["a"], depth + 1
    assert depth == DEEPEST - 1


@pytest.mark.parametrize("piece", [7, 400, 20_000])
@pytest.mark.parametrize("kind", ["rows", "prose", "one word", "members"])
def test_changes_are_as_long_as_what_is_new(kind: str, piece: int) -> None:
    """However an object is made, and in whatever pieces it comes, all that is told is little more than its text."""
    made: dict[str, Any] = {
        "rows": {"rows": [{"name": f"name {n}", "note": "it is so " * 4, "amount": n} for n in range(1_000)]},
        "prose": {"text": "It is so. " * 8_000},
        "one word": {"text": "word" * 20_000},
        "members": {f"name-{n}": {"amount": n, "unit": "piece"} for n in range(2_000)},
    }[kind]
    text = json.dumps(made)
    reading, told = GrowingJson(Guardrails().screened_text), list[Change]()
    for at in range(0, len(text), piece):
        reading.feed(text[at : at + piece])
        if at % 400 < piece:  # as often as a stream shows it
            told += reading.changes()
    told += reading.changes()
    assert applied(None, told) == made
    assert sum(len(json.dumps(change["value"])) + len(change["path"]) for change in told) < 1.3 * len(text)

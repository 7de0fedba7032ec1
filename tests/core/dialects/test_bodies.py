"""Bodies: read once and strictly, and changed without moving a byte of anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects._body import Body, read_body
from core.errors import Invalid
from core.json_texts import blank, entries

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(st.text(max_size=5), _json, max_size=6)


def sources(body: Body) -> dict[str, str]:
    """Return the text of each member of a body."""
    return {name: body.source(name) for name in body.values}


_styles = st.fixed_dictionaries({"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 0, 1, "\t"])})


@given(_objects, _styles, st.text(max_size=4), st.text(max_size=6))
def test_every_member_but_the_patched_one_is_the_same_bytes(
    values: dict[str, Any], style: dict[str, Any], name: str, model: str
) -> None:
    """Whatever JSON object a body is, and however it is written, patching a member leaves the others as they came."""
    content = json.dumps(values, **style).encode()
    before = read_body(content)
    patched = read_body(before.patched([((name,), json.dumps(model))]))

    assert dict(before.values) == values
    assert patched.values == {**values, name: model}
    rest = {one: text for one, text in sources(patched).items() if one != name}
    assert rest == {one: text for one, text in sources(before).items() if one != name}
    assert before.patched([]) == content


@given(_objects.filter(bool), st.sampled_from([None, 1]), st.data())
def test_a_member_can_be_left_out(values: dict[str, Any], indent: int | None, data: st.DataObject) -> None:
    """Without some of its members, and with others, a body is JSON still, and the rest is as it came."""
    names = data.draw(st.sets(st.sampled_from(sorted(values))))
    before = read_body(json.dumps(values, indent=indent).encode())
    after = read_body(before.patched((), names))
    more = read_body(before.patched([(("new one",), "1"), (("another",), "2")], names))

    assert after.values == {one: value for one, value in values.items() if one not in names}
    assert sources(after) == {one: text for one, text in sources(before).items() if one not in names}
    assert sources(more) == {**sources(after), "new one": "1", "another": "2"}


@given(_objects)
def test_a_place_within_is_patched_alone(values: dict[str, Any]) -> None:
    """A value that stands deep is replaced where it stands, also one that was not there."""
    body = read_body(json.dumps({"a": [1, {"b": values}], "z": values}).encode())
    patched = read_body(body.patched([(("a", 1, "b", "new"), "7"), (("a", 0), '"x"')]))

    assert patched.values == {"a": ["x", {"b": {**values, "new": 7}}], "z": values}
    assert patched.source("z") == body.source("z")


def test_numbers_order_escapes_and_nulls_stay() -> None:
    """What other readers round, sort or leave out comes out as it came in."""
    content = (
        b'{ "model":"m","seed":9007199254740993,"temperature":1.0,"x":null,"big":123456789012345678901234567890,'
        b'"multipleOf":0.10,"text":"\\ud83d\\ude00 \\u00e9 \\/","huge":1e400}'
    )
    assert read_body(content).patched([(("model",), '"n"')]) == content.replace(b'"m"', b'"n"')


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"{bad json", "is not JSON. Line 1, column 2"),
        (b"[]", "is a JSON object"),
        (b'{"a":1,}', "is not JSON"),
        (b'{"a":1} x', "is not JSON"),
        (b'{"a" 1}', "is not JSON"),
        (b'{"a":1 "b":2}', "is not JSON"),
        (b'{"a":', "is not JSON"),
        (b'{"a"', "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"a":1,"a":2}', "says 'a' twice"),
        (b'{"m":[{"content":"x","content":"y"}]}', "says 'content' twice"),
        (b'{"a":NaN}', "holds NaN"),
        (b'{"a":-Infinity}', "holds -Infinity"),
        (b'{"a":"\\ud800"}', "half of a character"),
        (b'{"a":"\xff"}', "is not text in UTF-8"),
        (b'{"a":' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a":' + b"[" * 100_000, "nests too deep"),
    ],
)
def test_what_is_no_body_is_said_in_one_sentence(content: bytes, says: str) -> None:
    """Each of them is refused, and what was sent is not repeated."""
    with pytest.raises(Invalid) as refused:
        read_body(content)
    assert says in refused.value.message
    assert len(refused.value.message) < 200


@given(
    st.binary(max_size=30)
    | st.text(max_size=30).map(str.encode)
    | _objects.map(lambda one: json.dumps(one)[:-1].encode())
)
def test_nothing_else_is_raised(content: bytes) -> None:
    """Whatever comes, it is a body or refused as none."""
    try:
        body = read_body(content)
    except Invalid:
        return
    assert json.loads(content) == body.values
    assert [name for name, _, _ in entries(body.text, blank(body.text, 0))] == list(body.values)

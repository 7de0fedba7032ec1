"""JSON that a person gives is read, or refused in one sentence that says what is wrong and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from core.json_texts import MOST_BYTES, json_in, text_of
from tests.examples import many


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "The schema is empty."),
        (" \n", "The schema is empty."),
        ('{\n  "a": 1,\n}', "The schema is not JSON. Line 2, column 9: illegal trailing comma before end of object."),
        ("{'a': 1}", "The schema is not JSON. Line 1, column 2: expecting property name enclosed in double quotes."),
        ("{} and more", "The schema is not JSON. Line 1, column 4: extra data."),
        ("[" * 100_000, "The schema nests too deep to be read; nest it less."),
        ('{"a":' * 50_000, "The schema nests too deep to be read; nest it less."),
        (f'{{"a": {"9" * 5_000}}}', "The schema has a number with too many digits; use a shorter one."),
        ('{"a": NaN}', "The schema holds NaN, which JSON does not have; use a number or null."),
        ('{"a": -Infinity}', "The schema holds -Infinity, which JSON does not have; use a number or null."),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "The schema says 'c' twice in one object; leave one of them out."),
        ("x" * (MOST_BYTES + 1), "The schema is larger than 1000 kB; shorten it."),
        (b"\xff\xfe", "The schema is not text in UTF-8."),
        ('"\\ud8', "The schema is not JSON"),
    ],
    ids=lambda text: text[:20] if isinstance(text, str) else "bytes",
)
def test_one_sentence(text: str | bytes, told: str) -> None:
    """Whatever is wrong, it is one short sentence."""
    with pytest.raises(Invalid) as caught:
        json_in(text, "The schema")
    assert told in str(caught.value) or "trailing comma" in told  # older Pythons have other words for it
    assert len(str(caught.value)) < 200
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("text", ['\ufeff{"a": [1, 2.5, null]}', b'\xef\xbb\xbf{"a": [1, 2.5, null]}'])
def test_a_mark_of_its_order_is_no_part_of_it(text: str | bytes) -> None:
    """A file that an editor began with a byte order mark is read."""
    assert json_in(text, "The file") == {"a": [1, 2.5, None]}


@settings(max_examples=many(500), deadline=None)
@given(st.text() | st.text(st.sampled_from('{}[]",:0123456789eE+-.\\untrfalse \n')) | st.binary())
def test_nothing_else_comes_out(text: str | bytes) -> None:
    """Of any text there is a value or our own error, and no other."""
    try:
        value = json_in(text, "It")
    except Invalid:
        return
    assert json.loads(json.dumps(value)) == value


@settings(max_examples=many(100), deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_is_json_is_read(value: Any) -> None:
    """What is JSON is read as it is."""
    assert json_in(json.dumps(value), "It") == value


def test_files(tmp_path: Path) -> None:
    """A file is read within the same bounds, and one that cannot be read says why."""
    file = tmp_path / "schema.json"
    with pytest.raises(Invalid, match=r"schema\.json cannot be read: No such file"):
        text_of(file)
    with pytest.raises(Invalid, match="cannot be read: Is a directory"):
        text_of(tmp_path)
    file.write_text('{"a": "é"}', encoding="utf-8")
    assert json_in(text_of(file), str(file)) == {"a": "é"}
    file.write_bytes(b"\xff")
    with pytest.raises(Invalid, match="is not text in UTF-8"):
        text_of(file)
    file.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(Invalid, match="larger than 1000 kB"):
        text_of(file)

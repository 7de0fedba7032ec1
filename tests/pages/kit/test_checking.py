"""*Check an answer*: every field with its value and what is wrong with it, for a schema that is registered nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.playground.conftest import told

PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "people": {"type": "integer"},
        "streets": {"type": "array", "items": {"type": "object", "properties": {"length": {"type": "number"}}}},
    },
    "required": ["city", "people"],
}


def _checking(body: dict[str, object], sample: object) -> None:
    from core.principals import Permission
    from pages.kit.checking import dialog
    from pages.kit.page import open_page

    dialog(open_page("Test", "A dialog.", needs=Permission.SCHEMAS_READ), body, "this schema", sample)


def _checked(text: str, sample: Any = None) -> AppTest:
    page = AppTest.from_function(_checking, args=(PLACE, sample), default_timeout=60).run()
    if text:
        page.text_area(key="answer_at_hand").input(text)
    page.button(key="check").click().run()
    assert not page.exception
    return page


def _rows(page: AppTest) -> list[tuple[str, str, str]]:
    """Return name, value and state of each field, as they are read."""
    shown = page.table[0].value
    rows = zip(shown.index, shown["Value"], shown["State"], strict=True)
    return [
        (name.replace(":red[\\*]", "").strip("\N{EM SPACE}"), value.replace("\\", ""), state)
        for name, value, state in rows
    ]


@pytest.mark.usefixtures("proctor")
def test_each_field_stands_there_with_its_value_and_what_is_wrong() -> None:
    """A wrong type, a field that is missing and a wrong part of a list are told beside their fields, and only there."""
    page = _checked('{"people": "5", "streets": [{"length": 3}, {"length": "far"}]}')

    assert "It does not satisfy this schema: 3 fields" in told(page)
    city, people, _, _, near, _, far = _rows(page)
    assert "wrong" in city[2]
    assert "Field required" in city[2]
    assert people[:2] == ("people", '"5"')
    assert "Input should be a valid integer" in people[2]
    assert near[:2] == ("length", "3")
    assert "valid" in near[2]
    assert "Input should be a valid number" in far[2]


@pytest.mark.usefixtures("proctor")
def test_a_valid_answer_is_said_to_be_so_field_by_field() -> None:
    """What it begins with may be the last answer; it is checked like any other."""
    page = _checked("", {"city": "Lisbon", "people": 5})

    assert "It satisfies this schema" in told(page)
    assert [row[:2] for row in _rows(page)] == [("city", "Lisbon"), ("people", "5"), ("streets", "")]


@pytest.mark.usefixtures("proctor")
def test_what_is_no_json_has_its_line_marked() -> None:
    """The line that cannot be read is shown with its number, and marked."""
    page = _checked('{"city": "Lisbon",\n nope}')

    assert "Line 2, column 2" in told(page)
    assert not page.table
    assert any("Line 2 is wrong" in str(one.proto) for one in page.get("html"))

"""The way through the texts of a value: every text is met, and nothing else changes or is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.json_leaves import Steps, differences, with_texts

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def _same(text: str, _steps: Steps, _is_name: bool) -> str:  # noqa: FBT001 as the way calls it
    return text


def _alike(text: str, _steps: Steps, _is_name: bool) -> str:  # noqa: FBT001 as the way calls it
    return "mark" if text else text


def test_names_that_become_alike_get_a_number() -> None:
    """As many members come out as went in, in their order; nothing that comes later changes the name of an earlier."""
    people = {"jane@x": {"plan": "pro"}, "bob@x": 1, "[mail]": 2, "email": "none", "__proto__": {"x": 1}}

    def changed(text: str, _steps: Steps, _is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        return "[mail]" if "@" in text else text

    made = with_texts(people, changed)
    assert list(made.items()) == [
        ("[mail]", {"plan": "pro"}),
        ("[mail] (2)", 1),
        ("[mail] (3)", 2),
        ("email", "none"),
        ("__proto__", {"x": 1}),
    ]


@given(_json)
def test_what_has_no_change_is_the_same_object(value: Any) -> None:
    """Where nothing is changed nothing is copied."""
    assert with_texts(value, _same) is value


@given(_json)
def test_no_member_is_lost(value: Any) -> None:
    """However many names become alike, the shape of the value stays."""

    def shape(one: Any) -> Any:
        if isinstance(one, dict):
            return [shape(inner) for inner in one.values()]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one, list):
            return [shape(inner) for inner in one]  # pyright: ignore[reportUnknownVariableType]
        return "text" if isinstance(one, str) else one

    assert shape(with_texts(value, _alike)) == shape(value)


@given(_json)
def test_differences_lead_from_one_to_the_other(value: Any) -> None:
    """What is told as different, put where it is told to be, makes the new value of the old one."""
    made = with_texts(value, _alike)
    copied: Any = {"root": value}
    for path, new in differences(value, made):
        holder, last = copied, "root"
        for step in path:
            holder[last] = holder[last].copy()
            holder, last = holder[last], step
        holder[last] = new
    assert copied["root"] == made


def test_steps_say_where_a_text_stands() -> None:
    """They are those behind the change, so that no name that was taken out stands in them."""
    met: list[tuple[str, tuple[Any, ...], bool]] = []

    def noted(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        met.append((text, tuple(steps), is_name))
        return "mark" if text == "name" else text

    with_texts({"a": [{"name": "b"}]}, noted)
    assert met == [("a", (), True), ("name", ("a", 0), True), ("b", ("a", 0, "mark"), False)]

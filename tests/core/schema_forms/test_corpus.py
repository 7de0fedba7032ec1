"""Schemas that people wrote: what becomes of each, counted; and that none ends wrong."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from core.pydantic_source import json_schema_from_source
from core.schemas import SAMPLES
from tests.core.schema_forms.corpus import tally

SAMPLE_FILES = [orjson.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("*.json"))]

AS_PEOPLE_PASTE_THEM: dict[str, tuple[str, Any]] = {
    "a tree": (
        "class Node(BaseModel):\n    name: str\n    children: list['Node'] = []\n",
        {"name": "a", "children": [{"name": "b"}]},
    ),
    "a map": ("class Counts(BaseModel):\n    counts: dict[str, int]\n", {"counts": {"a": 1}}),
    "a choice": (
        """
class Cat(BaseModel):
    kind: Literal['cat']
    lives: int = 9

class Dog(BaseModel):
    kind: Literal['dog']
    tricks: list[str] | None = None

class Home(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator='kind')]
""",
        {"pet": {"kind": "dog", "tricks": None}},
    ),
    "a link and an amount": (
        "class Line(BaseModel):\n    page: HttpUrl\n    amount: Decimal = Field(ge=0)\n    day: date | None = None\n",
        {"page": "https://a.b/", "amount": 1.5},
    ),
    "a pair": ("class Range(BaseModel):\n    ends: tuple[int, int]\n", {"ends": [1, 2]}),
    "anything": ("class Bag(BaseModel):\n    rest: Any\n    more: list[Any] = []\n", {"rest": {"a": [None]}}),
}
HEAD = (
    "from datetime import date\nfrom decimal import Decimal\nfrom typing import Annotated, Any, Literal\n"
    "from pydantic import BaseModel, Field, HttpUrl\n\n\n"
)


def test_the_samples() -> None:
    """Both vendors enforce what of the samples is within their limits, and every example goes there and back."""
    count = tally((sample["schema"], [sample["example_output"]]) for sample in SAMPLE_FILES)
    assert (count["taken"], count["refused"], count["values"]) == (5, 0, 5)
    assert count["openai enforced"] == 5
    assert count["anthropic enforced"] + count["anthropic as tools"] == 5


@pytest.mark.parametrize("name", AS_PEOPLE_PASTE_THEM)
def test_models_as_people_paste_them(name: str) -> None:
    """A model of Pydantic goes out, and a value of it there and back; strictly unless it has what none can enforce."""
    source, value = AS_PEOPLE_PASTE_THEM[name]
    count = tally([(json_schema_from_source(HEAD + source), [value])])
    assert (count["taken"], count["values"]) == (1, 1)
    is_beyond = name in ("a map", "a pair", "anything")
    assert count["openai shown"] == is_beyond
    assert count["anthropic as tools"] == (is_beyond or name == "a tree")


def test_a_name_that_is_only_like_one_that_was_sent() -> None:
    """A member that the author did not declare keeps its name, be it just what another one was sent as."""
    schema = {"type": "object", "properties": {"a b": {"type": "string"}}, "additionalProperties": True}
    values = [{"a b": "x", "a_b": 1}, {"a_b": 1}, {"a_b_": 1, "a b": "y"}, {"a_b__": [], "a_b": 2}]
    assert tally([(schema, values)])["values"] == len(values)

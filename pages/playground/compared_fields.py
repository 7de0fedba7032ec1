"""Objects beside each other, leaf by leaf: where they agree, where they differ, how often. Knows no Streamlit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from core.json_schemas import json_path
from pages.kit.json_values import is_list, is_object

MOST_LEAVES = 500
"""How many values of one object are compared."""
MOST_LETTERS = 120
LEFT_OUT = "left out"
_ABSENT = ""
"""What no value is as JSON."""


@dataclass(frozen=True, slots=True)
class ComparedField:
    """One field of several objects."""

    path: str
    values: tuple[str, ...]
    """What each of them has, in one line; of an object that lacks it :data:`LEFT_OUT`."""
    is_same: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """One field of several runs of the same question."""

    path: str
    agreeing: int
    """How many runs have the commonest value."""
    runs: int
    values: tuple[tuple[str, int], ...]
    """Each value with how many runs have it, the commonest first."""

    @property
    def share(self) -> float:
        """The share of runs that agree."""
        return self.agreeing / self.runs


def compared_fields(objects: Sequence[Any]) -> list[ComparedField]:
    """Return every field that any of *objects* has, in the order of the first that has it."""
    return [
        ComparedField(path, tuple(_shown(text) for text in texts), len(set(texts)) == 1)
        for path, texts in _rows(objects)
    ]


def agreements(objects: Sequence[Any]) -> list[Agreement]:
    """Return for every field of *objects* how many of them agree on it, those that agree least first."""
    found: list[Agreement] = []
    for path, texts in _rows(objects):
        counted = Counter(texts).most_common()
        values = tuple((_shown(text), count) for text, count in counted)
        found.append(Agreement(path, counted[0][1], len(objects), values))
    return sorted(found, key=lambda one: one.agreeing)


def _rows(objects: Sequence[Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield each path with the JSON of its value in every object."""
    leaves = [dict(islice(_leaves(each, ()), MOST_LEAVES)) for each in objects]
    for path in dict.fromkeys(path for one in leaves for path in one):
        yield path, [one.get(path, _ABSENT) for one in leaves]


def _leaves(value: Any, steps: tuple[int | str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the path and the JSON of every value that holds no others; an empty object or list is one."""
    if is_object(value) and value:
        for name, part in value.items():
            yield from _leaves(part, (*steps, name))
    elif is_list(value) and value:
        for place, part in enumerate(value):
            yield from _leaves(part, (*steps, place))
    else:
        yield json_path(steps), json.dumps(value, ensure_ascii=False, sort_keys=True)


def _shown(text: str) -> str:
    """Return a value in one line."""
    if text == _ABSENT:
        return LEFT_OUT
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"

"""What has changed between two JSON values, in the words of :mod:`core.growing_json`: for values that are made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from core.growing_json import Change, pointer


def changes_between(before: Any, after: Any) -> list[Change]:
    """Return what makes *after* of *before*: little, if it has only grown."""
    return list(_changes(before, after, []))


def _changes(before: Any, after: Any, steps: list[str | int]) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(cast("dict[str, Any]", before), cast("dict[str, Any]", after), steps)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(cast("list[Any]", before), cast("list[Any]", after), steps)
    elif isinstance(before, str) and isinstance(after, str) and after.startswith(before):
        if len(after) > len(before):
            yield {"op": "append", "path": pointer(steps), "value": after[len(before) :]}
    elif type(cast("Any", before)) is not type(cast("Any", after)) or before != after:
        yield {"op": "replace", "path": pointer(steps), "value": after}


def _of_objects(before: dict[str, Any], after: dict[str, Any], steps: list[str | int]) -> Iterator[Change]:
    if not before.keys() <= after.keys():
        yield {"op": "replace", "path": pointer(steps), "value": after}
        return
    for name, part in after.items():
        if name in before:
            yield from _changes(before[name], part, [*steps, name])
        else:
            yield {"op": "add", "path": pointer([*steps, name]), "value": part}


def _of_lists(before: list[Any], after: list[Any], steps: list[str | int]) -> Iterator[Change]:
    if len(before) > len(after):
        yield {"op": "replace", "path": pointer(steps), "value": after}
        return
    for place, part in enumerate(before):
        yield from _changes(part, after[place], [*steps, place])
    if len(after) > len(before):
        yield {"op": "append", "path": pointer(steps), "value": after[len(before) :]}

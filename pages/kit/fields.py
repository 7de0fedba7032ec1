"""An object field by field: what the schema asks for, what has come, and what is wrong with it. Knows no Streamlit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any, Protocol

from core.json_schemas import json_path, resolve
from pages.kit.json_values import is_list, is_object

DEEPEST = 4
MOST_ROWS = 200
MOST_LETTERS = 240
_ABSENT = object()
_NO_TEXT = ("integer", "number", "boolean", "null", "array", "object")
Steps = tuple[int | str, ...]
_Part = tuple[Steps, Mapping[str, Any], Any, bool]
"""Where it stands, what the schema says of it, its value or that it is absent, and whether it is required."""


class WrongField(Protocol):
    """What is wrong with one field, and where that stands as a JSON path."""

    @property
    def path(self) -> str:  # noqa: D102
        ...

    @property
    def message(self) -> str:  # noqa: D102
        ...


class FieldState(StrEnum):
    """How far a field has come."""

    WAITING = "waiting"
    ARRIVING = "arriving"
    ARRIVED = "arrived"
    VALID = "valid"
    ERROR = "error"
    ABSENT = "left out"


class Phase(StrEnum):
    """How far the whole has come."""

    STREAMING = "streaming"
    VALID = "valid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field as it is shown."""

    path: str
    """A JSON path, such as ``$.lines[2].amount``."""
    depth: int
    name: str
    value: str
    state: FieldState
    is_required: bool = False
    has_parts: bool = False
    """Whether rows of its own parts follow."""
    problem: str = ""
    """What is wrong, or was before the model was asked again."""


def rows(schema: Mapping[str, Any], value: Any, phase: Phase = Phase.STREAMING) -> list[FieldRow]:
    """Return one row per field of *schema* in its order, filled from *value*; whatever else came follows.

    While a stream runs, the field that the model writes now is arriving. In the end each is valid or was left out; of
    what failed it is known only that it arrived, until :func:`marked` tells what is wrong.
    """
    last = _end(value) if phase is Phase.STREAMING else ()
    found: list[FieldRow] = []
    for steps, node, part, is_required in islice(_everything(schema, value), MOST_ROWS):
        if part is _ABSENT:
            state = FieldState.WAITING if phase is Phase.STREAMING else FieldState.ABSENT
        elif phase is Phase.VALID:
            state = FieldState.VALID
        else:
            state = FieldState.ARRIVING if last and last[: len(steps)] == steps else FieldState.ARRIVED
        step = steps[-1] if steps else "value"
        name = f"[{step}]" if isinstance(step, int) else step
        if found and len(steps) - 1 > found[-1].depth:
            found[-1] = replace(found[-1], has_parts=True)
        found.append(FieldRow(json_path(steps), max(0, len(steps) - 1), name, _shown(part, node), state, is_required))
    return found


def marked(
    found: Sequence[FieldRow], problems: Iterable[WrongField], *, repaired: bool
) -> tuple[list[FieldRow], list[str]]:
    """Put each problem beside its field, and return those that belong to no field shown.

    *repaired* problems are of an attempt that was asked again since: they are told, and the field stays what it is.
    """
    by_path = {row.path: row for row in found}
    told: dict[str, list[str]] = {}
    homeless: list[str] = []
    for problem in problems:
        home = max((path for path in by_path if _covers(path, problem.path)), key=len, default=None)
        if home is None:
            homeless.append(f"{problem.path}: {problem.message}")
        else:
            message = problem.message if problem.path == home else f"{problem.path}: {problem.message}"
            told.setdefault(home, []).append(message)
    for path, messages in told.items():
        row = by_path[path]
        state = row.state if repaired else FieldState.ERROR
        by_path[path] = replace(row, problem="; ".join(dict.fromkeys(messages)), state=state)
    return list(by_path.values()), list(dict.fromkeys(homeless))


def done(found: Sequence[FieldRow]) -> float:
    """Return the share of the fields that have come, for a progress bar."""
    arrived = sum(row.state in {FieldState.ARRIVED, FieldState.VALID} for row in found)
    return arrived / len(found) if found else 0.0


def _covers(home: str, path: str) -> bool:
    return path == home or path.startswith((f"{home}.", f"{home}["))


def _end(value: Any) -> Steps:
    """Return where the model is writing: the last part of the last part."""
    steps: list[int | str] = []
    while (is_object(value) or is_list(value)) and value:
        step: Any = next(reversed(list(value))) if is_object(value) else len(value) - 1
        steps.append(step)
        value = value[step]
    return tuple(steps)


def _everything(root: Mapping[str, Any], value: Any) -> Iterator[_Part]:
    """Yield every field of an object, or the one value that a schema without fields asks for."""
    node = _plain(root, root)
    if "properties" in node or is_object(value):
        yield from _walk(root, node, value, ())
    else:
        yield (), node, _ABSENT if value is None else value, True
        yield from _inside(root, node, value, ())


def _walk(root: Mapping[str, Any], node: Mapping[str, Any], value: Any, steps: Steps) -> Iterator[_Part]:
    """Yield every field below *node*."""
    known = node.get("properties", {})
    given: Mapping[str, Any] = value if is_object(value) else {}
    for name in (*known, *(name for name in given if name not in known)):
        part, inner, here = given.get(name, _ABSENT), _plain(root, known.get(name, {})), (*steps, name)
        yield here, inner, part, name in node.get("required", ())
        if len(here) < DEEPEST:
            yield from _inside(root, inner, part, here)


def _inside(root: Mapping[str, Any], node: Mapping[str, Any], part: Any, steps: Steps) -> Iterator[_Part]:
    """Yield the parts of an object that is there or to come, and of the objects in a list that is there."""
    if is_object(part) or (part is _ABSENT and "properties" in node):
        yield from _walk(root, node, part, steps)
    elif is_list(part) and any(is_object(each) for each in part):
        items = _plain(root, node.get("items", {}))
        for place, each in enumerate(part):
            yield (*steps, place), items, each, False
            yield from _walk(root, items, each, (*steps, place))


def _plain(root: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    """Follow references, and look through 'this or null' and single-part allOf."""
    for _ in range(8):
        if not is_object(node):
            return {}
        if isinstance(node.get("$ref"), str):
            node = resolve(root, node["$ref"])
            continue
        parts = node.get("anyOf") or node.get("oneOf") or node.get("allOf") or ()
        parts = [part for part in parts if not (is_object(part) and part.get("type") == "null")]
        if len(parts) != 1 or "properties" in node:
            return node
        node = parts[0]
    return {}


def _shown(part: Any, node: Mapping[str, Any]) -> str:
    """Return a value in one line; what has rows of its own is only counted."""
    if part is _ABSENT or (is_object(part) and (part or "properties" in node)):
        return ""
    if is_list(part):
        if any(is_object(each) for each in part):
            return f"{len(part)} of them"
        text = ", ".join(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in part)
        text = text or "empty list"
    else:
        text = json.dumps(part, ensure_ascii=False)
        if isinstance(part, str) and node.get("type") not in _NO_TEXT:  # "5" where a number is asked for is none
            text = part
    text = " ".join(text.split())
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"

"""The one way through the texts of a JSON value, names of members included: all else stays as it is, and in its order.

Whoever screens, masks or counts texts goes this way, so that no kind of place is seen by one and not by another.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, cast

import orjson

Steps = list[str | int]
"""Names and indexes that lead to where the way has come, as they are behind the change: no name in it is one that was
taken out. It goes on changing; who keeps one copies it."""
LEAST_DIGITS = 6
"""Of a number that may be somebody's, as of a phone or a card: a shorter one is nobody's."""
Change = Callable[[str, Steps, bool], str]
"""Returns a text as it goes on, or the same object; given also where it stands, and whether it is a name: then the
steps lead to the object that has it."""


MayStand = Callable[[str, Steps], bool]
"""Returns whether a whole number may stand where it does, by its digits, ``LEAST_DIGITS`` of them at least."""


def with_texts(value: Any, change: Change, steps: Steps | None = None) -> Any:
    """Return *value* with every text as *change* makes it, or the same object where nothing changed.

    Names that become alike get a number, so that no member is lost.
    """
    at: Steps = [] if steps is None else steps
    if isinstance(value, str):
        return change(value, at, False)
    if isinstance(value, dict):
        return _entries(cast("dict[str, Any]", value), change, at)
    if isinstance(value, list):
        return _listed(cast("list[Any]", value), change, at)
    return value


def with_numbers(value: Any, may_stand: MayStand, steps: Steps | None = None) -> Any:
    """Return *value* with 0 in the place of each whole number that may not stand there, or the same object.

    A shorter one than *may_stand* is asked about is nobody's.
    """
    at: Steps = [] if steps is None else steps
    if isinstance(value, dict):
        members, made = cast("dict[str, Any]", value), dict[str, Any]()
        for name, inner in members.items():
            at.append(name)
            made[name] = with_numbers(inner, may_stand, at)
            at.pop()
        return members if all(made[name] is inner for name, inner in members.items()) else made
    if isinstance(value, list):
        items, listed = cast("list[Any]", value), list[Any]()
        for index, inner in enumerate(items):
            at.append(index)
            listed.append(with_numbers(inner, may_stand, at))
            at.pop()
        return items if all(new is old for new, old in zip(listed, items, strict=True)) else listed
    return value if not (digits := digits_of(value)) or may_stand(digits, at) else 0


def digits_of(value: Any) -> str:
    """Return the digits of a whole number that may be somebody's; nothing of all else."""
    if type(value) is int and abs(value) >= 10 ** (LEAST_DIGITS - 1):
        return str(abs(value))
    if isinstance(value, orjson.Fragment):  # what is longer, as its text
        written = orjson.dumps(value).decode().removeprefix("-")
        return written if written.isdigit() else ""
    return ""


def numbered(name: str, taken: Container[str]) -> str:
    """Return *name*, with a number behind it where it is *taken*: whoever reads names one by one gets the same."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def _entries(members: dict[str, Any], change: Change, at: Steps) -> Any:
    made: dict[str, Any] = {}
    is_same = True
    for old, inner in members.items():
        name = numbered(change(old, at, True), made)
        at.append(name)
        made[name] = new = with_texts(inner, change, at)
        at.pop()
        is_same = is_same and new is inner and name == old
    return members if is_same else made


def _listed(items: list[Any], change: Change, at: Steps) -> Any:
    made: list[Any] = []
    for index, inner in enumerate(items):
        at.append(index)
        made.append(with_texts(inner, change, at))
        at.pop()
    return items if all(new is old for new, old in zip(made, items, strict=True)) else made


def differences(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> Iterable[tuple[tuple[str | int, ...], Any]]:
    """Yield the smallest values of *new* that are not those of *old*, each with the path to it in both.

    A value is the same where it is the same object: *new* is made of *old* by :func:`with_texts`.
    """
    if new is old:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        if list(before) == list(after):
            for name, inner in before.items():
                yield from differences(inner, after[name], (*path, name))
            return
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(cast("list[Any]", old), cast("list[Any]", new), strict=True)
        for index, (before_item, after_item) in enumerate(pairs):
            yield from differences(before_item, after_item, (*path, index))
        return
    yield path, new

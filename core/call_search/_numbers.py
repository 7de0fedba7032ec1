"""Numbers as people write them in a search, with their units, and back."""

from __future__ import annotations

import re
from decimal import Decimal

from core.call_search._fields import FieldKind, SearchField
from core.call_search._terms import FieldRange, Limit

_NUMBER = re.compile(r"\$?(\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})([A-Za-z]*)")
_UNITS = {
    FieldKind.DURATION: {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000},
    FieldKind.MONEY: {"": 1_000_000_000},
    FieldKind.COUNT: {"": 1, "k": 1_000, "m": 1_000_000},
}
_ENDS = (">=", "<=", ">", "<")
_LARGEST = Decimal(2**62)


class NoNumber(Exception):
    """What is written is none; the message says how one is."""


def range_of(field: SearchField, text: str) -> FieldRange:
    """Return the range that a value says: ``>2s``, ``1.5s..2s``, ``1k..`` or one number.

    Raises:
        NoNumber: it says none.

    """
    for sign in _ENDS:
        if text.startswith(sign):
            limit = Limit(_number(field, text.removeprefix(sign)), sign.endswith("="))
            return FieldRange(field.name, low=limit) if sign.startswith(">") else FieldRange(field.name, high=limit)
    first, dots, last = text.partition("..")
    if not dots:
        limit = Limit(_number(field, text))
        return FieldRange(field.name, limit, limit)
    if not (first or last):
        raise NoNumber(f"A range of {field.name!r} has at least one end. {_how(field)}")
    low, high = (Limit(_number(field, end)) if end else None for end in (first, last))
    if low and high and low.value > high.value:
        raise NoNumber(f"The range {text!r} is empty: it ends before it begins.")
    return FieldRange(field.name, low, high)


def written(field: SearchField, found: FieldRange) -> str:
    """Return a range as :func:`range_of` reads it."""
    low, high = found.low, found.high
    if low and high:
        ends = _written(field, low.value), _written(field, high.value)
        return ends[0] if low.value == high.value else "..".join(ends)
    if low:
        return f">{'=' if low.is_within else ''}{_written(field, low.value)}"
    assert high  # noqa: S101 a range has an end
    return f"<{'=' if high.is_within else ''}{_written(field, high.value)}"


def _number(field: SearchField, text: str) -> Decimal:
    found, units = _NUMBER.fullmatch(text), _UNITS[field.kind]
    if not found or (text.startswith("$") and field.kind is not FieldKind.MONEY):
        raise NoNumber(f"{text!r} is no {_WORDS[field.kind]}. {_how(field)}")
    unit = found[2].lower()
    if unit not in units:
        if not unit:
            raise NoNumber(f"{text!r} of what? Write {text}s or {text}ms.")
        raise NoNumber(f"{text!r} has a unit that {field.name!r} does not know. {_how(field)}")
    value = Decimal(found[1]) * units[unit]
    if value > _LARGEST:
        raise NoNumber(f"{text!r} is larger than any call.")
    if field.kind is not FieldKind.DURATION and value != int(value):
        raise NoNumber(f"{text!r} is no whole number.")
    return value.normalize()


_WORDS = {FieldKind.DURATION: "time", FieldKind.MONEY: "amount", FieldKind.COUNT: "number"}
_HOW = {
    FieldKind.DURATION: "Write it like >2s, 1500ms or 1.5s..2s.",
    FieldKind.MONEY: "Write it in dollars, like >0.01 or 0.5..2.",
    FieldKind.COUNT: "Write it like >1k, 3 or 1k..2k.",
}


def _how(field: SearchField) -> str:
    return _HOW[field.kind]


def _written(field: SearchField, value: Decimal) -> str:
    if field.kind is FieldKind.MONEY:
        return f"{value / _UNITS[field.kind]['']:f}"
    return f"{value:f}{'ms' if field.kind is FieldKind.DURATION else ''}"

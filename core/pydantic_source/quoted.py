"""Numbers that may be said in quotes, as pydantic takes a Decimal: nobody is asked again because one was quoted.

Of a text a schema can say its sign and its places; any other bound it says of the number alone.
"""

from __future__ import annotations

from itertools import product
from typing import Any

_MOST_PLACES = 12
_ANY_SIGN, _NO_MINUS = "[+-]?", r"\+?"


def _pattern(sign: str, places: int | None) -> str:
    if places is None:
        return rf"^{sign}(\d+\.?\d*|\.\d+)([eE][+-]?\d{{1,3}})?$"
    fraction = rf"|\.\d{{1,{places}}}0*" if places else r"|\.0+"
    return rf"^{sign}(\d+(\.\d{{0,{places}}}0*)?{fraction})([eE]\+?\d{{1,3}})?$"


_PATTERNS = {
    (sign, places): _pattern(sign, places)
    for sign, places in product((_ANY_SIGN, _NO_MINUS), (None, *range(_MOST_PLACES + 1)))
}
_TOLD = {pattern: told for told, pattern in _PATTERNS.items()}
_FRACTION = r"^[+-]?(\d+(/0*[1-9]\d*)?|\d+\.\d*|\.\d+)$"
DECIMAL: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _PATTERNS[_ANY_SIGN, None]}]}
"""A Decimal, as a number or in quotes."""
FRACTION: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _FRACTION}]}


def is_quoted(schema: dict[str, Any]) -> bool:
    """Whether *schema* is that of a number in quotes."""
    pattern = schema.get("pattern")
    return pattern in _TOLD or pattern == _FRACTION


def constrained_text(quoted: dict[str, Any], name: str, value: float) -> tuple[dict[str, Any], bool]:
    """Return the schema of a number in quotes with the constraint *name*, and whether it says all of that."""
    if quoted["pattern"] not in _TOLD:
        return quoted, False
    sign, places = _TOLD[quoted["pattern"]]
    is_said = False
    if name in ("ge", "gt") and value >= 0:
        sign, is_said = _NO_MINUS, name == "ge" and value == 0
    elif name == "multiple_of" and (step := _places(value)) is not None:
        places, is_said = step if places is None else min(places, step), True
    return {**quoted, "pattern": _PATTERNS[sign, places]}, is_said


def _places(step: float) -> int | None:
    """Return how many places the multiples of *step* have, if it is a power of ten that is at most 1."""
    return next((places for places in range(_MOST_PLACES + 1) if step == float(f"1e-{places}")), None)

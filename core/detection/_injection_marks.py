"""The marks of injection, as ``injection_marks.toml`` tells them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIST = Path(__file__).with_name("injection_marks.toml")
_WORD = r"(?: ?[\pL']{1,14})"


@dataclass(frozen=True, slots=True, eq=False)
class InjectionMark:
    """One sort of sentence that speaks to a model."""

    kind: str
    weight: int
    """How much it says by itself, of a hundred."""
    words: tuple[str, ...]
    """In small letters; in what matches stands one of them."""
    pattern: str
    """For RE2, over small letters with one blank between words, or none where they were spelled out."""


def marks() -> Sequence[InjectionMark]:
    """Return all of them."""
    content: dict[str, Any] = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    overrides = (
        InjectionMark("an order to ignore instructions", 90, tuple(one["words"]), _override(one))
        for one in content["override"]
    )
    others = (
        InjectionMark(one["kind"], one["weight"], tuple(one["words"]), "".join(one["pattern"]))
        for one in content["mark"]
    )
    return (*overrides, *others)


def _override(order: dict[str, Any]) -> str:
    first, last = order["before"], order["said"]
    if order.get("is_last"):
        first, last = last, first
    return rf"{order['act']}{_WORD}{{0,3}} ?{first}{_WORD}{{0,2}} ?{last}\pL{{0,8}}"

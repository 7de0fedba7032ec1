"""What of a sum the facts in an analytics store say, and how that is added to what the database says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from core.analytics import FactLook
from core.errors import Invalid

DIVIDED = ("intDiv(", ", ", ")")
"""How whole numbers are divided there."""
MOST_GROUPS = 100_000
"""Groups, by cell, that are read at most."""


def fact_rows(facts: FactLook, sql: str, bound: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """Return the rows of a SELECT over facts.

    Raises:
        Invalid: there are more than anybody could look through.
        StoreSilent: the store does not answer.
        TooSlow: it took longer than it may.

    """
    found = facts.rows(f"{sql} LIMIT {MOST_GROUPS + 1}", bound)
    if len(found) > MOST_GROUPS:
        raise Invalid(
            f"That would be told apart into more than {MOST_GROUPS:,} groups. Choose a shorter time or longer steps, "
            "or leave out one of what they are told apart by."
        )
    return found


def merged(width: int, *parts: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of all *parts*, whose first *width* columns are keys, added up; none of zeros alone."""
    found: dict[tuple[Any, ...], Sequence[int]] = {}
    for row in chain(*parts):
        key, sums = tuple(row[:width]), row[width:]
        known = found.get(key)
        found[key] = sums if known is None else [one + more for one, more in zip(known, sums, strict=True)]
    return [(*key, *sums) for key, sums in found.items() if any(sums)]


def ranked(
    rows: list[tuple[Any, ...]], width: int, names: Sequence[str], ranked_by: Sequence[str], most: int
) -> list[tuple[Any, ...]]:
    """Return the *most* of rows of keys and sums of *names* that matter most; behind each how many there are in all."""
    places = [width + names.index(name) for name in ranked_by]
    rows.sort(key=lambda row: (-sum(row[place] for place in places), row[:width]))
    return [(*row, len(rows)) for row in rows[:most]]

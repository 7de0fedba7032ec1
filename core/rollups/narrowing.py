"""Statements about one call, narrowed to where its rows can lie.

Of tables that are cut by months the database then looks into one month, or two, instead of into each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from core.clock import EPOCH, born, first_id

_NEAR = timedelta(days=7)
"""Who asks again for a call begins at most so long after it: within five minutes of its end, and a call is out for two
hours at most, so that sixty-four links take less. Before it, as clocks differ."""
_LAST = "z" * 32
_TABLE = re.compile(r"\b(generation|attempt|field_error) (later|a|b|e|k)\b")
_WITHIN = {
    "later": "id >= :near_from AND id < :near_until",
    "b": "generation_id >= :near_from AND generation_id < :near_until",
    "a": "generation_id = :id",
    "e": "generation_id = :id",
    "k": "generation_id = :id",
}
"""By the name that a table has in a statement about the generation ``:id``: its rows, or of who asks again for it."""


def narrowed(sql: str) -> str:
    """Return a statement about the generation ``:id`` that says of each table where the rows lie."""

    def within(found: re.Match[str]) -> str:
        table, alias = found.groups()
        return f"(SELECT * FROM {table} WHERE {_WITHIN[alias]}) {alias}"  # noqa: S608 written here

    return _TABLE.sub(within, sql)


def near(generation_id: str) -> Mapping[str, str]:
    """Return what a narrowed statement about the generation is given; one whose id is no time may lie anywhere."""
    moment = born(generation_id)
    if moment is None:
        return {"id": generation_id, "near_from": "", "near_until": _LAST}
    start = max(timedelta(), moment - EPOCH - _NEAR)
    return {"id": generation_id, "near_from": first_id(EPOCH + start), "near_until": first_id(moment + _NEAR)}

"""What rollups are kept by: each facet for all tenants together and for each of its own."""

from __future__ import annotations

from dataclasses import dataclass

CALLS, ATTEMPTS, FIELDS = 0, 1, 2
"""The families of deltas: generations, their attempts, and fields that were wrong in those."""
_NO_FIELDS = f"d.family <> {FIELDS}"
QUARTER, HOUR, DAY = 15, 60, 24 * 60
WIDTHS = (QUARTER, HOUR, DAY)
"""The stretches that rollups are kept by, in minutes, from a whole multiple of each in UTC.

Offsets of time zones are multiples of 15 minutes, so quarters of an hour cut every local day; hours cut those of most
zones with a quarter of the rows, and are kept for what every page draws; UTC days are for sums over many days.
"""
_USUAL = (QUARTER, DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One thing that calls are told apart by."""

    name: str
    value: str
    """In SQL, of a delta ``d``."""
    detail: str = "''"
    where: str = _NO_FIELDS
    """Which deltas it holds."""
    of_whole: bool = False
    """Whether it tells apart by what a call and its attempts have in common: both may be added up before."""
    is_apart: bool = False
    """Whether all its sums are those of its own family: a call counts for every model that it asked."""
    widths: tuple[int, ...] = _USUAL
    slot_widths: tuple[int, ...] = ()
    """By which stretches its histograms are kept, if it has any."""
    with_all: bool = True
    """Whether it is kept for all tenants together as well; not, where what it names is one tenant's."""


ALL = Facet(name="all", value="''", of_whole=True, widths=WIDTHS, slot_widths=WIDTHS)
ROUTE = Facet(name="route", value="d.route", of_whole=True)
SCHEMA = Facet(name="schema", value="d.schema_name", detail="d.schema_version", of_whole=True, slot_widths=_USUAL)
KEY = Facet(name="key", value="d.key_id", of_whole=True, with_all=False)
OUTCOME = Facet(name="outcome", value="d.outcome", where=f"d.family = {CALLS}")
ERROR = Facet(
    name="error", value="d.error_code", detail="d.outcome", where=f"d.family = {CALLS} AND d.error_code <> ''"
)
MODEL = Facet(
    name="model",
    value="d.provider",
    detail="d.model",
    where=f"d.family = {ATTEMPTS}",
    is_apart=True,
    slot_widths=_USUAL,
)
DISCARDED = Facet(
    name="discarded",
    value="d.outcome",
    detail="d.provider || '/' || d.model",
    where=f"d.family = {ATTEMPTS} AND d.discarded_attempts <> 0",
    is_apart=True,
)
"""Attempts that were in vain, by why: how they ended or, where nothing was wrong with them, how their call did."""
FIELD = Facet(
    name="field",
    value="d.schema_name",
    detail="d.schema_version || ' ' || d.error_code || ' ' || d.model",
    where=f"d.family = {FIELDS}",
    is_apart=True,
)
"""Fields that were wrong: a version, the rule, and the path, with a blank between them. ``errors`` counts them, and
``valid`` those whose call ended valid after all."""
FACETS = (ALL, ROUTE, SCHEMA, KEY, OUTCOME, ERROR, MODEL, DISCARDED, FIELD)


def kept_by(minutes: int, *, slots: bool = False) -> str:
    """Return, as a list of SQL literals, the facets that are kept by stretches of so many minutes."""
    named = (one.name for one in FACETS if minutes in (one.slot_widths if slots else one.widths))
    return ", ".join(f"'{name}'" for name in named)

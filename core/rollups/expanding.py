"""What a delta says of each facet: the SQL that makes of deltas sums and histograms by quarters of an hour."""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Iterable

from core.rollups.facets import ATTEMPTS, CALLS, FACETS, FIELDS, QUARTER, Facet
from core.rollups.facts import MINUTE_MICROS
from core.rollups.sums import AMOUNTS, NAMES, OF_ATTEMPTS

KEY = ("facet", "tenant_id", "at", "value", "detail")
KEYS = ", ".join(KEY)
ALL_NAMES = ("n", *NAMES)
"""What is added up: how many rows, and every sum."""
WITHOUT_ALL = ", ".join(f"'{facet.name}'" for facet in FACETS if not facet.with_all)
_KINDS = {"duration": "slot", "ttft": "ttft_slot"}
_WHOLE = ("tenant_id", "key_id", "route", "schema_name", "schema_version")
"""What a call and its attempts have in common: by these they are added up before facets are made of that."""


def signed(facet: Facet, name: str) -> str:
    """Return what a delta ``d`` adds to a sum of a facet, in SQL."""
    if facet.is_apart or name in OF_ATTEMPTS:
        return f"d.{name} * d.n"
    return f"CASE WHEN d.family = {CALLS} THEN d.{name} * d.n ELSE 0 END"


def slot_family(facet: Facet) -> int:
    """Return whose durations a facet tells: those of calls, or those of attempts."""
    return ATTEMPTS if facet.is_apart else CALLS


def floored(minutes: int, at: str = "at") -> str:
    """Return the beginning of the stretch that a time lies in, in SQL."""
    micros = minutes * MINUTE_MICROS
    return f"{at} / {micros} * {micros}"


def added(names: Iterable[str], *, of_some: bool = False) -> str:
    """Return the columns of a SELECT that add *names* up; *of_some*: see :func:`_added`."""
    return ", ".join(_added(name, name, of_some=of_some) for name in names)


def _added(sql: str, name: str, *, of_some: bool) -> str:
    """Return the column *name* that adds *sql* up.

    Where that is *of_some* thousand rows, counts are integers of 32 bits: those PostgreSQL adds up as integers, longer
    ones as numbers of any length, at several times the cost. SQLite knows one kind, and is better off without.
    """
    one = f"CAST({sql} AS INTEGER)" if of_some and name not in AMOUNTS else sql
    return f"CAST(SUM({one}) AS BIGINT) AS {name}"


def expanded(source: str, *, of_some: bool = False) -> str:
    """Return the deltas of the table *source* by facet, tenant and quarter of an hour."""
    whole = ", ".join(f"d.{name}" for name in _WHOLE)
    of_call = ", ".join(_added(signed(FACETS[0], name), name, of_some=of_some) for name in NAMES)
    parts = " UNION ALL ".join(_part(facet, source) for facet in FACETS)
    return (
        f"WITH whole AS (SELECT {whole}, {floored(QUARTER, 'd.at')} AS at, {added(['n'], of_some=of_some)}, {of_call} "
        f"FROM {source} d WHERE d.family <> {FIELDS} GROUP BY {whole}, {floored(QUARTER, 'd.at')}) "
        f"SELECT {KEYS}, {added(ALL_NAMES, of_some=of_some)} FROM ({parts}) AS e GROUP BY {KEYS}"
    )


def _part(facet: Facet, source: str) -> str:
    head = f"SELECT '{facet.name}' AS facet, d.tenant_id"
    if facet.of_whole:
        names = ", ".join(f"d.{name}" for name in ALL_NAMES)
        return f"{head}, d.at, {facet.value} AS value, {facet.detail} AS detail, {names} FROM whole d"
    sums = ", ".join(f"{signed(facet, name)} AS {name}" for name in NAMES)
    return (
        f"{head}, {floored(QUARTER, 'd.at')} AS at, {facet.value} AS value, {facet.detail} AS detail, d.n, {sums} "
        f"FROM {source} d WHERE {facet.where}"
    )


def expanded_slots(source: str, *, of_some: bool = False) -> str:
    """Return their durations likewise, by slot."""
    parts = " UNION ALL ".join(
        f"SELECT '{facet.name}' AS facet, d.tenant_id, {floored(QUARTER, 'd.at')} AS at, {facet.value} AS value, "
        f"{facet.detail} AS detail, '{kind}' AS kind, d.{column} AS slot, d.n "
        f"FROM {source} d WHERE {facet.where} AND d.family = {slot_family(facet)} AND d.{column} IS NOT NULL"
        for facet in FACETS
        if facet.slot_widths
        for kind, column in _KINDS.items()
    )
    return (
        f"SELECT {KEYS}, kind, slot, {added(('n',), of_some=of_some)} FROM ({parts}) AS e GROUP BY {KEYS}, kind, slot"
    )

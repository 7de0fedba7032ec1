"""Proving rollups: what they and the deltas say of some days, held against the calls of those days.

Of a tenant whose calls of a day have aged out nothing is left to hold its own sums against. They are taken for what
they were when the calls went, and the sums of all tenants together are held against them and the others' calls.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from core.clock import from_micros, micros
from core.rollups.expanding import WITHOUT_ALL, added, expanded, expanded_slots, floored
from core.rollups.facets import WIDTHS, kept_by
from core.rollups.facts import HEADS, facts
from core.rollups.sums import NAMES
from core.store import Store

MOST_TOLD = 20
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A row of rollups that is not what the calls add up to."""

    facet: str
    minutes: int
    tenant_id: str
    """Empty for all tenants."""
    at: datetime
    value: str
    detail: str
    what: str
    """The sum that differs first, or the histogram that does."""
    by: int
    """By how much it is too high."""


_ALL = ", ".join(("n", *NAMES))
_ROWS = ", ".join((*HEADS, *NAMES))
_AGED = "(SELECT o.tenant_id FROM aged_out o WHERE o.raw_from > :since)"
"""The tenants whose calls of the day are gone, or going."""
_FACTS = facts(f"g.started_at >= :since AND g.started_at < :until AND g.tenant_id NOT IN {_AGED}")
_SOURCE = (
    f"SELECT {_ROWS}, n FROM rollup_delta WHERE at >= :since AND at < :until AND tenant_id NOT IN {_AGED} "
    f"UNION ALL SELECT {_ROWS}, -1 AS n FROM ({_FACTS}) AS f"
)
_APART = f"WITH source AS ({_SOURCE}), apart AS"


def _scopes(width: int, selected: str, *, slots: bool = False) -> str:
    return " UNION ALL ".join(
        f"SELECT facet, {tenant} AS tenant_id, {floored(width)} AS at, value, detail, {selected} FROM apart "
        f"WHERE facet IN ({kept_by(width, slots=slots)}) AND {where}"
        for tenant, where in (("tenant_id", "1 = 1"), ("''", f"facet NOT IN ({WITHOUT_ALL})"))
    )


def _rolled(table: str, width: int, kept: str, taken: str) -> str:
    """Return the rows that are proven, and those that are part of the sums of all: what each adds, and takes off."""
    day = f"FROM {table} WHERE minutes = {width} AND at >= :since AND at < :until AND tenant_id"
    return (
        f"SELECT facet, tenant_id, at, value, detail, {kept} {day} NOT IN {_AGED} "
        f"UNION ALL SELECT facet, '' AS tenant_id, at, value, detail, {taken} {day} IN {_AGED} "
        f"AND facet NOT IN ({WITHOUT_ALL})"
    )


def _of_sums(width: int) -> str:
    differs = " OR ".join(f"SUM({name}) <> 0" for name in ("n", *NAMES))
    taken = ", ".join(f"-{name} AS {name}" for name in ("n", *NAMES))
    return f"""{_APART} ({expanded("source")})
SELECT facet, tenant_id, at, value, detail, {added(("n", *NAMES))} FROM (
    {_rolled("rollup", width, _ALL, taken)} UNION ALL {_scopes(width, _ALL)}
) AS both_sides GROUP BY 1, 2, 3, 4, 5 HAVING {differs} ORDER BY 3, 1, 2 LIMIT :most"""


def _of_slots(width: int) -> str:
    return f"""{_APART} ({expanded_slots("source")})
SELECT facet, tenant_id, at, value, detail, kind, slot, {added(("n",))} FROM (
    {_rolled("rollup_slot", width, "kind, slot, n", "kind, slot, -n AS n")}
    UNION ALL {_scopes(width, "kind, slot, n", slots=True)}
) AS both_sides GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING SUM(n) <> 0 ORDER BY 3, 1, 2 LIMIT :most"""


def sums_off(store: Store, connection: Connection, day: datetime, width: int, most: int) -> list[tuple[Any, ...]]:
    """Return the rows of one UTC day and width whose sums are off: the key, then by how much each is too high."""
    return [tuple(row) for row in connection.exec_driver_sql(store.prepare(_of_sums(width)), _bound(day, most))]


def slots_off(store: Store, connection: Connection, day: datetime, width: int, most: int) -> list[tuple[Any, ...]]:
    """Return the rows of histograms that are off: the key, kind and slot, then by how much it is too high."""
    return [tuple(row) for row in connection.exec_driver_sql(store.prepare(_of_slots(width)), _bound(day, most))]


def mismatches(store: Store, connection: Connection, day: datetime) -> list[Mismatch]:
    """Return where the rollups of one UTC day differ from its calls, in one look; at most twenty of each width."""
    found: list[Mismatch] = []
    for width in WIDTHS:
        for row in sums_off(store, connection, day, width, MOST_TOLD):
            what, by = next((name, by) for name, by in zip(("n", *NAMES), row[5:], strict=True) if by)
            found.append(_difference(width, row, what, by))
        found += [
            _difference(width, row, f"{row[5]} in slot {row[6]}", row[7])
            for row in slots_off(store, connection, day, width, MOST_TOLD)
        ]
    return found


def _bound(day: datetime, most: int) -> dict[str, int]:
    return {"since": micros(day), "until": micros(day + _DAY), "most": most}


def _difference(width: int, row: tuple[Any, ...], what: str, by: int) -> Mismatch:
    facet, tenant_id, at, value, detail, *_ = row
    return Mismatch(
        facet=facet,
        minutes=width,
        tenant_id=tenant_id,
        at=from_micros(at),
        value=value,
        detail=detail,
        what=what,
        by=by,
    )

"""Proving rollups: what they and the deltas say of some days, held against the calls of those days.

Quarters of an hour of each tenant are held against the calls; those of all tenants, hours and days against the quarters
that they are made of. Each is one look of its own at some of the day: by how much two sides differ is the same whatever
is recorded, corrected or folded between one look and the next, as each of these moves both sides alike.

Of a tenant whose calls of a day have aged out nothing is left to hold its quarters against. They are taken for what
they were when the calls went.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from core.clock import from_micros, micros
from core.rollups.expanding import KEYS, WITHOUT_ALL, added, expanded, expanded_slots, floored
from core.rollups.facets import DAY, FACETS, HOUR, QUARTER, kept_by
from core.rollups.facts import HEADS, MINUTE_MICROS, facts
from core.rollups.sums import NAMES
from core.store import Store

MOST_TOLD = 20
_DAY = timedelta(days=1)
_AT_ONCE = 20_000
"""About so many calls one look reads."""
_COUNTED = "SELECT COUNT(*) FROM generation WHERE started_at >= :since AND started_at < :until"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartProof:
    """One look at some of a day: which rows of one width are off, and by how much each is too high."""

    minutes: int
    """Of the rows that are proven."""
    of_slots: bool
    sql: str
    since: int
    until: int

    def off(self, store: Store, connection: Connection, most: int) -> list[tuple[Any, ...]]:
        """Return rows that are off: the key, kind and slot if it is *of_slots*, then by how much each is too high."""
        bound = {"since": self.since, "until": self.until, "most": most}
        return [tuple(row) for row in connection.exec_driver_sql(store.prepare(self.sql), bound)]

    def told(self, row: Sequence[Any]) -> Mismatch:
        """Return what is off in one of them."""
        facet, tenant_id, at, value, detail, *off = row
        if self.of_slots:
            what, by = f"{off[0]} in slot {off[1]}", off[2]
        else:
            what, by = next((name, by) for name, by in zip(_SUMS, off, strict=True) if by)
        return Mismatch(
            facet=facet,
            minutes=self.minutes,
            tenant_id=tenant_id,
            at=from_micros(at),
            value=value,
            detail=detail,
            what=what,
            by=by,
        )


def part_proofs(store: Store, day: datetime) -> Iterator[PartProof]:
    """Yield what proves one UTC day, in the order in which it is mended: what others are made of comes first."""
    since, until = micros(day), micros(day + _DAY)
    (counted,) = store.read_one(store.prepare(_COUNTED), {"since": since, "until": until})
    hours = max(1, min(24, 24 * _AT_ONCE // max(1, counted)))
    width = hours * HOUR * MINUTE_MICROS
    for at in range(since, until, width):
        for minutes, of_slots, sql in _OF_A_STRETCH:
            yield PartProof(minutes=minutes, of_slots=of_slots, sql=sql, since=at, until=min(at + width, until))
    for of_slots in (False, True):
        for facets in [_FACETS] if width >= until - since else [(one,) for one in _FACETS]:
            sql = _wider(DAY, facets, of_slots=of_slots)
            yield PartProof(minutes=DAY, of_slots=of_slots, sql=sql, since=since, until=until)


def mismatches(store: Store, connection: Connection, day: datetime) -> list[Mismatch]:
    """Return where the rollups of one UTC day differ from its calls: at most twenty of each look."""
    return [one.told(row) for one in part_proofs(store, day) for row in one.off(store, connection, MOST_TOLD)]


# ── The statements ────────────────────────────────────────────────────────────────────────────────────────────────────

_FACETS = tuple(facet.name for facet in FACETS)
_SUMS = ("n", *NAMES)
_ROWS = ", ".join((*HEADS, *NAMES))
_WITHIN = "at >= :since AND at < :until"
_AGED = "(SELECT o.tenant_id FROM aged_out o WHERE o.raw_from > :since)"
"""The tenants whose calls of the day are gone, or going."""
_TENANTS = "(SELECT id FROM tenant)"
"""Rows are found by facet, width and tenant, each by its place in the key: a look at a day leaves all others alone."""


def _head(*, of_slots: bool) -> tuple[str, str, tuple[str, ...]]:
    return ("rollup_slot", f"{KEYS}, kind, slot", ("n",)) if of_slots else ("rollup", KEYS, _SUMS)


def _differing(sides: str, *, of_slots: bool) -> str:
    _, keys, names = _head(of_slots=of_slots)
    differs = " OR ".join(f"SUM({name}) <> 0" for name in names)
    return (
        f"SELECT {keys}, {added(names)} FROM ({sides}) AS both_sides GROUP BY {keys} HAVING {differs} "
        "ORDER BY at, facet, tenant_id LIMIT :most"
    )


def _kept(minutes: int, tenants: str, facets: Sequence[str] = _FACETS, *, of_slots: bool) -> str:
    """Return the rows of one width, of the *tenants* that a condition names."""
    table, keys, names = _head(of_slots=of_slots)
    listed = ", ".join(f"'{one}'" for one in facets)
    kinds = " AND kind IN ('duration', 'ttft')" if of_slots else ""
    return (
        f"SELECT {keys}, {', '.join(names)} FROM {table} WHERE facet IN ({listed}) AND minutes = {minutes}{kinds} "
        f"AND {tenants} AND {_WITHIN}"
    )


def _taken(narrower: str, *, of_slots: bool, minutes: int = QUARTER, tenant: str = "tenant_id") -> str:
    """Return what such rows say of wider stretches, or of all tenants, to be taken off."""
    _, keys, names = _head(of_slots=of_slots)
    columns = keys.replace("tenant_id", f"{tenant} AS tenant_id").replace(" at,", f" {floored(minutes)} AS at,")
    return f"SELECT {columns}, {', '.join(f'-{name} AS {name}' for name in names)} FROM ({narrower}) AS narrower"


def _own(*, of_slots: bool) -> str:
    """Return the look at quarters of each tenant, against its calls and what waits to be folded."""
    _, keys, names = _head(of_slots=of_slots)
    facts_of = facts(f"g.started_at >= :since AND g.started_at < :until AND g.tenant_id NOT IN {_AGED}")
    source = (
        f"SELECT {_ROWS}, n FROM rollup_delta WHERE {_WITHIN} AND tenant_id NOT IN {_AGED} "
        f"UNION ALL SELECT {_ROWS}, -1 AS n FROM ({facts_of}) AS f"
    )
    apart = (expanded_slots if of_slots else expanded)("source")
    kept = _kept(QUARTER, f"tenant_id IN {_TENANTS} AND tenant_id NOT IN {_AGED}", of_slots=of_slots)
    sides = f"{kept} UNION ALL SELECT {keys}, {', '.join(names)} FROM apart"
    return f"WITH source AS ({source}), apart AS ({apart}) {_differing(sides, of_slots=of_slots)}"


def _all(*, of_slots: bool) -> str:
    """Return the look at quarters of all tenants, against those of each."""
    own = _kept(QUARTER, f"tenant_id IN {_TENANTS} AND facet NOT IN ({WITHOUT_ALL})", of_slots=of_slots)
    kept = _kept(QUARTER, "tenant_id = ''", of_slots=of_slots)
    return _differing(f"{kept} UNION ALL {_taken(own, of_slots=of_slots, tenant=chr(39) * 2)}", of_slots=of_slots)


def _wider(minutes: int, facets: Sequence[str] = _FACETS, *, of_slots: bool) -> str:
    """Return the look at a wider width, against the quarters within."""
    whose = ("tenant_id = ''", f"tenant_id IN {_TENANTS}")
    of_kept = f"facet IN ({kept_by(minutes, slots=of_slots)})"
    sides = [_kept(minutes, one, facets, of_slots=of_slots) for one in whose]
    narrower = [_kept(QUARTER, f"{one} AND {of_kept}", facets, of_slots=of_slots) for one in whose]
    sides += [_taken(one, of_slots=of_slots, minutes=minutes) for one in narrower]
    return _differing(" UNION ALL ".join(sides), of_slots=of_slots)


def _hours(*, of_slots: bool) -> str:
    return _wider(HOUR, of_slots=of_slots)


_OF_A_STRETCH = tuple(
    (minutes, of_slots, made(of_slots=of_slots))
    for minutes, made in ((QUARTER, _own), (QUARTER, _all), (HOUR, _hours))
    for of_slots in (False, True)
)

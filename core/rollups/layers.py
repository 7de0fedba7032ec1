"""From deltas to rollups: layers of sums, each made of a narrower one, and how each is added to what there is.

Deltas are grouped once, into quarters of an hour by tenant; hours, days and all tenants together are sums of those.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.rollups.expanding import ALL_NAMES, KEY, KEYS, WITHOUT_ALL, added, expanded, expanded_slots, floored
from core.rollups.facets import QUARTER, WIDTHS, kept_by
from core.rollups.facts import HEADS, MINUTE_MICROS
from core.rollups.sums import NAMES
from core.statements import Cursor

TAKEN = "taken"
"""The deltas that layers are made of, by its name in their SQL."""
COLUMNS = ", ".join((*HEADS, *NAMES))
"""The columns of a delta, beside ``n``."""
LOCK = "LOCK TABLE rollup, rollup_slot IN SHARE ROW EXCLUSIVE MODE"
"""Of who builds or mends on a PostgreSQL: who folds goes through the same rows in an order of his own."""
_OWN, _OWN_SLOTS = "own_15", "own_slots_15"
_SLOT_KEYS = f"{KEYS}, kind, slot"
_LESSENED = (
    f"SELECT '' AS kind, {KEYS}, 0 AS slot FROM {_OWN} WHERE n <= 0 "
    f"UNION ALL SELECT kind, {KEYS}, slot FROM {_OWN_SLOTS} WHERE n <= 0"
)
"""The rows of quarters of which no more is there than before: they, and what is made of them, may be empty now."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The sums, or the histograms, of one width: of each tenant's own, or of all tenants together."""

    name: str
    select: str
    table: str
    minutes: int

    @property
    def upsert(self) -> str:
        """The statement that adds it to what there is."""
        key, names = (KEYS, ALL_NAMES) if self.table == "rollup" else (_SLOT_KEYS, ("n",))
        columns = ", ".join(names)
        both = ", ".join(f"{name} = {self.table}.{name} + excluded.{name}" for name in names)
        return (
            f"INSERT INTO {self.table} (minutes, {key}, {columns}) SELECT {self.minutes}, {key}, {columns} "
            f"FROM {self.name} WHERE 1 = 1 ON CONFLICT (minutes, {key}) DO UPDATE SET {both}"
        )


def _layers(*, of_some: bool) -> Iterator[Layer]:
    def summed(narrower: str, tenant: str, at: str, where: str, *, slots: bool = False) -> str:
        more, names = (", kind, slot", ("n",)) if slots else ("", ALL_NAMES)
        return (
            f"SELECT facet, {tenant} AS tenant_id, {at} AS at, value, detail{more}, {added(names, of_some=of_some)} "
            f"FROM {narrower} WHERE {where} GROUP BY 1, 2, 3, 4, 5{', 6, 7' if slots else ''}"
        )

    of_all = f"facet NOT IN ({WITHOUT_ALL})"
    yield Layer(_OWN, expanded(TAKEN, of_some=of_some), "rollup", QUARTER)
    yield Layer("all_15", summed(_OWN, "''", "at", of_all), "rollup", QUARTER)
    yield Layer(_OWN_SLOTS, expanded_slots(TAKEN, of_some=of_some), "rollup_slot", QUARTER)
    yield Layer("all_slots_15", summed(_OWN_SLOTS, "''", "at", of_all, slots=True), "rollup_slot", QUARTER)
    for minutes in WIDTHS[1:]:
        for whose in ("own", "all"):
            narrower, kept = f"{whose}_{QUARTER}", f"facet IN ({kept_by(minutes)})"
            wider = summed(narrower, "tenant_id", floored(minutes), kept)
            yield Layer(f"{whose}_{minutes}", wider, "rollup", minutes)
            narrower, kept = f"{whose}_slots_{QUARTER}", f"facet IN ({kept_by(minutes, slots=True)})"
            wider = summed(narrower, "tenant_id", floored(minutes), kept, slots=True)
            yield Layer(f"{whose}_slots_{minutes}", wider, "rollup_slot", minutes)


LAYERS: Sequence[Layer] = tuple(_layers(of_some=False))


# ── PostgreSQL: one statement ─────────────────────────────────────────────────────────────────────────────────────────


_AT_ONCE: Sequence[Layer] = tuple(_layers(of_some=True))
ROOM = "SET LOCAL work_mem = '16MB'"
"""Before such a statement: in less, PostgreSQL puts what it adds up into files in between."""


def added_at_once(taking: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
    """Return one statement that adds all that *taking*, which ends with ``taken``, takes, and does *more* with it.

    Its first row says in ``at`` how many rows of quarters it writes, and in ``slot`` how many deltas it took; the
    others are what is lessened.
    """
    steps = {**taking, **{layer.name: layer.select for layer in _AT_ONCE}}
    steps |= {f"added_{layer.name}": layer.upsert for layer in _AT_ONCE} | {**(more or {})}
    text = ", ".join(f"{name} AS ({sql})" for name, sql in steps.items())
    rows = " + ".join(f"(SELECT COUNT(*) FROM {layer.name})" for layer in _AT_ONCE if layer.minutes == QUARTER)
    count = (
        f"SELECT '' AS kind, '' AS facet, '' AS tenant_id, {rows} AS at, '' AS value, '' AS detail, COUNT(*) "
        f"FROM {TAKEN}"
    )
    return f"WITH {text} {count} UNION ALL {_LESSENED}"


# ── SQLite: temporary tables, filled while others write ───────────────────────────────────────────────────────────────

_TEMPORARY = (
    f"CREATE TEMP TABLE IF NOT EXISTS {TAKEN} AS SELECT {COLUMNS}, n FROM rollup_delta LIMIT 0",
    *(f"CREATE TEMP TABLE IF NOT EXISTS {layer.name} AS {layer.select} LIMIT 0" for layer in LAYERS),
)


def fill(cursor: Cursor, taking: str, bound: Mapping[str, Any]) -> tuple[int, int]:
    """Make all layers of the deltas that the SELECT *taking* takes, beside the database.

    Return how many those are, and how many rows they make.
    """
    for sql in _TEMPORARY:
        cursor.execute(sql)
    clear(cursor)
    cursor.execute(f"INSERT INTO {TAKEN} {taking}", bound)
    taken, rows = cursor.rowcount, 0
    for layer in LAYERS:
        cursor.execute(f"INSERT INTO {layer.name} {layer.select}")
        rows += cursor.rowcount
    return taken, rows


def add(cursor: Cursor) -> list[tuple[Any, ...]]:
    """Add them to what there is; return what is lessened."""
    for layer in LAYERS:
        cursor.execute(layer.upsert)
    cursor.execute(_LESSENED)
    return rows_of(cursor)


def clear(cursor: Cursor) -> None:
    """Forget them."""
    for name in (TAKEN, *(layer.name for layer in LAYERS)):
        cursor.execute(f"DELETE FROM {name}")


def rows_of(cursor: Cursor) -> list[tuple[Any, ...]]:
    """Return the rows of the last statement that are not fetched yet."""
    found: list[tuple[Any, ...]] = []
    while (row := cursor.fetchone()) is not None:
        found.append(row)
    return found


# ── Rows of zeros ─────────────────────────────────────────────────────────────────────────────────────────────────────

_EMPTY = "n = 0 AND facet = :facet AND tenant_id IN (:tenant_id, '') AND value = :value AND detail = :detail"
EMPTIED = f"DELETE FROM rollup WHERE {_EMPTY} AND minutes = :minutes AND at = :at"
EMPTIED_SLOTS = (
    f"DELETE FROM rollup_slot WHERE {_EMPTY} AND minutes = :minutes AND at = :at AND kind = :kind AND slot = :slot"
)


def emptied(lessened: Sequence[tuple[Any, ...]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what :data:`EMPTIED` and :data:`EMPTIED_SLOTS` are to be bound to, so that no row of zeros stays."""
    found: dict[bool, dict[tuple[Any, ...], dict[str, Any]]] = {False: {}, True: {}}
    for kind, *key, slot in lessened:
        for minutes in WIDTHS:
            width = minutes * MINUTE_MICROS
            one = dict(zip(KEY, key, strict=True)) | {"minutes": minutes}
            one["at"] = one["at"] // width * width
            if kind:
                one |= {"kind": kind, "slot": slot}
            found[bool(kind)][tuple(one.values())] = one
    return list(found[False].values()), list(found[True].values())

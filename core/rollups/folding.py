"""Folding: what was appended is added to the rollups and gone from the deltas, in one transaction.

Rows are taken by what is there and deleted as they are taken. No id and no time is remembered as "done until here":
ids are given out before a transaction is kept, so such a mark would pass over what is kept late.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Iterable

from core.rollups.facets import ATTEMPTS, CALLS, FACETS, QUARTER, WIDTHS, Facet, kept_by
from core.rollups.facts import MINUTE_MICROS
from core.rollups.slots import COARSE, FINEST
from core.rollups.sums import NAMES, OF_ATTEMPTS
from core.statements import Cursor
from core.store import Store

AT_ONCE = 1_000
"""Deltas of one transaction: so that nobody who writes meanwhile waits for long."""
_KEY = ("facet", "tenant_id", "at", "value", "detail")
_KEYS = ", ".join(_KEY)
_SUMS = ", ".join(NAMES)
_KINDS = {"duration": "slot", "ttft": "ttft_slot"}


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


def added(names: Iterable[str]) -> str:
    """Return the columns of a SELECT that add *names* up."""
    return ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in names)


def expanded(source: str) -> str:
    """Return the deltas of *source* by facet, tenant and quarter of an hour."""
    parts = " UNION ALL ".join(
        f"SELECT '{facet.name}' AS facet, d.tenant_id, {floored(QUARTER, 'd.at')} AS at, {facet.value} AS value, "
        f"{facet.detail} AS detail, d.n, {', '.join(f'{signed(facet, name)} AS {name}' for name in NAMES)} "
        f"FROM {source} d WHERE {facet.where}"
        for facet in FACETS
    )
    return f"SELECT {_KEYS}, {added(('n', *NAMES))} FROM ({parts}) AS e GROUP BY {_KEYS}"


def expanded_slots(source: str) -> str:
    """Return their durations likewise, by slot."""
    parts = " UNION ALL ".join(
        f"SELECT '{facet.name}' AS facet, d.tenant_id, {floored(QUARTER, 'd.at')} AS at, {facet.value} AS value, "
        f"{facet.detail} AS detail, '{kind}' AS kind, d.{column} AS slot, d.n "
        f"FROM {source} d WHERE {facet.where} AND d.family = {slot_family(facet)} AND d.{column} IS NOT NULL"
        for facet in FACETS
        if facet.slot_widths
        for kind, column in _KINDS.items()
    )
    return f"SELECT {_KEYS}, kind, slot, {added(('n',))} FROM ({parts}) AS e GROUP BY {_KEYS}, kind, slot"


WITHOUT_ALL = ", ".join(f"'{facet.name}'" for facet in FACETS if not facet.with_all)


def _upserts(source: str) -> list[str]:
    """Return the statements that add what *source* holds by quarters to every width, by tenant and for all."""
    both = ", ".join(f"{name} = rollup.{name} + excluded.{name}" for name in ("n", *NAMES))
    conflict = "ON CONFLICT (facet, minutes, tenant_id, at, value, detail) DO UPDATE SET"
    made: list[str] = []
    for minutes in WIDTHS:
        for tenant, where in (("tenant_id", "1 = 1"), ("''", f"facet NOT IN ({WITHOUT_ALL})")):
            made.append(
                f"INSERT INTO rollup (facet, minutes, tenant_id, at, value, detail, n, {_SUMS}) "
                f"SELECT facet, {minutes}, {tenant}, {floored(minutes)}, value, detail, {added(('n', *NAMES))} "
                f"FROM {source} WHERE facet IN ({kept_by(minutes)}) AND {where} "
                f"GROUP BY 1, 3, 4, 5, 6 {conflict} {both}"
            )
    return made


def _slot_upserts(source: str) -> list[str]:
    conflict = "ON CONFLICT (facet, minutes, kind, tenant_id, at, value, detail, slot)"
    made: list[str] = []
    for minutes in WIDTHS:
        slot = "slot" if minutes == WIDTHS[-1] else f"slot / {FINEST // COARSE}"
        for tenant, where in (("tenant_id", "1 = 1"), ("''", f"facet NOT IN ({WITHOUT_ALL})")):
            made.append(
                "INSERT INTO rollup_slot (facet, minutes, kind, tenant_id, at, value, detail, slot, n) "
                f"SELECT facet, {minutes}, kind, {tenant}, {floored(minutes)}, value, detail, {slot}, {added(('n',))} "
                f"FROM {source} WHERE facet IN ({kept_by(minutes, slots=True)}) AND {where} "
                f"GROUP BY 1, 3, 4, 5, 6, 7, 8 {conflict} DO UPDATE SET n = rollup_slot.n + excluded.n"
            )
    return made


EMPTIED = ("DELETE FROM rollup WHERE n = 0", "DELETE FROM rollup_slot WHERE n = 0")
"""What all that came went from again leaves no row of zeros behind."""
_TEMPORARY = (
    f"CREATE TEMP TABLE IF NOT EXISTS folding AS {expanded('(SELECT * FROM rollup_delta LIMIT 0)')}",
    f"CREATE TEMP TABLE IF NOT EXISTS folding_slots AS {expanded_slots('(SELECT * FROM rollup_delta LIMIT 0)')}",
)


def _of_postgres() -> str:
    """Return the fold in one statement, in which what is deleted is what is added."""
    steps = {
        "taken": "SELECT id FROM rollup_delta ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED",
        "gone": "DELETE FROM rollup_delta d USING taken t WHERE d.id = t.id RETURNING d.*",
        "folding": expanded("gone"),
        "folding_slots": expanded_slots("gone"),
    }
    for number, upsert in enumerate([*_upserts("folding"), *_slot_upserts("folding_slots")]):
        steps[f"added_{number}"] = upsert
    text = ", ".join(f"{name} AS ({sql})" for name, sql in steps.items())
    return f"WITH {text} SELECT COUNT(*) FROM gone"


class Folding:
    """Adds deltas to the rollups."""

    def __init__(self, store: Store) -> None:
        self._store = store
        if store.is_sqlite:
            taken = "(SELECT * FROM rollup_delta WHERE id <= :last)"
            self._last = "SELECT MAX(id), COUNT(*) FROM (SELECT id FROM rollup_delta ORDER BY id LIMIT :most)"
            self._steps = [
                f"INSERT INTO folding {expanded(taken)}",
                f"INSERT INTO folding_slots {expanded_slots(taken)}",
                *_upserts("folding"),
                *_slot_upserts("folding_slots"),
                "DELETE FROM rollup_delta WHERE id <= :last",
                "DELETE FROM folding",
                "DELETE FROM folding_slots",
            ]
        else:
            self._whole = store.prepare(_of_postgres())

    def run(self) -> int:
        """Fold all deltas that are there, some at a time; return how many."""
        folded = 0
        while True:
            with self._store.transaction() as cursor:
                count = self._some(cursor)
            folded += count
            if count < AT_ONCE:
                return folded
            self._store.rest()

    def _some(self, cursor: Cursor) -> int:
        if self._store.is_sqlite:
            cursor.execute(self._last, {"most": AT_ONCE})
            last, count = cursor.fetchone()
            if not count:
                return 0
            for sql in _TEMPORARY:
                cursor.execute(sql)
            for sql in self._steps:
                cursor.execute(sql, {"last": last} if ":last" in sql else {})
        else:
            cursor.execute(self._whole, {"most": AT_ONCE})
            (count,) = cursor.fetchone()
        for sql in EMPTIED:
            cursor.execute(sql)
        return int(count)

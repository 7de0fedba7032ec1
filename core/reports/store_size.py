"""How large the store is, how fast it grows, and how long it lasts at that pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.clock import EPOCH, from_micros, micros
from core.reports.frames import Frame, frame
from core.reports.reading import Reading
from core.store_room import TableSize

DAYS_LOOKED_AT = 7
MOST_UNFOLDED = 100_000
"""Up to so many deltas are counted."""
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "calls": ("generation", "attempt", "field_error", "finding", "policy_snapshot"),
    "prompts and answers": ("payload", "claim"),
    "ledger": (
        *("ledger_entry", "account", "opening", "stretch", "proven_balance", "verification", "reservation"),
        *("repricing", "repriced_attempt"),
    ),
    "sums": (
        *("rollup", "rollup_slot", "rollup_delta", "rollup_state", "rollup_proof", "analytics_outbox"),
        *("aged_quarter", "aged_out"),
    ),
}
"""Which tables a family has; all others are decisions."""
DECISIONS = "decisions"
_GROWING = ("calls", "ledger", "sums")
"""What a call adds to and nothing takes away. Prompts and answers go by themselves."""
_PACE = """
SELECT MIN(r.at), CAST(COALESCE(SUM(r.n), 0) AS BIGINT) FROM rollup r
WHERE r.facet = 'all' AND r.minutes = 1440 AND r.tenant_id = '' AND r.at >= :since AND r.at < :until {tenant}
"""
_UNFOLDED = "SELECT COUNT(*) FROM (SELECT d.id FROM rollup_delta d WHERE 1 = 1 {tenant} LIMIT :most) AS few"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySize:
    """How much of the store one sort of rows takes."""

    name: str
    byte_count: int
    rows: int | None
    """Estimated on PostgreSQL; ``None`` where that is not known."""
    growth: int | None
    """Bytes a day at the pace of the last days; ``None`` of what does not grow with calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSize:
    """How the store stands."""

    as_of: datetime
    used: int
    """Bytes on its disk."""
    free: int | None
    """Bytes that are left there; ``None`` where nobody here knows."""
    families: Sequence[FamilySize]
    """The largest first; nothing where it is too large to be measured."""
    is_estimate: bool
    """Whether rows are estimates."""
    rows_a_day: float
    """Calls and attempts that were recorded a day lately."""
    unfolded: int
    """What is not yet added to the sums, at most so many as are counted."""
    built_from: datetime
    """Sums reach back to here; 1970 once they hold every call."""

    @property
    def growth(self) -> int | None:
        """Bytes a day; ``None`` where nothing was measured."""
        known = [one.growth for one in self.families if one.growth is not None]
        return sum(known) if known else None

    @property
    def lasts_days(self) -> float | None:
        """For how many days the free room lasts; ``None`` where that cannot be said, or nothing grows."""
        return self.free / self.growth if self.free is not None and self.growth else None

    def frame(self) -> Frame:
        """Return a line per family: ``family bytes rows growth_bytes_a_day``."""
        rows = ((one.name, one.byte_count, one.rows, one.growth) for one in self.families)
        return frame(("family", "bytes", "rows", "growth_bytes_a_day"), rows)


def store_size(reading: Reading, now: datetime) -> StoreSize:
    """Return how the store stands; *reading* is that of somebody who sees all tenants."""
    room, tables = reading.room()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    bound = {"since": micros(today - DAYS_LOOKED_AT * _DAY), "until": micros(today)}
    first, counted = reading.rows(_PACE, bound, tenant="r.tenant_id")[0]
    days = 1 if first is None else max(1, (today - from_micros(first)) // _DAY)
    pace = counted / days
    by_family: dict[str, list[TableSize]] = {name: [] for name in (*FAMILIES, DECISIONS)}
    for one in tables:
        by_family[next((name for name, held in FAMILIES.items() if one.name in held), DECISIONS)].append(one)
    recorded = sum(one.rows or 0 for one in tables if one.name in {"generation", "attempt"})
    families = [_family(name, some, pace, recorded) for name, some in by_family.items() if some]
    return StoreSize(
        as_of=now,
        used=room.used,
        free=room.free,
        families=sorted(families, key=lambda one: -one.byte_count),
        is_estimate=not reading.is_sqlite,
        rows_a_day=pace,
        unfolded=reading.rows(_UNFOLDED, {"most": MOST_UNFOLDED}, tenant="d.tenant_id")[0][0],
        built_from=from_micros(reading.rolled_from) if reading.rolled_from else EPOCH,
    )


def _family(name: str, tables: Sequence[TableSize], pace: float, recorded: int) -> FamilySize:
    size = sum(one.byte_count for one in tables)
    rows = None if any(one.rows is None for one in tables) else sum(one.rows or 0 for one in tables)
    growth = round(size / recorded * pace) if name in _GROWING and recorded else None
    return FamilySize(name=name, byte_count=size, rows=rows, growth=growth)

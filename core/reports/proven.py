"""How the sums that figures are read from stood against the calls, when that was last proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from core.clock import from_micros
from core.reports.reading import Reading

_MOST = 20
_ALL = """
SELECT MAX(p.at), COUNT(*), COUNT(CASE WHEN p.differing > 0 THEN 1 END) FROM rollup_proof p WHERE 1 = 1 {tenant}
"""
_DIFFERING = f"""
SELECT p.day, p.at, p.told, p.rebuild_asked_at FROM rollup_proof p WHERE p.differing > 0 {{tenant}}
ORDER BY p.day LIMIT {_MOST}
"""  # noqa: S608 written here


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingDay:
    """A UTC day whose sums are not what its calls add up to."""

    day: datetime
    proven_at: datetime
    told: Sequence[str]
    """Some of what is off."""
    rebuild_asked_at: datetime | None
    """When somebody asked that it be put right; the chore does it soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupsProven:
    """The last proof of each day."""

    at: datetime
    """When a day was proven last."""
    days: int
    """How many days were ever proven."""
    differs: int
    """How many of those were not as their calls say."""
    differing: Sequence[DifferingDay]
    """Those, the oldest first, at most twenty."""


def proven(reading: Reading) -> RollupsProven | None:
    """Return how days stood; ``None`` if none was ever proven, or for whoever does not see all tenants."""
    rows = reading.rows(_ALL, {}, tenant="''")
    if not rows or rows[0][0] is None:
        return None
    at, days, differs = rows[0]
    return RollupsProven(
        at=from_micros(at),
        days=days,
        differs=int(differs),
        differing=[
            DifferingDay(
                day=from_micros(day),
                proven_at=from_micros(proven_at),
                told=orjson.loads(told),
                rebuild_asked_at=None if asked_at is None else from_micros(asked_at),
            )
            for day, proven_at, told, asked_at in reading.rows(_DIFFERING, {}, tenant="''")
        ],
    )

"""What is kept of calls that age out, beside the rollups: their figures that no rollup holds, by quarters of an hour.

It is added in the transaction in which those calls go. So at any moment what is told of a time is told whole: of the
calls that are still there from themselves, of the others from here.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.rollups.facets import QUARTER
from core.rollups.facts import MINUTE_MICROS
from core.rollups.tiers import TIER_SUMS, charged, outside, served

_KEY = ("tenant_id", "at", "tier", "geo")
_WHICH = "g.id IN :ids"
_AT = f"g.started_at / {QUARTER * MINUTE_MICROS} * {QUARTER * MINUTE_MICROS} AS at"
_USUAL = f"g.tenant_id, {_AT}, '' AS tier, '' AS geo, "


def keeping(*, is_sqlite: bool) -> Sequence[str]:
    """Return the statements that add the generations with these ``:ids`` to what is kept."""
    return [
        _added(TIER_SUMS, served(_WHICH, ("g.tenant_id", _AT), is_sqlite=is_sqlite)),
        _added(("charged",), f"{charged(_WHICH, _USUAL)} GROUP BY 1, 2"),
        _added(("outside",), f"{outside(_WHICH, _USUAL)} GROUP BY 1, 2"),
    ]


def _added(sums: Sequence[str], select: str) -> str:
    both = ", ".join(f"{name} = aged_quarter.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO aged_quarter ({', '.join((*_KEY, *sums))}) {select} "
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {both}"
    )

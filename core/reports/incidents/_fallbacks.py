"""What fallback saved, and what that cost beyond the model that was asked first."""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import from_micros, micros
from core.pricing import Usage, books
from core.reports.reading import Reading
from core.rollups.facts import listed
from core.tables import HAS_FAILED, VALID, Outcome

MOST_PRICED = 2_000
"""Calls whose premium is worked out one by one; of more it is told of how many."""
# The answer that was valid, and the first that was asked; the condition is that of the index, word for word.
_ANSWERED = f"""
SELECT g.tenant_id, first.provider AS first_provider, first.model AS first_model, a.started_at, a.cost_nano_usd,
    a.input_tokens, a.cached_tokens, a.cache_write_tokens, a.output_tokens
FROM (
    SELECT g.id, g.tenant_id, g.started_at FROM generation g
    WHERE g.{HAS_FAILED} AND g.outcome = '{Outcome.VALID_AFTER_FALLBACK.value}'
        AND g.started_at >= :starts_at AND g.started_at < :ends_at {{tenant}}
    ORDER BY g.started_at DESC
    LIMIT {MOST_PRICED}
) g
JOIN attempt first ON first.generation_id = g.id AND first.n = 1
JOIN attempt a ON a.generation_id = g.id AND a.outcome IN ({listed(VALID)})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackPremium:
    """What answers of other models cost beyond what the model that was asked first would have taken for them."""

    nano_usd: int | None
    """Below 0 where the other one is cheaper; ``None`` where no price tells."""
    known: int
    """Calls of which both prices are known …"""
    looked_at: int
    """… of so many, the newest."""


def premium(reading: Reading, starts_at: datetime, ends_at: datetime) -> FallbackPremium:
    """Return what it cost that another model had to answer: the same tokens at both models' prices of that day."""
    bound = {"starts_at": micros(starts_at), "ends_at": micros(ends_at)}
    rows: list[Any] = list(reading.rows(_ANSWERED, bound))
    prices = books(reading.session, sorted({row.tenant_id for row in rows})) if rows else {}
    total, known = 0, 0
    for row in rows:
        usage = Usage(
            input_tokens=row.input_tokens or 0,
            cached_tokens=row.cached_tokens or 0,
            cache_write_tokens=row.cache_write_tokens or 0,
            output_tokens=row.output_tokens or 0,
        )
        at = from_micros(row.started_at)
        would = prices[row.tenant_id].cost(row.first_provider, row.first_model, usage, at)
        if would is not None and row.cost_nano_usd is not None:
            total += row.cost_nano_usd - would.nano_usd
            known += 1
    return FallbackPremium(nano_usd=total if known else None, known=known, looked_at=len(rows))

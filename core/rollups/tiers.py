"""What attempts come to by service tier and region: added up from the calls, of which no rollup tells those."""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Sequence

from core.rollups.facts import listed, superseded_at_the_same
from core.tables import SUCCESSFUL, VALID, Outcome

TIER_SUMS = (
    "calls", "attempts", "discarded_attempts", "valid", "priced_valid", "spent", "priced_spent", "discarded",
    "unpriced_attempts", "unpriced_calls", "estimated_attempts", "estimated_calls", "estimated_spent", "cache_saved",
    "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "known_calls",
)  # fmt: skip
"""The sums that stand behind tier and region."""
_USEFUL = f"a.outcome IN ({listed(SUCCESSFUL)}) AND g.outcome IN ({listed(SUCCESSFUL)})"
_VALID = f"a.outcome IN ({listed(VALID)}) AND g.outcome IN ({listed(VALID)})"
_UNPRICED = "a.cost_nano_usd IS NULL AND a.input_tokens IS NOT NULL"
_SUMMED = f"""
    COUNT(DISTINCT CASE WHEN {superseded_at_the_same()} THEN NULL ELSE a.generation_id END) AS calls,
    COUNT(*) AS attempts,
    SUM(CASE WHEN {_USEFUL} THEN 0 ELSE 1 END) AS discarded_attempts,
    SUM(CASE WHEN {_VALID} THEN 1 ELSE 0 END) AS valid,
    SUM(CASE WHEN a.cost_nano_usd IS NOT NULL AND {_VALID} THEN 1 ELSE 0 END) AS priced_valid,
    CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent,
    CAST(COALESCE(SUM(CASE WHEN g.outcome <> '{Outcome.UNCHECKED.value}' THEN a.cost_nano_usd END), 0) AS BIGINT)
        AS priced_spent,
    CAST(COALESCE(SUM(CASE WHEN {_USEFUL} THEN 0 ELSE a.cost_nano_usd END), 0) AS BIGINT) AS discarded,
    SUM(CASE WHEN {_UNPRICED} THEN 1 ELSE 0 END) AS unpriced_attempts,
    COUNT(DISTINCT CASE WHEN {_UNPRICED} THEN a.generation_id END) AS unpriced_calls,
    SUM(CASE WHEN a.estimated THEN 1 ELSE 0 END) AS estimated_attempts,
    COUNT(DISTINCT CASE WHEN a.estimated THEN a.generation_id END) AS estimated_calls,
    CAST(COALESCE(SUM(CASE WHEN a.estimated THEN a.cost_nano_usd END), 0) AS BIGINT) AS estimated_spent,
    CAST(SUM(a.cache_saved_nano_usd) AS BIGINT) AS cache_saved,
    CAST(COALESCE(SUM(a.input_tokens), 0) AS BIGINT) AS input_tokens,
    CAST(COALESCE(SUM(a.cached_tokens), 0) AS BIGINT) AS cached_tokens,
    CAST(COALESCE(SUM(a.cache_write_tokens), 0) AS BIGINT) AS cache_write_tokens,
    CAST(COALESCE(SUM(a.output_tokens), 0) AS BIGINT) AS output_tokens,
    CAST(COALESCE(SUM(a.reasoning_tokens), 0) AS BIGINT) AS reasoning_tokens,
    SUM(CASE WHEN {_UNPRICED} THEN 0 ELSE 1 END) AS known_calls
FROM generation g JOIN attempt a ON a.generation_id = g.id"""


def served(which: str, keys: Sequence[str] = (), *, is_sqlite: bool) -> str:
    """Return the question for sums of the attempts of the generations ``g`` that *which* is true of.

    Rows are of the *keys*, of service tier and region, empty where there is none, and of :data:`TIER_SUMS`.
    """
    heads = [*keys, *(f"{_billed(name, is_sqlite=is_sqlite)} AS {name}" for name in ("tier", "geo"))]
    numbers = ", ".join(str(place + 1) for place in range(len(heads)))
    return f"SELECT {', '.join(heads)}, {_SUMMED} WHERE {which} GROUP BY {numbers}"


def _billed(name: str, *, is_sqlite: bool) -> str:
    found = f"json_extract(a.billing, '$.{name}')" if is_sqlite else f"CAST(a.billing AS JSON) ->> '{name}'"
    return f"COALESCE({found}, '')"


def charged(which: str, keys: str = "") -> str:
    """Return the question what their attempts left in the tenant-wide account, corrections and all."""
    return f"""SELECT {keys}CAST(COALESCE(SUM(l.nano_usd), 0) AS BIGINT) AS charged
FROM generation g
JOIN ledger_entry l ON l.generation_id = g.id
JOIN account c ON c.id = l.account_id
JOIN budget b ON b.id = c.budget_id AND b.scope = 'tenant'
WHERE {which}"""


def outside(which: str, keys: str = "") -> str:
    """Return the question what of their cost no such account was charged for, because there was none at the time."""
    return f"""SELECT {keys}CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS outside
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE {which} AND a.cost_nano_usd IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM ledger_entry l
    JOIN account c ON c.id = l.account_id
    JOIN budget b ON b.id = c.budget_id AND b.scope = 'tenant'
    WHERE l.attempt_id = a.id
)"""

"""The questions about money in SQL, alike on SQLite and PostgreSQL; ``{…}`` is filled with our own words only."""

# ruff: noqa: S608 as said: no value ever stands in the text

from __future__ import annotations

from core.budgets import Scope
from core.reports.queries import KNOWN
from core.reports.reask_chains import SUPERSEDED_AT_THE_SAME
from core.rollups.facts import listed
from core.tables import SUCCESSFUL, VALID, Outcome

_USEFUL = f"a.outcome IN ({listed(SUCCESSFUL)}) AND g.outcome IN ({listed(SUCCESSFUL)})"
_VALID = f"a.outcome IN ({listed(VALID)}) AND g.outcome IN ({listed(VALID)})"
_UNPRICED = "a.cost_nano_usd IS NULL AND a.input_tokens IS NOT NULL"
_WINDOW = "g.started_at >= :starts_at AND g.started_at < :ends_at {tenant}"

TIER_SUMS = (
    "calls", "attempts", "discarded_attempts", "valid", "priced_valid", "spent", "priced_spent", "discarded",
    "unpriced_attempts", "unpriced_calls", "estimated_attempts", "estimated_calls", "estimated_spent", "cache_saved",
    "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "known_calls",
)  # fmt: skip
"""The sums that stand behind tier and region."""
_SERVED = f"""
SELECT {{tier}} AS tier, {{geo}} AS geo,
    COUNT(DISTINCT CASE WHEN {SUPERSEDED_AT_THE_SAME} THEN NULL ELSE a.generation_id END) AS calls,
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
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE {_WINDOW}
GROUP BY 1, 2
"""


def served(tier: str, geo: str) -> str:
    """Return the question for sums of attempts by service tier and region, which these read."""
    return _SERVED.replace("{tier}", tier).replace("{geo}", geo)


# Entries of the tenant-wide account that the attempts of these calls made, whatever their kind, corrections included.
LEDGER = f"""
SELECT CAST(COALESCE(SUM(l.nano_usd), 0) AS BIGINT) AS charged, COUNT(*) AS entries
FROM generation g
JOIN ledger_entry l ON l.generation_id = g.id
JOIN account c ON c.id = l.account_id
JOIN budget b ON b.id = c.budget_id AND b.scope = 'tenant'
WHERE {_WINDOW}
"""

# What no tenant-wide account was charged for, because there was none at the time.
OUTSIDE = f"""
SELECT CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE {_WINDOW} AND a.cost_nano_usd IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM ledger_entry l
    JOIN account c ON c.id = l.account_id
    JOIN budget b ON b.id = c.budget_id AND b.scope = 'tenant'
    WHERE l.attempt_id = a.id
)
"""

_QUARTERS = f"""
SELECT g.tenant_id, g.started_at / 900000000 AS quarter,
    CAST(COALESCE(SUM({KNOWN}), 0) AS BIGINT) AS spent
FROM generation g
WHERE {_WINDOW} AND g.attempts > 0 AND {{scope}}
GROUP BY 1, 2
"""
_QUARTERS_OF_ATTEMPTS = f"""
SELECT g.tenant_id, g.started_at / 900000000 AS quarter,
    CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE {_WINDOW} AND {{scope}}
GROUP BY 1, 2
"""

# Of each tenant and quarter of an hour: the calls and what they cost, those before ``:since`` together, the others by
# the digits of their cost (0 for what cost nothing). However many calls there were, a day has few rows.
_BY_QUARTER = """
SELECT q.tenant_id, q.started_at / 900000000 AS quarter,
    CASE WHEN q.started_at < :since THEN -1 WHEN q.spent = 0 THEN 0
        ELSE LENGTH(CAST(q.spent AS VARCHAR(20))) END AS digits,
    MIN(q.started_at) AS first_at, COUNT(*) AS calls, CAST(SUM(q.spent) AS BIGINT) AS spent,
    MIN(q.spent) AS cheapest, SUM(q.unpriced) AS unpriced
FROM ({calls}) q
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
"""
_HISTORY = _BY_QUARTER.format(
    calls=f"""
    SELECT g.tenant_id, g.started_at, COALESCE({KNOWN}, 0) AS spent,
        CASE WHEN g.cost_nano_usd IS NULL THEN 1 ELSE 0 END AS unpriced
    FROM generation g
    WHERE {_WINDOW} AND g.attempts > 0 AND {{scope}}
    """
)
_HISTORY_OF_ATTEMPTS = _BY_QUARTER.format(
    calls=f"""
    SELECT g.tenant_id, g.started_at, CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent,
        MAX(CASE WHEN {_UNPRICED} THEN 1 ELSE 0 END) AS unpriced
    FROM generation g JOIN attempt a ON a.generation_id = g.id
    WHERE {_WINDOW} AND {{scope}}
    GROUP BY g.id, g.tenant_id, g.started_at
    """
)


def quarters(scope: Scope) -> str:
    """Return the question what a budget of that scope pays for, by tenant and quarter of an hour."""
    return _covered(_QUARTERS_OF_ATTEMPTS if scope.is_of_attempts else _QUARTERS, scope)


def history(scope: Scope) -> str:
    """Return the question what the calls cost that a budget of that scope covers, by tenant and quarter of an hour."""
    return _covered(_HISTORY_OF_ATTEMPTS if scope.is_of_attempts else _HISTORY, scope)


def _covered(sql: str, scope: Scope) -> str:
    return sql.replace("{scope}", f"{scope.subject_sql} = :scope_name")


VERIFIED = """
SELECT v.at, v.ok, v.accounts, v.attempts, v.difference_nano_usd, v.held_nano_usd, v.duration_ms, v.by
FROM verification v
WHERE 1 = 1 {tenant}
ORDER BY v.at DESC, v.id DESC
LIMIT 1
"""

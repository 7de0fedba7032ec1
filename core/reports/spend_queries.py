"""The questions about money in SQL, alike on SQLite and PostgreSQL; ``{…}`` is filled with our own words only."""

# ruff: noqa: S608 as said: no value ever stands in the text

from __future__ import annotations

from core.budgets import Scope
from core.reports.queries import KNOWN
from core.rollups.tiers import TIER_SUMS, charged, outside, served

_UNPRICED = "a.cost_nano_usd IS NULL AND a.input_tokens IS NOT NULL"
_WINDOW = "g.started_at >= :starts_at AND g.started_at < :ends_at {tenant}"
_KEPT = "q.at >= :starts_at / 900000000 * 900000000 AND q.at < :ends_at {tenant}"
"""Of calls that are gone what is kept by quarters of an hour: that in which a window begins, as a whole."""
KEPT_TIERS = f"""
SELECT q.tier, q.geo, {", ".join(f"CAST(SUM(q.{name}) AS BIGINT) AS {name}" for name in TIER_SUMS)}
FROM aged_quarter q WHERE {_KEPT} GROUP BY 1, 2 HAVING SUM(q.attempts) > 0
"""
LEDGER = charged(_WINDOW)
OUTSIDE = outside(_WINDOW)
KEPT_LEDGER = f"""
SELECT CAST(COALESCE(SUM(q.charged), 0) AS BIGINT) AS charged, CAST(COALESCE(SUM(q.outside), 0) AS BIGINT) AS outside
FROM aged_quarter q WHERE {_KEPT}
"""


def tiers(*, is_sqlite: bool) -> str:
    """Return the question for sums of attempts by service tier and region."""
    return served(_WINDOW, is_sqlite=is_sqlite)


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

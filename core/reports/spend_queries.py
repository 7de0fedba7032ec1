"""The questions about money in SQL, alike on SQLite and PostgreSQL; ``{…}`` is filled with our own words only."""

# ruff: noqa: S608 as said: no value ever stands in the text

from __future__ import annotations

from collections.abc import Sequence

from core.budgets import Scope
from core.reports.queries import COUNTED, KNOWN, REACHED, listed
from core.reports.reask_chains import SUPERSEDED_AT_THE_SAME
from core.tables import SUCCESSFUL, VALID, Outcome

_USEFUL = f"a.outcome IN ({listed(SUCCESSFUL)}) AND g.outcome IN ({listed(SUCCESSFUL)})"
_VALID = f"a.outcome IN ({listed(VALID)}) AND g.outcome IN ({listed(VALID)})"
_UNPRICED = "a.cost_nano_usd IS NULL AND a.input_tokens IS NOT NULL"
_WINDOW = "g.started_at >= :starts_at AND g.started_at < :ends_at {tenant}"
_CELL = "(g.started_at - :starts_at) / :width"

_CALL_FIGURES = ("calls", "reached", "unpriced", "known", "priced", "priced_spent", "estimated", "saved")
_CALL_CELLS = f"""
SELECT {_CELL} AS cell, g.tenant_id, g.schema_name, g.schema_version, g.outcome,
    CASE WHEN g.outcome = '{Outcome.CACHE_HIT.value}' THEN g.provider || '/' || g.model END AS model,
    {COUNTED} AS calls,
    {REACHED} AS reached,
    SUM(CASE WHEN g.attempts > 0 AND g.cost_nano_usd IS NULL THEN 1 ELSE 0 END) AS unpriced,
    COUNT({KNOWN}) AS known,
    SUM(CASE WHEN g.cost_nano_usd IS NOT NULL OR g.attempts = 0 THEN 1 ELSE 0 END) AS priced,
    CAST(COALESCE(SUM(g.cost_nano_usd), 0) AS BIGINT) AS priced_spent,
    SUM(CASE WHEN g.estimated THEN 1 ELSE 0 END) AS estimated,
    CAST(SUM(g.saved_nano_usd) AS BIGINT) AS saved
FROM generation g
WHERE {_WINDOW}
GROUP BY 1, 2, 3, 4, 5, 6
"""

_ATTEMPT_FIGURES = (
    "calls", "attempts", "useful", "valid", "valid_priced", "spent", "unchecked_spent", "discarded", "unpriced",
    "unpriced_calls", "estimated", "estimated_calls", "estimated_spent", "cache_saved", "input_tokens", "cached_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip
_ATTEMPT_CELLS = f"""
SELECT {_CELL} AS cell, g.tenant_id, g.schema_name, g.schema_version, a.provider || '/' || a.model AS model,
    COUNT(DISTINCT CASE WHEN {SUPERSEDED_AT_THE_SAME} THEN NULL ELSE a.generation_id END) AS calls,
    COUNT(*) AS attempts,
    SUM(CASE WHEN {_USEFUL} THEN 1 ELSE 0 END) AS useful,
    SUM(CASE WHEN {_VALID} THEN 1 ELSE 0 END) AS valid,
    SUM(CASE WHEN a.cost_nano_usd IS NOT NULL AND {_VALID} THEN 1 ELSE 0 END) AS valid_priced,
    CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent,
    CAST(COALESCE(SUM(CASE WHEN g.outcome = '{Outcome.UNCHECKED.value}' THEN a.cost_nano_usd END), 0) AS BIGINT)
        AS unchecked_spent,
    CAST(COALESCE(SUM(CASE WHEN {_USEFUL} THEN 0 ELSE a.cost_nano_usd END), 0) AS BIGINT) AS discarded,
    SUM(CASE WHEN {_UNPRICED} THEN 1 ELSE 0 END) AS unpriced,
    COUNT(DISTINCT CASE WHEN {_UNPRICED} THEN a.generation_id END) AS unpriced_calls,
    SUM(CASE WHEN a.estimated THEN 1 ELSE 0 END) AS estimated,
    COUNT(DISTINCT CASE WHEN a.estimated THEN a.generation_id END) AS estimated_calls,
    CAST(COALESCE(SUM(CASE WHEN a.estimated THEN a.cost_nano_usd END), 0) AS BIGINT) AS estimated_spent,
    CAST(SUM(a.cache_saved_nano_usd) AS BIGINT) AS cache_saved,
    CAST(COALESCE(SUM(a.input_tokens), 0) AS BIGINT) AS input_tokens,
    CAST(COALESCE(SUM(a.cached_tokens), 0) AS BIGINT) AS cached_tokens,
    CAST(COALESCE(SUM(a.cache_write_tokens), 0) AS BIGINT) AS cache_write_tokens,
    CAST(COALESCE(SUM(a.output_tokens), 0) AS BIGINT) AS output_tokens,
    CAST(COALESCE(SUM(a.reasoning_tokens), 0) AS BIGINT) AS reasoning_tokens
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE {_WINDOW}
GROUP BY 1, 2, 3, 4, 5
"""


# A caller may ask for any name, so there may be as many names as calls. Those that are known have cells of their own,
# and of the others the first so many by *first*; the rest share the name '', beside which stands how many they are. It
# is one look at the calls, and the cells are few, however many names were invented.
_FOLDED = """
WITH cells AS ({cells}),
names AS (
    SELECT n.model,
        CASE WHEN n.is_known = 1 OR n.place <= :most_names THEN 1 ELSE 0 END AS is_shown
    FROM (
        SELECT c.model, {known} AS is_known,
            ROW_NUMBER() OVER (PARTITION BY {known} ORDER BY SUM(c.{first}) DESC, SUM(c.calls) DESC, c.model) AS place
        FROM cells c
        WHERE c.model IS NOT NULL
        GROUP BY c.model
    ) n
)
SELECT {heads},
    CASE WHEN n.is_shown = 0 THEN '' ELSE c.model END AS model,
    {figures},
    (SELECT COUNT(*) FROM names WHERE is_shown = 0) AS others
FROM cells c LEFT JOIN names n ON n.model = c.model
GROUP BY {heads}, CASE WHEN n.is_shown = 0 THEN '' ELSE c.model END
"""


def served(tier: str, geo: str) -> str:
    """Return the question for cells of attempts by service tier and region, which these read; both before a blank."""
    asked = "a.provider || '/' || a.model AS model"
    return _ATTEMPT_CELLS.replace(asked, f"{tier} || ' ' || {geo} AS model")


def _folded(cells: str, heads: str, figures: Sequence[str], first: str, known: str) -> str:
    summed = ",\n    ".join(f"CAST(SUM(c.{name}) AS BIGINT) AS {name}" for name in figures)
    parts = {"{cells}": cells, "{heads}": heads, "{figures}": summed, "{first}": first, "{known}": known}
    sql = _FOLDED
    for part, text in parts.items():
        sql = sql.replace(part, text)
    return sql


def calls(known: str) -> str:
    """Return the question for cells of calls; *known* is a condition on ``c.model`` in SQL, as 1 or 0."""
    heads = "c.cell, c.tenant_id, c.schema_name, c.schema_version, c.outcome"
    return _folded(_CALL_CELLS, heads, _CALL_FIGURES, "saved", known)


def attempts(known: str) -> str:
    """Return the question for cells of attempts; *known* is a condition on ``c.model`` in SQL, as 1 or 0."""
    return _folded(
        _ATTEMPT_CELLS, "c.cell, c.tenant_id, c.schema_name, c.schema_version", _ATTEMPT_FIGURES, "spent", known
    )


# Why attempts were in vain: how they ended themselves or, where nothing was wrong with them, how their call did. Models
# that have no cells of their own share the name ''.
DISCARDED = f"""
SELECT CASE WHEN a.outcome IN ({listed(SUCCESSFUL)}) THEN g.outcome ELSE a.outcome END AS reason,
    CASE WHEN a.provider || '/' || a.model IN ({{shown}}) THEN a.provider || '/' || a.model ELSE '' END AS model,
    COUNT(*) AS attempts,
    CAST(COALESCE(SUM(a.cost_nano_usd), 0) AS BIGINT) AS spent,
    SUM(CASE WHEN {_UNPRICED} THEN 1 ELSE 0 END) AS unpriced
FROM generation g JOIN attempt a ON a.generation_id = g.id
WHERE {_WINDOW} AND NOT ({_USEFUL})
GROUP BY 1, 2
"""

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

"""The questions in SQL, alike on SQLite and PostgreSQL; ``{…}`` is filled with our own words only."""

from __future__ import annotations

from core.reports.reask_chains import SUPERSEDED
from core.rollups.facts import listed
from core.tables import ERRORS, OF_REJECTED, SUCCESSFUL, Outcome

KNOWN = """CASE WHEN g.attempts > 0 THEN COALESCE(
        g.cost_nano_usd,
        (SELECT CAST(SUM(a.cost_nano_usd) AS BIGINT) FROM attempt a WHERE a.generation_id = g.id)
    ) END"""
"""What is known of a call's cost: its own sum or, where an attempt is unpriced, the sum of those that are priced."""

COUNTED = f"SUM(CASE WHEN {SUPERSEDED} THEN 0 ELSE 1 END)"
BEFORE_NEWEST = """
SELECT g.started_at FROM generation g
WHERE g.started_at >= :starts_at AND g.started_at < :ends_at {tenant}
ORDER BY g.started_at DESC
LIMIT 1 OFFSET :most
"""
"""When the newest call began that is not among so many newest; read from the index of calls by time alone."""
VERSION_ROUTES = """
SELECT g.schema_version, g.route, {counted} AS calls
FROM generation g
WHERE g.started_at >= :starts_at AND g.started_at < :ends_at
    AND g.schema_version IS NOT NULL AND g.schema_name = :name_0 {tenant}
GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2
""".replace("{counted}", COUNTED)
BUDGETS = """
SELECT b.id, b.tenant_id, t.timezone, b.period, b.mode, b.starts_at, b.ends_at, b.limit_nano_usd,
    (
        SELECT CAST(COALESCE(SUM(r.extra_nano_usd), 0) AS BIGINT) FROM budget_raise r
        WHERE r.budget_id = b.id AND r.withdrawn_at IS NULL AND r.starts_at <= :now AND r.ends_at > :now
    ) AS raised
FROM budget b JOIN tenant t ON t.id = b.tenant_id
WHERE b.scope = 'tenant' AND b.removed_at IS NULL {tenant}
"""

CHANGES = """
SELECT e.at, e.kind, e.subject, e.tenant_id, e.summary
FROM change_event e
WHERE e.at >= :starts_at AND e.at < :ends_at {tenant}
ORDER BY e.at DESC, e.id DESC
LIMIT :most
"""

FAILING = f"""
SELECT g.tenant_id,
    SUM(CASE WHEN g.outcome IN ({listed(ERRORS)}) THEN 1 ELSE 0 END) AS errors,
    COUNT(*) AS ended
FROM generation g
WHERE g.started_at >= :starts_at AND g.started_at < :ends_at AND g.outcome IN ({listed(ERRORS | SUCCESSFUL)})
    AND NOT {SUPERSEDED} {{tenant}}
GROUP BY g.tenant_id
"""  # noqa: S608 our own words

# Each provider's newest calls since a time; what a fire drill put in a provider's place says nothing of it.
OF_PROVIDERS = """
SELECT provider, CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed * calls) AS BIGINT) AS failed,
    MIN(first_at) AS first_at, MAX(last_at) AS last_at,
    MAX(CASE WHEN failed = 0 THEN p50 END) AS p50, MAX(CASE WHEN failed = 0 THEN p95 END) AS p95
FROM (
    SELECT provider, failed, calls, MIN(started_at) AS first_at, MAX(started_at) AS last_at,
        MAX(CASE WHEN place = (calls * 50 + 99) / 100 THEN duration_ms END) AS p50,
        MAX(CASE WHEN place = (calls * 95 + 99) / 100 THEN duration_ms END) AS p95
    FROM (
        SELECT provider, failed, duration_ms, started_at,
            ROW_NUMBER() OVER (PARTITION BY provider, failed ORDER BY duration_ms) AS place,
            COUNT(*) OVER (PARTITION BY provider, failed) AS calls
        FROM (
            SELECT a.provider, a.duration_ms, a.started_at,
                CASE WHEN a.outcome IN ({failed}) THEN 1 ELSE 0 END AS failed
            FROM attempt a
            WHERE a.started_at >= :starts_at AND a.drill_id IS NULL {tenant}
            ORDER BY a.started_at DESC
            LIMIT :most
        ) AS newest
    ) AS ranked
    GROUP BY provider, failed, calls
) AS halves
GROUP BY provider
""".replace("{failed}", listed((Outcome.PROVIDER_ERROR, Outcome.TIMEOUT)))

# What a provider turned away for our key or our account; the condition is that of the index, word for word.
REJECTED = """
SELECT a.provider, a.error_code, COUNT(*) AS calls, MIN(a.started_at) AS first_at, MAX(a.started_at) AS last_at
FROM attempt a
WHERE {rejected} AND a.started_at >= :starts_at {tenant}
GROUP BY a.provider, a.error_code
HAVING COUNT(*) >= :least
""".replace("{rejected}", OF_REJECTED)
REJECTED_EARLIER = """
SELECT 1
FROM attempt a
WHERE {rejected} AND a.started_at >= :starts_at AND a.started_at < :ends_at AND a.provider = :provider {tenant}
LIMIT 1
""".replace("{rejected}", OF_REJECTED)
# The last call that a provider answered, which is to say that it took our key; a fire drill may answer in its stead.
ANSWERED = """
SELECT a.started_at
FROM attempt a
WHERE a.started_at >= :starts_at AND a.provider = :provider
    AND (a.outcome IN ({successful}) OR a.outcome IN ({answered}) AND a.drill_id IS NULL) {tenant}
ORDER BY a.started_at DESC
LIMIT 1
""".replace("{successful}", listed(SUCCESSFUL)).replace(
    "{answered}", listed((Outcome.INVALID, Outcome.TRUNCATED, Outcome.REFUSED, Outcome.CONTENT_FILTERED))
)

"""Clients that ask again by themselves: what they ask of one object is one call, however many generations it took.

A generation whose answer its client asked again for is *superseded*. What it cost and used stays its own, in the window
in which it began, as in the ledger; but it is no call of its own, and no failure: it is counted as the last of its
chain. Who asks again does so later, so a figure of the past may change by it.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.reports.reading import Reading
from core.rollups.facts import MOST_LINKS, superseded

SUPERSEDED = superseded()

_CHAIN = f"""
WITH RECURSIVE earlier(id, reask_of, links) AS (
    SELECT g.id, g.reask_of, 0 FROM generation g WHERE g.id = :id {{tenant}}
    UNION ALL
    SELECT g.id, g.reask_of, earlier.links + 1
    FROM earlier JOIN generation g ON g.id = earlier.reask_of
    WHERE earlier.links < {MOST_LINKS} {{tenant}}
),
chain(id, links) AS (
    SELECT e.id, 0 FROM earlier e WHERE e.links = (SELECT MAX(links) FROM earlier)
    UNION ALL
    SELECT g.id, chain.links + 1
    FROM chain JOIN generation g ON g.reask_of = chain.id
    WHERE chain.links < {MOST_LINKS} {{tenant}}
)
SELECT COUNT(*) AS generations,
    CAST(SUM(g.attempts) AS BIGINT) AS attempts,
    CAST(SUM(g.input_tokens + g.output_tokens) AS BIGINT) AS tokens,
    SUM(CASE WHEN g.attempts > 0 AND g.cost_nano_usd IS NULL THEN 1 ELSE 0 END) AS unpriced,
    CAST(COALESCE(SUM(g.cost_nano_usd), 0) AS BIGINT) AS spent
FROM chain JOIN generation g ON g.id = chain.id
"""


@dataclass(frozen=True, slots=True)
class ReaskChain:
    """What one object took in all, where its client asked again by itself."""

    generations: int
    attempts: int
    tokens: int
    """Input and output."""
    cost_nano_usd: int | None
    """``None`` where a part of it has no price."""


def reask_chain(reading: Reading, call_id: str) -> ReaskChain | None:
    """Return what the chain took that a generation is in; ``None`` where it is alone."""
    [row] = reading.rows(_CHAIN, {"id": call_id})
    found: Mapping[str, Any] = row._mapping  # noqa: SLF001 SQLAlchemy's public name of it
    if found["generations"] < 2:
        return None
    cost = None if found["unpriced"] else found["spent"]
    return ReaskChain(found["generations"], found["attempts"], found["tokens"], cost)

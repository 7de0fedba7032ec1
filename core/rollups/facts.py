"""What a generation and its attempts add to the rollups, from their rows: the one definition of every sum.

What is appended when a call is recorded, what is taken back when it is corrected, what a build reads from history and
what a proof holds against the rollups are all this statement, for some generations or for others.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.rollups.facets import ATTEMPTS, CALLS, FIELDS
from core.rollups.slots import slot_sql
from core.rollups.sums import NAMES
from core.tables import BLOCKED, ERRORS, REASKABLE, SUCCESSFUL, VALID, AttemptKind, Outcome

_LONGEST = 200
MINUTE_MICROS = 60_000_000
QUEUED_US = 1_000
"""From so many microseconds on a wait is one: who waited for less waited for nobody."""
HEADS = (
    "family", "at", "tenant_id", "key_id", "route", "schema_name", "schema_version", "provider", "model", "outcome",
    "error_code", "slot", "ttft_slot",
)  # fmt: skip
"""The columns of a fact beside its sums."""


def listed(outcomes: Iterable[Outcome]) -> str:
    """Return outcomes as a list of SQL literals."""
    return ", ".join(f"'{outcome.value}'" for outcome in sorted(outcomes))


def _among(column: str, outcomes: Iterable[Outcome]) -> str:
    """Return the condition in SQL that *column* is one of *outcomes*, for what is asked of one call.

    Not as ``IN``: of more than two SQLite makes an index each time that the statement runs, and there are ten such.
    """
    return "(" + " OR ".join(f"{column} = '{outcome.value}'" for outcome in sorted(outcomes)) + ")"


def superseded(alias: str = "g") -> str:
    """Return the condition in SQL that the generation *alias* was asked again for: a look by index, at few of them.

    That it is not null says nothing new to us: by it PostgreSQL may read all of that small index at once instead.
    """
    return (
        f"({alias}.outcome IN ({listed(REASKABLE)}) "
        "AND EXISTS (SELECT 1 FROM generation later "
        f"WHERE later.reask_of IS NOT NULL AND later.reask_of = {alias}.id))"
    )


MOST_LINKS = 64
"""A chain of generations of which each asks again for the one before is followed no further, either way."""


def ended_valid(alias: str = "g") -> str:
    """Return the condition in SQL that the generation *alias*, or one that asked again for it, gave a valid object."""
    return f"""({alias}.outcome IN ({listed(VALID)}) OR {alias}.outcome IN ({listed(REASKABLE)}) AND EXISTS (
        WITH RECURSIVE chain(id, outcome, links) AS (
            SELECT later.id, later.outcome, 1 FROM generation later WHERE later.reask_of = {alias}.id
            UNION ALL
            SELECT later.id, later.outcome, chain.links + 1
            FROM chain JOIN generation later ON later.reask_of = chain.id
            WHERE chain.links < {MOST_LINKS}
        )
        SELECT 1 FROM chain WHERE chain.outcome IN ({listed(VALID)})
    ))"""


def superseded_at_the_same(alias: str = "g", attempt: str = "a") -> str:
    """Return the condition in SQL that it was asked again for of the model that *attempt* asked."""
    return (
        f"({alias}.outcome IN ({listed(REASKABLE)}) "
        "AND EXISTS (SELECT 1 FROM generation later JOIN attempt b ON b.generation_id = later.id "
        f"WHERE later.reask_of IS NOT NULL AND later.reask_of = {alias}.id "
        f"AND b.provider = {attempt}.provider AND b.model = {attempt}.model))"
    )


def _flag(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _part(condition: str, amount: str) -> str:
    return f"CASE WHEN {condition} THEN COALESCE({amount}, 0) ELSE 0 END"


_IS_VALID = _among("g.outcome", VALID)
_IS_UNCHECKED = f"g.outcome = '{Outcome.UNCHECKED.value}'"
_IS_HIT = f"g.outcome = '{Outcome.CACHE_HIT.value}'"
_KNOWN_PART = "EXISTS (SELECT 1 FROM attempt k WHERE k.generation_id = g.id AND k.cost_nano_usd IS NOT NULL)"
_SUM_KNOWN = "(SELECT CAST(SUM(k.cost_nano_usd) AS BIGINT) FROM attempt k WHERE k.generation_id = g.id)"
_TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_OF_GENERATION = {
    "calls": "g.counted",
    "valid": _flag(_IS_VALID),
    "first_try": _flag(f"g.outcome = '{Outcome.VALID_FIRST_TRY.value}'"),
    "errors": _part(_among("g.outcome", ERRORS), "g.counted"),
    "blocked": _flag(_among("g.outcome", BLOCKED)),
    "cancelled": _flag(f"g.outcome = '{Outcome.CANCELLED.value}'"),
    "unchecked": _part(_IS_UNCHECKED, "g.counted"),
    "reached": _part("g.attempts > 0", "g.counted"),
    "reached_valid": _flag(f"g.attempts > 0 AND {_IS_VALID}"),
    "reached_checked": _part(f"g.attempts > 0 AND NOT {_IS_UNCHECKED}", "g.counted"),
    "unpriced_calls": _flag("g.attempts > 0 AND g.cost_nano_usd IS NULL"),
    "known_calls": _flag(f"g.attempts > 0 AND (g.cost_nano_usd IS NOT NULL OR {_KNOWN_PART})"),
    "priced_valid": _flag(f"{_IS_VALID} AND (g.cost_nano_usd IS NOT NULL OR g.attempts = 0)"),
    "priced_spent": _part(f"NOT {_IS_UNCHECKED}", "g.cost_nano_usd"),
    "estimated_calls": _flag("g.estimated"),
    "answers": _flag(_IS_HIT),
    "answers_saved": _part(_IS_HIT, "g.saved_nano_usd"),
    "queue_known": _part("g.queue_us IS NOT NULL", "g.counted"),
    "queued": _part(f"g.queue_us >= {QUEUED_US}", "g.counted"),
    "queue_us": "COALESCE(g.queue_us, 0) * g.counted",
    "spent": f"CASE WHEN g.attempts > 0 THEN COALESCE(g.cost_nano_usd, {_SUM_KNOWN}, 0) ELSE 0 END",
}
_IS_PLAIN = {
    **dict.fromkeys(("calls", "valid", "first_try", "known_calls", "priced_valid"), "1"),
    **dict.fromkeys(("errors", "blocked", "cancelled", "unchecked", "unpriced_calls"), "0"),
}
"""What is known beforehand of whatever is plain: see :func:`is_plain`."""
_OF_PLAIN = {
    **_OF_GENERATION,
    **_IS_PLAIN,
    **dict.fromkeys(("reached", "reached_valid", "reached_checked"), "1"),
    **dict.fromkeys(("answers", "answers_saved"), "0"),
    **dict.fromkeys(("priced_spent", "spent"), "g.cost_nano_usd"),
}
_USEFUL = f"{_among('a.outcome', SUCCESSFUL)} AND {_among('g.outcome', SUCCESSFUL)}"
_GAVE = f"{_among('a.outcome', VALID)} AND {_IS_VALID}"
_UNPRICED = "a.cost_nano_usd IS NULL AND a.input_tokens IS NOT NULL"
_SAME = "PARTITION BY g.id, a.provider, a.model ORDER BY a.n"


def _first(condition: str) -> str:
    """Whether it is the first attempt of its call at its model of which that is so."""
    return f"CASE WHEN {condition} AND SUM({_flag(condition)}) OVER ({_SAME}) = 1 THEN 1 ELSE 0 END"


_OF_ATTEMPT = {
    "calls": f"CASE WHEN ROW_NUMBER() OVER ({_SAME}) = 1 AND NOT {superseded_at_the_same()} THEN 1 ELSE 0 END",
    "valid": _flag(_GAVE),
    "first_try": _flag(f"a.n = 1 AND {_GAVE}"),
    "errors": _flag(_among("a.outcome", ERRORS)),
    "blocked": _flag(_among("a.outcome", BLOCKED)),
    "cancelled": _flag(f"a.outcome = '{Outcome.CANCELLED.value}'"),
    "unchecked": _flag(f"a.outcome = '{Outcome.UNCHECKED.value}'"),
    "unpriced_calls": _first(_UNPRICED),
    "known_calls": _flag(f"NOT ({_UNPRICED})"),
    "priced_valid": _flag(f"a.cost_nano_usd IS NOT NULL AND {_GAVE}"),
    "priced_spent": _part(f"NOT {_IS_UNCHECKED}", "a.cost_nano_usd"),
    "estimated_calls": _first("a.estimated"),
    "attempts": "1",
    "discarded_attempts": f"CASE WHEN {_USEFUL} THEN 0 ELSE 1 END",
    "reasks": _flag(f"a.kind = '{AttemptKind.REASK.value}'"),
    "fallbacks": _flag(f"a.kind = '{AttemptKind.FALLBACK.value}'"),
    "spent": "COALESCE(a.cost_nano_usd, 0)",
    "discarded": f"CASE WHEN {_USEFUL} THEN 0 ELSE COALESCE(a.cost_nano_usd, 0) END",
    "estimated_attempts": _flag("a.estimated"),
    "estimated_spent": _part("a.estimated", "a.cost_nano_usd"),
    "unpriced_attempts": _flag(_UNPRICED),
    "cache_saved": "a.cache_saved_nano_usd",
    **{name: f"COALESCE(a.{name}, 0)" for name in _TOKENS},
}
_OF_PLAIN_ATTEMPT = {
    **_OF_ATTEMPT,
    **_IS_PLAIN,
    **dict.fromkeys(("discarded_attempts", "discarded", "unpriced_attempts"), "0"),
    **dict.fromkeys(("priced_spent", "spent"), "COALESCE(a.cost_nano_usd, 0)"),
    "estimated_calls": _flag("a.estimated"),
}
_OF_HIT = {
    "calls": "1",
    "valid": "1",
    "priced_valid": "1",
    "answers": "1",
    "answers_saved": "COALESCE(g.saved_nano_usd, 0)",
}
"""What an answer from the cache adds for the model that once made it."""
SUMS_OF_ATTEMPTS = frozenset(_OF_ATTEMPT) | frozenset(_OF_HIT)
"""The sums that are told by model."""
_OF_FIELD = {"errors": "1", "valid": _flag(ended_valid())}


def _short(name: str) -> str:
    """Return a name that callers may choose, as long as an index takes it."""
    return f"SUBSTR({name}, 1, {_LONGEST})"


def _selected(of: dict[str, str]) -> str:
    return ", ".join(of.get(name, "0") for name in NAMES)


def is_plain(row: Mapping[str, Any]) -> bool:
    """Whether the generation *row* is such that less is to be looked up: most are.

    Its only attempt was valid and its cost is known. So no field of it was wrong, it is not from the cache, and nobody
    asks again for it.
    """
    return row["outcome"] == Outcome.VALID_FIRST_TRY and row["attempts"] == 1 and row["cost_nano_usd"] is not None


def facts(which: str, *, plain: bool = False) -> str:
    """Return the SELECT of the facts of the generations ``g`` of which the condition *which* is true.

    Its columns are :data:`HEADS`, then ``core.rollups.sums.NAMES``. Of such as are all *plain* it says the same at half
    the cost.
    """
    dims = (
        "g.tenant_id, COALESCE(g.key_id, '') AS key_id, g.route, " + f"{_short('g.schema_name')} AS schema_name, "
        "COALESCE(CAST(g.schema_version AS VARCHAR(12)), '') AS schema_version"
    )
    chosen = f"""SELECT g.id, g.started_at / {MINUTE_MICROS} * {MINUTE_MICROS} AS at, {dims},
    COALESCE(g.provider, '') AS provider, {_short("COALESCE(g.model, '')")} AS model, g.outcome, g.error_code,
    g.attempts, g.cost_nano_usd, g.estimated, g.saved_nano_usd, g.duration_ms, g.ttft_ms, g.queue_us,
    {"1" if plain else f"CASE WHEN {superseded()} THEN 0 ELSE 1 END"} AS counted
FROM generation g WHERE {which}"""
    own = "g.at, g.tenant_id, g.key_id, g.route, g.schema_name, g.schema_version"
    reason = "g.outcome" if plain else f"CASE WHEN {_among('a.outcome', SUCCESSFUL)} THEN g.outcome ELSE a.outcome END"
    duration = f"CASE WHEN g.attempts > 0 THEN {slot_sql('g.duration_ms')} END"
    of_generation, of_attempt = (_OF_PLAIN, _OF_PLAIN_ATTEMPT) if plain else (_OF_GENERATION, _OF_ATTEMPT)
    usual = f"""WITH chosen AS ({chosen})
SELECT {CALLS} AS family, {own}, g.provider, g.model, g.outcome, COALESCE(g.error_code, '') AS error_code,
    {duration} AS slot, {slot_sql("g.ttft_ms")} AS ttft_slot,
    {", ".join(f"{of_generation.get(name, '0')} AS {name}" for name in NAMES)}
FROM chosen g
UNION ALL
SELECT {ATTEMPTS}, {own}, a.provider, {_short("a.model")}, {reason}, COALESCE(a.error_code, ''),
    {slot_sql("a.duration_ms")}, {slot_sql("a.ttft_ms")},
    {_selected(of_attempt)}
FROM chosen g JOIN attempt a ON a.generation_id = g.id"""
    if plain:
        return usual
    return f"""{usual}
UNION ALL
SELECT {ATTEMPTS}, {own}, g.provider, g.model, g.outcome, '', NULL, NULL,
    {_selected(_OF_HIT)}
FROM chosen g WHERE {_IS_HIT}
UNION ALL
SELECT {FIELDS}, {own}, '', {_short("e.path")}, g.outcome, e.type, NULL, NULL,
    {_selected(_OF_FIELD)}
FROM chosen g JOIN field_error e ON e.generation_id = g.id"""

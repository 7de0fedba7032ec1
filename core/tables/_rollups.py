"""Sums of what happened, so that a figure of ten million calls is read from some thousand rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer
from sqlmodel import Field

from core.tables._columns import Row, json, utc


def _sum() -> Any:
    """Make a column that is only ever added to and taken from."""
    return Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})


class RollupSums(Row):
    """What can be added up and taken back; ``core.rollups.sums`` says what each is. Money is in nano-dollars."""

    calls: int = _sum()
    valid: int = _sum()
    first_try: int = _sum()
    errors: int = _sum()
    blocked: int = _sum()
    cancelled: int = _sum()
    unchecked: int = _sum()
    reached: int = _sum()
    reached_valid: int = _sum()
    reached_checked: int = _sum()
    unpriced_calls: int = _sum()
    known_calls: int = _sum()
    priced_valid: int = _sum()
    priced_spent: int = _sum()
    estimated_calls: int = _sum()
    answers: int = _sum()
    answers_saved: int = _sum()
    queue_known: int = _sum()
    queued: int = _sum()
    queue_us: int = _sum()
    attempts: int = _sum()
    discarded_attempts: int = _sum()
    reasks: int = _sum()
    fallbacks: int = _sum()
    spent: int = _sum()
    discarded: int = _sum()
    estimated_attempts: int = _sum()
    estimated_spent: int = _sum()
    unpriced_attempts: int = _sum()
    cache_saved: int = _sum()
    input_tokens: int = _sum()
    cached_tokens: int = _sum()
    cache_write_tokens: int = _sum()
    output_tokens: int = _sum()
    reasoning_tokens: int = _sum()


class RollupFact(RollupSums):
    """One generation, or one attempt of one, or a field that was wrong in it, as it came or went."""

    family: int = Field()
    """0 for a generation, 1 for an attempt, 2 for a field."""
    at: datetime = utc()
    """The minute in which the generation began."""
    tenant_id: str
    key_id: str = ""
    route: str = ""
    schema_name: str = ""
    schema_version: str = ""
    """Empty where there is none."""
    provider: str = ""
    model: str = ""
    """Of a generation who answered or was asked last, of an attempt who was asked; empty where nobody was."""
    outcome: str
    error_code: str = ""
    n: int = Field()
    """1 for what came, -1 for what went."""
    slot: int | None = None
    """Where its duration lies in a histogram; ``None`` where it has none that counts."""
    ttft_slot: int | None = None


class RollupDelta(RollupFact, table=True):
    """A fact that is not folded into the rollups yet; gone as soon as it is."""

    id: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),  # pyright: ignore[reportArgumentType]
    )


class Rollup(RollupSums, table=True):
    """What some calls add up to that began in one stretch of time and have one thing in common."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    facet: str = Field(primary_key=True)
    """What they have in common: see ``core.rollups.facets``."""
    minutes: int = Field(primary_key=True)
    """How long the stretch is."""
    tenant_id: str = Field(primary_key=True)
    """Empty for all tenants together."""
    at: datetime = utc(primary_key=True)
    """When it begins."""
    value: str = Field(primary_key=True)
    detail: str = Field(primary_key=True)
    n: int = Field(sa_type=BigInteger)
    """How many rows of generations and attempts are in it."""


class RollupSlot(Row, table=True):
    """How many durations of some calls lie in one slot of a histogram."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    facet: str = Field(primary_key=True)
    minutes: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    """``duration`` or ``ttft``."""
    tenant_id: str = Field(primary_key=True)
    at: datetime = utc(primary_key=True)
    value: str = Field(primary_key=True)
    detail: str = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    n: int = Field(sa_type=BigInteger)


class RollupState(Row, table=True):
    """How far back the rollups reach: one row."""

    id: int = Field(primary_key=True)
    built_from: datetime = utc()
    """Calls that began at this time or later are in the rollups; of those before it they know nothing yet."""
    folds: int = Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})
    """How often an SQLite folded: who prepared that before his transaction sees whether another did it meanwhile."""
    past_changes: int = Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})
    """How often calls of before ``built_from`` were changed: who builds sees whether what he read is still so."""


class RollupProof(Row, table=True):
    """How the rollups of one UTC day stood against its calls when that was last proven."""

    day: datetime = utc(primary_key=True)
    at: datetime = utc()
    """When it was proven."""
    differing: int
    """How many rows were off, of each width at most so many as are counted."""
    told: list[str] = json()
    """Some of what was off, as sentences without anybody's words."""
    by: str = ""
    """Who had it proven last; empty for the chore alone."""
    rebuild_asked_at: datetime | None = utc(default=None)
    """When somebody asked that it be put right; ``None`` once it is."""

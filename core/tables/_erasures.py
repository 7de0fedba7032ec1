"""Whose data is erased."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import Field

from core.tables._columns import Row, utc

_IS_OPEN = sql_text("done_at IS NULL")
"""Few are: their index is what a chore looks at."""


class Erasure(Row, table=True):
    """One user of one tenant, by one of the hashes that he may be kept by: of his calls until then no word is kept.

    It stays for ever, so that what is written late, and what a backup brings back, obeys it as well.
    """

    __table_args__ = (
        Index("ix_erasure_in_order", "at", "tenant_id", "user_hash"),
        Index("ix_erasure_tenant_certificate", "tenant_id", "certificate_id"),
        Index("ix_erasure_open", "certificate_id", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
    )

    tenant_id: str = Field(primary_key=True)
    user_hash: str = Field(primary_key=True)
    at: datetime = utc(primary_key=True)
    """Of the calls that began by then."""
    certificate_id: str = Field(index=True)
    """Names the one act, which may be about several tenants, and several hashes in each."""
    actor: str
    done_at: datetime | None = utc(default=None, nullable=True)
    """When all had gone that was there; ``None`` while it is being done."""
    calls: int = 0
    """How many calls were stripped of what says who and what."""
    payloads: int = 0
    """How many rows of prompts and answers were deleted."""
    answers: int = 0
    """How many answers that were to be given again were deleted."""
    sentences: int = 0
    """Of how many attempts and wrong fields a sentence was deleted."""

"""What stays of calls whose rows have aged out, beside the rollups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlmodel import Field

from core.tables._columns import Row, utc


def _sum() -> Any:
    return Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})


class AgedOut(Row, table=True):
    """Up to when a tenant's calls have aged out. Written before the first of them goes, and it never goes back."""

    tenant_id: str = Field(primary_key=True)
    raw_from: datetime = utc()
    """A UTC midnight: calls that began before it are gone, or going; nothing may be read from them."""
    below_id: str
    """Sorts behind every id that was born before ``raw_from``, and before all others."""
    at: datetime = utc()
    """When that was decided last."""


class AgedQuarter(Row, table=True):
    """What attempts that are gone come to, of a tenant and quarter of an hour, and no rollup holds."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    tenant_id: str = Field(primary_key=True)
    at: datetime = utc(primary_key=True)
    tier: str = Field(primary_key=True)
    """The service tier; empty for the usual one."""
    geo: str = Field(primary_key=True)
    """The region; empty for none."""
    charged: int = _sum()
    """What the tenant-wide budget's ledger holds for them; in the row of the usual tier, without a region."""
    outside: int = _sum()
    """What those of them cost that were made while there was no such budget; in the same row."""
    calls: int = _sum()
    attempts: int = _sum()
    discarded_attempts: int = _sum()
    valid: int = _sum()
    priced_valid: int = _sum()
    spent: int = _sum()
    priced_spent: int = _sum()
    discarded: int = _sum()
    unpriced_attempts: int = _sum()
    unpriced_calls: int = _sum()
    estimated_attempts: int = _sum()
    estimated_calls: int = _sum()
    estimated_spent: int = _sum()
    cache_saved: int = _sum()
    input_tokens: int = _sum()
    cached_tokens: int = _sum()
    cache_write_tokens: int = _sum()
    output_tokens: int = _sum()
    reasoning_tokens: int = _sum()
    known_calls: int = _sum()

"""What is on its way to the analytics store, and how far that has come."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field

from core.tables._columns import Row, utc
from core.tables._rollups import RollupFact


class AnalyticsOutbox(RollupFact, table=True):
    """A delta that was folded into the rollups and is to be sent on; gone as soon as the store has it."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    batch: int = Field(primary_key=True, sa_type=BigInteger)
    """What was folded at once, by a number that no other has: batches are kept in the order of their numbers."""
    place: int = Field(primary_key=True)
    """Which of its batch it is, however often that is sent."""


class AnalyticsState(Row, table=True):
    """What the analytics store has: one row."""

    id: int = Field(primary_key=True)
    name: str = ""
    """What tells this database's tables in the store from those of others; empty as long as nothing is sent there."""
    epoch: int = 0
    """How often it was begun anew: each time with a table of its own."""
    built_from: datetime = utc()
    """Calls that began at this time or later are in the store or on their way; of those before it it knows nothing."""
    newest: int = Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})
    """The number of the newest batch."""
    shipped: int = Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})
    """Batches up to this one the store has taken."""
    waiting: int = Field(sa_type=BigInteger, default=0, sa_column_kwargs={"server_default": "0"})
    """How many rows of later ones wait."""
    caught_up_at: datetime | None = utc(default=None)
    """When nothing waited for the last time."""
    why: str = ""
    """Why it was begun anew the last time; empty the first time."""

"""What keeps the books right without reading all of them: late openings, and what was proven."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from core.tables._columns import Row, json, money, utc


class Opening(Row, table=True):
    """An account that was opened late, while calls were out that its opening balance cannot know. Gone once all are."""

    account_id: str = Field(primary_key=True)
    tenant_id: str = ""
    as_of: datetime = utc()
    """When the balance was summed."""
    opened_at: datetime = utc()
    """Who began later was charged to the account as a matter of course."""
    out: list[str] = json()
    """The generations that were out then, or were given up for lost, by id."""
    counted: list[str] = json()
    """The generations that ended about then and are in the balance."""


class Stretch(Row, table=True):
    """A closed stretch of the ledger, in the order of its entries' ids, that was proven to add up."""

    series: str = Field(primary_key=True)
    begins_after: str = Field(primary_key=True)
    """The end of the stretch before: of two processes that close the same one, one does."""
    ends_with: str
    """Every id in it is above the one and at most the other."""
    at: datetime = utc()
    entries: int
    nano_usd: int = money()
    checksum: int = money()
    """Over account, amount and time of each entry."""


class ProvenBalance(Row, table=True):
    """What the entries of an account sum to over all stretches of a series."""

    series: str = Field(primary_key=True)
    account_id: str = Field(primary_key=True)
    nano_usd: int = money()

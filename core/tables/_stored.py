"""What vendors store for tenants, under accounts that all tenants share."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from core.tables._columns import Row, utc


class StoredObject(Row, table=True):
    """A response, item, container, file or the like that a vendor stores: whose it is, and where it can be had."""

    tenant_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    """Of its kind and the id that the vendor gave it, which itself is not kept."""
    kind: str
    door: str
    """The dialect in which it was made."""
    provider: str
    model: str
    """Whose answer it belongs to, as the provider was asked for it."""
    key_digest: str
    """Which of the provider's keys it was made with."""
    tokens: int
    """How many tokens whoever goes on from it is billed for it again; 0 where that is not known."""
    stored_at: datetime = utc()
    expires_at: datetime = utc(index=True)

"""What vendors store for tenants, under accounts that all tenants share; and what they tell of their models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field

from core.tables._columns import Row, json, long_text, utc


class ModelListing(Row, table=True):
    """How one provider was found to be when it was checked last, and what its own list of models told last."""

    provider: str = Field(primary_key=True)
    asked_at: datetime = utc()
    """When it was checked last, whatever came of it."""
    is_well: bool = True
    sentence: str = long_text(default="")
    """What the last check found."""
    told_at: datetime | None = utc(default=None, nullable=True)
    """When it last told a list; ``None``: it never did."""
    models: Any = json(default_factory=dict)
    """What it told of each model, as a card writes it, by the model's name."""
    gone: Any = json(default_factory=dict)
    """The day on which a model that had been listed was missing first, by its name."""


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

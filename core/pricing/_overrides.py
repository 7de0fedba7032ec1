"""Overrides of the price list: an operator's decisions, each effective from a time on, audited, never edited."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlmodel import col, select

from core.clock import Clock
from core.pricing._book import Override, OverrideKind, PriceBook
from core.pricing._money import nano_usd
from core.pricing._terms import Rates
from core.store import Store
from core.tables import PriceOverride


class Prices:
    """The overrides, and the books that follow from them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def book(self, tenant_id: str = "") -> PriceBook:
        """Return what every model costs a tenant, as it stands now; without one, what it costs all others."""
        query = select(PriceOverride).where(
            col(PriceOverride.withdrawn_at).is_(None), col(PriceOverride.tenant_id).in_({"", tenant_id})
        )
        with self._store.reading() as session:
            return PriceBook([_override(row) for row in session.exec(query)])


def _override(row: PriceOverride) -> Override:
    kind = OverrideKind(row.kind)
    return Override(
        id=row.id,
        tenant_id=row.tenant_id,
        provider=row.provider,
        model=row.model,
        from_at=row.from_at,
        kind=kind,
        base=_rates(row.model_dump()) if kind is OverrideKind.RATES else None,
        tiers=tuple((tier["from_input_tokens"], _rates(tier)) for tier in row.tiers or ()),
        discount_percent=None if row.discount_percent is None else Decimal(row.discount_percent),
        reason=row.reason,
        actor=row.actor,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
    )


def _rates(row: Mapping[str, Any]) -> Rates:
    """Return the four rates of a row or a tier; a cache rate that is missing is the input's."""
    fresh = nano_usd(row["input_usd_per_mtok"])
    cached, written = row.get("cached_usd_per_mtok"), row.get("cache_write_usd_per_mtok")
    return Rates(
        fresh=fresh,
        cached=fresh if cached is None else nano_usd(cached),
        written=fresh if written is None else nano_usd(written),
        output=nano_usd(row["output_usd_per_mtok"]),
    )

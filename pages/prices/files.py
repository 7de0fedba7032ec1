"""What the page of prices gives away: prices as they are frozen, overrides, and what was before a re-pricing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.api.exports import Export
from core.pricing import OverridingPrice, PricedModel, states
from core.principals import Principal
from core.reports import batches, csv, csv_pieces
from core.runtime import Runtime
from pages.prices import tables

IN_USE_DAYS = 30


@dataclass(frozen=True, slots=True)
class PriceList:
    """What holds for a tenant, or for all others, at a moment."""

    tenant_id: str
    at: datetime


def routed(runtime: Runtime, who: Principal) -> list[tuple[str, str]]:
    """Return the provider and the model of each candidate of a route."""
    return [(one.provider, one.model) for route in runtime.routes.list(who) for one in route.terms.candidates]


def models(runtime: Runtime, who: Principal, at: datetime, named: Sequence[tuple[str, str]]) -> Sequence[PricedModel]:
    """Return the models in use."""
    return runtime.prices.in_use(who, at - timedelta(days=IN_USE_DAYS), named)


def overrides(runtime: Runtime, who: Principal, tenant_id: str) -> list[OverridingPrice]:
    """Return what operators have said for a tenant, or with an empty id for anybody."""
    return [one for one in runtime.prices.overrides(who) if not tenant_id or one.tenant_id in ("", tenant_id)]


def _prices(runtime: Runtime, who: Principal, wanted: PriceList) -> Iterator[bytes]:
    book = runtime.prices.book(who, wanted.tenant_id)
    yield csv(tables.exact(models(runtime, who, wanted.at, routed(runtime, who)), book, wanted.at))


def _overrides(runtime: Runtime, who: Principal, wanted: PriceList) -> Iterator[bytes]:
    names = {one.id: one.name for one in runtime.tenants.list(who)}
    found = overrides(runtime, who, wanted.tenant_id)
    yield csv(tables.over(found, states(found, wanted.at), names))


def _old_figures(runtime: Runtime, who: Principal, repricing_id: str) -> Iterator[bytes]:
    figures = runtime.repricings.old_figures(who, repricing_id)
    return csv_pieces(tables.old(some) for some in batches(figures))


PRICES = Export("prices/list", PriceList, _prices)
OVERRIDES = Export("prices/overrides", PriceList, _overrides)
OLD_FIGURES = Export("prices/old-figures", str, _old_figures)
FILES = (PRICES, OVERRIDES, OLD_FIGURES)

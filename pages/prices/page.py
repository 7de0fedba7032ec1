"""Prices: what the models in use cost today and by whose word, calls without a price, and history re-priced."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.api.exports import Export
from core.pricing import OverridingPrice, PricedModel, states
from core.tenants import Permission, Tenant
from pages.kit import address, formats, layout, links, zones
from pages.kit.choices import tenant_choice
from pages.kit.exports import export
from pages.kit.frames import grid
from pages.kit.markup import plain
from pages.kit.page import Visit, open_page
from pages.prices import cards, dialogs, files, tables

COLUMNS = st.column_config
MOST_ROWS = 14


def _csv(what: Export[files.PriceList], tenant: Tenant | None, name: str, visit: Visit) -> None:
    wanted = files.PriceList(tenant.id if tenant else "", visit.now)
    export("CSV", what, wanted, name=f"{name}-{visit.now:%Y%m%d-%H%M}.csv", is_quiet=True)


def today_card(visit: Visit, tenant: Tenant | None, models: Sequence[PricedModel]) -> None:
    """Draw what the models in use cost."""
    book = visit.runtime.prices.book(visit.principal, tenant.id if tenant else "")
    frame = tables.listed(models, book, visit.now)
    with layout.card(
        "Prices today",
        key="today",
        stretch=False,
        help="Of models that a route names, that have a price of their own, or that were called in the last 30 days; "
        "of names that only callers know, those called most.",
    ):
        text = COLUMNS.TextColumn
        grid(
            frame,
            key="prices_today",
            most_rows=MOST_ROWS,
            alt="What each model costs today, in dollars per million tokens",
            columns={
                "model": text("Model", pinned=True, width=232),
                "input": text("Input", help="Dollars per million tokens, as all rates here.", width=62),
                "cached": text("Cached", help="Input read from the provider's cache.", width=70),
                "written": text("Cache write", help="Input written to the provider's cache.", width=82),
                "output": text("Output", width=60),
                "long": text("Long contexts", help="Input and output of calls with more input than that.", width=174),
                "source": text("Source", width=208),
                "date": text("As of", help="The day of the list, or since when the override holds.", width=82),
                "calls": COLUMNS.NumberColumn("Calls", help="In the last 30 days.", format="localized", width=56),
            },
        )
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            whose = tenant.name if tenant else "tenants without a price of their own"
            told = f"Dollars per million tokens, for {plain(whose)}, on {visit.now:%b %d} UTC."
            st.caption(f"{told} The price is frozen on each attempt.")
            _csv(files.PRICES, tenant, "prices", visit)


def overrides_card(visit: Visit, tenant: Tenant | None) -> None:
    """Draw what operators have said, those that hold or will first."""
    names = {one.id: one.name for one in visit.runtime.tenants.list(visit.principal)}
    found = files.overrides(visit.runtime, visit.principal, tenant.id if tenant else "")
    stand = states(found, visit.now)
    live = [one for one in found if stand[one.id] in ("active", "future")]
    over = [one for one in found if stand[one.id] not in ("active", "future")]
    with layout.card(
        "Overrides",
        key="overrides",
        stretch=False,
        help="A tenant's own goes before one for all, a model's own before *, a later one before an earlier one.",
    ):
        if not found:
            st.caption("Nobody has said that a model costs anything but its list price.")
            return
        for one in live:
            _override(visit, one, stand[one.id], tables.whom(one, names))
        if over:
            with st.expander(f"{formats.plural(len(over), 'override')} past or withdrawn", icon=":material/history:"):
                for one in over:
                    _override(visit, one, stand[one.id], tables.whom(one, names))
        with st.container(horizontal=True, horizontal_alignment="right"):
            _csv(files.OVERRIDES, tenant, "price-overrides", visit)


def _override(visit: Visit, one: OverridingPrice, state: str, whom: str) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"override_{one.id}")
    reason = f" · {plain(one.reason)}" if one.reason else ""
    ended = f" · withdrawn {zones.told(one.withdrawn_at)}" if one.withdrawn_at else ""
    told = f" :gray[{reason}{ended}]" if reason or ended else ""
    sentence = plain(one.sentence)
    of = plain(whom) if whom == tables.GONE else links.tenant(whom)
    row.markdown(
        f"{tables.STATES[state]} **{links.model(one.subject)}** {sentence}  \n"
        f":small[{of} :gray[· from {one.from_at:%Y-%m-%d %H:%M} UTC · set by] {links.actor(one.actor)}"
        f"{told}]",
        width="stretch",
    )
    may = state in ("active", "future") and visit.may_over(Permission.PRICES_WRITE, one.tenant_id)
    if may and row.button("Withdraw…", key=f"withdraw_{one.id}", type="tertiary", icon=":material/undo:"):
        dialogs.withdraw(visit, one, whom)


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Prices",
        "What models cost, by whose word, and what has no price yet.",
        needs=Permission.PRICES_READ,
        takes={"tenant": address.TENANT},
    )
    with visit.controls:
        tenant = tenant_choice(visit)
        if visit.may(Permission.PRICES_WRITE) and st.button("Set a price", icon=":material/sell:", key="set_price"):
            dialogs.set_price(visit)
    prices = visit.runtime.prices
    routed = files.routed(visit.runtime, visit.principal)
    unpriced = prices.unpriced(visit.principal, routed)
    models = files.models(visit.runtime, visit.principal, visit.now, routed)
    cards.unpriced_card(visit, unpriced)
    today_card(visit, tenant, models)
    overrides_card(visit, tenant)
    called = [*unpriced, *(one for one in models if one.calls)]
    cards.history_card(visit, tenant, [(one.provider, one.model) for one in called if one.provider])


main()

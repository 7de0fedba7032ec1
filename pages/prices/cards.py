"""What there is to do about prices: calls without one, and history that should be re-priced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import streamlit as st

from core.pricing import ANY_MODEL, UNPRICED_DAYS, PriceBook, UnpricedModel
from core.repricing import RepricingScope
from core.tenants import Permission, Tenant
from pages.kit import formats, layout, links, zones
from pages.kit.exports import export
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.prices import dialogs, files

MOST_NAMED = 3


def unpriced_card(visit: Visit, found: Sequence[UnpricedModel]) -> None:
    """Draw the work that is to be done; nothing where there is none."""
    if not found:
        return
    with layout.card("Unpriced calls", key="unpriced", stretch=False, help="Paid for, and no budget counts them."):
        calls = sum(one.calls for one in found)
        st.caption(
            f"{formats.plural(calls, 'attempt')} of the last {UNPRICED_DAYS} days cost something, "
            "and nobody has said how much. Set a price from before the first of them, then reprice them."
        )
        everyone = {name for one in found for name in one.tenants}
        tenants = [tenant for tenant in visit.runtime.tenants.list(visit.principal) if tenant.name in everyone]
        costs = visit.runtime.prices.books(visit.principal, [tenant.id for tenant in tenants])
        books = {tenant.name: costs[tenant.id] for tenant in tenants}
        for one in found:
            _unpriced(visit, one, [books[name] for name in one.tenants if name in books])


def _unpriced(visit: Visit, one: UnpricedModel, books: Sequence[PriceBook]) -> None:
    key, model = f"{one.provider}_{one.model}" if one.provider else "others", (one.provider, one.model)
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"unpriced_{key}")
    more = len(one.tenants) - MOST_NAMED
    who = ", ".join(map(links.tenant, one.tenants[:MOST_NAMED])) + (f" :gray[and {more} more]" if more > 0 else "")
    subject = links.model(one.subject) if one.provider else plain(one.subject)
    row.markdown(
        f"**{subject}**  \n:small[:gray[{formats.plural(one.calls, 'attempt')} · "
        f"{formats.short(one.input_tokens)} tokens in, {formats.short(one.output_tokens)} out · "
        f"{formats.moment(one.first_at, zones.shown())} to {zones.told(one.last_at)} ·] {who}]",
        width="stretch",
    )
    if not one.provider:
        row.markdown(
            ":small[:gray[No route names them. A price for every model of a provider, as `compatible/*`, holds for "
            "them too.]]",
            width=320,
        )
        return
    if not visit.may(Permission.PRICES_WRITE):
        return
    priced = [book.terms(*model, one.first_at) is not None for book in books]
    if not (priced and all(priced)) and row.button("Set a price…", key=f"price_{key}", icon=":material/sell:"):
        dialogs.set_price(visit, model, datetime.combine(one.first_at.date(), time(), UTC))
    if any(priced) and row.button("Reprice them…", key=f"anew_{key}", icon=":material/history:"):
        dialogs.reprice(visit, _scope(model, one.first_at, one.last_at + timedelta(seconds=1), None))


def history_card(visit: Visit, tenant: Tenant | None, models: Sequence[tuple[str, str]]) -> None:
    """Draw the choice of what to re-price, and what was; *models* are those to choose from."""
    with layout.card(
        "Repricing",
        key="history",
        stretch=False,
        help="Puts the present prices of that time in the place of those recorded. The old figures are kept.",
    ):
        if visit.may(Permission.PRICES_WRITE):
            _choice(visit, tenant, models)
        done = list(visit.runtime.repricings.list(visit.principal))
        if not done:
            st.caption("History was never repriced: every call costs what it cost on its day.")
        for one in done:
            row = st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"repricing_{one.id}")
            before, after = (formats.dollars(nano) for nano in (one.before_nano_usd, one.after_nano_usd))
            became = f"{formats.plural(one.attempts, 'attempt')}: {before} became {after}".replace("$", "\\$")
            row.markdown(
                f"**{links.model(f'{one.provider}/{one.model}')}** {became}  \n"
                f":small[:gray[calls from {one.starts_at:%Y-%m-%d} to {one.ends_at:%Y-%m-%d} UTC · "
                f"{zones.told(one.at)} by] {links.actor(one.actor)} :gray[· {plain(one.reason)}]]",
                width="stretch",
            )
            with row:
                export(
                    "Old figures",
                    files.OLD_FIGURES,
                    one.id,
                    name=f"repricing-{one.id}.csv",
                    is_quiet=True,
                )


def _choice(visit: Visit, tenant: Tenant | None, models: Sequence[tuple[str, str]]) -> None:
    every = list(dict.fromkeys(models))
    every += [(provider, ANY_MODEL) for provider in dict.fromkeys(provider for provider, _ in every)]
    if not every:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        model = st.selectbox("Model", every, format_func="/".join, key="anew_model", width=240)
        first = st.date_input("From, UTC", visit.now.date().replace(day=1), key="anew_from", width=130)
        last = st.date_input("To, that day included", visit.now.date(), key="anew_to", width=150)
        if st.button("Preview…", key="anew", icon=":material/history:") and first and last and model:
            starts_at = datetime.combine(first, time(), UTC)
            ends_at = datetime.combine(last, time(), UTC) + timedelta(days=1)
            dialogs.reprice(visit, _scope(model, starts_at, ends_at, tenant))


def _scope(model: tuple[str, str], starts_at: datetime, ends_at: datetime, tenant: Tenant | None) -> RepricingScope:
    return RepricingScope(
        provider=model[0],
        model=model[1],
        starts_at=starts_at,
        ends_at=ends_at,
        tenant_id=tenant.id if tenant else "",
    )

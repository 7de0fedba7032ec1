"""Tenants: what each may spend and has spent, and the keys that programs call with."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import streamlit as st

from core.tenants import Permission, Tenant
from pages.kit import address, formats, layout, links, zones
from pages.kit.buttons import button
from pages.kit.choices import tenant_choice, without_tenants
from pages.kit.frames import editor
from pages.kit.markup import plain
from pages.kit.page import Visit, open_page
from pages.tenants import (
    budget_dialogs,
    budget_review,
    budgets,
    deployment_keys,
    key_dialogs,
    keys,
    leaked_key,
    limits,
    named,
    overview,
    settings,
)
from pages.tenants.budget_table import MOST_USD, STATUSES, checked, listed

COLUMNS = st.column_config
TAKES = {"tenant": address.ONE_TENANT}


def budget_card(visit: Visit, tenants: Sequence[Tenant]) -> None:
    """Draw the list, its budgets editable, with a way to review and save."""
    states = visit.runtime.budgets.states(visit.principal, tenants)
    base, may = listed(tenants, states, zones.told), visit.may(Permission.BUDGETS_WRITE)
    turn = st.session_state.get("budgets_round", 0)
    # Edits are kept by place in the table: another set of tenants must be another table, or they would move.
    members = zlib.crc32("".join(tenant.id for tenant in tenants).encode())
    with layout.card(
        "Budgets",
        key="budgets",
        stretch=False,
        help="For everything that a tenant does. Budgets for one model, schema or route stand below.",
    ):
        edited = editor(
            base,
            key=f"budgets_{turn}_{members}",
            alt="Budget and spending of each tenant",
            placeholder="none",
            fixed=[name for name in base.columns if name != "budget" or not may],
            leads={"tenant": links.of_tenant},
            columns={
                "tenant": COLUMNS.TextColumn("Tenant", pinned=True),
                "budget": COLUMNS.NumberColumn("Budget", format="dollar", min_value=0, max_value=MOST_USD, step=0.01),
                "status": COLUMNS.MultiselectColumn("Status", options=list(STATUSES), color=list(STATUSES.values())),
                "used": COLUMNS.ProgressColumn("Used", format="%.1f%%", min_value=0, max_value=100),
                "per": COLUMNS.TextColumn("Per", help="As the calendar of the tenant's time zone has it."),
                "mode": COLUMNS.TextColumn("Mode", help="What happens at the limit."),
                "spent": COLUMNS.TextColumn(
                    "Spent", alignment="right", help="Charged in the current period, from the ledger."
                ),
                "held": COLUMNS.TextColumn(
                    "Reserved", alignment="right", help="Held for calls in flight, at most what they can cost."
                ),
                "resets": COLUMNS.TextColumn("Resets", help="As the calendar of the tenant's time zone has it."),
            },
        )
        if not may:
            return
        changes, wrong = checked(base, edited)
        others = {tenant.name for tenant in tenants if not visit.may(Permission.BUDGETS_WRITE, tenant.id)}
        wrong += [f"{name}: you may look at this budget, not set it." for name in changes if name in others]
        for sentence in wrong:
            st.error(plain(sentence), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = f"Review {formats.plural(len(changes), 'change')}" if changes else "Review changes"
            said = "Edit a budget in the table; nothing is saved before you confirm it. A new one is monthly."
            missing = "Mend what stands above first." if wrong else "" if changes else said
            if button(label, missing=missing, is_told=bool(wrong), type="primary", key="review"):
                budget_review.review(visit, changes, {tenant.name: tenant for tenant in tenants}, states)
            missing = "" if changes or wrong else said
            if button("Discard", missing=missing, is_told=False, key="discard"):
                st.session_state["budgets_round"] = turn + 1
                st.rerun()
            st.caption(said)


def tenant_card(visit: Visit) -> None:
    """Draw one tenant: settings, keys and budgets."""
    with layout.card("Keys and settings", key="one_tenant", stretch=False):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            tenant = tenant_choice(visit, everyone=None)
            if tenant is None:  # the last one was removed a moment ago
                return
            if visit.may(Permission.KEYS_WRITE, tenant.id) and st.button("New key…", icon=":material/key:", key="new"):
                key_dialogs.create(visit, tenant)
            if visit.may(Permission.TENANTS_WRITE, tenant.id) and st.button(
                "Settings", icon=":material/tune:", key="settings"
            ):
                settings.edit(visit, tenant)
            if visit.may(Permission.KEYS_READ) and st.button(
                "Find a leaked key…", icon=":material/policy:", key="find_key"
            ):
                leaked_key.find(visit)
            st.page_link(
                "calls/page.py",
                label="Its calls",
                icon=":material/receipt_long:",
                query_params={"tenant": tenant.name},
            )
        overview.draw(visit, tenant)
        used = limits.sentences(visit, tenant)
        st.caption(f":material/speed: {used[tenant.id]}")
        states = visit.runtime.budgets.all(visit.principal, [tenant]).get(tenant.id, [])
        if visit.may(Permission.KEYS_READ, tenant.id):
            keys.draw(visit, tenant, used, states)
    budgets.card(visit, tenant, states)


def advise() -> None:
    """Say what a tenant is, where there is none."""
    layout.empty(
        "No tenants yet",
        "A tenant is whoever your traffic belongs to. Create one, give it a budget, and hand out a key.",
        icon=":material/apartment:",
    )


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Tenants", "Who calls, what each may spend, and with which keys.", needs=Permission.TENANTS_READ, takes=TAKES
    )
    for dialog in (budget_dialogs, budget_review, leaked_key, named):
        dialog.forget()
    tenants = list(visit.runtime.tenants.list(visit.principal))
    with visit.controls:
        if visit.may_over(Permission.TENANTS_WRITE) and st.button(
            "New tenant", icon=":material/add:", type="primary" if not tenants else "secondary", key="new_tenant"
        ):
            settings.create(visit)
    if not tenants:
        without_tenants(visit, advise)
    else:
        budget_card(visit, tenants)
        tenant_card(visit)
    deployment_keys.card(visit)


main()

"""Tenants: what each may spend and has spent, and the keys that programs call with."""

from __future__ import annotations

import zlib
from typing import Any

import streamlit as st

from core.tenants import Permission
from pages import _budget_dialogs, _budgets, _formats, _limits, _parts, _tenant_dialogs
from pages._budget_table import MOST_USD, STATUSES, checked, listed

COLUMNS = st.column_config


def budget_card(visit: _parts.Visit, tenants: list[Any]) -> None:
    """Draw the list, its budgets editable, with a way to review and save."""
    states = visit.runtime.budgets.states(tenants)
    base = listed(tenants, states)
    turn = st.session_state.get("budgets_round", 0)
    # Edits are kept by place in the table: another set of tenants must be another table, or they would move.
    members = zlib.crc32("".join(tenant.id for tenant in tenants).encode())
    with _parts.card(
        "Budgets",
        key="budgets",
        stretch=False,
        help="For everything that a tenant does. Budgets for one model, schema or route stand below.",
    ):
        edited = st.data_editor(
            base,
            key=f"budgets_{turn}_{members}",
            hide_index=True,
            alt="Budget and spending of each tenant",
            placeholder="none",
            disabled=[name for name in base.columns if name != "budget" or not visit.may(Permission.BUDGETS_WRITE)],
            column_config={
                "tenant": COLUMNS.TextColumn("Tenant", pinned=True),
                "budget": COLUMNS.NumberColumn("Budget", format="dollar", min_value=0, max_value=MOST_USD, step=0.01),
                "status": COLUMNS.MultiselectColumn("Status", options=list(STATUSES), color=list(STATUSES.values())),
                "used": COLUMNS.ProgressColumn("Used", format="%.1f%%", min_value=0, max_value=100),
                "per": COLUMNS.TextColumn("Per", help="As the calendar of the tenant's time zone has it."),
                "mode": COLUMNS.TextColumn("Mode", help="What happens at the limit."),
                "spent": COLUMNS.TextColumn(
                    "Spent", alignment="right", help="Charged in the current period, from the ledger."
                ),
                "held": COLUMNS.TextColumn("Held", alignment="right", help="Reserved for calls that are out."),
                "resets": COLUMNS.TextColumn("Resets", help="In the tenant's own time zone."),
                "zone": COLUMNS.TextColumn("Time zone"),
            },
        )
        changes, wrong = checked(base, edited)
        for sentence in wrong:
            st.error(_parts.plain(sentence), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = f"Review {_formats.plural(len(changes), 'change')}" if changes else "Review changes"
            if st.button(label, type="primary", key="review", disabled=not changes or bool(wrong)):
                _tenant_dialogs.budgets(visit, changes, {tenant.name: tenant for tenant in tenants}, states)
            if st.button("Discard", key="discard", disabled=not changes and not wrong):
                st.session_state["budgets_round"] = turn + 1
                st.rerun()
            st.caption("Edit a budget in the table; nothing is saved before you confirm it. A new one is monthly.")


def tenant_card(visit: _parts.Visit) -> None:
    """Draw one tenant: settings, keys and budgets."""
    with _parts.card("Keys and settings", key="one_tenant", stretch=False):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            tenant = _parts.tenant_choice(visit, everyone=None)
            if st.button("New key", icon=":material/key:", key="new", disabled=not visit.may(Permission.KEYS_WRITE)):
                _tenant_dialogs.create_key(visit, tenant)
            if st.button("Settings", icon=":material/tune:", key="settings"):
                _tenant_dialogs.edit(visit, tenant)
            st.page_link(
                "calls.py",
                label="Its calls",
                icon=":material/receipt_long:",
                query_params={"tenant": tenant.name},
            )
        keys = visit.runtime.tenants.keys(tenant)
        live = [key for key in keys if key.is_live]
        used, used_by_key = _limits.sentences(visit, tenant, live)
        st.caption(f":material/speed: {used}")
        if not live:
            st.info(
                f"No program can call as {_parts.plain(tenant.name)}: it has no live key.", icon=":material/key_off:"
            )
        for key in live:
            row = st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"key_{key.id}")
            row.markdown(f"`{key.prefix}…` {_parts.plain(key.name) or ':gray[unnamed]'}", width="stretch")
            if key.id in used_by_key:
                row.caption(f":material/speed: {used_by_key[key.id]}", width="content")
            row.caption(f"made {_formats.ago(key.created_at, visit.now)}", width="content")
            if row.button("Limits", key=f"limits_{key.id}", type="tertiary", icon=":material/speed:"):
                _tenant_dialogs.limit_key(visit, tenant, key)
            if row.button("Revoke", key=f"revoke_{key.id}", type="tertiary", icon=":material/key_off:"):
                _tenant_dialogs.revoke_key(visit, tenant, key)
        if revoked := [key for key in keys if not key.is_live]:
            gone = ", ".join(f"`{key.prefix}…` {_formats.moment(key.revoked_at)} UTC" for key in revoked)
            st.markdown(f":small[Revoked: {gone}]")
    _budgets.card(visit, tenant)


def advise() -> None:
    """Say what a tenant is, where there is none."""
    _parts.empty(
        "No tenants yet",
        "A tenant is whoever your traffic belongs to. Create one, give it a budget, and hand out a key.",
        icon=":material/apartment:",
    )


def main() -> None:
    """Draw the page."""
    visit = _parts.page(
        "Tenants", "Who calls, what each may spend, and with which keys.", needs=Permission.TENANTS_READ
    )
    _budget_dialogs.forget_history()
    tenants = list(visit.runtime.tenants.list())
    with visit.controls:
        if st.button(
            "New tenant", icon=":material/add:", type="primary" if not tenants else "secondary", key="new_tenant"
        ):
            _tenant_dialogs.create(visit)
    if not tenants:
        _parts.without_tenants(visit, advise)
        return
    budget_card(visit, tenants)
    tenant_card(visit)


main()

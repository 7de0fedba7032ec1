"""The card of one tenant's budgets: each with what is spent and held, its raises, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import streamlit as st

from core.budgets import Raise
from core.tenants import Permission, Tenant
from pages.kit import formats, layout, zones
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.tenants import budget_dialogs
from pages.tenants.budget_table import STATUSES, status

if TYPE_CHECKING:
    from core.budgets import BudgetState

PERIODS = {"day": "per day", "week": "per week", "month": "per month", "span": "once"}
MODES = {
    "hard": ("Hard", "Nothing goes out that could pass the limit."),
    "soft": ("Soft", "Alerts only; traffic goes on."),
    "degrade": ("Degrade", "From the first threshold on, cheaper models are asked and fewer times."),
}
_SPENT_OUT = 1.0


def card(visit: Visit, tenant: Tenant, states: Sequence[BudgetState]) -> None:
    """Draw every budget of *tenant*, as they stand."""
    may = visit.may(Permission.BUDGETS_WRITE, tenant.id)
    with layout.card(
        f"Budgets of {plain(tenant.name)}",
        key="own_budgets",
        stretch=False,
        help="A call needs room in every budget that covers it. Figures come from the ledger.",
    ):
        for state in states:
            _budget(visit, tenant, state, may=may)
        if not states:
            rule = tenant.without_budget or visit.runtime.settings.without_budget
            follows = "its calls are refused" if rule == "refuse" else "its spending has no limit"
            st.info(f"{plain(tenant.name)} has no budget: {follows}.", icon=":material/money_off:")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if may and st.button("New budget", icon=":material/add:", key="new_own_budget"):
                budget_dialogs.create(visit, tenant, states)
            st.page_link(
                "spend/page.py",
                label="What it bought, and the forecast",
                icon=":material/payments:",
                query_params={"tenant": tenant.name},
            )
            _verified(visit)


def _budget(visit: Visit, tenant: Tenant, state: BudgetState, *, may: bool) -> None:
    terms = state.terms
    title = "Everything" if not terms.scope_name else f"{terms.scope.value.capitalize()} {terms.covered}"
    word = status(state)
    mode, meaning = MODES[terms.mode.value]
    with st.container(key=f"budget_{terms.budget_id}", border=True, gap="small"):
        head = st.container(horizontal=True, vertical_alignment="center", gap="small")
        head.markdown(f"**{plain(title)}** :small[{PERIODS[terms.period.value]}]", width="stretch")
        head.badge(word, color=STATUSES[word])
        head.badge(mode, color="gray", help=meaning)
        spent, limit = formats.dollars(state.spent_nano_usd), formats.dollars(state.limit_nano_usd)
        share = state.used_share
        st.progress(
            min(_SPENT_OUT, share if share is not None else _SPENT_OUT),
            text=plain(f"{spent} of {limit} spent ({formats.percent(share)})"),
        )
        st.caption(plain(_facts(state, terms.timezone)))
        for more in terms.raises:
            _raise(visit, tenant, more, may=may)
        if not may:
            return
        deeds = st.container(horizontal=True, gap="small")
        if deeds.button("Edit", icon=":material/edit:", key=f"edit_{terms.budget_id}"):
            budget_dialogs.edit(visit, tenant, state)
        if deeds.button("Raise for a while", icon=":material/trending_up:", key=f"raise_{terms.budget_id}"):
            budget_dialogs.raise_limit(visit, tenant, state)
        if deeds.button("Remove", icon=":material/delete:", key=f"remove_{terms.budget_id}", type="tertiary"):
            budget_dialogs.remove(visit, tenant, state)


def _facts(state: BudgetState, zone: str) -> str:
    ends = zones.told(state.ends_at, zone)
    when = f"ends {ends}" if state.terms.starts_at else f"resets {ends}"
    if not state.is_current:
        when = f"governs from {zones.told(state.starts_at, zone)} to {ends} only, and not now"
    told = ", ".join(f"{percent} %" for percent in state.terms.thresholds)
    over = state.spent_nano_usd - state.limit_nano_usd
    overage = f"{formats.dollars(over)} overage · " if over > 0 else ""
    reserved = f"{formats.dollars(state.held_nano_usd)} reserved for calls in flight"
    return f"{overage}{reserved} · {when} · alerts at {told}"


def _raise(visit: Visit, tenant: Tenant, more: Raise, *, may: bool) -> None:
    is_over = more.ends_at <= visit.now
    if is_over and visit.now - more.ends_at > timedelta(days=7):
        return
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"more_{more.id}")
    state = "ended" if is_over else "until" if more.starts_at <= visit.now else "planned until"
    row.markdown(
        f":material/trending_up: {plain(formats.dollars(more.extra_nano_usd))} more, {state} "
        f"{plain(zones.told(more.ends_at, tenant.timezone))}: {plain(more.reason)} "
        f":small[({plain(more.actor)})]",
        width="stretch",
    )
    if may and not is_over and row.button("End now", key=f"withdraw_{more.id}", type="tertiary"):
        budget_dialogs.withdraw(visit, tenant, more)


def _verified(visit: Visit) -> None:
    """Say when the books were last proved, and what came of it."""
    last = visit.runtime.budgets.last_verification(visit.principal)
    if last is None:
        st.caption(":material/rule: The books have not been verified yet; that happens once an hour.")
    elif last.ok:
        st.caption(f":material/verified: Books verified {formats.ago(last.at, visit.now)}: no difference.")
    else:
        amount = plain(formats.dollars(last.difference_nano_usd))
        st.error(
            f"Verified {formats.ago(last.at, visit.now)}: attempts, ledger and accounts differ by {amount}. "
            "Keep the database as it is and report it.",
            icon=":material/error:",
        )

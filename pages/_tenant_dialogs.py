"""What the page Tenants asks before it changes anything: each dialog names the consequence, and the core decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import pandas as pd
import streamlit as st

from core.pricing import nano_usd
from pages import _budget_dialogs, _formats, _limits, _parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.budgets import BudgetState
    from core.tenants import Key
    from pages._parts import Visit


DEFAULTS = {
    "rate_limit_per_min": "as the deployment: RATE_LIMIT_PER_MIN",
    "tokens_per_min": "as the deployment: TOKENS_PER_MIN",
    "concurrent_limit": "as the deployment: CONCURRENT_PER_TENANT",
}
"""What a limit of a tenant is while it has none of its own."""


RULES = {None: "As the deployment", "allow": "Let through", "refuse": "Refuse"}


@st.cache_data
def _zones() -> list[str]:
    return sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")


@st.dialog("New tenant", icon=":material/apartment:")
def create(visit: Visit) -> None:
    """Ask for a new tenant."""
    name = st.text_input("Name", key="new_name", placeholder="Acme", max_chars=64)
    zones = _zones()
    timezone = st.selectbox(
        "Time zone", zones, index=zones.index("UTC"), key="new_zone", help="Its days and budget months follow it."
    )
    limit = st.number_input(
        "Generations per minute",
        min_value=1,
        value=None,
        key="new_limit",
        placeholder="as the deployment: RATE_LIMIT_PER_MIN",
    )
    budget = st.number_input(
        "Monthly budget, USD", 0.0, value=None, step=1.0, format="%.2f", key="new_budget", placeholder="no limit"
    )
    st.caption("It can call as soon as it has a key. Without a budget its spending has no limit.")
    if st.button("Create tenant", type="primary", key="confirm_tenant"):
        with _parts.refusals("The tenant was not created."):
            tenant = visit.runtime.tenants.create(visit.principal, name, timezone, limit)
            if budget is not None:
                visit.runtime.budgets.set(visit.principal, tenant, nano_usd(str(budget)), expected_version=0)
            _parts.flash(f"Tenant {tenant.name} is there. It can call as soon as it has a key.")
            st.query_params["tenant"] = tenant.name
            st.rerun()


@st.dialog("Change settings", icon=":material/tune:")
def edit(visit: Visit, tenant: Any) -> None:
    """Ask for a tenant's new settings; the version read before guards against a change meanwhile."""
    name = st.text_input("Name", tenant.name, key=f"name_{tenant.id}", max_chars=64)
    limits = _limits.ask(tenant, DEFAULTS)
    days = st.number_input(
        "Days to keep prompts and answers",
        min_value=0,
        value=tenant.payload_retention_days,
        key=f"days_{tenant.id}",
        help="0 keeps none. What is kept already stays until its own day.",
    )
    rules = {
        field: st.selectbox(
            label,
            list(RULES),
            list(RULES).index(getattr(tenant, field)),
            format_func=RULES.__getitem__,
            key=f"{field}_{tenant.id}",
        )
        for field, label in (
            ("without_budget", "Calls that no budget pays for"),
            ("without_price", "Models without a price"),
        )
    }
    if st.button("Save settings", type="primary", key="confirm_settings"):
        with _parts.refusals("The settings were not saved."):
            changes = {"name": name, "payload_retention_days": days} | limits | rules
            visit.runtime.tenants.edit(visit.principal, tenant.id, tenant.version, **changes)
            _parts.flash(f"The settings of {name} are saved.")
            st.rerun()


@st.dialog("Limits of a key", icon=":material/speed:")
def limit_key(visit: Visit, tenant: Any, key: Key) -> None:
    """Ask for a key's share of its tenant's limits."""
    called = f" ({_parts.plain(key.name)})" if key.name else ""
    st.markdown(f"What the key `{key.prefix}…`{called} may take of the limits of **{_parts.plain(tenant.name)}**.")
    limits = _limits.ask(key, dict.fromkeys(_limits.FIELDS, "as the tenant"))
    if st.button("Save limits", type="primary", key="confirm_key_limits"):
        with _parts.refusals("The limits were not saved."):
            visit.runtime.tenants.limit_key(visit.principal, key.id, **limits)
            _parts.flash(f"The limits of key {key.prefix}… are saved.")
            st.rerun()


@st.dialog("Save budgets?", icon=":material/payments:", width="medium")
def budgets(visit: Visit, changes: Mapping[str, float], tenants: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Show each budget as it is and as it would be, with what follows; save those that nobody changed meanwhile."""
    rows = {
        name: _difference(visit, tenants[name], limit, states.get(tenants[name].id)) for name, limit in changes.items()
    }
    st.table(pd.DataFrame.from_dict(rows, orient="index", columns=["Now", "New", "What follows"]), border="horizontal")
    st.caption("A budget holds from the next generation on. What was spent stays spent.")
    if not st.button("Save", type="primary", key="confirm_budgets"):
        return
    saved: list[str] = []
    for name, limit in changes.items():
        state = states.get(tenants[name].id)
        with _parts.refusals(f"The budget of {name} was not saved."):
            visit.runtime.budgets.set(
                visit.principal, tenants[name], nano_usd(str(limit)), expected_version=state.version if state else 0
            )
            saved.append(name)
    if len(saved) == len(changes):
        _parts.flash(f"Saved {_formats.plural(len(saved), 'budget')}: {', '.join(saved)}.")
        st.session_state["budgets_round"] = st.session_state.get("budgets_round", 0) + 1
        st.rerun()


def _difference(visit: Visit, tenant: Any, limit: float, state: BudgetState | None) -> Sequence[str]:
    new = nano_usd(str(limit))
    if state is None:
        past = _past(visit, tenant, new, "month")
        return ("no limit", _formats.dollars(new), f"From now on its spending has a limit. {past}".replace("$", "\\$"))
    raised = state.limit_nano_usd - state.terms.limit_nano_usd
    left = new + raised - state.spent_nano_usd
    if left <= 0 and state.terms.mode != "soft":
        spent = _formats.dollars(state.spent_nano_usd)
        follows = f":red-badge[:material/money_off: Stops] {spent} is spent already: every generation will be refused."
    else:
        follows = f"{_formats.dollars(max(0, left))} is left in this period."
    follows += " " + _past(visit, tenant, new, state.terms.period.value)
    return (_formats.dollars(state.terms.limit_nano_usd), _formats.dollars(new), follows.replace("$", "\\$"))


def _past(visit: Visit, tenant: Any, limit_nano_usd: int, period: str) -> str:
    """Say what a limit would have done in the last 30 days."""
    if period == "span":
        return ""
    found = _budget_dialogs.history(visit, tenant).against(limit_nano_usd, period)
    if not found.blocked:
        return f"It would have blocked none of the {found.calls:,} calls of the last 30 days."
    return (
        f"It would have blocked {found.blocked:,} of the {found.calls:,} calls of the last 30 days, "
        f"{_formats.dollars(found.kept_nano_usd)} of spend."
    )


@st.dialog("New key", icon=":material/key:", width="medium", on_dismiss="rerun")
def create_key(visit: Visit, tenant: Any) -> None:
    """Make a key and show it once: it lives in this one drawing of the dialog and nowhere else."""
    form = st.empty()
    with form.container():
        st.markdown(f"A program that sends this key calls as **{_parts.plain(tenant.name)}**, at its cost.")
        name = st.text_input("What is it for?", key="new_key", placeholder="nightly import", max_chars=64)
        if not st.button("Create key", type="primary", key="confirm_key"):
            return
    with _parts.refusals("The key was not created."):
        new = visit.runtime.tenants.create_key(visit.principal, tenant, name)
        with form.container():
            st.success("Copy the key now. It is not stored, and cannot be shown again.", icon=":material/key:")
            st.code(new.secret, language=None, wrap_lines=True)
            st.markdown(":small[Send it as `Authorization: Bearer …`. Close this when it is where it belongs.]")


@st.dialog("Revoke this key?", icon=":material/key_off:")
def revoke_key(visit: Visit, tenant: Any, key: Key) -> None:
    """Ask once, and say what follows."""
    called = f" ({_parts.plain(key.name)})" if key.name else ""
    st.markdown(
        f"Every program that calls as **{_parts.plain(tenant.name)}** with the key `{key.prefix}…`{called} is refused "
        "from its next request on. This cannot be undone; a new key can be made."
    )
    if st.button("Revoke key", type="primary", key="confirm_revoke"):
        with _parts.refusals("The key was not revoked."):
            visit.runtime.tenants.revoke_key(visit.principal, key.id)
            _parts.flash(f"Key {key.prefix}… is revoked.")
            st.rerun()

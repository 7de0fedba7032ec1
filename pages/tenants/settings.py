"""The dialogs that make a tenant and change its settings: each names the consequence, and the core decides."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.clock import timezones
from core.payload_terms import LEAST_CALL_DAYS, LONGEST_DAYS
from core.pricing import nano_usd
from core.routes import DEFAULT
from core.tenants import EDITABLE, RULES, Tenant
from pages.kit import address, crossings
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason
from pages.tenants import limits

DEFAULTS = {
    "rate_limit_per_min": "as the deployment: RATE_LIMIT_PER_MIN",
    "tokens_per_min": "as the deployment: TOKENS_PER_MIN",
    "concurrent_limit": "as the deployment: CONCURRENT_PER_TENANT",
}
"""What a limit of a tenant is while it has none of its own."""


_WORDS = {
    None: "As the deployment",
    "allow": "Let through",
    "refuse": "Refuse",
    "caller": "As the caller says",
    "off": "Stored nowhere",
    "refused": "Refuse",
}
_RULES = {
    "without_budget": (
        "Calls that no budget pays for",
        "Whether a call goes out that none of the tenant's budgets covers.",
    ),
    "without_price": (
        "Models without a price",
        "Without one it cannot be counted, so a hard budget does not pay for it unless this lets it through.",
    ),
    "vendor_storage": (
        "Answers that a vendor would store",
        "OpenAI, Azure and xAI do for 30 days unless `store` is false: it is sent so, or whoever omits it is refused.",
    ),
}


@st.cache_data
def _zones() -> list[str]:
    return sorted(zone for zone in timezones() if "/" in zone or zone == "UTC")


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
        with refusals("The tenant was not created."):
            tenant = visit.runtime.tenants.create(visit.principal, name, timezone, limit)
            if budget is not None:
                visit.runtime.budgets.set(visit.principal, tenant, nano_usd(str(budget)), expected_version=0)
            flash(f"Tenant {tenant.name} is there. It can call as soon as it has a key.")
            address.choose("tenant", tenant.name)
            st.rerun()


@st.dialog("Change settings", icon=":material/tune:")
def edit(visit: Visit, tenant: Tenant) -> None:
    """Ask for a tenant's new settings; the version read before guards against a change meanwhile."""
    name = st.text_input("Name", tenant.name, key=f"name_{tenant.id}", max_chars=64)
    wanted = limits.ask(tenant, DEFAULTS)
    days = st.number_input(
        "Days to keep prompts and answers",
        min_value=0,
        value=tenant.payload_retention_days,
        key=f"days_{tenant.id}",
        help="0 keeps none. Fewer days hold for what is kept already, more do not.",
    )
    percent = st.number_input(
        "Valid calls of which they are kept, %",
        0,
        100,
        tenant.payload_percent,
        key=f"percent_{tenant.id}",
        help="Drawn by the call's id. Of a call without a valid answer they are always kept; with 0, of such alone.",
    )
    call_days = tenant.call_days
    if not tenant.is_demo:  # the demo world goes as a whole
        call_days = st.number_input(
            "Days to keep calls",
            min_value=LEAST_CALL_DAYS,
            max_value=LONGEST_DAYS,
            value=tenant.call_days,
            key=f"call_days_{tenant.id}",
            placeholder="for ever",
            help="Older calls are deleted, with all that is recorded of each; every figure stays. Fewer days hold for "
            "what is kept already, more bring nothing back.",
        )
    missing = _confirmed(visit, tenant, call_days)
    kept = {"payload_retention_days": days, "payload_percent": percent, "call_days": call_days}
    routes = [
        None,
        *(one.terms.name for one in visit.runtime.routes.list(visit.principal) if one.terms.name != DEFAULT),
    ]
    route = st.selectbox(
        "Route instead of default",
        routes,
        routes.index(tenant.route) if tenant.route in routes else 0,
        format_func=lambda name: name or "none: the default route",
        key=f"route_{tenant.id}",
        help="Its primary and fallback models change alone: a request that names no route and whose schema takes none "
        "goes this way.",
    )
    rules = {
        field: st.selectbox(
            label,
            (words := [None, *RULES[field][1]]),
            words.index(getattr(tenant, field)),
            format_func=_WORDS.__getitem__,
            key=f"{field}_{tenant.id}",
            help=hint,
        )
        for field, (label, hint) in _RULES.items()
    }
    why = reason(f"settings_reason_{tenant.id}")
    seen = {field: getattr(tenant, field) for field in EDITABLE}

    def save(expected: int, whole: dict[str, Any]) -> None:
        changes = {field: value for field, value in whole.items() if field != "timezone"}
        visit.runtime.tenants.edit(visit.principal, tenant.id, expected, reason=why, **changes)

    edited = crossings.Edit(
        key=f"tenant_{tenant.id}",
        seen=seen,
        wanted=seen | {"name": name, "route": route} | kept | wanted | rules,
        expected=tenant.version,
        save=save,
    )
    title = "The settings were not saved."
    if crossings.save(edited, "Save settings", title=title, key="confirm_settings", missing=missing):
        flash(f"The settings of {name} are saved.")
        st.rerun()


def _confirmed(visit: Visit, tenant: Tenant, days: int | None) -> str:
    """Say which calls go by so many days, and ask whether they may; return what is missing of that."""
    if days is None or (tenant.call_days is not None and days >= tenant.call_days):
        return ""
    found = visit.runtime.reports.keeping(visit.principal, tenant.id, days).tenants[0]
    if found.is_counted and not found.due:
        st.caption(plain(found.sentence))
        return ""
    st.warning(plain(found.sentence), icon=":material/delete_forever:")
    goes = st.checkbox(f"Delete these calls of {plain(tenant.name)}", key=f"delete_calls_{tenant.id}_{days}")
    return "" if goes else "Confirm first that these calls are to be deleted."

"""Choices that several pages offer, each bound to the URL: a tenant, a range of time."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.tenants import Tenant
from pages.kit import layout
from pages.kit.page import Visit

EVERYONE = "All tenants"
RANGES = {"1h": 1, "6h": 6, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""What a range control offers, and the hours it means."""
_NAMES = {1: "hour", 6: "6 hours", 24: "24 hours", 168: "7 days", 720: "30 days"}


def tenant_choice(
    visit: Visit, *, everyone: str | None = EVERYONE, key: str = "tenant", on_change: Callable[[], None] | None = None
) -> Tenant | None:
    """Draw a choice of tenants bound to the URL (``?tenant=name``); return the tenant, or ``None`` for all of them.

    With *everyone* ``None`` one tenant must be chosen, and the first is the default; ``None`` then means there is none.
    """
    tenants = {tenant.name: tenant for tenant in visit.runtime.tenants.list(visit.principal)}
    options = ([everyone] if everyone else []) + list(tenants)
    if not options:
        return None
    chosen = st.selectbox(
        "Tenant",
        options,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
        width=168,
        persist_state="session",
        on_change=on_change or "rerun",
    )
    return tenants.get(chosen)


def without_tenants(visit: Visit, advise: Callable[[], None]) -> None:
    """Stand in for a page that needs a tenant while there is none, until there is one: the page is then drawn anew.

    While the demo world is being made this says so; elsewhere *advise* draws what to do.
    """
    st.fragment(_first_tenant, run_every="1s")(visit, visit.runtime.demo.status.phase, advise)


def _first_tenant(visit: Visit, phase: str, advise: Callable[[], None]) -> None:
    """Say how it stands; where a tenant came, or the demo world has another phase than *phase*, draw the page anew."""
    now = visit.runtime.demo.status.phase
    if now != phase or visit.runtime.tenants.list(visit.principal):
        st.rerun()
    if now == "making":
        layout.empty(
            "The demo world is being made",
            "Its tenants show up here in a moment, by themselves.",
            icon=":material/science:",
            key="awaited",
        )
    else:
        advise()


def range_name(hours: int) -> str:
    """Return a range in words, to follow "the last"."""
    return _NAMES[hours]


def range_label(hours: int) -> str:
    """Return a range as the URL writes it."""
    return next(label for label, length in RANGES.items() if length == hours)


def range_choice(key: str = "range", on_change: Callable[[], None] | None = None) -> int:
    """Draw a choice of ranges bound to the URL (``?range=24h``); return its hours."""
    chosen = st.segmented_control(
        "Time range",
        list(RANGES),
        default="24h",
        required=True,
        key=key,
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        on_change=on_change or "rerun",
    )
    return RANGES[chosen or "24h"]

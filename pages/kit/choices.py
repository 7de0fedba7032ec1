"""The choice of a tenant, which several pages offer and which stands in the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.principals import Permission
from core.tenants import Tenant
from pages.kit import address, layout
from pages.kit.address import EVERYONE
from pages.kit.page import Visit, name_tab

TENANT = "tenant"


def tenant_choice(
    visit: Visit,
    *,
    everyone: str | None = EVERYONE,
    needs: Permission | None = None,
    label: str | None = None,
    on_change: Callable[[], None] | None = None,
) -> Tenant | None:
    """Draw a choice of tenants that stands in the address (``?tenant=name``); return it, or ``None`` for all of them.

    With *everyone* ``None`` one tenant must be chosen, and the first is the default; ``None`` then means there is none.
    With *needs* those are offered in whom that permission is held. It has a *label* that is seen only where one is
    given.
    """
    tenants = _offered(visit, needs)
    options = ([everyone] if everyone else []) + list(tenants)
    if not options:
        return None
    _kept_apart("all" if everyone else "one", options)
    address.follow(visit, TENANT, options[0])
    chosen = st.selectbox(
        label or "Tenant",
        options,
        key=TENANT,
        label_visibility="visible" if label else "collapsed",
        width="stretch" if label else 168,
        persist_state="session",
        on_change=on_change or "rerun",
    )
    address.write(visit, TENANT, chosen, options[0])
    if chosen in tenants:
        name_tab(visit, chosen)
    return tenants.get(chosen)


def _offered(visit: Visit, needs: Permission | None) -> dict[str, Tenant]:
    listed = visit.runtime.tenants.list(visit.principal)
    return {tenant.name: tenant for tenant in listed if needs is None or visit.may(needs, tenant.id)}


def about(visit: Visit, permission: Permission, *, everyone: str = EVERYONE) -> dict[str, Tenant | None]:
    """Return of whom something that needs *permission* may be decided, by name; *everyone* stands for all, first."""
    own = _offered(visit, permission)
    return {everyone: None, **own} if visit.may_over(permission) else {**own}


def _kept_apart(kind: str, options: Sequence[str]) -> None:
    """Keep whose figures somebody looks at apart from whom he acts for: the one must not follow from the other.

    Pages of one kind share the choice; a page of the other kind, opened without a tenant in its address, goes on with
    what was chosen on such pages last.
    """
    state, before = st.session_state, st.session_state.get("_tenant_kind")
    if before not in (None, kind):
        state[f"_tenant_{before}"] = state.get(TENANT)
        last = state.get(f"_tenant_{kind}")
        state[TENANT] = last if last in options else options[0]
    elif state.get(TENANT, options[0]) not in options:  # it is gone, or another's
        state[TENANT] = options[0]
    state["_tenant_kind"] = kind


def without_tenants(visit: Visit, advise: Callable[[], None], *, needs: Permission | None = None) -> None:
    """Stand in for a page that needs a tenant while there is none, until there is one: the page is then drawn anew.

    With *needs* it needs one in whom that permission is held. While the demo world is being made this says so;
    elsewhere *advise* draws what to do.
    """
    st.fragment(_first_tenant, run_every="1s")(visit, visit.runtime.demo.status.phase, advise, needs)


def _first_tenant(visit: Visit, phase: str, advise: Callable[[], None], needs: Permission | None) -> None:
    """Say how it stands; where a tenant came, or the demo world has another phase than *phase*, draw the page anew."""
    now = visit.runtime.demo.status.phase
    if now != phase or _offered(visit, needs):
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

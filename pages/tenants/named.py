"""What a budget or a key can name: the models, schemas, routes and keys there are, read once per dialog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from core.tenants import Tenant
from pages.kit.page import Visit

if TYPE_CHECKING:
    from core.tenants import Key

_NAMES = "named"
"""Where the session keeps them, for as long as a dialog is open: by tenant and scope."""


def named(visit: Visit, tenant: Tenant, scope: str) -> Mapping[str, str]:
    """Return what there is of *scope* (``model``, ``schema``, ``route`` or ``key``), in words, by its name or id."""
    known: dict[tuple[str, str], Mapping[str, str]] = st.session_state.setdefault(_NAMES, {})
    if (tenant.id, scope) not in known:
        known[tenant.id, scope] = _read(visit, tenant, scope)
    return known[tenant.id, scope]


def forget() -> None:
    """Let the next dialog read them anew."""
    st.session_state.pop(_NAMES, None)


def label(key: Key) -> str:
    """Return what people call a key: its first characters and what it is for."""
    return f"{key.prefix}… ({key.name})" if key.name else f"{key.prefix}…"


def _read(visit: Visit, tenant: Tenant, scope: str) -> Mapping[str, str]:
    runtime, who = visit.runtime, visit.principal
    if scope == "key":  # one that another one's budget pays for can have none of its own
        keys = runtime.tenants.keys(who, tenant)
        return {key.id: label(key) for key in keys if key.is_live and key.payer_id is None}
    if scope == "schema":
        names = {schema.name for schema in runtime.schemas.list(who)}
    else:
        routes = runtime.routes.list(who)
        of_routes = {route.terms.name for route in routes}
        names = of_routes if scope == "route" else {one.name for route in routes for one in route.terms.candidates}
    return {name: name for name in sorted(names)}

"""The dialogs about a tenant's keys: make one, limit it, revoke it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.tenants import Tenant
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals
from pages.tenants import limits

if TYPE_CHECKING:
    from core.tenants import Key


@st.dialog("Limits of a key", icon=":material/speed:")
def limit(visit: Visit, tenant: Tenant, key: Key) -> None:
    """Ask for a key's share of its tenant's limits."""
    called = f" ({plain(key.name)})" if key.name else ""
    st.markdown(f"What the key `{key.prefix}…`{called} may take of the limits of **{plain(tenant.name)}**.")
    wanted: dict[str, Any] = limits.ask(key, dict.fromkeys(limits.FIELDS, "as the tenant"))
    if st.button("Save limits", type="primary", key="confirm_key_limits"):
        with refusals("The limits were not saved."):
            visit.runtime.tenants.edit_key(visit.principal, key.id, **wanted)
            flash(f"The limits of key {key.prefix}… are saved.")
            st.rerun()


@st.dialog("New key", icon=":material/key:", width="medium", on_dismiss="rerun")
def create(visit: Visit, tenant: Tenant) -> None:
    """Make a key and show it once: it lives in this one drawing of the dialog and nowhere else."""
    form = st.empty()
    with form.container():
        st.markdown(f"A program that sends this key calls as **{plain(tenant.name)}**, at its cost.")
        name = st.text_input("What is it for?", key="new_key", placeholder="nightly import", max_chars=64)
        if not st.button("Create key", type="primary", key="confirm_key"):
            return
    with refusals("The key was not created."):
        new = visit.runtime.tenants.create_key(visit.principal, tenant, name)
        with form.container():
            st.success("Copy the key now. It is not stored, and cannot be shown again.", icon=":material/key:")
            st.code(new.secret, language=None, wrap_lines=True)
            st.markdown(":small[Send it as `Authorization: Bearer …`. Close this when it is where it belongs.]")


@st.dialog("Revoke this key?", icon=":material/key_off:")
def revoke(visit: Visit, tenant: Tenant, key: Key) -> None:
    """Ask once, and say what follows."""
    called = f" ({plain(key.name)})" if key.name else ""
    st.markdown(
        f"Every program that calls as **{plain(tenant.name)}** with the key `{key.prefix}…`{called} is refused "
        "from its next request on. This cannot be undone; a new key can be made."
    )
    if st.button("Revoke key", type="primary", key="confirm_revoke"):
        with refusals("The key was not revoked."):
            visit.runtime.tenants.revoke_key(visit.principal, key.id)
            flash(f"Key {key.prefix}… is revoked.")
            st.rerun()

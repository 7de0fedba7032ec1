"""One user: how much is kept of him, all of it as a file, and the way to erase it, which nothing undoes."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from core.erasures import KEPT, LONGEST_USER, NOT_REACHED, UserRows
from core.tenants import Permission, Tenant
from pages.kit import formats, layout
from pages.kit.buttons import button
from pages.kit.exports import export
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason
from pages.privacy import files

_ASKED = "privacy_asked"
_EVERY_TENANT = "every tenant that you see"


class _Asked(NamedTuple):
    """Of whom it was asked last; it is in no address, as addresses end in logs."""

    user: str
    tenant_id: str | None


def draw(visit: Visit, tenant: Tenant | None) -> None:
    """Ask for a user, say how much there is, and offer what can be done."""
    with layout.card(
        "One user",
        key="one_user",
        stretch=False,
        help="Whoever your programs name in 'user', letter by letter. It is looked up by its hash, and kept nowhere.",
    ):
        with st.form("look", border=False):
            st.text_input(
                "User", key="privacy_user", max_chars=LONGEST_USER, placeholder="As your programs name him in 'user'"
            )
            if st.form_submit_button("Look up", type="primary", icon=":material/search:"):
                st.session_state[_ASKED] = st.session_state["privacy_user"]
        user: str = st.session_state.get(_ASKED, "")
        if not user:
            st.caption("Nothing is changed by looking up.")
            return
        with refusals("Nobody was looked up."):
            _offer(visit, _Asked(user, tenant.id if tenant else None), tenant)


def _offer(visit: Visit, asked: _Asked, tenant: Tenant | None) -> None:
    found = visit.runtime.erasures.found(visit.principal, asked.user, tenant)
    st.markdown(f"**{plain(asked.user)}** in {_where(tenant)}: {_amount(found)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if tenant and found.calls and visit.may(Permission.GENERATIONS_READ, tenant.id):
            kept = visit.runtime.user_exports.user(visit.principal, asked.user, tenant)
            export("All that is kept", files.USER, kept, name=f"user-{tenant.name}-{visit.now:%Y-%m-%d}.jsonl")
        if visit.may_over(Permission.USERS_ERASE, asked.tenant_id) and st.button(
            "Erase…", icon=":material/delete_forever:", key="erase"
        ):
            _confirm(visit, asked, tenant, found)
    if tenant is None:
        st.caption("Choose a tenant to take away what is kept: the same name in two tenants may be two people.")
    elif found.calls:
        st.caption("The file holds prompts and answers. *Changes* tells that it was taken away, and not of whom it is.")


def _where(tenant: Tenant | None) -> str:
    return plain(tenant.name) if tenant else _EVERY_TENANT


def _amount(found: UserRows) -> str:
    if not found.calls:
        return "nothing is kept."
    tenants = f", in {formats.plural(found.tenants, 'tenant')}" if found.tenants > 1 else ""
    texts = formats.plural(found.payloads, "row", "rows")
    return f"{formats.plural(found.calls, 'call')} with {texts} of prompts and answers{tenants}."


@st.dialog("Erase this user?", icon=":material/delete_forever:", width="medium")
def _confirm(visit: Visit, asked: _Asked, tenant: Tenant | None, found: UserRows) -> None:
    """Name the consequence, have the name typed once more, then do it and say how far it is."""
    st.warning(
        f"Of **{plain(asked.user)}** in {_where(tenant)} every word goes for good, and nothing brings it back: "
        f"{_amount(found)} Calls that are out now will leave none either.",
        icon=":material/warning:",
    )
    for title, sentences in (("What stays", KEPT), ("What is not reached", NOT_REACHED)):
        with st.expander(title):
            st.markdown("\n".join(f"- {plain(one)}" for one in sentences))
    typed = st.text_input("The user once more", key="erase_again", max_chars=LONGEST_USER)
    why = reason("erase_reason", placeholder="Such as the number of a request; nobody's name")
    missing = "" if typed == asked.user else "Type the user as above, letter by letter."
    if not button("Erase for good", missing=missing, type="primary", key="confirm_erase"):
        return
    with refusals("Nobody was erased."):
        bar = st.progress(0.0, "It is being done. Should this page be closed, a chore does the rest within minutes.")

        def told(calls: int) -> None:
            bar.progress(min(1.0, calls / max(1, found.calls)), f"{formats.plural(calls, 'call')} so far")

        made = visit.runtime.erasures.erase(visit.principal, asked.user, tenant, reason=why, told=told)
        st.session_state.pop(_ASKED, None)
        flash(f"Erased: {formats.plural(made.calls, 'call')}. The certificate is {made.id}.")
        st.rerun()

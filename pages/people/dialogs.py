"""The dialogs about people: invite, give and take roles, a new link, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.people import ROLES, PersonView
from core.principals import Role
from pages.kit import zones
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.people import NewLink
    from core.tenants import Tenant

MEANING = {
    Role.OWNER: "may do everything, and decides about people",
    Role.ADMIN: "decides about tenants, keys, budgets, limits, flags, routes and prices",
    Role.OPERATOR: "watches, and acts on flags, breakers, fire drills and calls",
    Role.PRODUCT: "makes schemas, and tries them",
    Role.VIEWER: "sees figures and calls",
}
_ALL, _SOME = "in all tenants", "only in these"
_MOST_TAKEN = 20


@st.dialog("Invite somebody", icon=":material/person_add:", width="medium", on_dismiss="rerun")
def invite(visit: Visit, *, is_first: bool) -> None:
    """Ask whom, and show the link this once."""
    form = st.empty()
    with form.container():
        if is_first:
            st.warning(
                "The first person is an owner. From then on everybody signs in, you as well: open the link before you "
                "close this page. Should it be lost, 'proctor user password NAME --link' on the server makes another.",
                icon=":material/key:",
            )
        name = st.text_input("Name", key="invited_name", max_chars=64, help="To sign in by, and for the audit trail.")
        email = st.text_input("E-mail", key="invited_email", max_chars=254, help="Shown, and used for nothing.")
        role, tenants = (Role.OWNER, None) if is_first else _role(visit, "invited")
        if not st.button("Make a link", type="primary", key="confirm_invite"):
            return
    with refusals("Nobody was invited."):
        _show(visit, form, visit.runtime.people.invite(visit.principal, name, role, tenants, email=email))


@st.dialog("A new link?", icon=":material/link:", width="medium", on_dismiss="rerun")
def new_link(visit: Visit, person: PersonView) -> None:
    """Say what follows, and show the link this once."""
    form = st.empty()
    with form.container():
        st.markdown(
            f"With the link **{plain(person.name)}** chooses a new password, once, and is then signed out elsewhere. "
            "Older links open nothing any more; the password of now holds until then."
        )
        if not st.button("Make a link", type="primary", key="confirm_link"):
            return
    with refusals("No link was made."):
        _show(visit, form, visit.runtime.people.invite_again(visit.principal, person.id))


@st.dialog("Roles", icon=":material/badge:", width="medium")
def roles(visit: Visit, person: PersonView, names: Mapping[str, str]) -> None:
    """Give one, or take one away; it holds at once, in pages that are open too."""
    st.markdown(f"What **{plain(person.name)}** may do. A change holds at once, in pages that are open as well.")
    for grant in person.grants:
        ids: Sequence[str | None] = [None] if grant.scope.ids is None else sorted(grant.scope.ids)[:_MOST_TAKEN]
        for tenant_id in ids:
            where = "all tenants" if tenant_id is None else plain(names.get(tenant_id, "a tenant that is gone"))
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.markdown(f":blue-badge[{grant.role}] {where}", width="content")
                if st.button("Take away", key=f"take_{grant.role}_{tenant_id or 'all'}"):
                    _take(visit, person, grant.role, tenant_id)
    st.divider()
    role, tenants = _role(visit, "given")
    if st.button("Give this role", type="primary", key="confirm_role"):
        with refusals("Nothing was changed."):
            visit.runtime.people.grant(visit.principal, person.id, role, tenants)
            flash(f"{person.name} is {role} now.")
            st.rerun()


@st.dialog("Remove this person?", icon=":material/person_remove:")
def remove(visit: Visit, person: PersonView) -> None:
    """Ask once, and say what follows."""
    st.markdown(
        f"**{plain(person.name)}** is signed out everywhere at once and cannot sign in again. What this person decided "
        "stays in the audit trail under the name, which nobody else gets. This cannot be undone."
    )
    if st.button("Remove", type="primary", key="confirm_remove_person"):
        with refusals("Nobody was removed."):
            visit.runtime.people.remove(visit.principal, person.id)
            flash(f"{person.name} is removed.")
            st.rerun()


def _take(visit: Visit, person: PersonView, role: Role, tenant_id: str | None) -> None:
    with refusals("Nothing was changed."):
        where = [visit.runtime.tenants.find(visit.principal, tenant_id)] if tenant_id else None
        visit.runtime.people.take_away(visit.principal, person.id, role, where)
        flash(f"{person.name} is no longer {role} there.")
        st.rerun()


def _role(visit: Visit, key: str) -> tuple[Role, list[Tenant] | None]:
    """Ask for a role, and where it holds; ``None`` is in all tenants."""
    role = st.selectbox(
        "Role",
        list(reversed(ROLES)),
        format_func=lambda role: f"{role.value.capitalize()}: {MEANING[role]}",
        key=f"{key}_role",
    )
    tenants = list(visit.runtime.tenants.list(visit.principal))
    usual = _SOME if tenants else _ALL
    where = st.segmented_control("Where", [_SOME, _ALL], default=usual, key=f"{key}_where", required=True)
    if where == _ALL:
        return role, None
    chosen = st.multiselect("Tenants", tenants, format_func=lambda tenant: tenant.name, key=f"{key}_tenants")
    return role, chosen


def _show(visit: Visit, form: DeltaGenerator, link: NewLink) -> None:
    """Show a link this once, in the place of what asked for it."""
    with form.container():
        st.success("Send the link now. It is not stored, and cannot be shown again.", icon=":material/link:")
        st.code(_origin(visit) + link.path, language=None, wrap_lines=True)
        st.markdown(f":small[It opens once, until {zones.told(link.expires_at)}.]")


def _origin(visit: Visit) -> str:
    """Return the address of the console as this browser has it, or as the settings say."""
    public, here = visit.runtime.settings.public_url, st.context.url or ""
    return str(public) if public or not here else "/".join(here.split("/")[:3])

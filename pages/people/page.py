"""People: who may sign in to the console, what each may do, and in which browsers they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.people import PersonView
from core.principals import Grant
from core.tenants import Permission
from pages.kit import address, formats, layout, links, zones
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, open_page, refusals, refuse
from pages.people import dialogs

MOST_NAMED = 5
PER_PAGE = 25
PERSON = address.Parameter(
    "the name of somebody who may sign in here",
    lambda visit, name: (
        visit.may_over(Permission.PEOPLE_READ)
        and any(one.name == name for one in visit.runtime.people.list(visit.principal))
    ),
)
HOW = {"password": "password", "invited": ":orange-badge[:material/mail: invited]"}


def granted(grant: Grant, names: Mapping[str, str], most: int = MOST_NAMED) -> str:
    """Return Markdown for a role and where it holds, with *most* tenants by their names."""
    if grant.scope.ids is None:
        return f":blue-badge[{grant.role}] :gray[all tenants]"
    where = sorted(names[one] for one in grant.scope.ids if one in names)
    more = len(grant.scope.ids) - len(where[:most])
    rest = ":gray[tenants that are gone]" if not where else f" :gray[and {more} more]" if more else ""
    return f":blue-badge[{grant.role}] {', '.join(map(links.tenant, where[:most]))}{rest}"


def everybody(visit: Visit, people: Sequence[PersonView], names: Mapping[str, str]) -> None:
    """Draw who there is, a page of them at a time."""
    pages = -(-len(people) // PER_PAGE)
    with layout.card("Who may sign in", key="everybody"):
        page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        shown = people[(page - 1) * PER_PAGE : page * PER_PAGE]
        rows = {
            "Name": [f"**{links.person(one.name)}**" for one in shown],
            "Roles": [" ".join(granted(grant, names, 1) for grant in one.grants) or ":gray[none]" for one in shown],
            "Signs in by": [HOW.get(one.how, plain(one.how)) for one in shown],
            "Last seen": [formats.ago(one.seen_at, visit.now) if one.seen_at else ":gray[never]" for one in shown],
        }
        table(pd.DataFrame(rows), alt="People, their roles and when they were seen last", hides_index=True)


def one_person(visit: Visit, people: Sequence[PersonView], names: Mapping[str, str]) -> None:
    """Draw one of them: roles, browsers, and what can be done."""
    with layout.card("Person", key="one_person"):
        name = st.selectbox(
            "Person", [one.name for one in people], key="person", bind="query-params", label_visibility="collapsed"
        )
        person = next(one for one in people if one.name == name)
        for grant in person.grants:
            st.markdown(granted(grant, names))
        if not person.grants:
            st.markdown(":gray[Without a role: may sign in, and sees nothing.]")
        said = f"{plain(person.email)} · " if person.email else ""
        st.caption(f"{said}there since {zones.told(person.created_at)}")
        if visit.may_over(Permission.PEOPLE_WRITE):
            with st.container(horizontal=True, gap="small"):
                if st.button("Roles…", key="roles"):
                    dialogs.roles(visit, person, names)
                if st.button("New link…", key="new_link"):
                    dialogs.new_link(visit, person)
                if st.button("Remove…", key="remove_person"):
                    dialogs.remove(visit, person)
        browsers(visit, person)


def browsers(visit: Visit, person: PersonView) -> None:
    """Draw where somebody is signed in."""
    living = visit.runtime.people.sessions(visit.principal, person.id)
    st.markdown(f"**Signed in** in {formats.plural(len(living), 'browser')}" if living else "**Signed in** nowhere")
    may_end = visit.may_over(Permission.PEOPLE_WRITE)
    for one in living:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            began = f"{zones.told(one.began_at)} by {one.how}"
            st.markdown(f"since {began}  \n:small[:gray[seen {formats.ago(one.seen_at, visit.now)}]]", width="content")
            if may_end and st.button("End", key=f"end_{one.id}"):
                _end(visit, person, one.id)
    if may_end and len(living) > 1 and st.button("End all", key="end_all"):
        _end(visit, person, None)


def _end(visit: Visit, person: PersonView, session_id: str | None) -> None:
    with refusals("Nobody was signed out."):
        visit.runtime.people.end_sessions(visit.principal, person.id, session_id)
        flash(f"{person.name} is signed out {'there' if session_id else 'everywhere'}.")
        st.rerun()


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "People",
        "Who may sign in to the console, and what each may do.",
        needs=Permission.PEOPLE_READ,
        takes={"person": PERSON, "page": address.NUMBER},
    )
    if not visit.may_over(Permission.PEOPLE_READ):
        refuse("People belong to the deployment, not to a tenant: whoever has a role in all tenants sees them.")
        return
    people = visit.runtime.people.list(visit.principal)
    may_invite = visit.may_over(Permission.PEOPLE_WRITE)
    if may_invite:
        with visit.controls:
            if st.button("Invite…", type="primary", key="invite", icon=":material/person_add:"):
                dialogs.invite(visit, is_first=not people)
    if not people:
        layout.empty(
            "Nobody signs in yet",
            "The console is open to whoever reaches it here. From the first person on everybody signs in. That is an "
            "owner: invite one here, or run 'proctor user create NAME' on the server.",
            icon=":material/group:",
        )
        return
    names = {tenant.id: tenant.name for tenant in visit.runtime.tenants.list(visit.principal)}
    wide, narrow = st.columns([7, 4], gap="small")
    with wide:
        everybody(visit, people, names)
    with narrow:
        one_person(visit, people, names)


main()

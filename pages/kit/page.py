"""The one way into a page: every page begins with :func:`open_page`.

::

    takes = {"tenant": address.TENANT}        # what may stand in its address
    visit = open_page("Flags", "What is switched on, for whom, and why.", needs=Permission.FLAGS_READ, takes=takes)
    with visit.controls:                      # the row beside the title, aligned right
        tenant = tenant_choice(visit)         # bound to ?tenant=
    with layout.card("Switches", key="switches", help="…"), refusals("The flag was not changed."):
        visit.runtime.flags.set(visit.principal, …)

Who looks is ``visit.principal``; what must outlive a rerun is said through :func:`flash`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from core import runtime as running
from core.database_faults import as_told
from core.errors import Conflict, Denied, ProctorError, Unavailable
from core.principals import Grant, Permission, Principal
from core.telemetry import log, place
from pages.kit import address, runs, zones
from pages.kit.markup import plain
from pages.kit.visitor import current_principal

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.runtime import Runtime

_FLASH = "_flash"
NOT_SHOWN = "This cannot be shown right now."
"""The title of what ended a page where nothing says more."""
View = tuple[tuple[Grant, ...], int]
"""What somebody may do where, and a runtime: whoever shares these is shown the same."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One run of one page by one principal."""

    page: str
    """Its title."""
    runtime: Runtime
    now: datetime
    """When this run began, by the runtime's clock."""
    controls: DeltaGenerator
    """The row beside the title, aligned right: filters and the page's main action."""
    opened: list[str] = field(default_factory=list[str])
    """What of the page is open, as the browser's tab has it: see :func:`name_tab`."""

    @property
    def principal(self) -> Principal:
        """Who looks, now: a part of a page that is drawn anew by itself asks anew."""
        return current_principal()

    @property
    def view(self) -> View:
        """What this principal can see of what, for whatever is kept of answers."""
        return self.principal.grants, id(self.runtime)

    def may(self, permission: Permission, tenant_id: str | None = None) -> bool:
        """Whether to offer what needs *permission*, in that tenant if one is given, else in any.

        The core checks again when it is done.
        """
        return self.principal.may(permission, tenant_id)

    def may_over(self, permission: Permission, tenant_id: str | None = None) -> bool:
        """Whether to offer what is decided about that tenant, or with ``None`` or no name about all of them."""
        return self.principal.may_over(permission, tenant_id)


def open_page(
    title: str, caption: str, *, needs: Permission, takes: Mapping[str, address.Parameter] | None = None
) -> Visit:
    """Begin a page: guard it, draw its head, show what was flashed, read its address, of which it *takes* these.

    Stops the run if the page may not be seen.
    """
    principal = current_principal()
    st.set_page_config(page_title=_tab(title, ()))
    head, side = st.columns([3, 5], vertical_alignment="bottom", gap="small")
    with head:
        st.title(title, anchor=False)
        st.caption(caption)
    if not principal.may(needs):
        refuse(f"{principal.name} lacks the permission {needs.value}. Whoever answers for this Proctor gives roles.")
        st.stop()
    try:
        runtime = running.current()
        runtime.store.check()
    except ProctorError as error:
        show_error(error, "Proctor cannot work right now.")
        st.markdown(":small[On the server, `proctor doctor` says what is missing.]")
        st.button("Try again", icon=":material/refresh:", key="try_again")
        st.stop()
    for sentence, icon in st.session_state.pop(_FLASH, ()):
        st.toast(sentence, icon=icon)
    controls = side.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small")
    runs.begin()
    visit = Visit(title, runtime, runtime.clock.now(), controls)
    address.read(visit, {**(takes or {}), **zones.TAKEN})
    zones.switch(visit)
    return visit


def name_tab(visit: Visit, what: str) -> None:
    """Add to the title of the browser's tab what is open: *Spend · Acme, 7 days — Proctor*. Called in that order."""
    visit.opened.append(what)
    st.set_page_config(page_title=_tab(visit.page, visit.opened))


def _tab(title: str, opened: Sequence[str]) -> str:
    what = f"{title} · {', '.join(opened)}" if opened else title
    return f"{what} \N{EM DASH} Proctor"


def refuse(sentence: str) -> None:
    """Say that the principal may not do this."""
    st.error(plain(sentence), title="Not allowed", icon=":material/lock:")


def flash(sentence: str, icon: str = ":material/check:") -> None:
    """Show *sentence*, whatever is in it, as a toast at the start of the next run: call it before ``st.rerun()``."""
    st.session_state.setdefault(_FLASH, []).append((plain(sentence), icon))


def show_error(error: ProctorError, title: str) -> None:
    """Show one of our own errors: *title* says what did not happen, the message why and what to do."""
    if isinstance(error, Denied):
        refuse(zones.retold(error.message))
        return
    message = plain(zones.retold(error.message))
    if isinstance(error, Conflict):
        st.warning(message, title=title, icon=":material/sync_problem:")
    else:
        icon = ":material/cloud_off:" if isinstance(error, Unavailable) else ":material/error:"
        st.error(message, title=title, icon=icon)


@contextmanager
def refusals(title: str) -> Generator[None]:
    """Turn a ProctorError raised inside, or a fault of the database, into an alert headed by *title*.

    Anything else goes on up.
    """
    try:
        yield
    except Exception as error:
        if not show_fault(error, title):
            raise


def show_fault(error: Exception, title: str = NOT_SHOWN) -> bool:
    """Show what ended a page or a part of it, if it is one of our own errors or of the database; return whether it is.

    The database's own words may quote values: they are told to nobody, and where it failed to the log.
    """
    told = error if isinstance(error, ProctorError) else as_told(error)
    if told is None:
        return False
    if told is not error:
        log().error("page_failed", error=type(error).__name__, where=place(error))
    show_error(told, title)
    return True

"""What several pages draw alike, and the one way in: every page begins with :func:`page`.

::

    visit = _parts.page("Flags", "What is switched on, for whom, and why.", needs=Permission.FLAGS_READ)
    with visit.controls:                      # the row beside the title, aligned right
        tenant = _parts.tenant_choice(visit)  # bound to ?tenant=
    with _parts.card("Switches", help="…"), _parts.refusals("The flag was not changed."):
        visit.runtime.flags.set(visit.principal, …)

Numbers and times are written by :mod:`pages._formats`; what must outlive a rerun is said through :func:`flash`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from core import runtime as running
from core.errors import Conflict, Denied, ProctorError, Unavailable
from core.tenants import LOCAL_OPERATOR, Permission, Principal

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.runtime import Runtime

Colour = Literal["green", "orange", "red", "blue", "violet", "gray", "yellow", "primary"]
EVERYONE = "All tenants"
_FLASH = "_flash"


@dataclass(frozen=True, slots=True)
class Visit:
    """One run of one page by one principal."""

    runtime: Runtime
    principal: Principal
    now: datetime
    """When this run began, by the runtime's clock."""
    controls: DeltaGenerator
    """The row beside the title, aligned right: filters and the page's main action."""

    def may(self, permission: Permission) -> bool:
        """Whether to offer what needs *permission*; the core checks again when it is done."""
        return self.principal.may(permission)


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: a word, an icon and a colour, never a colour alone."""

    word: str
    icon: str
    colour: Colour

    @property
    def badge(self) -> str:
        """Markdown for a badge."""
        return f":{self.colour}-badge[{self.icon} {self.word}]"


OUTCOMES: dict[str, Look] = {
    "valid_first_try": Look("Valid", ":material/check_circle:", "green"),
    "valid_after_reask": Look("Valid after re-ask", ":material/published_with_changes:", "green"),
    "valid_after_fallback": Look("Valid after fallback", ":material/alt_route:", "green"),
    "cache_hit": Look("Cache hit", ":material/bolt:", "green"),
    "invalid": Look("Invalid", ":material/rule:", "red"),
    "truncated": Look("Truncated", ":material/content_cut:", "red"),
    "refused": Look("Refused", ":material/block:", "red"),
    "content_filtered": Look("Content filtered", ":material/filter_alt:", "red"),
    "provider_error": Look("Provider error", ":material/cloud_off:", "red"),
    "timeout": Look("Timeout", ":material/timer_off:", "red"),
    "internal_error": Look("Our own fault", ":material/bug_report:", "red"),
    "blocked_budget": Look("Blocked: budget", ":material/money_off:", "orange"),
    "blocked_rate": Look("Blocked: rate", ":material/speed:", "orange"),
    "blocked_guardrail": Look("Blocked: guardrail", ":material/shield:", "orange"),
    "blocked_flag": Look("Blocked: flag", ":material/toggle_off:", "orange"),
    "cancelled": Look("Cancelled", ":material/cancel:", "gray"),
}
"""The look of every outcome, by its value."""


def current_principal() -> Principal:
    """Return who is looking. The only seam for sign-in: until there is one, whoever sits at this machine."""
    return LOCAL_OPERATOR


def page(title: str, caption: str, *, needs: Permission) -> Visit:
    """Begin a page: guard it, draw its head, show what was flashed. Stops the run if the page may not be seen."""
    principal = current_principal()
    head, side = st.columns([5, 7], vertical_alignment="bottom", gap="small")
    with head:
        st.title(title, anchor=False)
        st.caption(caption)
    if not principal.may(needs):
        refuse(f"{principal.name} lacks the permission {needs.value}. Ask an operator for a role that has it.")
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
    return Visit(runtime, principal, runtime.clock.now(), controls)


def refuse(sentence: str) -> None:
    """Say that the principal may not do this."""
    st.error(sentence, title="Not allowed", icon=":material/lock:")


def flash(sentence: str, icon: str = ":material/check:") -> None:
    """Show *sentence* as a toast at the start of the next run: call it before ``st.rerun()``."""
    st.session_state.setdefault(_FLASH, []).append((sentence, icon))


def show_error(error: ProctorError, title: str) -> None:
    """Show one of our own errors: *title* says what did not happen, the message why and what to do."""
    if isinstance(error, Denied):
        refuse(error.message)
    elif isinstance(error, Conflict):
        st.warning(error.message, title=title, icon=":material/sync_problem:")
    else:
        icon = ":material/cloud_off:" if isinstance(error, Unavailable) else ":material/error:"
        st.error(error.message, title=title, icon=icon)


@contextmanager
def refusals(title: str) -> Iterator[None]:
    """Turn a ProctorError raised inside into an alert headed by *title*; anything else goes on up."""
    try:
        yield
    except ProctorError as error:
        show_error(error, title)


@contextmanager
def card(title: str, *, key: str, help: str | None = None, stretch: bool = True) -> Iterator[DeltaGenerator]:  # noqa: A002 Streamlit's word
    """Draw a bordered box with a heading; *key* gives it the class ``st-key-<key>``, *help* says how it is computed."""
    height = "stretch" if stretch else "content"
    box = st.container(border=True, height=height, gap="xsmall", key=key)
    with box:
        st.header(title, anchor=False, help=help)
        yield box


def empty(title: str, sentence: str, *, icon: str = ":material/inbox:", key: str = "empty") -> DeltaGenerator:
    """Draw an empty state and return the row under it, for the buttons or links that say what to do next."""
    with st.container(border=True, key=key, horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        st.markdown(f"# :gray[{icon}]", text_alignment="center", width="stretch")
        st.header(title, anchor=False, text_alignment="center")
        st.caption(sentence, text_alignment="center", width=560)
        row = st.container(horizontal=True, horizontal_alignment="center", gap="small")
        st.space("small")
    return row


def without_tenants(visit: Visit, advise: Callable[[], None]) -> None:
    """Stand in for a page that needs a tenant while there is none, until there is one: the page is then drawn anew.

    While the demo world is being made this says so; elsewhere *advise* draws what to do.
    """
    st.fragment(_first_tenant, run_every="1s")(visit, visit.runtime.demo.status.phase, advise)


def _first_tenant(visit: Visit, phase: str, advise: Callable[[], None]) -> None:
    """Say how it stands; where a tenant came, or the demo world has another phase than *phase*, draw the page anew."""
    now = visit.runtime.demo.status.phase
    if now != phase or visit.runtime.tenants.list():
        st.rerun()
    if now == "making":
        empty(
            "The demo world is being made",
            "Its tenants show up here in a moment, by themselves.",
            icon=":material/science:",
            key="awaited",
        )
    else:
        advise()


def badge(outcome: str) -> str:
    """Return Markdown for an outcome: icon, word, colour."""
    look = OUTCOMES.get(outcome)
    return look.badge if look else f":gray-badge[{plain(outcome)}]"


def word(outcome: str) -> str:
    """Return an outcome in words."""
    look = OUTCOMES.get(outcome)
    return look.word if look else outcome


def plain(text: object) -> str:
    r"""Return *text* so that Markdown shows it as it is: use it for every name that people or programs chose."""
    return "".join(f"\\{letter}" if letter in _MARKUP else letter for letter in str(text))


def code(text: object) -> str:
    """Return *text* as Markdown code, whatever is in it."""
    return "`" + str(text).replace("`", "'") + "`"


_MARKUP = frozenset("\\`*_{}[]()#+-.!|~>$:<&")


def facts(pairs: dict[str, Any], *, key: str) -> None:
    """Draw a list of names and values; values are Markdown, so pass what people chose through :func:`plain`."""
    shown = {name: value for name, value in pairs.items() if value not in (None, "")}
    with st.container(key=key):
        st.table(shown, border="horizontal", width="stretch")


def tenant_choice(
    visit: Visit, *, everyone: str | None = EVERYONE, key: str = "tenant", on_change: Callable[[], None] | None = None
) -> Any:
    """Draw a choice of tenants bound to the URL (``?tenant=name``); return the tenant, or ``None`` for all of them.

    With *everyone* ``None`` one tenant must be chosen, and the first is the default; ``None`` then means there is none.
    """
    tenants = {tenant.name: tenant for tenant in visit.runtime.tenants.list()}
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

"""The dialog that finds a key by its text: whose it is, what was done with it, and how to end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import NotFound, ProctorError
from core.tenants import Permission, key_in
from pages.kit import formats, zones
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals, show_error
from pages.kit.reasons import reason
from pages.tenants.key_dialogs import called, consequence
from pages.tenants.keys import bounds, state

if TYPE_CHECKING:
    from core.tenants import Key, Tenant

_TEXT, _FOUND = "leaked_text", "leaked_found"


@dataclass(frozen=True, slots=True)
class _Found:
    """What a text has turned out to be; the text itself is kept nowhere."""

    key: Key
    tenant: Tenant | None
    """``None`` of a key that manages the deployment."""
    is_old: bool
    """Whether it is the text from before the last rotation."""


@st.dialog("Find a leaked key", icon=":material/policy:", width="medium", on_dismiss="rerun")
def find(visit: Visit) -> None:
    """Ask for a text, say which key it is, and offer to revoke that."""
    with st.form("leaked", border=False):
        st.text_input(
            "The key, or the line in which it stands",
            key=_TEXT,
            type="password",
            autocomplete="off",
            max_chars=10_000,
            help="It is looked up by its hash and forgotten at once: no log, page or address holds it.",
        )
        st.form_submit_button("Find key", type="primary", key="confirm_find", on_click=_look_up, args=(visit,))
    found: _Found | ProctorError | None = st.session_state.get(_FOUND)
    if isinstance(found, ProctorError):
        show_error(found, "No key was found.")
    elif found is not None:
        _tell(visit, found)


def forget() -> None:
    """Let the dialog begin empty."""
    st.session_state.pop(_FOUND, None)


def _look_up(visit: Visit) -> None:
    """Take the text out of its field before anything is drawn, and keep what it was found to be."""
    text = str(st.session_state.get(_TEXT) or "")
    st.session_state[_TEXT] = ""
    try:
        st.session_state[_FOUND] = _found(visit, text)
    except ProctorError as error:
        st.session_state[_FOUND] = error


def _found(visit: Visit, text: str) -> _Found:
    named = key_in(text) or text.strip()
    try:
        key = visit.runtime.tenants.find_key(visit.principal, named)
    except NotFound:
        raise NotFound(
            "No key that you may see has this text or these first characters. Paste all of it, from 'proctor_' or "
            "'prk_' to its last character."
        ) from None
    tenant = visit.runtime.tenants.find(visit.principal, key.tenant_id) if key.tenant_id else None
    return _Found(key, tenant, is_old=key.old is not None and named.startswith(key.old.prefix))


def _tell(visit: Visit, found: _Found) -> None:
    key, tenant = found.key, found.tenant
    owner, zone = (tenant.name, tenant.timezone) if tenant else ("the deployment", "UTC")
    word, colour = state(key, visit.now, zone)
    st.markdown(f"It is {called(key)} of **{plain(owner)}** :{colour}-badge[{plain(word)}]")
    if found.is_old and key.old is not None:
        ends = f"ends {zones.told(key.old.ends_at, zone)}" if key.old.ends_at > visit.now else "has ended"
        st.markdown(f"The text is the one from before the last rotation, and {ends}.")
    used = f"used last {zones.told(key.last_used_at, zone)}" if key.last_used_at else "never used"
    st.markdown(f"It may {plain(', '.join(key.scopes))} · {plain(bounds(key))} · {plain(used)}")
    if tenant is not None:
        _done(visit, tenant, key)
    if not key.is_live or not visit.may(Permission.KEYS_WRITE, key.tenant_id):
        return
    st.markdown(consequence(owner, key))
    if tenant is not None:
        st.caption("Programs that cannot stop: *Rotate…* in its tenant's list leaves them a quarter of an hour.")
    why = reason("leaked_reason", placeholder="Where it leaked; may be empty")
    if st.button("Revoke key", type="primary", key="confirm_revoke_leaked"):
        with refusals("The key was not revoked."):
            visit.runtime.tenants.revoke_key(visit.principal, key.id, reason=why)
            forget()
            flash(f"Key {key.prefix}… is revoked.")
            st.rerun()


def _done(visit: Visit, tenant: Tenant, key: Key) -> None:
    """Say what was spent with a key of late, and lead to where its calls and decisions are."""
    if key.payer_id is None and visit.may(Permission.GENERATIONS_READ, tenant.id):
        with refusals("What it spent is not known."):
            past = visit.runtime.reports.spend_history(visit.principal, tenant.id, "key", key.id)
            spent = plain(formats.dollars(past.spent_nano_usd))
            st.markdown(
                f"In the last 30 days **{spent}** in {formats.plural(past.calls, 'call')}, with the keys that it made."
            )
    elif key.payer_id is not None:
        st.markdown("Another key has made it, whose budget pays: see what that one spent.")
    with st.container(horizontal=True, gap="small"):
        about = {"tenant": tenant.name}
        st.page_link("calls/page.py", label="Calls", icon=":material/receipt_long:", query_params=about)
        st.page_link("spend/page.py", label="Spend", icon=":material/payments:", query_params=about)
        st.page_link(
            "changes/page.py",
            label="What it decided",
            icon=":material/history:",
            query_params={**about, "ever": "true", "actor": f"key {key.prefix}…"},
        )

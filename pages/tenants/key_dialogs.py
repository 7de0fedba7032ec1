"""The dialogs about a tenant's keys: make one, change what it may, give it a new text, limit it, revoke it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import streamlit as st

from core.principals import USUAL_SCOPES, KeyScope
from core.tenants import Tenant, described_key
from pages.kit import crossings, zones
from pages.kit.buttons import button
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason
from pages.tenants import limits
from pages.tenants.named import named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.tenants import Key, NewKey

SCOPES = {
    "generate": "make calls",
    "read": "see calls, spend and schemas",
    "manage": "decide, as the command line does",
}
OVERLAPS = {
    0: "at once",
    0.25: "in a quarter of an hour",
    1: "in an hour",
    24: "in a day",
    24 * 7: "in a week",
    24 * 30: "in 30 days",
}
"""In how many hours the old text of a key ends."""
USUAL_OVERLAP = 24
UNFIT = "Say what it may first: a key must be for something. To end one, revoke it."


@st.dialog("Limits of a key", icon=":material/speed:")
def limit(visit: Visit, tenant: Tenant, key: Key) -> None:
    """Ask for a key's share of its tenant's limits."""
    st.markdown(f"What the key {called(key)} may take of the limits of **{plain(tenant.name)}**.")
    wanted: dict[str, Any] = limits.ask(key, dict.fromkeys(limits.FIELDS, "as the tenant"))
    edited = _edit(visit, key, wanted, reason(f"limits_reason_{key.id}"))
    if crossings.save(edited, "Save limits", title="The limits were not saved.", key="confirm_key_limits"):
        flash(f"The limits of key {key.prefix}… are saved.")
        st.rerun()


@st.dialog("New key", icon=":material/key:", width="medium", on_dismiss="rerun")
def create(visit: Visit, tenant: Tenant) -> None:
    """Make a key and show it once: it lives in this one drawing of the dialog and nowhere else."""
    form = st.empty()
    with form.container():
        st.markdown(f"A program that sends this key calls as **{plain(tenant.name)}**, at its cost.")
        wanted = _ask(visit, tenant, None)
        why = reason("new_key_reason")
        missing = "" if wanted["scopes"] else UNFIT
        if not button("Create key", missing=missing, type="primary", key="confirm_key"):
            return
    with refusals("The key was not created."):
        new = visit.runtime.tenants.create_key(visit.principal, tenant, reason=why, **wanted)
        with form.container():
            _show_once(new, "Send it as `Authorization: Bearer …`.")


@st.dialog("Edit key", icon=":material/edit:", width="medium")
def edit(visit: Visit, tenant: Tenant, key: Key) -> None:
    """Ask what a key may, and until when; the version read before guards against a change meanwhile."""
    st.markdown(f"What the key {called(key)} of **{plain(tenant.name)}** may.")
    wanted = _ask(visit, tenant, key)
    st.caption("It holds from the next request on, also for what programs do with it now.")
    edited = _edit(visit, key, wanted, reason(f"key_reason_{key.id}"))
    missing = "" if wanted["scopes"] else UNFIT
    title = "The key was not changed."
    if crossings.save(edited, "Save key", title=title, key="confirm_edit_key", missing=missing):
        flash(f"Key {key.prefix}… is changed.")
        st.rerun()


def _edit(visit: Visit, key: Key, wanted: dict[str, Any], why: str) -> crossings.Edit:
    """Return what is wanted of a key, of which what was not asked for stays as it is."""
    seen = described_key(key)
    said = wanted | ({"ends_at": wanted["ends_at"] and wanted["ends_at"].isoformat()} if "ends_at" in wanted else {})

    def save(expected: int, whole: dict[str, Any]) -> None:
        changes = {field: value for field, value in whole.items() if value != seen[field]}
        if changes.get("ends_at"):
            changes["ends_at"] = datetime.fromisoformat(changes["ends_at"])
        visit.runtime.tenants.edit_key(visit.principal, key.id, expected, reason=why, **changes)

    return crossings.Edit(key=f"key_{key.id}", seen=seen, wanted=seen | said, expected=key.version, save=save)


@st.dialog("Rotate this key?", icon=":material/sync:", width="medium", on_dismiss="rerun")
def rotate(visit: Visit, tenant: Tenant, key: Key) -> None:
    """Ask how long the old text is good too, and show the new one, this once."""
    form = st.empty()
    with form.container():
        st.markdown(
            f"The key {called(key)} of **{plain(tenant.name)}** gets a new text, and stays the same key: its limits, "
            "budget and calls go on. Until the old text ends, programs may send either."
        )
        hours = st.selectbox(
            "The old text ends",
            list(OVERLAPS),
            list(OVERLAPS).index(USUAL_OVERLAP),
            format_func=OVERLAPS.__getitem__,
            key=f"overlap_{key.id}",
        )
        if not hours:
            st.warning("Who still sends the old text is refused from his next request on.", icon=":material/key_off:")
        if key.old is not None and key.old.ends_at > visit.now:
            used = f"was used last {zones.told(key.old.used_at, tenant.timezone)}" if key.old.used_at else "is not used"
            st.warning(
                f"`{key.old.prefix}…`, which the rotation before has left, ends at once. It {used}.",
                icon=":material/key_off:",
            )
        why = reason(f"rotate_reason_{key.id}")
        if not st.button("Rotate key", type="primary", key="confirm_rotate"):
            return
    with refusals("The key was not rotated."):
        overlap = timedelta(hours=hours)
        new = visit.runtime.tenants.rotate_key(visit.principal, key.id, overlap, key.version, reason=why)
        ends_at = zones.told(visit.runtime.clock.now() + overlap, tenant.timezone)
        with form.container():
            _show_once(new, f"The old text ends {ends_at}." if hours else "The old text has ended.")


@st.dialog("Revoke this key?", icon=":material/key_off:")
def revoke(visit: Visit, tenant: Tenant | None, key: Key) -> None:
    """Ask once, and say what follows for whoever calls as *tenant*, or without one manages the deployment."""
    st.markdown(consequence(tenant.name if tenant else "the deployment", key))
    why = reason(f"revoke_reason_{key.id}")
    if st.button("Revoke key", type="primary", key="confirm_revoke"):
        with refusals("The key was not revoked."):
            visit.runtime.tenants.revoke_key(visit.principal, key.id, reason=why)
            flash(f"Key {key.prefix}… is revoked.")
            st.rerun()


def called(key: Key) -> str:
    """Return Markdown for a key: its first characters, and what it is for."""
    return f"`{key.prefix}…` ({plain(key.name)})" if key.name else f"`{key.prefix}…`"


def consequence(owner: str, key: Key) -> str:
    """Return Markdown that says what follows when *key* of *owner* is revoked."""
    return (
        f"Every program that calls as **{plain(owner)}** with the key {called(key)} is refused "
        "from its next request on. This cannot be undone; a new key can be made."
    )


def _ask(visit: Visit, tenant: Tenant, key: Key | None) -> dict[str, Any]:
    """Draw what a key may; return what is in the fields. An end that nobody touches is left out."""
    mark = key.id if key else "new"
    name = st.text_input(
        "What is it for?",
        key.name if key else "",
        key=f"key_name_{mark}",
        placeholder="nightly import",
        max_chars=64,
    )
    scopes = st.multiselect(
        "It may",
        [one.value for one in KeyScope],
        list(key.scopes if key else USUAL_SCOPES),
        format_func=lambda one: f"{one}: {SCOPES[one]}",
        key=f"key_scopes_{mark}",
    )
    if KeyScope.MANAGE in scopes:
        st.warning(
            f"Who holds it sets budgets, limits and keys of {plain(tenant.name)}. Keys that it makes are no bigger "
            "than itself.",
            icon=":material/admin_panel_settings:",
        )
    models = _bounds(visit, tenant, "model", key.models if key else (), mark)
    routes = _bounds(visit, tenant, "route", key.routes if key else (), mark)
    zone = ZoneInfo(tenant.timezone)
    ends = key.ends_at.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0) if key and key.ends_at else None
    chosen: datetime | None = st.datetime_input(
        f"It ends, {zones.name(tenant.timezone)}",
        ends,
        key=f"key_ends_{mark}",
        help="From then on it opens nothing. Empty: never.",
    )
    wanted: dict[str, Any] = {"name": name, "scopes": scopes, "models": models, "routes": routes}
    if chosen != ends:
        wanted["ends_at"] = None if chosen is None else chosen.replace(tzinfo=zone).astimezone(UTC)
    return wanted


def _bounds(visit: Visit, tenant: Tenant, what: str, now: Iterable[str], mark: str) -> list[str]:
    offered = [*dict.fromkeys([*named(visit, tenant, what), *now])]
    return st.multiselect(
        f"Only these {what}s",
        offered,
        list(now),
        key=f"key_{what}s_{mark}",
        accept_new_options=True,
        placeholder=f"any {what} that its tenant may ask",
    )


def _show_once(new: NewKey, more: str) -> None:
    """Show a key's text, at the only moment at which it can be."""
    st.success("Copy the key now. It is not stored, and cannot be shown again.", icon=":material/key:")
    st.code(new.secret, language=None, wrap_lines=True)
    st.markdown(f":small[{plain(more) if '`' not in more else more} Close this when it is where it belongs.]")

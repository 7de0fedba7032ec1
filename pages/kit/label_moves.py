"""A label that moves from one version to another: both side by side, whom it concerns, done with a way back."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import NotFound
from core.schemas import PRODUCTION, altogether, differences
from pages.kit import version_figures
from pages.kit.frames import pd, table
from pages.kit.markup import code
from pages.kit.page import Visit, flash, refusals

_DONE = "label_move"


def consequence(
    visit: Visit, name: str, label: str, current: int, target: int, *, body: dict[str, Any] | None = None
) -> None:
    """Show how both versions fared for a week, what differs, and who is concerned.

    *current* is the version that has the label, 0 for none; *body* is what *target* will say, where it is not kept.
    """
    found = version_figures.of_versions(visit, version_figures.WEEK, schema=name)
    columns = {
        f"Version {one}" + (" (new)" if body and one == target else ""): version_figures.told(found.get((name, one)))
        for one in (current, target)
        if one
    }
    table(pd.DataFrame(columns), alt="Both versions over the last seven days")
    st.caption("All tenants, the last seven days.")
    asks = code(name if label == PRODUCTION else f"{name}@{label}")
    whom = f"whoever asks for {asks} gets version {target}" + (f" instead of {current}" if current else "")
    st.warning(f"From the next request on, in every process, {whom}.", icon=":material/warning:")
    if current:
        with refusals("The two cannot be compared."):
            old = visit.runtime.schemas.find(visit.principal, f"{name}@{current}").body
            new = body or visit.runtime.schemas.find(visit.principal, f"{name}@{target}").body
            st.caption(altogether(differences(old, new)).sentence(f"version {current}", f"version {target}"))


def done(name: str, label: str, before: int, now: int) -> None:
    """Keep that *label* moved, so that :func:`undo_row` offers to take it back; say so in the next run."""
    flash(f"{name}@{label} is version {now}.")
    st.session_state[_DONE] = (name, label, before, now)


def is_done(name: str | None = None) -> bool:
    """Whether the last move of a label, of *name* where that is given, can be taken back here."""
    last = st.session_state.get(_DONE)
    return last is not None and name in (None, last[0])


def undo_row(visit: Visit, of: str | None = None) -> None:
    """Offer to take the last move back, if it was one *of* that schema, until the next one or the session's end."""
    if not is_done(of):
        return
    name, label, before, now = st.session_state[_DONE]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="undo_row"):
        was = f"version {before}" if before else "nothing"
        st.markdown(f":material/check: {code(f'{name}@{label}')} is version {now}, was {was}.", width="content")
        if st.button("Undo", icon=":material/undo:", key="undo"):
            with refusals("It was not undone."):
                try:
                    if before:
                        visit.runtime.schemas.roll_back(visit.principal, name, before, label, expected=now)
                    else:
                        visit.runtime.schemas.unlabel(visit.principal, name, label, expected=now)
                except NotFound:
                    del st.session_state[_DONE]
                    raise
                del st.session_state[_DONE]
                flash(f"Undone: {name}@{label} is {was} again.")
                st.rerun()

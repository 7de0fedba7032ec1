"""Promoting and rolling back: both versions side by side, asked once, done with a way back."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import NotFound
from core.schemas import PRODUCTION, LabelView, altogether, differences
from pages.kit.frames import pd, table
from pages.kit.markup import code, plain
from pages.kit.page import Visit, flash, refusals
from pages.schemas import figures

_DONE = "label_move"
NEW_LABELS = (PRODUCTION, "draft", "canary")


@st.dialog("Promote this version?", icon=":material/arrow_upward:", width="large")
def promote(visit: Visit, name: str, version: int, labels: Sequence[LabelView]) -> None:
    """Ask which label moves to *version*; show what it named beside it, name the consequence, then move it."""
    now = {one.label: one.version for one in labels}
    offered = [label for label in dict.fromkeys([*NEW_LABELS, *now]) if now.get(label) != version]
    label = st.selectbox("Label", offered, key=f"promote_label_{name}_{version}", accept_new_options=True)
    if label:
        current = now.get(label, 0)
        _ask(visit, name, label, current, version)
        if st.button(f"Promote to {plain(label)}", type="primary", key="confirm_promote"):
            with refusals("The label was not moved."):
                visit.runtime.schemas.promote(visit.principal, name, version, label, expected=current)
                _done(name, label, current, version)


@st.dialog("Roll back?", icon=":material/undo:", width="large")
def roll_back(visit: Visit, name: str, versions: Sequence[int], labels: Sequence[LabelView]) -> None:
    """Ask which label goes back to which version, the one before unless another is chosen; then move it."""
    by_name = {one.label: one for one in labels}
    first = list(by_name).index(PRODUCTION) if PRODUCTION in by_name else 0
    label = by_name[str(st.selectbox("Label", list(by_name), first, key=f"back_label_{name}"))]
    others = [version for version in versions if version != label.version]
    before = label.version_before
    if before not in others:
        before = next((version for version in others if version < label.version), others[0])
    target = int(
        str(
            st.selectbox(
                "Back to version",
                [str(version) for version in others],
                others.index(before),
                key=f"back_to_{name}_{label.label}_{label.version}",
            )
        )
    )
    _ask(visit, name, label.label, label.version, target)
    if st.button(f"Roll back to version {target}", type="primary", key="confirm_roll_back"):
        with refusals("The label was not moved."):
            visit.runtime.schemas.roll_back(visit.principal, name, target, label.label, expected=label.version)
            _done(name, label.label, label.version, target)


def _ask(visit: Visit, name: str, label: str, current: int, target: int) -> None:
    """Show how both versions fared for a week, what differs, and who is concerned."""
    found = figures.of_versions(visit, figures.WEEK, schema=name)
    columns = {f"Version {one}": figures.told(found.get((name, one))) for one in (current, target) if one}
    table(pd.DataFrame(columns), alt="Both versions over the last seven days")
    st.caption("All tenants, the last seven days.")
    asks = code(name if label == PRODUCTION else f"{name}@{label}")
    whom = f"whoever asks for {asks} gets version {target}" + (f" instead of {current}" if current else "")
    st.warning(f"From the next request on, in every process, {whom}.", icon=":material/warning:")
    if current:
        with refusals("The two cannot be compared."):
            old, new = (visit.runtime.schemas.find(visit.principal, f"{name}@{one}").body for one in (current, target))
            st.caption(altogether(differences(old, new)).sentence(f"version {current}", f"version {target}"))


def _done(name: str, label: str, before: int, now: int) -> None:
    flash(f"{name}@{label} is version {now}.")
    st.session_state[_DONE] = (name, label, before, now)
    st.rerun()


def is_done(name: str) -> bool:
    """Whether the last move of a label of *name* can be taken back here."""
    done = st.session_state.get(_DONE)
    return done is not None and done[0] == name


def undo_row(visit: Visit, name: str) -> None:
    """Offer to take the last move back, until the next one or until the page is left."""
    if not is_done(name):
        return
    _, label, before, now = st.session_state[_DONE]
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

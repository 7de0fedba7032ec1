"""Promoting and rolling back: which label goes to which version, asked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.schemas import PRODUCTION, LabelView
from pages.kit import crossings, label_moves
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.kit.reasons import reason

NOT_MOVED = "The label was not moved."
NEW_LABELS = (PRODUCTION, "draft", "canary")


@st.dialog("Promote this version?", icon=":material/arrow_upward:", width="large")
def promote(visit: Visit, name: str, version: int, labels: Sequence[LabelView]) -> None:
    """Ask which label moves to *version*; show what it named beside it, name the consequence, then move it."""
    now = {one.label: one.version for one in labels}
    offered = [label for label in dict.fromkeys([*NEW_LABELS, *now]) if now.get(label) != version]
    label = st.selectbox("Label", offered, key=f"promote_label_{name}_{version}", accept_new_options=True)
    if label:
        current = now.get(label, 0)
        label_moves.consequence(visit, name, label, current, version)
        why = reason(f"promote_reason_{name}_{version}")

        def save(expected: int, _: dict[str, Any]) -> None:
            visit.runtime.schemas.promote(visit.principal, name, version, label, expected=expected, reason=why)

        edited = _edit(name, label, current, version, save)
        if crossings.save(edited, f"Promote to {plain(label)}", title=NOT_MOVED, key="confirm_promote"):
            label_moves.done(name, label, current, version)
            st.rerun()


def _edit(name: str, label: str, current: int, target: int, save: Any) -> crossings.Edit:
    return crossings.Edit(
        key=f"label_{name}_{label}_{target}",
        seen={"labels": {label: current}} if current else None,
        wanted={"labels": {label: target}},
        expected=current,
        save=save,
    )


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
    label_moves.consequence(visit, name, label.label, label.version, target)
    why = reason(f"back_reason_{name}")

    def save(expected: int, _: dict[str, Any]) -> None:
        visit.runtime.schemas.roll_back(visit.principal, name, target, label.label, expected=expected, reason=why)

    edited = _edit(name, label.label, label.version, target, save)
    if crossings.save(edited, f"Roll back to version {target}", title=NOT_MOVED, key="confirm_roll_back"):
        label_moves.done(name, label.label, label.version, target)
        st.rerun()

"""Edits that cross: who saves what somebody else has changed meanwhile sees both, and takes his on top or theirs.

A dialog says what stood in it when it was opened, and what it is to be, both as the audit trail says such a thing::

    edit = Edit("budget", seen=described(terms), wanted=described_as_typed, expected=state.version, save=save)
    if crossings.save(edit, "Save budget", title="The budget was not saved."):
        st.rerun()

What was seen belongs to the moment at which the dialog was opened: a page that runs anew meanwhile does not renew it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import Crossed
from core.reports import sides
from pages.kit.buttons import button
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import refusals, show_error

State = Mapping[str, Any] | None
"""What the audit trail says of a thing; ``None`` where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What somebody wants of one thing."""

    key: str
    """Tells it from others in the session."""
    seen: State
    """How it was when he began."""
    wanted: State
    """How it is to be, all of it; ``None`` takes it away."""
    expected: Any
    """What the command takes from whoever has seen that."""
    save: Callable[[Any, dict[str, Any]], object]
    """Does it: takes what is expected, and how it is to be."""

    @property
    def place(self) -> str:
        """Where the session keeps that it has crossed another."""
        return f"_crossed_{self.key}"

    def on_top_of(self, present: State) -> dict[str, Any]:
        """Return what it is to be where it is *present* by now: what he did not touch stays as it is."""
        wanted, seen = self.wanted or {}, self.seen or {}
        if present is None:
            return dict(wanted)
        touched = {name for name in {*wanted, *seen} if wanted.get(name) != seen.get(name)}
        kept = {name: value for name, value in present.items() if name not in touched}
        return kept | {name: value for name, value in wanted.items() if name in touched}


def save(edit: Edit, label: str, *, title: str, key: str, missing: str = "") -> bool:
    """Draw the button that saves, and what stands in the way; return whether it is saved now.

    *title* says what has not happened where it is refused, *missing* what is to be filled in first.
    """
    pressed = button(label, missing=missing, type="primary", key=key)
    return (pressed and begun(edit, title=title)) or settled(edit, title=title)


def begun(edit: Edit, *, title: str) -> bool:
    """Save it; return whether that was done, and keep that it has crossed another where it has."""
    return _saved(edit, edit.expected, edit.wanted, title)


def settled(edit: Edit, *, title: str) -> bool:
    """Draw both sides of an edit that has crossed another, and the two ways on; return whether his is saved now."""
    mine, theirs = f"mine_{edit.key}", f"theirs_{edit.key}"
    if (crossed := _crossed(edit)) is None:
        return False
    if st.session_state.get(mine):  # pressed: what is drawn below is already what comes of it
        present = crossed.facts["present"]
        wanted = None if edit.wanted is None else edit.on_top_of(present)
        if _saved(edit, crossed.facts["expected"], wanted, title):
            return True
        crossed = _crossed(edit) or crossed
    with st.container(key=f"crossed_{edit.key}", gap="small"):
        show_error(crossed, title)
        both(edit, crossed.facts["present"])
        with st.container(horizontal=True, gap="small"):
            on_top = "Remove it all the same" if edit.wanted is None else "Save mine on top"
            st.button(on_top, type="primary", key=mine)
            if st.button("Keep theirs", key=theirs):
                st.session_state.pop(edit.place)
                st.rerun()
    return False


def _crossed(edit: Edit) -> Crossed | None:
    expected, crossed = st.session_state.get(edit.place, (None, None))
    return crossed if expected == edit.expected else None


def _saved(edit: Edit, expected: Any, wanted: State, title: str) -> bool:
    with refusals(title):
        try:
            edit.save(expected, dict(wanted or {}))
        except Crossed as crossed:
            st.session_state[edit.place] = (edit.expected, crossed)
        else:
            st.session_state.pop(edit.place, None)
            return True
    return False


def both(edit: Edit, present: State) -> None:
    """Show what it was, what it is now, and what it would be with his on top, where these differ."""
    mine = None if edit.wanted is None else edit.on_top_of(present)
    rows = [[plain(one) for one in row] for row in sides(edit.seen, present, mine)]
    if rows:
        heads = (" ", "When you opened it", "Now", "With yours on top")
        table(pd.DataFrame(rows, columns=heads), alt="Both sides", hides_index=True)

"""*Save as…*: a pasted schema becomes a registered one, or a further version of one; and the ways on from there."""

from __future__ import annotations

import streamlit as st

from pages.kit import label_moves, saving
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.kit.pasted import Pasted

_SAVED = "saved"


@st.dialog("Save as…", icon=":material/save:")
def dialog(visit: Visit, schema: Pasted, text: str) -> None:
    """Ask for name and label, say what will happen, then save; *text* is the input, which may be kept beside it."""
    if done := saving.form(visit, schema, usual=saving.DRAFT, example=text):
        saving.tell(done)
        st.session_state[_SAVED] = (done.name, done.version)
        st.rerun()


def tell(visit: Visit) -> None:
    """Offer the ways to what was saved, until something else is done; a label that moved can be taken back longer."""
    label_moves.undo_row(visit)
    name, version = st.session_state.pop(_SAVED, ("", 0))
    if not name:
        return
    st.success(f"Saved as {plain(name)}, version {version}.", icon=":material/save:")
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Ask by its name",
            icon=":material/data_object:",
            key="ask_saved",
            on_click=_choose,
            args=(name, str(version)),
        )
        st.page_link(
            "schemas/page.py",
            label="Open in Schemas",
            icon=":material/schema:",
            query_params={"schema": name, "version": str(version)},
        )


def _choose(name: str, version: str) -> None:
    """Choose a registered version."""
    st.session_state["source"], st.session_state["schema"], st.session_state["version"] = "registered", name, version

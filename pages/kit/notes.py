"""How a pasted schema was read, where that is not to the letter."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.given_schemas import SchemaNote
from pages.kit.markup import code, plain

UNCHECKED, IMPOSSIBLE = "unchecked", "impossible"


def tell_notes(notes: Sequence[SchemaNote]) -> None:
    """Say what was read in another way than it is written, and in amber what nobody checks, or can satisfy.

    Without any of it nothing is said.
    """
    read = [note for note in notes if note.kind not in (UNCHECKED, IMPOSSIBLE)]
    impossible = [note for note in notes if note.kind == IMPOSSIBLE]
    unchecked = [note for note in notes if note.kind == UNCHECKED]
    if read:
        with st.container(key="schema_read"):
            st.info(_listed(read), title="Read as it is meant", icon=":material/translate:")
    if impossible:
        with st.container(key="schema_impossible"):
            st.warning(_listed(impossible), title="No answer can be valid there", icon=":material/block:")
    if unchecked:
        with st.container(key="schema_unchecked"):
            st.warning(_listed(unchecked), title="Not checked here", icon=":material/rule:")


def _listed(notes: Sequence[SchemaNote]) -> str:
    lines: list[str] = []
    for note in notes:
        more = f" (and {note.further} more like it)" if note.further else ""
        lines.append(f"{code(note.path)}{more} {plain(note.what)}.")
    return "  \n".join(lines)

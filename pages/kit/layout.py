"""Boxes that every page draws alike: a card, an empty state, a list of facts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.kit.frames import table

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


@contextmanager
def card(title: str, *, key: str, help: str | None = None, stretch: bool = True) -> Generator[DeltaGenerator]:  # noqa: A002 Streamlit's word
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


def facts(pairs: dict[str, Any], *, key: str) -> None:
    """Draw a list of names and values; values are Markdown, so pass what people chose through :func:`plain`."""
    shown = {name: value for name, value in pairs.items() if value not in (None, "")}
    with st.container(key=key):
        table(shown)

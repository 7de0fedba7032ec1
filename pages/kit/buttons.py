"""Buttons that cannot be pressed yet say why: what is grey without a word looks broken."""

from __future__ import annotations

from typing import Any

import streamlit as st


def button(label: str, *, missing: str = "", is_told: bool = True, **more: Any) -> bool:
    """Draw a button; return whether it was pressed. It cannot be while something is *missing*, which is said under it.

    Of several that miss the same one tells it: the others have ``is_told=False``. *more* is Streamlit's.
    """
    pressed = st.button(label, disabled=bool(missing), **more)
    if missing and is_told:
        st.caption(f":material/info: {missing}")
    return pressed

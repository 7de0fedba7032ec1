"""Why something is decided: asked in one way wherever somebody will wonder later."""

from __future__ import annotations

import streamlit as st

from core.audit import LONGEST_REASON


def reason(key: str, *, placeholder: str = "For whoever wonders later; may be empty") -> str:
    """Ask why, in a field with that *key*; it stands on *Changes*, beside the change."""
    return st.text_input("Why", key=key, max_chars=LONGEST_REASON, placeholder=placeholder).strip()

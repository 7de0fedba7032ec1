"""Saving a pasted schema as a version: what callers get changes only with a label that moves to it."""

from __future__ import annotations

import streamlit as st

from pages.kit import pasted, saving
from pages.kit.page import Visit


@st.dialog("Save as version", icon=":material/save:", width="large")
def dialog(visit: Visit, name: str | None, sample: str = "") -> None:
    """Ask for a schema, say what of it is not checked here, and save it under *name*, or under a name to be given."""
    kind = st.segmented_control(
        "Written as",
        list(pasted.KINDS),
        format_func=lambda kind: pasted.KINDS[kind],
        default="json",
        required=True,
        key="save_kind",
    )
    schema = pasted.schema_in(
        visit, str(kind), sample if kind == "json" else "", key=f"save_{kind}_{name}", root="save_root"
    )
    if done := saving.form(visit, schema, name=name):
        saving.tell(done)
        st.query_params["schema"] = done.name
        st.query_params["version"] = str(done.version)
        st.rerun()

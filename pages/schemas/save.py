"""Saving a pasted schema as a version: nothing that callers get changes, unless a label is moved to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.given_schemas import read_text, roots
from core.json_texts import json_in
from core.pydantic_source import PydanticSource
from core.pydantic_source import told as omissions
from core.schemas import PRODUCTION
from core.tenants import Permission
from pages.kit.markup import code, plain
from pages.kit.notes import tell_notes
from pages.kit.page import Visit, flash, refusals

KINDS = {"JSON Schema": "json", "Pydantic": "pydantic"}
NO_LABEL = "No label"


def is_allowed(visit: Visit) -> bool:
    """Whether to offer what changes schemas, which all tenants share."""
    return visit.may(Permission.SCHEMAS_WRITE) and visit.principal.scope.ids is None


@st.dialog("Save as version", icon=":material/save:", width="large")
def dialog(visit: Visit, name: str | None, sample: str = "") -> None:
    """Ask for a schema, say what of it is not checked here, and save it under *name*, or under a name to be given."""
    wanted = name or st.text_input("Name", key="save_name", max_chars=63, placeholder="support_ticket")
    kind = st.segmented_control("Written as", list(KINDS), default="JSON Schema", required=True, key="save_kind")
    is_source = KINDS[str(kind)] == "pydantic"
    text = st.text_area("Schema", "" if is_source else sample, height=300, key=f"save_{KINDS[str(kind)]}_{name}")
    with refusals("This cannot be saved yet."):
        body: dict[str, Any] | None = None
        if (text or "").strip():
            body = _read_source(text) if is_source else _read_json(text)
        label = st.selectbox(
            "Label that moves to it",
            [NO_LABEL, PRODUCTION, "draft", "canary"],
            1 if name is None else 0,
            key=f"save_label_{name}",
            accept_new_options=True,
            help="Without one it is found by its number only, and callers get what they got.",
        )
        if label == PRODUCTION:
            st.warning(
                f"From the next request on, in every process, who asks for {code(wanted or 'it')} gets this version.",
                icon=":material/warning:",
            )
        if st.button("Save version", type="primary", key="confirm_save", disabled=not (wanted and body)):
            added = visit.runtime.schemas.add(
                visit.principal,
                wanted,
                body or {},
                label=None if label == NO_LABEL else label,
                source=text if is_source else "",
            )
            flash(f"{wanted} version {added.version} is saved.")
            st.query_params["schema"] = wanted
            st.query_params["version"] = str(added.version)
            st.rerun()


def _read_json(text: str) -> dict[str, Any]:
    several = roots(json_in(text, "The schema"))
    root: str | None = None
    if several:
        root = st.selectbox("Schema of the document", several, key="save_json_root", help="What an answer is.")
    found = read_text(text, "The schema", root)
    tell_notes(found.notes)
    return found.schema


def _read_source(text: str) -> dict[str, Any]:
    source = PydanticSource(text)
    root = source.roots[0] if len(source.roots) == 1 else None
    if len(source.roots) > 1:
        root = st.selectbox("Model", source.roots, key="save_root", help="What an answer is; the others may be parts.")
    read = source.read(root)
    if read.left_out:
        st.warning(plain(omissions(read.left_out)), icon=":material/rule:")
    return dict(read.schema)

"""*Save as…*: a pasted schema becomes a registered one, or a further version of one."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from core.schemas import PRODUCTION
from pages.kit.markup import code, plain
from pages.kit.page import Visit, flash, refusals

NO_LABEL = "no label"
DRAFT = "draft"


@st.dialog("Save as…", icon=":material/save:")
def save(visit: Visit, body: dict[str, Any], text: str) -> None:
    """Ask for name and label, say what will happen, then save."""
    known = {schema.name: schema for schema in visit.runtime.schemas.list(visit.principal)}
    name = st.text_input(
        "Name",
        suggested_name(body),
        key="save_name",
        help="Lower-case letters, digits and _, a letter first. A name that is there gets a further version.",
    ).strip()
    there = known.get(name)
    label = st.selectbox(
        "Label",
        [PRODUCTION, DRAFT, NO_LABEL],
        1 if there else 0,
        key="save_label",
        accept_new_options=True,
        help=f"A bare name means the version labelled {PRODUCTION}; programs that name it get that one.",
    )
    description = st.text_input(
        "Description", there.description if there else str(body.get("description") or "")[:200], key="save_description"
    )
    keeps = st.checkbox("Keep the input as its example", key="save_example", help="Everybody who opens it sees it.")
    if name:
        st.markdown(
            _consequence(name, label or NO_LABEL, there.latest if there else 0, dict(there.labels) if there else {})
        )
    if st.button("Save", type="primary", key="confirm_save", disabled=not name):
        with refusals("The schema was not saved."):
            added = visit.runtime.schemas.add(
                visit.principal,
                name,
                body,
                example_input=text if keeps else "",
                description=description.strip(),
                label=None if label in (None, NO_LABEL) else label,
            )
            flash(
                f"{name} version {added.version} is saved"
                + (f", now {label}." if label not in (None, NO_LABEL) else ".")
            )
            st.session_state["saved"] = (name, added.version)
            st.rerun()


def suggested_name(body: dict[str, Any]) -> str:
    """Return a name for a schema, made of its title: ``ShipmentNotice`` is ``shipment_notice``."""
    title = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(body.get("title") or ""))
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).lstrip("_0123456789")[:63].rstrip("_")


def _consequence(name: str, label: str, latest: int, labels: dict[str, int]) -> str:
    """Say what saving does."""
    what = f"{code(name)} is there: this becomes its version {latest + 1}" if latest else f"{code(name)} is new"
    if label == NO_LABEL:
        return f":small[{what}; it is found by its number alone.]"
    before = f", which is version {labels[label]} now" if label in labels else ""
    warns = ":orange[Programs get it from the next call on.] " if label == PRODUCTION and latest else ""
    return f":small[{what}; the label {plain(label)}{before} moves to it. {warns}The same content is kept once.]"


def tell_saved() -> None:
    """Offer the way to what was saved, until something else is done."""
    name, version = st.session_state.pop("saved", ("", 0))
    if not name:
        return
    st.success(f"Saved as {plain(name)}, version {version}.", icon=":material/save:")
    st.button(
        "Ask by its name", icon=":material/data_object:", key="ask_saved", on_click=_choose, args=(name, str(version))
    )


def _choose(name: str, version: str) -> None:
    """Choose a registered version."""
    st.session_state["source"], st.session_state["schema"], st.session_state["version"] = "registered", name, version

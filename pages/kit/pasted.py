"""A schema as it is pasted: read, with its root chosen, what is left out told, and the line marked that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from core.errors import ProctorError
from core.given_schemas import noted, read_at_hand, roots
from core.pydantic_source import Omission, PydanticSource, told
from pages.kit.markup import code, plain
from pages.kit.notes import tell_notes
from pages.kit.numbered import area, number, wrong_line
from pages.kit.page import Visit, show_error

KINDS = {"json": "JSON Schema", "pydantic": "Pydantic"}
MOST_LISTED = 40
SEVERAL = "The document has several schemas that no other uses. This one is asked for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """A schema that somebody pasted."""

    body: dict[str, Any]
    """The JSON Schema."""
    source: str = ""
    """The Pydantic source that it was read from; empty where it is JSON Schema itself."""


def schema_in(visit: Visit, kind: str, sample: str, *, key: str, root: str, is_kept: bool = False) -> Pasted | None:
    """Draw the field for a schema of a *kind* and what is to be said of it; return it, ``None`` while there is none.

    *key* and *root* are the keys of the field and of the choice of a root; *is_kept* keeps both while the page is left.
    """
    kept = "session" if is_kept else None
    text = area("Source", sample, height=280, key=key, hides_label=True, kept=kept)
    if not text.strip():
        number(key, text)
        st.info("Paste a schema: nothing is asked or kept before there is one.", icon=":material/content_paste:")
        return None
    try:
        schema = _json_schema(visit, text, f"json_{root}", kept) if kind == "json" else _pydantic(text, root, kept)
        visit.runtime.schemas.inline(schema)
    except ProctorError as error:
        show_error(error, "This schema cannot be used yet.")
        number(key, text, wrong_line(error.message))
        return None
    number(key, text)
    return Pasted(body=schema, source=text if kind == "pydantic" else "")


def _json_schema(visit: Visit, text: str, key: str, kept: Literal["session"] | None) -> dict[str, Any]:
    """Read what was pasted as the schema that it means, with the one that was chosen where there are several."""
    given = visit.runtime.workers.of("").json_in(text, "The schema")
    several = roots(given)
    root: str | None = None
    if several:
        root = st.selectbox("Root", several, key=key, persist_state=kept, help=SEVERAL)
    found = read_at_hand(given, text, root)
    tell_notes(found.notes)
    return found.schema


def _pydantic(text: str, key: str, kept: Literal["session"] | None) -> dict[str, Any]:
    """Read the source, with the root that was chosen where there are several."""
    source = PydanticSource(text)
    root: str | None = None
    if len(source.roots) > 1:
        root = st.selectbox(
            "Root",
            source.roots,
            source.roots.index(source.likely_root) if source.likely_root in source.roots else 0,
            key=key,
            persist_state=kept,
            help="The source has several models that no other uses. This one is asked for.",
        )
    read = source.read(root)
    st.caption(f"Asks for {plain(read.root)}. Nothing of the source is run.")
    if read.left_out:
        _left_out(read.left_out)
    tell_notes(noted(read.schema))
    return read.schema


def _left_out(left_out: tuple[Omission, ...]) -> None:
    """Say in amber what the schema does not say, and so nobody here checks."""
    with st.container(key="left_out", gap="xsmall"):
        st.warning(plain(told(left_out)), title="Not checked here", icon=":material/rule:")
        with st.popover("Line by line", icon=":material/format_list_numbered:", type="tertiary"):
            for one in left_out[:MOST_LISTED]:
                st.markdown(f":small[Line {one.line} · {plain(one.kind)} {code(one.name)}]")
            if len(left_out) > MOST_LISTED:
                st.caption(f"And {len(left_out) - MOST_LISTED} more.")

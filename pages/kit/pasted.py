"""A schema as it is pasted: read, with its root chosen, what is left out told, and the line marked that is wrong."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from core.errors import ProctorError
from core.given_schemas import read_text, roots
from core.json_texts import json_in
from core.pydantic_source import Omission, PydanticSource, told
from pages.kit.markup import code, plain
from pages.kit.notes import tell_notes
from pages.kit.page import Visit, show_error

KINDS = {"json": "JSON Schema", "pydantic": "Pydantic"}
AROUND = 4
"""How many lines are shown on either side of the wrong one."""
MOST_LISTED = 40
SEVERAL = "The document has several schemas that no other uses. This one is asked for."
_LINE = re.compile(r"\bLine (\d{1,6})\b")
_LOOK = """<style>
.st-key-pasted textarea, .lines {
  font-family: 'JetBrains Mono', ui-monospace, monospace; font-size: 0.8125rem; tab-size: 4;
}
.st-key-pasted textarea { white-space: pre; overflow-x: auto; }
.lines { line-height: 1.7; overflow-x: auto; border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 8px; }
.lines div { white-space: pre; padding: 0 0.75rem; border-left: 3px solid transparent; }
.lines .wrong { background: rgba(220, 38, 38, 0.14); border-left-color: rgb(220, 38, 38); font-weight: 600; }
.lines .number { display: inline-block; min-width: 3rem; user-select: none; }
</style>"""


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
    st.html(_LOOK)
    kept = "session" if is_kept else None
    with st.container(key="pasted"):
        text = st.text_area("Source", sample, height=280, key=key, label_visibility="collapsed", persist_state=kept)
    if not (text or "").strip():
        st.info("Paste a schema: nothing is asked or kept before there is one.", icon=":material/content_paste:")
        return None
    try:
        schema = _json_schema(text, f"json_{root}", kept) if kind == "json" else _pydantic(text, root, kept)
        visit.runtime.schemas.inline(schema)
    except ProctorError as error:
        show_error(error, "This schema cannot be used yet.")
        if (line := wrong_line(error.message)) is not None:
            st.html(lines(text, line))
        return None
    return Pasted(body=schema, source=text if kind == "pydantic" else "")


def wrong_line(sentence: str) -> int | None:
    """Return the line that *sentence* speaks of, counted from 1."""
    found = _LINE.search(sentence)
    return int(found[1]) if found else None


def lines(text: str, wrong: int) -> str:
    """Return the lines around the *wrong* one as HTML, each with its number, that one marked."""
    every = text.split("\n")
    wrong = min(max(wrong, 1), len(every))
    shown = range(max(1, wrong - AROUND), min(len(every), wrong + AROUND) + 1)
    rows: list[str] = []
    for number in shown:
        mark, sign = (" class=wrong", " ▸") if number == wrong else ("", "")
        rows.append(
            f'<div{mark}><span class="number">{number}{sign}</span>{html.escape(every[number - 1][:400])} </div>'
        )
    return f'<div class="lines" role="img" aria-label="Line {wrong} is wrong">{"".join(rows)}</div>'


def _json_schema(text: str, key: str, kept: Literal["session"] | None) -> dict[str, Any]:
    """Read what was pasted as the schema that it means, with the one that was chosen where there are several."""
    several = roots(json_in(text, "The schema"))
    root: str | None = None
    if several:
        root = st.selectbox("Root", several, key=key, persist_state=kept, help=SEVERAL)
    found = read_text(text, "The schema", root)
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
